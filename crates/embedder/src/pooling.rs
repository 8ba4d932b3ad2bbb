//! From one vector per token to one vector per text.

use std::path::Path;

use serde::Deserialize;

use crate::config::{read_json, unsupported};
use crate::error::Result;

/// How a text's token vectors become its vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// The vector of the first token, `[CLS]`.
    Cls,
    /// The mean over all tokens.
    Mean,
    /// The greatest value of each dimension over all tokens.
    Max,
}

/// `1_Pooling/config.json`. Modes that are not listed here are refused when they are set.
#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Pooling {
    /// Reads the pooling module's configuration. Fails unless it sets exactly one mode that we know.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let config: PoolingConfig = read_json(path)?;
        let unknown = config.rest.iter().find(|(name, value)| {
            name.starts_with("pooling_mode") && **value == serde_json::Value::Bool(true)
        });
        if let Some((name, _)) = unknown {
            return Err(unsupported(path, name.as_str()));
        }
        match (config.pooling_mode_cls_token, config.pooling_mode_mean_tokens, config.pooling_mode_max_tokens)
        {
            (true, false, false) => Ok(Self::Cls),
            (false, true, false) => Ok(Self::Mean),
            (false, false, true) => Ok(Self::Max),
            (false, false, false) => Err(unsupported(path, "a pooling without a mode")),
            _ => Err(unsupported(path, "a combination of several pooling modes")),
        }
    }

    /// Pools `states` (tokens × dimensions, row-major) into one vector of `dimensions`.
    pub(crate) fn pool(self, states: &[f32], dimensions: usize) -> Vec<f32> {
        let mut rows = states.chunks_exact(dimensions);
        let mut pooled = rows.next().map_or_else(|| vec![0.0; dimensions], <[f32]>::to_vec);
        match self {
            Self::Cls => {}
            Self::Mean => {
                let count = rows.len() + 1;
                for row in rows {
                    pooled.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
                let scale = 1.0 / count as f32;
                for x in &mut pooled {
                    *x *= scale;
                }
            }
            Self::Max => {
                for row in rows {
                    pooled.iter_mut().zip(row).for_each(|(max, x)| *max = max.max(*x));
                }
            }
        }
        pooled
    }
}

/// Scales `vector` to unit length; a zero vector stays zero (as `torch.nn.functional.normalize` does).
pub(crate) fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
    for x in vector {
        *x /= norm;
    }
}
