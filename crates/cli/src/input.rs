use std::fs::File;
use std::io::Read;

use agent_turbo_knowledge as knowledge;
use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// The largest document that is read, in bytes.
const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// The text of an argument, or of stdin for `-`.
pub(crate) fn text(argument: &str, max_bytes: usize) -> Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    // White space around the text does not count, so a little more than the limit may come.
    let limit = max_bytes + 64 * 1024;
    let bytes = read(&mut std::io::stdin().lock(), limit).context("read stdin")?;
    if bytes.len() > limit {
        return Err(bad(
            "the text",
            format!("stdin has more than {max_bytes} bytes; split it, or raise max_content_bytes"),
        ));
    }
    utf8("the text", "stdin", bytes)
}

/// What a file holds, or stdin for `-`.
pub(crate) fn document(what: &'static str, file: &str) -> Result<String> {
    let (name, bytes) = if file == "-" {
        ("stdin", read(&mut std::io::stdin().lock(), MAX_DOCUMENT_BYTES).context("read stdin")?)
    } else {
        let bytes = File::open(file).and_then(|mut opened| read(&mut opened, MAX_DOCUMENT_BYTES));
        (file, bytes.map_err(|error| bad(what, format!("{file:?} cannot be read: {error}")))?)
    };
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(bad(what, format!("{name} has more than {MAX_DOCUMENT_BYTES} bytes")));
    }
    utf8(what, name, bytes)
}

/// JSON as the argument itself, from stdin for `-`, from a file for `@file`.
pub(crate) fn json(what: &'static str, argument: &str) -> Result<Value> {
    let text = match (argument, argument.strip_prefix('@')) {
        (_, Some(file)) => document(what, file)?,
        ("-", _) => document(what, "-")?,
        _ => argument.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| bad(what, format!("it is not JSON: {error}")))
}

/// A JSON object.
pub(crate) fn metadata(argument: Option<&str>) -> Result<Map<String, Value>> {
    let Some(text) = argument else { return Ok(Map::new()) };
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => {
            Err(bad("the metadata", "it is JSON, and not an object such as {\"key\": \"value\"}".to_owned()))
        }
        Err(error) => Err(bad("the metadata", format!("it is not JSON: {error}"))),
    }
}

/// Input that cannot be used.
pub(crate) fn bad(what: &'static str, why: String) -> anyhow::Error {
    knowledge::Error::BadInput { what, why }.into()
}

/// One byte more than `limit` tells that there is too much.
fn read(from: &mut impl Read, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn utf8(what: &'static str, name: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        bad(what, format!("{name} is not UTF-8 from byte {position} on; convert it, for example with iconv"))
    })
}
