//! The exchange by which two who know a code, or a resume secret, come to a key that nobody between them has: SPAKE2 with key confirmation both
//! ways. Two machines, letters in and letters out.
//!
//! ```text
//! receiver (A)                                   sender (B)
//! Receiver::new  ── 1: share of the receiver ──>  handle_letter
//! handle_letter  <── 2: share of the sender ────  Step::Send
//! Step::Send     ── 3: its confirmation ───────>  handle_letter: here a wrong guess shows
//! handle_letter  <── 4: its confirmation, pass ─  Agreed::letter
//! ```
//!
//! The receiver confirms first: whoever guesses has then made its one guess, and of the sender it has a share alone, which fits every code. A
//! letter is version (1 byte), its number (1 byte), and 65 bytes of share or 32 of confirmation; in the fourth follows the [`Pass`], sealed
//! under the pairwise key as the only chunk of a stream called `pass`.
//!
//! # What of RFC 9382 this is
//! Version 1 is the suite P256-SHA256-HKDF-HMAC of RFC 9382 as it stands (crate `pakery-spake2`): its M and N, uncompressed points, transcript
//! TT with lengths of eight bytes in little-endian, Ke ‖ Ka = SHA-256(TT), confirmation keys from Ka, HMAC-SHA256 of TT as confirmations,
//! the order of its section 3.1 with A the receiver and B the sender, no additional data. Its vectors (Appendix B) run in the tests.
//!
//! What the RFC leaves to the protocol, or is not in it:
//!
//! * **w** is HKDF-SHA256 of the password (salt `confkit relay password v1`), 64 bytes big-endian, reduced by the group's order. The RFC
//!   recommends a memory-hard function, for parties that store w. Nobody here does: a code lives for one exchange and is guessed at online,
//!   once; a resume secret is 32 random bytes.
//! * **Identities** are `confkit receiver` and `confkit sender`, each ‖ version (1) ‖ place: 1 ‖ nameplate (4 bytes, big-endian), or 2 ‖ the
//!   32 bytes of a secret place. So no exchange goes through under another role, version or place.
//! * **Ke** has 128 bits, as the group has, and is not used as it is: the pairwise key is derived of it and bound to both identities and both
//!   shares once more ([`Pairwise::new`]).
//! * The letters' version and number, and the pass. The number keeps a letter from being taken for another; a share that comes back to who
//!   made it is refused.
//!
//! Out of scope: who is allowed a guess, and how often. A machine takes one; that a code is not used for another after a wrong one is the
//! sender's shell's part ([`ExchangeError::spends`]).

use std::fmt;

use pakery_core::crypto::CpaceGroup as _;
use pakery_crypto::{P256Group, Spake2P256};
use pakery_spake2::{PartyA, PartyAState, PartyB, Spake2Output};
use rand_chacha::ChaCha12Rng;
use zeroize::Zeroizing;

use super::{
    code::Code,
    handover,
    id::Place,
    keys::{Pairwise, ResumeSecret, derive},
    wire::{
        Role,
        pass::{MAX_PASS, Pass, PassError},
    },
};
use crate::transfer::seal::TAG_LEN;

/// The exchange's version, the first byte of each letter: which group, which hashes, which identities. Another exchange is another number.
pub const VERSION: u8 = 1;
/// Most bytes of a letter of the exchange.
pub const MAX_LETTER: usize = HEAD + CONFIRMATION + MAX_PASS + TAG_LEN;

const HEAD: usize = 2;
/// An uncompressed point.
const SHARE: usize = 65;
const CONFIRMATION: usize = 32;
const PASSWORD: &[u8] = b"confkit relay password v1";

/// The letters by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Letter {
    ReceiverShare = 1,
    SenderShare = 2,
    ReceiverConfirms = 3,
    SenderConfirms = 4,
}

/// Why an exchange came to nothing. It is over then, on this side; whatever comes later is [`ExchangeError::OutOfOrder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// At the sender: the receiver has shown that it does not know the code. Mistyped, or guessed at: the receiver's fault, and its one guess.
    #[error("the receiver entered a wrong code: it was mistyped, or someone guessed")]
    WrongGuess,
    /// At the receiver: whoever answers does not know what the receiver knows, or somebody between the two changed what was said. Not the fault
    /// of the receiver's user: a sender that finds the code wrong does not answer at all.
    #[error("whoever answered does not know the code: this is not the sender")]
    Impostor,
    /// Bytes that are no letter of the exchange, or a share that no honest peer sends. The peer's fault, or that of who is between. Nothing was
    /// guessed.
    #[error("malformed letter in the key exchange: {0}")]
    Malformed(&'static str),
    /// A letter that has its turn at another time: come twice, come back, or come behind the end. As [`ExchangeError::Malformed`].
    #[error("unexpected letter in the key exchange (letter {0})")]
    OutOfOrder(u8),
    /// The peer is another program, or a newer one. Nobody's fault; the message says what to do.
    #[error("the peer exchanges keys by version {0}, this program by version {VERSION}: use the same version on both sides")]
    Version(u8),
    /// What the sender handed over is none. The sender's fault, who knew the code.
    #[error("the sender handed over something invalid: {0}")]
    Pass(#[from] PassError),
}

impl ExchangeError {
    /// Whether a guess was made, and the code must not be used again. True of nothing but a wrong confirmation of the receiver: before it has
    /// shown that, the receiver has learned nothing about the code.
    pub fn spends(&self) -> bool {
        *self == Self::WrongGuess
    }
}

/// What both ends know beforehand, and where they meet by it. Debug shows nothing of it; wiped when dropped.
#[derive(Clone)]
pub struct Password {
    /// The scalar of the RFC.
    w: Zeroizing<p256_scalar::Scalar>,
    place: Place,
}

/// The type of the group's scalars, whose crate we need not name.
mod p256_scalar {
    pub(super) type Scalar = <super::P256Group as pakery_core::crypto::CpaceGroup>::Scalar;
}

impl Password {
    /// That of a code: the code as it stands.
    pub fn of_code(code: &Code) -> Self {
        Self::new(code.as_str().as_bytes(), Place::Nameplate(code.nameplate()))
    }

    /// That of a transfer which is gone on with.
    pub fn of_resume(secret: &ResumeSecret) -> Self {
        Self::new(secret.password().as_slice(), secret.place())
    }

    fn new(secret: &[u8], place: Place) -> Self {
        let wide = derive::<64>(PASSWORD, secret, &[]);
        // Refused is nothing but another length.
        let w = P256Group::scalar_from_wide_bytes(wide.as_slice()).expect("64 bytes make a scalar");
        Self { w: Zeroizing::new(w), place }
    }

    /// Where the two meet.
    pub fn place(&self) -> Place {
        self.place
    }

    fn identity(&self, role: Role) -> Vec<u8> {
        let name: &[u8] = match role {
            Role::Sender => b"confkit sender",
            Role::Receiver => b"confkit receiver",
        };
        let mut identity = [name, &[VERSION]].concat();
        match self.place {
            Place::Nameplate(nameplate) => {
                identity.push(1);
                identity.extend_from_slice(&nameplate.number().to_be_bytes());
            }
            Place::Secret(bytes) => {
                identity.push(2);
                identity.extend_from_slice(&bytes);
            }
        }
        identity
    }

    /// The pairwise key of an exchange with this password.
    fn pairwise(&self, agreed: &Spake2Output, shares: &Shares) -> Pairwise {
        let said = [&self.identity(Role::Receiver), &self.identity(Role::Sender), &shares.receiver, &shares.sender];
        Pairwise::new(agreed.session_key.as_bytes(), &said.map(Vec::as_slice))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Password(… at {:?})", self.place)
    }
}

/// What went over the wire.
struct Shares {
    receiver: Vec<u8>,
    sender: Vec<u8>,
}

/// What a letter led to.
#[derive(Debug)]
pub enum Step<T> {
    /// Send this.
    Send(Vec<u8>),
    /// The other end knows what we know.
    Agreed(T),
}

/// The receiver's side of one exchange.
pub struct Receiver {
    password: Password,
    state: Receiving,
}

enum Receiving {
    /// Has sent its share.
    Share(Box<PartyAState<Spake2P256>>, Vec<u8>),
    /// Has confirmed.
    Confirmed(Box<Spake2Output>, Shares),
    Over,
}

/// What the receiver has in the end.
#[derive(Debug)]
pub struct Received {
    /// The key of the two.
    pub pairwise: Pairwise,
    /// What the sender handed over.
    pub pass: Pass,
}

impl Receiver {
    /// Begins an exchange; the letter is to be sent.
    pub fn new(password: &Password, rng: &mut ChaCha12Rng) -> (Self, Vec<u8>) {
        let (receiver, sender) = (password.identity(Role::Receiver), password.identity(Role::Sender));
        // Only constants of the suite that are no points would be refused.
        let (share, party) =
            PartyA::<Spake2P256>::start(&password.w, &receiver, &sender, &[], rng).expect("the suite's constants are points");
        let letter = letter(Letter::ReceiverShare, &share);
        (Self { password: password.clone(), state: Receiving::Share(Box::new(party), share) }, letter)
    }

    /// Takes a letter of the sender.
    ///
    /// # Errors
    /// The exchange has failed and is over.
    pub fn handle_letter(&mut self, letter_bytes: &[u8]) -> Result<Step<Received>, ExchangeError> {
        match std::mem::replace(&mut self.state, Receiving::Over) {
            Receiving::Share(party, receiver) => {
                let sender = share(letter_bytes, Letter::SenderShare, &receiver)?.to_vec();
                let agreed = party.finish(&sender).map_err(|_| ExchangeError::Malformed("a share that is not a point on the curve"))?;
                let confirmation = letter(Letter::ReceiverConfirms, &agreed.confirmation_mac);
                self.state = Receiving::Confirmed(Box::new(agreed), Shares { receiver, sender });
                Ok(Step::Send(confirmation))
            }
            Receiving::Confirmed(agreed, shares) => {
                let body = body(letter_bytes, Letter::SenderConfirms)?;
                let (confirmation, sealed) =
                    body.split_at_checked(CONFIRMATION).ok_or(ExchangeError::Malformed("a confirmation that was cut"))?;
                agreed.verify_peer_confirmation(confirmation).map_err(|_| ExchangeError::Impostor)?;
                let pairwise = self.password.pairwise(&agreed, &shares);
                let pass = handover::open(&pairwise, sealed).ok_or(ExchangeError::Impostor)??;
                Ok(Step::Agreed(Received { pairwise, pass }))
            }
            Receiving::Over => Err(ExchangeError::OutOfOrder(letter_bytes.get(1).copied().unwrap_or_default())),
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            Receiving::Share(..) => "waits for the share",
            Receiving::Confirmed(..) => "waits for the confirmation",
            Receiving::Over => "over",
        };
        write!(f, "Receiver({state})")
    }
}

/// The sender's side of one exchange. For another receiver with the same code it makes another: a share is used once.
pub struct Sender {
    password: Password,
    state: Sending,
}

enum Sending {
    /// Waits for a receiver.
    Waiting,
    /// Has sent its share.
    Share(Box<Spake2Output>, Shares),
    Over,
}

/// What the sender has in the end, but for the pass that it hands over.
#[derive(Debug)]
pub struct Agreed {
    /// The key of the two.
    pub pairwise: Pairwise,
    confirmation: [u8; CONFIRMATION],
}

impl Agreed {
    /// The last letter: the sender's confirmation, and the pass under seal. It is made once: another pass would be sealed at the same place.
    ///
    /// # Errors
    /// The pass cannot be written: ours.
    pub fn letter(self, pass: &Pass) -> Result<(Pairwise, Vec<u8>), PassError> {
        let sealed = handover::seal(&self.pairwise, pass)?;
        Ok((self.pairwise, letter(Letter::SenderConfirms, &[self.confirmation.as_slice(), &sealed].concat())))
    }
}

impl Sender {
    /// Waits for a receiver.
    pub fn new(password: &Password) -> Self {
        Self { password: password.clone(), state: Sending::Waiting }
    }

    /// Takes a letter of the receiver.
    ///
    /// # Errors
    /// The exchange has failed and is over; [`ExchangeError::spends`] says whether the code is, too.
    pub fn handle_letter(&mut self, letter_bytes: &[u8], rng: &mut ChaCha12Rng) -> Result<Step<Agreed>, ExchangeError> {
        match std::mem::replace(&mut self.state, Sending::Over) {
            Sending::Waiting => {
                let (receiver, sender) = (self.password.identity(Role::Receiver), self.password.identity(Role::Sender));
                let (own, party) =
                    PartyB::<Spake2P256>::start(&self.password.w, &receiver, &sender, &[], rng).expect("the suite's constants are points");
                let theirs = share(letter_bytes, Letter::ReceiverShare, &own)?.to_vec();
                let agreed = party.finish(&theirs).map_err(|_| ExchangeError::Malformed("a share that is not a point on the curve"))?;
                let answer = letter(Letter::SenderShare, &own);
                self.state = Sending::Share(Box::new(agreed), Shares { receiver: theirs, sender: own });
                Ok(Step::Send(answer))
            }
            Sending::Share(agreed, shares) => {
                let theirs: &[u8; CONFIRMATION] = body(letter_bytes, Letter::ReceiverConfirms)?
                    .try_into()
                    .map_err(|_| ExchangeError::Malformed("a confirmation of the wrong length"))?;
                agreed.verify_peer_confirmation(theirs).map_err(|_| ExchangeError::WrongGuess)?;
                let pairwise = self.password.pairwise(&agreed, &shares);
                let mut confirmation = [0; CONFIRMATION];
                confirmation.copy_from_slice(&agreed.confirmation_mac);
                Ok(Step::Agreed(Agreed { pairwise, confirmation }))
            }
            Sending::Over => Err(ExchangeError::OutOfOrder(letter_bytes.get(1).copied().unwrap_or_default())),
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            Sending::Waiting => "waits for a share",
            Sending::Share(..) => "waits for the confirmation",
            Sending::Over => "over",
        };
        write!(f, "Sender({state})")
    }
}

fn letter(number: Letter, body: &[u8]) -> Vec<u8> {
    [&[VERSION, number as u8], body].concat()
}

/// What stands in the letter whose turn it is.
fn body(letter: &[u8], expected: Letter) -> Result<&[u8], ExchangeError> {
    match letter {
        _ if letter.len() > MAX_LETTER => Err(ExchangeError::Malformed("too long")),
        [version, ..] if *version != VERSION => Err(ExchangeError::Version(*version)),
        [_, number, body @ ..] if *number == expected as u8 => Ok(body),
        [_, number, ..] => Err(ExchangeError::OutOfOrder(*number)),
        _ => Err(ExchangeError::Malformed("too short")),
    }
}

/// The share in the letter whose turn it is.
fn share<'a>(letter: &'a [u8], expected: Letter, own: &[u8]) -> Result<&'a [u8], ExchangeError> {
    let share = body(letter, expected)?;
    if share.len() != SHARE {
        return Err(ExchangeError::Malformed("a share of the wrong length"));
    }
    if share == own {
        return Err(ExchangeError::Malformed("our own share, sent back"));
    }
    Ok(share)
}

#[cfg(test)]
mod tests;
