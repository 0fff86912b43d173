//! What is said on a direct connection before its chunks. Either end may have called the other; who has speaks first, so that who merely connects
//! hears nothing.
//!
//! | from | bytes | what |
//! |---|---|---|
//! | caller | 8 | [`PREFACE`] |
//! | called | 8 + 32 | the preface, and its challenge: [`Hello`] |
//! | caller | 1 + 32 + 32 | which data connection this is, its own challenge, its proof: [`Claim`] |
//! | called | 32 | its proof |
//!
//! Both proofs are [`crate::channel::keys::Pairwise::prove`], over the same [`Call`]. Then chunks, as on any data connection. Who says anything else
//! is closed without a word.

use super::{
    Proof, Role,
    frame::PREFACE,
    proof::{Challenge, LENGTH},
};

/// Length of a [`Hello`], in bytes.
pub const HELLO: usize = PREFACE.len() + LENGTH;
/// Length of a [`Claim`], in bytes.
pub const CLAIM: usize = 1 + 2 * LENGTH;

/// What was said on a connection, which the proofs of both ends are made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Who has called the other.
    pub caller: Role,
    /// The challenge of who was called.
    pub hello: Challenge,
    /// The caller's.
    pub claim: Challenge,
    /// Which data connection it is.
    pub stream: u8,
}

/// What who was called says to who has shown that it speaks this protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// What both proofs are made over. New on each connection.
    pub challenge: Challenge,
}

/// What the caller says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which data connection this is, from 0.
    pub stream: u8,
    /// What both proofs are made over, too. New on each connection.
    pub challenge: Challenge,
    /// The caller's.
    pub proof: Proof,
}

impl Hello {
    /// As bytes.
    pub fn write(&self) -> [u8; HELLO] {
        let mut bytes = [0; HELLO];
        let (preface, challenge) = bytes.split_at_mut(PREFACE.len());
        preface.copy_from_slice(&PREFACE);
        challenge.copy_from_slice(&self.challenge);
        bytes
    }

    /// From bytes; none where who was called speaks something else, or another version.
    pub fn read(bytes: &[u8; HELLO]) -> Option<Self> {
        let challenge = bytes.strip_prefix(&PREFACE)?.try_into().ok()?;
        Some(Self { challenge })
    }
}

impl Claim {
    /// As bytes.
    pub fn write(&self) -> [u8; CLAIM] {
        let mut bytes = [self.stream; CLAIM];
        let (challenge, proof) = bytes[1..].split_at_mut(LENGTH);
        challenge.copy_from_slice(&self.challenge);
        proof.copy_from_slice(self.proof.as_bytes());
        bytes
    }

    /// From bytes, whatever they are: what they are worth, the proof says.
    pub fn read(bytes: &[u8; CLAIM]) -> Self {
        let (mut challenge, mut proof) = ([0; LENGTH], [0; LENGTH]);
        let (first, second) = bytes[1..].split_at(LENGTH);
        challenge.copy_from_slice(first);
        proof.copy_from_slice(second);
        Self { stream: bytes[0], challenge, proof: Proof::from_bytes(proof) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_and_a_claim_are_these_bytes_and_are_read_again() {
        let hello = Hello { challenge: [7; 32] };
        assert_eq!(hello.write().to_vec(), [&b"CKRL\x01\0\0\0"[..], &[7; 32]].concat());
        assert_eq!(Hello::read(&hello.write()), Some(hello));
        let claim = Claim { stream: 3, challenge: [8; 32], proof: Proof::from_bytes([9; 32]) };
        assert_eq!(claim.write().to_vec(), [&[3][..], &[8; 32], &[9; 32]].concat());
        assert_eq!(Claim::read(&claim.write()), claim);
    }

    #[test]
    fn who_speaks_something_else_or_another_version_says_no_hello() {
        let sound = Hello { challenge: [7; 32] }.write();
        for at in 0..PREFACE.len() {
            let mut other = sound;
            other[at] ^= 1;
            assert_eq!(Hello::read(&other), None, "{at}");
        }
    }
}
