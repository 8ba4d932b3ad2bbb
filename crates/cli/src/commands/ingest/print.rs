use agent_turbo_ingest::Report;
use anyhow::Result;

use crate::output::{BAD, BOLD, DIM, Output, PLAIN, columns, count, headline};

/// Files and lines that are named on the screen.
const NAMED: usize = 10;

/// What an ingest came to, for people or for programs.
pub(super) fn report(mut out: Output, report: &Report) -> Result<()> {
    let Report { documents, chunks, dry_run, stopped, .. } = report;
    let read = documents.added + documents.changed;
    let head = match (dry_run, stopped) {
        (true, _) => "Nothing was written. An ingest would do this:".to_owned(),
        (_, true) => format!("Stopped after {}", count(read + documents.unchanged, "document")),
        _ => format!(
            "✅ Ingested {} into {} in {:.1} s ({:.0} chunks a second)",
            count(read, "document"),
            headline(&report.project, 60),
            report.seconds,
            chunks.embedded as f64 / report.seconds.max(0.001),
        ),
    };
    out.line(format_args!("{BOLD}{head}{BOLD:#}"));
    let reasons: Vec<String> =
        report.skipped_for.iter().map(|(reason, files)| format!("{files} {reason}")).collect();
    let classes = [
        (documents.added, "documents added".to_owned()),
        (documents.changed, "documents changed".to_owned()),
        (documents.unchanged, "documents unchanged".to_owned()),
        (documents.removed, "documents removed".to_owned()),
        (documents.skipped, format!("files skipped: {}", reasons.join(", "))),
        (chunks.embedded, "chunks embedded".to_owned()),
        (chunks.known, "chunks known".to_owned()),
        (chunks.removed, "chunks removed".to_owned()),
        (chunks.rejected, "chunks or lines rejected".to_owned()),
    ];
    let rows: Vec<[String; 2]> = classes
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, class)| [number.to_string(), class])
        .collect();
    for line in columns(&rows, [BOLD, PLAIN]) {
        out.line(format_args!("   {line}"));
    }
    for (kind, count) in &report.redacted {
        out.line(format_args!("   Secrets replaced before storing: {count} × {kind}"));
    }
    if report.truncated > 0 {
        out.line(format_args!(
            "   {} are longer than the model reads: by meaning, only their beginnings are found",
            count(report.truncated, "text")
        ));
    }
    problems(&mut out, report);
    out.print(report)
}

fn problems(out: &mut Output, report: &Report) {
    let failed = report.skipped.iter().filter(|file| file.skip.is_error());
    for file in failed.take(NAMED) {
        let path = headline(&file.path.display().to_string(), 200);
        out.line(format_args!("   {BAD}✘{BAD:#} {path}: {}", headline(&file.skip.to_string(), 200)));
    }
    for rejected in report.rejected.iter().take(NAMED) {
        let path = headline(&rejected.path.display().to_string(), 200);
        let (line, why) = (rejected.line, headline(&rejected.why, 200));
        out.line(format_args!("   {BAD}✘{BAD:#} {path}:{line}: {why}"));
    }
    let named = |number: u64| number.saturating_sub(NAMED as u64);
    let more = named(report.failed) + named(report.chunks.rejected);
    if more > 0 {
        out.line(format_args!("     {DIM}and {more} more{DIM:#}"));
    }
}
