//! Criterion benchmarks, each beside the floor it is held against.
//!
//! A bar that is a ratio is measured within one run: subject and floor take turns, call by call, so that a noisy
//! machine disturbs both. Criterion keeps the subject's history; [`Report`] says at the end what met its bar.
//! Without `--bench` among the arguments (`cargo test --benches`), or with `--test`, everything runs once and
//! nothing is judged.

mod report;
pub mod texts;
mod times;

use criterion::Criterion;

pub use report::Report;
pub use times::{Pair, Times};

/// The `main` of a bench: runs it and prints its report.
pub fn run(bench: impl FnOnce(&mut Criterion, &Report)) {
    let mut criterion = Criterion::default().configure_from_args();
    let report = Report::default();
    bench(&mut criterion, &report);
    criterion.final_summary();
    if !is_smoke() {
        report.print();
    }
}

/// Whether this run only shows that the benches work, as criterion has it.
pub fn is_smoke() -> bool {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    !given("--bench") || given("--test")
}

/// The value.
///
/// # Panics
/// On a failure, with its whole chain: criterion's closures cannot hand it on, and unwinding stops what was started.
pub fn sure<T, E: Into<anyhow::Error>>(result: Result<T, E>) -> T {
    #[expect(clippy::panic, reason = "see above")]
    result.unwrap_or_else(|error| panic!("{:#}", error.into()))
}
