//! Element-wise steps of the forward pass, vectorised for the machine they run on.
//!
//! All matrices are row-major slices whose rows are as long as the bias they come with.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined into the dispatcher gets its instruction set"
)]

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdIterable, SimdOp, SimdUnaryOp, functional::simd_map};
use rten_vecmath::{Gelu, Normalize, NormalizeOptions, Softmax, Sum, SumSquareSub};

/// `x += bias`, row by row.
pub(super) struct AddBias<'a> {
    pub(super) x: &'a mut [f32],
    pub(super) bias: &'a [f32],
}

/// `x = gelu(x + bias)`, row by row, where gelu(x) = x · Φ(x) with the error function, not its tanh approximation
/// (Hendrycks and Gimpel, <https://arxiv.org/abs/1606.08415>).
pub(super) struct BiasGelu<'a> {
    pub(super) x: &'a mut [f32],
    pub(super) bias: &'a [f32],
}

/// `x = layer_norm(x + bias + Σ partials)`, row by row: (x − mean) / √(variance + eps) · gamma + beta
/// (Ba et al., <https://arxiv.org/abs/1607.06450>).
pub(super) struct AddNorm<'a, P> {
    pub(super) x: &'a mut [f32],
    pub(super) partials: &'a [P],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) norm: &'a LayerNorm,
}

/// Softmax of each row of length `width`.
pub(super) struct SoftmaxRows<'a> {
    pub(super) x: &'a mut [f32],
    pub(super) width: usize,
}

/// The parameters of one layer normalisation.
pub(super) struct LayerNorm {
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
    pub(super) eps: f32,
}

impl SimdOp for AddBias<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        for row in self.x.chunks_exact_mut(self.bias.len()) {
            add(isa, row, self.bias);
        }
    }
}

impl SimdOp for BiasGelu<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        for row in self.x.chunks_exact_mut(self.bias.len()) {
            let mut bias = self.bias.simd_iter_pad(ops);
            simd_map(
                ops,
                row,
                #[inline(always)]
                |x| Gelu {}.eval(isa, ops.add(x, bias.next().unwrap_or(ops.zero()))),
            );
        }
    }
}

impl<P: AsRef<[f32]>> SimdOp for AddNorm<'_, P> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let LayerNorm { gamma, beta, eps } = self.norm;
        let width = gamma.len();
        for (index, row) in self.x.chunks_exact_mut(width).enumerate() {
            if let Some(bias) = self.bias {
                add(isa, row, bias);
            }
            for partial in self.partials {
                add(isa, row, &partial.as_ref()[index * width..][..width]);
            }
            let mean = Sum::new(row).eval(isa) / width as f32;
            let variance = SumSquareSub::new(row, mean).eval(isa) / width as f32;
            let options = NormalizeOptions {
                pre_scale_bias: mean,
                scale: (variance + eps).sqrt().recip(),
                element_scale: Some(gamma),
                bias: 0.0,
                element_bias: Some(beta),
            };
            Normalize::new_mut(row, options).eval(isa);
        }
    }
}

impl SimdOp for SoftmaxRows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        for row in self.x.chunks_exact_mut(self.width) {
            Softmax::new_mut(row).eval(isa);
        }
    }
}

/// `x += y`.
#[inline(always)]
fn add<I: Isa>(isa: I, x: &mut [f32], y: &[f32]) {
    let ops = isa.f32();
    let mut y = y.simd_iter_pad(ops);
    simd_map(
        ops,
        x,
        #[inline(always)]
        |x| ops.add(x, y.next().unwrap_or(ops.zero())),
    );
}
