//! The weights of one transformer layer, cut into one shard for each worker of a team.
//!
//! The cut is Megatron's (Shoeybi et al., <https://arxiv.org/abs/1909.08053>): a shard has some of the attention heads
//! with their rows of the output projection, and some of the feed-forward network's inner units with their rows of
//! its second matrix. Workers then compute partial sums of the layer's output and meet only twice per layer.

use std::ops::Range;

use rten_gemm::{GemmExecutor, PackedBMatrix};
use rten_tensor::{Matrix, NdTensorView};

use super::ops::LayerNorm;
use crate::config::BertConfig;
use crate::error::Result;
use crate::weights::Weights;

/// One transformer layer.
pub(super) struct Layer {
    pub(super) shards: Vec<Shard>,
    pub(super) attention_bias: Vec<f32>,
    pub(super) attention_norm: LayerNorm,
    pub(super) feed_forward_bias: Vec<f32>,
    pub(super) feed_forward_norm: LayerNorm,
}

/// One worker's part of a layer.
pub(super) struct Shard {
    /// Number of attention heads.
    pub(super) heads: usize,
    /// Query, key and value projections of these heads side by side: hidden × 3 · heads · head_dim.
    pub(super) qkv: PackedBMatrix<f32>,
    pub(super) qkv_bias: Vec<f32>,
    /// Rows of the attention's output projection: heads · head_dim × hidden.
    pub(super) attention_out: PackedBMatrix<f32>,
    /// First matrix of the feed-forward network: hidden × units.
    pub(super) expand: PackedBMatrix<f32>,
    pub(super) expand_bias: Vec<f32>,
    /// Second matrix of the feed-forward network: units × hidden.
    pub(super) contract: PackedBMatrix<f32>,
}

impl Layer {
    /// Reads layer `index` and packs it for `gemm` in `shards` shards.
    pub(super) fn load(
        weights: &mut Weights,
        index: usize,
        config: &BertConfig,
        gemm: &GemmExecutor,
        shards: usize,
    ) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let mut read =
            |name: &str, shape: &[usize]| weights.tensor(&format!("encoder.layer.{index}.{name}"), shape);
        let mut qkv = Vec::with_capacity(3);
        for name in ["query", "key", "value"] {
            let weight = read(&format!("attention.self.{name}.weight"), &[hidden, hidden])?;
            let bias = read(&format!("attention.self.{name}.bias"), &[hidden])?;
            qkv.push((weight, bias));
        }
        let attention_out = read("attention.output.dense.weight", &[hidden, hidden])?;
        let expand = read("intermediate.dense.weight", &[inner, hidden])?;
        let expand_bias = read("intermediate.dense.bias", &[inner])?;
        let contract = read("output.dense.weight", &[hidden, inner])?;

        let shards = (0..shards)
            .map(|shard| {
                let heads = part(config.num_attention_heads, shard, shards);
                let columns = heads.start * config.head_dim()..heads.end * config.head_dim();
                let units = part(inner, shard, shards);
                let mut weight = Vec::with_capacity(3 * columns.len() * hidden);
                let mut qkv_bias = Vec::with_capacity(3 * columns.len());
                for (w, b) in &qkv {
                    weight.extend_from_slice(&w[columns.start * hidden..columns.end * hidden]);
                    qkv_bias.extend_from_slice(&b[columns.clone()]);
                }
                Shard {
                    heads: heads.len(),
                    qkv: gemm.prepack_b(transposed(&weight, hidden, 0..hidden)),
                    qkv_bias,
                    attention_out: gemm.prepack_b(transposed(&attention_out, hidden, columns)),
                    expand: gemm.prepack_b(transposed(
                        &expand[units.start * hidden..units.end * hidden],
                        hidden,
                        0..hidden,
                    )),
                    expand_bias: expand_bias[units.clone()].to_vec(),
                    contract: gemm.prepack_b(transposed(&contract, inner, units)),
                }
            })
            .collect();

        let mut norm = |name: &str| -> Result<LayerNorm> {
            Ok(LayerNorm {
                gamma: read(&format!("{name}.LayerNorm.weight"), &[hidden])?,
                beta: read(&format!("{name}.LayerNorm.bias"), &[hidden])?,
                eps: config.layer_norm_eps,
            })
        };
        let attention_norm = norm("attention.output")?;
        let feed_forward_norm = norm("output")?;
        Ok(Self {
            shards,
            attention_bias: read("attention.output.dense.bias", &[hidden])?,
            attention_norm,
            feed_forward_bias: read("output.dense.bias", &[hidden])?,
            feed_forward_norm,
        })
    }
}

/// The `index`th of `parts` nearly equal parts of `0..total`.
fn part(total: usize, index: usize, parts: usize) -> Range<usize> {
    total * index / parts..total * (index + 1) / parts
}

/// A linear layer's weight (outputs × `inputs`, row-major) as the right-hand side of `x · wᵀ`, restricted to the
/// inputs in `range`: a matrix of `range.len()` × outputs.
fn transposed(weight: &[f32], inputs: usize, range: Range<usize>) -> Matrix<'_> {
    let outputs = weight.len() / inputs;
    NdTensorView::from_data([outputs, inputs], weight).slice((.., range)).transposed()
}
