//! Every target over its corpus and over mutations of it, the same ones at each run.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::lake::{Destination, Lake};
use crate::report::{Unwatched, VerifyOptions, verify};

type Target = fn(&[u8]);

/// Mutations a target.
const MUTATIONS: usize = 5_000;
/// Broken promises of one target that are gathered before its test ends.
const MOST_BROKEN: usize = 5;
/// Bytes that mutated inputs may have.
const MAX_MUTATED: usize = 16 << 10;

/// The fuzzers' folder; none in the published package, which leaves it out.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    folder.is_dir().then_some(folder)
}

/// The inputs of a target's corpus, by name.
fn corpus(folder: &Path, target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder.join("corpus").join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
        })
        .collect();
    inputs.sort_unstable();
    assert!(!inputs.is_empty(), "the corpus of {target} is empty");
    inputs
}

/// Runs a target over its corpus and over mutations of it; what it panics over is named with the whole input.
fn keeps_its_promises(name: &str, target: Target) {
    let Some(folder) = folder() else { return };
    let mut broken = Vec::new();
    let mut run = |from: &str, input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            broken.push(format!("{from}: b\"{}\"", input.escape_ascii()));
        }
        assert!(broken.len() < MOST_BROKEN, "{}", broken.join("\n"));
    };
    let inputs = corpus(&folder, name);
    for (file, input) in &inputs {
        run(file, input);
    }
    let words = words(&folder);
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for _ in 0..MUTATIONS {
        let (file, input) = &inputs[chance.below(inputs.len())];
        let (_, other) = &inputs[chance.below(inputs.len())];
        let mut input = input.clone();
        mutate(&mut input, &mut chance, &words, other);
        run(&format!("a mutation of {file}"), &input);
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Pseudorandom numbers (xorshift), the same at each run.
struct Chance(u64);

impl Chance {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(32) + 1)
    }
}

/// The words of the dictionary, one in quotes a line, with `\\`, `\"` and `\xAB` for single bytes.
fn words(folder: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder.join("words.dict")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let inside = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).expect("a word in quotes");
            let mut word = Vec::new();
            let mut rest = inside.as_bytes();
            while let Some((&first, after)) = rest.split_first() {
                let (byte, length) = match (first, after.first()) {
                    (b'\\', Some(b'x')) => {
                        (u8::from_str_radix(&inside[inside.len() - after.len()..][1..3], 16).unwrap(), 4)
                    }
                    (b'\\', Some(byte)) => (*byte, 2),
                    _ => (first, 1),
                };
                word.push(byte);
                rest = &rest[length..];
            }
            word
        })
        .collect()
}

/// Changes an input a little, one to eight times.
fn mutate(input: &mut Vec<u8>, chance: &mut Chance, words: &[Vec<u8>], other: &[u8]) {
    for _ in 0..1 + chance.below(8) {
        let at = chance.below(input.len() + 1);
        match chance.below(8) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 if at < input.len() => input[at] = chance.below(256) as u8,
            2 => drop(input.drain(chance.range(input.len()))),
            3 => {
                let part = input[chance.range(input.len())].to_vec();
                input.splice(at..at, part);
            }
            4 => {
                let part = other[chance.range(other.len())].to_vec();
                input.splice(at..at, part);
            }
            5 => input.truncate(at),
            6 => input.insert(at, b"0123456789-+.eE \"\\{}[],:%/\x1d\x1e\x1f\xff"[chance.below(30)]),
            _ => {
                let word = &words[chance.below(words.len())];
                input.splice(at..at, word.iter().copied());
            }
        }
    }
    input.truncate(MAX_MUTATED);
}

/// One test a target.
macro_rules! targets {
    ($($target:ident)*) => {
        /// All of them, by name.
        const TARGETS: &[&str] = &[$(stringify!($target)),*];
        $(
            #[test]
            fn $target() {
                keeps_its_promises(stringify!($target), super::$target);
            }
        )*
    };
}

targets! { bills csv dates decimals decoder etags footer headers inflate links periods }

/// The same files on a disk: `status` tells each on one line, and `verify` tells what is no whole one.
#[test]
fn status_and_verify_tell_of_every_file_of_the_footer_corpus() {
    let Some(folder) = folder() else { return };
    for (name, input) in corpus(&folder, "footer") {
        let Some(file) = input.strip_prefix(b"f") else { continue };
        let place = tempfile::tempdir().unwrap();
        let destination = Destination::local(place.path());
        Lake::open(&destination).unwrap();
        let partition = place.path().join("usage_details/enrollment=100/billing_period=2024-11");
        fs::create_dir_all(&partition).unwrap();
        fs::write(partition.join("data.parquet"), file).unwrap();
        let lake = Lake::open_existing(&destination).unwrap().unwrap();
        let told = crate::cli::holdings_table(&lake).unwrap();
        assert_eq!(told.lines().count(), 2, "{name}: {told}");
        assert_eq!(told.contains("unreadable"), name != "file_usage_details", "{name}: {told}");
        let verified = verify(&lake, &VerifyOptions::default(), &Unwatched).unwrap();
        assert_eq!(verified.wrong().count() == 1, name != "file_usage_details", "{name}: {verified:?}");
        // It is whole, and lies in the place of usage details.
        assert_eq!(told.contains("file of billing_periods/100/all"), name == "file_billing_periods", "{name}: {told}");
    }
}

#[test]
fn every_target_has_a_fuzzer_and_a_corpus_and_there_are_no_others() {
    let Some(folder) = folder() else { return };
    let names = |of: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder.join(of)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets);
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let built: BTreeSet<String> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .map(str::to_owned)
        .collect();
    assert_eq!(built, targets);
}
