//! The text of a file that people keep, too: a line for each entry, `WHO WHAT`; empty lines and such as begin with `#` are remarks, which stay where
//! they are whatever is pinned or taken out.

use std::fmt::Display;

/// A file's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The entries of a text, each with the number of its line, from 1 on: who, and what where there is one word for it.
    pub(super) fn entries(text: &str) -> impl Iterator<Item = (usize, &str, Option<&str>)> {
        (1..).zip(text.lines()).filter_map(|(number, line)| {
            let mut words = line.split_whitespace();
            let who = words.next().filter(|who| !who.starts_with('#'))?;
            let what = words.next();
            Some((number, who, what.filter(|_| words.next().is_none())))
        })
    }

    /// Adds an entry behind all others.
    pub(super) fn append(&mut self, who: &impl Display, what: &impl Display) {
        if !self.0.is_empty() && !self.0.ends_with('\n') {
            self.0.push('\n');
        }
        self.0.push_str(&format!("{who} {what}\n"));
    }

    /// Takes out the entries of whoever that is.
    pub(super) fn remove(&mut self, is_it: impl Fn(&str) -> bool) {
        let stays = |line: &&str| Self::entries(line).next().is_none_or(|(_, who, _)| !is_it(who));
        self.0 = self.0.split_inclusive('\n').filter(stays).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_stay_where_they_are() {
        let mut lines = Lines::new("# compared by phone\nbob@a 1\n\n#carol@a 2\ncarol@a 3 ");
        lines.append(&"dave@a", &4);
        assert_eq!(lines.as_str(), "# compared by phone\nbob@a 1\n\n#carol@a 2\ncarol@a 3 \ndave@a 4\n");
        let of = |lines: &Lines| {
            Lines::entries(lines.as_str()).map(|(at, who, what)| format!("{at} {who} {}", what.unwrap_or("none"))).collect::<Vec<_>>()
        };
        assert_eq!(of(&lines), ["2 bob@a 1", "5 carol@a 3", "6 dave@a 4"]);
        lines.remove(|who| who == "carol@a");
        assert_eq!(lines.as_str(), "# compared by phone\nbob@a 1\n\n#carol@a 2\ndave@a 4\n");
        assert_eq!(of(&Lines::new("bob@a\ncarol@a 1 2")), ["1 bob@a none", "2 carol@a none"]);
    }
}
