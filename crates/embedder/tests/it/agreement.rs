//! Vectors agree with sentence-transformers, alone and in any company.

use serde::Deserialize;

use crate::model_folder::{load_model, model, model_folder};
use agent_turbo_embedder::{Device, Error, Model, ModelOptions};

#[derive(Deserialize)]
struct Reference {
    vectors: Vec<ReferenceVector>,
}

#[derive(Deserialize)]
struct ReferenceVector {
    text: String,
    embedding: Vec<f32>,
}

fn reference() -> Vec<ReferenceVector> {
    let reference: Reference = serde_json::from_str(include_str!("../data/reference.json")).unwrap();
    assert_eq!(reference.vectors.len(), 17);
    reference.vectors
}

/// Cosine of the angle between two vectors, in double precision.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn every_reference_vector_is_reproduced() {
    for expected in reference() {
        let embedding = &model().embed(&[&expected.text]).unwrap()[0];
        let cosine = cosine(&embedding.vector, &expected.embedding);
        assert!(cosine > 0.999_999, "{:?}: cosine {cosine}", expected.text);
        let length = embedding.vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{:?}: length {length}", expected.text);
    }
}

#[test]
fn a_text_has_the_same_vector_alone_and_in_any_batch() {
    let texts: Vec<String> = reference().into_iter().map(|vector| vector.text).collect();
    let alone: Vec<_> = texts.iter().map(|text| model().embed(&[text]).unwrap().remove(0)).collect();
    let together = model().embed(&texts).unwrap();
    assert_eq!(together, alone);
    let reversed: Vec<_> = texts.iter().rev().collect();
    let mut reversed = model().embed(&reversed).unwrap();
    reversed.reverse();
    assert_eq!(reversed, alone);
    // More than one packed batch.
    let many: Vec<_> = texts.iter().cycle().take(5 * texts.len()).collect();
    for (index, embedding) in model().embed(&many).unwrap().iter().enumerate() {
        assert_eq!(*embedding, alone[index % texts.len()]);
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_vectors() {
    let texts: Vec<String> = reference().into_iter().map(|vector| vector.text).collect();
    let expected = model().embed(&texts).unwrap();
    for threads in [1, 3, 5, 9] {
        let options = ModelOptions { threads: Some(threads), ..ModelOptions::default() };
        let model = Model::load(model_folder(), &options).unwrap();
        for (vector, expected) in model.embed(&texts).unwrap().iter().zip(&expected) {
            let cosine = cosine(&vector.vector, &expected.vector);
            assert!(cosine > 0.999_999, "{threads} threads: cosine {cosine}");
        }
    }
}

#[test]
fn a_long_text_is_cut_at_256_tokens_and_says_so() {
    let words = |count: usize| "word ".repeat(count);
    let embed = |text: &str| model().embed(&[text]).unwrap().remove(0);
    let fits = embed(&words(254));
    assert_eq!((fits.tokens, fits.truncated), (256, false));
    let cut = embed(&words(255));
    assert_eq!((cut.tokens, cut.truncated), (256, true));
    assert_eq!(cut.vector, fits.vector);
}

#[test]
fn the_cut_does_not_depend_on_how_much_follows_or_how_it_is_spaced() {
    let model = model();
    let beginning = "naïve   cafés, snake_case\u{3000}数据库 e\u{301}tude ".repeat(40);
    let expected = model.tokenize(&beginning).unwrap();
    assert!(expected.truncated());
    for rest in ["x".repeat(1 << 20), " ".repeat(1 << 20), "a b ".repeat(1 << 18)] {
        let text = format!("{beginning}{rest}");
        assert_eq!(model.tokenize(&text).unwrap(), expected);
    }
    // White space alone never fills the limit, so the text after it counts.
    let late = format!("{}word", " ".repeat(100_000));
    assert_eq!(model.tokenize(&late).unwrap(), model.tokenize("word").unwrap());
}

#[test]
fn a_device_that_is_not_built_in_is_refused() {
    if cfg!(not(feature = "cuda")) {
        let options = ModelOptions { device: Device::Cuda, ..ModelOptions::default() };
        let error = Model::load(model_folder(), &options).err().unwrap();
        assert!(matches!(error, Error::Device { device: "cuda", .. }), "{error:?}");
    }
}

#[cfg(feature = "candle")]
#[test]
fn the_gpus_code_agrees_with_the_cpus() {
    let texts: Vec<String> = reference().into_iter().map(|vector| vector.text).collect();
    let options = ModelOptions { device: Device::CandleCpu, ..ModelOptions::default() };
    let candle = Model::load(model_folder(), &options).unwrap();
    assert_eq!(candle.device(), "candle-cpu");
    let vectors = candle.embed(&texts).unwrap();
    for (vector, expected) in vectors.iter().zip(model().embed(&texts).unwrap()) {
        assert_eq!((vector.tokens, vector.truncated), (expected.tokens, expected.truncated));
        let cosine = cosine(&vector.vector, &expected.vector);
        assert!(cosine > 0.999_999, "cosine {cosine}");
    }
}

#[test]
fn nothing_to_embed_is_no_error() {
    assert_eq!(model().embed(&[] as &[&str]).unwrap(), []);
}

#[test]
fn the_model_knows_itself() {
    let model = load_model();
    assert_eq!(model.name(), "all-MiniLM-L6-v2");
    assert_eq!((model.dimensions(), model.max_tokens()), (384, 256));
    let unnamed = Model::load(model_folder(), &ModelOptions::default()).unwrap();
    assert_eq!(unnamed.name(), model_folder().canonicalize().unwrap().file_name().unwrap().to_str().unwrap());
}
