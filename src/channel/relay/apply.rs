//! Steps 2 and 3: an application is looked at, and a channel allocated or the reason told.

use std::{num::NonZeroU64, time::Instant};

use super::{
    Anonymous, ConnectionId, Event, Holder, Relay,
    expiry::Timer,
    numbers::count,
    state::{Channel, Line},
};
use crate::{
    channel::{
        ChannelNumber, MAX_NAMEPLATE, Nameplate, Place,
        wire::{
            ChannelKey, Message, RefusalCode, Refused,
            answer::{Allocated, MAX_ADDRESSES},
            request::{Apply, Wanted},
        },
    },
    id::UserName,
};

/// Who applies, as the shell has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applicant {
    /// The ticket is good, and of this account.
    User(UserName),
    /// The ticket is good, but this account may have no channel.
    Barred(UserName),
    /// There is no ticket; the settings say who may do without.
    Anonymous,
    /// The ticket is not good, and why: fit for "failed to …", nothing of the ticket.
    Unverified(String),
}

impl Relay {
    /// The applicant of an application that [`Relay::handle_frame`] gave back is known.
    pub fn handle_apply(&mut self, now: Instant, id: ConnectionId, applicant: Applicant, apply: &Apply) {
        let busy = match self.connections.get(&id).map(|connection| &connection.line) {
            None => return,
            Some(Line::New) => false,
            Some(Line::Control(control)) => control.holds.is_some(),
            Some(Line::Data(_)) => true,
        };
        if busy {
            return self.malformed(now, id, "one channel is applied for on a connection");
        }
        count(&mut self.numbers.applications);
        match self.allot(now, id, applicant, apply) {
            Ok(holder) => self.allocate(now, id, holder, apply),
            Err(refused) => self.refuse(now, id, refused),
        }
    }

    /// Under whom the channel is counted, or why there is none.
    fn allot(&mut self, now: Instant, id: ConnectionId, applicant: Applicant, apply: &Apply) -> Result<Holder, Refused> {
        if self.draining {
            return Err(Refused::new(RefusalCode::Draining, "the relay is being stopped"));
        }
        let holder = self.verified(id, applicant)?;
        let judged = self.judge(now, &holder, apply);
        if judged.is_err() {
            self.holders.change(&holder, |numbers| count(&mut numbers.refused));
        }
        judged.map(|()| holder)
    }

    fn verified(&self, id: ConnectionId, applicant: Applicant) -> Result<Holder, Refused> {
        let from = self.connections.get(&id).map(|connection| (connection.from, connection.loopback));
        match (applicant, from) {
            (Applicant::User(user), _) => Ok(Holder::User(user)),
            (Applicant::Barred(user), _) => {
                Err(Refused::new(RefusalCode::NotPermitted, format!("the account \"{user}\" may have no channel here")))
            }
            (Applicant::Unverified(why), _) => Err(Refused::new(RefusalCode::NotAuthenticated, why)),
            (Applicant::Anonymous, Some((from, loopback)))
                if match self.settings.anonymous {
                    Anonymous::Everybody => true,
                    Anonymous::Loopback => loopback,
                    Anonymous::Nobody => false,
                } =>
            {
                Ok(Holder::Address(from))
            }
            (Applicant::Anonymous, _) => {
                Err(Refused::new(RefusalCode::NotAuthenticated, "this relay gives channels to accounts only: sign in"))
            }
        }
    }

    fn judge(&mut self, now: Instant, holder: &Holder, apply: &Apply) -> Result<(), Refused> {
        let limits = &self.settings.limits;
        if let Some(wait) = self.holders.apply(now, holder, NonZeroU64::from(limits.applications_per_minute), limits.applicants) {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            return Err(Refused::new(RefusalCode::Rate, "too many applications for channels").retry(seconds));
        }
        if self.channels.len() >= limits.channels {
            return Err(Refused::new(RefusalCode::NoCapacity, "the relay has no channel left"));
        }
        let (has, may) = (self.holders.channels(holder), limits.channels_per_user);
        if has >= may {
            return Err(Refused::new(RefusalCode::Quota, format!("{holder} has {has} of {may} channels")));
        }
        match apply.nameplate {
            Some(Wanted::This(nameplate)) if self.nameplates.contains_key(&nameplate) => {
                Err(Refused::new(RefusalCode::Taken, format!("the nameplate {nameplate} is taken")))
            }
            Some(Wanted::Any(true)) if self.free_nameplate().is_none() => {
                Err(Refused::new(RefusalCode::NoCapacity, "there is no nameplate left"))
            }
            Some(Wanted::This(_) | Wanted::Any(_)) | None => Ok(()),
        }
    }

    fn allocate(&mut self, now: Instant, id: ConnectionId, holder: Holder, apply: &Apply) {
        let mut number = ChannelNumber::random(&mut self.rng);
        while self.channels.contains_key(&number) {
            number = ChannelNumber::random(&mut self.rng);
        }
        let key = ChannelKey::random(&mut self.rng);
        let nameplate = match apply.nameplate {
            Some(Wanted::This(nameplate)) => Some(nameplate),
            Some(Wanted::Any(true)) => self.free_nameplate(),
            Some(Wanted::Any(false)) | None => None,
        };
        self.nameplates.extend(nameplate.map(|nameplate| (nameplate, number)));
        self.holders.change(&holder, |numbers| numbers.channels = numbers.channels.saturating_add(1));
        count(&mut self.numbers.channels);
        let unused = self.settings.limits.unused;
        self.timers.set(Timer::Unused(number), now + unused);
        self.become_control(now, id);
        if let Some(control) = self.control_mut(id) {
            control.holds = Some(number);
        }
        self.mind_idleness(now, id);
        let (peer, kind) = (apply.peer.clone(), apply.kind.clone());
        self.events.push_back(Event::Allocated { channel: number, holder: holder.clone(), peer, kind });
        let allocated = Allocated {
            channel: number,
            addresses: self.settings.addresses.iter().take(MAX_ADDRESSES).cloned().collect(),
            key: key.clone(),
            expires: u32::try_from(unused.as_secs()).unwrap_or(u32::MAX),
            nameplate,
        };
        self.send(id, &Message::Allocated(allocated));
        let channel = Channel {
            key,
            holder,
            receivers: apply.receivers,
            nameplate,
            applicant: Some(id),
            seats: std::collections::BTreeMap::new(),
            next_seat: 1,
            pumps: std::collections::BTreeMap::new(),
        };
        self.channels.insert(number, channel);
    }

    /// The smallest that nobody has, and at which nobody waits for somebody else.
    fn free_nameplate(&self) -> Option<Nameplate> {
        let mut all = (1..=MAX_NAMEPLATE).filter_map(|number| Nameplate::new(number).ok());
        all.find(|nameplate| !self.nameplates.contains_key(nameplate) && !self.meetings.contains_key(&Place::Nameplate(*nameplate)))
    }
}
