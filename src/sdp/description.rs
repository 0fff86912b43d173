//! A whole session description: reading and printing.

use std::{fmt, net::IpAddr, str::FromStr};

use sdp_types as types;

use super::{Attribute, Direction, MAX_BYTES, MAX_MEDIA, Media, media, normalise};

/// A session description. What belongs to every section (c=, direction) has been moved into the sections when reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Who made it, and which version it is.
    pub origin: Origin,
    /// Session name; `-` where nobody gave one.
    pub name: String,
    /// Attributes of the session, but for the direction.
    pub attributes: Vec<Attribute>,
    /// Media sections in their places; may be none.
    pub media: Vec<Media>,
}

/// The o= line (RFC 8866 §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// User name, or `-`.
    pub user: String,
    /// Identifies the session together with user and address; decimal digits.
    pub session_id: String,
    /// Version: raised by one with every change.
    pub version: u64,
    /// Address of whoever made the session: an IP address or a name.
    pub address: String,
}

/// Why bytes are no session description that we read. The peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Longer than [`MAX_BYTES`].
    #[error("the session description is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_MEDIA`] media sections.
    #[error("the session description has more than {MAX_MEDIA} media lines")]
    TooManyMedia,
    /// Not a session description.
    #[error("the session description is malformed: {0}")]
    Malformed(String),
}

impl SdpError {
    /// The status that refuses a request with such a body.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLong => 413,
            Self::TooManyMedia => 488,
            Self::Malformed(_) => 400,
        }
    }
}

impl Origin {
    /// An origin at an address.
    pub fn new(user: &str, session_id: u64, address: IpAddr) -> Self {
        // RFC 8866 §5.2 has digits only; below 2⁶³ every reader can hold it.
        Self { user: user.to_owned(), session_id: (session_id >> 1).to_string(), version: 1, address: address.to_string() }
    }
}

impl Description {
    /// Reads a description: CRLF or LF, lines that we do not use ignored, the seed's `m=Fileshare <port>` accepted.
    ///
    /// # Errors
    /// [`SdpError`] says what is wrong, and which status tells the sender.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        if bytes.len() > MAX_BYTES {
            return Err(SdpError::TooLong);
        }
        let text = normalise::normalise(&String::from_utf8_lossy(bytes))?;
        let session = types::Session::parse(text.as_bytes()).map_err(|e| SdpError::Malformed(e.to_string()))?;
        let direction = session.attributes.iter().find_map(|a| Direction::from_name(a.attribute.trim())).unwrap_or_default();
        let connection = session.connection.as_ref().map(|c| c.connection_address.clone());
        let media = session.medias.into_iter().map(|m| media::from_types(m, connection.as_ref(), direction)).collect();
        Ok(Self {
            origin: Origin {
                user: session.origin.username.unwrap_or_else(|| "-".to_owned()),
                session_id: session.origin.sess_id,
                version: session.origin.sess_version,
                address: session.origin.unicast_address,
            },
            name: session.session_name,
            attributes: media::attributes(session.attributes),
            media,
        })
    }

    /// The description as text. A c= line that all sections in use share stands once, before them.
    pub fn to_text(&self) -> String {
        let mut used = self.media.iter().filter(|m| m.port != 0).map(|m| m.connection.as_deref());
        let shared = used.next().flatten().filter(|first| used.all(|c| c == Some(*first)));
        // Without a section in use there is nothing to connect to, but old readers want a c= line.
        let session_connection = match shared {
            Some(address) => Some(address),
            None if self.media.iter().all(|m| m.port == 0) => Some(self.origin.address.as_str()),
            None => None,
        };
        let origin = types::Origin {
            username: Some(self.origin.user.clone()).filter(|u| u != "-"),
            sess_id: self.origin.session_id.clone(),
            sess_version: self.origin.version,
            nettype: types::NetType::In,
            addrtype: media::address_type(&self.origin.address),
            unicast_address: self.origin.address.clone(),
        };
        let mut session = types::Session::new(origin, if self.name.is_empty() { "-" } else { &self.name });
        session.connection = session_connection.map(media::connection);
        session.attributes = self.attributes.iter().map(Attribute::to_types).collect();
        session.medias = self.media.iter().map(|m| media::to_types(m, session_connection)).collect();
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = session.write(&mut bytes);
        normalise::denormalise(&String::from_utf8_lossy(&bytes))
    }

    /// The first section of a kind that is in use, with its place.
    pub fn first(&self, kind: &str) -> Option<(usize, &Media)> {
        self.media.iter().enumerate().find(|(_, m)| m.port != 0 && m.is_kind(kind))
    }

    /// True when no section lets media flow to its sender: all inactive, sendonly, refused, or at 0.0.0.0. Without a section: false.
    pub fn is_held(&self) -> bool {
        !self.media.is_empty() && self.media.iter().all(|m| m.port == 0 || !m.direction.receives() || m.is_black_holed())
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl FromStr for Description {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, SdpError> {
        Self::parse(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINPHONE: &str = "v=0\r\no=alice 3218 1 IN IP4 192.0.2.7\r\ns=Talk\r\nc=IN IP4 192.0.2.7\r\nb=AS:380\r\nt=0 0\r\na=sendonly\r\n\
        a=tool:x\r\nm=audio 7078 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\nm=video 9078 RTP/AVP 96\r\n\
        c=IN IP4 192.0.2.8\r\na=rtpmap:96 VP8/90000\r\na=inactive\r\n";

    #[test]
    fn what_holds_for_the_session_is_moved_into_its_sections() {
        let d: Description = LINPHONE.parse().expect("description");
        assert_eq!(d.media[0].address(), "192.0.2.7:7078".parse().ok());
        assert_eq!(d.media[1].address(), "192.0.2.8:9078".parse().ok());
        assert_eq!((d.media[0].direction, d.media[1].direction), (Direction::SendOnly, Direction::Inactive));
        assert_eq!(d.attributes, [Attribute::with_value("tool", "x")]);
    }

    #[test]
    fn printing_and_reading_agree() {
        let d: Description = LINPHONE.parse().expect("description");
        assert_eq!(d.to_text().parse(), Ok(d.clone()));
        assert_eq!(
            d.to_text(),
            "v=0\r\no=alice 3218 1 IN IP4 192.0.2.7\r\ns=Talk\r\nt=0 0\r\na=tool:x\r\nm=audio 7078 RTP/AVP 0 8 101\r\n\
             c=IN IP4 192.0.2.7\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\nm=video 9078 RTP/AVP 96\r\n\
             c=IN IP4 192.0.2.8\r\na=rtpmap:96 VP8/90000\r\na=inactive\r\n"
        );
    }

    #[test]
    fn a_description_may_have_no_media() {
        let d: Description = "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nt=0 0\r\n".parse().expect("control dialogs have none");
        assert!(d.media.is_empty() && !d.is_held());
        assert_eq!(d.to_text(), "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\n");
    }

    #[test]
    fn the_seeds_line_is_accepted_and_answered_in_kind() {
        let d: Description =
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=Fileshare 5000\r\n".parse().expect("seed");
        assert_eq!((d.media[0].kind.as_str(), d.media[0].port), ("Fileshare", 5000));
        assert!(d.to_text().ends_with("m=Fileshare 5000\r\na=sendrecv\r\n"), "{d}");
        assert_eq!(d.to_text().parse(), Ok(d));
    }

    #[test]
    fn every_form_of_hold_is_seen() {
        let held =
            |lines: &str| format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n{lines}").parse::<Description>().expect(lines).is_held();
        assert!(held("m=audio 9 RTP/AVP 0\nc=IN IP4 192.0.2.1\na=inactive\n"));
        assert!(held("m=audio 9 RTP/AVP 0\nc=IN IP4 192.0.2.1\na=sendonly\n"));
        assert!(held("c=IN IP4 0.0.0.0\nm=audio 9 RTP/AVP 0\nm=video 0 RTP/AVP 96\n"));
        assert!(!held("c=IN IP4 0.0.0.0\nm=audio 9 RTP/AVP 0\nm=video 9 RTP/AVP 96\nc=IN IP4 192.0.2.1\n"));
    }
}
