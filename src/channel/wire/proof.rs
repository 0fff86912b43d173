//! The channel key, and how a terminal proves to the relay that it has it without saying it (step 5 and 6 of CN101150595A, whose terminals
//! send the key itself).
//!
//! HMAC-SHA256 with the channel key over `confkit relay proof v1` ‖ the challenge of this connection ‖ channel (8 bytes, big-endian) ‖
//! what ‖ role ‖ seat ‖ stream, a byte each. The challenge is new on each connection, so no proof is good for another.

use std::{fmt, str::FromStr};

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::channel::{ChannelNumber, Peer};

/// Length of a challenge, a proof and a channel key, in bytes.
pub const LENGTH: usize = 32;
/// What the relay begins with on each connection: 32 random bytes.
pub type Challenge = [u8; LENGTH];

const LABEL: &[u8] = b"confkit relay proof v1";

/// The key of a channel, drawn by the relay: whoever has it may enter. It opens nothing of what is sent. Wiped when dropped, hidden in
/// Debug, compared in constant time.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelKey(Zeroizing<[u8; LENGTH]>);

/// A text that is no channel key or no proof. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel key or proof is {LENGTH} bytes in base64url")]
pub struct KeyError;

impl ChannelKey {
    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key.
    pub fn random(rng: &mut ChaCha12Rng) -> Self {
        Self(Zeroizing::new(rng.random()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// The key as it stands in JSON and messages: 43 characters of base64url.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }
}

impl FromStr for ChannelKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        decode(text).map(Self)
    }
}

impl TryFrom<String> for ChannelKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        Zeroizing::new(text).parse()
    }
}

impl From<ChannelKey> for String {
    fn from(key: ChannelKey) -> Self {
        key.reveal().to_string()
    }
}

impl PartialEq for ChannelKey {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_slice(), other.0.as_slice()).is_ok()
    }
}

impl Eq for ChannelKey {}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelKey(…)")
    }
}

/// A proof as it is sent; compared in constant time.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proof([u8; LENGTH]);

impl Proof {
    /// The proof of these bytes.
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl TryFrom<String> for Proof {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        decode(&text).map(|bytes| Self(*bytes))
    }
}

impl From<Proof> for String {
    fn from(proof: Proof) -> Self {
        URL_SAFE_NO_PAD.encode(proof.0)
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Proof {}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(…)")
    }
}

/// Which side a terminal is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Role {
    /// It has the files.
    Sender = 1,
    /// It gets them.
    Receiver = 2,
}

impl Role {
    /// The other end's.
    pub fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }
}

/// What a proof is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To enter with a control connection. `seat` is 0 for the sender and for a receiver that comes for the first time.
    Enter {
        /// The seat that the terminal had, and wants again.
        seat: Peer,
    },
    /// To join with a data connection.
    Join {
        /// The terminal's seat.
        seat: Peer,
        /// The index of the data connection.
        stream: u8,
    },
}

/// Everything that a proof covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission<'a> {
    /// The challenge of this connection.
    pub challenge: &'a Challenge,
    /// The channel.
    pub channel: ChannelNumber,
    /// Which side the terminal is on.
    pub role: Role,
    /// What it wants.
    pub purpose: Purpose,
}

impl Admission<'_> {
    /// What the terminal sends.
    pub fn prove(&self, key: &ChannelKey) -> Proof {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.0.as_slice()));
        let (what, seat, stream) = match self.purpose {
            Purpose::Enter { seat } => (1, seat.0, 0),
            Purpose::Join { seat, stream } => (2, seat.0, stream),
        };
        context.update(LABEL);
        context.update(self.challenge);
        context.update(&self.channel.0.to_be_bytes());
        context.update(&[what, self.role as u8, seat, stream]);
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(context.sign().as_ref());
        Proof(bytes)
    }

    /// True where a proof is right; in constant time.
    pub fn verify(&self, key: &ChannelKey, proof: &Proof) -> bool {
        self.prove(key) == *proof
    }
}

fn decode(text: &str) -> Result<Zeroizing<[u8; LENGTH]>, KeyError> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()) {
        Ok(LENGTH) => Ok(bytes),
        Ok(_) | Err(_) => Err(KeyError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ChannelKey {
        ChannelKey::from_bytes(*b"0123456789abcdef0123456789abcdef")
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn enter(challenge: &Challenge) -> Admission<'_> {
        Admission {
            challenge,
            channel: ChannelNumber(0x0102_0304_0506_0708),
            role: Role::Receiver,
            purpose: Purpose::Enter { seat: Peer(0) },
        }
    }

    #[test]
    fn proofs_are_these_hmacs() {
        let challenge = [1; 32];
        let enter = enter(&challenge);
        let join = Admission { role: Role::Sender, purpose: Purpose::Join { seat: Peer::SENDER, stream: 15 }, ..enter };
        // By Python's hmac over the fields as docs/protocols/channel.md lists them.
        assert_eq!(hex(enter.prove(&key()).as_bytes()), ENTER);
        assert_eq!(hex(join.prove(&key()).as_bytes()), JOIN);
    }

    const ENTER: &str = "4f8cb942c96b12037ec5f201846f59bd610e2be1ec277f1722fab6190b94bdfe";
    const JOIN: &str = "e7bb4f3b57fcb1b9251db11862b68e49d983bf5d06fab2ff0855964ab124419e";

    #[test]
    fn a_proof_holds_for_one_key_one_connection_and_one_purpose() {
        let (challenge, another) = ([1; 32], [2; 32]);
        let right = enter(&challenge);
        let proof = right.prove(&key());
        assert!(right.verify(&key(), &proof));
        assert!(!right.verify(&ChannelKey::from_bytes([0; 32]), &proof));
        for other in [
            Admission { challenge: &another, ..right },
            Admission { channel: ChannelNumber(1), ..right },
            Admission { role: Role::Sender, ..right },
            Admission { purpose: Purpose::Enter { seat: Peer(1) }, ..right },
            Admission { purpose: Purpose::Join { seat: Peer(0), stream: 0 }, ..right },
        ] {
            assert!(!other.verify(&key(), &proof), "{other:?}");
        }
    }

    #[test]
    fn a_key_and_a_proof_read_as_written_and_show_nothing() {
        let text = key().reveal();
        assert_eq!(text.as_str(), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY");
        assert!(text.parse() == Ok(key()));
        assert_eq!(format!("{:?} {:?}", key(), Proof([1; 32])), "ChannelKey(…) Proof(…)");
        for odd in ["", "MDEy", &format!("{}=", text.as_str()), &text.replace('M', "+"), &text.repeat(2), &text[..42]] {
            assert_eq!(odd.parse::<ChannelKey>(), Err(KeyError), "{odd}");
            assert_eq!(Proof::try_from(odd.to_owned()), Err(KeyError), "{odd}");
        }
    }
}
