use agent_turbo_knowledge::Fingerprint;
use serde_json::Value;

use crate::Counts;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Imported,
    Resumed,
    DuplicateInSource,
    DuplicateInTarget,
    Rejected,
}

/// What a row is whose text the target has: the entry says where it is from.
pub(crate) fn fate_of(entry: &Fingerprint, source: &str, table: &str, row: &Value) -> Fate {
    match &entry.provenance {
        Some(from) if from.file == source && from.table == table && from.row == *row => Fate::Resumed,
        Some(from) if from.file == source => Fate::DuplicateInSource,
        _ => Fate::DuplicateInTarget,
    }
}

impl Counts {
    pub(crate) fn add(&mut self, fate: Fate) {
        self.read += 1;
        *match fate {
            Fate::Imported => &mut self.imported,
            Fate::Resumed => &mut self.resumed,
            Fate::DuplicateInSource => &mut self.duplicate_in_source,
            Fate::DuplicateInTarget => &mut self.duplicate_in_target,
            Fate::Rejected => &mut self.rejected,
        } += 1;
    }
}
