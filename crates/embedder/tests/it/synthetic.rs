//! Models of the BERT family other than the default one.

use agent_turbo_embedder::{Model, ModelOptions};
use safetensors::tensor::Dtype;

use crate::synthetic_model::{HIDDEN, MAX_TOKENS, SyntheticModel, Variant};

/// Texts and their tokens in the synthetic vocabulary.
fn cases() -> Vec<(String, Vec<usize>)> {
    let long = vec![5; MAX_TOKENS - 2];
    vec![
        ("red".to_owned(), vec![2, 5, 3]),
        ("Red greenish, BLUE one two three".to_owned(), vec![2, 5, 6, 8, 1, 7, 9, 10, 11, 3]),
        ("nothing known".to_owned(), vec![2, 1, 1, 3]),
        ("red ".repeat(50), [vec![2], long, vec![3]].concat()),
    ]
}

fn agrees(variant: Variant, threads: usize) {
    let synthetic = SyntheticModel::new(variant);
    let dir = tempfile::tempdir().unwrap();
    synthetic.write(dir.path());
    let options = ModelOptions { threads: Some(threads), ..ModelOptions::default() };
    let model = Model::load(dir.path(), &options).unwrap();
    assert_eq!((model.dimensions(), model.max_tokens()), (HIDDEN, MAX_TOKENS));
    let (texts, tokens): (Vec<_>, Vec<_>) = cases().into_iter().unzip();
    for ((embedding, ids), text) in model.embed(&texts).unwrap().iter().zip(tokens).zip(&texts) {
        assert_eq!(embedding.tokens, ids.len(), "{text}");
        assert_eq!(embedding.truncated, text.len() > 100, "{text}");
        for (x, expected) in embedding.vector.iter().zip(synthetic.vector(&ids)) {
            let difference = (f64::from(*x) - expected).abs();
            assert!(difference < 2e-5, "{variant:?}, {threads} threads, {text}: {x} for {expected}");
        }
    }
}

const BGE_LIKE: Variant =
    Variant { dtype: Dtype::F16, prefix: "", pooling: "pooling_mode_cls_token", normalize: true };

#[test]
fn a_half_precision_model_with_cls_pooling_agrees_with_a_plain_forward_pass() {
    for threads in [1, 2, 3, 4, 8] {
        agrees(BGE_LIKE, threads);
    }
}

#[test]
fn every_pooling_agrees() {
    for pooling in ["pooling_mode_mean_tokens", "pooling_mode_max_tokens"] {
        agrees(Variant { pooling, ..BGE_LIKE }, 2);
    }
}

#[test]
fn every_precision_agrees() {
    for dtype in [Dtype::F32, Dtype::BF16] {
        agrees(Variant { dtype, ..BGE_LIKE }, 2);
    }
}

#[test]
fn tensor_names_may_have_the_bert_prefix() {
    agrees(Variant { prefix: "bert.", ..BGE_LIKE }, 2);
}

#[test]
fn a_model_without_normalisation_keeps_its_lengths() {
    agrees(Variant { normalize: false, ..BGE_LIKE }, 2);
}
