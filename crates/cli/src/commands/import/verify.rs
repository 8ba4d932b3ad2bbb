use agent_turbo_migrator as migrator;
use anyhow::Result;

use super::bar::Bar;
use super::options::SourceArgs;
use super::{print, proposals};
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::{Exit, fail};
use crate::output::{Output, count, headline};

/// Check that an imported file and the database still hold the same.
///
/// Reads both sides again: each row's text must be in the database, whole and with a vector, and each entry that came
/// from the file must have its row there. Give the same --project, --table, --map and --source-name as to the import.
/// Fails with exit code 1 when anything differs, and names it.
///
///   agent-turbo import verify old.db
#[derive(Debug, clap::Args)]
#[command(about = "Check that an imported file and the database still hold the same", verbatim_doc_comment)]
pub(super) struct Verify {
    #[command(flatten)]
    source: SourceArgs,
}

impl Verify {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let options = self.source.options(deployment)?;
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let bar = Bar::new();
        let verified = migrator::verify(&store, &options, &bar).await;
        bar.finish();
        let found = match verified {
            Err(migrator::Error::Unrecognised { proposals, .. }) => {
                return proposals::show(out, &options.file.display().to_string(), &proposals);
            }
            found => found?,
        };
        let source = headline(&found.source, 200);
        if found.is_intact() {
            out.line(format_args!("✅ Both sides match: {} from {source}", count(found.rows(), "row")));
        } else {
            out.line(format_args!("The sides do not match: {source} and the project {}", found.project));
        }
        print::verification(&mut out, &found);
        print::reading(&mut out, found.reading);
        out.print(&found)?;
        if found.is_intact() {
            return Ok(Exit::Done);
        }
        Ok(fail(
            &format!("verify {source}: {} rows or entries are not as they should be", found.flaws),
            "agent-turbo import sqlite imports what is missing; what is changed is named above",
        ))
    }
}
