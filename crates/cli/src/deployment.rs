use std::ffi::OsString;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agent_turbo_db::{self as db, Config, ConnectionUrl, Database, SchemaState, tokio_postgres};
use agent_turbo_embed as embed;
use agent_turbo_knowledge::{Options, Project, Store};
use agent_turbo_orchestrator::{Node, Orchestrator, SessionId};
use agent_turbo_stack::{self as stack, Home, PostgresOptions};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::commands::reembed::check_served;
use crate::progress::Spinner;
use crate::served::Served;
use crate::settings::Settings;

/// Where an embedding service of one's own is looked for when nothing is said.
const USUAL_EMBEDDER: &str = "http://127.0.0.1:8765";

/// Finds the database and the embedding service, or starts the embedded ones.
#[derive(Debug)]
pub struct Deployment {
    /// How.
    pub settings: Settings,
    /// Where embedded services and caches live.
    pub home: Home,
    /// The `agent-turbo` program, which is also the embedded embedding service.
    program: OsString,
    /// The first database that was opened.
    opened: Arc<OnceLock<Database>>,
}

/// Whether a program asks once or many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    OneCommand,
    LongLived,
}

/// Whether a command needs vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Embedding {
    /// Fails without.
    Needed,
    /// Does what it can without.
    Wanted,
    /// Never asks for any.
    Unused,
}

impl Deployment {
    /// With `program` as the embedded embedding service.
    pub fn new(settings: Settings, program: impl Into<OsString>) -> Result<Self> {
        Ok(Self { settings, home: Home::from_env()?, program: program.into(), opened: Arc::default() })
    }

    /// The program that runs is the service, too.
    pub(crate) fn of_this_program(settings: Settings) -> Result<Self> {
        let program = std::env::current_exe().context("find this program's own file")?;
        Self::new(settings, program)
    }

    /// A migrated database, opened as programs do that ask many times.
    pub async fn database(&self) -> Result<Database> {
        self.open_database(Lifetime::LongLived).await
    }

    /// A store, opened as programs do that ask many times.
    pub async fn store(&self) -> Result<Store> {
        self.open_store(Lifetime::LongLived, Embedding::Needed).await
    }

    /// A client of the embedding service.
    pub async fn embedding(&self) -> Result<embed::Client> {
        let url = self.embedder_url().await?;
        self.embedding_at(&url)
    }

    /// Where the database is: one's own, or the embedded one, started if need be.
    pub async fn database_config(&self) -> Result<Config> {
        let url = match self.settings.database_url() {
            Some(url) => url,
            None => {
                let spinner = Spinner::new();
                let started = stack::ensure_postgres(&self.home, &PostgresOptions::default(), &|step| {
                    spinner.step(step);
                })
                .await;
                spinner.finish();
                ConnectionUrl::new(started?.url().expose())
            }
        };
        Ok(self.settings.database(url))
    }

    /// What tells the tables that this program works with from others, without giving away how to reach them; `None` for
    /// a connection string that cannot be read.
    pub(crate) fn store_identity(&self) -> Option<String> {
        let place = match self.settings.database_url() {
            None => format!("embedded {}", self.home.path().display()),
            Some(url) => {
                let config: tokio_postgres::Config = url.expose().parse().ok()?;
                let (hosts, ports) = (config.get_hosts(), config.get_ports());
                format!("{hosts:?} {ports:?} {:?} {:?}", config.get_dbname(), config.get_user())
            }
        };
        let identity = Sha256::digest(format!("{place}\0{}", self.settings.schema));
        Some(identity.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(crate) fn project(&self, named: Option<&str>) -> Result<Project> {
        Ok(named.unwrap_or(&self.settings.project).parse()?)
    }

    /// The project that was named, else that of the session that works.
    pub(crate) async fn project_of(
        &self,
        orchestrator: &Orchestrator,
        named: Option<String>,
        session: Option<&SessionId>,
    ) -> Result<String> {
        match (named, session) {
            (Some(named), _) => Ok(self.project(Some(&named))?.to_string()),
            (None, Some(session)) => Ok(orchestrator.claimant(session).await?.project),
            (None, None) => Ok(self.project(None)?.to_string()),
        }
    }

    pub(crate) async fn open_database(&self, lifetime: Lifetime) -> Result<Database> {
        let mut config = self.database_config().await?;
        if lifetime == Lifetime::OneCommand {
            config.pool_min = 1;
        }
        let opened = Database::connect(config.clone()).await?;
        let state = db::schema_state(&*opened.client().await?, &config).await?;
        if !matches!(state, SchemaState::Current { .. }) {
            db::migrate(&config).await?;
            Orchestrator::new(opened.clone()).register_node(&Node::this_machine()).await?;
        }
        let _ = self.opened.set(opened.clone());
        Ok(opened)
    }

    /// Where the database will be found, once a command has opened one.
    pub(crate) fn opened(&self) -> Arc<OnceLock<Database>> {
        Arc::clone(&self.opened)
    }

    pub(crate) async fn open_orchestrator(&self, lifetime: Lifetime) -> Result<Orchestrator> {
        Ok(Orchestrator::new(self.open_database(lifetime).await?))
    }

    pub(crate) async fn open_store(&self, lifetime: Lifetime, embedding: Embedding) -> Result<Store> {
        Ok(self.open_both(lifetime, embedding).await?.0)
    }

    /// A store that remembers neither answers nor vectors, for those who measure what a question takes.
    pub(crate) async fn open_forgetful_store(&self) -> Result<Store> {
        let database = match self.opened.get() {
            Some(database) => database.clone(),
            None => self.open_database(Lifetime::OneCommand).await?,
        };
        let timeout = Duration::from_millis(self.settings.embed_timeout_ms);
        let url = self.embedder_url().await?;
        let client =
            embed::Client::new(embed::Config { timeout, memory_bytes: 0, ..embed::Config::new(url) })?;
        Ok(Store::open(database, client, self.store_options(Lifetime::OneCommand)).await?)
    }

    /// A store and an orchestrator on one pool.
    pub(crate) async fn open_both(
        &self,
        lifetime: Lifetime,
        embedding: Embedding,
    ) -> Result<(Store, Orchestrator)> {
        // Independent of each other, and both may have to be started.
        let (database, client) = tokio::join!(self.open_database(lifetime), self.open_embedding(embedding));
        let database = database?;
        let orchestrator = Orchestrator::new(database.clone());
        Ok((Store::open(database, client?, self.store_options(lifetime)).await?, orchestrator))
    }

    fn store_options(&self, lifetime: Lifetime) -> Options {
        Options {
            max_content_bytes: self.settings.max_content_bytes,
            redact: self.settings.redact_secrets,
            result_cache_bytes: match lifetime {
                Lifetime::OneCommand => 0,
                Lifetime::LongLived => self.settings.result_cache_bytes,
            },
            measure_recall: lifetime == Lifetime::LongLived && self.settings.metrics,
            untrusted_platforms: self.settings.untrusted_platforms.clone(),
            ..Options::default()
        }
    }

    async fn open_embedding(&self, embedding: Embedding) -> Result<embed::Client> {
        if embedding == Embedding::Unused {
            return self.embedding_at(USUAL_EMBEDDER);
        }
        match self.embedding().await {
            // A service that cannot be started; a setting that makes no sense is an error all the same.
            Err(error) if embedding == Embedding::Wanted && error.is::<stack::Error>() => {
                tracing::warn!("failed to {error:#}");
                self.embedding_at(USUAL_EMBEDDER)
            }
            client => client,
        }
    }

    /// Where the embedding service is: the one that was named, a healthy one on the usual port, or the embedded one.
    async fn embedder_url(&self) -> Result<String> {
        if !self.settings.embed_url.is_empty() {
            return Ok(self.settings.embed_url.clone());
        }
        let served = self.served();
        let model = if self.settings.embed_model.is_empty() {
            served.last()
        } else {
            Some(self.settings.embed_model.clone())
        };
        if model.is_none() && self.is_healthy(USUAL_EMBEDDER).await {
            return Ok(USUAL_EMBEDDER.to_owned());
        }
        Ok(served.start(model).await?.url)
    }

    /// A client of a service of the model that the store is to move to: the one that was named, or an embedded one.
    pub(crate) async fn embedding_of(&self, wanted: &str) -> Result<embed::Client> {
        let url = &self.settings.embed_url;
        if !url.is_empty() {
            let client = self.embedding_at(url)?;
            check_served(wanted, &client.health().await?.model(), url)?;
            return Ok(client);
        }
        let started = self.served().start(Some(wanted.to_owned())).await?;
        // Before the move, so that others find the service as soon as they hear of it.
        self.served().note_source(&started.model, wanted).context("write down where the model is")?;
        self.embedding_at(&started.url)
    }

    /// From now on the embedded service is that of the store's new model, for programs that do not ask the store first.
    pub(crate) fn note_model(&self, name: &str) {
        if let Err(error) = self.served().note_current(name) {
            tracing::warn!(%error, "deployment.note_model");
        }
    }

    fn served(&self) -> Served {
        Served { home: self.home.clone(), program: self.program.clone() }
    }

    async fn is_healthy(&self, url: &str) -> bool {
        let config = embed::Config { attempts: 1, ..embed::Config::new(url) };
        let Ok(client) = embed::Client::new(config) else { return false };
        client.health().await.is_ok_and(|health| health.is_healthy())
    }

    fn embedding_at(&self, url: &str) -> Result<embed::Client> {
        let entries = self.settings.embed_cache_entries;
        let disk = (entries > 0).then(|| embed::DiskCache {
            dir: self.home.path().join("cache/embeddings"),
            max_entries: entries,
        });
        let timeout = Duration::from_millis(self.settings.embed_timeout_ms);
        // Who names a service, or a model, means that one.
        let is_free = self.settings.embed_url.is_empty() && self.settings.embed_model.is_empty();
        let finder = is_free.then(|| Arc::new(self.served()) as Arc<dyn embed::Finder>);
        Ok(embed::Client::new(embed::Config { timeout, disk, finder, ..embed::Config::new(url) })?)
    }
}
