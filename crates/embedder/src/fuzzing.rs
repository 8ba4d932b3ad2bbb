//! The parsers of requests and of model folders, for fuzz targets.

use std::path::Path;

use crate::config::ModelConfig;
use crate::error::Error;
use crate::weights::Weights;

pub use crate::http::fuzzing::requests;

/// What a model folder's JSON files say: width and layers of the network, longest input in tokens.
pub fn model_folder(dir: &Path) -> Result<(usize, usize, usize), Error> {
    let config = ModelConfig::load(dir)?;
    Ok((
        config.bert.head_dim() * config.bert.num_attention_heads,
        config.bert.num_hidden_layers,
        config.max_tokens,
    ))
}

/// Reads the word vectors of a weights file, in both ways, as if there were `rows` of `columns`.
pub fn weights(path: &Path, rows: usize, columns: usize) -> Result<Vec<f32>, Error> {
    let name = "embeddings.word_embeddings.weight";
    let mut weights = Weights::open(path)?;
    let table = weights.table(name, [rows, columns])?;
    let mut row = vec![0.0; columns];
    assert!((0..rows).all(|index| table.read_row(index, &mut row)), "a row of the table is missing");
    assert!(!table.read_row(rows, &mut row), "the table has a row too many");
    assert!(!table.read_row(usize::MAX, &mut row), "the table has a row too many");
    weights.tensor(name, &[rows, columns])
}
