//! A model folder that is damaged, or asks for what we do not do, is refused with the name of the file.

use std::fs;
use std::path::Path;

use agent_turbo_embedder::{Error, Model, ModelOptions};
use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::synthetic_model::{SyntheticModel, Variant};

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let variant =
        Variant { dtype: Dtype::F32, prefix: "", pooling: "pooling_mode_mean_tokens", normalize: true };
    SyntheticModel::new(variant).write(dir.path());
    dir
}

/// The whole chain of the error that loading gives.
fn refusal(dir: &Path) -> String {
    let Err(error) = Model::load(dir, &ModelOptions::default()) else { panic!("the model was accepted") };
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    chain
}

fn edit(dir: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = dir.join(file);
    let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

const FILES: [&str; 5] =
    ["modules.json", "config.json", "1_Pooling/config.json", "tokenizer.json", "model.safetensors"];

#[test]
fn a_missing_file_is_named() {
    for file in FILES {
        let dir = folder();
        let path = dir.path().join(file);
        fs::remove_file(&path).unwrap();
        let chain = refusal(dir.path());
        assert!(chain.contains(path.to_str().unwrap()), "{chain}");
        assert!(chain.contains("No such file"), "{chain}");
    }
    let chain = refusal(Path::new("/nonexistent"));
    assert!(chain.contains("/nonexistent"), "{chain}");
}

#[test]
fn a_damaged_file_is_named() {
    for file in FILES {
        for damage in
            [&b""[..], b"{", b"\xff\xff\xff\xff\xff\xff\xff\xff garbage", b"\x08\0\0\0\0\0\0\0{\"a\":1}}"]
        {
            let dir = folder();
            let path = dir.path().join(file);
            fs::write(&path, damage).unwrap();
            let chain = refusal(dir.path());
            assert!(chain.contains(path.to_str().unwrap()), "{chain}");
        }
    }
}

#[test]
fn truncated_or_overlong_weights_are_refused() {
    let dir = folder();
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let mut longer = bytes.clone();
    longer.push(0);
    for damaged in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() / 2], &bytes[..100], &bytes[..4], &longer]
    {
        fs::write(&path, damaged).unwrap();
        let chain = refusal(dir.path());
        assert!(chain.contains("model.safetensors"), "{chain}");
    }
}

#[test]
fn weights_that_do_not_fit_the_configuration_are_refused() {
    for (setting, value, tensor) in [
        ("hidden_size", 48, "word_embeddings"),
        ("vocab_size", 13, "word_embeddings"),
        ("num_hidden_layers", 3, "encoder.layer.2"),
        ("intermediate_size", 41, "intermediate"),
    ] {
        let dir = folder();
        edit(dir.path(), "config.json", |config| config[setting] = json!(value));
        let chain = refusal(dir.path());
        assert!(chain.contains("model.safetensors") && chain.contains(tensor), "{chain}");
    }
}

#[test]
fn weights_that_are_not_numbers_are_refused() {
    let dir = folder();
    let path = dir.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    // The last tensor in the file is a float one: its last value becomes NaN.
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let chain = refusal(dir.path());
    assert!(chain.contains("NaN"), "{chain}");
}

#[test]
fn what_is_not_supported_is_named() {
    let refused = |file: &str, change: fn(&mut Value), expected: &str| {
        let dir = folder();
        edit(dir.path(), file, change);
        let error = Model::load(dir.path(), &ModelOptions::default()).err().unwrap();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains(file) && message.contains(expected), "{message}");
    };
    refused("config.json", |c| c["hidden_act"] = json!("relu"), "relu");
    refused("config.json", |c| c["model_type"] = json!("roberta"), "roberta");
    refused("config.json", |c| c["position_embedding_type"] = json!("relative_key"), "relative_key");
    refused("config.json", |c| c["num_attention_heads"] = json!(5), "num_attention_heads");
    refused("config.json", |c| c["num_attention_heads"] = json!(0), "num_attention_heads");
    refused("config.json", |c| c["hidden_size"] = json!(1_u64 << 40), "hidden_size");
    refused("modules.json", |m| m[1]["type"] = json!("sentence_transformers.models.Dense"), "Dense");
    refused("modules.json", |m| *m = json!([]), "Transformer");
    refused("1_Pooling/config.json", |p| *p = json!({}), "mode");
    refused("1_Pooling/config.json", |p| p["pooling_mode_cls_token"] = json!(true), "several");
    refused(
        "1_Pooling/config.json",
        |p| *p = json!({"pooling_mode_weightedmean_tokens": true}),
        "pooling_mode_weightedmean_tokens",
    );
}

#[test]
fn an_older_folder_layout_loads() {
    let dir = folder();
    let transformer = dir.path().join("0_Transformer");
    fs::create_dir(&transformer).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::rename(dir.path().join(file), transformer.join(file)).unwrap();
    }
    fs::write(transformer.join("sentence_bert_config.json"), r#"{"max_seq_length": 8}"#).unwrap();
    edit(dir.path(), "modules.json", |modules| modules[0]["path"] = json!("0_Transformer"));
    let model = Model::load(dir.path(), &ModelOptions::default()).unwrap();
    assert_eq!(model.max_tokens(), 8);
    let embedding = &model.embed(&["red ".repeat(20)]).unwrap()[0];
    assert_eq!((embedding.tokens, embedding.truncated), (8, true));
}

#[test]
fn an_unknown_token_id_fails_its_text_only() {
    let dir = folder();
    edit(dir.path(), "tokenizer.json", |tokenizer| tokenizer["model"]["vocab"]["red"] = json!(4000));
    let model = Model::load(dir.path(), &ModelOptions::default()).unwrap();
    assert!(matches!(model.embed(&["red"]), Err(Error::Inference { .. })));
    assert!(model.embed(&["green"]).is_ok());
}
