use std::time::Duration;

use agent_turbo_orchestrator::{ActionId, NewAction};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::attempt::{Files, Held, ended, over_time, reason};
use crate::child::{self, End, Ran, Said};
use crate::heart::{Heart, Stop};
use crate::settle::{insist, whole};

/// Of what a verification printed, as evidence.
const EVIDENCE_BYTES: usize = 32 * 1024;

pub(crate) enum Verified {
    Passed { evidence: Value, duration: Duration },
    Failed { error: String, duration: Duration },
    Stopped(Stop),
}

/// Runs `check` by a shell where the task's command ran, and writes down what came of it.
pub(crate) async fn verify<S>(
    held: &Held,
    check: &str,
    files: &Files,
    done: &Ran<S>,
    heart: &Heart,
    said: &watch::Sender<Said>,
) -> Verified {
    let output = match files.keep_output(&done.stdout) {
        Ok(output) => output,
        Err(error) => {
            let error = format!("its output cannot be verified: {error}");
            return Verified::Failed { error, duration: Duration::ZERO };
        }
    };
    let mut command = held.in_place("sh", files);
    command.args(["-c", check]).env("AGENT_TURBO_OUTPUT_FILE", output);
    let stop = heart.stopped(&held.context);
    let ran = match child::run(command, &[], held.bounds(), said, None, stop).await {
        Ok(ran) => ran,
        Err(error) => {
            let error = format!("its verification cannot be started: {error}");
            return Verified::Failed { error, duration: Duration::ZERO };
        }
    };
    let who = format!("its verification `{check}`");
    let (exit_code, failed) = match &ran.end {
        End::Stopped(stop) => return Verified::Stopped(stop.clone()),
        End::Exited(status) if status.success() => (Some(0), None),
        End::Exited(status) => (status.code(), Some(reason(&ended(&who, *status), &ran, None))),
        over => (None, Some(reason(&over_time(&who, over), &ran, None))),
    };
    let evidence = json!({
        "command": check,
        "exit_code": exit_code,
        "output": ran.stdout.last(EVIDENCE_BYTES),
        "stderr": ran.stderr.last(EVIDENCE_BYTES),
        "left_out": ran.stdout.left_out() + ran.stderr.left_out(),
    });
    let duration = ran.duration;
    if let Err(error) = note(held, check, &evidence, failed.as_deref(), duration).await {
        // What is not in the trail has not been verified for anybody else.
        let error = format!("its verification cannot be written down: failed to {}", whole(&error));
        return Verified::Failed { error, duration };
    }
    match failed {
        None => Verified::Passed { evidence, duration },
        Some(error) => Verified::Failed { error, duration },
    }
}

async fn note(
    held: &Held,
    check: &str,
    evidence: &Value,
    failed: Option<&str>,
    duration: Duration,
) -> agent_turbo_orchestrator::Result<()> {
    let task = &held.task;
    // One for each session, which is one for each attempt: written once, also when the answer is lost.
    let id = format!("action_verification_{}", held.session);
    let action = NewAction {
        action_id: id.parse::<ActionId>().ok(),
        task_id: Some(task.task_id.clone()),
        description: Some(format!("verified the result of {}", task.task_id)),
        output: Some(evidence.clone()),
        success: failed.is_none(),
        error: failed.map(str::to_owned),
        duration: Some(duration),
        commands: vec![check.to_owned()],
        ..NewAction::new(Some(held.session.clone()), "verification")
    };
    let orchestrator = &held.context.orchestrator;
    let noted = insist(held.context.options.lease, || orchestrator.log_agent_action(action.clone())).await;
    if let Err(error) = &noted {
        held.context.trouble(&format!("write down the verification of {}", task.task_id), error);
    }
    noted.map(drop)
}
