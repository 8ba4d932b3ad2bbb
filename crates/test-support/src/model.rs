use std::path::PathBuf;

use agent_turbo_embed as embed;
use agent_turbo_embedder::{Engine, EngineOptions, Limits, Model, ModelOptions, serve};
use agent_turbo_stack as stack;
use anyhow::Result;
use tokio::net::TcpListener;

use crate::small_model::{SMALL_MODEL, write_small_model};

/// The default model's folder, downloaded when it is not there yet.
pub async fn model_dir() -> Result<PathBuf> {
    Ok(stack::ensure_model(&crate::home(), &stack::quiet).await?)
}

/// An embedding service with the real model, one for each test process; its URL.
pub async fn embedder() -> Result<String> {
    // Tests have a runtime each, which ends with them; the service outlives them on one of its own.
    static URL: std::sync::OnceLock<Result<String, String>> = std::sync::OnceLock::new();
    let started = tokio::task::spawn_blocking(|| {
        URL.get_or_init(|| start(false).map_err(|error| format!("{error:#}")))
    });
    started.await?.clone().map_err(anyhow::Error::msg)
}

/// An embedding service with the second model, which has other dimensions, one for each test process; its URL.
pub async fn small_embedder() -> Result<String> {
    static URL: std::sync::OnceLock<Result<String, String>> = std::sync::OnceLock::new();
    let started =
        tokio::task::spawn_blocking(|| URL.get_or_init(|| start(true).map_err(|error| format!("{error:#}"))));
    started.await?.clone().map_err(anyhow::Error::msg)
}

/// A client of [`embedder`] without a disk cache.
pub async fn embedding_client() -> Result<embed::Client> {
    Ok(embed::Client::new(embed::Config::new(embedder().await?))?)
}

fn start(small: bool) -> Result<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
        {
            Ok(runtime) => runtime,
            Err(error) => return drop(sender.send(Err(error.into()))),
        };
        runtime.block_on(async move {
            let started = async {
                let name = if small { SMALL_MODEL } else { stack::DEFAULT_MODEL };
                let options = ModelOptions { name: Some(name.to_owned()), ..ModelOptions::default() };
                let written = tempfile::tempdir()?;
                let dir = if small {
                    write_small_model(written.path()).await?;
                    written.path().to_owned()
                } else {
                    model_dir().await?
                };
                let model = Model::load(&dir, &options)?;
                let engine = Engine::start(model, EngineOptions::default())?;
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                anyhow::Ok((format!("http://{}", listener.local_addr()?), listener, engine))
            };
            match started.await {
                Ok((url, listener, engine)) => {
                    let _ = sender.send(Ok(url));
                    let _ = serve(listener, engine, Limits::default(), std::future::pending()).await;
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        });
    });
    receiver.recv()?
}
