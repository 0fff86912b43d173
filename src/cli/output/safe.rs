//! Text from elsewhere made safe for a terminal.
//!
//! A display name, a subject or a file name may hold anything. What could move the cursor, change colours, hide or reorder the text around
//! it is shown as an escape instead: the C0 and C1 controls and DEL, line and paragraph separators, the marks that change the direction of
//! writing, invisible ones, and tags. Letters of every script, combining marks and emoji (with their joiners) pass.

use std::{borrow::Cow, fmt::Write as _};

/// Whether this character may not reach a terminal as it is.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, unsafe characters as `\n`, `\t`, `\u{1b}`.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            _ if !is_unsafe(c) => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            // Writing to a String cannot fail.
            _ => drop(write!(safe, "{}", c.escape_unicode())),
        }
    }
    Cow::Owned(safe)
}

/// Each line of a text of several, as [`line`]; tabs stay, as what was sent may be pasted.
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|one| one.split('\t').map(line).collect::<Vec<_>>().join("\t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_instead() {
        for (text, shown) in [
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\u{9b}31m", "a\\u{9b}31m"),
            ("two\r\nlines\tand a tab", "two\\r\\nlines\\tand a tab"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
            ("no\u{200b}thing", "no\\u{200b}thing"),
            ("\u{7f}", "\\u{7f}"),
        ] {
            assert_eq!(line(text), shown);
        }
    }

    #[test]
    fn letters_of_every_script_pass() {
        for text in ["Ольга", "张伟", "محمد", "José", "e\u{301}", "👩\u{200d}🚀", "می\u{200c}خواهم", "plain"] {
            assert!(matches!(line(text), Cow::Borrowed(_)), "{text}");
        }
    }
}
