//! One process of the product as the soak opens it: this one, and each worker.

use std::time::Duration;

use agent_turbo_db::{self as db, Database};
use agent_turbo_embed as embed;
use agent_turbo_knowledge::{self as knowledge, Options, Project, Store};
use agent_turbo_orchestrator::{Orchestrator, Reaper, SilenceLimits};
use anyhow::Result;

use super::event::Connections;

/// Small, so that caches are full long before memory is looked at.
const CACHE_BYTES: u64 = 1 << 20;
const REAP_EVERY: Duration = Duration::from_secs(2);

/// Where everything is.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) database: db::ConnectionUrl,
    pub(super) embedder: String,
}

pub(super) struct Process {
    pub(super) name: String,
    pub(super) database: Database,
    pub(super) store: Store,
    /// The same database and service without any memory of its own.
    pub(super) fresh: Store,
    pub(super) orchestrator: Orchestrator,
    /// Knowledge that nobody else writes to.
    pub(super) own: Project,
    _reaper: Reaper,
}

impl Process {
    /// Opens everything with the product's own defaults.
    pub(super) async fn open(name: &str, places: &Places) -> Result<Self> {
        let url = places.database.expose();
        let mark = if url.contains('?') { '&' } else { '?' };
        let config = db::Config {
            session_settings: knowledge::session_settings(),
            ..db::Config::new(db::ConnectionUrl::new(format!("{url}{mark}application_name={name}")))
        };
        let database = Database::connect(config).await?;
        let client = embed::Client::new(embed::Config {
            memory_bytes: CACHE_BYTES,
            ..embed::Config::new(&places.embedder)
        })?;
        let store = |result_cache_bytes| {
            let options = Options { result_cache_bytes, ..Options::default() };
            Store::open(database.clone(), client.clone(), options)
        };
        let orchestrator = Orchestrator::new(database.clone());
        Ok(Self {
            name: name.to_owned(),
            store: store(CACHE_BYTES).await?,
            fresh: store(0).await?,
            _reaper: orchestrator.start_reaper(SilenceLimits::default(), REAP_EVERY),
            orchestrator,
            database,
            own: format!("of-{name}").parse()?,
        })
    }

    pub(super) fn connections(&self) -> Connections {
        Connections { pool: self.database.status().open }
    }
}
