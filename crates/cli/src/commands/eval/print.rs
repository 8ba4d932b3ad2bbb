use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::metrics::{Estimate, Percentiles};
use super::report::{ModeReport, QueryReport, Report};
use crate::output::{BOLD, DIM, Output, count, headline};

const FIGURES: [&str; 5] = ["nDCG@10", "recall@5", "recall@10", "recall@100", "MRR@10"];
const TIMES: [&str; 3] = ["p50 ms", "p95 ms", "p99 ms"];

/// The whole result for people.
pub(super) fn report(out: &mut Output, report: &Report) {
    let documents = count(report.documents as u64, "document");
    let scopes = if report.scopes > 1 { format!(" in {} scopes", report.scopes) } else { String::new() };
    out.line(format_args!(
        "{BOLD}{}{BOLD:#} to {documents}{scopes}, by {}",
        // "querys" is no word.
        if report.queries == 1 { "1 query".to_owned() } else { format!("{} queries", report.queries) },
        headline(report.model.as_deref().unwrap_or("no model"), 60),
    ));
    out.line(modes(&report.modes));
    out.line(format_args!(
        "{DIM}Means over the {} queries with a relevant document, ± standard error. Times are of the whole question, its \
         embedding included.{DIM:#}",
        report.queries_judged
    ));
    for note in notes(report) {
        out.line(format_args!("   {DIM}{note}{DIM:#}"));
    }
    for mode in &report.modes {
        if let Some(queries) = &mode.per_query {
            out.line(format_args!("\n{BOLD}{}{BOLD:#}", mode.mode));
            out.line(per_query(queries));
        }
    }
    for file in report.modes.iter().filter_map(|mode| mode.run_file.as_deref()) {
        out.line(format_args!("   Run file: {}", headline(file, 200)));
    }
    if let Some(project) = &report.project {
        out.line(format_args!(
            "   Kept: --project {project}; agent-turbo eval --remove {project} removes it"
        ));
    }
}

/// What is worth a word because it is not as one would expect.
fn notes(report: &Report) -> Vec<String> {
    let with_text = report.documents - report.documents_without_text;
    let notes = [
        ("queries without judgments, which count for the times alone", report.queries_without_judgments),
        (
            "queries without a relevant document, which count for the times alone",
            report.queries_without_relevant,
        ),
        ("relevant documents of another scope than their query: not found", report.relevant_out_of_scope),
        ("documents with the text of another one", with_text - report.entries),
        ("documents without text: never found", report.documents_without_text),
        ("documents with secrets, which were replaced", report.documents_redacted),
        (
            "documents longer than the model reads: by meaning, only their beginnings are found",
            report.documents_truncated,
        ),
    ];
    let notes = notes.into_iter().filter(|(_, number)| *number > 0);
    let mut notes: Vec<String> = notes.map(|(what, number)| format!("{number} × {what}")).collect();
    if report.limit < 100 {
        notes.push(format!("recall@100 is that of {}, for no more were asked for", report.limit));
    }
    notes
}

fn modes(modes: &[ModeReport]) -> Table {
    let mut table = table(&[&["Mode"][..], &FIGURES, &TIMES].concat());
    for mode in modes {
        let figures =
            [mode.ndcg_at_10, mode.recall_at_5, mode.recall_at_10, mode.recall_at_100, mode.mrr_at_10];
        let mut row = vec![mode.mode.to_string()];
        row.extend(figures.map(estimate));
        row.extend(times(mode.latency_ms));
        table.add_row(row);
    }
    table
}

fn per_query(queries: &[QueryReport]) -> Table {
    let mut table = table(&[&["Query"][..], &FIGURES, &["results", "ms"]].concat());
    for query in queries {
        let figures = query.figures.map_or([const { None }; 5], |figures| {
            [
                figures.ndcg_at_10,
                figures.recall_at_5,
                figures.recall_at_10,
                figures.recall_at_100,
                figures.mrr_at_10,
            ]
            .map(Some)
        });
        let mut row = vec![headline(&query.query, 40)];
        row.extend(
            figures.map(|figure| figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.4}"))),
        );
        row.extend([query.results.to_string(), ms(query.latency_ms)]);
        table.add_row(row);
    }
    table
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head);
    for column in 1..head.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn estimate(estimate: Option<Estimate>) -> String {
    match estimate {
        None => "–".to_owned(),
        Some(Estimate { mean, standard_error: None }) => format!("{mean:.4}"),
        Some(Estimate { mean, standard_error: Some(error) }) => format!("{mean:.4} ±{error:.4}"),
    }
}

fn times(times: Option<Percentiles>) -> [String; 3] {
    times
        .map_or_else(|| [const { String::new() }; 3], |Percentiles { p50, p95, p99 }| [p50, p95, p99].map(ms))
}

/// With three digits that count: more would not be true.
fn ms(value: f64) -> String {
    let decimals = match value {
        ..1.0 => 3,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}
