use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fault::{Fault, Kind};

/// The arguments of a call, or which of them is wrong and how.
pub(super) fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, Fault> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let (place, why) = (error.path().to_string(), error.inner().to_string());
        let place = place.trim_matches(['.', '?']);
        let named = if place.is_empty() { String::new() } else { format!("{place}: ") };
        Fault::new(Kind::BadInput, format!("understand the arguments: {named}{why}"))
    })
}
