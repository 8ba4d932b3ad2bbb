//! The BERT encoder (Devlin et al., <https://arxiv.org/abs/1810.04805>) on rten's matrix kernels.
//!
//! Sequences of a batch are packed one after the other without padding: matrix products run over all tokens at once,
//! attention over each sequence on its own. Dropout, pooler and masks do not exist here.

mod attention;
mod layer;
mod ops;
mod plan;

use std::sync::{Mutex, PoisonError, RwLock};

use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;

use self::attention::{AttentionScratch, attend};
use self::layer::{Layer, Shard};
use self::ops::{AddBias, AddNorm, BiasGelu, LayerNorm};
use self::plan::{MAX_BATCH_TOKENS, plan};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::team::{Barrier, Team};
use crate::weights::{Table, Weights};

/// Workers that share one sequence of matrix products; with more, waiting eats what the division saves.
const MAX_SHARDS: usize = 4;

/// A loaded encoder with the threads that run it.
pub(crate) struct Bert {
    head_dim: usize,
    hidden: usize,
    words: Table,
    /// Position embedding plus the embedding of token type 0: max_tokens × hidden.
    positions: Vec<f32>,
    embedding_norm: LayerNorm,
    layers: Vec<Layer>,
    team: Team,
    groups: Vec<Group>,
}

/// The shared state of the workers that compute a batch together.
struct Group {
    members: Vec<Mutex<Member>>,
    attention: Vec<RwLock<Vec<f32>>>,
    feed_forward: Vec<RwLock<Vec<f32>>>,
}

/// One worker's buffers.
#[derive(Default)]
struct Member {
    states: Vec<f32>,
    qkv: Vec<f32>,
    context: Vec<f32>,
    units: Vec<f32>,
    attention: AttentionScratch,
}

/// Why a worker stopped.
enum Stop {
    Failed(Error),
    /// Another worker of the group failed and says why.
    Abandoned,
}

impl Bert {
    /// Reads the weights and starts `threads` threads.
    pub(crate) fn load(config: &ModelConfig, threads: usize) -> Result<Self> {
        let mut weights = Weights::open(&config.transformer_dir.join("model.safetensors"))?;
        let bert = &config.bert;
        let hidden = bert.hidden_size;
        let threads = threads.max(1);
        let shards = threads.min(MAX_SHARDS).min(bert.num_attention_heads).min(bert.intermediate_size);
        let gemm = GemmExecutor::new();

        let words = weights.table("embeddings.word_embeddings.weight", [bert.vocab_size, hidden])?;
        let mut positions = weights
            .tensor("embeddings.position_embeddings.weight", &[bert.max_position_embeddings, hidden])?;
        positions.truncate(config.max_tokens * hidden);
        positions.shrink_to_fit();
        let types =
            weights.tensor("embeddings.token_type_embeddings.weight", &[bert.type_vocab_size, hidden])?;
        AddBias { x: &mut positions, bias: &types[..hidden] }.dispatch();
        let embedding_norm = LayerNorm {
            gamma: weights.tensor("embeddings.LayerNorm.weight", &[hidden])?,
            beta: weights.tensor("embeddings.LayerNorm.bias", &[hidden])?,
            eps: bert.layer_norm_eps,
        };
        let layers = (0..bert.num_hidden_layers)
            .map(|index| Layer::load(&mut weights, index, bert, &gemm, shards))
            .collect::<Result<_>>()?;
        Ok(Self {
            head_dim: bert.head_dim(),
            hidden,
            words,
            positions,
            embedding_norm,
            layers,
            team: Team::start(threads / shards * shards)?,
            groups: (0..threads / shards).map(|_| Group::new(shards)).collect(),
        })
    }

    /// Tokens that fill one packed batch of every group of workers.
    pub(crate) fn batch_tokens(&self) -> usize {
        self.groups.len() * MAX_BATCH_TOKENS
    }

    /// Runs the encoder over `sequences` (token ids, none longer than the model's limit) and gives `pool` the final
    /// states of each (tokens × hidden), whose results come back in the same order.
    pub(crate) fn forward<T: Send>(
        &self,
        sequences: &[&[u32]],
        pool: impl Fn(&[f32]) -> T + Sync,
    ) -> Result<Vec<T>> {
        let batches = plan(sequences, self.groups.len());
        let shards = self.team.size() / self.groups.len();
        let groups = batches.len().min(self.groups.len());
        let barriers: Vec<_> = (0..groups).map(|_| Barrier::new(shards)).collect();
        let results = Mutex::new(Vec::with_capacity(sequences.len()));
        let failure = Mutex::new(None);
        self.team.run(groups * shards, &|worker| {
            let (group, shard) = (worker / shards, worker % shards);
            let guard = AbandonOnDrop { barrier: &barriers[group] };
            let mut member = lock(&self.groups[group].members[shard]);
            for batch in batches.iter().skip(group).step_by(groups) {
                let sequences_of_batch: Vec<_> = batch.iter().map(|index| sequences[*index]).collect();
                match self.run_shard(
                    shard,
                    &self.groups[group],
                    &barriers[group],
                    &mut member,
                    &sequences_of_batch,
                ) {
                    Ok(()) => {}
                    Err(Stop::Failed(error)) => {
                        lock(&failure).get_or_insert(error);
                        return;
                    }
                    Err(Stop::Abandoned) => return,
                }
                // All members have the same final states: each pools its share of the sequences.
                let mut states = member.states.as_slice();
                let mut pooled = Vec::new();
                for (position, index) in batch.iter().enumerate() {
                    let (sequence, rest) = states.split_at(sequences[*index].len() * self.hidden);
                    if position % shards == shard {
                        pooled.push((*index, pool(sequence)));
                    }
                    states = rest;
                }
                lock(&results).append(&mut pooled);
            }
            std::mem::forget(guard);
        });
        if let Some(error) = lock(&failure).take() {
            return Err(error);
        }
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_unstable_by_key(|(index, _)| *index);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// One worker's part of a batch; afterwards `member.states` has the final states of all its tokens.
    fn run_shard(
        &self,
        shard: usize,
        group: &Group,
        barrier: &Barrier,
        member: &mut Member,
        sequences: &[&[u32]],
    ) -> Result<(), Stop> {
        // Not kept: an executor may not move between threads, and costs nothing to make.
        let gemm = GemmExecutor::new();
        let lengths: Vec<usize> = sequences.iter().map(|ids| ids.len()).collect();
        let rows: usize = lengths.iter().sum();
        let Member { states, qkv, context, units, attention } = member;
        self.embed(sequences, rows, states)?;
        for layer in &self.layers {
            let Shard { heads, qkv: project, qkv_bias, attention_out, expand, expand_bias, contract } =
                &layer.shards[shard];
            multiply(&gemm, states, rows, project, qkv)?;
            AddBias { x: qkv, bias: qkv_bias }.dispatch();
            context.resize(rows * heads * self.head_dim, 0.0);
            attend(&gemm, qkv, &lengths, *heads, self.head_dim, attention, context)?;
            multiply(&gemm, context, rows, attention_out, &mut write(&group.attention[shard]))?;
            barrier.wait().map_err(|_| Stop::Abandoned)?;
            add_norm(states, &group.attention, &layer.attention_bias, &layer.attention_norm);

            multiply(&gemm, states, rows, expand, units)?;
            BiasGelu { x: units, bias: expand_bias }.dispatch();
            multiply(&gemm, units, rows, contract, &mut write(&group.feed_forward[shard]))?;
            barrier.wait().map_err(|_| Stop::Abandoned)?;
            add_norm(states, &group.feed_forward, &layer.feed_forward_bias, &layer.feed_forward_norm);
        }
        Ok(())
    }

    /// `states` = the normalised sum of word, position and type embeddings: rows × hidden.
    fn embed(&self, sequences: &[&[u32]], rows: usize, states: &mut Vec<f32>) -> Result<()> {
        states.resize(rows * self.hidden, 0.0);
        let mut row = states.chunks_exact_mut(self.hidden);
        for ids in sequences {
            let positions = self.positions.chunks_exact(self.hidden);
            if ids.len() > positions.len() {
                let reason = format!("{} tokens are more than the model takes", ids.len());
                return Err(Error::Inference { reason });
            }
            for ((id, position), state) in ids.iter().zip(positions).zip(&mut row) {
                if !self.words.read_row(*id as usize, state) {
                    return Err(Error::Inference { reason: format!("the model has no token {id}") });
                }
                state.iter_mut().zip(position).for_each(|(x, p)| *x += p);
            }
        }
        AddNorm { x: states, partials: &[] as &[&[f32]], bias: None, norm: &self.embedding_norm }.dispatch();
        Ok(())
    }
}

/// `output` = `input` (with `rows` rows) · `matrix`.
fn multiply(
    gemm: &GemmExecutor,
    input: &[f32],
    rows: usize,
    matrix: &PackedBMatrix<f32>,
    output: &mut Vec<f32>,
) -> Result<(), GemmError> {
    output.resize(rows * matrix.cols(), 0.0);
    let input = NdTensorView::from_data([rows, matrix.rows()], input);
    gemm.gemm(output, GemmInputA::Unpacked(input), GemmInputB::Packed(matrix), GemmOptions::default())
}

/// Adds the workers' partial sums to the residual stream and normalises it.
fn add_norm(states: &mut [f32], partials: &[RwLock<Vec<f32>>], bias: &[f32], norm: &LayerNorm) {
    let partials: Vec<_> =
        partials.iter().map(|partial| partial.read().unwrap_or_else(PoisonError::into_inner)).collect();
    let partials: Vec<&[f32]> = partials.iter().map(|partial| partial.as_slice()).collect();
    AddNorm { x: states, partials: &partials, bias: Some(bias), norm }.dispatch();
}

/// Frees the other members of a group when this one stops early, by error or panic. Forgotten on success.
struct AbandonOnDrop<'a> {
    barrier: &'a Barrier,
}

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        self.barrier.abandon();
    }
}

impl Group {
    fn new(shards: usize) -> Self {
        Self {
            members: (0..shards).map(|_| Mutex::default()).collect(),
            attention: (0..shards).map(|_| RwLock::default()).collect(),
            feed_forward: (0..shards).map(|_| RwLock::default()).collect(),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<GemmError> for Stop {
    fn from(error: GemmError) -> Self {
        Self::Failed(Error::Inference { reason: error.to_string() })
    }
}

/// Buffers hold nothing that a panic elsewhere could leave half-done: they are overwritten before they are read.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
