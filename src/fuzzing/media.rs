//! RTP, RTCP, telephone-events, WAV files.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use webrtc_util::marshal::Unmarshal as _;

use crate::{
    clock,
    media::{Clip, Codec, LegMedia, LegStats, dtmf, inbound::Inbound, rtcp, rtp::Packet},
};

/// Cuts data into datagrams: a byte of length before each. The last may be shorter than it says.
fn datagrams(mut data: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some((&length, rest)) = data.split_first() {
        let (datagram, behind) = rest.split_at(usize::from(length).min(rest.len()));
        all.push(datagram);
        data = behind;
    }
    all
}

/// A stream of datagrams, one a tick, through everything that receives: no packet is counted twice, and every tick gives a frame.
pub(super) fn rtp(data: &[u8]) {
    let peer = SocketAddr::from(([192, 0, 2, 1], 4000));
    let mut media = LegMedia::new(peer, Codec::Pcmu.format());
    (media.accepts, media.dtmf_payload_type) = (vec![Codec::Pcma.format()], Some(101));
    let mut inbound = Inbound::new(&media);
    let mut now = clock::now();
    let all = datagrams(data);
    for datagram in &all {
        agrees(datagram);
        inbound.receive(now, now, peer, datagram);
        now += Duration::from_millis(20);
        assert_eq!(inbound.pull().samples.len(), 160);
    }
    let mut stats = LegStats::default();
    inbound.count_into(&mut stats);
    assert!(stats.packets_in + stats.malformed + stats.unknown_payload + stats.strangers <= all.len() as u64, "{stats:?}");
    assert!(stats.late + stats.duplicates <= stats.packets_in, "{stats:?}");
}

/// What we read, the `rtp` crate reads too. It is not asked about extensions, on which it can panic.
fn agrees(datagram: &[u8]) {
    let Ok(ours) = Packet::parse(datagram) else { return };
    if datagram.first().is_some_and(|flags| flags & 0x10 != 0) {
        return;
    }
    let mut rest = datagram;
    let theirs = rtp::header::Header::unmarshal(&mut rest).expect("a packet that we can read");
    assert_eq!(
        (theirs.version, theirs.marker, theirs.payload_type, theirs.sequence_number, theirs.timestamp, theirs.ssrc),
        (2, ours.marker, ours.payload_type, ours.sequence, ours.timestamp, ours.ssrc)
    );
    assert!(rest.starts_with(ours.payload));
}

/// Compound packets, one after the other: what they tell is plausible, and the next report can be made.
pub(super) fn rtcp(data: &[u8]) {
    let now = clock::now();
    let mut session = rtcp::Session::new(now, SystemTime::UNIX_EPOCH, 8000, ChaCha12Rng::from_seed([0; 32]));
    for datagram in datagrams(data) {
        // Garbage may be refused; it may not do more.
        let _ = session.receive(now, 7, datagram);
    }
    let told = session.told();
    assert!(told.loss.is_none_or(|loss| (0.0..=1.0).contains(&loss)), "{told:?}");
    let report = session.report(now, rtcp::Sent { ssrc: 7, ..rtcp::Sent::default() }, None);
    assert!(report.len() >= 8 && report.len().is_multiple_of(4));
}

/// Event payloads, each behind a time stamp: at most one key each, and none without a name.
pub(super) fn event(data: &[u8]) {
    let mut receiver = dtmf::Receiver::new(8000);
    let mut now: Instant = clock::now();
    for chunk in data.chunks(6) {
        let Some((time, payload)) = chunk.split_first_chunk::<2>() else { return };
        if let Some(event) = dtmf::Event::parse(payload) {
            assert_eq!(dtmf::Event::parse(&event.to_bytes()), Some(event));
            let digit = receiver.receive(now, u32::from(u16::from_be_bytes(*time)) * 160, event);
            assert!(digit.is_none_or(|digit| dtmf::code(digit.key).is_some()));
        }
        now += Duration::from_millis(20);
        receiver.handle_timeout(now);
    }
}

/// A file that says it is WAV.
pub(super) fn wav(data: &[u8]) {
    if let Ok(clip) = Clip::from_wav(data) {
        // A byte is a sample at least, and no rate is raised more than twofold.
        assert!(clip.0.len() <= 2 * data.len() + 1);
    }
}
