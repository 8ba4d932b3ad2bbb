//! Holds answers against `/openapi.json`: what is not described there is not sent.

use serde_json::Value;

use super::support::Answer;

/// The description that the server gives of itself.
#[derive(Debug, Default)]
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn new(document: Value) -> Self {
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
        Self(document)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0["paths"].as_object().unwrap().iter()
    }

    /// An answer to a request that the document knows is one that it describes.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, target: &str, answer: &Answer) {
        let path = target.split('?').next().unwrap();
        let described = self.paths().filter(|(template, _)| is_of(template, path));
        // What is spelled out comes before what a placeholder stands for.
        let Some((template, item)) = described.min_by_key(|(template, _)| template.matches('{').count())
        else {
            return;
        };
        let operation = &item[method.to_lowercase()];
        if operation.is_null() {
            return;
        }
        let response = &operation["responses"][answer.status.to_string()];
        assert!(!response.is_null(), "{method} {template} never answers {}: {answer:?}", answer.status);
        let Some(contents) = response["content"].as_object() else { return };
        let (media, content) = contents.iter().next().unwrap();
        assert!(answer.head.contains(&format!("content-type: {media}")), "{media} is promised: {answer:?}");
        if media.ends_with("json") {
            let place = format!("{method} {template} {}", answer.status);
            self.conforms(&content["schema"], &answer.json(), &place);
        }
    }

    fn conforms(&self, schema: &Value, value: &Value, place: &str) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            let named = &self.0["components"]["schemas"][name];
            assert!(!named.is_null(), "{place}: {name} is described nowhere");
            return self.conforms(named, value, place);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let is_null = |choice: &Value| choice["type"] == "null";
            if value.is_null() && choices.iter().any(is_null) {
                return;
            }
            let choice = choices.iter().find(|choice| !is_null(choice)).unwrap();
            return self.conforms(choice, value, place);
        }
        assert!(schema["allOf"].is_null(), "{place}: allOf is not looked into");
        if let Some(words) = schema["enum"].as_array() {
            assert!(words.contains(value), "{place}: {value} is none of {words:?}");
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
            // Anything.
            _ => return,
        };
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() || !types.contains(&"integer") => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        assert!(types.contains(&is), "{place}: {value} is no {types:?}");
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.conforms(&schema["items"], item, &format!("{place}/{index}"));
                }
            }
            Value::Object(members) => {
                for required in schema["required"].as_array().into_iter().flatten() {
                    let required = required.as_str().unwrap();
                    assert!(members.contains_key(required), "{place}: {required} is missing in {value}");
                }
                for (name, member) in members {
                    let place = format!("{place}/{name}");
                    match (&schema["properties"][name], &schema["additionalProperties"]) {
                        (Value::Null, Value::Object(_)) => {
                            self.conforms(&schema["additionalProperties"], member, &place);
                        }
                        (Value::Null, _) => panic!("{place} is described nowhere: {value}"),
                        (described, _) => self.conforms(described, member, &place),
                    }
                }
            }
            _ => {}
        }
    }
}

fn is_of(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(part, given)| part.starts_with('{') || *part == given)
}
