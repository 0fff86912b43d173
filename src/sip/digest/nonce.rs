//! Nonces that prove themselves, and the counts seen of each.
//!
//! A nonce is its time and number of making under an HMAC: the server remembers nothing of the challenges it sends, so a
//! flood of unanswered ones costs no memory. Only a nonce that came back with the right response is remembered, with the
//! counts it was used with, so that no answer is good twice.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Bytes of the HMAC that a nonce carries.
const TAG: usize = 16;

/// How far back behind the highest count seen a count may come late, over transports that reorder.
const WINDOW: u32 = 64;

/// When a nonce was made, in milliseconds of the server's life, and which of all it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    millis: u64,
    number: u64,
}

/// Makes nonces, knows its own again, and counts their uses.
#[derive(Debug)]
pub(super) struct Nonces {
    key: hmac::Key,
    epoch: Instant,
    life: Duration,
    made: u64,
    used: BTreeMap<Id, Counts>,
    max_used: usize,
    /// The youngest nonce whose counts were forgotten for want of room: it and all older ones are stale, unless remembered.
    forgotten: Option<Id>,
}

/// The counts seen of one nonce.
#[derive(Debug, Clone, Copy)]
struct Counts {
    highest: u32,
    /// Bit n: `highest - n` was seen.
    seen: u64,
}

impl Nonces {
    pub fn new(epoch: Instant, seed: &[u8; 32], life: Duration, max_used: usize) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, seed);
        Self { key, epoch, life, made: 0, used: BTreeMap::new(), max_used: max_used.max(1), forgotten: None }
    }

    /// A fresh nonce.
    pub fn make(&mut self, now: Instant) -> String {
        self.made = self.made.wrapping_add(1);
        let id = Id { millis: self.millis(now), number: self.made };
        let mut bytes = id.to_bytes().to_vec();
        bytes.extend(self.tag(id));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The nonce's identity, if it was made here and is not too old.
    pub fn recognise(&self, now: Instant, nonce: &str) -> Option<Id> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (millis, rest) = bytes.split_first_chunk::<8>()?;
        let (number, tag) = rest.split_first_chunk::<8>()?;
        let id = Id { millis: u64::from_be_bytes(*millis), number: u64::from_be_bytes(*number) };
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.tag(id), tag).ok()?;
        self.living(now, id).then_some(id)
    }

    /// Notes one use of a nonce; false when this count was used before, or might have been.
    pub fn spend(&mut self, now: Instant, id: Id, nc: u32) -> bool {
        if let Some(counts) = self.used.get_mut(&id) {
            return counts.spend(nc);
        }
        while self.used.first_key_value().is_some_and(|(id, _)| !self.living(now, *id)) {
            self.used.pop_first();
        }
        if self.forgotten.is_some_and(|forgotten| id <= forgotten) {
            return false;
        }
        self.used.insert(id, Counts { highest: nc, seen: 1 });
        if self.used.len() > self.max_used
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.forgotten = Some(oldest);
        }
        true
    }

    fn living(&self, now: Instant, id: Id) -> bool {
        self.millis(now).saturating_sub(id.millis) <= self.life.as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn tag(&self, id: Id) -> [u8; TAG] {
        let mut tag = [0; TAG];
        for (to, from) in tag.iter_mut().zip(hmac::sign(&self.key, &id.to_bytes()).as_ref()) {
            *to = *from;
        }
        tag
    }
}

impl Id {
    fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.millis) << 64 | u128::from(self.number)).to_be_bytes()
    }
}

impl Counts {
    fn spend(&mut self, nc: u32) -> bool {
        if let Some(ahead) = nc.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let behind = self.highest - nc;
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        if behind >= WINDOW || self.seen & bit != 0 {
            return false;
        }
        self.seen |= bit;
        true
    }
}
