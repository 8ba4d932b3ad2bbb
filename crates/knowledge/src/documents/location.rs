use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Entry;

/// The type of entries that were made for documents.
pub const DOCUMENT_TYPE: &str = "document";

/// The member of the metadata that holds a [`Location`].
pub(crate) const MEMBER: &str = "document";

/// Where an entry stands in a document; kept as the member `document` of its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// What the document is known by: the file's whole path.
    pub source: String,
    /// The path that tells people most, such as the one in its repository.
    pub path: String,
    /// The headings that it stands under, outermost first, with ` > ` between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// Its first line, from 1.
    pub first_line: u32,
    /// Its last line.
    pub last_line: u32,
    /// The commit of the repository when it was last found elsewhere than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Entry {
    /// Where it stands, if it is from a document.
    pub fn location(&self) -> Option<Location> {
        // Somebody else's member of that name is none of ours.
        Location::deserialize(self.metadata.get(MEMBER)?).ok()
    }
}

/// Such as `docs/guide.md:12-40 › Guide › Install`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, heading, first_line, last_line, .. } = self;
        write!(f, "{path}:{first_line}")?;
        if last_line != first_line {
            write!(f, "-{last_line}")?;
        }
        heading.as_ref().map_or(Ok(()), |heading| write!(f, " › {}", heading.replace(" > ", " › ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_line_for_people() {
        let mut location = Location {
            source: "/home/a/docs/guide.md".to_owned(),
            path: "docs/guide.md".to_owned(),
            heading: Some("Guide > Install".to_owned()),
            first_line: 12,
            last_line: 40,
            commit: None,
        };
        assert_eq!(location.to_string(), "docs/guide.md:12-40 › Guide › Install");
        (location.heading, location.last_line) = (None, 12);
        assert_eq!(location.to_string(), "docs/guide.md:12");
    }
}
