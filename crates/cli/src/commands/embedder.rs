use std::net::SocketAddr;
use std::path::PathBuf;

use agent_turbo_embedder::{Engine, EngineOptions, Limits, Model, ModelOptions, serve};
use agent_turbo_stack as stack;
use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::tell;
use crate::progress::Spinner;

/// Serve a sentence model over HTTP, until interrupted.
#[derive(Debug, clap::Args)]
pub(crate) struct Embedder {
    /// A model's folder, as sentence-transformers writes it [default: all-MiniLM-L6-v2, downloaded once].
    #[arg(long, value_name = "DIR")]
    model_dir: Option<PathBuf>,
    /// What the model is called in answers [default: the folder's name].
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8765")]
    listen: SocketAddr,
    /// Threads that compute [default: one for each processor].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Memory for vectors of texts that come again, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    cache_mib: u64,
}

impl Embedder {
    pub(crate) async fn run(self, deployment: &Deployment) -> Result<Exit> {
        // Bound first: a taken port is found out before the model is read.
        let listener =
            TcpListener::bind(self.listen).await.with_context(|| format!("listen on {}", self.listen))?;
        let (dir, name) = match self.model_dir {
            Some(dir) => (dir, self.model_name),
            None => {
                let spinner = Spinner::new();
                let dir = stack::ensure_model(&deployment.home, &|step| spinner.step(step)).await;
                spinner.finish();
                (dir?, self.model_name.or_else(|| Some(stack::DEFAULT_MODEL.to_owned())))
            }
        };
        let options = ModelOptions { name, threads: self.threads, ..ModelOptions::default() };
        let model = tokio::task::spawn_blocking(move || Model::load(&dir, &options)).await??;
        let (name, dimensions, device) = (model.name().to_owned(), model.dimensions(), model.device());
        let engine = Engine::start(
            model,
            EngineOptions { cache_bytes: self.cache_mib << 20, ..EngineOptions::default() },
        )?;
        tell(format_args!(
            "Serving {name} ({dimensions} dimensions, {device}) on http://{}",
            listener.local_addr()?
        ));
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let mut limits = Limits::default();
        // What may be stored must be possible to embed, and fit a request as JSON.
        limits.max_text_bytes = limits.max_text_bytes.max(deployment.settings.max_content_bytes);
        limits.max_body_bytes = limits.max_body_bytes.max(limits.max_text_bytes.saturating_mul(2));
        serve(listener, engine, limits, stop).await?;
        Ok(Exit::Done)
    }
}
