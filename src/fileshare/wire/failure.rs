//! Why something about a share was not done: one closed list for packets and XML bodies.

use crate::conference::wire::words::words;

/// Longest text of a failure, in bytes of UTF-8. Longer ones are cut when made, and refused when read.
pub const MAX_FAILURE_TEXT: usize = 1024;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// The kind: for programs.
    pub code: FailureCode,
    /// For people; lower case, fit for "failed to …". As the other side wrote it: not yet safe for a terminal.
    pub text: String,
}

impl Failure {
    /// A failure; the text is cut to [`MAX_FAILURE_TEXT`].
    pub fn new(code: FailureCode, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(MAX_FAILURE_TEXT));
        Self { code, text }
    }
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum FailureCode {
    /// For a reason not below.
    Failed = 1,
    /// What was asked is malformed or out of range.
    Usage = 2,
    /// Not permitted: no right to share or receive, or the proof of the transfer key is wrong.
    Forbidden = 3,
    /// No such share, member or batch.
    NotFound = 4,
    /// Exists already, or does not fit what exists: another batch, another manifest, a second connection.
    Conflict = 5,
    /// The member does not want it.
    Declined = 6,
    /// Unreachable or timed out.
    Unreachable = 7,
    /// An operation, version or kind that this side does not know.
    Unsupported = 8,
    /// More files, bytes, shares or members than allowed.
    Limit = 9,
    /// No room on a disk.
    NoSpace = 10,
    /// What arrived is not what was sent: a hash or a length differs.
    Integrity = 11,
    /// A file of the sharer changed, shrank or vanished while it was read.
    SourceChanged = 12,
    /// Packets in the wrong order, of the wrong length, or otherwise against the protocol.
    Protocol = 13,
    /// Given up by somebody.
    Cancelled = 14,
    /// The share has ended.
    Ended = 15,
    /// Not now; later perhaps.
    Busy = 16,
}

words!(FailureCode {
    Failed = "failed",
    Usage = "usage",
    Forbidden = "forbidden",
    NotFound = "not-found",
    Conflict = "conflict",
    Declined = "declined",
    Unreachable = "unreachable",
    Unsupported = "unsupported",
    Limit = "limit",
    NoSpace = "no-space",
    Integrity = "integrity",
    SourceChanged = "source-changed",
    Protocol = "protocol",
    Cancelled = "cancelled",
    Ended = "ended",
    Busy = "busy",
});

impl FailureCode {
    /// Every kind, in the order of its numbers.
    pub const ALL: [Self; 16] = [
        Self::Failed,
        Self::Usage,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::Declined,
        Self::Unreachable,
        Self::Unsupported,
        Self::Limit,
        Self::NoSpace,
        Self::Integrity,
        Self::SourceChanged,
        Self::Protocol,
        Self::Cancelled,
        Self::Ended,
        Self::Busy,
    ];

    /// The number that stands in packets.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The kind of a number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_stand_for_the_same_kinds() {
        for (at, code) in FailureCode::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(code.number()), at + 1, "numbers count up from 1");
            assert_eq!((FailureCode::from_number(code.number()), FailureCode::from_word(code.as_str())), (Some(code), Some(code)));
        }
        assert_eq!((FailureCode::from_number(0), FailureCode::from_number(17)), (None, None));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let failure = Failure::new(FailureCode::Failed, format!("a{}", "é".repeat(600)));
        assert_eq!(failure.text.len(), MAX_FAILURE_TEXT - 1);
    }
}
