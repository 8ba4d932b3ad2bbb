//! What can go wrong, from a broken model file to a full queue.

use std::io;
use std::path::PathBuf;

/// An error of the embedding service. Messages complete the sentence "failed to …".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model file is missing or cannot be read.
    #[error("read the model file {path}", path = path.display())]
    ReadModel {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// A model file is not what its name promises.
    #[error("parse the model file {path}", path = path.display())]
    ParseModel {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The weights file is damaged, or does not fit the model's configuration.
    #[error("use the weights in {path}: {reason}", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The model is sound, but of a kind this crate does not run.
    #[error("run the model described by {path}: {feature} is not supported", path = path.display())]
    Unsupported {
        /// The file that asks for it.
        path: PathBuf,
        /// What it asks for.
        feature: String,
    },

    /// The threads of the engine could not be started.
    #[error("start the inference threads")]
    Threads(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The device that was asked for is not part of this build, or does not open.
    #[error("open the device {device}: {reason}")]
    Device {
        /// The device's name.
        device: &'static str,
        /// Why it is not there.
        reason: String,
    },

    /// The tokenizer refused a text.
    #[error("tokenize the text")]
    Tokenize(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The forward pass failed. Other requests are not affected.
    #[error("compute the embedding: {reason}")]
    Inference {
        /// What happened.
        reason: String,
    },

    /// A text without anything to embed.
    #[error("embed an empty text")]
    EmptyText,

    /// Something other than a text in a batch of texts.
    #[error("embed what is not a string")]
    NotText,

    /// A text over the service's limit.
    #[error("embed a text of {bytes} bytes: the limit is {limit}")]
    TextTooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },

    /// More work is waiting than the service accepts; try again later.
    #[error("queue the request: {queued_tokens} tokens are waiting already")]
    Overloaded {
        /// Tokens waiting for the inference thread.
        queued_tokens: usize,
    },

    /// The engine is shutting down.
    #[error("queue the request: the engine has stopped")]
    Stopped,

    /// The HTTP listener failed.
    #[error("serve HTTP")]
    Serve(#[source] io::Error),
}

/// This crate's results.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
