//! What is taken without anybody being asked, by a rule of the configuration, and what is not taken at all.

use crate::{channel::wire::letter::Content, cli::fshare::show::human, config::Accept, id::UserName};

/// Whether a rule takes what a user offers. `known`: by an identity that is known. `size`: bytes of all; none where not known yet, which only a rule
/// without a largest size takes.
pub fn is_taken(rules: &[Accept], from: &UserName, known: bool, size: Option<u64>) -> bool {
    let fits = |rule: &Accept| rule.max_size.get().is_none_or(|most| size.is_some_and(|size| size <= most));
    known && rules.iter().any(|rule| rule.from == *from && fits(rule))
}

/// How much is taken at most, whoever says yes to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound {
    most: Option<u64>,
    /// What nobody knows the size of is taken in spite of it.
    unknown: bool,
    /// It is what was offered, and not what the flag says.
    offered: bool,
}

impl Bound {
    /// That of `--max-size` and `--unknown-size`.
    pub fn of(most: Option<u64>, unknown: bool) -> Self {
        Self { most, unknown, offered: false }
    }

    /// The same for what was said to be so large, and was said yes to. It is never more than before.
    #[must_use]
    pub fn offered(self, size: Option<u64>) -> Self {
        match (size, self.most) {
            (Some(size), Some(most)) if most < size => Self { unknown: false, ..self },
            (Some(size), _) => Self { most: Some(size), unknown: false, offered: true },
            (None, _) => self,
        }
    }

    /// Why this is not taken: what the sender is told, and what is said here. Nothing where it is.
    pub fn refuses(&self, size: Option<u64>) -> Option<(String, String)> {
        let most = self.most?;
        match size {
            Some(size) if size <= most => None,
            None if self.unknown => None,
            Some(size) if self.offered => {
                let why = format!("{} would come, and {} were offered", human(size), human(most));
                Some((why.clone(), why))
            }
            Some(size) => Some((
                format!("it is larger than the receiver accepts ({})", human(most)),
                format!("it has {}, and --max-size is {}", human(size), human(most)),
            )),
            None => Some((
                format!("its size is unknown, and the receiver accepts {} at most", human(most)),
                format!("its size is unknown, and --max-size is {} (--unknown-size accepts it all the same)", human(most)),
            )),
        }
    }
}

/// What was said yes to before anything came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promised {
    /// Files, or a text.
    pub content: Content,
    /// Files and folders.
    pub count: u32,
}

impl Promised {
    /// Why what comes is not taken, though something was: it is another thing, or has more in it. Nothing where it is.
    pub fn refuses(&self, content: Content, count: usize) -> Option<&'static str> {
        match (self.content, content) {
            (Content::Text, Content::Files) => Some("files would come, and a text was offered"),
            (Content::Files, Content::Text) => Some("a text would come, and files were offered"),
            _ if u32::try_from(count).is_ok_and(|count| count <= self.count) => None,
            _ => Some("more files and folders would come than were offered"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MaxSize, Size};

    #[test]
    fn a_rule_takes_what_a_known_user_offers_up_to_its_size_and_nothing_else() {
        let user = |name: &str| name.parse::<UserName>().expect("a name");
        let rule = |name: &str, most: Option<u64>| Accept { from: user(name), max_size: MaxSize(most.map(Size::of)) };
        let rules = [rule("bob", Some(100)), rule("carol", None), rule("bob", Some(50))];
        for (from, known, size, expected) in [
            ("bob", true, Some(100), true),
            ("bob", true, Some(101), false),
            ("bob", true, None, false),
            ("bob", false, Some(1), false),
            ("carol", true, None, true),
            ("carol", true, Some(u64::MAX), true),
            ("dave", true, Some(0), false),
        ] {
            assert_eq!(is_taken(&rules, &user(from), known, size), expected, "{from}, {known}, {size:?}");
        }
        assert!(!is_taken(&[], &user("bob"), true, Some(0)));
    }

    #[test]
    fn what_is_too_large_or_may_be_is_refused_with_the_reason() {
        let bound = Bound::of(Some(1 << 20), false);
        let unknown = Bound::of(Some(1 << 20), true);
        for (bound, size, expected) in [
            (Bound::default(), None, None),
            (Bound::default(), Some(u64::MAX), None),
            (bound, Some(1 << 20), None),
            (bound, Some(2 << 20), Some("it has 2.00 MiB, and --max-size is 1.00 MiB")),
            (bound, None, Some("its size is unknown, and --max-size is 1.00 MiB (--unknown-size accepts it all the same)")),
            (unknown, None, None),
            (unknown, Some(2 << 20), Some("it has 2.00 MiB, and --max-size is 1.00 MiB")),
            (bound.offered(None), None, Some("its size is unknown, and --max-size is 1.00 MiB (--unknown-size accepts it all the same)")),
            // More than was said yes to.
            (Bound::default().offered(Some(5)), Some(6), Some("6 B would come, and 5 B were offered")),
            (Bound::default().offered(Some(5)), Some(5), None),
            // What is offered raises nothing.
            (bound.offered(Some(8 << 20)), Some(2 << 20), Some("it has 2.00 MiB, and --max-size is 1.00 MiB")),
            (bound.offered(Some(5)), Some(6), Some("6 B would come, and 5 B were offered")),
        ] {
            assert_eq!(bound.refuses(size).map(|(_, said)| said).as_deref(), expected, "{bound:?}, {size:?}");
        }
    }

    #[test]
    fn who_agreed_to_a_text_gets_no_files_and_who_agreed_to_one_file_gets_no_two() {
        let (text, files) = (Promised { content: Content::Text, count: 1 }, Promised { content: Content::Files, count: 2 });
        for (promised, content, count, expected) in [
            (text, Content::Text, 1, None),
            (text, Content::Files, 1, Some("files would come, and a text was offered")),
            (text, Content::Text, 2, Some("more files and folders would come than were offered")),
            (files, Content::Files, 1, None),
            (files, Content::Files, 2, None),
            (files, Content::Files, 3, Some("more files and folders would come than were offered")),
            (files, Content::Files, usize::MAX, Some("more files and folders would come than were offered")),
            (files, Content::Text, 1, Some("a text would come, and files were offered")),
        ] {
            assert_eq!(promised.refuses(content, count), expected, "{promised:?}, {content:?}, {count}");
        }
    }
}
