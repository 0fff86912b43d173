//! Who may share and who receives: a preset for each right, and what was granted and revoked since.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{FileSharing, roster::Room};
use crate::{
    conference::{
        companion::{CompanionCx, Person, Seat},
        roster::Role,
        wire::control::{ErrorCode, Failure as Refusal},
    },
    fileshare::wire::{Failure, FailureCode},
    id::{ParticipantId, UserName},
};

/// A right concerning files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To share.
    Share,
    /// To receive what others share.
    Receive,
}

/// Who has a right without a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Preset {
    /// Everybody; guests receive, but share nothing.
    #[default]
    All,
    /// The chair.
    Chair,
    /// Nobody but those who are named by a grant.
    Named,
}

/// Whom a grant is for: an account with all its dialogs, or somebody without one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    User(UserName),
    Guest(ParticipantId),
}

/// The rights of one conference.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// What was decided for somebody; it goes before the preset. Bounded by those who took part.
    given: BTreeMap<(Right, Holder), bool>,
}

impl Right {
    fn of_word(word: &str) -> Option<Self> {
        [Self::Share, Self::Receive].into_iter().find(|right| right.to_string() == word)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Share => "share",
            Self::Receive => "receive",
        })
    }
}

impl Holder {
    pub(super) fn of(id: ParticipantId, person: &Person) -> Self {
        person.user.clone().map_or(Self::Guest(id), Self::User)
    }
}

impl Preset {
    fn holds(self, right: Right, role: Role) -> bool {
        match self {
            Self::All => right == Right::Receive || role != Role::Guest,
            Self::Chair => role == Role::Chair,
            Self::Named => false,
        }
    }
}

impl Room {
    /// Whether a participant has a right. A user's role is the highest of its dialogs'.
    fn has(&self, right: Right, preset: Preset, id: ParticipantId) -> bool {
        let Some(attendee) = self.attendees.get(&id) else { return false };
        let holder = Holder::of(id, &attendee.person);
        if let Some(given) = self.rights.given.get(&(right, holder)) {
            return *given;
        }
        let user = attendee.person.user.as_ref();
        let roles = self.attendees.values().filter(|a| user.is_some() && a.person.user.as_ref() == user).map(|a| a.person.role);
        roles.chain([attendee.person.role]).any(|role| preset.holds(right, role))
    }
}

impl FileSharing {
    /// Whether somebody may share.
    pub(super) fn may_share(&self, seat: &Seat) -> bool {
        self.rooms.get(&seat.conference).is_some_and(|room| room.has(Right::Share, self.config.share, seat.participant))
    }

    /// Whether somebody receives.
    pub(super) fn may_receive(&self, seat: &Seat) -> bool {
        self.rooms.get(&seat.conference).is_some_and(|room| room.has(Right::Receive, self.config.receive, seat.participant))
    }

    /// A right is given or taken; what it was used for ends with it.
    pub(super) fn on_right(&mut self, cx: &mut CompanionCx<'_>, seats: &[Seat], right: &str, on: bool) -> Result<(), Refusal> {
        let Some(right) = Right::of_word(right) else {
            let text = format!("there is no right \"{}\"; there are share and receive", right.escape_default());
            return Err(Refusal { code: ErrorCode::Usage, text, candidates: Vec::new() });
        };
        let mut conferences = BTreeSet::new();
        for seat in seats {
            let Some(room) = self.rooms.get_mut(&seat.conference) else { continue };
            let Some(attendee) = room.attendees.get(&seat.participant) else { continue };
            let holder = Holder::of(seat.participant, &attendee.person);
            room.rights.given.insert((right, holder), on);
            conferences.insert(seat.conference.clone());
        }
        for conference in conferences {
            self.apply_rights(cx, &conference);
        }
        Ok(())
    }

    /// Somebody's rights may have changed: shares of those who may not share any more end, receivers are put out or asked.
    pub(super) fn apply_rights(&mut self, cx: &mut CompanionCx<'_>, conference: &crate::id::ConferenceName) {
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
