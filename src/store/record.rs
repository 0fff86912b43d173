//! What is stored, as values.

use std::time::{Duration, SystemTime};

use crate::id::{ConferenceName, UserName};

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Name.
    pub name: UserName,
    /// Role, as `account` prints it.
    pub role: String,
    /// H(A1) for SHA-256, sealed.
    pub a1_sha256: Vec<u8>,
    /// H(A1) for MD5, sealed.
    pub a1_md5: Vec<u8>,
    /// True while the password is the one that the first start made up.
    pub initial_password: bool,
    /// When it was made; to the millisecond.
    pub created: SystemTime,
}

impl std::fmt::Debug for AccountRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountRecord").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// One contact of a registered account (RFC 3261 §10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRecord {
    /// Whose it is: the user part of the address of record.
    pub user: UserName,
    /// The domain of the address of record.
    pub domain: String,
    /// The Contact value; what tells it from the others of the same address of record.
    pub contact: String,
    /// Preference in thousandths.
    pub q: u16,
    /// When it ends; to the millisecond.
    pub expires: SystemTime,
    /// The Call-ID of the REGISTER that made or refreshed it.
    pub call_id: String,
    /// The CSeq number of that REGISTER.
    pub cseq: u32,
    /// Where that REGISTER came from, as a hop prints itself.
    pub hop: String,
    /// Path values, topmost first (RFC 3327); none may hold a line end.
    pub path: Vec<String>,
}

/// The definition of a conference: what `confctl create` made, not who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceRecord {
    /// Name.
    pub name: ConferenceName,
    /// Title, empty if it has none.
    pub title: String,
    /// The sealed verifier of its PIN.
    pub pin: Option<Vec<u8>>,
    /// Whether guests are let in: `None` as the configuration says.
    pub guests: Option<bool>,
    /// Most participants: `None` as the configuration says.
    pub max_participants: Option<u32>,
    /// How long it lives after it was made: `None` for as long as it is wanted. To the millisecond.
    pub ttl: Option<Duration>,
    /// True if it ends when the chair leaves.
    pub ends_with_chair: bool,
    /// True if it ends (and the definition goes) when the last participant leaves.
    pub ends_when_empty: bool,
    /// True if nobody further is let in.
    pub locked: bool,
    /// Who may do what, as far as it says so itself; as `account` prints it, which bounds it.
    pub rights: String,
    /// Who made it; `None` for one born of a guest's dial-in.
    pub creator: Option<UserName>,
    /// When it was made; to the millisecond.
    pub created: SystemTime,
    /// Raised with every change; what compare-and-set compares.
    pub revision: u64,
}

/// A fact about this server, settled once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The realm of digest authentication: the stored H(A1) hold for this one only.
    Realm,
    /// That the first start has made the administrator's account.
    AdministratorMade,
    /// The seed of the key that tickets are signed with, sealed, in base64url.
    TicketKey,
}

impl Fact {
    /// The name it is stored under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Realm => "realm",
            Self::AdministratorMade => "administrator-made",
            Self::TicketKey => "ticket-key",
        }
    }
}
