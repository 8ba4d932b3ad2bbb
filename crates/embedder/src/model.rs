//! A sentence model: text in, vector out.

use std::path::Path;
use std::thread;

use crate::backend::{Backend, Device, metal_available};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::pooling::normalize;
use crate::tokenizer::{Tokenizer, Tokens};

/// How to load a model.
#[derive(Debug, Clone, Default)]
pub struct ModelOptions {
    /// The model's name towards clients; the name of its folder if not given.
    pub name: Option<String>,
    /// Inference threads; as many as the machine has cores if not given.
    pub threads: Option<usize>,
    /// Where to run.
    pub device: Device,
}

/// A loaded sentence model with the threads that run it. Cheap to share by reference, expensive to load.
pub struct Model {
    name: String,
    config: ModelConfig,
    tokenizer: Tokenizer,
    backend: Backend,
}

/// The vector of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The vector, of the model's dimensions and, if the model normalises, of unit length.
    pub vector: Vec<f32>,
    /// Number of tokens that it was computed from, `[CLS]` and `[SEP]` included.
    pub tokens: usize,
    /// Whether the text's end was cut off at the model's limit.
    pub truncated: bool,
}

impl Model {
    /// Loads a model folder as sentence-transformers writes it: `modules.json`, `config.json`, `tokenizer.json`,
    /// `model.safetensors`, `1_Pooling/config.json` and, if present, `sentence_bert_config.json`.
    ///
    /// Fails with the name of the file if one is missing or damaged, or asks for something that is not supported.
    #[tracing::instrument(name = "embedder.load", skip_all, fields(dir = %dir.display()))]
    pub fn load(dir: &Path, options: &ModelOptions) -> Result<Self> {
        let config = ModelConfig::load(dir)?;
        let tokenizer = Tokenizer::load(
            &config.transformer_dir.join("tokenizer.json"),
            config.max_tokens,
            config.bert.vocab_size,
        )?;
        let threads = options
            .threads
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let backend = Backend::load(&config, options.device, threads)?;
        let name = match &options.name {
            Some(name) => name.clone(),
            None => folder_name(dir),
        };
        tracing::info!(
            name,
            dimensions = config.bert.hidden_size,
            max_tokens = config.max_tokens,
            "model loaded"
        );
        Ok(Self { name, config, tokenizer, backend })
    }

    /// The model's name, for example `all-MiniLM-L6-v2`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length of its vectors.
    pub fn dimensions(&self) -> usize {
        self.config.bert.hidden_size
    }

    /// Longest input in tokens, `[CLS]` and `[SEP]` included; more is cut off.
    pub fn max_tokens(&self) -> usize {
        self.config.max_tokens
    }

    /// Whether this build can use Metal and a Metal device opens.
    pub fn metal_available() -> bool {
        metal_available()
    }

    /// Where the model runs: `cpu`, `metal` or `cuda`.
    pub fn device(&self) -> &'static str {
        self.backend.device()
    }

    /// Tokens that keep all threads busy at once: what to give it at a time while others wait.
    pub(crate) fn batch_tokens(&self) -> usize {
        self.backend.batch_tokens()
    }

    /// Splits a text into the model's tokens.
    pub fn tokenize(&self, text: &str) -> Result<Tokens> {
        self.tokenizer.tokenize(text)
    }

    /// Embeds texts; vectors come back in their order and do not depend on what else is in the batch.
    pub fn embed(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Embedding>> {
        let tokens = texts.iter().map(|text| self.tokenize(text.as_ref())).collect::<Result<Vec<_>>>()?;
        self.embed_tokens(&tokens.iter().collect::<Vec<_>>())
    }

    /// Embeds texts that are tokenized already.
    pub fn embed_tokens(&self, texts: &[&Tokens]) -> Result<Vec<Embedding>> {
        let sequences: Vec<&[u32]> = texts.iter().map(|tokens| tokens.ids.as_slice()).collect();
        let vectors = self.backend.forward(&sequences, |states| {
            let mut vector = self.config.pooling.pool(states, self.dimensions());
            if self.config.normalize {
                normalize(&mut vector);
            }
            vector
        })?;
        if vectors.iter().flatten().any(|x| !x.is_finite()) {
            return Err(Error::Inference { reason: "the model gave a vector that is not finite".to_owned() });
        }
        let embeddings = vectors.into_iter().zip(texts).map(|(vector, tokens)| Embedding {
            vector,
            tokens: tokens.len(),
            truncated: tokens.truncated,
        });
        Ok(embeddings.collect())
    }
}

fn folder_name(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    dir.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
