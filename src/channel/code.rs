//! Codes: what a sender reads out and a receiver types, `7-crystal-window`.
//!
//! In front stands the nameplate, where the two meet; behind it words of BIP 39's English list, 2,048 of them, no two alike in their first four
//! letters: 11 bits each. That is little, and enough: whoever does not know the words has one guess ([`super::pake`]).
//!
//! | typed | is read as |
//! |---|---|
//! | ` 7 Crystal_WINDOW ` | `7-crystal-window`: case, spaces and underscores do not count |
//! | `7-crys-wind` | `7-crystal-window`: four letters name a word |
//! | `7-crystl-window` | refused with the nearest word: a guess is not given away for a slip |
//! | `7-rose2024` | chosen (`--code`): in one piece or with a digit in it, at least [`MIN_CHOSEN`] characters |
//!
//! Both ends read by the same rules, so what a sender chooses is never taken for a slip by the receiver.

use std::{fmt, str::FromStr};

use bip0039::English;
use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use zeroize::Zeroizing;

use super::id::{MAX_NAMEPLATE, Nameplate};

/// Words of a code where nobody says otherwise.
pub const WORDS: usize = 2;
/// Most words of a code.
pub const MAX_WORDS: usize = 8;
/// Fewest characters behind the nameplate of a code that was chosen, hyphens aside.
pub const MIN_CHOSEN: usize = 8;
/// Most bytes of a code, also of one that is being read.
pub const MAX_CODE: usize = 128;
/// So many letters name a word of the list.
const PREFIX: usize = 4;
/// Letters that a word may be away from what was typed to be offered for it.
const NEAR: usize = 3;

/// Why a text is no code. The fault of whoever typed it; the message says what to type. What was typed may be most of a secret: it is shown
/// to who typed it, and not logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// No number in front.
    #[error("a code begins with a number from 1 to {MAX_NAMEPLATE}, as in 7-crystal-window")]
    Nameplate,
    /// Nothing behind the number.
    #[error("a code has words after its number, as in 7-crystal-window")]
    Bare,
    /// One word of the list, and no more.
    #[error("a code has at least {WORDS} words, as in 7-crystal-window")]
    OneWord,
    /// Too many.
    #[error("a code has at most {MAX_WORDS} words")]
    ManyWords,
    /// Not of the list, though the rest looks like words.
    #[error("\"{word}\", the {}, is not in the list{}", nth(*.at), near.map(|near| format!(": is it \"{near}\"?")).unwrap_or_default())]
    Unknown {
        /// Which word behind the number, from 1.
        at: usize,
        /// What was typed.
        word: String,
        /// The nearest word of the list, if one is near.
        near: Option<&'static str>,
    },
    /// The beginning of several words.
    #[error("\"{word}\", the {}, could be {}: type {PREFIX} letters of it", nth(*.at), among.join(", "))]
    Several {
        /// Which word behind the number, from 1.
        at: usize,
        /// What was typed.
        word: String,
        /// The first of the words that begin so.
        among: Vec<&'static str>,
    },
    /// Chosen, and too easily guessed.
    #[error("a code that you choose has at least {MIN_CHOSEN} characters after its number")]
    Short,
    /// Over [`MAX_CODE`].
    #[error("a code has at most {MAX_CODE} characters")]
    Long,
    /// Something that not every keyboard has.
    #[error("a code has letters from a to z, digits and signs, not {0:?}")]
    Character(char),
    /// So many words are not drawn. The caller's fault.
    #[error("a code has {WORDS} to {MAX_WORDS} words, not {0}")]
    WordCount(usize),
}

fn nth(at: usize) -> String {
    match at {
        1 => "first word".to_owned(),
        2 => "second word".to_owned(),
        3 => "third word".to_owned(),
        more => format!("{more}th word"),
    }
}

/// A code. Debug shows the nameplate only; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    nameplate: Nameplate,
    text: Zeroizing<String>,
}

impl Code {
    /// A new code of `words` words.
    ///
    /// # Errors
    /// Fewer than [`WORDS`] or more than [`MAX_WORDS`].
    pub fn draw(nameplate: Nameplate, words: usize, rng: &mut ChaCha12Rng) -> Result<Self, CodeError> {
        if !(WORDS..=MAX_WORDS).contains(&words) {
            return Err(CodeError::WordCount(words));
        }
        let list = English::words();
        let drawn: Vec<_> = (0..words).map(|_| list[rng.random_range(0..list.len())]).collect();
        Ok(Self::joined(nameplate, &drawn))
    }

    fn joined(nameplate: Nameplate, parts: &[&str]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(MAX_CODE));
        text.push_str(&nameplate.to_string());
        for part in parts {
            text.push('-');
            text.push_str(part);
        }
        Self { nameplate, text }
    }

    /// Where the two meet.
    pub fn nameplate(&self) -> Nameplate {
        self.nameplate
    }

    /// The code as it is shown and read out; also, in ASCII, the password of the exchange.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}-…)", self.nameplate)
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let folded = fold(text)?;
        let folded = folded.trim_end_matches('-');
        let (number, rest) = folded.split_once('-').unwrap_or((folded, ""));
        let nameplate = numbered(number).ok_or(CodeError::Nameplate)?;
        if rest.is_empty() {
            return Err(CodeError::Bare);
        }
        let parts: Vec<&str> = rest.split('-').collect();
        if let [one] = parts[..] {
            return if named(one).is_ok() { Err(CodeError::OneWord) } else { chosen(nameplate, &parts) };
        }
        // A digit makes a code one's own, unless it is a slip in words: a slip must not cost the guess.
        if !parts.iter().all(|part| is_letters(part)) && !parts.iter().all(|part| is_slip(part)) {
            return chosen(nameplate, &parts);
        }
        if parts.len() > MAX_WORDS {
            return Err(CodeError::ManyWords);
        }
        let words: Vec<_> =
            parts.iter().enumerate().map(|(at, part)| named(part).map_err(|miss| miss.at(at + 1, part))).collect::<Result<_, _>>()?;
        Ok(Self::joined(nameplate, &words))
    }
}

/// How a code that was begun may go on: whole texts, for a shell or a prompt. None before the first letter of a word, and none where a word
/// before it is wrong. At most as many as there are words with one letter in front.
pub fn completions(begun: &str) -> Vec<String> {
    let Ok(folded) = fold(begun) else { return Vec::new() };
    let mut parts = folded.split('-');
    let (Some(nameplate), Some(last)) = (parts.next().and_then(numbered), parts.next_back()) else { return Vec::new() };
    let Ok(mut words) = parts.map(named).collect::<Result<Vec<_>, _>>() else { return Vec::new() };
    if last.is_empty() || words.len() >= MAX_WORDS {
        return Vec::new();
    }
    let with = |word| {
        words.push(word);
        let whole = Code::joined(nameplate, &words).as_str().to_owned();
        words.pop();
        whole
    };
    beginning_with(last).iter().copied().map(with).collect()
}

/// Lower case, and one hyphen for whatever separates; none in front.
fn fold(text: &str) -> Result<Zeroizing<String>, CodeError> {
    if text.len() > MAX_CODE {
        return Err(CodeError::Long);
    }
    let mut folded = Zeroizing::new(String::with_capacity(MAX_CODE));
    for char in text.chars() {
        match char {
            // Hyphens and dashes that word processors and messengers make of ours.
            '-' | '_' | '\u{2010}'..='\u{2015}' => separate(&mut folded),
            char if char.is_whitespace() => separate(&mut folded),
            char if char.is_ascii_graphic() => folded.push(char.to_ascii_lowercase()),
            char => return Err(CodeError::Character(char)),
        }
    }
    Ok(folded)
}

/// The number in front, with as many zeros before it as somebody may have typed.
fn numbered(text: &str) -> Option<Nameplate> {
    text.trim_start_matches('0').parse().ok()
}

fn separate(folded: &mut String) {
    if !folded.is_empty() && !folded.ends_with('-') {
        folded.push('-');
    }
}

fn chosen(nameplate: Nameplate, parts: &[&str]) -> Result<Code, CodeError> {
    if parts.iter().map(|part| part.len()).sum::<usize>() < MIN_CHOSEN {
        return Err(CodeError::Short);
    }
    Ok(Code::joined(nameplate, parts))
}

fn is_letters(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether it is a word, or one keystroke away from one.
fn is_slip(part: &str) -> bool {
    named(part).is_ok() || nearest(part).is_some_and(|(distance, _)| distance <= 1)
}

/// Why a text names no word.
enum Miss {
    Unknown(Option<&'static str>),
    Several(Vec<&'static str>),
}

impl Miss {
    fn at(self, at: usize, word: &str) -> CodeError {
        match self {
            Self::Unknown(near) => CodeError::Unknown { at, word: word.to_owned(), near },
            Self::Several(among) => CodeError::Several { at, word: word.to_owned(), among },
        }
    }
}

/// The word that a text is, or that it is the beginning of.
fn named(text: &str) -> Result<&'static str, Miss> {
    match beginning_with(text) {
        [first, ..] if *first == text => Ok(first),
        [only] if text.len() >= PREFIX => Ok(only),
        [] => Err(Miss::Unknown(nearest(text).filter(|(distance, _)| *distance <= NEAR).map(|(_, word)| word))),
        several => Err(Miss::Several(several.iter().copied().take(5).collect())),
    }
}

/// The words that begin so; the list is sorted.
fn beginning_with(text: &str) -> &'static [&'static str] {
    let list = English::words();
    let from = list.partition_point(|word| *word < text);
    let to = from + list[from..].partition_point(|word| word.starts_with(text));
    &list[from..to]
}

fn nearest(text: &str) -> Option<(usize, &'static str)> {
    English::words().iter().map(|word| (strsim::damerau_levenshtein(text, word), *word)).min()
}

#[cfg(test)]
#[path = "code/tests.rs"]
mod tests;
