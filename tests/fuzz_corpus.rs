//! The fuzz corpus, replayed without a fuzzer: every file of `fuzz/corpus/`, and seeded mutations of each.
//!
//! `CONFKIT_FUZZ_ROUNDS` sets the number of mutations of each file (default 300); `cargo +nightly fuzz run NAME` goes further.

use std::{env, fs, path::Path, path::PathBuf};

use confkit::fuzzing::{self, TARGETS};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

/// Pieces of text that parsers have an opinion of.
const SPICE: [&str; 40] = [
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\r\n ",
    " ",
    "\t",
    "\0",
    "\x7f",
    "\u{20ac}",
    "\"",
    "\\",
    "\\\"",
    "<",
    ">",
    ";",
    ",",
    ":",
    "=",
    "@",
    "%",
    "%00",
    "%4",
    "[",
    "]",
    "[::1]",
    "*",
    "-1",
    "0",
    "4294967296",
    "18446744073709551616",
    "99999999999999999999",
    ";lr",
    ";tag=1",
    "SIP/2.0",
    "z9hG4bK",
    "Content-Length: 5\r\n",
    "l:0\r\n",
    "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n",
    "\u{feff}",
];

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).map(|f| f.expect("a file").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(&path).expect("a readable file"))).collect()
}

/// One to four changes: bytes flipped, pieces cut out, doubled, moved, spiced, or crossed with another file.
fn mutate(data: &[u8], other: &[u8], rng: &mut ChaCha12Rng) -> Vec<u8> {
    let mut data = data.to_vec();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=data.len());
        let end = (at + rng.random_range(0..40)).min(data.len());
        match rng.random_range(0..7) {
            0 if at < data.len() => data[at] = rng.random(),
            1 => drop(data.drain(at..end)),
            2 => {
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece.repeat(rng.random_range(1..20)));
            }
            3 => data.truncate(at),
            4 => {
                let from = rng.random_range(0..=other.len());
                data.splice(at..end, other[from..].iter().take(80).copied().collect::<Vec<_>>());
            }
            5 if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
            _ => drop(data.splice(at..at, SPICE[rng.random_range(0..SPICE.len())].bytes().collect::<Vec<_>>())),
        }
    }
    data
}

/// Runs one input and says which it was when it finds something.
fn run(name: &str, path: &Path, seed: Option<u64>, data: &[u8]) {
    let outcome = std::panic::catch_unwind(|| fuzzing::run(name, data));
    assert!(
        outcome.is_ok(),
        "{name}: {} with mutation {seed:?} finds something; the input is\n{:?}",
        path.display(),
        String::from_utf8_lossy(data)
    );
}

#[test]
fn no_file_of_the_corpus_and_no_mutation_of_it_finds_anything() {
    let rounds = env::var("CONFKIT_FUZZ_ROUNDS").map_or(300, |n| n.parse().expect("CONFKIT_FUZZ_ROUNDS is a number"));
    for (name, _) in TARGETS {
        let files = corpus(name);
        for (at, (path, data)) in files.iter().enumerate() {
            run(name, path, None, data);
            for round in 0..rounds {
                let mut rng = ChaCha12Rng::seed_from_u64(round << 16 | at as u64);
                let (_, other) = &files[rng.random_range(0..files.len())];
                run(name, path, Some(round), &mutate(data, other, &mut rng));
            }
        }
    }
}

#[test]
fn every_target_has_a_corpus_a_file_and_an_entry() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml")).expect("fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        assert!(corpus(name).len() >= 5, "fuzz/corpus/{name} is meagre");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(text.contains(&format!("fuzzing::run(\"{name}\", data)")), "{}", file.display());
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "fuzz/Cargo.toml does not name {name}");
    }
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")).expect("the corpus");
    for folder in folders.map(|f| f.expect("a folder").file_name().into_string().expect("a name")) {
        assert!(TARGETS.iter().any(|(name, _)| *name == folder), "fuzz/corpus/{folder} has no target");
    }
}

#[test]
fn torture_messages_are_fuzzed_as_well() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let mut count: u64 = 0;
    for file in
        fs::read_dir(folder).expect("the folder").map(|f| f.expect("a file").path()).filter(|p| p.extension().is_some_and(|e| e == "sip"))
    {
        let data = fs::read(&file).expect("a message");
        run("sip_message", &file, None, &data);
        run("sip_stream", &file, None, &data);
        for round in 0..20 {
            let mutated = mutate(&data, &data, &mut ChaCha12Rng::seed_from_u64(round));
            run("sip_message", &file, Some(round), &mutated);
            run("sip_stream", &file, Some(round), &mutated);
        }
        count += 1;
    }
    assert!(count > 50);
}
