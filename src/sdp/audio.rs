//! An audio line of ours: offering it, answering one, and what was agreed (RFC 3264 §5, §6; RFC 3551; RFC 4733).

use std::net::{IpAddr, SocketAddr};

use super::{Attribute, Direction, Format, Media, rtp};

/// The only protocol that audio is taken by.
pub const PROTO: &str = "RTP/AVP";
/// Longest packet time that is believed, in milliseconds; longer ones in a description are taken as absent.
pub const MAX_PTIME_MS: u8 = 200;

/// What our side of an audio stream has and wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAudio {
    /// Where we receive RTP.
    pub rtp: SocketAddr,
    /// Where we receive RTCP, when that is not the port above.
    pub rtcp: Option<SocketAddr>,
    /// Codecs in order of preference, under the payload types that we offer.
    pub codecs: Vec<Format>,
    /// Payload type under which we offer telephone-event; `None` takes no part in it.
    pub telephone_event: Option<u8>,
    /// Packet time that we would like to receive, in milliseconds.
    pub ptime_ms: u8,
    /// Which ways we want media to flow.
    pub direction: Direction,
}

/// What was agreed for an audio stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioStream {
    /// Where the peer wants RTP; `None` where it gave no IP address or an unspecified one: nothing may be sent.
    pub remote_rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// What we send, under the peer's payload type.
    pub send: Format,
    /// What we may receive, under our payload types.
    pub receive: Vec<Format>,
    /// The peer's payload type for telephone-events that we send.
    pub send_event: Option<u8>,
    /// Our payload type for telephone-events that the peer sends.
    pub receive_event: Option<u8>,
    /// Which ways media flows, as we see it.
    pub direction: Direction,
    /// Packet time that the peer would like to receive, in milliseconds; 20 where it did not say.
    pub ptime_ms: u8,
}

impl LocalAudio {
    /// Both ways, 20 ms, telephone-event under 101.
    pub fn new(rtp: SocketAddr, codecs: Vec<Format>) -> Self {
        Self { rtp, rtcp: None, codecs, telephone_event: Some(101), ptime_ms: 20, direction: Direction::SendRecv }
    }

    /// The line that offers all of it.
    pub fn offer(&self) -> Media {
        let mut formats = self.codecs.clone();
        formats.extend(self.events(&self.codecs));
        self.line(&formats, self.direction)
    }

    /// The answer to an offered line, and what is so agreed; `None` when it has to be refused: port 0, another kind or
    /// protocol, or no codec in common.
    pub fn answer(&self, offered: &Media) -> Option<(Media, AudioStream)> {
        let common = self.common(offered)?;
        let mut formats = common.clone();
        // The answer repeats the offer's payload types, so that both ways have the same (RFC 3264 §6.1).
        let event = self.event_in(offered, common.first()?);
        formats.extend(event.clone().map(|e| Format { parameters: Some("0-15".to_owned()), ..e }));
        let direction = self.direction.restricted_by(offered.direction.reversed());
        let stream = stream(offered, common.first()?.clone(), common.clone(), direction, event.as_ref(), event.as_ref());
        Some((self.line(&formats, direction), stream))
    }

    /// What an answer to [`LocalAudio::offer`] agrees to; `None` when the line was refused or shares no codec with the offer.
    pub fn agree(&self, answer: &Media) -> Option<AudioStream> {
        let common = self.common(answer)?;
        let receive = self.codecs.iter().filter(|ours| common.iter().any(|c| c.same_encoding(ours))).cloned().collect();
        let send_event = self.event_in(answer, common.first()?);
        let receive_event = self.events(&self.codecs).into_iter().find(|e| Some(e.clock_rate) == send_event.as_ref().map(|s| s.clock_rate));
        let direction = self.direction.restricted_by(answer.direction.reversed());
        Some(stream(answer, common.first()?.clone(), receive, direction, send_event.as_ref(), receive_event.as_ref()))
    }

    /// The peer's formats that are codecs of ours, in the peer's order.
    fn common(&self, theirs: &Media) -> Option<Vec<Format>> {
        let possible = theirs.port != 0 && theirs.is_kind("audio") && theirs.is_proto(PROTO) && is_reachable(theirs);
        let formats = theirs.rtp_formats().into_iter().filter(|f| self.codecs.iter().any(|ours| ours.same_encoding(f)));
        Some(formats.collect::<Vec<_>>()).filter(|common| possible && !common.is_empty())
    }

    /// The peer's telephone-event at the rate of the codec: linphone offers one for each rate.
    fn event_in(&self, theirs: &Media, codec: &Format) -> Option<Format> {
        self.telephone_event?;
        theirs.rtp_formats().into_iter().find(|f| f.is(rtp::TELEPHONE_EVENT) && f.clock_rate == codec.clock_rate)
    }

    /// Our telephone-events: one for each clock rate of the codecs, under payload types that count up.
    fn events(&self, codecs: &[Format]) -> Vec<Format> {
        let Some(first) = self.telephone_event else { return Vec::new() };
        let mut rates: Vec<u32> = codecs.iter().map(|c| c.clock_rate).collect();
        rates.sort_unstable();
        rates.dedup();
        let taken = |pt: &u8| codecs.iter().any(|c| c.payload_type == *pt);
        (first..=rtp::MAX_PAYLOAD_TYPE).filter(|pt| !taken(pt)).zip(rates).map(|(pt, rate)| Format::telephone_event(pt, rate)).collect()
    }

    fn line(&self, formats: &[Format], direction: Direction) -> Media {
        let mut media = Media::new("audio", self.rtp, PROTO, Vec::new()).with_rtp_formats(formats);
        media.attributes.push(Attribute::with_value("ptime", self.ptime_ms));
        if let Some(rtcp) = self.rtcp.filter(|rtcp| rtcp.ip() != self.rtp.ip() || Some(rtcp.port()) != self.rtp.port().checked_add(1)) {
            media.attributes.push(Attribute::with_value("rtcp", rtcp_value(self.rtp, rtcp)));
        }
        media.direction = direction;
        media
    }
}

/// One host, or expressly none. A name would have to be looked up, and media to many is nothing that a stranger's offer may
/// make us send.
fn is_reachable(theirs: &Media) -> bool {
    let one_host = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_multicast(),
    };
    theirs.is_black_holed() || theirs.ip().is_some_and(one_host)
}

fn rtcp_value(rtp: SocketAddr, rtcp: SocketAddr) -> String {
    if rtcp.ip() == rtp.ip() {
        rtcp.port().to_string()
    } else {
        let family = if rtcp.is_ipv6() { "IP6" } else { "IP4" };
        format!("{} IN {family} {}", rtcp.port(), rtcp.ip())
    }
}

fn stream(
    theirs: &Media,
    send: Format,
    receive: Vec<Format>,
    direction: Direction,
    send_event: Option<&Format>,
    receive_event: Option<&Format>,
) -> AudioStream {
    let reachable = !theirs.is_black_holed();
    AudioStream {
        remote_rtp: theirs.address().filter(|_| reachable),
        remote_rtcp: theirs.rtcp_address().filter(|_| reachable),
        send,
        receive,
        send_event: send_event.map(|e| e.payload_type),
        receive_event: receive_event.map(|e| e.payload_type),
        direction,
        ptime_ms: ptime(theirs),
    }
}

fn ptime(theirs: &Media) -> u8 {
    let number = |name: &str| {
        // Fractions occur; whole milliseconds are enough.
        let value = theirs.attribute(name)?.trim().split('.').next()?.parse::<u8>().ok()?;
        (1..=MAX_PTIME_MS).contains(&value).then_some(value)
    };
    let wanted = number("ptime").unwrap_or(20);
    number("maxptime").map_or(wanted, |most| wanted.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> LocalAudio {
        LocalAudio::new("192.0.2.1:40000".parse().expect("address"), vec![Format::new(0, "PCMU", 8000), Format::new(8, "PCMA", 8000)])
    }

    fn theirs(formats: &str, lines: &str) -> Media {
        let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.2\ns=-\nc=IN IP4 192.0.2.2\nt=0 0\nm=audio 7000 RTP/AVP {formats}\n{lines}");
        text.parse::<super::super::Description>().expect("description").media.remove(0)
    }

    #[test]
    fn an_answer_takes_the_offers_order_and_payload_types() {
        let offer = theirs(
            "9 8 96 97 98",
            "a=rtpmap:96 PCMU/8000\na=rtpmap:97 telephone-event/48000\na=rtpmap:98 telephone-event/8000\na=ptime:30\n",
        );
        let (answer, stream) = ours().answer(&offer).expect("common codecs");
        assert_eq!(answer.formats, ["8", "96", "98"]);
        assert_eq!((stream.send.name.as_str(), stream.send.payload_type), ("PCMA", 8));
        assert_eq!((stream.send_event, stream.receive_event, stream.ptime_ms), (Some(98), Some(98), 30));
        assert_eq!(stream.remote_rtp, "192.0.2.2:7000".parse().ok());
        assert_eq!(ours().answer(&answer).expect("an answer can be offered back").1.send.payload_type, 8);
    }

    #[test]
    fn what_shares_no_codec_or_is_of_another_kind_is_refused() {
        assert!(ours().answer(&theirs("9 18", "")).is_none());
        assert!(ours().answer(&theirs("101", "a=rtpmap:101 telephone-event/8000\n")).is_none(), "events alone carry no voice");
        assert!(ours().answer(&Media { proto: "RTP/SAVP".into(), ..theirs("0", "") }).is_none());
        assert!(ours().answer(&Media { kind: "video".into(), ..theirs("0", "") }).is_none());
        assert!(ours().answer(&theirs("0", "").refused()).is_none());
        assert!(
            ours().answer(&Media { proto: "rtp/avp".into(), kind: "AUDIO".into(), ..theirs("0", "") }).is_some(),
            "case does not count"
        );
    }

    #[test]
    fn hold_is_answered_and_a_black_hole_gets_nothing() {
        let (answer, stream) = ours().answer(&theirs("0", "a=sendonly\n")).expect("held");
        assert_eq!((answer.direction, stream.direction), (Direction::RecvOnly, Direction::RecvOnly));
        let (answer, stream) = ours().answer(&Media { connection: Some("0.0.0.0".into()), ..theirs("0", "") }).expect("old hold");
        assert_eq!((answer.direction, stream.remote_rtp, stream.remote_rtcp), (Direction::SendRecv, None, None), "RFC 6337 §5.4");
    }

    #[test]
    fn our_offer_agrees_with_an_answer_under_other_payload_types() {
        let local = LocalAudio { rtcp: "192.0.2.1:50001".parse().ok(), ..ours() };
        let offer = local.offer();
        assert_eq!(offer.formats, ["0", "8", "101"]);
        assert_eq!(offer.attribute("rtcp"), Some("50001"));
        let stream = local.agree(&theirs("8 96", "a=rtpmap:96 telephone-event/8000\na=recvonly\n")).expect("agreed");
        assert_eq!((stream.send.payload_type, stream.send_event, stream.receive_event), (8, Some(96), Some(101)));
        assert_eq!(stream.receive.iter().map(|f| f.payload_type).collect::<Vec<_>>(), [8]);
        assert_eq!(stream.direction, Direction::SendOnly);
        assert!(local.agree(&theirs("0", "").refused()).is_none());
    }

    #[test]
    fn odd_packet_times_are_ignored() {
        for (lines, expected) in [
            ("", 20),
            ("a=ptime:10\n", 10),
            ("a=ptime:0\n", 20),
            ("a=ptime:300\n", 20),
            ("a=ptime:60\na=maxptime:40\n", 40),
            ("a=ptime:22.5\n", 22),
            ("a=ptime:x\n", 20),
        ] {
            assert_eq!(ours().answer(&theirs("0", lines)).expect("stream").1.ptime_ms, expected, "{lines}");
        }
    }
}
