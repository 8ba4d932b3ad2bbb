use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_turbo_documents::{self as documents, Chunk, Found, JsonLines, Kind, Place, Places, Skip};
use agent_turbo_knowledge::{Candidate, History, Location, NewDocument, NewEntry, Store, StoredDocument};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{Error, Options, Rejected, Result, line};

/// What comes of a file, in the order of the file.
#[derive(Debug)]
pub(crate) enum Item {
    /// A document that is not yet known.
    Begun(String),
    /// A piece; without a place it is an entry of its own.
    Chunk {
        path: Arc<Path>,
        line: u32,
        heading: Option<String>,
        last_line: u32,
        is_placed: bool,
        candidate: Box<Candidate>,
    },
    /// A piece that cannot be taken.
    Rejected(Rejected),
    /// All pieces of a document are there.
    Ended { document: NewDocument, fate: Fate },
    /// A document that is as it was.
    Unchanged,
    /// A file that is not taken.
    Skipped(PathBuf, Skip),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Added,
    Changed,
    Unchanged,
}

/// Some items, and how many bytes of the files they stand for.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) items: Vec<Item>,
    pub(crate) bytes: u64,
}

/// Reads on a thread of its own, a little ahead of who takes the windows.
pub(crate) struct Reading {
    pub(crate) windows: mpsc::Receiver<Window>,
    /// The sources of the documents that are still there.
    pub(crate) reader: JoinHandle<Result<HashSet<String>>>,
    /// Set to read no further.
    pub(crate) stop: Arc<AtomicBool>,
}

const WINDOW_ITEMS: usize = 128;
const WINDOW_BYTES: usize = 1 << 20;

pub(crate) fn read(
    store: Store,
    options: Options,
    files: Vec<Found>,
    known: HashMap<String, StoredDocument>,
) -> Reading {
    let (sender, windows) = mpsc::channel(2);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let reader = tokio::task::spawn_blocking(move || {
        let mut reader = Reader {
            store,
            chunker: options.chunker(),
            options,
            known,
            places: Places::new(),
            kept: HashSet::new(),
            window: Window::default(),
            text_bytes: 0,
            sender,
            stopped,
        };
        match reader.read_all(files) {
            Ok(()) | Err(None) => Ok(reader.kept),
            Err(Some(error)) => Err(error),
        }
    });
    Reading { windows, reader, stop }
}

struct Reader {
    store: Store,
    options: Options,
    chunker: String,
    known: HashMap<String, StoredDocument>,
    places: Places,
    kept: HashSet<String>,
    window: Window,
    /// Bytes of the texts in the window.
    text_bytes: usize,
    sender: mpsc::Sender<Window>,
    stopped: Arc<AtomicBool>,
}

/// `None` when nobody takes the items any more.
type Step = Result<(), Option<Error>>;

impl Reader {
    fn read_all(&mut self, files: Vec<Found>) -> Step {
        for Found { path, bytes, kind } in files {
            let outcome = match kind {
                Err(skip) => Ok(Err(skip)),
                Ok(Kind::JsonLines) => self.lines(&path),
                Ok(kind) => {
                    let read = self.document(&path, kind);
                    self.window.bytes += bytes;
                    read
                }
            };
            if let Err(skip) = outcome? {
                self.skip(path, skip)?;
            }
        }
        self.send()
    }

    fn skip(&mut self, path: PathBuf, skip: Skip) -> Step {
        // A file that went meanwhile is as one that was never found.
        if skip.may_be_unchanged() {
            if std::fs::symlink_metadata(&path)
                .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
            {
                return Ok(());
            }
            self.kept.extend(path.to_str().map(str::to_owned));
        }
        self.push(Item::Skipped(path, skip))
    }

    fn document(&mut self, path: &Path, kind: Kind) -> Result<Result<(), Skip>, Option<Error>> {
        let document = match documents::read(path, kind, self.options.max_bytes) {
            Ok(document) => document,
            Err(skip) => return Ok(Err(skip)),
        };
        let source = path.to_string_lossy().into_owned();
        self.kept.insert(source.clone());
        let fate = self.fate(&source, &document.hash);
        if fate == Fate::Unchanged {
            self.push(Item::Unchanged)?;
            return Ok(Ok(()));
        }
        self.begin(&source)?;
        let place = self.places.of(path);
        let chunks = document.chunks(self.options.chunk_chars);
        let title = document.title(&chunks).map(str::to_owned);
        let shared: Arc<Path> = path.into();
        for chunk in chunks {
            self.chunk(&shared, &source, &place, chunk)?;
        }
        let document = NewDocument {
            source,
            path: place.path,
            title: title.or_else(|| file_name(path)),
            content_hash: Some(document.hash),
            chunker: self.chunker.clone(),
            bytes: document.bytes,
            modified: document.modified,
            commit: place.commit,
            entries: None,
        };
        self.push(Item::Ended { document, fate })?;
        Ok(Ok(()))
    }

    fn begin(&mut self, source: &str) -> Step {
        if self.known.contains_key(source) { Ok(()) } else { self.push(Item::Begun(source.to_owned())) }
    }

    fn chunk(&mut self, path: &Arc<Path>, source: &str, place: &Place, chunk: Chunk) -> Step {
        let mut entry = NewEntry::new(chunk.content());
        entry.project = self.options.project.clone();
        let Chunk { heading, first_line, last_line, .. } = chunk;
        let location = location(source, place, heading.clone(), first_line, last_line);
        let item = match self.store.document_candidate(entry, History::default(), Some(&location)) {
            Ok(candidate) => Item::Chunk {
                path: Arc::clone(path),
                line: first_line,
                heading,
                last_line,
                is_placed: true,
                candidate: Box::new(candidate),
            },
            Err(error) => Item::Rejected(Rejected {
                path: path.to_path_buf(),
                line: first_line,
                why: error.to_string(),
            }),
        };
        self.push(item)
    }

    fn lines(&mut self, path: &Path) -> Result<Result<(), Skip>, Option<Error>> {
        let mut reader = match JsonLines::open(path) {
            Ok(reader) => reader,
            Err(skip) => return Ok(Err(skip)),
        };
        let source = path.to_string_lossy().into_owned();
        let place = self.places.of(path);
        self.kept.insert(source.clone());
        self.begin(&source)?;
        let shared: Arc<Path> = path.into();
        let mut entries = 0;
        loop {
            let numbered = match reader.next_line() {
                Ok(Some(numbered)) => numbered,
                Ok(None) => break,
                Err(error) => return Ok(Err(Skip::from(&error))),
            };
            self.window.bytes += numbered.bytes;
            let item =
                numbered.line.and_then(|line| self.line(&shared, &source, &place, numbered.number, line));
            match item {
                Ok(item) => {
                    entries += 1;
                    self.push(item)?;
                }
                Err(why) if self.options.strict => {
                    self.send()?;
                    return Err(Some(Error::Line { path: path.to_owned(), line: numbered.number, why }));
                }
                Err(why) => {
                    self.push(Item::Rejected(Rejected {
                        path: path.to_owned(),
                        line: numbered.number,
                        why,
                    }))?;
                }
            }
        }
        let (hash, bytes) = reader.finish();
        let fate = self.fate(&source, &hash);
        let document = NewDocument {
            source,
            path: place.path,
            title: file_name(path),
            content_hash: Some(hash),
            chunker: self.chunker.clone(),
            bytes,
            modified: None,
            commit: place.commit,
            entries: Some(entries),
        };
        self.push(Item::Ended { document, fate })?;
        Ok(Ok(()))
    }

    /// A line that says what it is, or belongs to another project, is an entry of its own.
    fn line(
        &self,
        path: &Arc<Path>,
        source: &str,
        place: &Place,
        number: u32,
        line: documents::JsonLine,
    ) -> Result<Item, String> {
        let (entry, history) = line::entry(line, &self.options.project, self.options.is_project_given)
            .map_err(|error| error.to_string())?;
        let is_placed = entry.knowledge_type.is_none() && entry.project == self.options.project;
        let location = is_placed.then(|| location(source, place, None, number, number));
        let candidate = self
            .store
            .document_candidate(entry, history, location.as_ref())
            .map_err(|error| error.to_string())?;
        let path = Arc::clone(path);
        Ok(Item::Chunk {
            path,
            line: number,
            heading: None,
            last_line: number,
            is_placed,
            candidate: Box::new(candidate),
        })
    }

    fn fate(&self, source: &str, hash: &str) -> Fate {
        match self.known.get(source) {
            None => Fate::Added,
            Some(known) if known.chunker.is_empty() => Fate::Added,
            Some(known) if known.content_hash.as_deref() == Some(hash) && known.chunker == self.chunker => {
                Fate::Unchanged
            }
            Some(_) => Fate::Changed,
        }
    }

    fn push(&mut self, item: Item) -> Step {
        if let Item::Chunk { candidate, .. } = &item {
            self.text_bytes += candidate.content().len();
        }
        self.window.items.push(item);
        if self.window.items.len() < WINDOW_ITEMS && self.text_bytes < WINDOW_BYTES {
            return Ok(());
        }
        self.send()
    }

    fn send(&mut self) -> Step {
        self.text_bytes = 0;
        let sent = self.sender.blocking_send(std::mem::take(&mut self.window));
        if sent.is_err() || self.stopped.load(Ordering::Relaxed) { Err(None) } else { Ok(()) }
    }
}

fn location(
    source: &str,
    place: &Place,
    heading: Option<String>,
    first_line: u32,
    last_line: u32,
) -> Location {
    Location {
        source: source.to_owned(),
        path: place.path.clone(),
        heading,
        first_line,
        last_line,
        commit: place.commit.clone(),
    }
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}
