use std::fmt;

use agent_turbo_orchestrator::OnFailure;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Something to be completed before: `build`, or `{task: build, on_failure: fail}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// A key of the plan, else the id of a task that exists.
    pub task: String,
    /// What its failure does [default: block].
    pub on_failure: OnFailure,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct InFull {
    task: String,
    #[serde(default = "block")]
    on_failure: OnFailure,
}

fn block() -> OnFailure {
    OnFailure::Block
}

/// By hand: an untagged enum would not say which member is wrong.
impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyOrFull;

        impl<'de> Visitor<'de> for KeyOrFull {
            type Value = After;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a task's key or id, or {task: …, on_failure: block or fail}")
            }

            fn visit_str<E: Error>(self, task: &str) -> Result<After, E> {
                Ok(After { task: task.to_owned(), on_failure: OnFailure::Block })
            }

            // A key that looks like a number.
            fn visit_u64<E: Error>(self, task: u64) -> Result<After, E> {
                self.visit_str(&task.to_string())
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<After, A::Error> {
                let InFull { task, on_failure } = InFull::deserialize(MapAccessDeserializer::new(members))?;
                Ok(After { task, on_failure })
            }
        }

        deserializer.deserialize_any(KeyOrFull)
    }
}
