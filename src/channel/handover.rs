//! How the pass is handed over under seal: the first and only chunk of a stream `pass` under the key of letters of the two.
//!
//! By a code it is part of the fourth letter of the exchange ([`super::pake`]). Between accounts the two have their key before they are in the
//! channel; there it is the sender's first letter, number 5, before the sealed session.

use zeroize::{Zeroize as _, Zeroizing};

use super::{
    agreement::Agreed,
    keys::Pairwise,
    wire::pass::{MAX_PASS, Pass, PassError},
};
use crate::transfer::seal::{Cipher, Direction, Opener, Sealer, Stream, TAG_LEN};

/// Version and number of the letter that holds a pass and nothing else.
const HEAD: [u8; 2] = [1, 5];

/// Why no pass was handed over. The sender's fault, or that of who is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// Something else than a pass came first.
    #[error("the sender's first letter is not a pass")]
    Letter,
    /// It was sealed by nobody who has our key, or changed on the way.
    #[error("the pass was not sealed by whoever agreed on the channel: someone is in between")]
    Forged,
    /// It opens, and is none.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// It is for another channel or transfer than was agreed on.
    #[error("the pass is for another channel than was agreed on")]
    Another,
}

/// The letter that hands over a pass between accounts. To be made once: another pass would be sealed at the same place.
///
/// # Errors
/// The pass cannot be written: ours.
pub fn letter(pairwise: &Pairwise, pass: &Pass) -> Result<Vec<u8>, PassError> {
    Ok([&HEAD, seal(pairwise, pass)?.as_slice()].concat())
}

/// The pass of such a letter, where it is of the channel that was agreed on.
///
/// # Errors
/// It is none, or forged, or for another channel.
pub fn open_letter(agreed: &Agreed, letter: &[u8]) -> Result<Pass, HandoverError> {
    let sealed = letter.strip_prefix(&HEAD).filter(|sealed| sealed.len() <= MAX_PASS + TAG_LEN).ok_or(HandoverError::Letter)?;
    let pass = open(&agreed.pairwise, sealed).ok_or(HandoverError::Forged)??;
    let same = pass.transfer == agreed.transfer && pass.channel == agreed.grant.number && pass.key == agreed.grant.key;
    if same { Ok(pass) } else { Err(HandoverError::Another) }
}

/// A pass under seal.
pub(super) fn seal(pairwise: &Pairwise, pass: &Pass) -> Result<Zeroizing<Vec<u8>>, PassError> {
    let mut plain = pass.to_bytes()?;
    // Moved by hand into its final size, so that the seal does not leave the plaintext behind in a buffer that was too small.
    let mut whole = Zeroizing::new(Vec::with_capacity(plain.len() + TAG_LEN));
    whole.extend_from_slice(&plain);
    plain.zeroize();
    // The first and only chunk, and far below the bound.
    Sealer::new(&pairwise.letters(), &stream()).seal(&mut whole, true).map_err(|_| PassError::Form("too long"))?;
    Ok(whole)
}

/// Opens a sealed pass; nothing where it does not open under this key.
pub(super) fn open(pairwise: &Pairwise, sealed: &[u8]) -> Option<Result<Pass, PassError>> {
    let mut bytes = Zeroizing::new(sealed.to_vec());
    Some(Pass::parse(Opener::new(&pairwise.letters(), &stream()).open(&mut bytes, true).ok()?))
}

fn stream() -> Stream {
    Stream { cipher: Cipher::Aes256Gcm, direction: Direction::FromOfferer, transfer: b"pass".to_vec(), file: 0, epoch: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::SigningKey,
        channel::{
            ChannelNumber,
            keys::{ContentKey, ResumeSecret},
            wire::{ChannelKey, pass::TransferId, transfer::Grant},
        },
    };

    fn agreed(key: u8) -> Agreed {
        Agreed {
            transfer: TransferId([1; 16]),
            pairwise: Pairwise::new(&[key; 32], &[]),
            grant: Grant { number: ChannelNumber(7), addresses: Vec::new(), key: ChannelKey::from_bytes([4; 32]) },
            peer: SigningKey::from_seed(&[9; 32]).public(),
        }
    }

    fn pass() -> Pass {
        Pass {
            cipher: Cipher::Aes256Gcm,
            transfer: TransferId([1; 16]),
            channel: ChannelNumber(7),
            key: ChannelKey::from_bytes([4; 32]),
            content: ContentKey::from_bytes([5; 32]),
            resume: ResumeSecret::from_bytes([6; 32]),
            relays: vec!["relay.example:7070".to_owned()],
            direct: Vec::new(),
        }
    }

    #[test]
    fn a_pass_opens_for_who_agreed_on_its_channel_and_for_nobody_else() {
        let letter = letter(&agreed(1).pairwise, &pass()).expect("a letter");
        assert_eq!(open_letter(&agreed(1), &letter), Ok(pass()));
        assert_eq!(open_letter(&agreed(2), &letter), Err(HandoverError::Forged));
        for at in 2..letter.len() {
            let mut altered = letter.clone();
            altered[at] ^= 1;
            assert_eq!(open_letter(&agreed(1), &altered), Err(HandoverError::Forged), "{at}");
        }
        for odd in [&letter[1..], &[][..], b"\x01\x04rest", &[1, 5].repeat(4000)] {
            assert_eq!(open_letter(&agreed(1), odd), Err(HandoverError::Letter));
        }
    }

    #[test]
    fn a_pass_of_another_channel_or_transfer_is_refused() {
        let other = [
            Pass { channel: ChannelNumber(8), ..pass() },
            Pass { key: ChannelKey::from_bytes([3; 32]), ..pass() },
            Pass { transfer: TransferId([2; 16]), ..pass() },
        ];
        for pass in other {
            let letter = letter(&agreed(1).pairwise, &pass).expect("a letter");
            assert_eq!(open_letter(&agreed(1), &letter), Err(HandoverError::Another));
        }
    }
}
