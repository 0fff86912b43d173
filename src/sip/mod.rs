//! Session Initiation Protocol (RFC 3261): messages, transactions, dialogs, endpoints, transports.

pub mod hop;
pub mod message;

pub use hop::{Address, FlowId, Hop, Transport};
