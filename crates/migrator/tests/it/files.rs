//! The file and what stands beside it: nothing of that may change.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use agent_turbo_migrator::{Error, Progress, Reading, import};
use rusqlite::Connection;

use crate::support::{ENTRIES, Fixture, fill};

const WAL: &str = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;";

/// What is in a folder, byte for byte, less what readers are to write: the index of a WAL.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let files =
        files.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    files.filter(|(name, _)| !name.ends_with("-shm") && name != "rejects.jsonl").collect()
}

fn add(source: &Connection, text: &str) {
    source.execute("INSERT INTO entries (text) VALUES (?1)", [text]).unwrap();
}

/// Changes the source whenever a batch is done.
struct WritingOn<'a>(&'a std::sync::Mutex<Connection>);
impl Progress for WritingOn<'_> {
    fn rows(&self, done: u64, _of: u64, _counts: &agent_turbo_migrator::Counts) {
        let source = self.0.lock().unwrap();
        source.execute("INSERT INTO entries (text) VALUES ('later ' || ?1)", [done as i64]).unwrap();
        source.execute("UPDATE entries SET text = text || '!' WHERE id = 300", []).unwrap();
    }
}

/// Opens the source and adds a row whenever a batch is done.
struct Writing(std::path::PathBuf);
impl Progress for Writing {
    fn rows(&self, _done: u64, _of: u64, _counts: &agent_turbo_migrator::Counts) {
        let source = Connection::open(&self.0).unwrap();
        add(&source, "written meanwhile");
    }
}

#[tokio::test]
async fn a_file_in_wal_mode_is_read_beside_its_open_writer_as_of_one_moment() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("live.db", &format!("{WAL}{ENTRIES}"));
    fill(&mut source, 300);
    // Nothing of it is in the file itself yet.
    assert!(fs::metadata(fixture.path("live.db-wal")).unwrap().len() > 10_000);
    let before = contents(fixture.dir.path());
    let source = std::sync::Mutex::new(source);
    let report = import(&fixture.store, &fixture.options("live.db"), &WritingOn(&source)).await.unwrap();
    assert!(report.is_verified(), "{report:?}");
    assert_eq!((report.reading, report.counts.imported), (Reading::Shared, 300));
    assert_eq!(contents(fixture.dir.path())["live.db"], before["live.db"]);
    // What was written meanwhile is the next run's.
    let report = fixture.import("live.db").await.unwrap();
    assert_eq!(report.counts.resumed, 299);
    assert!(report.counts.imported > 1);
    let verification = report.verification.unwrap();
    assert_eq!(verification.flaws, 1, "the row that was changed has an older entry: {verification:?}");
}

#[tokio::test]
async fn a_closed_file_in_wal_mode_is_read_without_making_anything_beside_it() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("closed 100% #1?.db", &format!("{WAL}{ENTRIES}"));
    fill(&mut source, 3);
    source.close().unwrap();
    let before = contents(fixture.dir.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), ["closed 100% #1?.db"]);
    let report = fixture.imported("closed 100% #1?.db").await;
    assert_eq!((report.reading, report.counts.imported), (Reading::Immutable, 3));
    assert_eq!(contents(fixture.dir.path()), before);
    assert!(!fixture.path("closed 100% #1?.db-shm").exists());
}

#[tokio::test]
async fn what_a_crashed_writer_left_is_recovered_in_a_copy() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("live.db", &format!("{WAL}{ENTRIES}"));
    fill(&mut source, 3);
    // As after a crash and a copy: the file, its WAL, and no index.
    fs::create_dir(fixture.path("crashed")).unwrap();
    for end in ["", "-wal"] {
        fs::copy(fixture.path(&format!("live.db{end}")), fixture.path(&format!("crashed/live.db{end}")))
            .unwrap();
    }
    let before = contents(&fixture.path("crashed"));
    let report = fixture.imported("crashed/live.db").await;
    assert_eq!((report.reading, report.counts.imported), (Reading::Copy, 3));
    assert_eq!(contents(&fixture.path("crashed")), before);
    assert!(!fixture.path("crashed/live.db-shm").exists());
}

#[tokio::test]
async fn a_journal_that_has_to_be_rolled_back_is_rolled_back_in_a_copy() {
    let fixture = Fixture::new().await;
    let source = fixture.source("live.db", &format!("PRAGMA cache_size = 1; {ENTRIES}"));
    add(&source, "committed");
    source.execute_batch("BEGIN").unwrap();
    for number in 0..200 {
        source
            .execute(
                "INSERT INTO entries (text) VALUES (?1)",
                [format!("{number} never committed").repeat(50)],
            )
            .unwrap();
    }
    // As after a power failure in the middle of a transaction.
    fs::create_dir(fixture.path("crashed")).unwrap();
    for end in ["", "-journal"] {
        fs::copy(fixture.path(&format!("live.db{end}")), fixture.path(&format!("crashed/live.db{end}")))
            .unwrap();
    }
    let before = contents(&fixture.path("crashed"));
    let report = fixture.imported("crashed/live.db").await;
    assert_eq!((report.reading, report.counts.read), (Reading::Copy, 1));
    assert_eq!(contents(&fixture.path("crashed")), before);
}

#[tokio::test]
async fn somebody_who_begins_to_write_to_an_unlocked_file_is_noticed() {
    let fixture = Fixture::new().await;
    let mut source = fixture.source("closed.db", &format!("{WAL}{ENTRIES}"));
    fill(&mut source, 300);
    source.close().unwrap();
    let writing = Writing(fixture.path("closed.db"));
    let error = import(&fixture.store, &fixture.options("closed.db"), &writing).await.unwrap_err();
    assert!(matches!(error, Error::SourceChanged(_)), "{error:?}");
    assert!(error.hint().is_some());
    let report = fixture.imported("closed.db").await;
    assert_eq!(report.counts.resumed, 300);
    assert_eq!(report.counts.imported, 1);
}
