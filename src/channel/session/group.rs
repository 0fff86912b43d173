//! The sender's side of several receivers: a [`Sender`] for each of them, and what they have to do in common.
//!
//! All of them get the same chunks by the same data connections, so nothing begins before as many have come as are wanted and each has decided.
//! From then on the slowest holds the others back by a window ([`super::WINDOW`]) and no further: the relay puts out who is behind for too long,
//! and whoever is gone counts no more. How one ends is told for each, and is nothing to the others.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::sender::{Failure, Sender, SenderAction};
use crate::{
    channel::{
        Peer,
        wire::{
            Reason,
            letter::{Failed, FailedCode, Letter, Offer, Way},
        },
    },
    transfer::Trailer,
};

/// What the shell is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum GroupAction {
    /// Seal and send this letter to that receiver.
    Tell {
        /// Whose seat it is.
        seat: Peer,
        /// What.
        letter: Letter,
    },
    /// Send chunks to these, from this byte of the batch's stream on. It is said once.
    Begin {
        /// The byte.
        from: u64,
        /// Who wants them.
        seats: Vec<Peer>,
        /// Some of them may be compressed: all of these understand it.
        packed: bool,
    },
    /// That receiver is done, or why not.
    Ended {
        /// Whose seat it is.
        seat: Peer,
        /// How.
        how: Result<(), Parted>,
    },
    /// Nobody is left: chunks that still go out are for nobody.
    Over,
}

/// Why a receiver does not have all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parted {
    /// By what was said in the session.
    Failure(Failure),
    /// It has left the channel.
    Gone(Reason),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Group {
    offer: Offer,
    manifest: Bytes,
    wanted: usize,
    members: BTreeMap<Peer, Member>,
    begun: bool,
    over: bool,
    out: VecDeque<GroupAction>,
}

#[derive(Debug)]
struct Member {
    session: Sender,
    /// From where it wants chunks, once it has said so.
    from: Option<u64>,
    packed: bool,
    over: bool,
}

impl Group {
    /// Offers a batch with its manifest as JSON to so many receivers, one at least.
    pub fn new(offer: Offer, manifest: Bytes, wanted: usize) -> Self {
        let (members, out) = (BTreeMap::new(), VecDeque::new());
        // What all get, the relay copies for each: nobody is called.
        let offer = Offer { calls: false, ..offer };
        Self { offer, manifest, wanted: wanted.max(1), members, begun: false, over: false, out }
    }

    /// A receiver has come. Where chunks go out already it is too late.
    pub fn handle_joined(&mut self, seat: Peer) {
        if self.begun || self.over || self.members.len() == self.wanted {
            return;
        }
        let session = Sender::new(self.offer.clone(), self.manifest.clone());
        self.members.entry(seat).or_insert(Member { session, from: None, packed: false, over: false });
    }

    /// A letter of that receiver's.
    pub fn handle_letter(&mut self, seat: Peer, letter: Letter) {
        if let Some(member) = self.members.get_mut(&seat) {
            member.session.handle_letter(letter);
        }
    }

    /// A letter of that receiver's could not be opened, or the like: its session fails by that.
    pub fn handle_fault(&mut self, seat: Peer, failed: Failed) {
        if let Some(member) = self.members.get_mut(&seat) {
            member.session.handle_failure(failed);
        }
    }

    /// That receiver has left the channel.
    pub fn handle_gone(&mut self, seat: Peer, reason: Reason) {
        if let Some(member) = self.members.get_mut(&seat).filter(|member| !member.over) {
            member.over = true;
            self.out.push_back(GroupAction::Ended { seat, how: Err(Parted::Gone(reason)) });
        }
    }

    /// So many come, and no more, those who are there among them.
    pub fn expect(&mut self, wanted: usize) {
        self.wanted = wanted.max(self.members.len());
    }

    /// All chunks are on their way: `chunks` of them, the last one empty; these are the digests.
    pub fn handle_sent(&mut self, bytes: u64, chunks: u64, trailer: &Trailer) {
        for member in self.members.values_mut() {
            member.session.handle_sent(bytes, chunks, trailer);
        }
    }

    /// It cannot go on here, for nobody.
    pub fn handle_failure(&mut self, failed: &Failed) {
        self.expect(0);
        for member in self.members.values_mut() {
            member.session.handle_failure(failed.clone());
        }
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<GroupAction> {
        if let Some(action) = self.out.pop_front() {
            return Some(action);
        }
        for (seat, member) in self.members.iter_mut().filter(|(_, member)| !member.over) {
            match member.session.poll_action() {
                Some(SenderAction::Tell(letter)) => return Some(GroupAction::Tell { seat: *seat, letter }),
                Some(SenderAction::Over(how)) => {
                    member.over = true;
                    return Some(GroupAction::Ended { seat: *seat, how: how.map_err(Parted::Failure) });
                }
                // Several are sent to by the relay, which makes copies: nobody is offered to come directly.
                Some(SenderAction::Begin { from, way: Way::Relay, packed }) => (member.from, member.packed) = (Some(from), packed),
                Some(SenderAction::Begin { .. } | SenderAction::Call(_)) => {
                    member.session.handle_failure(Failed::new(FailedCode::Protocol, "several receivers come by the relay"));
                    return self.poll_action();
                }
                None => {}
            }
        }
        self.next_step()
    }

    /// What all of them have in common.
    fn next_step(&mut self) -> Option<GroupAction> {
        if self.over || self.members.len() < self.wanted {
            return None;
        }
        if self.members.values().all(|member| member.over) {
            self.over = true;
            return Some(GroupAction::Over);
        }
        let undecided = |member: &Member| !member.over && member.from.is_none();
        if self.begun || self.members.values().any(undecided) {
            return None;
        }
        self.begun = true;
        let from = self.live().filter_map(|member| member.from).min().unwrap_or_default();
        let apart = Failed::new(FailedCode::Protocol, "several receivers begin at the same byte");
        for member in self.members.values_mut().filter(|member| !member.over && member.from != Some(from)) {
            member.session.handle_failure(apart.clone());
        }
        let wants = |member: &Member| !member.over && member.from == Some(from);
        let seats = self.members.iter().filter(|(_, member)| wants(member)).map(|(seat, _)| *seat).collect();
        let packed = self.members.values().filter(|member| wants(member)).all(|member| member.packed);
        Some(GroupAction::Begin { from, seats, packed })
    }

    /// Whether that receiver has accepted, and keeps nothing for another process.
    pub fn keeps_nothing(&self, seat: Peer) -> bool {
        self.members.get(&seat).is_some_and(|member| member.session.keeps_nothing())
    }

    /// Files that this receiver, who is done, has left as they were there.
    pub fn skipped(&self, seat: Peer) -> u32 {
        self.members.get(&seat).map_or(0, |member| member.session.skipped())
    }

    fn live(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.over)
    }

    /// How many have come.
    pub fn present(&self) -> usize {
        self.members.len()
    }

    /// Up to which byte of the batch's stream chunks may be sent now: as far as the slowest permits.
    pub fn limit(&self) -> u64 {
        self.live().map(|member| member.session.limit()).min().unwrap_or_default()
    }

    /// Bytes that all receivers have.
    pub fn received(&self) -> u64 {
        self.live().map(|member| member.session.received()).min().unwrap_or_default()
    }

    /// Bytes that all receivers have on their disks: none of them is asked for again, but by one who has left.
    pub fn durable(&self) -> u64 {
        self.live().map(|member| member.session.durable()).min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
