//! What a caller is told while something takes long enough to be noticed.

use std::fmt;
use std::path::PathBuf;

/// Called with each step as it begins; printing it is the caller's business.
pub type Progress<'a> = &'a (dyn Fn(Step) + Send + Sync);

/// A [`Progress`] that says nothing.
pub fn quiet(_: Step) {}

/// Something that is about to be done and may take a while. `Display` is the line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Another process is starting the same thing; its work is waited for.
    Waiting {
        /// The process that holds the lock, when it is known.
        holder: Option<u32>,
    },
    /// A package is fetched with pip.
    Downloading {
        /// The package's name on the package index.
        package: &'static str,
        /// Its pinned version.
        version: &'static str,
        /// The folder that keeps the file.
        into: PathBuf,
    },
    /// A downloaded package is checked and unpacked.
    Unpacking {
        /// The package's name on the package index.
        package: &'static str,
        /// Where its contents are put.
        into: PathBuf,
    },
    /// A new, empty database cluster is made.
    InitialisingDatabase {
        /// Its data directory.
        data_dir: PathBuf,
    },
    /// The database server is started.
    StartingPostgres {
        /// The server's version.
        version: String,
    },
    /// The embedding service is started.
    StartingEmbedder {
        /// The model that it will serve.
        model: String,
    },
    /// The embedding service runs and reads its model.
    LoadingModel {
        /// The model that it will serve.
        model: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { holder: Some(pid) } => {
                write!(f, "waiting for process {pid}, which is starting it")
            }
            Self::Waiting { holder: None } => write!(f, "waiting for another process, which is starting it"),
            Self::Downloading { package, version, into } => {
                write!(f, "downloading {package} {version} into {}", into.display())
            }
            Self::Unpacking { package, into } => write!(f, "unpacking {package} into {}", into.display()),
            Self::InitialisingDatabase { data_dir } => {
                write!(f, "initialising the database in {}", data_dir.display())
            }
            Self::StartingPostgres { version } => write!(f, "starting PostgreSQL {version}"),
            Self::StartingEmbedder { model } => write!(f, "starting the embedding service for {model}"),
            Self::LoadingModel { model } => write!(f, "loading the model {model}"),
        }
    }
}
