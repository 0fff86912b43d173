//! Tickets: what the `as` gives to who has signed in, and the other roles let in on without asking it.
//!
//! CN101150595A has terminals obtain an identity certificate when they log in to the IM server, and show it to the relay (steps 2 and 3). Ours is
//! short-lived and for one role: who takes it can do nothing elsewhere with it, and soon nothing at all. There is no list of tickets that
//! were called back; an account that is deleted has its last ones for [`TICKET_LIFE`].
//!
//! Bytes, in base64url without padding; numbers are big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version: 1 |
//! | 1 | audience: 1 relay, 2 library, 3 swarm, 4 board |
//! | 8 | issued, in seconds since 1970 |
//! | 4 | so many seconds it is good, at most [`MAX_TICKET_LIFE`] |
//! | 1 and so many | user |
//! | 1 and so many | the one action that it is for, at most [`MAX_ACTION`] bytes of visible ASCII; none: whatever the user may do there |
//! | 64 | Ed25519 signature of the `as` over `confkit ticket v1` ‖ all before |
//!
//! Nothing follows. What a later version adds comes with its number.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

use super::signing::{PublicKey, SIGNATURE_LEN, Signature, SigningKey};
use crate::id::UserName;

/// How long a ticket is good where nobody says otherwise.
pub const TICKET_LIFE: Duration = Duration::from_secs(600);
/// How long one may be good at most, in seconds. Another one is not issued, and not believed.
pub const MAX_TICKET_LIFE: u32 = 3600;
/// How far the clocks of two hosts may be apart.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// Longest action, in bytes.
pub const MAX_ACTION: usize = 128;
/// Longest ticket as a text, in bytes.
pub const MAX_TICKET_TEXT: usize = 512;

const VERSION: u8 = 1;
const LABEL: &[u8] = b"confkit ticket v1";

/// Which role a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Audience {
    /// The relay of channels.
    Relay = 1,
    /// The library.
    Library = 2,
    /// The swarm's tracker.
    Swarm = 3,
    /// The board server.
    Board = 4,
}

impl Audience {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Relay, Self::Library, Self::Swarm, Self::Board];

    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Library => "library",
            Self::Swarm => "swarm",
            Self::Board => "board",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|audience| *audience as u8 == byte)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ticket is for relay, library, swarm or board")]
pub struct AudienceError;

impl FromStr for Audience {
    type Err = AudienceError;

    fn from_str(text: &str) -> Result<Self, AudienceError> {
        Self::ALL.into_iter().find(|audience| audience.as_str() == text).ok_or(AudienceError)
    }
}

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Whose it is.
    pub user: UserName,
    /// Which role it is for.
    pub audience: Audience,
    /// The one action that it is for; none: whatever the user may do there.
    pub action: Option<String>,
    /// When it was issued, in seconds since 1970.
    pub issued: u64,
    /// For how many seconds it is good, at most [`MAX_TICKET_LIFE`].
    pub life: u32,
}

/// A ticket as it is carried: whoever has it is its user, for as long as it is good. Wiped when dropped, hidden in Debug, not printable.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedTicket(Zeroizing<String>);

/// Why a ticket is not issued: the caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The action is none.
    #[error("the action of a ticket is at most {MAX_ACTION} visible characters of ASCII")]
    Action,
    /// It would be good for too long.
    #[error("a ticket is good for at most {MAX_TICKET_LIFE} s")]
    Life,
}

/// Why a ticket is not good: the fault of who shows it, or of a clock. Nothing of the ticket but what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// Not of the form.
    #[error("the ticket is none: {0}")]
    Form(&'static str),
    /// Of a version that this program does not know.
    #[error("the ticket is of version {0}, which this program does not know")]
    Version(u8),
    /// Changed, or of another server.
    #[error("the ticket is not signed by the server that this one trusts: sign in there again")]
    Signature,
    /// For another role.
    #[error("the ticket is for {is}, not for {wanted}")]
    Audience {
        /// Which it is for.
        is: Audience,
        /// Which it was shown to.
        wanted: Audience,
    },
    /// For another action.
    #[error("the ticket is for another action")]
    Action,
    /// No longer good.
    #[error("the ticket has expired {0} s ago: sign in again")]
    Expired(u64),
    /// Not yet good.
    #[error("the ticket was issued {0} s in the future: the clock here or that of the server that issued it is wrong")]
    Early(u64),
}

impl Ticket {
    /// A ticket of this moment that is good for [`TICKET_LIFE`].
    pub fn new(user: UserName, audience: Audience, action: Option<String>, now: SystemTime) -> Self {
        let life = u32::try_from(TICKET_LIFE.as_secs()).unwrap_or(MAX_TICKET_LIFE);
        Self { user, audience, action, issued: seconds(now), life }
    }

    /// When it ends, in seconds since 1970.
    pub fn expires(&self) -> u64 {
        self.issued.saturating_add(self.life.into())
    }

    /// Signs it.
    ///
    /// # Errors
    /// It says what no ticket may say.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedTicket, IssueError> {
        let action = self.action.as_deref().unwrap_or_default();
        if self.action.is_some() && !is_action(action.as_bytes()) {
            return Err(IssueError::Action);
        }
        if self.life > MAX_TICKET_LIFE {
            return Err(IssueError::Life);
        }
        let mut bytes = Zeroizing::new(vec![VERSION, self.audience as u8]);
        bytes.extend_from_slice(&self.issued.to_be_bytes());
        bytes.extend_from_slice(&self.life.to_be_bytes());
        for text in [self.user.as_str(), action] {
            bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(text.as_bytes());
        }
        let signature = key.sign(LABEL, &bytes);
        bytes.extend_from_slice(&signature.0);
        Ok(SignedTicket(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// What a ticket says, where it is good: signed by this key, for this role, at this time. What it is for is looked at by
    /// [`Ticket::permits`].
    ///
    /// # Errors
    /// Why it is not good.
    pub fn verify(text: &str, key: &PublicKey, audience: Audience, now: SystemTime) -> Result<Self, TicketError> {
        if text.len() > MAX_TICKET_TEXT {
            return Err(TicketError::Form("too long"));
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| TicketError::Form("not base64url"))?);
        match bytes.first() {
            Some(&VERSION) => {}
            Some(other) => return Err(TicketError::Version(*other)),
            None => return Err(TicketError::Form("cut short")),
        }
        let signed = bytes.len().checked_sub(SIGNATURE_LEN).and_then(|at| bytes.split_at_checked(at));
        let Some((said, signature)) = signed else { return Err(TicketError::Form("cut short")) };
        let signature = signature.try_into().map(Signature).map_err(|_| TicketError::Form("cut short"))?;
        // Before anything in it is believed.
        if !key.verifies(LABEL, said, &signature) {
            return Err(TicketError::Signature);
        }
        let ticket = Self::read(said)?;
        if ticket.audience != audience {
            return Err(TicketError::Audience { is: ticket.audience, wanted: audience });
        }
        let (now, skew) = (seconds(now), CLOCK_SKEW.as_secs());
        if ticket.issued > now.saturating_add(skew) {
            return Err(TicketError::Early(ticket.issued.saturating_sub(now)));
        }
        if now >= ticket.expires().saturating_add(skew) {
            return Err(TicketError::Expired(now.saturating_sub(ticket.expires())));
        }
        Ok(ticket)
    }

    /// Lets an action pass that the ticket is for.
    ///
    /// # Errors
    /// It is for another.
    pub fn permits(&self, action: &str) -> Result<(), TicketError> {
        if self.action.as_deref().is_none_or(|only| only == action) { Ok(()) } else { Err(TicketError::Action) }
    }

    /// What stands before the signature.
    fn read(said: &[u8]) -> Result<Self, TicketError> {
        const SHORT: TicketError = TicketError::Form("cut short");
        let (head, rest) = said.split_first_chunk::<14>().ok_or(SHORT)?;
        let [_, audience, issued @ .., a, b, c, d] = *head;
        let audience = Audience::from_byte(audience).ok_or(TicketError::Form("for a role that is not known"))?;
        let life = u32::from_be_bytes([a, b, c, d]);
        if life > MAX_TICKET_LIFE {
            return Err(TicketError::Form("good for too long"));
        }
        let text = |rest: &[u8]| -> Result<(Vec<u8>, Vec<u8>), TicketError> {
            let (length, rest) = rest.split_first().ok_or(SHORT)?;
            let (text, rest) = rest.split_at_checked((*length).into()).ok_or(SHORT)?;
            Ok((text.to_vec(), rest.to_vec()))
        };
        let (user, rest) = text(rest)?;
        let (action, rest) = text(&rest)?;
        if !rest.is_empty() {
            return Err(TicketError::Form("something behind its end"));
        }
        let user = String::from_utf8(user).ok().and_then(|user| user.parse().ok()).ok_or(TicketError::Form("of nobody"))?;
        if !action.is_empty() && !is_action(&action) {
            return Err(TicketError::Form("for an action that is none"));
        }
        let action = String::from_utf8(action).ok().filter(|action| !action.is_empty());
        Ok(Self { user, audience, action, issued: u64::from_be_bytes(issued), life })
    }
}

impl SignedTicket {
    /// The ticket itself, to be shown to the role that it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a ticket. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ticket is at most {MAX_TICKET_TEXT} characters of base64url")]
pub struct TicketTextError;

impl FromStr for SignedTicket {
    type Err = TicketTextError;

    /// A ticket as it came from who issued it; whether it is good, the role sees that it is shown to.
    fn from_str(text: &str) -> Result<Self, TicketTextError> {
        let may = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let sound = (1..=MAX_TICKET_TEXT).contains(&text.len()) && text.bytes().all(may);
        if sound { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(TicketTextError) }
    }
}

/// For whoever asked for it.
impl Serialize for SignedTicket {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for SignedTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedTicket(…)")
    }
}

fn is_action(action: &[u8]) -> bool {
    (1..=MAX_ACTION).contains(&action.len()) && action.iter().all(u8::is_ascii_graphic)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    fn ticket() -> Ticket {
        Ticket::new("alice".parse().expect("a name"), Audience::Relay, None, at(NOW))
    }

    fn text(ticket: &Ticket) -> String {
        ticket.sign(&key()).expect("a ticket").reveal().to_owned()
    }

    fn verify(text: &str, now: u64) -> Result<Ticket, TicketError> {
        Ticket::verify(text, &key().public(), Audience::Relay, at(now))
    }

    /// These bytes, signed.
    fn signed(said: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([said, &key().sign(LABEL, said).0].concat())
    }

    #[test]
    fn a_ticket_is_these_bytes() {
        let ticket = Ticket { action: Some("apply".to_owned()), ..ticket() };
        let bytes = URL_SAFE_NO_PAD.decode(text(&ticket)).expect("base64url");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (said, signature) = hex.split_at(hex.len() - 2 * SIGNATURE_LEN);
        assert_eq!(said, "0101000000006b49d2000000025805616c696365056170706c79");
        assert_eq!(signature, SIGNATURE);
    }

    // By OpenSSL's Ed25519 under the seed of 32 bytes 07, over the label and the bytes above.
    const SIGNATURE: &str =
        "2cbbb3fc0dcb4a1538eeab2bbae684cac0734a47f3b12dfdea9a8e2f8927852a1d953d71c2e684cdf63a9a99a5fd3c414d8676bb466ad068a4699648212f7602";

    #[test]
    fn a_good_ticket_says_whose_it_is_for_as_long_as_it_is_good() {
        let ticket = ticket();
        let text = text(&ticket);
        assert_eq!(text.len(), 114);
        for (now, verdict) in [
            (NOW, Ok(())),
            (NOW - 30, Ok(())),
            (NOW - 31, Err(TicketError::Early(31))),
            (NOW + 600, Ok(())),
            (NOW + 629, Ok(())),
            (NOW + 630, Err(TicketError::Expired(30))),
            (NOW + 100_000, Err(TicketError::Expired(99_400))),
            (0, Err(TicketError::Early(NOW))),
        ] {
            assert_eq!(verify(&text, now), verdict.map(|()| ticket.clone()), "{now}");
        }
    }

    #[test]
    fn a_ticket_for_another_role_of_another_server_or_with_a_changed_bit_is_none() {
        let text = text(&ticket());
        let elsewhere = Ticket::verify(&text, &key().public(), Audience::Library, at(NOW));
        assert_eq!(elsewhere, Err(TicketError::Audience { is: Audience::Relay, wanted: Audience::Library }));
        let other = Ticket::verify(&text, &SigningKey::from_seed(&[8; 32]).public(), Audience::Relay, at(NOW));
        assert_eq!(other, Err(TicketError::Signature));
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("base64url");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let verdict = verify(&URL_SAFE_NO_PAD.encode(&changed), NOW);
            assert!(matches!(verdict, Err(TicketError::Signature | TicketError::Version(_))), "bit {bit}: {verdict:?}");
        }
        for length in 0..text.len() {
            assert!(verify(&text[..length], NOW).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_ticket_for_one_action_is_good_for_no_other() {
        let free = verify(&text(&ticket()), NOW).expect("good");
        assert_eq!((free.permits("apply"), free.permits("delete")), (Ok(()), Ok(())));
        let bound = verify(&text(&Ticket { action: Some("apply".to_owned()), ..ticket() }), NOW).expect("good");
        assert_eq!((bound.permits("apply"), bound.permits("delete")), (Ok(()), Err(TicketError::Action)));
    }

    #[test]
    fn what_is_signed_and_yet_not_of_the_form_is_refused() {
        let head = |audience: u8, life: u32| [&[1, audience][..], &NOW.to_be_bytes(), &life.to_be_bytes()].concat();
        let with = |audience, life, rest: &[u8]| signed(&[&head(audience, life)[..], rest].concat());
        for (text, why) in [
            (with(1, 600, b"\x05alice\x00x"), TicketError::Form("something behind its end")),
            (with(1, 600, b"\x05alice"), TicketError::Form("cut short")),
            (with(1, 600, b"\x06alice"), TicketError::Form("cut short")),
            (with(1, 600, b"\x05ALICE\x00"), TicketError::Form("of nobody")),
            (with(1, 600, b"\x00\x00"), TicketError::Form("of nobody")),
            (with(1, 600, b"\x05alice\x02a "), TicketError::Form("for an action that is none")),
            (with(1, 3601, b"\x05alice\x00"), TicketError::Form("good for too long")),
            (with(9, 600, b"\x05alice\x00"), TicketError::Form("for a role that is not known")),
            (signed(b"\x02"), TicketError::Version(2)),
            (String::new(), TicketError::Form("cut short")),
            ("A".repeat(MAX_TICKET_TEXT + 1), TicketError::Form("too long")),
            ("AQ=".to_owned(), TicketError::Form("not base64url")),
        ] {
            assert_eq!(verify(&text, NOW), Err(why), "{text}");
        }
    }

    #[test]
    fn what_would_not_be_believed_is_not_issued_and_no_ticket_is_shown() {
        let with = |action: &str| Ticket { action: Some(action.to_owned()), ..ticket() }.sign(&key());
        for action in ["", "a b", "ä", &"a".repeat(MAX_ACTION + 1)] {
            assert_eq!(with(action), Err(IssueError::Action));
        }
        assert_eq!(Ticket { life: MAX_TICKET_LIFE + 1, ..ticket() }.sign(&key()), Err(IssueError::Life));
        let longest = Ticket { user: "x".repeat(64).parse().expect("a name"), action: Some("a".repeat(MAX_ACTION)), ..ticket() };
        assert!(text(&longest).len() <= MAX_TICKET_TEXT);
        assert_eq!(format!("{:?}", ticket().sign(&key())), "Ok(SignedTicket(…))");
        assert_eq!(Audience::ALL.map(|audience| audience.as_str().parse()), Audience::ALL.map(Ok));
        assert_eq!("as".parse::<Audience>(), Err(AudienceError));
    }
}
