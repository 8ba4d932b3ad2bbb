use agent_turbo_migrator::Proposal;
use anyhow::Result;
use serde_json::json;

use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, count, harmless, headline, tell};

/// Shows what the tables seem to be, and the commands that import them so.
pub(super) fn show(mut out: Output, file: &str, proposals: &[Proposal]) -> Result<Exit> {
    let commands: Vec<String> = proposals
        .iter()
        .map(|Proposal { table, mapping, .. }| {
            format!(
                "agent-turbo import sqlite {} --table {} --map {}",
                quoted(file),
                quoted(table),
                quoted(&mapping.to_string())
            )
        })
        .collect();
    tell(
        "No table of the file is recognised. Look at the proposals, change what is wrong, and run one of the commands.",
    );
    for (proposal, command) in proposals.iter().zip(&commands) {
        out.line(format_args!(
            "{BOLD}{}{BOLD:#}  {DIM}{}, texts of {:.0} characters{DIM:#}",
            headline(&proposal.table, 80),
            count(proposal.rows, "row"),
            proposal.text_length,
        ));
        for (role, column) in &proposal.mapping.columns {
            out.line(format_args!("   {role:?} is {}", headline(column, 80)));
        }
        out.line(format_args!("   {}", harmless(command)));
    }
    let documents: Vec<_> = proposals
        .iter()
        .zip(&commands)
        .map(|(proposal, command)| {
            json!({
                "table": proposal.table, "rows": proposal.rows, "mapping": proposal.mapping,
                "command": command,
            })
        })
        .collect();
    out.print(&json!({ "file": file, "proposals": documents }))?;
    Ok(Exit::BadInput)
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-=+,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_quoted_words_as_they_were() {
        for word in ["plain.db", "a b", "it's", "$HOME `x` \"y\"", "", "*"] {
            let script = format!("printf %s {}", quoted(word));
            let ran = std::process::Command::new("sh").args(["-c", &script]).output();
            assert_eq!(ran.map(|ran| ran.stdout).unwrap_or_default(), word.as_bytes(), "{word}");
        }
    }
}
