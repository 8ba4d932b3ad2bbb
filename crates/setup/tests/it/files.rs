use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use agent_turbo_setup::{Client, Error, Outcome};

use crate::support::{Desk, put, text};

#[test]
fn a_link_stays_one_and_its_target_is_edited() {
    let desk = Desk::new();
    let part = desk.server(Client::Gemini);
    let dotfile = desk.path("dotfiles/gemini.json");
    put(&dotfile, "{}\n");
    fs::create_dir_all(part.path.parent().unwrap()).unwrap();
    symlink("../../dotfiles/gemini.json", &part.path).unwrap();
    desk.connect(&part).unwrap();
    assert!(part.path.is_symlink() && !dotfile.is_symlink());
    assert!(text(&dotfile).contains("agent-turbo"));
    desk.disconnect(&part).unwrap();
    assert_eq!(text(&dotfile), "{}\n");
    assert!(part.path.is_symlink());
}

#[test]
fn a_link_to_nothing_gets_its_target_made() {
    let desk = Desk::new();
    let part = desk.server(Client::Gemini);
    fs::create_dir_all(part.path.parent().unwrap()).unwrap();
    symlink(desk.path("elsewhere/gemini.json"), &part.path).unwrap();
    assert_eq!(desk.connect(&part).unwrap(), Outcome::Added);
    assert!(part.path.is_symlink() && desk.path("elsewhere/gemini.json").is_file());
    let around = desk.path("home/.gemini/around.json");
    symlink(&around, &around).unwrap();
    assert!(fs::read(around).is_err());
}

#[test]
fn links_that_lead_nowhere_are_told() {
    let desk = Desk::new();
    let part = desk.server(Client::Gemini);
    fs::create_dir_all(part.path.parent().unwrap()).unwrap();
    symlink(&part.path, &part.path).unwrap();
    assert!(matches!(desk.connect(&part).unwrap_err(), Error::Io { .. }));
}

#[test]
fn permissions_and_owner_stay_and_new_files_of_a_user_are_private() {
    let desk = Desk::new();
    let part = desk.server(Client::Cursor);
    desk.connect(&part).unwrap();
    assert_eq!(part.path.metadata().unwrap().mode() & 0o777, 0o600);
    desk.disconnect(&part).unwrap();
    put(&part.path, "{}");
    fs::set_permissions(&part.path, Permissions::from_mode(0o640)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&part.path, Some(1234), Some(4321)).unwrap();
    }
    let before = part.path.metadata().unwrap();
    desk.connect(&part).unwrap();
    let after = part.path.metadata().unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino());
}

#[test]
fn a_file_that_changes_meanwhile_is_not_written() {
    let desk = Desk::new();
    let part = desk.server(Client::ClaudeCode);
    for (before, between) in [(Some("{}"), Some("{\"a\": 1}")), (None, Some("{}")), (Some("{}"), None)] {
        let _ = fs::remove_file(&part.path);
        if let Some(before) = before {
            put(&part.path, before);
        }
        let change = part.connect(&desk.records).unwrap();
        match between {
            Some(between) => put(&part.path, between),
            None => fs::remove_file(&part.path).unwrap(),
        }
        assert!(matches!(change.apply(&desk.records).unwrap_err(), Error::Changed { .. }));
        assert_eq!(fs::read_to_string(&part.path).ok().as_deref(), between);
    }
    // Nothing is left of the attempts.
    let names: Vec<_> =
        fs::read_dir(part.path.parent().unwrap()).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(names.is_empty(), "{names:?}");

    put(&part.path, "{}");
    desk.connect(&part).unwrap();
    let change = part.disconnect(&desk.records).unwrap();
    put(&part.path, "{\"b\": 2}");
    assert!(matches!(change.apply(&desk.records).unwrap_err(), Error::Changed { .. }));
    assert_eq!(text(&part.path), "{\"b\": 2}");
}

#[test]
fn what_is_no_file_or_cannot_be_written_is_told() {
    let desk = Desk::new();
    let part = desk.server(Client::Codex);
    fs::create_dir_all(&part.path).unwrap();
    let error = desk.connect(&part).unwrap_err();
    assert!(error.to_string().contains("config.toml"), "{error}");
    // A file where the folder should be.
    let part = desk.server(Client::Gemini);
    put(part.path.parent().unwrap(), "");
    assert!(matches!(desk.connect(&part).unwrap_err(), Error::Io { .. }));
}
