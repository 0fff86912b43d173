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
//! | `session.rs` | the shell: a machine over real transports |
//!
//! All but `session.rs` is pure. Nothing here prints. Out of scope: a terminal's audio (`media`), which its owner joins to
//! what [`Terminal`] agrees.

mod control;
mod identity;
mod machine;
mod message;
mod session;
mod terminal;
mod watch;

pub use control::{Control, ControlCommand, ControlEvent};
pub use identity::{Identity, Refusal, ServerAddress};
pub use machine::Machine;
pub use message::{MessageEvent, SendMessage};
pub use session::{ClientError, ClientTransports, Session};
pub use terminal::{Dial, Hangup, Terminal, TerminalCommand, TerminalConfig, TerminalEvent};
pub use watch::{Watch, WatchCommand, WatchEvent};
