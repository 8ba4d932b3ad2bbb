//! The JSON files of a sentence-transformers model folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::pooling::Pooling;

/// Everything that the JSON files say about a model.
#[derive(Debug, Clone)]
pub(crate) struct ModelConfig {
    pub(crate) bert: BertConfig,
    pub(crate) pooling: Pooling,
    /// Whether vectors are scaled to unit length.
    pub(crate) normalize: bool,
    /// Longest input in tokens, `[CLS]` and `[SEP]` included.
    pub(crate) max_tokens: usize,
    /// The folder of weights and tokenizer: the model's own, or `0_Transformer` in older ones.
    pub(crate) transformer_dir: PathBuf,
}

/// `config.json`: the shape of the network.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BertConfig {
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) max_position_embeddings: usize,
    pub(crate) type_vocab_size: usize,
    #[serde(default = "default_layer_norm_eps")]
    pub(crate) layer_norm_eps: f32,
    #[serde(default = "default_model_type")]
    model_type: String,
    #[serde(default = "default_hidden_act")]
    hidden_act: String,
    #[serde(default = "default_position_embedding_type")]
    position_embedding_type: String,
}

/// One entry of `modules.json`: a step of the pipeline from text to vector.
#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

/// `sentence_bert_config.json`.
#[derive(Deserialize, Default)]
struct SentenceBertConfig {
    max_seq_length: Option<usize>,
}

impl ModelConfig {
    /// Reads the model folder `dir`. Fails on a missing or malformed file, and on what this crate cannot run.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let modules_path = dir.join("modules.json");
        let modules: Vec<Module> = read_json(&modules_path)?;
        let mut transformer_dir = None;
        let mut pooling = None;
        let mut normalize = false;
        for module in &modules {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => transformer_dir = Some(dir.join(&module.path)),
                "Pooling" => pooling = Some(Pooling::load(&dir.join(&module.path).join("config.json"))?),
                "Normalize" => normalize = true,
                _ => {
                    return Err(unsupported(&modules_path, format!("the module {:?}", module.kind)));
                }
            }
        }
        let transformer_dir = transformer_dir
            .ok_or_else(|| unsupported(&modules_path, "a pipeline without a Transformer module"))?;
        let pooling =
            pooling.ok_or_else(|| unsupported(&modules_path, "a pipeline without a Pooling module"))?;

        let bert = BertConfig::load(&transformer_dir.join("config.json"))?;
        let sentence_path = transformer_dir.join("sentence_bert_config.json");
        let sentence =
            if sentence_path.exists() { read_json(&sentence_path)? } else { SentenceBertConfig::default() };
        let max_tokens =
            sentence.max_seq_length.unwrap_or(bert.max_position_embeddings).min(bert.max_position_embeddings);
        if max_tokens < 3 {
            return Err(unsupported(&sentence_path, format!("an input limit of {max_tokens} tokens")));
        }
        Ok(Self { bert, pooling, normalize, max_tokens, transformer_dir })
    }
}

impl BertConfig {
    fn load(path: &Path) -> Result<Self> {
        let config: Self = read_json(path)?;
        for (setting, value, expected) in [
            ("model_type", &config.model_type, "bert"),
            ("hidden_act", &config.hidden_act, "gelu"),
            ("position_embedding_type", &config.position_embedding_type, "absolute"),
        ] {
            if value != expected {
                return Err(unsupported(path, format!("{setting} {value:?}")));
            }
        }
        let sizes = [
            ("vocab_size", config.vocab_size, 1 << 24),
            ("hidden_size", config.hidden_size, 1 << 14),
            ("num_hidden_layers", config.num_hidden_layers, 1 << 8),
            ("num_attention_heads", config.num_attention_heads, 1 << 8),
            ("intermediate_size", config.intermediate_size, 1 << 16),
            ("max_position_embeddings", config.max_position_embeddings, 1 << 16),
            ("type_vocab_size", config.type_vocab_size, 1 << 8),
        ];
        for (setting, value, limit) in sizes {
            if value == 0 || value > limit {
                return Err(unsupported(path, format!("{setting} {value}")));
            }
        }
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(unsupported(path, "a hidden_size that is no multiple of num_attention_heads"));
        }
        Ok(config)
    }

    /// Width of one attention head.
    pub(crate) fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

/// Reads and parses one JSON file of the model.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(|source| Error::ReadModel { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|source| Error::ParseModel { path: path.to_owned(), source: source.into() })
}

/// The model is well-formed, but not one we run.
pub(crate) fn unsupported(path: &Path, feature: impl Into<String>) -> Error {
    Error::Unsupported { path: path.to_owned(), feature: feature.into() }
}

// What `transformers` assumes where config.json is silent.
fn default_layer_norm_eps() -> f32 {
    1e-12
}

fn default_model_type() -> String {
    "bert".to_owned()
}

fn default_hidden_act() -> String {
    "gelu".to_owned()
}

fn default_position_embedding_type() -> String {
    "absolute".to_owned()
}
