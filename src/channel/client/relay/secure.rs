//! TLS to a relay (RFC 8446): whether it is the one that was named, and what is said where it is not, or speaks no TLS.

use std::io;

use bytes::BytesMut;
use rustls::{CertificateError, pki_types::ServerName};
use tokio::net::TcpStream;

use super::error::{RelayError, WORDLESS, stranger};
use crate::{
    channel::{link::Link, wire::frame::PREFACE},
    sip::transport::TlsStore,
};

/// What a record of a handshake, and an alert, begin with (RFC 8446 §5.1).
const RECORDS: [u8; 2] = [22, 21];

/// Why a relay's certificate is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// It leads to nobody whom we trust.
    #[error("no authority that is trusted here has signed it")]
    Issuer,
    /// It is somebody else's.
    #[error("it is for {0}")]
    Name(String),
    /// It was good.
    #[error("it has expired")]
    Expired,
    /// It will be good.
    #[error("it is not good yet")]
    NotYet,
    /// Something else is wrong with it.
    #[error("{0}")]
    Other(String),
}

impl From<&CertificateError> for Distrust {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::Issuer,
            CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => Self::Name(presented.join(", ")),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::Name("somebody else".to_owned()),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            other => Self::Other(other.to_string()),
        }
    }
}

/// Shakes hands with the relay `address`, which is at `place`. With what it said already.
pub(super) async fn secured(address: &str, place: &str, stream: TcpStream, trust: &TlsStore) -> Result<(Link, BytesMut), RelayError> {
    let failed = |why: String| RelayError::Handshake { address: address.to_owned(), why };
    let wordless = || RelayError::NoRelay { address: address.to_owned(), what: WORDLESS.to_owned() };
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|_| failed("its name can stand in no certificate".to_owned()))?;
    let mut link = Link::secured(stream, trust.client_config(), name).map_err(|error| failed(error.to_string()))?;
    let (mut said, mut heard) = (BytesMut::new(), false);
    while link.is_handshaking() {
        tokio::select! {
            ready = link.socket().readable() => {
                ready.map_err(|error| failed(error.to_string()))?;
                if !heard {
                    let mut begin = [0; PREFACE.len()];
                    match link.try_peek(&mut begin) {
                        Ok(length @ 1..) => speaks(address, begin.get(..length).unwrap_or_default())?,
                        Err(error) if is_of_the_moment(&error) => continue,
                        Ok(_) | Err(_) => return Err(wordless()),
                    }
                    heard = true;
                }
                match link.try_read(&mut said) {
                    Ok(Some(0)) => return Err(failed("it was closed in the middle of the handshake".to_owned())),
                    Ok(_) => {}
                    Err(error) if is_of_the_moment(&error) => {}
                    Err(error) => return Err(refusal(address, &error)),
                }
            }
            ready = link.socket().writable(), if link.has_to_write(&[]) => {
                match ready.and_then(|()| link.try_write(&[])) {
                    Ok(_) => {}
                    Err(error) if is_of_the_moment(&error) => {}
                    Err(_) if !heard => return Err(wordless()),
                    Err(error) => return Err(failed(error.to_string())),
                }
            }
        }
    }
    Ok((link, said))
}

/// Whether what somebody says first is TLS; nothing may still become it.
pub(super) fn speaks(address: &str, said: &[u8]) -> Result<(), RelayError> {
    let address = address.to_owned();
    match said.first() {
        Some(first) if RECORDS.contains(first) => Ok(()),
        None => Ok(()),
        Some(_) if said.iter().zip(&PREFACE).all(|(said, preface)| said == preface) => Err(RelayError::NoTls { address }),
        Some(_) => Err(RelayError::NoRelay { address, what: format!("{} does", stranger(said)) }),
    }
}

fn is_of_the_moment(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn refusal(address: &str, error: &io::Error) -> RelayError {
    let address = address.to_owned();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => RelayError::Untrusted { address, why: why.into() },
        Some(why) => RelayError::Handshake { address, why: why.to_string() },
        None => RelayError::Handshake { address, why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_no_tls_is_called_by_its_name() {
        for (said, expected) in [
            (&b"\x16\x03\x03"[..], None),
            (b"\x15\x03\x03\0\x02", None),
            (b"", None),
            (b"CKRL\x01\0\0\0", Some("the relay tls://r:1 speaks no TLS there")),
            (b"CK", Some("the relay tls://r:1 speaks no TLS there")),
            (b"HTTP/1.1", Some("no relay answers at tls://r:1: a web server does")),
            (b"\x07", Some("no relay answers at tls://r:1: something else does")),
        ] {
            assert_eq!(speaks("tls://r:1", said).err().map(|error| error.to_string()).as_deref(), expected, "{said:?}");
        }
    }
}
