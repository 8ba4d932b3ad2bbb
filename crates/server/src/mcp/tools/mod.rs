//! The tools. Each is a file: its arguments with what an agent must know of them, and what it does.

mod arguments;
mod audit_task;
mod cancel_task;
mod claim_task;
mod create_task;
mod end_session;
mod forget;
mod get_context;
mod history;
mod list_sessions;
mod list_tasks;
mod log_action;
mod recall;
mod remember;
mod retry_task;
mod revise;
mod start_session;
mod summary;
mod told;
mod update_task;

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use rmcp::model::{JsonObject, Tool as Listed, ToolAnnotations};

use super::call::Call;
use super::reply::Reply;
use super::schema;
use crate::fault::Fault;

type Running<'a> = Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + 'a>>;

/// What a tool does to the world, for clients that ask their user before some calls.
#[derive(Debug, Clone, Copy)]
struct Effect {
    /// It changes nothing.
    reads: bool,
    /// It takes something away.
    destroys: bool,
    /// Doing it again changes nothing more.
    repeats: bool,
}

const READS: Effect = Effect { reads: true, destroys: false, repeats: true };
const ADDS: Effect = Effect { reads: false, destroys: false, repeats: false };
const SETS: Effect = Effect { reads: false, destroys: false, repeats: true };
const REMOVES: Effect = Effect { reads: false, destroys: true, repeats: true };

/// A tool: how it is called, and what runs then.
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// Whether agents have it that asked for nothing special.
    pub(super) is_usual: bool,
    about: &'static str,
    effect: Effect,
    schema: fn() -> JsonObject,
    pub(super) run: for<'a> fn(&'a Call, JsonObject) -> Running<'a>,
    listed: OnceLock<Listed>,
}

impl Tool {
    /// As it is told to clients.
    pub(super) fn listed(&self) -> &Listed {
        self.listed.get_or_init(|| {
            let Effect { reads, destroys, repeats } = self.effect;
            let mut hints = ToolAnnotations::new().read_only(reads).open_world(false);
            if !reads {
                hints = hints.destructive(destroys).idempotent(repeats);
            }
            Listed::new(self.name, self.about, (self.schema)()).with_annotations(hints)
        })
    }
}

macro_rules! tool {
    ($name:ident, $is_usual:literal) => {
        Tool {
            name: stringify!($name),
            is_usual: $is_usual,
            about: $name::ABOUT,
            effect: $name::EFFECT,
            schema: schema::of::<$name::Args>,
            run: |call, arguments| {
                Box::pin(async move { $name::run(call, arguments::parse(arguments)?).await })
            },
            listed: OnceLock::new(),
        }
    };
}

/// Every tool there is, in the order in which they are told.
pub(super) static ALL: [Tool; 18] = [
    tool!(start_session, true),
    tool!(get_context, true),
    tool!(remember, true),
    tool!(recall, true),
    tool!(create_task, true),
    tool!(claim_task, true),
    tool!(update_task, true),
    tool!(list_tasks, true),
    tool!(log_action, true),
    tool!(audit_task, true),
    tool!(history, true),
    tool!(end_session, true),
    tool!(forget, false),
    tool!(revise, false),
    tool!(retry_task, false),
    tool!(cancel_task, false),
    tool!(list_sessions, false),
    tool!(summary, false),
];

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::ALL;

    /// A token of a schema has three characters and more.
    #[test]
    fn the_default_profile_costs_less_than_3000_tokens() {
        let tools: Vec<_> = Profile::Default.tools().map(super::Tool::listed).collect();
        assert_eq!(tools.len(), 12);
        let json = serde_json::to_string(&tools).unwrap_or_default();
        assert!(json.len() < 9000, "{} bytes", json.len());
    }

    #[test]
    fn schemas_use_what_every_client_knows() {
        for tool in &ALL {
            let json = serde_json::to_string(tool.listed()).unwrap_or_default();
            for word in ["null", "$ref", "anyOf", "oneOf", "format\"", "$defs", "allOf"] {
                assert!(!json.contains(word), "{}: {word} in {json}", tool.name);
            }
            assert_eq!(tool.listed().input_schema["type"], "object", "{}", tool.name);
        }
    }
}
