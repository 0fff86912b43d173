//! The line between the media server's signalling and its media: rooms, legs, prompts, and what comes back.
//!
//! The signalling machine holds a `MediaPlane` and never waits for it. [`super::engine`] implements it by threads and sockets, the simulated plane by the
//! same rooms on virtual time. Everything that takes effect does so at the next tick (20 ms); calls take effect in the order in which they were made.

use std::net::{IpAddr, SocketAddr};

pub use crate::media::mixer::{Event as PlaneEvent, Target};
pub use crate::media::{Clip, Codec, Direction, Format, LegId, LegMedia, LegStats, Mix, PlayEnd, PlayId, Prompt, RoomId, Sound, Tone};

/// What the media server's signalling can do with media.
pub trait MediaPlane {
    /// Makes a room. Opening one that exists is no error and changes nothing.
    ///
    /// # Errors
    /// [`PlaneError::Full`] at the configured number of rooms, [`PlaneError::Busy`].
    fn open_room(&mut self, room: &RoomId) -> Result<(), PlaneError>;

    /// Closes a room and every leg in it: each gives [`PlaneEvent::Closed`].
    fn close_room(&mut self, room: &RoomId);

    /// Makes a leg, parked, with a pair of ports on `ip` (RTP even, RTCP the next): the address returned is that of RTP. Nothing is sent or
    /// heard before [`MediaPlane::connect_leg`].
    ///
    /// # Errors
    /// [`PlaneError::Exhausted`] when no pair is free (to be answered 503), [`PlaneError::Io`] when `ip` is not ours, [`PlaneError::NoRoom`],
    /// [`PlaneError::Busy`].
    fn open_leg(&mut self, room: &RoomId, ip: IpAddr) -> Result<(LegId, SocketAddr), PlaneError>;

    /// Tells a leg what was negotiated; again after each re-INVITE.
    ///
    /// # Errors
    /// [`PlaneError::NoLeg`], [`PlaneError::Busy`].
    fn connect_leg(&mut self, leg: LegId, media: LegMedia) -> Result<(), PlaneError>;

    /// Gives a leg its place in the mix.
    ///
    /// # Errors
    /// [`PlaneError::NoLeg`], [`PlaneError::Busy`].
    fn set_mix(&mut self, leg: LegId, mix: Mix) -> Result<(), PlaneError>;

    /// Closes a leg: it gives [`PlaneEvent::Closed`], and its ports are free again. Closing one that is gone does nothing.
    fn close_leg(&mut self, leg: LegId);

    /// Plays to a whole room or to one leg; several at once are mixed. It gives [`PlaneEvent::PlayDone`] in every case but an error.
    ///
    /// # Errors
    /// [`PlaneError::NoRoom`], [`PlaneError::NoLeg`], [`PlaneError::Full`] at the most prompts of one target, [`PlaneError::Busy`].
    fn play(&mut self, target: Target, prompt: Prompt, play: PlayId) -> Result<(), PlaneError>;

    /// Ends a playing; one that is over does nothing.
    fn stop(&mut self, play: PlayId);

    /// Sends digits to a leg as telephone-events, where it negotiated them (else they are dropped): `0-9 * # A-D`, others are left out.
    ///
    /// # Errors
    /// [`PlaneError::NoLeg`], [`PlaneError::Busy`].
    fn send_digits(&mut self, leg: LegId, digits: &str) -> Result<(), PlaneError>;

    /// The counters of a leg, at most a second old; `None` when it is gone.
    fn stats(&mut self, leg: LegId) -> Option<LegStats>;

    /// Load of the busiest media thread over the last second or so, in thousandths of a core; 0 where nobody measures.
    fn load(&mut self) -> u32 {
        0
    }

    /// The next event.
    fn poll_event(&mut self) -> Option<PlaneEvent>;
}

/// Why the plane did not do what it was asked to. Ours or the operator's fault, never the peer's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaneError {
    /// Every port pair of the range is in use.
    #[error("all RTP ports from {first} to {last} are in use")]
    Exhausted {
        /// First port of the range; 0 where the system chooses.
        first: u16,
        /// Last port.
        last: u16,
    },
    /// A bound is reached.
    #[error("no more than {limit} {what} are allowed")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// No such room.
    #[error("there is no room {0}")]
    NoRoom(RoomId),
    /// No such leg.
    #[error("there is no {0}")]
    NoLeg(LegId),
    /// The media thread does not take commands: it is stuck or gone.
    #[error("the media thread does not keep up")]
    Busy,
    /// The system refused a socket.
    #[error("failed to open a media port: {0}")]
    Io(#[from] std::io::Error),
}
