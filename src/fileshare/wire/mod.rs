//! What AS, FS and terminals say to each other about files: bytes ⇄ values. Bounded, never panicking, no sockets, no clock.
//!
//! | file | what |
//! |---|---|
//! | [`packet`] | the transfer packet of table 1: its header, the packet, the incremental [`Decoder`] |
//! | [`payload`] | what the packets other than data hold |
//! | [`parts`] | manifest and trailer over several packets |
//! | [`flow`] | which data packet may follow which |
//! | [`proof`] | the transfer key, and how both ends prove that they have it |
//! | [`control`] | `application/vnd.confkit.fileshare+xml` |
//! | [`mod@line`] | the m-line of a share in SDP (RFC 5547, 4145, 8122) |
//! | [`failure`] | the closed list of what can go wrong, the same in packets and in XML |
//! | [`fingerprint`] | the certificate of a listening port |
//!
//! Layouts, bodies and examples: `docs/protocols/fileshare.md`.

pub mod control;
mod decoder;
pub mod failure;
pub mod fingerprint;
pub mod flow;
pub mod line;
pub mod packet;
pub mod parts;
pub mod payload;
pub mod proof;

pub use decoder::Decoder;
pub use failure::{Failure, FailureCode};
pub use fingerprint::Fingerprint;
pub use packet::{Header, Kind, Packet, PacketError, Route, Way};
pub use proof::TransferKey;

/// Header field by which the AS vouches for the account of a sharer to the FS (RFC 3325). Guests have none.
pub const ASSERTED_IDENTITY: &str = "P-Asserted-Identity";
