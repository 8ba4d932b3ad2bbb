//! The embedding service: which program it is the caller says; that it runs and serves its model is seen to here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::blocking::{self, Report, tell};
use crate::down::Stopped;
use crate::error::Error;
use crate::home::Home;
use crate::lock::{Lock, PATIENCE};
use crate::model::Model;
use crate::process::{Service, signal, wait_until};
use crate::progress::{Progress, Step};
use crate::{files, health, logs, port};

/// How long reading a model may take.
const LOAD_LIMIT: Duration = Duration::from_mins(2);

/// How long a service that was healthy before may fail to answer before it is replaced.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long it may take to end in its own time.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How often another port is tried when somebody takes the chosen one in the moment before the service does.
const PORT_ATTEMPTS: u32 = 5;

/// How to start the embedding service, when it does not run yet.
#[derive(Debug, Clone)]
pub struct EmbedderOptions {
    /// The program and its first arguments, such as `["/usr/bin/agent-turbo", "embedder"]`. It gets
    /// `--model-dir DIR --model-name NAME --listen 127.0.0.1:PORT` besides, and is run from `/`.
    pub command: Vec<OsString>,
    /// The model: a folder (the last part of its path is the model's name), or a name in the local Hugging Face
    /// cache such as `BAAI/bge-base-en-v1.5`. The default is [`DEFAULT_MODEL`](crate::DEFAULT_MODEL), which is
    /// downloaded. Different models are served by different processes, side by side.
    pub model: Option<String>,
    /// The loopback port to prefer. When it is taken, or none is given, a free one is used (the same as last time,
    /// if possible).
    pub port: Option<u16>,
    /// How long to wait for another process that is starting it: 15 minutes.
    pub patience: Duration,
}

impl EmbedderOptions {
    /// The default model, served by `command`.
    pub fn new<S: Into<OsString>>(command: impl IntoIterator<Item = S>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Self { command, model: None, port: None, patience: PATIENCE }
    }
}

/// A running embedding service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedder {
    /// Where it answers, such as `http://127.0.0.1:40123`.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// The model that it serves.
    pub model: String,
}

/// The embedding service of this home for the wanted model; its model downloaded and itself started as far as that
/// has not been done yet.
///
/// Safe to call from any number of processes at once: one of them starts it.
pub async fn ensure_embedder(
    home: &Home,
    options: &EmbedderOptions,
    progress: Progress<'_>,
) -> Result<Embedder, Error> {
    let (home, options) = (home.clone(), options.clone());
    blocking::run(progress, move |report| {
        let model = Model::locate(&home, options.model.as_deref())?;
        match Instance::read(&Instance::file(&home, &model.name)) {
            Some(instance) if instance.serves(&model) => Ok(instance.describe()),
            _ => start(&home, &options, &model, report),
        }
    })
    .await
}

/// What is remembered about a service that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    pub(crate) model: String,
    model_dir: PathBuf,
    /// It has been healthy, so it is not loading any more.
    was_ready: bool,
    /// When, in seconds since 1970.
    started: u64,
}

impl Instance {
    pub(crate) fn file(home: &Home, model: &str) -> PathBuf {
        home.embedders().join(format!("{}.json", slug(model)))
    }

    pub(crate) fn read(file: &Path) -> Option<Self> {
        serde_json::from_str(&files::read_small(file).ok()??).ok()
    }

    /// Everything that was started in this home and not stopped.
    pub(crate) fn all(home: &Home) -> Vec<Self> {
        let entries = std::fs::read_dir(home.embedders()).into_iter().flatten().flatten();
        let mut all: Vec<Self> = entries.filter_map(|entry| Self::read(&entry.path())).collect();
        all.sort_by(|one, other| one.model.cmp(&other.model));
        all
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn uptime(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(self.started)).unwrap_or_default()
    }

    pub(crate) fn is_alive(&self) -> bool {
        crate::process::runs(self.pid, &listen(self.port))
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.is_alive() && health::is_healthy(self.port, &self.model)
    }

    fn serves(&self, model: &Model) -> bool {
        self.model == model.name && self.model_dir == model.dir && self.is_healthy()
    }

    fn describe(&self) -> Embedder {
        Embedder { url: self.url(), pid: self.pid, model: self.model.clone() }
    }

    fn write(&self, home: &Home) -> Result<(), Error> {
        files::replace(&Self::file(home, &self.model), serde_json::json!(self).to_string().as_bytes(), 0o644)
    }

    /// Ends the process; `None` when it has ended already. The caller holds its lock.
    pub(crate) fn stop(&self, home: &Home) -> Result<Option<Stopped>, Error> {
        let mut stopped = None;
        for (how, forced) in [(Signal::TERM, false), (Signal::KILL, true)] {
            if !self.is_alive() {
                break;
            }
            tracing::debug!(pid = self.pid, signal = ?how, "stopping the embedding service");
            signal(self.pid, how);
            wait_until(STOP_LIMIT, || !self.is_alive());
            stopped = Some(Stopped { pid: self.pid, forced });
        }
        if self.is_alive() {
            return Err(Error::NotStopped { service: service_name(&self.model), pid: self.pid });
        }
        files::remove(&Self::file(home, &self.model));
        Ok(stopped)
    }

    pub(crate) fn lock(home: &Home, model: &str, patience: Duration, report: &Report) -> Result<Lock, Error> {
        Lock::acquire(&home.lock(&format!("embedder-{}", slug(model))), patience, report)
    }
}

fn start(home: &Home, options: &EmbedderOptions, model: &Model, report: &Report) -> Result<Embedder, Error> {
    home.create()?;
    model.fetch(home, report)?;
    let _lock = Instance::lock(home, &model.name, options.patience, report)?;
    files::remove_unfinished(&Instance::file(home, &model.name));
    let mut preferred = options.port;
    if let Some(earlier) = Instance::read(&Instance::file(home, &model.name)) {
        let patience = if earlier.was_ready { ANSWER_LIMIT } else { LOAD_LIMIT };
        if earlier.model_dir == model.dir {
            wait_until(patience, || !earlier.is_alive() || earlier.is_healthy());
        }
        if earlier.serves(model) {
            return Ok(earlier.describe());
        }
        earlier.stop(home)?;
        preferred = preferred.or(Some(earlier.port));
    }
    files::create_dir(&home.embedders(), 0o755)?;
    files::create_dir(&home.logs(), 0o755)?;
    tell(report, Step::StartingEmbedder { model: model.name.clone() });
    let mut attempts = 0;
    loop {
        let port = port::choose(preferred)?;
        match attempt(home, options, model, port, report) {
            Err(Error::NotStarted { .. }) if attempts < PORT_ATTEMPTS && !port::is_free(port) => {
                attempts += 1;
                preferred = None;
            }
            result => return result,
        }
    }
}

fn attempt(
    home: &Home,
    options: &EmbedderOptions,
    model: &Model,
    port: u16,
    report: &Report,
) -> Result<Embedder, Error> {
    let Some((program, arguments)) = options.command.split_first() else {
        return Err(Error::BadOptions { reason: "no command was given".to_owned() });
    };
    let log = home.logs().join(format!("embedder-{}.log", slug(&model.name)));
    logs::rotate(&log);
    let since = logs::size(&log);
    let mut command = Command::new(absolute(program));
    command.args(arguments).arg("--model-dir").arg(&model.dir).args(["--model-name", &model.name]);
    command.args(["--listen", &listen(port)]);
    let mut service = Service::start(command, &log)?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut instance = Instance {
        pid: service.pid(),
        port,
        model: model.name.clone(),
        model_dir: model.dir.clone(),
        was_ready: false,
        started,
    };
    tracing::debug!(pid = instance.pid, port, model = model.name, "started the embedding service");
    let mut status = None;
    let ready = instance.write(home).map(|()| {
        tell(report, Step::LoadingModel { model: model.name.clone() });
        let mut healthy = false;
        wait_until(LOAD_LIMIT, || {
            status = service.ended();
            healthy = status.is_none() && health::is_healthy(port, &model.name);
            status.is_some() || healthy
        });
        healthy
    });
    service.detach();
    let ready = ready.and_then(|ready| {
        instance.was_ready = ready;
        if ready { instance.write(home).map(|()| true) } else { Ok(false) }
    });
    if let Ok(true) = ready {
        return Ok(instance.describe());
    }
    // Nothing that is not known to the next caller stays behind.
    instance.stop(home)?;
    ready?;
    Err(Error::NotStarted {
        service: service_name(&model.name),
        reason: match status {
            Some(status) => format!("it ended with {status}"),
            None => format!("it was not healthy after {} s", LOAD_LIMIT.as_secs()),
        },
        log: logs::tail(&log, since),
    })
}

/// A relative path means the caller's folder, not the one the service runs in; a bare name is looked up in PATH.
fn absolute(program: &OsString) -> PathBuf {
    let path = Path::new(program);
    if path.components().count() > 1 {
        std::path::absolute(path).unwrap_or_else(|_| path.into())
    } else {
        path.into()
    }
}

fn listen(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn service_name(model: &str) -> String {
    format!("the embedding service for {model}")
}

fn slug(model: &str) -> String {
    model.replace('/', "--")
}
