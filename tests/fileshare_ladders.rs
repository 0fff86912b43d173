//! Golden ladders of files in conferences (CN101272266A, S401–S412, S601–S605, S701–S705, S801–S812): application server, media server, file
//! server and terminals, all real, on virtual time. Rewrite them with `BLESS=1 cargo test --test fileshare_ladders`, and read what changed.

use std::{fs, path::Path};

#[path = "support/conference/mod.rs"]
mod conference;
#[path = "support/ladder.rs"]
mod ladder;
#[path = "support/scripted.rs"]
mod scripted;

#[test]
fn shares_open_by_re_invite() {
    ladder::check("fileshare/reinvite", conference::columns);
}

#[test]
fn shares_open_by_info() {
    ladder::check("fileshare/info", conference::columns);
}

#[test]
fn shares_end() {
    ladder::check("fileshare/ending", conference::columns);
}

#[test]
fn shares_belong_to_the_sharers_account() {
    ladder::check("fileshare/owner", conference::columns);
}

#[test]
fn rights_decide() {
    ladder::check("fileshare/rights", conference::columns);
}

/// The CSeq of each INVITE between terminals and the application server, in the order in which they were sent: before somebody shares, and after.
fn invites(folder: &str, name: &str) -> [Vec<u32>; 2] {
    let (_, text) = ladder::files(folder).into_iter().find(|(path, _)| path.ends_with(name)).expect("the ladder");
    let (preamble, rest) = text.split_once("until ").expect("a directive");
    let script = ladder::Script::parse(&format!("{preamble}show CSeq\nuntil {rest}"));
    let (seen, _) = ladder::play(&script, conference::columns(&script), None);
    let (mut found, mut shares, mut is_invite) = ([Vec::new(), Vec::new()], false, false);
    for line in seen.lines() {
        shares |= line.contains(": share ");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, from, "->", to, "INVITE"] => is_invite = [from, to].iter().all(|end| ["alice", "bob", "as"].contains(end)),
            [_, _, "->", ..] => is_invite = false,
            ["|", "CSeq:", number, "INVITE"] if is_invite => found[usize::from(shares)].push(number.parse().expect("a number")),
            _ => {}
        }
    }
    found
}

#[test]
fn the_cseq_of_invite_does_not_move_where_a_share_is_opened_by_info() {
    let [before, after] = invites("fileshare/info", "s801_s812_alice_shares_and_bob_receives.ladder");
    assert_eq!((before.len(), &after[..]), (4, &[][..]), "two calls, each challenged; nothing afterwards");
    // By re-INVITE it does, on both sides.
    let [_, after] = invites("fileshare/reinvite", "s401_s412_alice_shares_and_bob_receives.ladder");
    assert!(after.len() >= 4 && after.iter().all(|cseq| *cseq > 0), "{after:?}");
}

/// A row of the table in `docs/protocols/fileshare.md`: what is shown, by which ladder, by which of its lines.
struct Shown {
    what: String,
    ladder: String,
    lines: Vec<String>,
}

fn table() -> Vec<Shown> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocols/fileshare.md");
    let document = fs::read_to_string(path).expect("the document");
    let (_, section) = document.split_once("## What shows it").expect("the section");
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [what, ladder, lines] = cells[..] else { panic!("a row has three cells: {row}") };
        Shown { what: what.to_owned(), ladder: quoted(ladder).concat(), lines: quoted(lines) }
    })
    .collect()
}

#[test]
fn every_step_claim_and_ending_has_its_ladder() {
    let table = table();
    let numbered = |prefix: &'static str, numbers: std::ops::RangeInclusive<u32>| numbers.map(move |n| format!("{prefix}{n}"));
    let steps = [
        numbered("S", 401..=412),
        numbered("S", 601..=605),
        numbered("S", 701..=705),
        numbered("S", 801..=812),
        numbered("claim ", 1..=15),
    ];
    for step in steps.into_iter().flatten() {
        assert!(table.iter().any(|row| row.what == step), "{step} has no row");
    }
    // Where a ladder stands in several rows one below the other, its lines come in the order of the rows.
    let (mut last, mut from) = (String::new(), 0);
    for Shown { what, ladder, lines } in &table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ladders/fileshare/{ladder}.ladder"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{what}: {}: {error}", path.display()));
        if last != *ladder {
            (last, from) = (ladder.clone(), 0);
        }
        assert!(!lines.is_empty(), "{what} shows no line");
        for line in lines {
            let at =
                text[from..].find(line.as_str()).unwrap_or_else(|| panic!("{what}: {ladder} has no \"{line}\" behind the line before"));
            from += at + line.len();
        }
    }
}
