//! What agents know: adding, finding, changing and counting entries.
