//! What an entry was before, on the screen.

use agent_turbo_knowledge::{Version, Versions};

use crate::commands::show;
use crate::output::{BOLD, DIM, Output, PLAIN, columns, count, headline, moment};

pub(crate) fn tell(out: &mut Output, versions: &Versions) {
    let Versions { entry, current, versions, next } = versions;
    show::entry(out, entry);
    out.line("");
    let before = u64::try_from(current - 1).unwrap_or(0);
    out.line(format_args!("{DIM}version {current}, {} before it{DIM:#}", count(before, "version")));
    let rows: Vec<_> = versions.iter().map(row).collect();
    for line in columns(&rows, [BOLD, DIM, DIM, DIM, DIM, PLAIN]) {
        out.line(line);
    }
    if let Some(next) = next {
        out.line(format_args!("{DIM}More: --after {next}{DIM:#}"));
    }
}

fn row(version: &Version) -> [String; 6] {
    [
        format!("{:>4}", version.version),
        version.content_hash.short().to_owned(),
        format!("until {}", moment(version.replaced_at)),
        headline(&version.knowledge_type, 20),
        version.tags.iter().map(|tag| format!("#{}", headline(tag, 40))).collect::<Vec<_>>().join(" "),
        headline(&version.content, 120),
    ]
}
