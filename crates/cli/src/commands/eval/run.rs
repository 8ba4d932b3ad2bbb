use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use agent_turbo_knowledge::Mode;
use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

use super::ask::Answered;
use super::collection::Collection;
use crate::input::bad;

const WHAT: &str = "the run file";

/// A TREC run file that is there when it is whole.
#[derive(Debug)]
pub(super) struct RunFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl RunFile {
    /// Makes room for it, so that what is in the way is told before anything else is done. With several modes, each has a
    /// file of its own, named after it.
    pub(super) fn create(
        path: &Path,
        mode: Mode,
        is_one_of_several: bool,
        collection: &Collection,
    ) -> Result<Self> {
        let spaced = collection.documents.iter().chain(&collection.queries);
        if let Some(record) = spaced.into_iter().find(|record| record.id.contains(char::is_whitespace)) {
            let why = format!("the id {:?} holds a space, and spaces separate its columns", record.id);
            return Err(bad(WHAT, why));
        }
        let mut path = path.to_owned();
        if is_one_of_several {
            path.as_mut_os_string().push(format!(".{mode}"));
        }
        let unwritable =
            |error: io::Error| bad(WHAT, format!("{} cannot be written: {error}", path.display()));
        if path.is_dir() {
            return Err(unwritable(io::ErrorKind::IsADirectory.into()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".agent-turbo-run-")
            // Less what the umask takes away, like any other file.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(unwritable)?;
        Ok(Self { path, file })
    }

    /// Writes the answers to all queries, and gives the file its name.
    pub(super) fn write(self, mode: Mode, collection: &Collection, answers: &[Answered]) -> Result<PathBuf> {
        let Self { path, file } = self;
        let written = || -> io::Result<()> {
            let mut lines = BufWriter::new(file.as_file());
            write_run(&mut lines, mode, collection, answers)?;
            lines.flush()?;
            drop(lines);
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        written().with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

/// `query Q0 document rank score tag`. trec_eval looks at scores alone and orders equal ones by its own rule, so a score
/// that is not below the one before is written as the next smaller number: then both see the same order.
fn write_run(
    lines: &mut impl Write,
    mode: Mode,
    collection: &Collection,
    answers: &[Answered],
) -> io::Result<()> {
    for (query, answer) in collection.queries.iter().zip(answers) {
        let mut before = f32::INFINITY;
        for (rank, ranked) in (1_u32..).zip(&answer.ranking) {
            let score = if ranked.score < before { ranked.score } else { before.next_down() };
            before = score;
            let document = &collection.documents[ranked.document].id;
            writeln!(lines, "{} Q0 {document} {rank} {score} agent-turbo-{mode}", query.id)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::ask::Ranked;
    use super::super::records::Record;
    use super::*;

    fn collection(ids: &[&str], queries: &[&str]) -> Collection {
        let records = |ids: &[&str]| {
            let record = |id: &&str| Record { id: (*id).to_owned(), text: "x".into(), scope: None, line: 1 };
            ids.iter().map(record).collect::<Vec<_>>()
        };
        Collection { documents: records(ids), queries: records(queries), judged: vec![], scopes: vec![None] }
    }

    fn answer(ranking: &[(usize, f32)]) -> Answered {
        let ranking = ranking.iter().map(|&(document, score)| Ranked { document, score }).collect();
        Answered { ranking, latency_ms: 1.0 }
    }

    #[test]
    fn a_run_has_six_columns_and_scores_that_fall_with_every_rank() {
        let collection = collection(&["a", "b", "c"], &["q", "r", "s"]);
        let answers = [answer(&[(2, 0.5), (0, 0.5), (1, 0.5)]), answer(&[]), answer(&[(1, 0.0), (0, 0.0)])];
        let mut run = Vec::new();
        write_run(&mut run, Mode::Hybrid, &collection, &answers).unwrap();
        let run = String::from_utf8(run).unwrap();
        let rows: Vec<Vec<&str>> = run.lines().map(|line| line.split(' ').collect()).collect();
        assert!(rows.iter().all(|row| row.len() == 6 && row[5] == "agent-turbo-hybrid"), "{run}");
        assert_eq!(rows[0], ["q", "Q0", "c", "1", "0.5", "agent-turbo-hybrid"]);
        let named: Vec<_> = rows.iter().map(|row| (row[0], row[2], row[3])).collect();
        assert_eq!(
            named,
            [("q", "c", "1"), ("q", "a", "2"), ("q", "b", "3"), ("s", "b", "1"), ("s", "a", "2")]
        );
        let scores: Vec<f32> = rows.iter().map(|row| row[4].parse().unwrap()).collect();
        assert!(scores[..3].is_sorted_by(|a, b| a > b) && scores[3] > scores[4], "{scores:?}");
        assert!((scores[2] - 0.5).abs() < 1e-6 && !rows[4][4].contains('e'), "{run}");
    }

    #[test]
    fn what_cannot_be_written_is_told_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        let create = |path: &Path, collection: &Collection| {
            RunFile::create(path, Mode::Text, false, collection).map_err(|error| error.to_string())
        };
        let fine = collection(&["a"], &["q"]);
        assert!(create(&dir.path().join("missing/run"), &fine).unwrap_err().contains("cannot be written"));
        assert!(create(dir.path(), &fine).unwrap_err().contains("cannot be written"));
        for spaced in [collection(&["a b"], &["q"]), collection(&["a"], &["q\u{a0}r"])] {
            assert!(create(&dir.path().join("run"), &spaced).unwrap_err().contains("holds a space"));
        }
        assert!(!dir.path().join("run").exists());
    }

    #[test]
    fn of_several_modes_each_has_a_file_and_none_is_there_before_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (path, collection) = (dir.path().join("out.run"), collection(&["a"], &["q"]));
        let file = RunFile::create(&path, Mode::Vector, true, &collection).unwrap();
        let named = dir.path().join("out.run.vector");
        assert!(!named.exists() && !path.exists());
        assert_eq!(file.write(Mode::Vector, &collection, &[answer(&[(0, 0.25)])]).unwrap(), named);
        assert_eq!(std::fs::read_to_string(named).unwrap(), "q Q0 a 1 0.25 agent-turbo-vector\n");
        drop(RunFile::create(&path, Mode::Text, false, &collection).unwrap());
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left of one that was given up"
        );
    }
}
