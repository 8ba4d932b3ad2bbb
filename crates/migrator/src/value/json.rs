use serde_json::Value;

/// A JSON column's value; `None` if it is no JSON that can be kept as such: broken, or with NULs, which jsonb cannot
/// store.
pub fn parse_json(text: &str) -> Option<Value> {
    // The only way to write a NUL in JSON; a text about `\u0000` is refused as well, and kept as it is written.
    if text.contains('\0') || text.contains("\\u0000") {
        return None;
    }
    serde_json::from_str(text).ok()
}
