use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The name of the second model.
pub const SMALL_MODEL: &str = "small-32";
/// How long its vectors are.
pub const SMALL_DIMENSIONS: usize = 32;

const HIDDEN: usize = SMALL_DIMENSIONS;
const INNER: usize = 64;

/// Writes a second model into `dir`: of the real one's kind and with its vocabulary, but with one narrow layer of weights
/// that are random and always the same.
pub async fn write_small_model(dir: &Path) -> Result<()> {
    let real = crate::model_dir().await?;
    for name in ["tokenizer.json", "modules.json"] {
        fs::copy(real.join(name), dir.join(name)).with_context(|| format!("copy {name}"))?;
    }
    let mut config: Value = serde_json::from_slice(&fs::read(real.join("config.json"))?)?;
    config["hidden_size"] = json!(HIDDEN);
    config["num_hidden_layers"] = json!(1);
    config["num_attention_heads"] = json!(2);
    config["intermediate_size"] = json!(INNER);
    fs::write(dir.join("config.json"), config.to_string())?;
    fs::create_dir_all(dir.join("1_Pooling"))?;
    let pooling = json!({ "word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": true });
    fs::write(dir.join("1_Pooling/config.json"), pooling.to_string())?;
    let size =
        |name: &str| config[name].as_u64().map(|size| size as usize).context("a size in the configuration");
    let shapes = shapes(size("vocab_size")?, size("max_position_embeddings")?, size("type_vocab_size")?);
    fs::write(dir.join("model.safetensors"), weights(&shapes))?;
    Ok(())
}

fn shapes(vocabulary: usize, positions: usize, types: usize) -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![vocabulary, HIDDEN]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![positions, HIDDEN]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![types, HIDDEN]),
    ];
    let layer = "encoder.layer.0";
    let squares =
        ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"];
    let linear = squares.map(|name| (name, HIDDEN, HIDDEN)).into_iter();
    for (name, outputs, inputs) in
        linear.chain([("intermediate.dense", INNER, HIDDEN), ("output.dense", HIDDEN, INNER)])
    {
        shapes.push((format!("{layer}.{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("{layer}.{name}.bias"), vec![outputs]));
    }
    for name in ["embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"] {
        for part in ["weight", "bias"] {
            shapes.push((format!("{name}.LayerNorm.{part}"), vec![HIDDEN]));
        }
    }
    shapes
}

/// A file of safetensors: the header's length, the header, the numbers.
fn weights(shapes: &[(String, Vec<usize>)]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    // Any generator would do, as long as every run gets the same weights.
    let mut state = 1_u64;
    for (name, shape) in shapes {
        let start = data.len();
        for _ in 0..shape.iter().product() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 40) as f32 / (1_u64 << 24) as f32;
            data.extend_from_slice(&(unit - 0.5).to_le_bytes());
        }
        header.insert(
            name.clone(),
            json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] }),
        );
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.append(&mut header);
    file.append(&mut data);
    file
}
