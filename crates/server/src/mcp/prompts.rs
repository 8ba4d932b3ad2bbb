//! Prompts: how to be a planner, an executor or a validator, with the landing context as it is now.

use agent_turbo_orchestrator::ContextScope;
use agent_turbo_planner::format_landing_context;
use rmcp::ErrorData;
use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};

use super::call::Call;
use super::resources::protocol_error;

/// Tokens of the landing context in a prompt.
const BUDGET: usize = 2000;

struct Spec {
    name: &'static str,
    about: &'static str,
    text: &'static str,
}

const SPECS: &[Spec] = &[
    Spec {
        name: "planner",
        about: "Plan a goal, hand it over as tasks, and look after their results",
        text: "You are the planner. Call start_session with role planner. recall what is known about the goal. Split it \
               into tasks that one agent can do in one sitting, each with a description that stands for itself and a \
               way to tell that it is done; give them roles, priorities, and after for what depends on what; make all \
               of them with one create_task. Then look at list_tasks until they are finished, audit_task each result, \
               send back with needs_revision what is not what was asked for, and remember what was learned.",
    },
    Spec {
        name: "executor",
        about: "Do tasks, one after the other",
        text: "You are an executor. Call start_session with role executor. Then, again and again: claim_task with \
               wait_seconds; read its description, context and the outputs of what came before; recall what is known; \
               do it; update_task with heartbeat while it takes long, then with complete and an output that another \
               agent can check, or with fail and what went wrong. log_action what you changed. Stop when no task comes.",
    },
    Spec {
        name: "validator",
        about: "Audit what others did",
        text: "You are the validator. Call start_session with role validator. list_tasks with to_audit shows results \
               that nobody has audited. For each: read what was asked and what came out, look at what was really done \
               (history), run what can be run, then audit_task: approved only if you saw it work, needs_revision with \
               what is to be done differently, or rejected. Never approve your own work.",
    },
];

pub(super) fn all() -> Vec<Prompt> {
    let goal = || PromptArgument::new("goal").with_description("What it is about").with_required(false);
    let project = || PromptArgument::new("project").with_description("The project").with_required(false);
    SPECS.iter().map(|spec| Prompt::new(spec.name, Some(spec.about), Some(vec![goal(), project()]))).collect()
}

pub(super) async fn get(
    call: &Call,
    name: &str,
    arguments: &JsonObject,
) -> Result<GetPromptResult, ErrorData> {
    let Some(spec) = SPECS.iter().find(|spec| spec.name == name) else {
        return Err(ErrorData::invalid_params(format!("there is no prompt {name:?}"), None));
    };
    let argument =
        |name: &str| arguments.get(name).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
    let project = call.project(argument("project")).map_err(|fault| protocol_error(&fault))?;
    let scope = ContextScope {
        project: project.to_string(),
        role: Some(spec.name.to_owned()),
        platform: call.client().map(str::to_owned),
    };
    let context = call.app().orchestrator.get_cached_landing_context(&scope).await;
    let context = context.map_err(|error| protocol_error(&error.into()))?;
    let mut text = spec.text.to_owned();
    if let Some(goal) = argument("goal") {
        text.push_str("\n\nThe goal: ");
        text.push_str(goal);
    }
    text.push_str("\n\n");
    text.push_str(&format_landing_context(&context, BUDGET).text);
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(spec.about))
}
