use std::collections::BTreeMap;

use agent_turbo_knowledge::{ContentHash, Finding, Project, Remedy, ScanCursor, Store};
use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::{Exit, fail};
use crate::output::{BOLD, DIM, Output, count, headline};
use crate::progress;

/// Find secrets in what is stored already: in texts, labels and metadata of all entries, hidden ones too, and in what they
/// were before.
///
/// Secrets are never printed. With --fix they are replaced: a text gets a new hash, and no version keeps what was replaced.
/// Backups, and the database's own files until it has reused their space, still hold them: revoke what has leaked.
///
/// Exit codes: 0 there are none, or none any more, 1 secrets remain.
#[derive(Debug, clap::Args)]
pub(crate) struct ScanSecrets {
    /// The project [default: default].
    #[arg(long, short)]
    project: Option<String>,
    /// Look in all projects.
    #[arg(long, conflicts_with = "project")]
    all_projects: bool,
    /// Replace them.
    #[arg(long)]
    fix: bool,
}

/// What was found, and where.
#[derive(Debug, Default, Serialize)]
struct Report {
    entries: u64,
    versions: u64,
    /// Entries and versions that hold secrets now.
    remaining: u64,
    findings: Vec<Finding>,
}

impl ScanSecrets {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let project =
            if self.all_projects { None } else { Some(deployment.project(self.project.as_deref())?) };
        let embedding = if self.fix { Embedding::Needed } else { Embedding::Unused };
        let store = deployment.open_store(Lifetime::OneCommand, embedding).await?;
        let bar = bar(&store, project.as_ref()).await?;
        let mut report = Report::default();
        let mut after: Option<ScanCursor> = None;
        loop {
            let page = store.scan_secrets(project.as_ref(), after, self.fix).await?;
            report.entries += page.entries;
            report.versions += page.versions;
            report.findings.extend(page.findings);
            if let Some(bar) = &bar {
                bar.set_position(report.entries);
                bar.set_message(format!(
                    "{}, {} with secrets",
                    count(report.versions, "version"),
                    report.findings.len()
                ));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        report.remaining =
            report.findings.iter().filter(|finding| finding.remedy == Remedy::None).count() as u64;
        tell(&mut out, &report);
        out.print(&report)?;
        if report.remaining == 0 {
            return Ok(Exit::Done);
        }
        let what = format!("find nothing: {} with secrets", count(report.remaining, "text"));
        Ok(fail(&what, "agent-turbo scan-secrets --fix replaces them"))
    }
}

/// Counting the entries first tells how far it is; where nobody watches, nobody counts.
async fn bar(store: &Store, project: Option<&Project>) -> Result<Option<ProgressBar>> {
    let Some(bar) = progress::bar("{bar:30.cyan} {pos}/{len} entries  {per_sec:.dim}  {wide_msg:.dim}")
    else {
        return Ok(None);
    };
    bar.set_length(u64::try_from(store.stats(project).await?.entries).unwrap_or(0));
    Ok(Some(bar))
}

fn tell(out: &mut Output, report: &Report) {
    for finding in &report.findings {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for kind in &finding.kinds {
            *kinds.entry(kind).or_default() += 1;
        }
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        let version = finding.version.map(|version| format!(" version {version}")).unwrap_or_default();
        let now = finding.now.as_ref().map(ContentHash::short).unwrap_or_default();
        let remedy = match finding.remedy {
            Remedy::None => String::new(),
            Remedy::Redacted => format!(": replaced, now {now}"),
            Remedy::Removed => format!(": removed, the same as {now}"),
        };
        out.line(format_args!(
            "{BOLD}{}{BOLD:#}{version} {DIM}{}{DIM:#} {}{remedy}",
            finding.content_hash.short(),
            headline(&finding.project, 60),
            kinds.join(", "),
        ));
    }
    let looked = format!("{} entries and {}", report.entries, count(report.versions, "version"));
    out.line(format_args!(
        "Looked through {looked}: {} with secrets, {} left",
        report.findings.len(),
        report.remaining
    ));
}
