//! Golden ladders of the relay's machine (CN101150595A, steps 2 to 6 and 8 of both embodiments), on virtual time. Rewrite them with
//! `BLESS=1 cargo test --test channel_ladders`, and read what changed.

use std::{fs, path::Path};

#[path = "support/relay.rs"]
mod relay;

#[test]
fn the_relay_does_what_its_ladders_say() {
    relay::check("channel");
}

/// The table of `docs/protocols/channel.md`: what it names is there.
#[test]
fn what_the_document_says_is_shown_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let document = read("docs/protocols/channel.md");
    let (_, section) = document.split_once("## What shows it").expect("the section");
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in rows {
        let shown = row.trim_matches('|').split(" | ").nth(2).unwrap_or_else(|| panic!("a row has three cells: {row}"));
        let mut text = String::new();
        for named in shown.split('`').skip(1).step_by(2) {
            if named.ends_with(".rs") {
                text = read(&if named.starts_with("src/") { named.to_owned() } else { format!("tests/{named}") });
            } else if text.contains(&format!("fn {named}()")) {
                // A test of the file before it.
            } else {
                assert!(root.join(format!("tests/ladders/channel/{named}.ladder")).exists(), "neither test nor ladder: {named} in {row}");
            }
        }
    }
}
