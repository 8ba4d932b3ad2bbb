use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_turbo_knowledge::Candidate;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::row::{Converter, Rejection};
use crate::shape::Selected;
use crate::source::Source;
use crate::{Error, Result};

/// A row of the source: the place of its table among those that are imported, and its key.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) table: usize,
    pub(crate) row: Value,
}

/// A row after reading: an entry, or what is wrong with it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) origin: Origin,
    pub(crate) entry: Result<Candidate, Rejection>,
}

/// The rows of all tables, some at a time, and the source when they are read.
pub(crate) struct Windows {
    pub(crate) items: mpsc::Receiver<Vec<Item>>,
    pub(crate) reader: JoinHandle<(Source, Result<()>)>,
    /// Set to read no further.
    pub(crate) stop: Arc<AtomicBool>,
}

const WINDOW_ROWS: usize = 128;
const WINDOW_BYTES: usize = 1 << 20;

/// Reads and converts on a thread of its own, a little ahead of who takes the windows.
pub(crate) fn read(source: Source, tables: Arc<[Selected]>, converter: Converter) -> Windows {
    let (sender, items) = mpsc::channel(2);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let reader = tokio::task::spawn_blocking(move || {
        let outcome = read_all(&source, &tables, &converter, &sender, &stopped);
        (source, outcome)
    });
    Windows { items, reader, stop }
}

fn read_all(
    source: &Source,
    tables: &[Selected],
    converter: &Converter,
    sender: &mpsc::Sender<Vec<Item>>,
    stopped: &AtomicBool,
) -> Result<()> {
    let mut window = Vec::with_capacity(WINDOW_ROWS);
    let mut bytes = 0;
    for (table, selected) in tables.iter().enumerate() {
        source.rows(selected, |row| {
            bytes += row.values.iter().map(crate::value::SqlValue::size).sum::<usize>();
            let origin = Origin { table, row: row.key.to_json() };
            window.push(Item { origin, entry: converter.convert(selected, &row) });
            if window.len() < WINDOW_ROWS && bytes < WINDOW_BYTES {
                return ControlFlow::Continue(());
            }
            bytes = 0;
            // Who no longer takes them has stopped, and says why himself.
            let sent = sender.blocking_send(std::mem::take(&mut window));
            if sent.is_err() || stopped.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if sender.is_closed() || stopped.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
    if !window.is_empty() {
        let _ = sender.blocking_send(window);
    }
    Ok(())
}

impl Windows {
    /// The source again, when everything that was to be read is read.
    pub(crate) async fn finish(self) -> Result<Source> {
        let Self { items, reader, .. } = self;
        drop(items);
        let (source, outcome) = reader.await.map_err(Error::Panicked)?;
        outcome?;
        source.check_unchanged()?;
        Ok(source)
    }
}
