//! The torture messages with what each must get: those written for this project, and the RFCs' own where a folder has them.

use std::{env, fs, path::Path};

/// A message and its verdicts; the columns are explained in `verdicts.txt`.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name.
    pub name: String,
    /// The message.
    pub bytes: Vec<u8>,
    /// What the front-end makes of it as a datagram.
    pub datagram: String,
    /// What framing and front-end make of it on a stream.
    pub stream: String,
    /// What a server of ours answers.
    pub agent: String,
    /// Which section of which RFC has it; empty for our own.
    pub section: String,
}

/// The messages written for this project.
pub fn own() -> Vec<Case> {
    let folder = folder();
    let cases: Vec<Case> =
        table("verdicts.txt").into_iter().filter_map(|row| row.read(&[folder.join(format!("{}.sip", row.name))])).collect();
    let files =
        fs::read_dir(&folder).expect("the folder").filter(|f| f.as_ref().is_ok_and(|f| f.path().extension().is_some_and(|e| e == "sip")));
    assert_eq!(cases.len(), files.count(), "every message has a row, and every row a message");
    cases
}

/// The messages of RFC 4475 and RFC 5118 that are in the folder named by `CONFKIT_TORTURE_DIR`; `None` when it is not set.
pub fn of_the_rfcs() -> Option<Vec<Case>> {
    let folder = env::var_os("CONFKIT_TORTURE_DIR")?;
    let folder = Path::new(&folder);
    let rows = table("rfc4475.txt").into_iter().chain(table("rfc5118.txt"));
    Some(rows.filter_map(|row| row.read(&[folder.join(format!("{}.dat", row.name)), folder.join(&row.name)])).collect())
}

/// The names in one of the RFCs' tables.
pub fn names(file: &str) -> Vec<String> {
    table(file).into_iter().map(|row| row.name).collect()
}

struct Row {
    name: String,
    verdicts: [String; 3],
    section: String,
}

impl Row {
    fn read(&self, places: &[std::path::PathBuf]) -> Option<Case> {
        let mut bytes = places.iter().find_map(|place| fs::read(place).ok())?;
        if !bytes.windows(2).any(|w| w == b"\r\n") && places.len() > 1 {
            bytes = mended(&String::from_utf8_lossy(&bytes));
        }
        let [datagram, stream, agent] = self.verdicts.clone();
        Some(Case { name: self.name.clone(), bytes, datagram, stream, agent, section: self.section.clone() })
    }
}

/// A message of RFC 5118's archive as it was meant: the archive has bare line feeds, two messages without their empty line, and lengths that
/// were counted otherwise.
fn mended(text: &str) -> Vec<u8> {
    let text = text.replace('\n', "\r\n");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.trim_end(), ""));
    let lines = head.split("\r\n").map(|line| match line.strip_prefix("Content-Length:") {
        Some(_) => format!("Content-Length: {}\r\n", body.len()),
        None => format!("{line}\r\n"),
    });
    format!("{}\r\n{body}", lines.collect::<String>()).into_bytes()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

fn table(file: &str) -> Vec<Row> {
    let text = fs::read_to_string(folder().join(file)).expect(file);
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    rows.map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut word = || words.next().unwrap_or_else(|| panic!("{file}: {line}"));
        let (name, verdicts) = (word(), [word(), word(), word()]);
        // `rfc4475.txt` and the like begin the last column with the section.
        let rfc = file.strip_suffix(".txt").and_then(|stem| stem.strip_prefix("rfc"));
        let section = rfc.map(|rfc| format!("{rfc} {}", word().trim_end_matches([':', ','])));
        Row { name, verdicts, section: section.unwrap_or_default() }
    })
    .collect()
}
