//! Every frame as a value.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Frame, FrameError, Kind,
    answer::{Allocated, Entered, Gone, MAX_ADDRESS, MAX_ADDRESSES, Met, Pace},
    proof::{Challenge, Role},
    refusal::{MAX_TEXT, Refused},
    request::{Apply, Enter, Join, Leave, MAX_KIND, MAX_PEER, MAX_RECEIVERS, MAX_STREAMS, MAX_TICKET, Meet},
};
use crate::channel::Peer;

/// What a ping holds, and its pong.
pub type Echo = [u8; 8];

/// A frame that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The relay's first.
    Challenge(Challenge),
    /// For a channel.
    Apply(Apply),
    /// A channel.
    Allocated(Allocated),
    /// To meet.
    Meet(Meet),
    /// Somebody is there.
    Met(Met),
    /// From terminal to terminal; the relay reads nothing of it.
    Letter {
        /// To whom, or from whom.
        peer: Peer,
        /// The bytes, at most [`super::frame::MAX_BODY`].
        body: Bytes,
    },
    /// To enter a channel.
    Enter(Enter),
    /// Entered.
    Entered(Entered),
    /// To join with a data connection.
    Join(Join),
    /// Joined: what follows is what is carried.
    Joined,
    /// How long bytes waited.
    Pace(Pace),
    /// Somebody is no longer there.
    Gone(Gone),
    /// The clean end.
    Leave(Leave),
    /// Why not.
    Refused(Refused),
    /// A sign of life is wanted.
    Ping(Echo),
    /// It.
    Pong(Echo),
    /// From the sender: its meeting's place is nobody's any more.
    Spent {
        /// Who guessed wrong; `None` where enough have come.
        guess: Option<Peer>,
    },
}

impl Message {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError::Body`]: the peer's fault.
    pub fn read(frame: Frame) -> Result<Self, FrameError> {
        let Frame { kind, peer, body } = frame;
        let read = match kind {
            Kind::Challenge => bytes(&body).map(Self::Challenge),
            Kind::Apply => json(&body).and_then(|apply: Apply| sound(apply_flaw(&apply), Self::Apply(apply))),
            Kind::Allocated => json(&body).and_then(|told: Allocated| sound(allocated_flaw(&told), Self::Allocated(told))),
            Kind::Meet => json(&body).map(Self::Meet),
            Kind::Met => json(&body).map(Self::Met),
            Kind::Letter => return Ok(Self::Letter { peer, body }),
            Kind::Enter => json(&body).and_then(|enter: Enter| sound(enter_flaw(&enter), Self::Enter(enter))),
            Kind::Entered => json(&body).map(Self::Entered),
            Kind::Join => json(&body).and_then(|join: Join| sound(join_flaw(&join), Self::Join(join))),
            Kind::Joined => empty(&body, Self::Joined),
            Kind::Pace => json(&body).map(Self::Pace),
            Kind::Gone => json(&body).and_then(|gone: Gone| sound(text_flaw(&gone.text), Self::Gone(gone))),
            Kind::Leave => json(&body).and_then(|leave: Leave| sound(leave_flaw(&leave), Self::Leave(leave))),
            Kind::Refused => json(&body).and_then(|told: Refused| sound(text_flaw(&told.text), Self::Refused(told))),
            Kind::Ping => bytes(&body).map(Self::Ping),
            Kind::Pong => bytes(&body).map(Self::Pong),
            Kind::Spent => empty(&body, Self::Spent { guess: Some(peer).filter(|peer| *peer != Peer::SENDER) }),
        };
        read.map_err(|why| FrameError::Body { kind: kind.name(), why })
    }

    /// The frame to write. A letter's body is not copied; one that is too long is our fault, and the peer will say so.
    pub fn to_frame(&self) -> Frame {
        let frame = |kind, body| Frame { kind, peer: Peer::SENDER, body };
        match self {
            Self::Challenge(bytes) => frame(Kind::Challenge, Bytes::copy_from_slice(bytes)),
            Self::Apply(apply) => frame(Kind::Apply, text(apply)),
            Self::Allocated(allocated) => frame(Kind::Allocated, text(allocated)),
            Self::Meet(meet) => frame(Kind::Meet, text(meet)),
            Self::Met(met) => frame(Kind::Met, text(met)),
            Self::Letter { peer, body } => Frame { peer: *peer, ..frame(Kind::Letter, body.clone()) },
            Self::Enter(enter) => frame(Kind::Enter, text(enter)),
            Self::Entered(entered) => frame(Kind::Entered, text(entered)),
            Self::Join(join) => frame(Kind::Join, text(join)),
            Self::Joined => frame(Kind::Joined, Bytes::new()),
            Self::Pace(pace) => frame(Kind::Pace, text(pace)),
            Self::Gone(gone) => frame(Kind::Gone, text(gone)),
            Self::Leave(leave) => frame(Kind::Leave, text(leave)),
            Self::Refused(refused) => frame(Kind::Refused, text(refused)),
            Self::Ping(echo) => frame(Kind::Ping, Bytes::copy_from_slice(echo)),
            Self::Pong(echo) => frame(Kind::Pong, Bytes::copy_from_slice(echo)),
            Self::Spent { guess } => Frame { peer: guess.unwrap_or(Peer::SENDER), ..frame(Kind::Spent, Bytes::new()) },
        }
    }

    /// The type of its frame.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Challenge(_) => Kind::Challenge,
            Self::Apply(_) => Kind::Apply,
            Self::Allocated(_) => Kind::Allocated,
            Self::Meet(_) => Kind::Meet,
            Self::Met(_) => Kind::Met,
            Self::Letter { .. } => Kind::Letter,
            Self::Enter(_) => Kind::Enter,
            Self::Entered(_) => Kind::Entered,
            Self::Join(_) => Kind::Join,
            Self::Joined => Kind::Joined,
            Self::Pace(_) => Kind::Pace,
            Self::Gone(_) => Kind::Gone,
            Self::Leave(_) => Kind::Leave,
            Self::Refused(_) => Kind::Refused,
            Self::Ping(_) => Kind::Ping,
            Self::Pong(_) => Kind::Pong,
            Self::Spent { .. } => Kind::Spent,
        }
    }
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    // Where, not what: a body may hold secrets.
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "a member is missing or not of its form".to_owned(),
        _ => "it is not JSON".to_owned(),
    })
}

fn bytes<const N: usize>(body: &[u8]) -> Result<[u8; N], String> {
    body.try_into().map_err(|_| format!("it is not {N} bytes long"))
}

fn empty(body: &[u8], message: Message) -> Result<Message, String> {
    sound((!body.is_empty()).then_some("it is not empty"), message)
}

fn text(value: &impl Serialize) -> Bytes {
    // Plain structs with text keys: writing them cannot fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn sound(flaw: Option<&'static str>, message: Message) -> Result<Message, String> {
    flaw.map_or(Ok(message), |flaw| Err(flaw.to_owned()))
}

fn apply_flaw(apply: &Apply) -> Option<&'static str> {
    let long = |text: &Option<String>, max| text.as_ref().is_some_and(|text| text.len() > max);
    if !(1..=MAX_RECEIVERS).contains(&apply.receivers) {
        Some("receivers are 1 to 16")
    } else if apply.ticket.as_ref().is_some_and(|ticket| ticket.0.len() > MAX_TICKET) {
        Some("the ticket is too long")
    } else if long(&apply.peer, MAX_PEER) || long(&apply.kind, MAX_KIND) {
        Some("the peer or the kind is too long")
    } else {
        None
    }
}

fn allocated_flaw(allocated: &Allocated) -> Option<&'static str> {
    let long = allocated.addresses.len() > MAX_ADDRESSES || allocated.addresses.iter().any(|address| address.len() > MAX_ADDRESS);
    long.then_some("there are too many addresses, or too long ones")
}

fn enter_flaw(enter: &Enter) -> Option<&'static str> {
    match (enter.role, enter.seat) {
        (_, None) => None,
        (Role::Sender, Some(seat)) => (seat != Peer::SENDER).then_some("the sender has seat 0"),
        (Role::Receiver, Some(seat)) => (!seat.is_receivers_seat()).then_some("a receiver has a seat from 1 to 127"),
    }
}

fn join_flaw(join: &Join) -> Option<&'static str> {
    if join.stream >= MAX_STREAMS {
        Some("a stream is 0 to 15")
    } else if join.seat > Peer::LAST_SEAT {
        Some("a seat is 0 to 127")
    } else if join.to.len() > usize::from(MAX_RECEIVERS) || join.to.iter().any(|seat| !seat.is_receivers_seat()) {
        Some("bytes go to at most 16 seats from 1 to 127")
    } else if !join.to.is_empty() && join.seat != Peer::SENDER {
        Some("only the sender says whom its bytes are for")
    } else {
        None
    }
}

fn leave_flaw(leave: &Leave) -> Option<&'static str> {
    if leave.reason.is_a_terminals_own() { text_flaw(&leave.text) } else { Some("the reason is not a terminal's own") }
}

fn text_flaw(text: &str) -> Option<&'static str> {
    (text.len() > MAX_TEXT).then_some("the text is too long")
}

#[cfg(test)]
mod tests;
