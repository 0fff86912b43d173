//! File sharing inside a conference (CN101272266A: S401–S412, S601–S605, S701–S705, S801–S812): data conferences on a file server (FS).
//!
//! A data conference shares one batch of files. It belongs to one conference; the application server (AS) decides who is in it, the FS
//! keeps its list and its bytes. The sharer's terminal uploads in transfer packets over TCP (TLS), the members' terminals download what
//! the FS has while the upload still runs.
//!
//! | file | what |
//! |---|---|
//! | [`client`] | the data plane of terminals: upload and download |
//! | [`file_server`] | the FS: signalling, admission, listening ports, store |
//! | [`focus`] | the AS: who shares, who receives, what file servers and terminals are told |
//! | [`id`] | names: the share as people type it, the data conference as AS and FS know it, the batch |
//! | [`terminal`] | terminals: who shares and receives by the signalling of a call |
//! | [`wire`] | transfer packets (table 1), XML bodies, the SDP line: bytes ⇄ values |
//!
//! On the wire: `docs/protocols/fileshare.md`.

pub mod client;
pub mod file_server;
pub mod focus;
pub mod id;
mod outbox;
pub mod terminal;
pub mod wire;

pub use id::{BatchId, ConfId, ShareId};
