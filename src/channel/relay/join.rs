//! Data connections (step 8): which of the receivers' belong to which of the sender's, when copying begins, and what becomes of the slow.
//!
//! A data connection of the sender is for those receivers that it names, or for all who have a seat when it joins. Copying begins when each of
//! them has joined with a data connection of the same index; then all of them get `joined`, and nothing else from the relay.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    Action, ConnectionId, Relay,
    enter::NO_SUCH_CHANNEL,
    expiry::Timer,
    state::{Data, Line, Pump, Taker},
};
use crate::channel::{
    ChannelNumber, Peer,
    wire::{
        Message, Reason, RefusalCode, Refused, Role,
        answer::{Gone, Pace},
        proof::{Admission, Purpose},
        request::{Join, MAX_RECEIVERS},
    },
};

/// What one copying has done since it was last told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes written, counted once for each receiver.
    pub bytes: u64,
    /// Each receiver.
    pub legs: Vec<Leg>,
}

/// One receiver of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// Which.
    pub seat: Peer,
    /// Bytes that it took.
    pub bytes: u64,
    /// For how long bytes waited for it.
    pub waited: Duration,
    /// The whole time: others could have had more.
    pub behind: bool,
}

/// What waits for one of several receivers at most, in bytes: whoever takes that much within the relay's patience is slower than the others, but not
/// behind.
pub const WINDOW: u64 = 1024 * 1024;

/// Milliseconds of a second from which on a sender is told that it waits; below, it is told once that it no longer does.
const PACE: u32 = 50;

impl Relay {
    pub(super) fn join(&mut self, now: Instant, id: ConnectionId, join: &Join) {
        let challenge = match self.connections.get(&id) {
            None => return,
            Some(connection) if matches!(connection.line, Line::New) => connection.challenge,
            Some(_) => return self.malformed(now, id, "a data connection says nothing before it joins"),
        };
        let Some(channel) = self.channels.get_mut(&join.channel) else {
            return self.refuse(now, id, Refused::new(RefusalCode::NoSuchChannel, NO_SUCH_CHANNEL));
        };
        let role = if join.seat == Peer::SENDER { Role::Sender } else { Role::Receiver };
        let purpose = Purpose::Join { seat: join.seat, stream: join.stream };
        let admission = Admission { challenge: &challenge, channel: join.channel, role, purpose };
        if !admission.verify(&channel.key, &join.proof) {
            return self.refuse(now, id, Refused::new(RefusalCode::WrongProof, "the proof of the channel key is wrong"));
        }
        let receivers: Vec<Peer> = channel.seats.keys().copied().filter(|seat| seat.is_receivers_seat()).collect();
        let Some(seat) = channel.seats.get_mut(&join.seat) else {
            return self.refuse(now, id, Refused::new(RefusalCode::NotPermitted, "enter the channel before joining with data connections"));
        };
        if seat.streams.contains_key(&join.stream) || role == Role::Sender && channel.pumps.contains_key(&join.stream) {
            return self.refuse(now, id, Refused::new(RefusalCode::Taken, "there is a data connection of this index"));
        }
        if role == Role::Sender {
            let named = |seat: &&Peer| join.to.is_empty() || join.to.contains(seat);
            let to: BTreeMap<Peer, Taker> =
                receivers.iter().filter(named).take(usize::from(MAX_RECEIVERS)).map(|seat| (*seat, Taker::default())).collect();
            if to.is_empty() {
                return self.refuse(now, id, Refused::new(RefusalCode::NotPermitted, "none of these receivers is in the channel"));
            }
            channel.pumps.insert(join.stream, Pump { to, started: false });
        }
        seat.streams.insert(join.stream, id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.line = Line::Data(Data { channel: join.channel, seat: join.seat, stream: join.stream, started: false });
        }
        self.timers.stop(Timer::Handshake(id));
        self.mind_idleness(now, id);
        self.start(now, join.channel, join.stream);
    }

    /// Begins to copy when everybody is there.
    pub(super) fn start(&mut self, now: Instant, number: ChannelNumber, stream: u8) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let joined = |seat: &Peer| channel.seats.get(seat).and_then(|seat| seat.streams.get(&stream)).copied();
        let Some(from) = joined(&Peer::SENDER) else { return };
        let Some(pump) = channel.pumps.get(&stream).filter(|pump| !pump.started) else { return };
        let to: Vec<(Peer, ConnectionId)> = pump.to.keys().filter_map(|seat| Some((*seat, joined(seat)?))).collect();
        if to.is_empty() || to.len() < pump.to.len() {
            return;
        }
        if let Some(pump) = channel.pumps.get_mut(&stream) {
            pump.started = true;
        }
        let holder = channel.holder.clone();
        for id in to.iter().map(|(_, id)| *id).chain([from]) {
            if let Some(Line::Data(data)) = self.connections.get_mut(&id).map(|connection| &mut connection.line) {
                data.started = true;
            }
            self.mind_idleness(now, id);
            self.send(id, &Message::Joined);
        }
        self.actions.push_back(Action::Pump { channel: number, stream, from, to, holder });
    }

    /// A copying tells what it has done, once a second.
    pub fn handle_flow(&mut self, now: Instant, number: ChannelNumber, stream: u8, flow: &Flow) {
        self.numbers.bytes = self.numbers.bytes.saturating_add(flow.bytes);
        let patience = self.settings.limits.patience;
        let Some(channel) = self.channels.get_mut(&number) else { return };
        self.holders.change(&channel.holder, |numbers| numbers.bytes = numbers.bytes.saturating_add(flow.bytes));
        let sender = channel.seats.get(&Peer::SENDER).map(|seat| seat.control);
        let Some(pump) = channel.pumps.get_mut(&stream) else { return };
        let several = pump.to.len() > 1;
        let (mut paces, mut slow) = (Vec::new(), Vec::new());
        for leg in &flow.legs {
            let Some(taker) = pump.to.get_mut(&leg.seat) else { continue };
            let waited = u32::try_from(leg.waited.as_millis()).unwrap_or(u32::MAX);
            let waiting = if waited >= PACE { waited } else { 0 };
            if waiting > 0 || taker.paced > 0 {
                paces.push(Pace { seat: leg.seat, waiting });
            }
            taker.paced = waiting;
            taker.took = taker.took.saturating_add(leg.bytes);
            if !leg.behind || !several || taker.took >= WINDOW || taker.behind.is_none() {
                (taker.behind, taker.took) = ((leg.behind && several).then_some(now), 0);
            }
            if taker.behind.is_some_and(|since| now.saturating_duration_since(since) >= patience) {
                slow.extend(channel.seats.get(&leg.seat).map(|seat| (leg.seat, seat.control)));
            }
        }
        if slow.len() == pump.to.len() {
            // None of them holds another one back.
            slow.clear();
        }
        for pace in paces {
            // A sender that reads nothing is soon silent; it need not be told more.
            if let Some(sender) = sender.filter(|sender| !self.is_full(*sender)) {
                self.send(sender, &Message::Pace(pace));
            }
        }
        for (seat, id) in slow {
            let text = "it held the other receivers back for too long";
            self.send(id, &Message::Gone(Gone::new(seat, Reason::Slow, text)));
            self.drop_connection(now, id, Reason::Slow, text);
        }
    }

    /// A copying has come to the sender's end, and everything is written.
    pub fn handle_pumped(&mut self, now: Instant, number: ChannelNumber, stream: u8) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        if channel.pumps.get(&stream).is_none_or(|pump| !pump.started) {
            return;
        }
        let Some(pump) = channel.pumps.remove(&stream) else { return };
        let mut over = Vec::new();
        for seat in pump.to.keys().chain([&Peer::SENDER]) {
            over.extend(channel.seats.get_mut(seat).and_then(|seat| seat.streams.remove(&stream)));
        }
        for id in over {
            self.discard(now, id);
        }
    }
}
