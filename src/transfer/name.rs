//! Names that may be made on another machine: relative, inside, and the same everywhere.
//!
//! A [`SafePath`] is a proof. Whoever holds one knows that joining it to a folder names something inside that folder, as far as text
//! can say; what symbolic links on the disk make of it is the sink's matter. Nothing is escaped or mended: a name that cannot be kept
//! as it is, is refused, so that two receivers never disagree on what a file is called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most bytes of one component, as most file systems have it.
pub const MAX_COMPONENT: usize = 255;
/// Most bytes that the name of a partial file has more than its target: two dots, the tag, a hyphen, an entry's number, the suffix.
pub(super) const PART_MORE: usize = 2 + PART_TAG + 1 + 5 + PART_SUFFIX.len();
/// Bytes of the tag in the name of a partial file, which tells transfers apart.
pub(super) const PART_TAG: usize = 8;
/// Most bytes of a whole path, separators included: what Linux takes (`PATH_MAX`, 4096 with its zero) for the partial file too.
pub const MAX_PATH: usize = 4095 - PART_MORE;
/// Most components of a path.
pub const MAX_DEPTH: usize = 128;
/// How partial files end; no entry may be called so.
pub const PART_SUFFIX: &str = ".confkit-part";

/// Device names of Windows, which it finds whatever the extension.
const RESERVED: &[&str] = &[
    "con", "prn", "aux", "nul", "conin$", "conout$", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
    "lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Why a name is refused. The sender's fault. `name` is made fit for a message: without control characters and not endless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name \"{name}\" is refused: {why}")]
pub struct NameError {
    /// The name as it may be shown.
    pub name: String,
    /// What is wrong with it.
    pub why: NameFault,
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// Nothing there, or nothing between two slashes.
    #[error("it has an empty part")]
    Empty,
    /// It starts at the root or at a drive.
    #[error("it is absolute")]
    Absolute,
    /// A part is `.` or `..`.
    #[error("it has a part \".\" or \"..\"")]
    Dots,
    /// Control characters, or marks that turn the direction of writing and so show another name than there is.
    #[error("it has control characters")]
    Control,
    /// A backslash, which separates on Windows.
    #[error("it has a backslash")]
    Backslash,
    /// A device name on Windows, or a part that ends with a space or a dot, which Windows drops.
    #[error("it is reserved on some systems")]
    Reserved,
    /// It looks like one of our partial files.
    #[error("it ends like a partial file")]
    Partial,
    /// Over [`MAX_COMPONENT`], [`MAX_PATH`] or [`MAX_DEPTH`].
    #[error("it is too long or too deep")]
    TooLong,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    Encoding,
}

/// A relative path with `/` between its parts that names something inside any folder it is joined to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SafePath(String);

impl SafePath {
    /// Checks a name.
    ///
    /// # Errors
    /// The first fault found.
    pub fn new(name: &str) -> Result<Self, NameError> {
        match fault(name) {
            None => Ok(Self(name.to_owned())),
            Some(why) => Err(NameError { name: shown(name), why }),
        }
    }

    /// The path as it travels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// All but the last part; none where there is only one.
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// The folders above, outermost first: `a`, `a/b` for `a/b/c`.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }

    /// This path with one more part.
    ///
    /// # Errors
    /// The part is no name, or the whole is too long.
    pub fn join(&self, part: &str) -> Result<Self, NameError> {
        Self::new(&format!("{}/{part}", self.0))
    }

    /// The same path with another last part.
    ///
    /// # Errors
    /// The part is no name, or the whole is too long.
    pub fn with_file_name(&self, name: &str) -> Result<Self, NameError> {
        match self.parent() {
            Some(parent) => Self::new(&format!("{parent}/{name}")),
            None => Self::new(name),
        }
    }

    /// The `n`-th other name for it: `report (1).pdf` for `report.pdf`. Where that is too long, the stem is cut.
    pub fn numbered(&self, n: u32) -> Self {
        let name = self.file_name();
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && extension.len() <= 16 => (stem, format!(".{extension}")),
            _ => (name, String::new()),
        };
        let tail = format!(" ({n}){extension}");
        let mut stem = stem;
        let room =
            MAX_COMPONENT.saturating_sub(tail.len()).min(MAX_PATH.saturating_sub(tail.len() + self.parent().map_or(0, |p| p.len() + 1)));
        while stem.len() > room {
            stem = &stem[..stem.char_indices().next_back().map_or(0, |(at, _)| at)];
        }
        // What was a name stays one: the tail is ASCII, ends with a parenthesis or the old extension, and the length is minded.
        self.with_file_name(&format!("{stem}{tail}")).unwrap_or_else(|_| self.clone())
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SafePath {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl std::str::FromStr for SafePath {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<SafePath> for String {
    fn from(path: SafePath) -> Self {
        path.0
    }
}

/// A rejected name as it may stand in a message.
pub(super) fn shown(name: &str) -> String {
    const MOST: usize = 120;
    let mut shown: String = name
        .chars()
        .take(MOST)
        .flat_map(|c| if turns(c) { c.escape_unicode().collect::<Vec<_>>() } else { c.escape_debug().collect() })
        .collect();
    if name.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

fn fault(name: &str) -> Option<NameFault> {
    let mut letters = name.bytes();
    if name.starts_with('/') || (letters.next().is_some_and(|b| b.is_ascii_alphabetic()) && letters.next() == Some(b':')) {
        return Some(NameFault::Absolute);
    }
    if name.len() > MAX_PATH {
        return Some(NameFault::TooLong);
    }
    if name.chars().any(|c| c.is_control() || turns(c)) {
        return Some(NameFault::Control);
    }
    if name.contains('\\') {
        return Some(NameFault::Backslash);
    }
    if name.split('/').count() > MAX_DEPTH {
        return Some(NameFault::TooLong);
    }
    name.split('/').find_map(part_fault)
}

fn part_fault(part: &str) -> Option<NameFault> {
    let stem = part.split('.').next().unwrap_or(part).trim_end().to_ascii_lowercase();
    match part {
        "" => Some(NameFault::Empty),
        "." | ".." => Some(NameFault::Dots),
        _ if part.len() > MAX_COMPONENT => Some(NameFault::TooLong),
        _ if part.ends_with([' ', '.']) || RESERVED.contains(&stem.as_str()) => Some(NameFault::Reserved),
        _ if part.to_ascii_lowercase().ends_with(PART_SUFFIX) => Some(NameFault::Partial),
        _ => None,
    }
}

/// Marks of Unicode's bidirectional algorithm that override or embed: with them `gpj.exe` is shown as `exe.jpg`; and separators of lines.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha12Rng;

    use super::*;

    #[test]
    fn ordinary_names_are_kept_as_they_are() {
        for name in
            ["a", "a/b/c.txt", ".hidden", "...a", "ä ö/日本.pdf", "con-cert.txt", "What is this?.pdf", "ab:c", "console", &"x".repeat(255)]
        {
            assert_eq!(SafePath::new(name).expect(name).as_str(), name);
        }
    }

    fn long_path(len: usize) -> String {
        let folders = format!("{}/", "x".repeat(255)).repeat(len / 256);
        format!("{folders}{}", "y".repeat(len - folders.len()))
    }

    #[test]
    fn each_fault_is_told() {
        let long = format!("{}/b", "x".repeat(256));
        let deep = "d/".repeat(MAX_DEPTH) + "f";
        let longest = format!("{}{}", "abcdefghijklmno/".repeat(127), "x".repeat(255));
        assert!(SafePath::new(&longest).is_ok());
        let huge = long_path(MAX_PATH + 1);
        assert!(SafePath::new(&long_path(MAX_PATH)).is_ok());
        let cases: &[(&str, NameFault)] = &[
            ("", NameFault::Empty),
            ("a//b", NameFault::Empty),
            ("a/", NameFault::Empty),
            ("/etc/passwd", NameFault::Absolute),
            ("//server/share", NameFault::Absolute),
            ("C:/x", NameFault::Absolute),
            ("c:x", NameFault::Absolute),
            ("..", NameFault::Dots),
            ("a/../b", NameFault::Dots),
            ("./a", NameFault::Dots),
            ("a\0b", NameFault::Control),
            ("a\nb", NameFault::Control),
            ("a\u{9b}31m", NameFault::Control),
            ("a\u{202e}gpj.exe", NameFault::Control),
            ("a\u{61c}b", NameFault::Control),
            ("a\\..\\b", NameFault::Backslash),
            ("x/CON", NameFault::Reserved),
            ("nul.txt", NameFault::Reserved),
            ("Com1 .log", NameFault::Reserved),
            ("a /b", NameFault::Reserved),
            ("a.", NameFault::Reserved),
            ("...", NameFault::Reserved),
            (".a.1234-0.confkit-part", NameFault::Partial),
            (".CONFKIT-PART", NameFault::Partial),
            (&long, NameFault::TooLong),
            (&deep, NameFault::TooLong),
            (&huge, NameFault::TooLong),
        ];
        for (name, why) in cases {
            let error = SafePath::new(name).expect_err(name);
            assert_eq!(error.why, *why, "{name:?}");
            assert!(!error.to_string().contains(|c: char| c.is_control() || turns(c)), "{error}");
        }
    }

    #[test]
    fn whatever_is_accepted_stays_below_any_folder_and_is_numbered_into_such() {
        let pieces =
            ["a", "..", ".", "/", "\\", "nul", " ", "\u{202e}", "\u{0}", "é", "C:", "x.tar.gz", "…", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"];
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let mut accepted = 0;
        for _ in 0..20_000 {
            let text: String = (0..random.random_range(1..14)).map(|_| pieces[random.random_range(0..pieces.len())]).collect();
            let Ok(path) = SafePath::new(&text) else { continue };
            accepted += 1;
            for name in [path.clone(), path.numbered(random.random_range(1..9_999))] {
                let std = std::path::Path::new(name.as_str());
                assert!(std.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{name}");
                assert_eq!(SafePath::new(name.as_str()), Ok(name.clone()));
                assert_eq!((name.parent(), name.as_str().split('/').count()), (path.parent(), path.ancestors().count() + 1));
            }
            assert_ne!(path.numbered(1), path);
        }
        assert!(accepted > 1_000, "{accepted}");
    }

    #[test]
    fn another_name_keeps_the_extension_and_the_bounds() {
        let numbered = |name: &str| SafePath::new(name).expect("safe").numbered(12).to_string();
        assert_eq!(numbered("d/report.pdf"), "d/report (12).pdf");
        assert_eq!(numbered("Makefile"), "Makefile (12)");
        assert_eq!(numbered(".bashrc"), ".bashrc (12)");
        let long = format!("{}.txt", "ä".repeat(125));
        assert_eq!(numbered(&long), format!("{}{}", "ä".repeat(123), " (12).txt"));
    }
}
