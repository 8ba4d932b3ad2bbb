use std::fs;
use std::path::Path;

use agent_turbo_embedder::fuzzing;

const FILES: [(&str, &str); 5] = [
    (
        "modules.json",
        r#"[{"type":"sentence_transformers.models.Transformer","path":""},{"type":"sentence_transformers.models.Pooling","path":"1_Pooling"}]"#,
    ),
    (
        "config.json",
        r#"{"vocab_size":4,"hidden_size":4,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":8,"max_position_embeddings":8,"type_vocab_size":2}"#,
    ),
    ("sentence_bert_config.json", r#"{"max_seq_length":8}"#),
    ("1_Pooling/config.json", r#"{"pooling_mode_mean_tokens":true}"#),
    ("model.safetensors", ""),
];

/// A model folder in which one file holds these bytes; the first one says which.
pub fn model_folder(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    let Ok(dir) = tempfile::tempdir() else { return };
    if write(dir.path(), usize::from(*which) % FILES.len(), bytes).is_err() {
        return;
    }
    if let Ok((width, layers, max_tokens)) = fuzzing::model_folder(dir.path()) {
        assert!((1..=1 << 14).contains(&width) && (1..=1 << 8).contains(&layers));
        assert!((3..=1 << 16).contains(&max_tokens));
    }
    if let Ok(values) = fuzzing::weights(&dir.path().join("model.safetensors"), 2, 2) {
        assert!(values.len() == 4 && values.iter().all(|value| value.is_finite()));
    }
}

fn write(dir: &Path, which: usize, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir(dir.join("1_Pooling"))?;
    for (index, (name, usual)) in FILES.iter().enumerate() {
        fs::write(dir.join(name), if index == which { bytes } else { usual.as_bytes() })?;
    }
    Ok(())
}
