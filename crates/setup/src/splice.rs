use serde::{Deserialize, Serialize};

/// A text that takes the place of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Splice {
    /// From which byte on.
    pub(crate) at: usize,
    /// What was there.
    pub(crate) removed: String,
    /// What is there now.
    pub(crate) inserted: String,
}

/// Puts `inserted` at `at`, and notes it.
pub(crate) fn insert(text: &mut String, at: usize, inserted: String, noted: &mut Vec<Splice>) {
    text.insert_str(at, &inserted);
    noted.push(Splice { at, removed: String::new(), inserted });
}

/// Takes a range out.
pub(crate) fn cut(text: &mut String, range: std::ops::Range<usize>) {
    text.replace_range(range, "");
}

/// Takes back what was done, last first; `None` where the text is not the one that came of it.
pub(crate) fn reversed(text: &str, splices: &[Splice]) -> Option<String> {
    let mut text = text.to_owned();
    for Splice { at, removed, inserted } in splices.iter().rev() {
        let end = at.checked_add(inserted.len())?;
        if text.get(*at..end)? != inserted {
            return None;
        }
        text.replace_range(*at..end, removed);
    }
    Some(text)
}
