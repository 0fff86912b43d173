//! What a relay knows of connections, channels and meetings.

use std::{collections::BTreeMap, net::IpAddr, time::Instant};

use super::{ConnectionId, Way, backlog::Backlog, numbers::Holder};
use crate::channel::{
    ChannelNumber, Nameplate, Peer, Place,
    wire::{ChannelKey, proof::Challenge},
};

/// A connection that was taken.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its address, or the /64 of that.
    pub(super) from: IpAddr,
    pub(super) loopback: bool,
    pub(super) way: Way,
    pub(super) challenge: Challenge,
    /// When its last whole frame came.
    pub(super) heard: Instant,
    /// A sign of life was asked for since.
    pub(super) asked: bool,
    pub(super) line: Line,
    pub(super) backlog: Backlog,
    /// Whose backlog keeps it from being read.
    pub(super) paused_by: Option<ConnectionId>,
}

/// What a connection is for; its first request says.
#[derive(Debug)]
pub(super) enum Line {
    New,
    Control(Control),
    Data(Data),
}

#[derive(Debug, Default)]
pub(super) struct Control {
    /// The channel that it has applied for, until that is freed.
    pub(super) holds: Option<ChannelNumber>,
    pub(super) meeting: Option<(Place, Peer)>,
    pub(super) seat: Option<(ChannelNumber, Peer)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Data {
    pub(super) channel: ChannelNumber,
    pub(super) seat: Peer,
    pub(super) stream: u8,
    /// Bytes are being carried.
    pub(super) started: bool,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) key: ChannelKey,
    pub(super) holder: Holder,
    /// Most receivers at once.
    pub(super) receivers: u8,
    pub(super) nameplate: Option<Nameplate>,
    /// Who has applied, as long as it is connected.
    pub(super) applicant: Option<ConnectionId>,
    pub(super) seats: BTreeMap<Peer, Seat>,
    /// The next seat of a receiver; beyond [`Peer::LAST_SEAT`] there is none.
    pub(super) next_seat: u8,
    pub(super) pumps: BTreeMap<u8, Pump>,
}

/// A seat that is taken.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) control: ConnectionId,
    /// Its data connections by index.
    pub(super) streams: BTreeMap<u8, ConnectionId>,
}

/// A data connection of the sender and those that it goes to.
#[derive(Debug)]
pub(super) struct Pump {
    pub(super) to: BTreeMap<Peer, Taker>,
    pub(super) started: bool,
}

/// A receiver of it.
#[derive(Debug, Default)]
pub(super) struct Taker {
    /// Since when it has held others back.
    pub(super) behind: Option<Instant>,
    /// Bytes that it took since.
    pub(super) took: u64,
    /// Milliseconds that the sender was last told its bytes waited.
    pub(super) paced: u32,
}

#[derive(Debug)]
pub(super) struct Meeting {
    pub(super) sender: Option<ConnectionId>,
    pub(super) receivers: BTreeMap<Peer, Guest>,
    /// Where the search for the number of the next receiver begins.
    next: Peer,
    /// Nobody may come any more.
    pub(super) spent: bool,
    /// A guess was said to be wrong.
    pub(super) guessed: bool,
}

/// A receiver at a place.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) control: ConnectionId,
    /// Its address, or the /64 of that.
    pub(super) from: IpAddr,
    /// Letters that it has written to the sender that is there, and had from it.
    pub(super) wrote: u8,
    pub(super) had: u8,
    /// That it came for nothing was counted.
    pub(super) counted: bool,
}

impl Channel {
    /// Receivers that are there.
    pub(super) fn receivers_present(&self) -> usize {
        self.seats.keys().filter(|seat| seat.is_receivers_seat()).count()
    }
}

impl Meeting {
    pub(super) fn new() -> Self {
        Self { sender: None, receivers: BTreeMap::new(), next: Peer::FIRST_MET, spent: false, guessed: false }
    }

    /// The number of the next receiver: the one that was free for longest. There is always one, as long as fewer may be here than there are numbers.
    pub(super) fn number(&mut self) -> Option<Peer> {
        let numbers = (self.next.0..=u8::MAX).chain(Peer::FIRST_MET.0..self.next.0).map(Peer);
        let free = numbers.into_iter().find(|peer| !self.receivers.contains_key(peer))?;
        self.next = free.0.checked_add(1).map_or(Peer::FIRST_MET, Peer);
        Some(free)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sender.is_none() && self.receivers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_runs_out_of_no_numbers_and_gives_none_that_is_taken() {
        let guest = |control| Guest { control: ConnectionId(control), from: IpAddr::from([0; 4]), wrote: 0, had: 0, counted: false };
        let mut meeting = Meeting::new();
        let stays = meeting.number().expect("a number");
        meeting.receivers.insert(stays, guest(0));
        let given: Vec<u8> = (1..=300).map(|_| meeting.number().expect("a number").0).collect();
        assert_eq!((stays, given[0], given[126], given[127]), (Peer(128), 129, 255, 129));
        assert!(given.iter().all(|number| Peer(*number) != stays && *number >= 128));
    }
}
