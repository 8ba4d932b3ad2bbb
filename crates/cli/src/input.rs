use std::io::Read;

use agent_turbo_knowledge as knowledge;
use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// The text of an argument, or of stdin for `-`.
pub(crate) fn text(argument: &str, max_bytes: usize) -> Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut bytes = Vec::new();
    // White space around the text does not count, so a little more than the limit may come.
    let limit = max_bytes as u64 + 64 * 1024;
    std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).context("read stdin")?;
    if bytes.len() as u64 > limit {
        return Err(bad(
            "the text",
            format!("stdin has more than {max_bytes} bytes; split it, or raise max_content_bytes"),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        bad(
            "the text",
            format!("stdin is not UTF-8 from byte {position} on; convert it, for example with iconv"),
        )
    })
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

fn bad(what: &'static str, why: String) -> anyhow::Error {
    knowledge::Error::BadInput { what, why }.into()
}
