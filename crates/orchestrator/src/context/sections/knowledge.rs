use agent_turbo_db::{Client, Result, Row, RowExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, read};

/// Entries of knowledge at the most.
pub const MAX_KNOWLEDGE: usize = 5;
/// How much of each is shown, in characters.
pub const EXCERPT_CHARS: usize = 200;

/// What somebody in the project learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextKnowledge {
    /// The entry's id.
    pub id: i64,
    /// Its beginning.
    pub excerpt: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// The newest entries of project `$1`, as far as they are shown; `stored` compares a stored context with it as well.
macro_rules! newest_knowledge {
    ($project:literal) => {
        concat!(
            "SELECT id, left(content, 200) AS excerpt, created_at FROM chunks WHERE source_project = ",
            $project,
            " ORDER BY id DESC LIMIT 5"
        )
    };
}
pub(in crate::context) use newest_knowledge;

pub(in crate::context) async fn knowledge(client: &Client, project: &str) -> Result<Vec<ContextKnowledge>> {
    read(client, "landing_knowledge", concat!("-- landing_knowledge\n", newest_knowledge!("$1")), &[&project])
        .await
}

impl Item for ContextKnowledge {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.column("id")?,
            excerpt: row.column("excerpt")?,
            created_at: row.column("created_at")?,
        })
    }
}
