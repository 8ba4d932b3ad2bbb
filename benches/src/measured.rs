use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What one bench found, for the verdict at the end of the run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The process that runs all benches, which tells one run from another.
    run: u32,
    /// The figures.
    pub figures: Vec<Figure>,
}

/// A gate's figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The gate's name.
    pub gate: String,
    /// In the gate's unit.
    pub value: f64,
    /// Where it comes from.
    pub detail: String,
}

impl Measured {
    /// Keeps what a bench found until the verdict.
    pub(crate) fn keep(bench: &str, figures: Vec<Figure>) -> Result<()> {
        let dir = folder()?;
        fs::create_dir_all(&dir)?;
        let measured = Self { run: std::os::unix::process::parent_id(), figures };
        let file = dir.join(format!("{bench}.json"));
        fs::write(&file, serde_json::to_vec_pretty(&measured)?).with_context(|| file.display().to_string())
    }

    /// What the benches of this run found; nothing of earlier ones.
    pub fn of_this_run() -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for file in fs::read_dir(folder()?).context("no bench has left a figure")? {
            let measured: Self = serde_json::from_slice(&fs::read(file?.path())?)?;
            if measured.run == std::os::unix::process::parent_id() {
                figures.extend(measured.figures);
            }
        }
        Ok(figures)
    }
}

/// `target/<profile>/gates`, beside the `deps` that this bench is in.
fn folder() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.ancestors().nth(2).context("the folder of this bench's profile")?.join("gates"))
}
