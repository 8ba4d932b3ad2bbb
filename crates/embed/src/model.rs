use std::fmt;

use serde::Serialize;

/// What makes vectors comparable: the model they come from and how long they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Model {
    /// The name that the service gives it, such as `all-MiniLM-L6-v2`.
    pub name: String,
    /// Components of a vector.
    pub dimensions: usize,
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} dimensions)", self.name, self.dimensions)
    }
}
