use agent_turbo_migrator::{Counts, Reading, Verification};

use crate::output::{BAD, BOLD, DIM, GOOD, Output, PLAIN, columns, headline};

/// A line for each class of rows that there are.
pub(super) fn counts(out: &mut Output, counts: &Counts) {
    let classes = [
        ("imported", counts.imported),
        ("imported by an earlier run", counts.resumed),
        ("duplicates within the source", counts.duplicate_in_source),
        ("duplicates of what was there", counts.duplicate_in_target),
        ("rejected", counts.rejected),
    ];
    let rows: Vec<[String; 2]> = std::iter::once(("read", counts.read))
        .chain(classes.into_iter().filter(|(_, rows)| *rows > 0))
        .map(|(class, rows)| [rows.to_string(), class.to_owned()])
        .collect();
    for line in columns(&rows, [BOLD, PLAIN]) {
        out.line(format_args!("   {line}"));
    }
}

/// A line for each class of rows, and one for everything that is wrong.
pub(super) fn verification(out: &mut Output, found: &Verification) {
    let classes = found.classes.iter().filter(|class| class.source_rows > 0 || class.class == "imported");
    for class in classes {
        let (mark, style) = if class.matches { ("✓", GOOD) } else { ("✘", BAD) };
        let name = class.class.replace('_', " ");
        let what = match class.class {
            "rejected" => format!("{} rows, in the source only", class.source_rows),
            "missing" => format!("{} rows, and no entry", class.source_rows),
            _ => format!(
                "{} rows, {} texts, hashes {}",
                class.source_rows,
                class.target_rows,
                if class.source_digest == class.target_digest {
                    format!("the same ({})", &class.source_digest[..8])
                } else {
                    format!("differ ({} and {})", &class.source_digest[..8], &class.target_digest[..8])
                },
            ),
        };
        out.line(format_args!("   {style}{mark}{style:#} {name}: {what}"));
    }
    for problem in &found.problems {
        let place = match (problem.table.as_str(), &problem.row) {
            ("", _) => String::new(),
            (table, row) => format!("{} {}: ", headline(table, 60), headline(&row.to_string(), 80)),
        };
        out.line(format_args!("   {BAD}✘{BAD:#} {place}{}", headline(&problem.what, 200)));
    }
    let more = found.flaws.saturating_sub(found.problems.len() as u64);
    if more > 0 {
        out.line(format_args!("     and {more} more"));
    }
}

/// How the file was read, where that is worth a word.
pub(super) fn reading(out: &mut Output, reading: Reading) {
    let what = match reading {
        Reading::Shared => return,
        Reading::Immutable => {
            "nobody has the file open, so it was read without locks, and nothing was made beside it"
        }
        Reading::Copy => "a temporary copy was read: what a crash left beside the file had to be recovered",
    };
    out.line(format_args!("   {DIM}{what}{DIM:#}"));
}
