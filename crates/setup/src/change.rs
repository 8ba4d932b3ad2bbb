use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use similar::TextDiff;

use crate::file::Expected;
use crate::part::Part;
use crate::record::{Record, Records, sha256};
use crate::splice::reversed;
use crate::{Error, Result, file};

/// What becomes of a file.
#[derive(Debug)]
pub struct Change {
    /// The file, as its client knows it.
    pub path: PathBuf,
    /// What that comes to.
    pub outcome: Outcome,
    target: PathBuf,
    before: Option<String>,
    after: Option<String>,
    mode: u32,
    /// What is to be noted; `None` where nothing of ours remains.
    record: Option<Record>,
}

/// What a change comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Our part was put in.
    Added,
    /// Our part was there, and is another one now.
    Updated,
    /// Our part was there.
    Unchanged,
    /// Our part was taken out.
    Removed,
    /// There was nothing of ours.
    Absent,
}

impl Change {
    pub(crate) fn connecting(part: &Part, records: &Records) -> Result<Self> {
        let (target, before) = read(part)?;
        let (mark, text) = split(before.as_deref().unwrap_or_default());
        let found = part.ours(text)?;
        let record = records.load(&target)?;
        let unchanged = part.is_connected(&found);
        if unchanged {
            let after = before.clone();
            return Ok(Self::of(part, Outcome::Unchanged, target, (before, after), record));
        }
        let mut bare = text.to_owned();
        let mut restored = false;
        if !found.is_empty() {
            restored = take_out(part, &mut bare, record.as_ref())?;
        }
        let wanted = part.wanted(&found);
        let mut new = Record {
            path: target.clone(),
            // Whether the file was new before stays true as long as nobody else wrote it.
            is_new_file: before.is_none()
                || record.as_ref().is_some_and(|record| !found.is_empty() && record.is_new_file),
            new_folders: record.as_ref().map(|record| record.new_folders.clone()).unwrap_or_default(),
            ..Record::default()
        };
        if let Some(record) = record.filter(|_| !found.is_empty() && !restored) {
            new.made = record.made;
        }
        part.put(&mut bare, &wanted, &mut new.splices, &mut new.made)?;
        new.sha256 = sha256(bare.as_bytes());
        let outcome = if found.is_empty() { Outcome::Added } else { Outcome::Updated };
        let after = Some(format!("{mark}{bare}"));
        Ok(Self::of(part, outcome, target, (before, after), Some(new)))
    }

    pub(crate) fn disconnecting(part: &Part, records: &Records) -> Result<Self> {
        let (target, before) = read(part)?;
        let (mark, text) = split(before.as_deref().unwrap_or_default());
        let record = records.load(&target)?;
        let mut bare = text.to_owned();
        if part.ours(text)?.is_empty() {
            let after = before.clone();
            return Ok(Self::of(part, Outcome::Absent, target, (before, after), None));
        }
        take_out(part, &mut bare, record.as_ref())?;
        let is_new_file = record.as_ref().is_some_and(|record| record.is_new_file);
        let gone = is_new_file && (bare.trim().is_empty() || bare.trim() == "{}");
        let after = (!gone).then(|| format!("{mark}{bare}"));
        let mut change = Self::of(part, Outcome::Removed, target, (before, after), None);
        // So that it is known which folders may go.
        change.record = record.filter(|_| gone);
        Ok(change)
    }

    fn of(
        part: &Part,
        outcome: Outcome,
        target: PathBuf,
        (before, after): (Option<String>, Option<String>),
        record: Option<Record>,
    ) -> Self {
        Self { path: part.path().to_owned(), outcome, target, before, after, mode: part.new_mode(), record }
    }

    /// The file that is written: the target of a link.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whether there will be no such file any more.
    pub fn removes_file(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }

    /// Whether the file will be made.
    pub fn makes_file(&self) -> bool {
        self.before.is_none() && self.after.is_some()
    }

    /// The lines that change, as `diff -u` writes them.
    pub fn diff(&self) -> String {
        let name = self.path.display().to_string();
        let none = || "/dev/null".to_owned();
        let old = self.before.as_ref().map_or_else(none, |_| name.clone());
        let new = self.after.as_ref().map_or_else(none, |_| name.clone());
        let (before, after) =
            (self.before.as_deref().unwrap_or_default(), self.after.as_deref().unwrap_or_default());
        TextDiff::from_lines(before, after).unified_diff().context_radius(2).header(&old, &new).to_string()
    }

    /// Does it.
    ///
    /// # Errors
    /// [`Error::Changed`] when the file is no longer what it was; then nothing was written.
    pub fn apply(self, records: &Records) -> Result<()> {
        let before = self.before.as_deref().map(str::as_bytes);
        match self.outcome {
            Outcome::Unchanged => Ok(()),
            Outcome::Absent => records.remove(&self.target),
            Outcome::Added | Outcome::Updated => {
                let Some(after) = &self.after else { return Ok(()) };
                let made = file::create_folder(&self.target)?;
                if let Some(mut record) = self.record {
                    record.new_folders.extend(made);
                    // First: a note of what was not done does no harm.
                    records.save(&record)?;
                }
                file::replace(&self.target, after.as_bytes(), Expected::Is(before), Some(self.mode))
            }
            Outcome::Removed => {
                match (&self.after, before) {
                    (Some(after), _) => {
                        file::replace(&self.target, after.as_bytes(), Expected::Is(before), Some(self.mode))?;
                    }
                    (None, Some(before)) => file::remove(&self.target, before)?,
                    (None, None) => {}
                }
                let folders = self.record.map(|record| record.new_folders).unwrap_or_default();
                for folder in folders.iter().rev() {
                    // Only what is empty goes.
                    let _ = fs::remove_dir(folder);
                }
                records.remove(&self.target)
            }
        }
    }
}

/// Takes everything of ours out: exactly as it came, where nobody wrote the file since; whether that was so.
fn take_out(part: &Part, text: &mut String, record: Option<&Record>) -> Result<bool> {
    let untouched = record.filter(|record| record.sha256 == sha256(text.as_bytes()));
    if let Some(restored) = untouched.and_then(|record| reversed(text, &record.splices))
        && part.ours(&restored)?.is_empty()
    {
        *text = restored;
        return Ok(true);
    }
    part.take_out(text, record)?;
    Ok(false)
}

fn read(part: &Part) -> Result<(PathBuf, Option<String>)> {
    let target = file::target(part.path())?;
    let before = file::read(&target)?;
    let text = before.map(String::from_utf8).transpose().map_err(|error| Error::NotText {
        path: part.path().to_owned(),
        why: format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
    })?;
    Ok((target, text))
}

/// A byte order mark, and the text.
fn split(text: &str) -> (&str, &str) {
    text.split_at(if text.starts_with('\u{feff}') { 3 } else { 0 })
}
