use serde_json::{Map, Value};

/// What is kept of a row beside its entry's columns.
#[derive(Debug, Default)]
pub(super) struct Kept(Map<String, Value>);

impl Kept {
    /// A column's value under its name, or under `table.column` where the row's own metadata has that name.
    pub(super) fn column(&mut self, table: &str, column: &str, value: Value) {
        if value.is_null() {
            return;
        }
        let name = name(column);
        let name = if self.0.contains_key(&name) { format!("{}.{name}", self::name(table)) } else { name };
        self.0.insert(name, value);
    }

    /// The members of an object, which is metadata already. To be called before columns are added.
    pub(super) fn members(&mut self, members: Map<String, Value>) {
        for (name, value) in members {
            // That one is ours.
            let name = if name == "import" { "source.import".to_owned() } else { name };
            self.0.insert(name, value);
        }
    }

    pub(super) fn into_members(self) -> Map<String, Value> {
        self.0
    }
}

/// A name that jsonb can store, and that is not ours.
fn name(name: &str) -> String {
    match name.replace('\0', "\u{fffd}") {
        ours if ours == "import" => "source.import".to_owned(),
        name => name,
    }
}
