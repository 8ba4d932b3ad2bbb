//! How long operations took: `agent_performance_metrics`, a row for each operation, kind of process and five minutes.
//!
//! A row's id is its key: the negative of `slot << 32 | hash of operation and kind`, so that writers of one slot meet in
//! one row, the primary key finds times, and rows that people insert by themselves, whose ids are positive, are left alone.

mod record;
mod report;

pub use report::{Latency, OperationPerformance, PerformanceBucket, PerformanceFilter};

/// What is older is removed, by and by.
const KEPT_DAYS: i32 = 30;
