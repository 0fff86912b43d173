//! Audio: RTP and RTCP (RFC 3550), G.711, playout, mixing, tones, WAV.
//!
//! | files | what |
//! |---|---|
//! | `codec` `g711` | codecs and formats (RFC 3551, G.711) |
//! | `rtp` `source` `rtcp` `latch` | packets, sources, reports, whose packets are heard |
//! | `jitter` `plc` `playout` | from packets to a frame every 20 ms |
//! | `dtmf/` | keys as telephone-events (RFC 4733) |
//! | `inbound` `outbound` | the two halves of a leg or terminal |
//! | `leg` `prompt` `stats` | what signalling says and reads |
//! | `mixer/` | rooms: sum once, subtract own; talkers, gains, prompts |
//! | `level` `limiter` `talker` `play` `tone` | what the mixer is made of |
//! | `terminal` `ear` | a terminal's media: microphone, ear, measurements |
//! | `wav` `resample` `spectrum` | recordings, rates, frequencies |
//! | `io/` | the shell: ticks, port pairs, sockets read in batches |
//!
//! Everything but `io/` is pure: datagrams and ticks in, datagrams and events out, time and randomness as arguments. The threads are
//! [`crate::conference::media_server`]'s and the terminal's.

pub mod codec;
pub mod dtmf;
mod ear;
pub mod g711;
pub mod inbound;
pub mod io;
pub mod jitter;
pub mod latch;
pub mod leg;
pub mod level;
pub mod limiter;
pub mod mixer;
pub mod outbound;
pub mod play;
pub mod playout;
pub mod plc;
pub mod prompt;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod source;
pub mod spectrum;
pub mod stats;
pub mod talker;
pub mod terminal;
pub mod tone;
pub mod wav;

pub use codec::{Codec, Format};
pub use leg::{Direction, LegId, LegMedia, Mix, RoomId};
pub use prompt::{Clip, PlayEnd, PlayId, Prompt, Sound, Tone};
pub use stats::LegStats;
