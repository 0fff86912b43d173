//! Why the relay refuses, and why a terminal is no longer there.

use serde::{Deserialize, Serialize};

use super::frame::VERSION;

/// Longest text for people, in bytes of UTF-8. Longer ones are cut when made, and refused when read.
pub const MAX_TEXT: usize = 1024;

/// Cuts a text to [`MAX_TEXT`].
pub(super) fn cut(text: impl Into<String>) -> String {
    let mut text = text.into();
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

/// Enums that stand in JSON by their names.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$about:meta])* $name:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$about])* #[serde(rename = $word)] $name,)*
        }

        impl $type {
            /// Every one, in the order of the document.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

named!(
    /// Why the relay refuses. It closes the connection behind it.
    RefusalCode {
        /// A version of the protocol that it does not speak.
        Version = "version",
        /// Not what the protocol says.
        Malformed = "malformed",
        /// The ticket is not good, or there is none where one is needed (step 3: 验证失败).
        NotAuthenticated = "not-authenticated",
        /// Known, but not permitted (step 3: 非法用户).
        NotPermitted = "not-permitted",
        /// The applicant has as many channels as it may have.
        Quota = "quota",
        /// Too often.
        Rate = "rate",
        /// The relay has as many channels as it bears.
        NoCapacity = "no-capacity",
        /// Nobody is at this place, or its code is spent.
        NoSuchPlace = "no-such-place",
        /// Somebody else has the nameplate, or is the sender at this place.
        Taken = "taken",
        /// There is no channel of this number (any more).
        NoSuchChannel = "no-such-channel",
        /// The proof of the channel key is wrong.
        WrongProof = "wrong-proof",
        /// As many are there as may be.
        Full = "full",
        /// Unused for too long, or waited for too long.
        Expired = "expired",
        /// The relay is being stopped.
        Draining = "draining",
    }
);

named!(
    /// Why a terminal is no longer there. The first five are the terminal's own, in its `leave`; the others the relay finds.
    Reason {
        /// All has come.
        Done = "done",
        /// Its user has given up.
        Cancelled = "cancelled",
        /// It could not go on.
        Failed = "failed",
        /// It does not want what was offered.
        Declined = "declined",
        /// It has broken off, and can go on: by itself, or when its user says so.
        Suspended = "suspended",
        /// One of its connections ended without a `leave`.
        Broken = "broken",
        /// It gave no sign of life.
        Silent = "silent",
        /// It held the other receivers back for too long; it can go on later.
        Slow = "slow",
        /// It has come back by another connection, which follows.
        Replaced = "replaced",
        /// It was refused something, and so was closed.
        Refused = "refused",
        /// It waited for too long.
        Expired = "expired",
    }
);

impl Reason {
    /// True where a terminal may say it of itself.
    pub fn is_a_terminals_own(self) -> bool {
        match self {
            Self::Done | Self::Cancelled | Self::Failed | Self::Declined | Self::Suspended => true,
            Self::Broken | Self::Silent | Self::Slow | Self::Replaced | Self::Refused | Self::Expired => false,
        }
    }
}

/// `refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The kind: for programs.
    pub code: RefusalCode,
    /// For people; lower case, fit for "failed to …". As the other side wrote it: not yet safe for a terminal.
    pub text: String,
    /// Seconds after which it may go better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<u32>,
    /// The versions that the relay speaks, with [`RefusalCode::Version`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<u8>,
}

impl Refused {
    /// A refusal; the text is cut to [`MAX_TEXT`].
    pub fn new(code: RefusalCode, text: impl Into<String>) -> Self {
        let versions = if code == RefusalCode::Version { vec![VERSION] } else { Vec::new() };
        Self { code, text: cut(text), retry: None, versions }
    }

    /// With the seconds after which it may go better.
    #[must_use]
    pub fn retry(self, seconds: u32) -> Self {
        Self { retry: Some(seconds), ..self }
    }
}
