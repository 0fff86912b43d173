//! What SDP agreed, as media understands it: the two floors below do not know each other.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{
    media::{Codec, Direction, Format, LegMedia},
    sdp::{self, AudioStream},
};

/// Media's view of what was agreed; `None` when the codec is not one of ours, which offers and answers exclude.
pub fn leg_media(stream: &AudioStream, latch: bool) -> Option<LegMedia> {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Some(LegMedia {
        remote_rtcp: stream.remote_rtcp,
        accepts: stream.receive.iter().filter_map(format).collect(),
        dtmf_payload_type: stream.send_event,
        dtmf_accepts: stream.receive_event,
        direction: direction(stream.direction),
        ptime_ms: stream.ptime_ms,
        latch,
        ..LegMedia::new(stream.remote_rtp.unwrap_or(nowhere), format(&stream.send)?)
    })
}

/// Codecs as SDP formats, under their static payload types.
pub fn formats(codecs: &[Codec]) -> Vec<sdp::Format> {
    codecs.iter().map(|c| sdp::Format::new(c.static_payload_type(), c.name(), c.clock_rate())).collect()
}

fn format(format: &sdp::Format) -> Option<Format> {
    Codec::from_name(&format.name, format.clock_rate).map(|codec| Format { codec, payload_type: format.payload_type })
}

fn direction(direction: sdp::Direction) -> Direction {
    match direction {
        sdp::Direction::SendRecv => Direction::SendReceive,
        sdp::Direction::SendOnly => Direction::SendOnly,
        sdp::Direction::RecvOnly => Direction::ReceiveOnly,
        sdp::Direction::Inactive => Direction::Inactive,
    }
}
