//! Which model the embedded service serves, when the settings do not say: the one of the store, as far as this home knows.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::pin::Pin;

use agent_turbo_embed as embed;
use agent_turbo_stack::{self as stack, EmbedderOptions, Home};

use crate::progress::Spinner;

/// Starts embedded services, each for its model.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) home: Home,
    pub(crate) program: OsString,
}

impl Served {
    /// The service of `model`, a folder or a name, started if need be; of the default model without one.
    pub(crate) async fn start(&self, model: Option<String>) -> Result<stack::Embedder, stack::Error> {
        let mut options = EmbedderOptions::new([self.program.clone(), OsString::from("embedder")]);
        options.model = model;
        let spinner = Spinner::new();
        let started = stack::ensure_embedder(&self.home, &options, &|step| spinner.step(step)).await;
        spinner.finish();
        started
    }

    /// Where the model that the store was last seen to have comes from; `None` for the default model.
    pub(crate) fn last(&self) -> Option<String> {
        let name = fs::read_to_string(self.folder().join("current")).ok()?;
        Some(self.source_of(name.trim())).filter(|source| source != stack::DEFAULT_MODEL)
    }

    /// Writes down that the store's model is `name`.
    pub(crate) fn note_current(&self, name: &str) -> std::io::Result<()> {
        self.write("current", name)
    }

    /// Writes down from where the model called `name` is read: a folder's name is only the last part of its path.
    pub(crate) fn note_source(&self, name: &str, source: &str) -> std::io::Result<()> {
        let source = fs::canonicalize(source).ok().and_then(|path| path.to_str().map(str::to_owned));
        source.map_or(Ok(()), |source| self.write(&format!("from-{}", slug(name)), &source))
    }

    fn source_of(&self, name: &str) -> String {
        let source = fs::read_to_string(self.folder().join(format!("from-{}", slug(name))));
        source.unwrap_or_else(|_| name.to_owned())
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("served")
    }

    /// In one step, so that nobody reads half a name.
    fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        fs::create_dir_all(self.folder())?;
        let unfinished = self.folder().join(format!("{file}.{}", std::process::id()));
        fs::write(&unfinished, text)?;
        fs::rename(unfinished, self.folder().join(file))
    }
}

impl embed::Finder for Served {
    fn find(&self, model: &embed::Model) -> Pin<Box<dyn Future<Output = Option<String>> + Send>> {
        let (served, name) = (self.clone(), model.name.clone());
        Box::pin(async move {
            match served.start(Some(served.source_of(&name))).await {
                Ok(embedder) if embedder.model == name => {
                    if let Err(error) = served.note_current(&name) {
                        tracing::debug!(%error, "served.note");
                    }
                    Some(embedder.url)
                }
                Ok(_) => None,
                Err(error) => {
                    tracing::warn!(%error, model = name, "served.find");
                    None
                }
            }
        })
    }
}

fn slug(name: &str) -> String {
    name.replace('/', "--")
}
