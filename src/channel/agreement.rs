//! The keys of two users who have accounts: X25519 (RFC 7748) in offer and acceptance, signed by the identity keys of both.
//!
//! | | first embodiment: the receiver applies | second: the sender applies |
//! |---|---|---|
//! | 1 | [`Offer`], signed by the sender | the same |
//! | 2 | – | [`Accepted`], signed by the receiver |
//! | 3 | [`Channel`] with the receiver's keys, signed by it | [`Channel`], signed by the sender |
//!
//! What is signed is not XML but these parts, each behind its length (8 bytes, big-endian), behind a label; numbers are big-endian:
//!
//! | body | label | parts |
//! |---|---|---|
//! | offer | `confkit transfer offer v1` | transfer, from, to, count (4 bytes), size (8, or empty), kind, who applies, the sender's share, its identity |
//! | accepted | `confkit transfer accepted v1` | SHA-256 of the offer's parts, the receiver's share, its identity |
//! | channel | `confkit transfer channel v1` | SHA-256 of the offer's parts, of the acceptance's (or empty), number (8), channel key, the receiver's share and identity (or empty), each address |
//!
//! The pairwise key is that of [`super::keys`] of what X25519 gave, and `confkit transfer agreement v1` and the parts of all bodies as what was
//! said. So it is another where anything was altered on the way, and another for another channel key. Whoever has only the signalling (the
//! AS) has none of it; whoever answers in another's place needs an identity key that the other side has not pinned.

use aws_lc_rs::{
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
    digest::{SHA256, digest},
};
use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use zeroize::Zeroizing;

use super::{
    identity::Own,
    keys::Pairwise,
    wire::{
        pass::TransferId,
        transfer::{Accepted, Applies, Channel, Grant, Offer, Share},
    },
};
use crate::{
    account::{PublicKey, Signature},
    id::UserName,
};

const AGREEMENT: &[u8] = b"confkit transfer agreement v1";
const OFFER: &[u8] = b"confkit transfer offer v1";
const ACCEPTED: &[u8] = b"confkit transfer accepted v1";
const CHANNEL: &[u8] = b"confkit transfer channel v1";

/// Why no key is agreed on. The peer's fault, or that of whoever is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgreementError {
    /// Not signed by the identity that the body names, or changed since.
    #[error("the {0} is not signed by the identity that it names: it was altered on the way")]
    Signature(&'static str),
    /// For somebody else.
    #[error("the offer is not for this account")]
    NotForUs,
    /// It says it is of somebody else than the AS says.
    #[error("the offer names another sender than the server does")]
    NotFromThem,
    /// What comes does not belong to who applies.
    #[error("the {0} does not fit the offer")]
    Order(&'static str),
    /// An ephemeral key that gives no secret.
    #[error("the other side's ephemeral key is none")]
    Share,
}

/// What an offer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The transfer.
    pub transfer: TransferId,
    /// Files and folders.
    pub count: u32,
    /// Bytes of all; none where not known yet.
    pub size: Option<u64>,
    /// What it is ([`super::wire::transfer::is_kind`]).
    pub kind: String,
    /// Who is to apply.
    pub applies: Applies,
}

/// What two have who have agreed.
#[derive(Debug)]
pub struct Agreed {
    /// The transfer.
    pub transfer: TransferId,
    /// Their key.
    pub pairwise: Pairwise,
    /// Their channel.
    pub grant: Grant,
    /// The identity of the other side.
    pub peer: PublicKey,
}

/// The sender's side.
#[derive(Debug)]
pub struct Offering {
    own: PublicKey,
    offer: Offer,
    ephemeral: Ephemeral,
    /// What the receiver said, where the sender applies.
    accepted: Option<Accepted>,
}

/// The receiver's side.
#[derive(Debug)]
pub struct Answering {
    own: PublicKey,
    offer: Offer,
    ephemeral: Ephemeral,
    accepted: Option<Accepted>,
}

/// The secret half of an ephemeral key; wiped when dropped.
struct Ephemeral(Zeroizing<[u8; 32]>);

impl Offering {
    /// Makes an offer.
    pub fn new(own: &Own, to: UserName, facts: Facts, rng: &mut ChaCha12Rng) -> Self {
        let ephemeral = Ephemeral::random(rng);
        let Facts { transfer, count, size, kind, applies } = facts;
        let (from, identity, share) = (own.user.clone(), own.key.public(), ephemeral.share());
        let signature = Signature([0; 64]);
        let mut offer = Offer { transfer, from, to, count, size, kind, applies, share, identity, signature };
        offer.signature = own.key.sign(OFFER, &offer_parts(&offer));
        Self { own: identity, offer, ephemeral, accepted: None }
    }

    /// Step 1.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The receiver has accepted, and the sender is to apply. Gives the receiver's identity.
    ///
    /// # Errors
    /// It does not fit, or is not signed by who it names.
    pub fn handle_accepted(&mut self, accepted: Accepted) -> Result<PublicKey, AgreementError> {
        if self.offer.applies != Applies::Sender || self.accepted.is_some() || accepted.transfer != self.offer.transfer {
            return Err(AgreementError::Order("acceptance"));
        }
        // What is sent back to its sender is no acceptance.
        let said = accepted_parts(&self.offer, accepted.share, &accepted.identity);
        if accepted.identity == self.own || !accepted.identity.verifies(ACCEPTED, &said, &accepted.signature) {
            return Err(AgreementError::Signature("acceptance"));
        }
        let identity = accepted.identity;
        self.accepted = Some(accepted);
        Ok(identity)
    }

    /// Step 4 of the second embodiment: passes on what the relay gave.
    ///
    /// # Errors
    /// Nobody has accepted, or with a key that is none.
    pub fn tell(self, own: &Own, grant: Grant) -> Result<(Channel, Agreed), AgreementError> {
        let Some(accepted) = &self.accepted else { return Err(AgreementError::Order("channel")) };
        let channel = channel(own, &self.offer, Some(accepted), grant, None);
        let agreed = agree_on(&self.ephemeral, &self.offer, Some(accepted), &channel, accepted.share, accepted.identity)?;
        Ok((channel, agreed))
    }

    /// Step 4 of the first embodiment: the receiver has applied.
    ///
    /// # Errors
    /// It does not fit, is not signed by who it names, or has a key that is none.
    pub fn handle_channel(&self, channel: &Channel) -> Result<Agreed, AgreementError> {
        let Some((share, identity)) = channel.keys.filter(|_| self.offer.applies == Applies::Receiver) else {
            return Err(AgreementError::Order("channel"));
        };
        if identity == self.own {
            return Err(AgreementError::Signature("channel"));
        }
        verify_channel(&self.offer, None, channel, &identity)?;
        agree_on(&self.ephemeral, &self.offer, None, channel, share, identity)
    }
}

impl Answering {
    /// Takes up an offer that the AS says is from `from`.
    ///
    /// # Errors
    /// It is not for this user, of somebody else, or not signed by who it names.
    pub fn new(own: &Own, from: &UserName, offer: Offer, rng: &mut ChaCha12Rng) -> Result<Self, AgreementError> {
        if offer.to != own.user {
            return Err(AgreementError::NotForUs);
        }
        if offer.from != *from {
            return Err(AgreementError::NotFromThem);
        }
        let identity = own.key.public();
        if offer.identity == identity || !offer.identity.verifies(OFFER, &offer_parts(&offer), &offer.signature) {
            return Err(AgreementError::Signature("offer"));
        }
        Ok(Self { own: identity, offer, ephemeral: Ephemeral::random(rng), accepted: None })
    }

    /// What is offered.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Step 2 of the second embodiment: the offer is taken, and the sender is to apply.
    pub fn accept(&mut self, own: &Own) -> Accepted {
        let share = self.ephemeral.share();
        let signature = own.key.sign(ACCEPTED, &accepted_parts(&self.offer, share, &self.own));
        let accepted = Accepted { transfer: self.offer.transfer, share, identity: self.own, signature };
        self.accepted = Some(accepted.clone());
        accepted
    }

    /// Step 4 of the first embodiment: passes on what the relay gave.
    ///
    /// # Errors
    /// The offer has a key that is none.
    pub fn tell(self, own: &Own, grant: Grant) -> Result<(Channel, Agreed), AgreementError> {
        let channel = channel(own, &self.offer, None, grant, Some((self.ephemeral.share(), self.own)));
        let agreed = agree_on(&self.ephemeral, &self.offer, None, &channel, self.offer.share, self.offer.identity)?;
        Ok((channel, agreed))
    }

    /// Step 4 of the second embodiment: the sender has applied.
    ///
    /// # Errors
    /// It does not fit, is not signed by the sender, or the offer has a key that is none.
    pub fn handle_channel(&self, channel: &Channel) -> Result<Agreed, AgreementError> {
        let Some(accepted) = self.accepted.as_ref().filter(|_| channel.keys.is_none()) else {
            return Err(AgreementError::Order("channel"));
        };
        verify_channel(&self.offer, Some(accepted), channel, &self.offer.identity)?;
        agree_on(&self.ephemeral, &self.offer, Some(accepted), channel, self.offer.share, self.offer.identity)
    }
}

impl Ephemeral {
    fn random(rng: &mut ChaCha12Rng) -> Self {
        Self(Zeroizing::new(rng.random()))
    }

    fn key(&self) -> PrivateKey {
        // Only a wrong length is refused, and the type excludes that.
        PrivateKey::from_private_key(&X25519, self.0.as_slice()).expect("X25519 takes 32 bytes")
    }

    fn share(&self) -> Share {
        let mut share = [0; 32];
        // Fails only where memory does.
        let public = self.key().compute_public_key().expect("X25519 has a public key for each private one");
        share.copy_from_slice(public.as_ref());
        Share(share)
    }
}

impl std::fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ephemeral(…)")
    }
}

/// What both have, once the channel is told.
fn agree_on(
    ephemeral: &Ephemeral,
    offer: &Offer,
    accepted: Option<&Accepted>,
    channel: &Channel,
    theirs: Share,
    peer: PublicKey,
) -> Result<Agreed, AgreementError> {
    let offered = offer_parts(offer);
    let taken = accepted.map_or_else(Vec::new, |accepted| accepted_parts(offer, accepted.share, &accepted.identity));
    let told = channel_parts(offer, accepted, channel);
    // A share of small order gives a secret that everybody knows; it is refused (RFC 7748 §6.1).
    let pairwise = agree(&ephemeral.key(), UnparsedPublicKey::new(&X25519, &theirs.0), AgreementError::Share, |secret| {
        Ok(Pairwise::new(secret, &[AGREEMENT, &offered, &taken, &told]))
    })?;
    Ok(Agreed { transfer: offer.transfer, pairwise, grant: channel.grant.clone(), peer })
}

fn channel(own: &Own, offer: &Offer, accepted: Option<&Accepted>, grant: Grant, keys: Option<(Share, PublicKey)>) -> Channel {
    let mut channel = Channel { transfer: offer.transfer, grant: grant.cut(), keys, signature: Signature([0; 64]) };
    channel.signature = own.key.sign(CHANNEL, &channel_parts(offer, accepted, &channel));
    channel
}

fn verify_channel(offer: &Offer, accepted: Option<&Accepted>, channel: &Channel, by: &PublicKey) -> Result<(), AgreementError> {
    if channel.transfer != offer.transfer {
        return Err(AgreementError::Order("channel"));
    }
    let signed = by.verifies(CHANNEL, &channel_parts(offer, accepted, channel), &channel.signature);
    if signed { Ok(()) } else { Err(AgreementError::Signature("channel")) }
}

fn offer_parts(offer: &Offer) -> Vec<u8> {
    let size = offer.size.map_or_else(Vec::new, |size| size.to_be_bytes().to_vec());
    parts(&[
        &offer.transfer.0,
        offer.from.as_str().as_bytes(),
        offer.to.as_str().as_bytes(),
        &offer.count.to_be_bytes(),
        &size,
        offer.kind.as_bytes(),
        offer.applies.as_str().as_bytes(),
        &offer.share.0,
        &offer.identity.0,
    ])
}

fn accepted_parts(offer: &Offer, share: Share, identity: &PublicKey) -> Vec<u8> {
    parts(&[digest(&SHA256, &offer_parts(offer)).as_ref(), &share.0, &identity.0])
}

fn channel_parts(offer: &Offer, accepted: Option<&Accepted>, channel: &Channel) -> Vec<u8> {
    let offered = digest(&SHA256, &offer_parts(offer));
    let taken = accepted.map(|accepted| digest(&SHA256, &accepted_parts(offer, accepted.share, &accepted.identity)));
    let number = channel.grant.number.0.to_be_bytes();
    let mut all: Vec<&[u8]> = vec![
        offered.as_ref(),
        taken.as_ref().map_or(&[][..], AsRef::as_ref),
        &number,
        channel.grant.key.as_bytes(),
        channel.keys.as_ref().map_or(&[][..], |(share, _)| &share.0),
        channel.keys.as_ref().map_or(&[][..], |(_, identity)| &identity.0),
    ];
    all.extend(channel.grant.addresses.iter().map(String::as_bytes));
    parts(&all)
}

/// Each part behind its length.
fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
#[path = "agreement/tests.rs"]
mod tests;
