use agent_turbo_embed as embed;
use agent_turbo_knowledge::{Error, ReembedProgress, Reembedded};
use anyhow::Result;
use indicatif::ProgressBar;

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::{Exit, fail};
use crate::output::{BOLD, Output, headline};
use crate::progress;
use crate::stop::Stop;

/// Move the whole store to another embedding model, while it is used.
///
/// All texts are embedded anew beside their old vectors. When none is missing, the new vectors take the place of the old
/// ones, all at once: until then everybody finds by the old model, from then on by the new one. Others go on reading and
/// writing meanwhile. It may be stopped or killed at any time; the same command goes on where it was.
///
/// The embedded service starts another one for the model. With --embed-url, or AGENT_TURBO_EMBED_URL, that service must
/// serve MODEL; afterwards, programs that were told of a service of the old model must be told of this one.
///
///   agent-turbo reembed --model BAAI/bge-base-en-v1.5
///   agent-turbo reembed --model ./my-model
///   agent-turbo reembed --status
///   agent-turbo reembed --abort          drops what was collected
///   agent-turbo reembed --drop-old       drops the vectors of the model before this one
#[derive(Debug, clap::Args)]
#[command(about = "Move the whole store to another embedding model", verbatim_doc_comment)]
pub(crate) struct Reembed {
    /// The model: a folder, a name in the local Hugging Face cache, or what the service of --embed-url calls it.
    #[arg(long, value_name = "MODEL", required_unless_present_any = ["status", "abort"])]
    model: Option<String>,
    /// Say how far an unfinished move is.
    #[arg(long, conflicts_with_all = ["model", "abort"])]
    status: bool,
    /// Drop what was collected for an unfinished move, or what is left of the model that the store has moved from.
    #[arg(long, visible_alias = "drop-old", conflicts_with = "model")]
    abort: bool,
}

impl Reembed {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let Some(wanted) = self.model else {
            if self.abort {
                let dropped = store.abort_reembedding().await?;
                out.line(format_args!("Dropped {dropped} vectors; the store is of its model as before"));
                out.print(&serde_json::json!({ "dropped": dropped }))?;
                return Ok(Exit::Done);
            }
            let state = store.reembedding().await?;
            match &state {
                Some(state) => out.line(format_args!(
                    "A move to {BOLD}{}{BOLD:#} is not finished: {} of {} entries are embedded",
                    headline(&state.to.to_string(), 150),
                    state.done,
                    state.entries
                )),
                None => out.line("No move is under way"),
            }
            out.print(&state)?;
            return Ok(Exit::Done);
        };
        let service = deployment.embedding_of(&wanted).await?;
        let bar = Bar::new();
        bar.stop.hear_signals("Stopping after the batches under way", None)?;
        let moved = store.reembed(&service, &bar).await;
        bar.finish();
        let moved = moved?;
        if moved.switched {
            deployment.note_model(&moved.to.name);
        }
        show(&mut out, &moved, &service);
        out.print(&moved)?;
        if moved.switched {
            return Ok(Exit::Done);
        }
        Ok(fail(
            "move the store: it was stopped",
            &format!(
                "agent-turbo reembed --model {wanted} goes on with it, agent-turbo reembed --abort drops it"
            ),
        ))
    }
}

fn show(out: &mut Output, moved: &Reembedded, service: &embed::Client) {
    let to = headline(&moved.to.to_string(), 150);
    match &moved.from {
        _ if !moved.switched => {
            out.line(format_args!("Stopped after {} entries; the store is as it was", moved.embedded));
        }
        Some(from) if *from == moved.to => {
            out.line(format_args!("The store is of {to} already; {} entries had no vector", moved.embedded));
        }
        from => {
            let seconds = moved.seconds;
            out.line(format_args!(
                "{BOLD}✅ Moved to {to}{BOLD:#}: {} vectors in {seconds:.1} s",
                moved.embedded
            ));
            out.line(format_args!("   The switch took {:.0} ms", moved.others_waited_ms));
            if from.is_some() {
                out.line("   The old vectors are still there, for a way back; agent-turbo reembed --drop-old drops them");
            }
            out.line(format_args!("   The service of the new model: {}", service.url()));
        }
    }
}

/// Refuses a service of another model before anything is begun.
pub(crate) fn check_served(wanted: &str, served: &embed::Model, url: &str) -> Result<(), Error> {
    let folder = std::path::Path::new(wanted).file_name().and_then(|name| name.to_str());
    if served.name == wanted || folder == Some(served.name.as_str()) {
        return Ok(());
    }
    Err(Error::BadInput {
        what: "the model",
        why: format!(
            "{url} serves {served}, not {wanted}; name with --embed-url a service of it, or none, and it is started"
        ),
    })
}

/// Shows how far the move is, and hears of Ctrl-C.
struct Bar {
    bar: Option<ProgressBar>,
    stop: Stop,
}

impl Bar {
    fn new() -> Self {
        let bar =
            progress::bar("{bar:30.cyan} {pos}/{len} entries  {per_sec:.dim}  {eta} left  {wide_msg:.dim}");
        Self { bar, stop: Stop::new() }
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

impl ReembedProgress for Bar {
    fn step(&self, step: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(headline(step, 80));
        }
    }

    fn entries(&self, done: u64, of: u64) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(of);
        bar.set_position(done);
    }

    fn should_stop(&self) -> bool {
        self.stop.is_wanted()
    }
}
