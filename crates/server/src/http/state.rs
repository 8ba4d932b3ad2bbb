use std::sync::Arc;

use tokio::sync::Semaphore;

use super::auth::Tokens;
use super::config::Config;
use super::host::Names;
use super::metrics::Metrics;
use crate::App;

/// What handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) app: App,
    pub(super) config: Config,
    pub(super) names: Names,
    pub(super) tokens: Tokens,
    pub(super) metrics: Metrics,
    pub(super) event_streams: Arc<Semaphore>,
}

/// It, as handlers get it.
pub(super) type State = axum::extract::State<Arc<Shared>>;

impl Shared {
    pub(super) fn new(app: App, config: Config) -> Self {
        Self {
            names: Names::new(&config),
            tokens: Tokens::default(),
            metrics: Metrics::default(),
            event_streams: Arc::new(Semaphore::new(config.max_event_streams)),
            app,
            config,
        }
    }
}
