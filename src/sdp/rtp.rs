//! RTP payload formats of a media section (RFC 3551, RFC 8866 §6.6, RFC 4733 §7.1.1).

use super::{Attribute, Media};

/// The encoding name of telephone-events.
pub const TELEPHONE_EVENT: &str = "telephone-event";
/// Highest payload type.
pub const MAX_PAYLOAD_TYPE: u8 = 127;

/// One payload format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// Encoding name, as written; compare with [`Format::is`].
    pub name: String,
    /// Clock rate in hertz.
    pub clock_rate: u32,
    /// Channels.
    pub channels: u8,
    /// What `a=fmtp` says of it.
    pub parameters: Option<String>,
}

/// Static payload types of audio: type, name, clock rate, channels (RFC 3551 §6).
const STATIC: [(u8, &str, u32, u8); 17] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44100, 2),
    (11, "L16", 44100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11025, 1),
    (17, "DVI4", 22050, 1),
    (18, "G729", 8000, 1),
];

impl Format {
    /// A format of one channel without parameters.
    pub fn new(payload_type: u8, name: &str, clock_rate: u32) -> Self {
        Self { payload_type, name: name.to_owned(), clock_rate, channels: 1, parameters: None }
    }

    /// The format of a static audio payload type.
    pub fn of_static(payload_type: u8) -> Option<Self> {
        let (_, name, clock_rate, channels) = STATIC.into_iter().find(|(pt, ..)| *pt == payload_type)?;
        Some(Self { channels, ..Self::new(payload_type, name, clock_rate) })
    }

    /// telephone-event with the sixteen keys (RFC 4733 §2.4.1).
    pub fn telephone_event(payload_type: u8, clock_rate: u32) -> Self {
        Self { parameters: Some("0-15".to_owned()), ..Self::new(payload_type, TELEPHONE_EVENT, clock_rate) }
    }

    /// Whether this is an encoding, without case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether both are the same encoding at the same rate with the same channels, whatever their payload types.
    pub fn same_encoding(&self, other: &Self) -> bool {
        self.is(&other.name) && self.clock_rate == other.clock_rate && self.channels == other.channels
    }

    /// The value of `a=rtpmap`.
    pub fn rtpmap(&self) -> String {
        match self.channels {
            1 => format!("{} {}/{}", self.payload_type, self.name, self.clock_rate),
            channels => format!("{} {}/{}/{channels}", self.payload_type, self.name, self.clock_rate),
        }
    }
}

impl Media {
    /// The RTP formats of this section in the order of the m-line, which is that of preference: static types, and dynamic
    /// ones that have an rtpmap. What is no payload type, or has no name, is left out.
    pub fn rtp_formats(&self) -> Vec<Format> {
        self.formats.iter().filter_map(|format| self.rtp_format(format)).collect()
    }

    fn rtp_format(&self, format: &str) -> Option<Format> {
        let payload_type = format.parse::<u8>().ok().filter(|pt| *pt <= MAX_PAYLOAD_TYPE)?;
        let of = |name: &'static str| {
            self.attributes_named(name)
                .filter_map(|v| v.split_once(|c: char| c.is_ascii_whitespace()))
                .find(move |(pt, _)| pt.parse() == Ok(payload_type))
        };
        let mut found = match of("rtpmap") {
            Some((_, encoding)) => rtpmap(payload_type, encoding.trim())?,
            None => Format::of_static(payload_type)?,
        };
        found.parameters = of("fmtp").map(|(_, parameters)| parameters.trim().to_owned());
        Some(found)
    }

    /// Adds RTP formats with their rtpmap and fmtp.
    #[must_use]
    pub fn with_rtp_formats(mut self, formats: &[Format]) -> Self {
        for format in formats {
            self.formats.push(format.payload_type.to_string());
            self.attributes.push(Attribute::with_value("rtpmap", format.rtpmap()));
            if let Some(parameters) = &format.parameters {
                self.attributes.push(Attribute::with_value("fmtp", format_args!("{} {parameters}", format.payload_type)));
            }
        }
        self
    }

    /// Leaves only the RTP formats that `keep` wants, with their rtpmap and fmtp; formats that cannot be named go, too.
    pub fn keep_rtp_formats(&mut self, keep: impl Fn(&Format) -> bool) {
        let kept: Vec<Format> = self.rtp_formats().into_iter().filter(keep).collect();
        self.formats = kept.iter().map(|f| f.payload_type.to_string()).collect();
        self.attributes.retain(|a| {
            let about = ["rtpmap", "fmtp", "rtcp-fb"].iter().any(|name| a.name.eq_ignore_ascii_case(name));
            let format = a.value.as_deref().and_then(|v| v.split_ascii_whitespace().next());
            !about
                || format == Some("*")
                || format.and_then(|f| f.parse().ok()).is_some_and(|pt: u8| kept.iter().any(|k| k.payload_type == pt))
        });
    }
}

/// `<name>/<rate>[/<channels>]`.
fn rtpmap(payload_type: u8, encoding: &str) -> Option<Format> {
    let mut parts = encoding.split('/').map(str::trim);
    let (name, rate) = (parts.next().filter(|n| !n.is_empty())?, parts.next()?.parse().ok().filter(|r| *r != 0)?);
    let channels = match parts.next() {
        // Video has parameters of other kinds here at times; audio with no number of channels has one.
        Some(channels) => channels.parse().ok().filter(|c| *c != 0)?,
        None => 1,
    };
    Some(Format { channels, ..Format::new(payload_type, name, rate) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(formats: &str, attributes: &[(&str, &str)]) -> Media {
        let mut media = Media::new("audio", "192.0.2.1:4000".parse().expect("address"), "RTP/AVP", Vec::new());
        media.formats = formats.split(' ').map(str::to_owned).collect();
        media.attributes = attributes.iter().map(|(n, v)| Attribute::with_value(n, v)).collect();
        media
    }

    #[test]
    fn static_types_need_no_name_and_dynamic_ones_do() {
        let m = media(
            "0 8 96 97 98 128 x",
            &[("rtpmap", "96 pcmu/8000"), ("rtpmap", "97 opus/48000/2"), ("fmtp", "97 useinbandfec=1"), ("rtpmap", "98 bad")],
        );
        let formats = m.rtp_formats();
        let brief: Vec<_> = formats.iter().map(|f| (f.payload_type, f.name.as_str(), f.clock_rate, f.channels)).collect();
        assert_eq!(brief, [(0, "PCMU", 8000, 1), (8, "PCMA", 8000, 1), (96, "pcmu", 8000, 1), (97, "opus", 48000, 2)]);
        assert_eq!(formats[3].parameters.as_deref(), Some("useinbandfec=1"));
        assert!(formats[2].same_encoding(&formats[0]));
    }

    #[test]
    fn a_dynamic_name_of_a_static_type_wins() {
        assert_eq!(media("0", &[("rtpmap", "0 PCMA/8000")]).rtp_formats()[0].name, "PCMA");
    }

    #[test]
    fn formats_go_with_what_describes_them() {
        let mut m =
            media("96 0 101", &[("rtpmap", "96 opus/48000/2"), ("fmtp", "96 x"), ("ptime", "20"), ("rtpmap", "101 telephone-event/8000")]);
        m.keep_rtp_formats(|f| !f.is("opus"));
        assert_eq!(m.formats, ["0", "101"]);
        assert_eq!(m.attributes.len(), 2, "ptime and the rtpmap of 101 stay: {:?}", m.attributes);
    }
}
