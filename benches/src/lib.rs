//! Criterion benchmarks, each beside the floor it is held against.
//!
//! A bar that is a ratio is measured within one run: subject and floor take turns, call by call, so that a noisy
//! machine disturbs both. Criterion keeps the subject's history; [`Report`] says at the end what met its bar, and the
//! bench `verdict`, which runs last, judges all of them by `gates.toml`.
//! Without `--bench` among the arguments (`cargo test --benches`), or with `--test`, everything runs once and
//! nothing is judged.

mod gate;
mod measured;
mod report;
pub mod texts;
mod times;

use criterion::Criterion;

pub use gate::{Gate, Unit};
pub use measured::{Figure, Measured};
pub use report::Report;
pub use times::{Pair, Times};

/// The `main` of the bench `name`: runs it, prints its report, and leaves its figures for the verdict.
pub fn run(name: &str, bench: impl FnOnce(&mut Criterion, &Report)) {
    let mut criterion = Criterion::default().configure_from_args();
    let report = Report::default();
    bench(&mut criterion, &report);
    criterion.final_summary();
    sure(report.keep(name));
    if !is_smoke() {
        report.print();
    }
}

/// Whether this run only shows that the benches work, as criterion has it.
pub fn is_smoke() -> bool {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    !given("--bench") || given("--test")
}

/// Whether only a quick look is asked for, as criterion's `--quick` has it.
pub fn is_quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

/// The value.
///
/// # Panics
/// On a failure, with its whole chain: criterion's closures cannot hand it on, and unwinding stops what was started.
pub fn sure<T, E: Into<anyhow::Error>>(result: Result<T, E>) -> T {
    #[expect(clippy::panic, reason = "see above")]
    result.unwrap_or_else(|error| panic!("{:#}", error.into()))
}
