//! The same encoder on candle, which reaches GPUs: Metal and CUDA.
//!
//! A plain forward pass with padding and a mask. The CPU has the faster one in [`crate::bert`].

use candle_core::{D, Device, Tensor};
use candle_nn::{LayerNorm, Linear, Module, ops::softmax_last_dim};

use crate::config::{BertConfig, ModelConfig};
use crate::error::{Error, Result};
use crate::weights::Weights;

/// Tokens of one padded batch. Larger ones fill a GPU no better.
pub(crate) const MAX_BATCH_TOKENS: usize = 1 << 14;

/// What is added to a padding token's attention score; softmax makes it 0.
const MASKED: f32 = -1e9;

/// A loaded encoder on a device.
pub(crate) struct CandleBert {
    device: Device,
    heads: usize,
    hidden: usize,
    words: Tensor,
    /// Position embedding plus the embedding of token type 0: max_tokens × hidden.
    positions: Tensor,
    embedding_norm: LayerNorm,
    layers: Vec<Layer>,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_out: Linear,
    attention_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    feed_forward_norm: LayerNorm,
}

/// Reads tensors onto a device.
struct Loader<'a> {
    weights: Weights,
    config: &'a BertConfig,
    device: &'a Device,
}

impl CandleBert {
    /// Reads the weights onto `device`.
    pub(crate) fn load(config: &ModelConfig, device: Device) -> Result<Self> {
        let weights = Weights::open(&config.transformer_dir.join("model.safetensors"))?;
        let bert = &config.bert;
        let hidden = bert.hidden_size;
        let mut loader = Loader { weights, config: bert, device: &device };
        let words = loader.tensor("embeddings.word_embeddings.weight", &[bert.vocab_size, hidden])?;
        let positions = loader
            .tensor("embeddings.position_embeddings.weight", &[bert.max_position_embeddings, hidden])?;
        let types =
            loader.tensor("embeddings.token_type_embeddings.weight", &[bert.type_vocab_size, hidden])?;
        let positions = positions.narrow(0, 0, config.max_tokens)?.broadcast_add(&types.narrow(0, 0, 1)?)?;
        let embedding_norm = loader.norm("embeddings")?;
        let layers = (0..bert.num_hidden_layers).map(|index| loader.layer(index)).collect::<Result<_>>()?;
        Ok(Self { heads: bert.num_attention_heads, hidden, words, positions, embedding_norm, layers, device })
    }

    /// As [`crate::bert::Bert::forward`].
    pub(crate) fn forward<T>(&self, sequences: &[&[u32]], pool: impl Fn(&[f32]) -> T) -> Result<Vec<T>> {
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|index| sequences[*index].len());
        let mut results: Vec<(usize, T)> = Vec::with_capacity(sequences.len());
        let mut rest = order.as_slice();
        // Of similar lengths, so that little of a batch is padding; the last one is the longest.
        while let Some(last) = rest.last() {
            let length = sequences[*last].len();
            let count = (MAX_BATCH_TOKENS / length.max(1)).clamp(1, rest.len());
            let (shorter, batch) = rest.split_at(rest.len() - count);
            rest = shorter;
            let batch_sequences: Vec<_> = batch.iter().map(|index| sequences[*index]).collect();
            let states = self.encode(&batch_sequences, length)?;
            for (index, states) in batch.iter().zip(states.chunks_exact(length * self.hidden)) {
                results.push((*index, pool(&states[..sequences[*index].len() * self.hidden])));
            }
        }
        results.sort_unstable_by_key(|(index, _)| *index);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// Final states of a batch padded to `length`: sequences × length × hidden.
    fn encode(&self, sequences: &[&[u32]], length: usize) -> candle_core::Result<Vec<f32>> {
        let count = sequences.len();
        let mut ids = vec![0_u32; count * length];
        let mut mask = vec![MASKED; count * length];
        for (row, sequence) in sequences.iter().enumerate() {
            let place = row * length..row * length + sequence.len();
            ids[place.clone()].copy_from_slice(sequence);
            mask[place].fill(0.0);
        }
        let ids = Tensor::from_vec(ids, count * length, &self.device)?;
        let mask = Tensor::from_vec(mask, (count, 1, 1, length), &self.device)?;
        let words = self.words.index_select(&ids, 0)?.reshape((count, length, self.hidden))?;
        let embedded = words.broadcast_add(&self.positions.narrow(0, 0, length)?)?;
        let mut states = self.embedding_norm.forward(&embedded)?;
        for layer in &self.layers {
            states = layer.forward(&states, &mask, self.heads)?;
        }
        states.flatten_all()?.to_vec1()
    }
}

impl Layer {
    fn forward(&self, states: &Tensor, mask: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
        let (count, length, hidden) = states.dims3()?;
        let split =
            |x: Tensor| x.reshape((count, length, heads, hidden / heads))?.transpose(1, 2)?.contiguous();
        let query = (split(self.query.forward(states)?)? / ((hidden / heads) as f64).sqrt())?;
        let key = split(self.key.forward(states)?)?;
        let value = split(self.value.forward(states)?)?;
        let scores =
            query.matmul(&key.transpose(D::Minus2, D::Minus1)?.contiguous()?)?.broadcast_add(mask)?;
        let context = softmax_last_dim(&scores)?.matmul(&value)?;
        let context = context.transpose(1, 2)?.reshape((count, length, hidden))?;
        let states = self.attention_norm.forward(&(states + self.attention_out.forward(&context)?)?)?;
        let inner = self.expand.forward(&states)?.gelu_erf()?;
        self.feed_forward_norm.forward(&(&states + self.contract.forward(&inner)?)?)
    }
}

impl Loader<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let values = self.weights.tensor(name, shape)?;
        Ok(Tensor::from_vec(values, shape, self.device)?)
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.tensor(&format!("{name}.bias"), &[outputs])?;
        Ok(Linear::new(weight, Some(bias)))
    }

    fn norm(&mut self, name: &str) -> Result<LayerNorm> {
        let hidden = self.config.hidden_size;
        let gamma = self.tensor(&format!("{name}.LayerNorm.weight"), &[hidden])?;
        let beta = self.tensor(&format!("{name}.LayerNorm.bias"), &[hidden])?;
        Ok(LayerNorm::new(gamma, beta, f64::from(self.config.layer_norm_eps)))
    }

    fn layer(&mut self, index: usize) -> Result<Layer> {
        let (hidden, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        Ok(Layer {
            query: self.linear(&name("attention.self.query"), hidden, hidden)?,
            key: self.linear(&name("attention.self.key"), hidden, hidden)?,
            value: self.linear(&name("attention.self.value"), hidden, hidden)?,
            attention_out: self.linear(&name("attention.output.dense"), hidden, hidden)?,
            attention_norm: self.norm(&name("attention.output"))?,
            expand: self.linear(&name("intermediate.dense"), inner, hidden)?,
            contract: self.linear(&name("output.dense"), hidden, inner)?,
            feed_forward_norm: self.norm(&name("output"))?,
        })
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Inference { reason: error.to_string() }
    }
}
