//! Golden ladders of the relay's machine (CN101150595A, steps 2 to 6 and 8 of both embodiments), on virtual time. Rewrite them with
//! `BLESS=1 cargo test --test channel_ladders`, and read what changed.

use std::{collections::BTreeSet, fs, path::Path};

use bytes::Bytes;
use confkit::channel::wire::letter::{Letter, LetterError};

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

/// The letters of the sealed session: the page, the module and what is read have the same kinds, by the same names, from the same side.
#[test]
fn the_letters_of_the_page_are_those_that_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = |path: &str| -> Vec<(u8, String)> {
        let text = fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let lines = text.lines().map(|line| line.trim_start_matches("//! "));
        let rows =
            lines.skip_while(|line| *line != "| kind | letter | from | behind it |").skip(2).take_while(|line| line.starts_with("| "));
        rows.map(|row| {
            let [kind, letter, from, form] = row.trim_matches('|').splitn(4, " | ").map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("{path}: a row has four cells: {row}")
            };
            let form = form.split([':', ',']).next().unwrap_or_default();
            (kind.parse().expect("a number"), format!("{letter} from {from}, {form}"))
        })
        .collect()
    };
    let page = rows("docs/protocols/channel.md");
    assert_eq!(page, rows("src/channel/wire/letter.rs"));
    let told: BTreeSet<u8> = page.iter().map(|(kind, _)| *kind).collect();
    let unknown = |kind: &u8| Letter::read(&Bytes::copy_from_slice(&[*kind])) == Err(LetterError::Kind(*kind));
    let read: BTreeSet<u8> = (0..=u8::MAX).filter(|kind| !unknown(kind)).collect();
    assert_eq!(told, read);
}
