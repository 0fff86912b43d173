//! The data plane of terminals: what a sharer uploads and a member downloads in transfer packets over TCP, with TLS or without (S405, S412).
//!
//! Signalling declares a [`LocalPort`] and brings a [`Ticket`]; then [`Uploader::run`] or [`Downloader::run`] does one connection. When that
//! breaks, the error says so ([`TransferError::is_resumable`]), and the same value goes on over another connection, once signalling has declared another
//! port: what was transferred is not transferred again. A download that is kept in a record goes on in another process, too.
//!
//! | file | what | pure |
//! |---|---|---|
//! | `ticket.rs` | what signalling brings | yes |
//! | `entrance.rs` | challenge, proof, welcome | yes |
//! | `upload.rs`, `download.rs` | one machine for each side of a transfer | yes |
//! | `pulse.rs` | heartbeats, and silence | yes |
//! | `pace.rs` | the limit of one connection | yes |
//! | `fault.rs` | why a transfer ends, and whose fault it is | yes |
//! | `shell/` | ports, TLS, sockets; source and sink | no |
//! | [`transfers`] | the transfers of a terminal beside its signalling: connection after connection | no |

mod download;
mod entrance;
mod fault;
mod pace;
mod pulse;
mod shell;
mod ticket;
pub mod transfers;
mod upload;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use download::{Download, DownloadEvent, Expected};
pub use fault::Fault;
pub use shell::{Downloaded, Downloader, LocalPort, Phase, Settings, Snapshot, TransferError, Uploaded, Uploader};
pub use ticket::{Place, Ticket};
pub use upload::{Offered, Upload, UploadEvent, WINDOW};
