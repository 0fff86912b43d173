//! Audio: RTP and RTCP (RFC 3550), G.711, playout, mixing, tones, WAV.

pub mod codec;
pub mod latch;
pub mod leg;
pub mod level;
pub mod prompt;
pub mod stats;
pub mod talker;

pub use codec::{Codec, Format};
pub use leg::{Direction, LegId, LegMedia, Mix, RoomId};
pub use prompt::{Clip, PlayEnd, PlayId, Prompt, Sound, Tone};
pub use stats::LegStats;
