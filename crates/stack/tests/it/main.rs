//! What the embedded default promises, shown with a real PostgreSQL and a real model.
//!
//! Run as `it ensure-postgres` and the like, this binary is one more process that uses the library; see
//! [`program`].
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the test programs' results")]

mod download;
mod embedder;
mod faults;
mod model;
mod postgres;
mod program;
mod root;
mod support;

use std::future::Future;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(code) = program::run_as_program() {
        return code;
    }
    let mut trials = Vec::new();
    postgres::register(&mut trials);
    faults::register(&mut trials);
    download::register(&mut trials);
    model::register(&mut trials);
    embedder::register(&mut trials);
    if support::is_root() {
        root::register(&mut trials);
        if root::may_mount() {
            let name = "root::a_full_disk_is_told_and_the_next_try_works";
            trials.push(trial(name, root::a_full_disk_is_told_and_the_next_try_works));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// An asynchronous test as one of the harness's; it fails by panicking.
fn trial<F: Future<Output = ()>>(name: &str, test: impl Fn() -> F + Send + 'static) -> Trial {
    Trial::test(name, move || {
        support::runtime().block_on(test());
        Ok(())
    })
}

/// Adds tests under the names of their functions.
macro_rules! register {
    ($($test:ident),+ $(,)?) => {
        pub(crate) fn register(trials: &mut Vec<libtest_mimic::Trial>) {
            let module = module_path!().rsplit("::").next().unwrap_or_default();
            $(trials.push($crate::trial(&format!("{module}::{}", stringify!($test)), $test));)+
        }
    };
}
pub(crate) use register;
