use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use agent_turbo_orchestrator::{ClaimedTask, Failure, Lease, SessionId, Task};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Error;
use crate::child::{self, Bounds, Capture, End, Forward, Ran, Said};
use crate::event::{Event, Report};
use crate::heart::{Heart, Stop};
use crate::output::{middle_out, output};
use crate::preset::{Spent, understand};
use crate::template::{Values, fill};
use crate::verify::{Verified, verify};
use crate::worker::Context;
use crate::{prompt, settle};

/// Of what a command said, as the reason of its failure.
const REASON_BYTES: usize = 2000;
const TASK_FILE: &str = "task.json";
const OUTPUT_FILE: &str = "output";

/// A task in the hands of a session.
pub(crate) struct Held {
    pub(crate) context: Arc<Context>,
    pub(crate) session: SessionId,
    pub(crate) lease: Lease,
    pub(crate) task: Task,
}

/// What an attempt came to, before it is told to anybody.
pub(crate) enum Conclusion {
    Done(Value),
    Failed {
        error: String,
        failure: Failure,
    },
    /// It must not be worked on any longer.
    Stopped(Stop),
    /// The worker cannot do any task.
    Broken(Error),
}

/// How it came about.
#[derive(Default)]
pub(crate) struct Course {
    pub(crate) exit_code: Option<i32>,
    pub(crate) duration: Duration,
    pub(crate) spent: Option<Spent>,
}

/// The files that a task's command reads, gone when it is over.
pub(crate) struct Files {
    dir: TempDir,
}

impl Files {
    /// Readable for nobody else.
    fn of(task: &Value) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("agent-turbo-task-").tempdir()?;
        std::fs::write(dir.path().join(TASK_FILE), format!("{task:#}\n"))?;
        Ok(Self { dir })
    }

    fn task(&self) -> PathBuf {
        self.dir.path().join(TASK_FILE)
    }

    /// What the command printed, for who verifies it.
    pub(crate) fn keep_output(&self, stdout: &Capture) -> io::Result<PathBuf> {
        let file = self.dir.path().join(OUTPUT_FILE);
        std::fs::write(&file, stdout.text())?;
        Ok(file)
    }
}

/// Does one task, from its command's start to the record of its end. An error is one that every other task would meet.
pub(crate) async fn attempt(
    context: Arc<Context>,
    claimed: ClaimedTask,
    session: SessionId,
) -> (Report, Option<Error>) {
    let ClaimedTask { lease, task } = claimed;
    (context.observer)(Event::Claimed { task: &task, session_id: &session });
    let held = Held { context, session, lease, task };
    let (said, steps) = watch::channel(Said { at: Instant::now(), line: None });
    // It beats until the end is recorded, also while the database is away for a while.
    let heart = Heart::start(&held.context, &held.lease, &held.session, steps);
    let mut course = Course::default();
    let conclusion = held.conclude(&heart, &said, &mut course).await;
    let done = settle::settle(&held, conclusion, course).await;
    drop(heart);
    (held.context.observer)(Event::Finished(&done.0));
    done
}

impl Held {
    async fn conclude(&self, heart: &Heart, said: &watch::Sender<Said>, course: &mut Course) -> Conclusion {
        let document = json!({ "task": self.task, "session_id": self.session });
        let files = match Files::of(&document) {
            Ok(files) => files,
            Err(error) => return Conclusion::Broken(Error::Files(error)),
        };
        let (program, command) = self.command(&files);
        // An agent's program takes what it reads for a part of its prompt.
        let input =
            if self.context.options.preset.is_some() { String::new() } else { format!("{document}\n") };
        let forward = |bytes: &[u8]| {
            (self.context.observer)(Event::Stderr { task_id: &self.task.task_id, bytes });
        };
        let forward: Option<Forward<'_>> =
            if self.context.options.forward_stderr { Some(&forward) } else { None };
        let stop = heart.stopped(&self.context);
        let ran = child::run(command, input.as_bytes(), self.bounds(), said, forward, stop).await;
        let ran = match ran {
            Ok(ran) => ran,
            Err(error) => return not_started(program, error),
        };
        course.duration = ran.duration;
        let answer = understand(self.context.options.preset, &ran.stdout);
        course.spent = answer.spent;
        let status = match &ran.end {
            End::Exited(status) => *status,
            End::Stopped(stop) => return Conclusion::Stopped(stop.clone()),
            over => return again(&over_time("it", over), &ran, None),
        };
        course.exit_code = status.code();
        match status.code() {
            Some(0) => {}
            Some(code) if self.context.options.is_final(code) => {
                let error = reason(&ended("it", status), &ran, answer.failed.as_deref());
                return Conclusion::Failed { error, failure: Failure::Final };
            }
            _ => return again(&ended("it", status), &ran, answer.failed.as_deref()),
        }
        if let Some(failed) = &answer.failed {
            return again("it says that it failed", &ran, Some(failed));
        }
        let mut evidence = None;
        if let Some(check) = &self.context.options.verify {
            match verify(self, check, &files, &ran, heart, said).await {
                Verified::Passed { evidence: passed, duration } => {
                    course.duration += duration;
                    evidence = Some(passed);
                }
                Verified::Failed { error, duration } => {
                    course.duration += duration;
                    return Conclusion::Failed { error, failure: Failure::Retryable { after: None } };
                }
                Verified::Stopped(stop) => return Conclusion::Stopped(stop),
            }
        }
        Conclusion::Done(output(&ran, 0, answer, evidence))
    }

    /// The command for this task, and how it is called.
    fn command(&self, files: &Files) -> (String, Command) {
        let (task, task_file) = (&self.task, files.task().display().to_string());
        let prompt = prompt::render(task, &self.session, &task_file);
        let values = Values {
            prompt: &prompt,
            task_id: task.task_id.as_str(),
            task_file: &task_file,
            description: &task.task_description,
        };
        let template = self.context.options.whole_command();
        let mut words = template.iter().map(|argument| fill(argument, &values));
        // Checked before the first task.
        let program = words.next().unwrap_or_default();
        let mut command = self.in_place(&program, files);
        command.args(words);
        (template.into_iter().next().unwrap_or_default(), command)
    }

    /// A program where the task's command runs, with what that one knows.
    pub(crate) fn in_place(&self, program: impl AsRef<OsStr>, files: &Files) -> Command {
        let mut command = Command::new(program);
        if let Some(dir) = &self.context.options.dir {
            command.current_dir(dir);
        }
        let known: [(&str, OsString); 5] = [
            ("AGENT_TURBO_SESSION", self.session.as_str().into()),
            ("AGENT_TURBO_PROJECT", self.task.project.clone().into()),
            ("AGENT_TURBO_TASK", self.task.task_id.as_str().into()),
            ("AGENT_TURBO_LEASE", self.lease.token.to_string().into()),
            ("AGENT_TURBO_TASK_FILE", files.task().into()),
        ];
        command.envs(self.context.options.env.iter().map(|(name, value)| (name, value))).envs(known);
        command
    }

    pub(crate) fn bounds(&self) -> Bounds {
        let options = &self.context.options;
        Bounds {
            timeout: options.timeout,
            stall_after: options.stall_after,
            kill_after: options.kill_after,
            capture_bytes: options.capture_bytes,
        }
    }
}

/// A command that could not be started: because of the task, of the moment, or of the command.
fn not_started(program: String, error: io::Error) -> Conclusion {
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong => Conclusion::Failed {
            error:
                "its command cannot be started: the arguments are too long for the system; it can read the \
                    task from stdin or from {task_file}"
                    .to_owned(),
            failure: Failure::Final,
        },
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock | io::ErrorKind::ExecutableFileBusy => {
            Conclusion::Failed {
                error: format!("its command cannot be started: {error}"),
                failure: Failure::Retryable { after: None },
            }
        }
        _ => Conclusion::Broken(Error::Command { command: program, source: error }),
    }
}

fn again<S>(what: &str, ran: &Ran<S>, why: Option<&str>) -> Conclusion {
    Conclusion::Failed { error: reason(what, ran, why), failure: Failure::Retryable { after: None } }
}

/// What went wrong, and what the command had to say about it.
pub(crate) fn reason<S>(what: &str, ran: &Ran<S>, why: Option<&str>) -> String {
    let why = why.map(|why| middle_out(&why.replace('\0', "\u{fffd}"), REASON_BYTES));
    let said = why.filter(|why| !why.trim().is_empty()).or_else(|| {
        let streams = [&ran.stderr, &ran.stdout];
        streams.map(|stream| stream.last(REASON_BYTES)).into_iter().find(|said| !said.is_empty())
    });
    match said {
        Some(said) => format!("{what}: {said}"),
        None => what.to_owned(),
    }
}

/// How a command that ended by itself ended.
pub(crate) fn ended(who: &str, status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("{who} ended with exit code {code}"),
        (None, Some(signal)) => format!("{who} was killed by signal {signal}"),
        (None, None) => format!("{who} ended with {status}"),
    }
}

/// Why a command was ended that did not do so itself.
pub(crate) fn over_time<S>(who: &str, end: &End<S>) -> String {
    match end {
        End::TimedOut(limit) => format!("{who} was not done after {limit:?}, and was killed"),
        End::Stalled(limit) => format!("{who} said nothing for {limit:?}, and was killed"),
        End::Exited(_) | End::Stopped(_) => format!("{who} ended"),
    }
}
