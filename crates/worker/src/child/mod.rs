//! A command from its start to the end of its process group.

mod capture;
mod group;
mod stream;

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::group::Group;

pub(crate) use self::capture::Capture;
pub(crate) use self::stream::Said;

/// How often a group is looked at that was asked to end. There is nothing that would tell.
const LOOK: Duration = Duration::from_millis(10);
/// For what a killed group leaves in its pipes.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Within which bounds a command runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) timeout: Option<Duration>,
    pub(crate) stall_after: Option<Duration>,
    pub(crate) kill_after: Duration,
    pub(crate) capture_bytes: usize,
}

/// Why a command is over.
#[derive(Debug)]
pub(crate) enum End<S> {
    Exited(ExitStatus),
    TimedOut(Duration),
    Stalled(Duration),
    /// It was no longer wanted.
    Stopped(S),
}

/// Who hears what a command says on stderr.
pub(crate) type Forward<'a> = &'a (dyn Fn(&[u8]) + Send + Sync);

/// A command that is over, and so is its process group.
#[derive(Debug)]
pub(crate) struct Ran<S> {
    pub(crate) end: End<S>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    pub(crate) duration: Duration,
}

/// Runs `command` in a process group of its own until it ends, or must end: by its bounds, or because of `stop`. What it
/// leaves running in its group when it ends is ended as well.
pub(crate) async fn run<S>(
    mut command: Command,
    input: &[u8],
    bounds: Bounds,
    said: &watch::Sender<Said>,
    forward: Option<Forward<'_>>,
    stop: impl Future<Output = S>,
) -> io::Result<Ran<S>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let started = Instant::now();
    said.send_modify(|said| said.at = started);
    let mut child = command.spawn()?;
    let group = Group::of(child.id());
    let captured =
        [Mutex::new(Capture::new(bounds.capture_bytes)), Mutex::new(Capture::new(bounds.capture_bytes))];
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // Who does not read it does not want it.
                let _ = stdin.write_all(input).await;
            }
        };
        let out = async {
            if let Some(stdout) = stdout {
                stream::read(stdout, &captured[0], said, None).await;
            }
        };
        let err = async {
            if let Some(stderr) = stderr {
                stream::read(stderr, &captured[1], said, forward).await;
            }
        };
        tokio::join!(feed, out, err);
    };
    let end = {
        let mut talk = std::pin::pin!(talk);
        let mut is_silent = false;
        let end = {
            let mut over = std::pin::pin!(until_over(&mut child, bounds, started, said, stop));
            loop {
                tokio::select! {
                    end = &mut over => break end,
                    () = &mut talk, if !is_silent => is_silent = true,
                }
            }
        };
        let mut gone = std::pin::pin!(async {
            let last_words = async {
                if !is_silent {
                    talk.await;
                }
            };
            // Together: who writes his last words into a full pipe does not end before they are read.
            let _ = tokio::join!(child.wait(), last_words);
            while group.exists() {
                sleep(LOOK).await;
            }
        });
        if !matches!(end, Ok(End::Exited(_))) || group.exists() {
            group.signal(Signal::TERM);
        }
        if timeout(bounds.kill_after, &mut gone).await.is_err() {
            group.signal(Signal::KILL);
            // Only somebody outside the group can still hold the pipes.
            let _ = timeout(LAST_WORDS, &mut gone).await;
        }
        end?
    };
    if !group.exists() {
        group.forget();
    }
    let [stdout, stderr] =
        captured.map(|capture| capture.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(Ran { end, stdout, stderr, duration: started.elapsed() })
}

async fn until_over<S>(
    child: &mut Child,
    bounds: Bounds,
    started: Instant,
    said: &watch::Sender<Said>,
    stop: impl Future<Output = S>,
) -> io::Result<End<S>> {
    let out_of_time = async {
        match bounds.timeout {
            Some(limit) => {
                sleep_until(started + limit).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    let silent = async {
        let Some(limit) = bounds.stall_after else { return std::future::pending().await };
        loop {
            let due = said.borrow().at + limit;
            if Instant::now() >= due {
                return limit;
            }
            sleep_until(due).await;
        }
    };
    tokio::select! {
        biased;
        status = child.wait() => Ok(End::Exited(status?)),
        stop = stop => Ok(End::Stopped(stop)),
        limit = out_of_time => Ok(End::TimedOut(limit)),
        limit = silent => Ok(End::Stalled(limit)),
    }
}
