//! Argument schemas in the part of JSON Schema that every client's dialect takes.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of a tool's arguments: objects, arrays, strings with `enum`, numbers and booleans, written out in place.
///
/// Neither `null` types (what is optional is left out), nor `$ref`, `anyOf` or `format`: some clients refuse one or
/// another of them.
pub(super) fn of<T: JsonSchema>() -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    plain(&mut schema);
    match schema {
        Value::Object(members) => members,
        _ => JsonObject::new(),
    }
}

fn plain(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    for name in ["$schema", "title", "format", "default", "additionalProperties", "minimum", "maximum"] {
        members.remove(name);
    }
    if let Some(Value::Array(choices)) = members.get("anyOf") {
        let some: Vec<&Value> = choices.iter().filter(|choice| choice["type"] != "null").collect();
        if let [Value::Object(only)] = some.as_slice() {
            let only = only.clone();
            members.remove("anyOf");
            for (name, value) in only {
                members.entry(name).or_insert(value);
            }
            return plain(schema);
        }
    }
    if let Some(types) = members.get_mut("type")
        && let Some(some) = types.as_array().and_then(|types| types.iter().find(|name| *name != "null"))
    {
        *types = some.clone();
    }
    if let Some(Value::Array(words)) = members.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    for name in ["description"] {
        if let Some(Value::String(text)) = members.get_mut(name) {
            *text = text.replace('\n', " ");
        }
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties.values_mut().for_each(plain);
    } else if members.get("type").is_some_and(|name| name == "object") {
        members.entry("properties").or_insert_with(|| Value::Object(JsonObject::new()));
    }
    if let Some(items) = members.get_mut("items") {
        plain(items);
    }
}
