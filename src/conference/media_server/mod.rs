//! The media server (MS): a SIP user agent that mixes, reached by `sip:conf=<id>@ms` (RFC 4240 §5) and controlled by MSCML
//! (RFC 5022). Steps S302–S304, S307–S308, S311–S313, seen from the media server.
//!
//! | file | what |
//! |---|---|
//! | [`node`] | the whole as a machine: user agent, dialogs, plane |
//! | `invite` | what an INVITE asks for, and which are refused |
//! | `control` | the control leg: a conference's making and end, reports of talkers |
//! | `leg` | a participant's leg: offer and answer |
//! | `info` | MSCML requests in a dialog, keys |
//! | `session` | what is kept of a dialog and of a conference |
//! | `ivr`, `collect`, `prompts` | playing and collecting digits |
//! | `keypress`, `talkers`, `outbox` | small machines under these |
//! | [`server`] | runs it |
//! | [`plane`] | the trait between signalling and media |
//! | [`engine`] | the real plane: threads and sockets |
//! | [`simulated`] | the same rooms on virtual time |
//! | [`ports`] | the RTP port pairs of a range |

mod collect;
mod config;
mod control;
pub mod engine;
mod info;
mod invite;
mod ivr;
mod keypress;
mod leg;
pub mod node;
mod outbox;
pub mod plane;
pub mod ports;
mod prompts;
pub mod server;
mod session;
pub mod simulated;
mod talkers;

pub use config::{Gauges, MediaServerConfig, RETRY_AFTER};
pub use node::{Command, MediaServer};
pub use prompts::PromptLibrary;
