use std::sync::Arc;
use std::time::Duration;

use agent_turbo_orchestrator::{
    self as orchestrator, Claimant, ClaimedTask, NewSession, Orchestrator, SessionId, SilenceLimits, Usage,
};
use serde_json::{Map, Value, json};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::attempt::attempt;
use crate::event::{Event, Observer, Report, Summary};
use crate::settle::end_session;
use crate::{Control, Error, Options, Result};

/// One wait for a task; another one follows.
const WAIT: Duration = Duration::from_mins(10);
/// Whoever waits long does what there is to do for all.
const REAP_EVERY: Duration = Duration::from_secs(30);
/// The worker's own session claims nothing, and must not be taken for a dead one.
const ALIVE_EVERY: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// What every task of a worker needs.
pub(crate) struct Context {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) options: Options,
    pub(crate) control: Control,
    pub(crate) observer: Box<Observer>,
}

type Attempts = JoinSet<(Report, Option<Error>)>;

/// Claims tasks and runs the command for each, until it is told to end, has done enough, or cannot go on. Tasks that are
/// being worked on then are finished, unless it was told to stop.
///
/// Each task is done in a session of its own, a child of the worker's. One session is always a task ahead: it waits, the
/// task that it gets is its task, and only then is the next one begun. So a claim that finds nothing costs no session.
///
/// # Errors
/// Those that every further task would meet: the command is not there, or the database is away for too long.
pub async fn work(
    orchestrator: &Orchestrator,
    options: Options,
    control: &Control,
    observer: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> Result<Summary> {
    options.check()?;
    let context = Arc::new(Context {
        orchestrator: orchestrator.clone(),
        options,
        control: control.clone(),
        observer: Box::new(observer),
    });
    let own = context.start_session(None).await?;
    (context.observer)(Event::Started { session_id: &own });
    let _reaper = orchestrator.start_reaper(SilenceLimits::default(), REAP_EVERY);
    let _alive = Alive::start(&context, &own);
    let mut worker =
        Worker { context: Arc::clone(&context), own: own.clone(), summary: Summary::default(), fatal: None };
    worker.serve().await;
    let failed = worker.fatal.as_ref().map(ToString::to_string);
    end_session(&context, &own, failed.as_deref()).await;
    match worker.fatal {
        Some(error) => Err(error),
        None => Ok(worker.summary),
    }
}

struct Worker {
    context: Arc<Context>,
    own: SessionId,
    summary: Summary,
    fatal: Option<Error>,
}

impl Worker {
    async fn serve(&mut self) {
        let context = Arc::clone(&self.context);
        let options = &context.options;
        let mut running = Attempts::new();
        // The session that is a task ahead.
        let mut spare: Option<Claimant> = None;
        let mut begun = 0;
        let mut outage = Outage::default();
        loop {
            while let Some(done) = running.try_join_next() {
                self.collect(done);
            }
            if context.control.is_draining() || options.max_tasks.is_some_and(|max| begun >= max) {
                break;
            }
            if running.len() >= options.concurrency {
                tokio::select! {
                    Some(done) = running.join_next() => self.collect(done),
                    () = context.control.draining() => {}
                }
                continue;
            }
            match self.next(&mut spare, &mut running).await {
                Ok(Next::Claimed(claimed, session)) => {
                    outage = Outage::default();
                    begun += 1;
                    running.spawn(attempt(Arc::clone(&context), *claimed, session));
                }
                Ok(Next::Nothing) => outage = Outage::default(),
                Ok(Next::Empty) => break,
                Err(error) => {
                    if let Err(error) = self.ride_out(error, &mut outage, &mut spare).await {
                        self.fatal.get_or_insert(error);
                        context.control.drain();
                    }
                }
            }
        }
        while let Some(done) = running.join_next().await {
            self.collect(done);
        }
        if let Some(Claimant { session_id: Some(session), .. }) = &spare {
            end_session(&context, session, None).await;
        }
    }

    /// The next task, as soon as there is one; nothing when something else is to be seen to first.
    async fn next(&mut self, spare: &mut Option<Claimant>, running: &mut Attempts) -> Result<Next> {
        let (context, lease) = (Arc::clone(&self.context), self.context.options.lease);
        let claimant = match spare.take() {
            Some(claimant) => claimant,
            None => context.claimant(context.start_session(Some(&self.own)).await?),
        };
        let claimant = &*spare.insert(claimant);
        // Before the look: one that ends after it may make others ready.
        let was_idle = running.is_empty();
        let claimed = if context.options.exit_when_empty {
            let claimed = context.orchestrator.claim_task(claimant, lease).await?;
            if claimed.is_none() && was_idle {
                return Ok(Next::Empty);
            }
            claimed
        } else {
            None
        };
        let mut done = None;
        let claimed = match claimed {
            Some(claimed) => Some(claimed),
            None => {
                let enough = async {
                    tokio::select! {
                        () = context.control.draining() => {}
                        Some(one) = running.join_next() => done = Some(one),
                    }
                };
                context.orchestrator.wait_for_task_unless(claimant, lease, WAIT, enough).await?
            }
        };
        if let Some(done) = done {
            self.collect(done);
        }
        match (claimed, spare.take()) {
            (Some(claimed), Some(Claimant { session_id: Some(session), .. })) => {
                Ok(Next::Claimed(Box::new(claimed), session))
            }
            (_, claimant) => {
                *spare = claimant;
                Ok(Next::Nothing)
            }
        }
    }

    fn collect(&mut self, done: Result<(Report, Option<Error>), JoinError>) {
        match done {
            Ok((report, fatal)) => {
                self.summary.count(&report);
                if let Some(error) = fatal {
                    self.fatal.get_or_insert(error);
                    self.context.control.drain();
                }
                if self.context.options.budget_tokens.is_some_and(|budget| self.summary.tokens >= budget) {
                    self.context.control.drain();
                }
            }
            // Nothing aborts them, so one has panicked: its process group is killed, and its lease will expire.
            Err(error) => self.context.trouble("see a task through", &error),
        }
    }

    /// Waits when the error may pass, for as long as an outage may last; else it is returned.
    async fn ride_out(&self, error: Error, outage: &mut Outage, spare: &mut Option<Claimant>) -> Result<()> {
        let Error::Orchestrator(cause) = &error else { return Err(error) };
        let is_ours = match cause {
            // A worker that was suspended for long is taken for dead.
            orchestrator::Error::SessionEnded { .. } | orchestrator::Error::UnknownSession(_) => {
                *spare = None;
                true
            }
            cause => cause.may_pass(),
        };
        let since = *outage.since.get_or_insert_with(Instant::now);
        if !is_ours || since.elapsed() >= self.context.options.max_outage {
            return Err(error);
        }
        if outage.pause.is_zero() {
            self.context.trouble("look for a task", cause);
        }
        outage.pause = (outage.pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
        tokio::select! {
            () = sleep(outage.pause) => {}
            () = self.context.control.draining() => {}
        }
        Ok(())
    }
}

enum Next {
    Claimed(Box<ClaimedTask>, SessionId),
    /// Nothing is ready; somebody at work may change that.
    Nothing,
    /// Nothing, and nobody here is at work who might change that.
    Empty,
}

#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    pause: Duration,
}

impl Context {
    /// The worker's own session, or one for a task.
    async fn start_session(&self, own: Option<&SessionId>) -> Result<SessionId> {
        let options = &self.options;
        let mut metadata = Map::new();
        // The program alone: arguments may hold anything.
        let program = options.whole_command().into_iter().next();
        metadata.insert(
            "worker".to_owned(),
            match own {
                Some(own) => Value::String(own.to_string()),
                None => json!({ "command": program, "pid": std::process::id() }),
            },
        );
        let new = NewSession {
            platform: options.platform.clone(),
            role: options.role.clone(),
            parent: own.or(options.parent.as_ref()).cloned(),
            project: options.project.clone(),
            metadata,
        };
        Ok(self.orchestrator.initialize_agent_session(new).await?.session.session_id)
    }

    fn claimant(&self, session: SessionId) -> Claimant {
        Claimant {
            session_id: Some(session),
            project: self.options.project.clone(),
            role: self.options.role.clone(),
            platform: Some(self.options.platform.clone()),
        }
    }
}

/// Shows signs of life for the worker's own session until it is dropped.
struct Alive(JoinHandle<()>);

impl Alive {
    fn start(context: &Arc<Context>, own: &SessionId) -> Self {
        let (context, own) = (Arc::clone(context), own.clone());
        Self(tokio::spawn(async move {
            loop {
                sleep(ALIVE_EVERY).await;
                if let Err(error) = context.orchestrator.touch_session(&own, Usage::default()).await {
                    tracing::debug!(%error, "worker.alive");
                }
            }
        }))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.abort();
    }
}
