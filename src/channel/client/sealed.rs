//! Letters under the seal of the two ends.

use bytes::Bytes;

use crate::{
    channel::{
        keys::Pairwise,
        wire::{
            Role,
            letter::{Letter, LetterError},
            pass::TransferId,
        },
    },
    transfer::seal::{Cipher, Direction, Opener, SealError, Sealer, Stream},
};

/// Why a letter of the other end is none. Its fault, or that of who is between.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// It was changed on the way, left out, or said twice.
    #[error("a letter was changed on the way")]
    Forged(#[from] SealError),
    /// It opens, and is none.
    #[error(transparent)]
    Letter(#[from] LetterError),
}

/// Both ways of one end.
#[derive(Debug)]
pub(super) struct Sealed {
    sealer: Sealer,
    opener: Opener,
}

impl Sealed {
    pub(super) fn new(pairwise: &Pairwise, transfer: TransferId, role: Role) -> Self {
        let key = pairwise.letters();
        let stream = |direction| Stream { cipher: Cipher::Aes256Gcm, direction, transfer: transfer.0.to_vec(), file: 0, epoch: 0 };
        let (to, from) = match role {
            Role::Sender => (Direction::FromOfferer, Direction::ToOfferer),
            Role::Receiver => (Direction::ToOfferer, Direction::FromOfferer),
        };
        Self { sealer: Sealer::new(&key, &stream(to)), opener: Opener::new(&key, &stream(from)) }
    }

    /// Seals the next letter.
    pub(super) fn seal(&mut self, letter: &Letter) -> Result<Bytes, SealError> {
        let mut bytes = letter.write();
        self.sealer.seal(&mut bytes, false)?;
        Ok(bytes.into())
    }

    /// Opens the next letter of the other end.
    pub(super) fn open(&mut self, sealed: &[u8]) -> Result<Letter, SealedError> {
        let mut bytes = sealed.to_vec();
        let plain = self.opener.open(&mut bytes, false)?.len();
        bytes.truncate(plain);
        Ok(Letter::read(&bytes.into())?)
    }
}
