//! What a relay knows of connections, channels and meetings.

use std::{collections::BTreeMap, net::IpAddr, time::Instant};

use super::{ConnectionId, backlog::Backlog, numbers::Holder};
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
    /// Milliseconds that the sender was last told its bytes waited.
    pub(super) paced: u32,
}

#[derive(Debug)]
pub(super) struct Meeting {
    pub(super) sender: Option<ConnectionId>,
    pub(super) receivers: BTreeMap<Peer, ConnectionId>,
    /// The number of the next receiver; `None` when all have been given.
    pub(super) next: Option<Peer>,
    /// Nobody may come any more.
    pub(super) spent: bool,
}

impl Channel {
    /// Receivers that are there.
    pub(super) fn receivers_present(&self) -> usize {
        self.seats.keys().filter(|seat| seat.is_receivers_seat()).count()
    }
}

impl Meeting {
    pub(super) fn new() -> Self {
        Self { sender: None, receivers: BTreeMap::new(), next: Some(Peer::FIRST_MET), spent: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sender.is_none() && self.receivers.is_empty()
    }
}
