//! Who may share and who receives: a preset for each right, and what was granted and revoked since.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{FileSharing, roster::Room};
use crate::{
    account::{Preset, Rights},
    conference::{
        companion::{CompanionCx, Seat},
        roster::Role,
    },
    fileshare::wire::{Failure, FailureCode},
    id::{ConferenceName, ParticipantId},
};

/// A right concerning files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To share.
    Share,
    /// To receive what others share.
    Receive,
}

/// The rights of one conference.
#[derive(Debug, Default)]
pub(super) struct RoomRights {
    /// What the conference says itself: presets, and what accounts were given.
    defined: Rights,
    /// What was decided for somebody without an account who is here.
    pub(super) guests: BTreeMap<(Right, ParticipantId), bool>,
}

impl RoomRights {
    /// A participant has left.
    pub(super) fn forget(&mut self, id: ParticipantId) {
        for right in [Right::Share, Right::Receive] {
            self.guests.remove(&(right, id));
        }
    }
}

impl Right {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Receive => "receive",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Share, Self::Receive].into_iter().find(|right| right.as_str() == word)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a preset gives a right to somebody of a role.
fn holds(preset: Preset, right: Right, role: Role) -> bool {
    match preset {
        Preset::All => right == Right::Receive || role != Role::Guest,
        Preset::Chair => role == Role::Chair,
        Preset::Named => false,
    }
}

impl Room {
    /// Whether a participant has a right. A user's role is the highest of its dialogs'.
    fn has(&self, right: Right, default: Preset, id: ParticipantId) -> bool {
        let Some(attendee) = self.attendees.get(&id) else { return false };
        let user = attendee.person.user.as_ref();
        let given = match user {
            Some(user) => self.rights.defined.given(right.as_str(), user),
            None => self.rights.guests.get(&(right, id)).copied(),
        };
        if let Some(given) = given {
            return given;
        }
        let preset = self.rights.defined.preset(right.as_str()).unwrap_or(default);
        let roles = self.attendees.values().filter(|a| user.is_some() && a.person.user.as_ref() == user).map(|a| a.person.role);
        roles.chain([attendee.person.role]).any(|role| holds(preset, right, role))
    }
}

impl FileSharing {
    /// Who has a right where the conference does not say.
    fn default_preset(&self, right: Right) -> Preset {
        match right {
            Right::Share => self.config.share,
            Right::Receive => self.config.receive,
        }
    }

    /// Who has a right in a conference without a grant.
    pub(super) fn preset_of(&self, conference: &ConferenceName, right: Right) -> Preset {
        let own = self.rooms.get(conference).and_then(|room| room.rights.defined.preset(right.as_str()));
        own.unwrap_or_else(|| self.default_preset(right))
    }

    fn may(&self, seat: &Seat, right: Right) -> bool {
        self.rooms.get(&seat.conference).is_some_and(|room| room.has(right, self.default_preset(right), seat.participant))
    }

    /// Whether somebody may share.
    pub(super) fn may_share(&self, seat: &Seat) -> bool {
        self.may(seat, Right::Share)
    }

    /// Whether somebody receives.
    pub(super) fn may_receive(&self, seat: &Seat) -> bool {
        self.may(seat, Right::Receive)
    }

    /// A conference says other things of rights than before; what a right was used for ends with it.
    pub(super) fn on_defined(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName, rights: &Rights) {
        let room = self.rooms.entry(conference.clone()).or_default();
        if room.rights.defined != *rights {
            room.rights.defined = rights.clone();
            self.apply_rights(cx, conference);
        }
    }

    /// A right is given to guests, or taken from them.
    pub(super) fn on_guests(&mut self, cx: &mut CompanionCx<'_>, seats: &[Seat], right: Right, on: bool) {
        let mut conferences = BTreeSet::new();
        for seat in seats {
            let Some(room) = self.rooms.get_mut(&seat.conference) else { continue };
            if room.attendees.get(&seat.participant).is_some_and(|attendee| attendee.person.user.is_none()) {
                room.rights.guests.insert((right, seat.participant), on);
                conferences.insert(seat.conference.clone());
            }
        }
        for conference in conferences {
            self.apply_rights(cx, &conference);
        }
    }

    /// Somebody's rights may have changed: shares of those who may not share any more end, receivers are put out or asked.
    pub(super) fn apply_rights(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName) {
        let Some(room) = self.rooms.get(conference) else { return };
        let seat = |participant| Seat { conference: conference.clone(), participant };
        let shares: Vec<_> =
            room.shares.iter().map(|(id, share)| (*id, share.sharer, !room.attendees.contains_key(&share.sharer))).collect();
        let people: Vec<ParticipantId> = room.attendees.keys().copied().collect();
        for (id, sharer, away) in shares {
            if !away && !self.may_share(&seat(sharer)) {
                self.end_share(cx, conference, id, &Failure::new(FailureCode::Forbidden, "the right to share was taken"), None);
                continue;
            }
            for participant in people.iter().copied().filter(|p| *p != sharer) {
                if self.may_receive(&seat(participant)) {
                    self.invite(cx, &seat(participant), id);
                } else {
                    self.put_out(cx, &seat(participant), id, &Failure::new(FailureCode::Forbidden, "the right to receive was taken"));
                }
            }
        }
    }
}
