//! What may stand beside a focus: a machine that owns further lines of the participants' sessions, and calls of its own.
//!
//! The focus keeps dialogs, roster and audio, and knows nothing of what those lines are for. It shows its companion who comes and goes,
//! hands it the lines that it owns (in offers and answers, in their places), the INFOs of its packages, and the events of its calls. The
//! companion asks for two things: that an offer be answered, and that one be made. When an offer can be made is the focus's to know: it
//! asks for the lines at that moment, so that they are never stale.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Instant, SystemTime},
};

use super::roster::Role;
use crate::{
    account::{Preset, Rights},
    id::{ConferenceName, ParticipantId, UserName},
    sdp::Media,
    sip::{
        endpoint::{Call, Endpoint, Event, Incoming},
        message::{Request, Uri},
    },
};

/// A participant's place in a conference: one dialog with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// The conference.
    pub conference: ConferenceName,
    /// The participant; a user with two dialogs is two of them.
    pub participant: ParticipantId,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.conference, self.participant)
    }
}

/// What a companion is told of a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its dialog.
    pub call: Call,
    /// Its account, if it has one.
    pub user: Option<UserName>,
    /// Its address of record, or the URI it came from.
    pub uri: Uri,
    /// The name to show, as it gave it.
    pub name: String,
    /// Its role at present.
    pub role: Role,
}

/// Lines in their places, from 0.
pub type Lines = BTreeMap<usize, Media>;

/// What a companion works with in one step.
pub struct CompanionCx<'a> {
    /// Monotonic time.
    pub now: Instant,
    /// Wall-clock time, for time stamps.
    pub wall: SystemTime,
    /// The user agent that it shares with the focus.
    pub endpoint: &'a mut Endpoint,
}

/// What a companion wants of the focus.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Answer the offer that [`Companion::offered`] showed, with these lines; lines of the companion that are missing are refused.
    Answer {
        /// Whose offer.
        seat: Seat,
        /// The companion's lines.
        lines: Lines,
    },
    /// Ask for lines by [`Companion::offer`] as soon as the dialog is free, and offer them.
    Offer {
        /// To whom.
        seat: Seat,
    },
}

/// A machine beside a focus.
///
/// Each offer shown by [`Companion::offered`] gets one [`Wish::Answer`], unless [`Companion::taken_back`] or [`Companion::left`] comes
/// first; each offer that [`Companion::offer`] gave lines for gets one [`Companion::answered`] or [`Companion::refused`], unless it is asked
/// for again (the other side was quicker) or the participant leaves.
pub trait Companion: fmt::Debug + Send {
    /// INFO packages (RFC 6086) that it takes in participants' dialogs.
    fn packages(&self) -> &'static [&'static str];

    /// True for a line of its kind, whoever offers it; a refused one included.
    fn owns(&self, line: &Media) -> bool;

    /// Somebody is in, or has changed: its role, its name.
    fn entered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, person: Person);

    /// Somebody is gone, and its dialog with it. One that never entered may be named, too. `lost`: it did not hang up and was not put out,
    /// but does not answer any more, or its media could not be kept.
    fn left(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lost: bool);

    /// A conference is over; all have left.
    fn ended(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName);

    /// A participant offers these lines of ours, changed or not.
    fn offered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lines: &Lines);

    /// The offer needs no answer any more: the participant took it back, or it is refused as a whole.
    fn taken_back(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat);

    /// An offer can be made now: our lines in their places, changed or not. `session` is the session as it stands, everybody's lines
    /// included; places behind its end are free. No lines: no offer is wanted any more.
    fn offer(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, session: &[Media]) -> Lines;

    /// The participant answered our offer so.
    fn answered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lines: &Lines);

    /// The participant refused our offer as a whole, or it could not be made.
    fn refused(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, status: u16);

    /// An INFO of one of [`Companion::packages`] in a participant's dialog, to be responded to.
    fn handle_info(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, incoming: Incoming, request: &Request);

    /// An event that is not the focus's: of a call or request of ours. False when it is not ours either.
    fn handle_event(&mut self, cx: &mut CompanionCx<'_>, event: &Event) -> bool;

    /// The rights that it looks after, by their words.
    fn rights(&self) -> &'static [&'static str];

    /// Who has a right of its own in a conference without a grant.
    fn preset(&self, conference: &ConferenceName, right: &str) -> Preset;

    /// What a conference says of rights, from now on: when it is made, and whenever it changes. Of one that was never told of, nothing.
    fn defined(&mut self, cx: &mut CompanionCx<'_>, conference: &ConferenceName, rights: &Rights);

    /// A right of its own is given to participants who have no account, or taken from them.
    fn give_guests(&mut self, cx: &mut CompanionCx<'_>, seats: &[Seat], right: &str, on: bool);

    /// Participants without an account who were given a right of its own (`true`), or had it taken.
    fn given_guests(&self, conference: &ConferenceName) -> Vec<(&'static str, ParticipantId, bool)>;

    /// Does what is due.
    fn handle_timeout(&mut self, cx: &mut CompanionCx<'_>);

    /// When [`Companion::handle_timeout`] is wanted.
    fn next_timeout(&self) -> Option<Instant>;

    /// The next thing wanted of the focus.
    fn poll_wish(&mut self) -> Option<Wish>;

    /// The server takes nothing new from here on; what runs goes on.
    fn drain(&mut self);

    /// True when it has no call and waits for nothing.
    fn is_idle(&self) -> bool;

    /// The server stops: its calls end.
    fn shut_down(&mut self, cx: &mut CompanionCx<'_>);
}
