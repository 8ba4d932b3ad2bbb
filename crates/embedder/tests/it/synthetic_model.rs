//! Small BERT models with random weights, written as a model folder, and a plain forward pass to compare with.

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

pub(crate) const HIDDEN: usize = 24;
pub(crate) const HEADS: usize = 3;
pub(crate) const LAYERS: usize = 2;
const INNER: usize = 40;
pub(crate) const MAX_TOKENS: usize = 16;
const WORDS: [&str; 12] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue", "##ish", "one", "two", "three"];
pub(crate) const EPS: f64 = 1e-5;

/// What distinguishes one synthetic model from another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant {
    pub(crate) dtype: Dtype,
    pub(crate) prefix: &'static str,
    pub(crate) pooling: &'static str,
    pub(crate) normalize: bool,
}

/// Weights by name, in the values that the file's precision can hold.
pub(crate) struct SyntheticModel {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    variant: Variant,
}

impl SyntheticModel {
    pub(crate) fn new(variant: Variant) -> Self {
        let mut shapes = vec![
            ("embeddings.word_embeddings.weight".to_owned(), vec![WORDS.len(), HIDDEN]),
            ("embeddings.position_embeddings.weight".to_owned(), vec![MAX_TOKENS, HIDDEN]),
            ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, HIDDEN]),
            ("embeddings.LayerNorm.weight".to_owned(), vec![HIDDEN]),
            ("embeddings.LayerNorm.bias".to_owned(), vec![HIDDEN]),
        ];
        for layer in 0..LAYERS {
            let mut linear = |name: &str, outputs: usize, inputs: usize| {
                shapes.push((format!("encoder.layer.{layer}.{name}.weight"), vec![outputs, inputs]));
                shapes.push((format!("encoder.layer.{layer}.{name}.bias"), vec![outputs]));
            };
            for name in ["query", "key", "value"] {
                linear(&format!("attention.self.{name}"), HIDDEN, HIDDEN);
            }
            linear("attention.output.dense", HIDDEN, HIDDEN);
            linear("intermediate.dense", INNER, HIDDEN);
            linear("output.dense", HIDDEN, INNER);
            for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
                shapes.push((format!("encoder.layer.{layer}.{name}.weight"), vec![HIDDEN]));
                shapes.push((format!("encoder.layer.{layer}.{name}.bias"), vec![HIDDEN]));
            }
        }
        let mut state = 1_u64;
        let tensors = shapes.into_iter().map(|(name, shape)| {
            let values =
                (0..shape.iter().product()).map(|_| round(random(&mut state), variant.dtype)).collect();
            (name, (shape, values))
        });
        Self { tensors: tensors.collect(), variant }
    }

    /// Writes the model folder.
    pub(crate) fn write(&self, dir: &Path) {
        let write = |name: &str, value: serde_json::Value| {
            std::fs::write(dir.join(name), value.to_string()).unwrap();
        };
        write(
            "config.json",
            json!({
                "model_type": "bert", "vocab_size": WORDS.len(), "hidden_size": HIDDEN,
                "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": INNER,
                "max_position_embeddings": MAX_TOKENS, "type_vocab_size": 2, "layer_norm_eps": EPS,
                "hidden_act": "gelu"
            }),
        );
        let mut modules = vec![
            json!({"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}),
            json!({"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}),
        ];
        if self.variant.normalize {
            modules.push(
                json!({"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}),
            );
        }
        write("modules.json", json!(modules));
        std::fs::create_dir_all(dir.join("1_Pooling")).unwrap();
        write(
            "1_Pooling/config.json",
            json!({"word_embedding_dimension": HIDDEN, self.variant.pooling: true}),
        );
        let vocab: BTreeMap<_, _> = WORDS.iter().enumerate().map(|(id, word)| (*word, id)).collect();
        write(
            "tokenizer.json",
            json!({
                "version": "1.0", "truncation": null, "padding": null, "decoder": null, "added_tokens": [],
                "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                    "strip_accents": null, "lowercase": true},
                "pre_tokenizer": {"type": "BertPreTokenizer"},
                "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
                "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                    "max_input_chars_per_word": 100, "vocab": vocab}
            }),
        );
        let Variant { dtype, prefix, .. } = self.variant;
        let mut data: Vec<(String, Vec<usize>, Vec<u8>, Dtype)> = self
            .tensors
            .iter()
            .map(|(name, (shape, values))| {
                (format!("{prefix}{name}"), shape.clone(), encode(values, dtype), dtype)
            })
            .collect();
        // Files in the wild carry this; nobody needs it.
        let ids: Vec<u8> = (0..MAX_TOKENS as i64).flat_map(i64::to_le_bytes).collect();
        data.push((format!("{prefix}embeddings.position_ids"), vec![1, MAX_TOKENS], ids, Dtype::I64));
        let views = data.iter().map(|(name, shape, bytes, dtype)| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
    }

    /// The vector of a text of these token ids, computed the slow way in double precision.
    pub(crate) fn vector(&self, ids: &[usize]) -> Vec<f64> {
        let words = self.tensor("embeddings.word_embeddings.weight");
        let positions = self.tensor("embeddings.position_embeddings.weight");
        let types = self.tensor("embeddings.token_type_embeddings.weight");
        let mut states: Vec<Vec<f64>> = ids
            .iter()
            .enumerate()
            .map(|(position, id)| {
                (0..HIDDEN)
                    .map(|i| words[id * HIDDEN + i] + positions[position * HIDDEN + i] + types[i])
                    .collect()
            })
            .collect();
        self.normalize(&mut states, "embeddings.LayerNorm");
        for layer in 0..LAYERS {
            let name = |part: &str| format!("encoder.layer.{layer}.{part}");
            let [query, key, value] = ["query", "key", "value"]
                .map(|part| self.linear(&states, &name(&format!("attention.self.{part}"))));
            let mut context = vec![vec![0.0; HIDDEN]; ids.len()];
            let width = HIDDEN / HEADS;
            for head in 0..HEADS {
                let columns = head * width..(head + 1) * width;
                for (i, context) in context.iter_mut().enumerate() {
                    let scores: Vec<f64> = key
                        .iter()
                        .map(|key| {
                            let dot: f64 = columns.clone().map(|c| query[i][c] * key[c]).sum();
                            (dot / (width as f64).sqrt()).exp()
                        })
                        .collect();
                    let total: f64 = scores.iter().sum();
                    for (score, value) in scores.iter().zip(&value) {
                        columns.clone().for_each(|c| context[c] += score / total * value[c]);
                    }
                }
            }
            add(&mut states, &self.linear(&context, &name("attention.output.dense")));
            self.normalize(&mut states, &name("attention.output.LayerNorm"));
            let mut inner = self.linear(&states, &name("intermediate.dense"));
            inner.iter_mut().flatten().for_each(|x| *x = gelu(*x));
            add(&mut states, &self.linear(&inner, &name("output.dense")));
            self.normalize(&mut states, &name("output.LayerNorm"));
        }
        self.pool(&states)
    }

    fn pool(&self, states: &[Vec<f64>]) -> Vec<f64> {
        let column = |i: usize| states.iter().map(move |state| state[i]);
        let mut vector: Vec<f64> = (0..HIDDEN)
            .map(|i| match self.variant.pooling {
                "pooling_mode_cls_token" => states[0][i],
                "pooling_mode_max_tokens" => column(i).fold(f64::MIN, f64::max),
                _ => column(i).sum::<f64>() / states.len() as f64,
            })
            .collect();
        if self.variant.normalize {
            let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            for x in &mut vector {
                *x /= length;
            }
        }
        vector
    }

    fn tensor(&self, name: &str) -> Vec<f64> {
        self.tensors[name].1.iter().map(|x| f64::from(*x)).collect()
    }

    fn linear(&self, input: &[Vec<f64>], name: &str) -> Vec<Vec<f64>> {
        let weight = self.tensor(&format!("{name}.weight"));
        let bias = self.tensor(&format!("{name}.bias"));
        let row = |x: &Vec<f64>| {
            let outputs = weight.chunks(x.len()).zip(&bias);
            outputs.map(|(w, b)| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + b).collect()
        };
        input.iter().map(row).collect()
    }

    fn normalize(&self, states: &mut [Vec<f64>], name: &str) {
        let gamma = self.tensor(&format!("{name}.weight"));
        let beta = self.tensor(&format!("{name}.bias"));
        for state in states {
            let mean = state.iter().sum::<f64>() / HIDDEN as f64;
            let variance = state.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / HIDDEN as f64;
            for (i, x) in state.iter_mut().enumerate() {
                *x = (*x - mean) / (variance + EPS).sqrt() * gamma[i] + beta[i];
            }
        }
    }
}

fn add(states: &mut [Vec<f64>], others: &[Vec<f64>]) {
    states.iter_mut().flatten().zip(others.iter().flatten()).for_each(|(x, y)| *x += y);
}

/// x · Φ(x), with Φ from the Maclaurin series of the error function.
fn gelu(x: f64) -> f64 {
    let z = x / std::f64::consts::SQRT_2;
    if z.abs() > 5.0 {
        return x.max(0.0);
    }
    let mut term = z;
    let mut erf = z;
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        erf += term / f64::from(2 * n + 1);
    }
    x * 0.5 * (1.0 + erf * 2.0 / std::f64::consts::PI.sqrt())
}

/// Uniform in −0.5 … 0.5 (Knuth's MMIX generator).
fn random(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1 << 24) as f32 - 0.5
}

fn round(x: f32, dtype: Dtype) -> f32 {
    match dtype {
        Dtype::F16 => f16::from_f32(x).to_f32(),
        Dtype::BF16 => bf16::from_f32(x).to_f32(),
        _ => x,
    }
}

fn encode(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F16 => values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}
