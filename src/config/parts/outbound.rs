//! Gateways, and the way out to addresses that are not ours.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::{
    config::{
        schema::item,
        value::{Network, Text, ValueError},
    },
    sip::message::SipUri,
};

item! {
    /// A gateway or peer that calls come from and go to.
    pub struct Trunk {
        /// What routes call it.
        name: Text,
        /// Where calls go: sip:gateway.example;transport=tcp.
        uri: SipUri,
        /// Addresses that calls are admitted from without a password.
        addresses: Vec<Network> = Vec::new(),
        /// User name that we give when the gateway asks.
        username: Option<Text> = None,
        /// File that holds the password for it, in its first line.
        password_file: Option<PathBuf> = None,
    }
}

item! {
    /// A way out. The first route whose pattern fits is taken.
    pub struct Route {
        /// What is called: numbers (`+49*`), or `user@domain` with `*` for any text (`*@example.org`, `*@*`).
        pattern: Pattern,
        /// The trunk that takes the call, or `direct` for the host that the URI names.
        trunk: Text,
    }
}

/// The trunk of a route that goes where the URI says.
pub const DIRECT: &str = "direct";

impl Route {
    /// The route that takes every URI to its own host.
    pub fn direct() -> Self {
        Self { pattern: Pattern("*@*".to_owned()), trunk: Text(DIRECT.to_owned()) }
    }
}

/// What a route is for: a text with `*` for any text, the empty one included; case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// True if a number, or `user@domain`, fits.
    pub fn fits(&self, called: &str) -> bool {
        let called = called.to_ascii_lowercase();
        let mut pieces = self.0.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| called.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            let Some((_, behind)) = rest.split_once(piece) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }

    /// True if it is for `user@domain`, false if for numbers.
    pub fn is_for_addresses(&self) -> bool {
        self.0.contains('@')
    }
}

impl FromStr for Pattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() || text.contains(|c: char| c.is_control() || c.is_whitespace()) || text.matches('*').count() > 8 {
            return Err(ValueError::new("it is empty, has a space, or more than 8 stars"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, called: &str) -> bool {
        pattern.parse::<Pattern>().expect("pattern").fits(called)
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(fits("+49*", "+4930123") && fits("+49*", "+49") && !fits("+49*", "+4830"));
        assert!(fits("*@example.org", "bob@EXAMPLE.org") && !fits("*@example.org", "bob@example.org.evil"));
        assert!(fits("*@*", "bob@192.0.2.1") && !fits("*@*", "+4930"));
        assert!(fits("100", "100") && !fits("100", "1001"));
        assert!(fits("a*b*c", "aXbYc") && !fits("a*b*c", "ac") && !fits("a*a", "a"));
    }
}
