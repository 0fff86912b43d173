//! What is kept of each conference: who is there with which lines, what is shared, and how each member stands.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
};

use super::{file_server::For, rights::RoomRights};
use crate::{
    conference::companion::{Lines, Person},
    fileshare::{
        ConfId, ShareId,
        outbox::Outbox,
        wire::{
            Failure, Fingerprint,
            control::{self, Batch, MemberState},
            line::Line,
        },
    },
    id::{ParticipantId, UserName},
    sdp::Media,
    sip::endpoint::Call,
};

/// Most shares of a conference. Another one is refused.
pub(super) const MAX_SHARES: usize = 64;
/// Most live shares in one dialog. Another one of its own is refused; one that is to be offered waits for a place.
pub(super) const MAX_LIVE: usize = 4;
/// Most receivers of a share that are kept for its report after they have left; those who were there first are forgotten first, those who have it
/// all last.
const MAX_GONE: usize = 1000;

/// The files of one conference.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) attendees: BTreeMap<ParticipantId, Attendee>,
    pub(super) shares: BTreeMap<ShareId, Share>,
    pub(super) last_share: u32,
    pub(super) rights: RoomRights,
}

/// One dialog of a conference.
#[derive(Debug)]
pub(super) struct Attendee {
    pub(super) person: Person,
    /// INFOs to it.
    pub(super) outbox: Outbox,
    /// Our lines in its dialog, by place.
    pub(super) slots: BTreeMap<usize, Slot>,
    /// Shares that it is to be offered a line for.
    pub(super) waiting: VecDeque<ShareId>,
    /// Its offer that waits for our answer.
    pub(super) answering: Option<Answering>,
    /// Our offer that waits for its answer: what it says in which place.
    pub(super) offering: Lines,
    /// It refused a line, and is not asked again until it offers one.
    pub(super) refuses: bool,
}

/// An offer of a participant's, as far as it is answered.
#[derive(Debug, Default)]
pub(super) struct Answering {
    /// The answers that there are.
    pub(super) lines: Lines,
    /// Places whose answer is the file server's to give.
    pub(super) open: BTreeSet<usize>,
}

/// A line of ours in a dialog.
#[derive(Debug)]
pub(super) struct Slot {
    /// The share; `None` where the place is free.
    pub(super) share: Option<ShareId>,
    /// What we want to say there.
    pub(super) ours: Line,
    /// How far it has come.
    pub(super) stage: Stage,
}

/// How far a line has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// S406: to be offered, or under way.
    Proposed,
    /// The file server is being asked for it.
    Asking,
    /// S410: to be offered, or under way.
    Going,
    /// Agreed.
    Up,
    /// Ended: to be said with the next offer; then the place is free.
    Over,
}

/// A data conference.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) conf: ConfId,
    pub(super) sharer: ParticipantId,
    /// The sharer's account: its other dialogs are not offered what it shares.
    pub(super) user: Option<UserName>,
    /// The sharer's URI, and name.
    pub(super) from: Person,
    /// By INFO, not by re-INVITE.
    pub(super) by_info: bool,
    /// Who may receive; empty: everybody with the right.
    pub(super) recipients: Vec<String>,
    pub(super) server: usize,
    /// The sharer's line or what stands for it: batch, transfer id, disposition, transport.
    pub(super) line: Line,
    /// Where the file server listens, once it said so.
    pub(super) address: Option<(SocketAddr, Option<Fingerprint>)>,
    /// The sharer, and everybody who was asked.
    pub(super) members: BTreeMap<ParticipantId, Member>,
    /// Bytes of the upload, once it is complete.
    pub(super) uploaded: Option<u64>,
    /// The sharer was told that all have finished.
    pub(super) completed: bool,
    /// The sharer has left; it lives until all have finished.
    pub(super) orphan: bool,
    /// The sharer said that it leaves and comes again: its upload is waited for by the file server.
    pub(super) suspended: bool,
    /// Its file server is away: it waits for it, or for its next process.
    pub(super) adrift: bool,
}

/// Somebody's part in a share.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) who: String,
    /// Its account.
    pub(super) user: Option<UserName>,
    pub(super) state: MemberState,
    /// Its dialog with the file server.
    pub(super) call: Option<Call>,
    /// Where its terminal connects from.
    pub(super) source: Option<SocketAddr>,
    /// Bytes, as last heard.
    pub(super) bytes: u64,
    pub(super) failure: Option<Failure>,
    /// What it wants of a file server that is away: its line, and what the answer is for.
    pub(super) held: Option<(Line, For)>,
    /// The file server said once that it does not know the share.
    pub(super) unknown: bool,
}

impl Attendee {
    pub(super) fn new(person: Person) -> Self {
        let mut outbox = Outbox::default();
        outbox.open();
        Self { person, outbox, slots: BTreeMap::new(), waiting: VecDeque::new(), answering: None, offering: Lines::new(), refuses: false }
    }

    /// Live shares in its dialog.
    pub(super) fn live(&self) -> usize {
        self.slots.values().filter(|slot| slot.share.is_some() && slot.stage != Stage::Over).count()
    }

    /// The place of a share in its dialog.
    pub(super) fn place_of(&self, share: ShareId) -> Option<usize> {
        self.slots.iter().find(|(_, slot)| slot.share == Some(share) && slot.stage != Stage::Over).map(|(at, _)| *at)
    }
}

impl Room {
    /// A dialog is over, and what was decided about a guest with it: nobody without an account is known again. False where it was not here.
    pub(super) fn leave(&mut self, id: ParticipantId) -> bool {
        self.rights.forget(id);
        self.attendees.remove(&id).is_some()
    }
}

impl Slot {
    /// A place that nobody uses.
    pub(super) fn free(line: &Line) -> Self {
        Self { share: None, ours: line.ended(), stage: Stage::Over }
    }

    /// What we want to say, as a line.
    pub(super) fn media(&self) -> Media {
        self.ours.to_media()
    }
}

impl Share {
    pub(super) fn batch(&self) -> Option<&Batch> {
        self.line.batch.as_ref()
    }

    /// Those who receive, or were asked to.
    pub(super) fn receivers(&self) -> impl Iterator<Item = (&ParticipantId, &Member)> {
        self.members.iter().filter(|(id, _)| **id != self.sharer)
    }

    /// Somebody receives, or is asked to. Of its parts in dialogs that are over, only the last in which it got all is kept; of all who have left,
    /// no more than [`MAX_GONE`].
    pub(super) fn enrol(&mut self, id: ParticipantId, member: Member, is_here: impl Fn(ParticipantId) -> bool) {
        let gone = |share: &Self| -> Vec<(bool, ParticipantId)> {
            let gone =
                share.receivers().filter(|(other, part)| **other != id && part.is_over() && part.call.is_none() && !is_here(**other));
            gone.map(|(other, part)| (part.state == MemberState::Complete, *other)).collect()
        };
        let all = gone(self);
        let mut same: Vec<_> =
            all.iter().copied().filter(|(_, other)| self.members.get(other).is_some_and(|m| m.is_same(&member))).collect();
        same.sort_unstable();
        if same.last().is_some_and(|(complete, _)| *complete) {
            same.pop();
        }
        for (_, other) in same {
            self.members.remove(&other);
        }
        let mut rest = gone(self);
        rest.sort_unstable();
        for (_, other) in rest.iter().take(rest.len().saturating_sub(MAX_GONE)) {
            self.members.remove(other);
        }
        self.members.insert(id, member);
    }

    /// Of each who receives, or was asked to, whether it has it all: an account counts once, in however many dialogs, and so do callers without one
    /// from the same address.
    pub(super) fn people(&self, counts: impl Fn(&(&ParticipantId, &Member)) -> bool) -> Vec<bool> {
        let mut people: BTreeMap<(Option<&UserName>, &str), bool> = BTreeMap::new();
        for (_, member) in self.receivers().filter(counts) {
            let who = if member.user.is_some() { "" } else { member.who.as_str() };
            *people.entry((member.user.as_ref(), who)).or_default() |= member.state == MemberState::Complete;
        }
        people.into_values().collect()
    }

    /// True when nobody of those who were asked will transfer any more.
    pub(super) fn is_finished(&self) -> bool {
        self.receivers().all(|(_, member)| member.is_over())
    }
}

impl Member {
    pub(super) fn new(person: &Person, state: MemberState) -> Self {
        Self {
            who: person.uri.to_string(),
            user: person.user.clone(),
            state,
            call: None,
            source: None,
            bytes: 0,
            failure: None,
            held: None,
            unknown: false,
        }
    }

    /// Whether both are parts of the same account; without one, of callers from the same address.
    fn is_same(&self, other: &Self) -> bool {
        self.user == other.user && (self.user.is_some() || self.who == other.who)
    }

    /// True when it will not transfer any more.
    pub(super) fn is_over(&self) -> bool {
        match self.state {
            MemberState::Complete | MemberState::Failed | MemberState::Declined | MemberState::NotTakingPart | MemberState::Left => true,
            MemberState::Offered | MemberState::Accepted | MemberState::Transferring | MemberState::Broken => false,
        }
    }

    /// As it is told.
    pub(super) fn report(&self) -> control::Member {
        control::Member { who: self.who.clone(), state: self.state, bytes: self.bytes, failure: self.failure.clone() }
    }
}

#[cfg(test)]
mod tests;
