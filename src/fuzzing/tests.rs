//! Every target, with its seeds, and with what becomes of them by a few changes. What `make fuzz` finds is a seed from then on.

use std::{fs, path::PathBuf};

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;

/// Cases of each target.
const CASES: u32 = 1_024;

fn folder(of: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(of)
}

/// Seeds of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder("seeds").join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let read = |file: std::io::Result<fs::DirEntry>| {
        let file = file.unwrap();
        (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
    };
    let mut seeds: Vec<_> = files.map(read).collect();
    seeds.sort_unstable();
    seeds
}

/// The words of a target's dictionary, which is libFuzzer's.
fn words(target: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder("dictionaries").join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let word = |line: &str| {
        let mut rest = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_else(|| panic!("{target}: {line}"));
        let mut word = Vec::new();
        while let Some(first) = rest.chars().next() {
            let taken = match rest.strip_prefix('\\') {
                None => {
                    word.extend(first.to_string().bytes());
                    first.len_utf8()
                }
                Some(escaped) if escaped.starts_with('x') => {
                    word.push(u8::from_str_radix(&escaped[1..3], 16).unwrap());
                    4
                }
                Some(escaped) => {
                    word.push(escaped.as_bytes()[0]);
                    2
                }
            };
            rest = &rest[taken..];
        }
        word
    };
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(word).collect()
}

/// A change of bytes.
#[derive(Debug, Clone)]
enum Change {
    Cut(prop::sample::Index, usize),
    Insert(prop::sample::Index, prop::sample::Index),
    Put(prop::sample::Index, u8),
    Repeat(prop::sample::Index, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let (at, which) = (any::<prop::sample::Index>, any::<prop::sample::Index>);
    let change = prop_oneof![
        1 => (at(), 1..6usize).prop_map(|(at, length)| Change::Cut(at, length)),
        4 => (at(), which()).prop_map(|(at, word)| Change::Insert(at, word)),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        1 => (at(), 1..24usize).prop_map(|(at, length)| Change::Repeat(at, length)),
    ];
    prop::collection::vec(change, 0..5)
}

fn changed(seed: &[u8], changes: &[Change], words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for change in changes {
        let place = |at: &prop::sample::Index| at.index(bytes.len() + 1);
        match change {
            Change::Cut(at, length) => {
                let at = place(at);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Change::Insert(at, word) => {
                let at = place(at);
                bytes.splice(at..at, word.get(words).iter().copied());
            }
            Change::Put(at, byte) => {
                let at = place(at);
                bytes.splice(at..(at + 1).min(bytes.len()), [*byte]);
            }
            Change::Repeat(at, length) => {
                let at = place(at);
                let again = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

#[test]
fn targets_and_their_files_are_the_same() {
    let names = |of: &str| {
        let mut names: Vec<String> =
            fs::read_dir(folder(of)).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    };
    let targets: Vec<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert!(targets.is_sorted());
    assert_eq!(names("seeds"), targets);
    assert_eq!(names("dictionaries"), targets);
    assert_eq!(names("fuzz_targets"), targets.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>());
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for target in TARGETS {
        let name = target.name;
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(
            fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap().contains(&format!("hold(\"{name}\", data)"))
        );
    }
}

/// A target that takes nothing would hold for everything. What was found once is refused, or taken rightly, from then on.
#[test]
fn every_seed_is_taken_that_is_called_so() {
    for target in TARGETS {
        let mut taken = 0;
        for (name, seed) in seeds(target.name) {
            let is_taken = (target.hold)(&seed);
            assert!(is_taken || !name.starts_with("taken"), "{} {name}", target.name);
            taken += usize::from(is_taken);
        }
        assert!(taken >= 2, "{} has next to no seeds that are taken", target.name);
    }
}

#[test]
fn every_target_holds_for_what_is_like_its_seeds() {
    for target in TARGETS {
        let (seeds, words) = (seeds(target.name), words(target.name));
        let taken = std::cell::Cell::new(0u32);
        let mut runner = TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() });
        let strategy = (any::<prop::sample::Index>(), changes());
        let result = runner.run(&strategy, |(seed, changes)| {
            let bytes = changed(&seed.get(&seeds).1, &changes, &words);
            taken.set(taken.get() + u32::from((target.hold)(&bytes)));
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{}: {error}", target.name));
        assert!(taken.get() > CASES / 50, "{}: {} of {CASES} were taken", target.name, taken.get());
    }
}
