//! Every file of the corpus, and deterministic mutations of it, through every target.

#![expect(clippy::panic, clippy::print_stdout, reason = "a test fails by panicking, and says on what")]

use std::fs;
use std::path::{Path, PathBuf};

use agent_turbo_fuzz_targets::TARGETS;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Mutations a target; the slow ones make a folder of files for each.
const MUTATIONS: usize = 1_500;
/// Longer seeds are mutated less often.
const MUTATED_BYTES: usize = 400_000;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.expect("a folder that can be read").path())
        .map(|path| (path.clone(), fs::read(path).expect("a file that can be read")))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files
}

fn run(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name");
    let seeds = corpus(name);
    for (path, data) in &seeds {
        println!("{}", path.display());
        target(data);
    }
    let mut random = StdRng::seed_from_u64(20_240_229);
    let mut budget = MUTATED_BYTES;
    for _ in 0..MUTATIONS {
        let mutated = mutate(&seeds, &mut random);
        let Some(left) = budget.checked_sub(mutated.len()) else { return };
        budget = left;
        // Shown when it fails.
        println!("{:?}", String::from_utf8_lossy(&mutated));
        target(&mutated);
    }
}

/// A few of the changes that parsers stumble over.
fn mutate(seeds: &[(PathBuf, Vec<u8>)], random: &mut StdRng) -> Vec<u8> {
    let mut data = seeds[random.random_range(0..seeds.len())].1.clone();
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=data.len());
        let to = random.random_range(at..=data.len().min(at + 40));
        match random.random_range(0..6) {
            0 => data.truncate(at),
            1 => drop(data.drain(at..to)),
            2 => data.insert(at, random.random()),
            3 => {
                let piece = data[at..to].to_vec();
                data.splice(at..at, piece);
            }
            4 => {
                let other = &seeds[random.random_range(0..seeds.len())].1;
                let from = random.random_range(0..=other.len());
                let piece = other[from..other.len().min(from + 40)].to_vec();
                data.splice(at..to, piece);
            }
            _ => {
                let odd: [&[u8]; 8] = [
                    b"\0",
                    b"\"",
                    b"'",
                    b"\\",
                    "\u{feff}".as_bytes(),
                    b"9999999999999999999",
                    b"-1e999",
                    b"[[[[",
                ];
                data.splice(at..to, odd[random.random_range(0..odd.len())].iter().copied());
            }
        }
    }
    data
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_run_here_and_has_a_binary() {
            let run_here = [$(stringify!($name)),*];
            let known: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, run_here);
            let manifest = include_str!("../../../fuzz/Cargo.toml");
            for name in known {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml does not know {name}");
            }
        }
    };
}

targets! {
    archive connection_string json_lines knowledge model_folder plan redact_json redact_text requests settings
    sqlite task_document wire words
}
