//! Scaled dot-product attention (Vaswani et al., <https://arxiv.org/abs/1706.03762>), sequence by sequence.

use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::SimdOp;
use rten_tensor::{Matrix, NdTensorView};

use super::ops::SoftmaxRows;

/// Buffers that are reused from call to call.
#[derive(Default)]
pub(super) struct AttentionScratch {
    scores: Vec<f32>,
    head: Vec<f32>,
}

/// softmax(Q · Kᵀ / √head_dim) · V for every head of every sequence.
///
/// `qkv` has one row per token with queries, keys and values of all heads side by side; `context` gets one row per
/// token with the heads' outputs side by side. Sequences of the given `lengths` follow each other without padding.
pub(super) fn attend(
    gemm: &GemmExecutor,
    qkv: &[f32],
    lengths: &[usize],
    heads: usize,
    head_dim: usize,
    scratch: &mut AttentionScratch,
    context: &mut [f32],
) -> Result<(), GemmError> {
    let width = heads * head_dim;
    let scale = (head_dim as f32).sqrt().recip();
    let mut first = 0;
    for &length in lengths {
        let qkv = &qkv[first * 3 * width..(first + length) * 3 * width];
        let context = &mut context[first * width..(first + length) * width];
        scratch.scores.resize(length * length, 0.0);
        scratch.head.resize(length * head_dim, 0.0);
        for offset in (0..heads).map(|head| head * head_dim) {
            let [queries, keys, values] = [offset, width + offset, 2 * width + offset]
                .map(|column| columns(qkv, 3 * width, column, head_dim));
            gemm.gemm(
                &mut scratch.scores,
                GemmInputA::Unpacked(queries),
                GemmInputB::Unpacked(keys.transposed()),
                GemmOptions { alpha: scale, ..GemmOptions::default() },
            )?;
            SoftmaxRows { x: &mut scratch.scores, width: length }.dispatch();
            gemm.gemm(
                &mut scratch.head,
                GemmInputA::Unpacked(NdTensorView::from_data([length, length], scratch.scores.as_slice())),
                GemmInputB::Unpacked(values),
                GemmOptions::default(),
            )?;
            for (row, head) in context.chunks_exact_mut(width).zip(scratch.head.chunks_exact(head_dim)) {
                row[offset..offset + head_dim].copy_from_slice(head);
            }
        }
        first += length;
    }
    Ok(())
}

/// Columns `first .. first + count` of a row-major matrix with rows of `width`.
fn columns(data: &[f32], width: usize, first: usize, count: usize) -> Matrix<'_> {
    NdTensorView::from_data([data.len() / width, width], data).slice((.., first..first + count))
}
