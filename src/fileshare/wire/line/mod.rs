//! The m-line of a share (S401–S410): RFC 5547, RFC 4145, RFC 8122, and attributes of ours.
//!
//! ```text
//! m=application 40000 TCP/TLS/fileshare *
//! a=setup:active
//! a=connection:new
//! a=confkit-source:192.0.2.7 40000
//! a=confkit-batch:81985529216486895 entries:1 bytes:32349
//! a=file-selector:name:"My cool picture.jpg" type:image/jpeg size:32349
//! a=file-transfer-id:vBnG916bdberum2fFEABR1FR3ExZMUrd
//! a=file-disposition:attachment
//! a=sendonly
//! ```
//!
//! The FS listens (`setup:passive`, with `a=fingerprint`), terminals connect (`setup:active`) from the port in their m-line, which
//! `a=confkit-source` repeats; where that stands the m-line may have port 9. Port 0 refuses or ends. The seed's own `m=Fileshare <port>`
//! is read, and answered by the same.

mod read;
mod selector;
mod write;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use super::{
    Fingerprint, TransferKey,
    control::{Batch, Endpoint},
};
use crate::{
    conference::wire::words::words,
    fileshare::{ConfId, ShareId},
    sdp::{Direction, Media},
};

/// Longest value of an attribute that is read, in bytes. A longer one is [`LineError::Malformed`].
pub const MAX_VALUE: usize = 4096;
/// Longest `a=file-transfer-id`, in bytes. As [`MAX_VALUE`].
pub const MAX_TRANSFER_ID: usize = 64;
/// Most `a=confkit-to` of a line. More are [`LineError::Malformed`].
pub const MAX_RECIPIENTS: usize = 64;
/// The port that says nothing (RFC 4145 §4.1).
pub const DISCARD: u16 = 9;

/// How the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// `TCP/TLS/fileshare`.
    #[default]
    Tls,
    /// `TCP/fileshare`.
    Tcp,
}

/// How the m-line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Spelling {
    /// `m=application <port> TCP/TLS/fileshare *`.
    #[default]
    Ours,
    /// The seed's `m=Fileshare <port>`. TLS where a fingerprint stands, else plain TCP.
    Seed,
}

/// Who connects (RFC 4145 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The sender of the description connects.
    Active,
    /// The sender of the description listens.
    Passive,
    /// Either.
    ActPass,
    /// Nobody for now.
    HoldConn,
}

/// Whether a connection that exists goes on (RFC 4145 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Connection {
    /// A new one.
    #[default]
    New,
    /// The one that exists.
    Existing,
}

/// What is to be done with the file at the receiver (RFC 5547 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Show it.
    Render,
    /// Keep it.
    Attachment,
}

/// A share's m-line and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How the m-line is written.
    pub spelling: Spelling,
    /// TLS or not.
    pub transport: Transport,
    /// Address of the c= line; `None` where it is a name or missing.
    pub ip: Option<IpAddr>,
    /// Port of the m-line; 0 refuses or ends.
    pub port: u16,
    /// Who sends, as the sender of the description sees it: a sharer `sendonly`, a receiver `recvonly`.
    pub direction: Direction,
    /// Who connects; `None` where it is not said.
    pub setup: Option<Setup>,
    /// A new connection or the one that exists.
    pub connection: Connection,
    /// Certificate of whoever listens.
    pub fingerprint: Option<Fingerprint>,
    /// The batch: id, size, and the file where it is one.
    pub batch: Option<Batch>,
    /// `a=file-transfer-id`: tells a new transfer from a repetition of its description (RFC 5547 §8.1).
    pub transfer_id: Option<String>,
    /// `a=file-disposition`.
    pub disposition: Option<Disposition>,
    /// `a=confkit-source`: where the terminal connects from.
    pub source: Option<SocketAddr>,
    /// `a=confkit-to`: who may receive, by user, participant id or URI; empty: everybody who has the right. Only in S401.
    pub recipients: Vec<String>,
    /// `a=confkit-share`: the share as people type it.
    pub share: Option<ShareId>,
    /// `a=confkit-conf`: the ConfID, between AS and FS (S402), and to terminals where they are to prove themselves (S404, S410).
    pub conf: Option<ConfId>,
    /// `a=confkit-key`: the member's transfer key. Only in S403, S404, S409, S410.
    pub key: Option<TransferKey>,
}

/// Why a line of a share cannot be used. The peer's fault; the line is refused (port 0), the call goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// An attribute is not of its form, too long, or stands twice.
    #[error("the {0} of the file-share line is malformed")]
    Malformed(&'static str),
    /// No address, or one that is not a single host's.
    #[error("the file-share line has no address of one host")]
    Address,
    /// Port 9 without `a=confkit-source`, or a port where none may be.
    #[error("the file-share line does not say the port")]
    Port,
    /// The port is 0.
    #[error("the file-share line is refused (port 0)")]
    Refused,
    /// A terminal that listens, or a server that does not.
    #[error("the file server listens and terminals connect: a=setup says otherwise")]
    Setup,
    /// TLS without a SHA-256 fingerprint of the listening side.
    #[error("the file-share line has no sha-256 fingerprint")]
    Fingerprint,
    /// No transfer key where one must be.
    #[error("the file-share line has no transfer key")]
    Key,
}

impl Line {
    /// A terminal's line: it will connect from `source`, to send (the sharer) or to receive.
    pub fn terminal(transport: Transport, source: SocketAddr, direction: Direction) -> Self {
        Self { source: Some(source), setup: Some(Setup::Active), ..Self::at(transport, source, direction) }
    }

    /// The FS's line: it listens at `address`. `direction` as the FS sees it: `recvonly` towards the sharer.
    pub fn server(address: SocketAddr, fingerprint: Option<Fingerprint>, direction: Direction) -> Self {
        let transport = if fingerprint.is_some() { Transport::Tls } else { Transport::Tcp };
        Self { fingerprint, setup: Some(Setup::Passive), ..Self::at(transport, address, direction) }
    }

    fn at(transport: Transport, address: SocketAddr, direction: Direction) -> Self {
        Self {
            spelling: Spelling::Ours,
            transport,
            ip: Some(address.ip()),
            port: address.port(),
            direction,
            setup: None,
            connection: Connection::New,
            fingerprint: None,
            batch: None,
            transfer_id: None,
            disposition: None,
            source: None,
            recipients: Vec::new(),
            share: None,
            conf: None,
            key: None,
        }
    }

    /// True for a line of a share, used or refused: those are read by [`Line::read`].
    pub fn is_share(media: &Media) -> bool {
        read::spelling(media).is_some()
    }

    /// Reads a line; `None` where it is none of a share. Of a line with port 0 nothing but that is read.
    ///
    /// # Errors
    /// [`LineError::Malformed`], [`LineError::Fingerprint`] where there are fingerprints and none is by SHA-256.
    pub fn read(media: &Media) -> Result<Option<Self>, LineError> {
        read::line(media)
    }

    /// The line as a media section.
    pub fn to_media(&self) -> Media {
        write::media(self)
    }

    /// True when the port is 0.
    pub fn is_refused(&self) -> bool {
        self.port == 0
    }

    /// The same line, ended: port 0.
    #[must_use]
    pub fn ended(&self) -> Self {
        let ip = self.ip.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        Self { spelling: self.spelling, ip: None, ..Self::at(self.transport, SocketAddr::new(ip, 0), Direction::Inactive) }
    }

    /// Of a terminal's line: where it will connect from.
    ///
    /// # Errors
    /// [`LineError::Refused`], [`LineError::Setup`], [`LineError::Port`], [`LineError::Address`].
    pub fn source(&self) -> Result<SocketAddr, LineError> {
        read::source(self)
    }

    /// Of the FS's line: where it listens, by which certificate, with the member's key.
    ///
    /// # Errors
    /// [`LineError::Refused`], [`LineError::Setup`], [`LineError::Port`], [`LineError::Address`], [`LineError::Fingerprint`],
    /// [`LineError::Key`].
    pub fn endpoint(&self) -> Result<Endpoint, LineError> {
        read::endpoint(self)
    }
}

words!(Setup { Active = "active", Passive = "passive", ActPass = "actpass", HoldConn = "holdconn" });
words!(Connection { New = "new", Existing = "existing" });
words!(Disposition { Render = "render", Attachment = "attachment" });
