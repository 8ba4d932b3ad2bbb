use std::io;

use agent_turbo_knowledge::{Filter, Store};
use serde::Serialize;

use crate::{Error, Result, line};

/// Entries of one round trip.
const PAGE: usize = 500;

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Lines that were written.
    pub entries: u64,
}

/// Writes the entries that pass the filter, newest first, each as a line that [`ingest`](crate::ingest) reads back.
/// Vectors are not among it. `write` is given a line without its end, and is told how many there were before.
#[tracing::instrument(name = "ingest.export", skip_all)]
pub async fn export(
    store: &Store,
    filter: &Filter,
    write: &mut (dyn FnMut(u64, &str) -> io::Result<()> + Send),
) -> Result<Exported> {
    let (mut entries, mut before) = (0, None);
    loop {
        let page = store.list(filter, PAGE, before).await?;
        for entry in page.entries {
            let line =
                serde_json::to_string(&line::line(entry)).map_err(|error| Error::Write(error.into()))?;
            write(entries, &line).map_err(Error::Write)?;
            entries += 1;
        }
        before = page.next;
        if before.is_none() {
            return Ok(Exported { entries });
        }
    }
}
