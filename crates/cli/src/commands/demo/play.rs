use std::time::Duration;

use agent_turbo_orchestrator::{
    ClaimedTask, Error as OrchestratorError, Failure, Heartbeat, NewSession, Orchestrator, Progress, Task,
    TaskId, Usage, Verdict,
};
use agent_turbo_planner::{Error, Format, Plan, Planner, ToAudit, format_landing_context};
use anstyle::AnsiColor;
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::stage::{Actor, Stage, key};

const PLAN: &str = include_str!("plan.yaml");
const LEASE: Duration = Duration::from_secs(30);
/// Without anything to do for so long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);
/// The task whose first attempt fails, and the one whose first result is sent back.
const FAILS: &str = "test";
const SENT_BACK: &str = "cli";

/// A planner, two executors and a validator, and what they work with.
pub(super) struct Play<'a> {
    pub(super) planner: &'a Planner,
    pub(super) stage: &'a Stage,
    /// Between what one can watch.
    pub(super) pause: Duration,
    pub(super) project: String,
}

/// Who was on stage, and what they made; known also when the play breaks off.
#[derive(Default)]
pub(super) struct Traces {
    /// The planner first.
    pub(super) actors: Vec<Actor>,
    pub(super) tasks: Vec<TaskId>,
}

impl Play<'_> {
    /// From the first session to the last approval.
    pub(super) async fn run(&self, traces: &mut Traces) -> Result<()> {
        let planner = self.planner(traces).await?;
        let codex = self.enters("codex", "executor", AnsiColor::Green, traces).await?;
        let gemini = self.enters("gemini", "executor", AnsiColor::Yellow, traces).await?;
        let validator = self.enters("cursor", "validator", AnsiColor::Magenta, traces).await?;
        let (all_done, over) = watch::channel(false);
        let something_done = Notify::new();
        let plan = Plan::parse(PLAN, Format::Yaml)?;
        tokio::try_join!(
            self.executes(&codex, over.clone(), &something_done),
            self.executes(&gemini, over, &something_done),
            self.validates(&validator, plan.tasks.len(), &something_done, all_done),
            self.delegates(&planner, &plan, traces),
        )?;
        Ok(())
    }

    fn orchestrator(&self) -> &Orchestrator {
        self.planner.orchestrator()
    }

    async fn planner(&self, traces: &mut Traces) -> Result<Actor> {
        let started = self.planner.start_planning_session("claude", &self.project, None).await?;
        let planner = Actor { session: started.session, colour: AnsiColor::Cyan };
        traces.actors.push(planner.clone());
        let prompt = format_landing_context(&started.context, 500);
        let note = format!("with a landing context of {} tokens", prompt.tokens);
        self.stage.tell(&planner, "starts", None, note);
        Ok(planner)
    }

    /// A session that the planner started.
    async fn enters(
        &self,
        platform: &str,
        role: &str,
        colour: AnsiColor,
        traces: &mut Traces,
    ) -> Result<Actor> {
        let new = NewSession {
            project: self.project.clone(),
            parent: traces.actors.first().map(|planner| planner.id().clone()),
            ..NewSession::new(platform, role)
        };
        let actor =
            Actor { session: self.orchestrator().initialize_agent_session(new).await?.session, colour };
        traces.actors.push(actor.clone());
        let waits = if role == "executor" { "and waits for work" } else { "and waits for results" };
        self.stage.tell(&actor, "starts", None, waits);
        self.breath().await;
        Ok(actor)
    }

    async fn delegates(&self, planner: &Actor, plan: &Plan, traces: &mut Traces) -> Result<()> {
        let loaded = self.planner.load_plan(planner.id(), plan).await?;
        traces.tasks.extend(loaded.tasks.iter().map(|task| task.task_id.clone()));
        let note = format!("{} tasks that wait for each other, in one transaction", loaded.created);
        self.stage.tell(planner, "delegates a plan", None, note);
        self.uses(planner, 900).await
    }

    async fn executes(
        &self,
        executor: &Actor,
        mut over: watch::Receiver<bool>,
        something_done: &Notify,
    ) -> Result<()> {
        let claimant = self.orchestrator().claimant(executor.id()).await?;
        loop {
            let claimed = tokio::select! {
                biased;
                // Who tells of the end has ended himself when this fails.
                _ = over.wait_for(|over| *over) => return Ok(()),
                claimed = self.orchestrator().wait_for_task(&claimant, LEASE, PATIENCE) => claimed?,
            };
            let claimed = claimed.context("find a task that is ready, as there must be one")?;
            self.works(executor, &claimed).await?;
            something_done.notify_one();
        }
    }

    async fn works(&self, executor: &Actor, claimed: &ClaimedTask) -> Result<()> {
        let ClaimedTask { lease, task } = claimed;
        let note = match (&task.review_notes, task.attempts) {
            (Some(notes), _) => format!("again: {notes}"),
            (None, 1) => task.task_description.clone(),
            (None, attempt) => format!("attempt {attempt}"),
        };
        self.stage.tell(executor, "claims", Some(task), note);
        for (percentage, step) in [(40, "thinking"), (80, "writing")] {
            self.breath().await;
            let progress = Progress { percentage: Some(percentage), current_step: Some(step.to_owned()) };
            let beat =
                self.orchestrator().heartbeat_task(&task.task_id, lease.token, LEASE, progress).await?;
            if let Heartbeat::Cancelled { .. } = beat {
                bail!("go on with {}, which was cancelled", task.task_id);
            }
            self.stage.tell(executor, "works on", Some(task), format!("{percentage} %, {step}"));
        }
        self.breath().await;
        self.uses(executor, 1200).await?;
        if key(task) == Some(FAILS) && task.attempts == 1 {
            let error = "one language was not there";
            let retry = Failure::Retryable { after: Some(self.pause) };
            self.orchestrator().fail_task(&task.task_id, lease.token, error, retry).await?;
            self.stage.tell(executor, "fails", Some(task), format!("{error}; it is tried again"));
            return Ok(());
        }
        let output = json!({ "greeting": "Hello, world", "round": task.round });
        self.orchestrator().complete_task(&task.task_id, lease.token, Some(output)).await?;
        self.stage.tell(executor, "completes", Some(task), "");
        if key(task) == Some("design") {
            return self.tries_to_approve(executor, task).await;
        }
        Ok(())
    }

    /// His own work, which must be refused.
    async fn tries_to_approve(&self, executor: &Actor, task: &Task) -> Result<()> {
        let verdict = Verdict::Approved;
        match self.planner.audit_task_results(&task.task_id, verdict, None, executor.id()).await {
            Err(Error::Orchestrator(OrchestratorError::OwnWork)) => {
                self.stage.tell(executor, "is refused", Some(task), "nobody approves his own work");
                Ok(())
            }
            // The validator was faster and sent it on, or it was let through: either way, not as it should be.
            Ok(_) => bail!("be refused when approving one's own work"),
            Err(error) => Err(error.into()),
        }
    }

    async fn validates(
        &self,
        validator: &Actor,
        tasks: usize,
        something_done: &Notify,
        all_done: watch::Sender<bool>,
    ) -> Result<()> {
        let mut approved = 0;
        while approved < tasks {
            something_done.notified().await;
            let page = self.planner.tasks_to_audit(validator.id(), ToAudit::Everybodys, 100, None).await?;
            for task in page.tasks.iter().rev() {
                self.breath().await;
                let (verdict, word, notes) = if key(task) == Some(SENT_BACK) && task.round == 1 {
                    (Verdict::NeedsRevision, "sends back", "say please")
                } else {
                    (Verdict::Approved, "approves", "as agreed")
                };
                self.planner.audit_task_results(&task.task_id, verdict, Some(notes), validator.id()).await?;
                approved += usize::from(verdict == Verdict::Approved);
                let note = if verdict == Verdict::Approved { "" } else { notes };
                self.stage.tell(validator, word, Some(task), note);
                self.uses(validator, 300).await?;
            }
        }
        let _ = all_done.send(true);
        Ok(())
    }

    /// Tokens that a model would have used.
    async fn uses(&self, actor: &Actor, tokens_used: u32) -> Result<()> {
        let usage = Usage { tokens_used, api_calls: 1 };
        self.orchestrator().touch_session(actor.id(), usage).await?;
        Ok(())
    }

    /// Time to watch.
    async fn breath(&self) {
        tokio::time::sleep(self.pause).await;
    }
}
