//! Session Initiation Protocol (RFC 3261): messages, transactions, dialogs, endpoints, transports.

pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod fault;
pub mod framing;
pub mod hop;
pub mod message;
pub mod node;
pub mod registrar;
pub mod transaction;
pub mod transport;

pub use fault::{SendFault, Unheard};
pub use hop::{Address, FlowId, Hop, Transmit, Transport};
