//! What a shell does with conferences: control them, watch them, take part in them.
//!
//! | file | what |
//! |---|---|
//! | `identity.rs` | who we are, and where the server is |
//! | `machine.rs` | what these machines have in common |
//! | `control.rs` | the control dialog: INVITE, INFO each way, BYE |
//! | `watch.rs` | a subscriber of the conference event package |
//! | `message.rs` | one instant message |
//! | `terminal/` | a terminal (UE): registers, calls, is called, takes part |
//! | `media.rs` | a terminal's audio: one media thread for all terminals of a process |
//! | `participant.rs` | a terminal and its audio as one |
//! | `session.rs` | the shell: a machine over real transports |
//!
//! All but `session.rs`, `participant.rs` and `media.rs` is pure. Nothing here prints.

mod control;
mod identity;
mod machine;
pub mod media;
mod message;
mod participant;
mod session;
mod terminal;
mod watch;

pub use control::{Control, ControlCommand, ControlEvent};
pub use identity::{Identity, Refusal, ServerAddress};
pub use machine::Machine;
pub use media::{TerminalHost, TerminalMedia};
pub use message::{MessageEvent, SendMessage};
pub use participant::{Happenings, Participant, ParticipantConfig, Parting, Phone};
pub use session::{ClientError, ClientTransports, Session};
pub use terminal::{
    Dial, Hangup, OutsideCommand, OutsideEvent, Part, PartCommand, PartEvent, Terminal, TerminalCommand, TerminalConfig, TerminalEvent,
};
pub use watch::{Watch, WatchCommand, WatchEvent};
