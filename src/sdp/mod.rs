//! Session descriptions (RFC 8866) and offer/answer (RFC 3264), over sdp-types.
//!
//! | file | what |
//! |---|---|
//! | [`description`] | a whole description: reading behind a front-end, printing |
//! | [`media`] | one media section: its m-line and what belongs to it |
//! | [`rtp`] | RTP payload formats of a section: static and dynamic types, rtpmap, fmtp (RFC 3551, 4733) |
//! | [`audio`] | an audio line of ours: offering, answering, what was agreed |
//! | [`negotiation`] | the offer/answer machine of one dialog: m-lines keep their places for ever |
//!
//! A terminal or server builds its description from the lines that its parts own: each part makes and reads its own
//! [`Media`], and [`Negotiation`] keeps them in place. Out of scope: ICE, BUNDLE, SRTP keys; such attributes are carried,
//! not understood.

pub mod audio;
pub mod description;
pub mod media;
pub mod negotiation;
mod normalise;
pub mod rtp;

#[cfg(test)]
mod torture;

pub use audio::{AudioStream, LocalAudio};
pub use description::{Description, Origin, SdpError};
pub use media::{Attribute, Direction, Media};
pub use negotiation::{Negotiation, NegotiationError};
pub use rtp::Format;

/// Content type of a session description.
pub const CONTENT_TYPE: &str = "application/sdp";
/// Longest description read, in bytes. Longer ones are refused with 413.
pub const MAX_BYTES: usize = 16 * 1024;
/// Most media sections of a description, ours or the peer's. More are refused with 488.
pub const MAX_MEDIA: usize = 32;
