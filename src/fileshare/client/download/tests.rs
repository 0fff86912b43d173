use std::time::Duration;

use super::*;
use crate::{
    fileshare::{
        BatchId,
        client::model::Server,
        wire::{FailureCode, flow::FlowError, parts, payload::FileHash},
    },
    transfer::{Entry, SafePath, manifest::Kind as EntryKind},
};

const PAYLOAD: u32 = 1024;
const TOTAL: usize = 2500;

fn source() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 40_000).into()
}

fn to_us() -> Route {
    Route { way: Way::ToTerminal, terminal: source(), batch: BatchId(7) }
}

fn manifest(size: Option<u64>) -> Manifest {
    Manifest::new(vec![Entry::new(SafePath::new("a").expect("a name"), EntryKind::File { size })]).expect("a manifest")
}

fn header(manifest: &Manifest) -> payload::Manifest {
    payload::Manifest { payload_size: PAYLOAD, bytes: manifest.total(), json: manifest.to_json().into() }
}

fn data(total: u64, sequence: u64, length: usize) -> Packet {
    to_us().packet(Kind::Data, total, sequence, vec![sequence as u8; length].into())
}

fn trailer() -> payload::Trailer {
    let files = vec![FileHash { size: TOTAL as u64, blake3: [1; 32] }];
    payload::Trailer { bytes: TOTAL as u64, packets: 3, blake3: [1; 32], sha256: None, files }
}

fn of_trailer(trailer: &payload::Trailer) -> Packet {
    parts::cut(to_us(), Kind::Trailer, trailer.to_bytes()).next().expect("one part")
}

/// A download that was admitted, with the batch header of a manifest.
fn headed(now: Instant, known: Option<&Expected>, manifest: &Manifest) -> Download {
    let mut server = Server::new(PAYLOAD);
    server.manifest = Some(header(manifest).to_bytes());
    let mut download = Download::new(now, [1; 32], server.place(source()), Binding::Plain, known);
    let mut theirs = server.open(source(), 9, Binding::Plain);
    for _ in 0..2 {
        while let Some(packet) = server.give(&mut theirs) {
            while download.poll_event().is_some() {}
            download.handle_packet(now, packet);
        }
        while let Some(packet) = download.poll_packet(now) {
            server.take(&mut theirs, &packet);
        }
    }
    assert_eq!(download.poll_event(), Some(DownloadEvent::Header(header(manifest))));
    download
}

/// A download that takes data.
fn ready(now: Instant) -> Download {
    let manifest = manifest(Some(TOTAL as u64));
    let mut download = headed(now, None, &manifest);
    assert!(download.is_busy(), "the caller prepares");
    download.handle_manifest(manifest, 0);
    assert!(!download.is_busy());
    download
}

fn all_data(download: &mut Download, now: Instant) {
    for (sequence, length) in [(0, 1024), (1, 1024), (2, 452)] {
        download.handle_packet(now, data(3, sequence, length));
        assert!(matches!(download.poll_event(), Some(DownloadEvent::Bytes(bytes)) if bytes.len() == length));
    }
}

fn sent(download: &mut Download, now: Instant) -> Vec<(Kind, Bytes)> {
    std::iter::from_fn(|| download.poll_packet(now)).map(|packet| (packet.header.kind, packet.data)).collect()
}

#[test]
fn all_bytes_and_their_hashes_make_a_download_and_only_placed_files_its_end() {
    let now = crate::clock::now();
    let mut download = ready(now);
    all_data(&mut download, now);
    download.handle_durable(1024);
    download.handle_durable(2100);
    let acknowledgement = |durable, complete| (Kind::Acknowledgement, Acknowledgement { durable, complete }.to_bytes());
    assert_eq!(sent(&mut download, now), [acknowledgement(2100, false)], "one, and the last");
    download.handle_packet(now, of_trailer(&trailer()));
    let digests = transfer::Trailer { algorithm: Algorithm::Blake3, files: vec![Digest([1; 32])] };
    assert_eq!(download.poll_event(), Some(DownloadEvent::Verify(digests)));
    assert_eq!((sent(&mut download, now), download.outcome()), (vec![], None));
    download.handle_placed();
    assert_eq!(download.outcome(), Some(&Ok(TOTAL as u64)));
    assert_eq!(sent(&mut download, now), [acknowledgement(2500, true)]);
}

#[test]
fn what_a_server_may_not_send_ends_the_download_and_is_told() {
    let now = crate::clock::now();
    let sequence = |got| Fault::Flow(FlowError::Sequence { got, wanted: 1 });
    let more = Fault::Damaged("the batch has more than its manifest says");
    for (wrong, fault, code) in [
        (data(3, 0, 1024), sequence(0), FailureCode::Protocol),
        (data(3, 2, 452), sequence(2), FailureCode::Protocol),
        (data(3, 1, 1000), FlowError::Length { sequence: 1, got: 1000, wanted: 1024 }.into(), FailureCode::Protocol),
        (data(4, 1, 1024), FlowError::Total { got: 4, wanted: 3 }.into(), FailureCode::Protocol),
        (Route { batch: BatchId(8), ..to_us() }.packet(Kind::Data, 3, 1, vec![0; 1024].into()), Fault::Route, FailureCode::Protocol),
        (of_trailer(&trailer()), Fault::Damaged("the batch has another length"), FailureCode::Integrity),
        (to_us().packet(Kind::Trailer, 1, 0, Bytes::from_static(b"x")), PacketError::Payload("trailer").into(), FailureCode::Protocol),
        (to_us().packet(Kind::Manifest, 1, 0, Bytes::new()), Fault::Unexpected(Kind::Manifest), FailureCode::Protocol),
        (to_us().packet(Kind::Welcome, 0, 0, Bytes::new()), Fault::Unexpected(Kind::Welcome), FailureCode::Protocol),
    ] {
        let mut download = ready(now);
        download.handle_packet(now, data(3, 0, 1024));
        while download.poll_event().is_some() {}
        download.handle_packet(now, wrong);
        assert_eq!(download.outcome(), Some(&Err(fault.clone())));
        let told: Vec<_> =
            sent(&mut download, now).into_iter().map(|(kind, data)| (kind, Failure::read(&data).expect("why").code)).collect();
        assert_eq!((told, fault.is_resumable()), (vec![(Kind::Error, code)], false));
        assert_eq!(download.poll_event(), None, "nothing of it is written");
    }
    // A total of which no packet knows until the last.
    let mut download = ready(now);
    for (sequence, length) in [(0, 1024), (1, 1024), (2, 1024)] {
        download.handle_packet(now, data(0, sequence, length));
    }
    assert_eq!(download.outcome(), Some(&Err(more)));
}

#[test]
fn hashes_of_another_batch_are_damage() {
    let now = crate::clock::now();
    let file = FileHash { size: TOTAL as u64, blake3: [1; 32] };
    for (wrong, why) in [
        (payload::Trailer { bytes: 2499, ..trailer() }, "the batch has another length"),
        (payload::Trailer { packets: 4, ..trailer() }, "the batch has another number of packets"),
        (payload::Trailer { files: Vec::new(), ..trailer() }, "the hashes are those of another number of files"),
        (payload::Trailer { files: vec![file, file], ..trailer() }, "the hashes are those of another number of files"),
        (payload::Trailer { files: vec![FileHash { size: 2499, ..file }], ..trailer() }, "a file has another length"),
    ] {
        let mut download = ready(now);
        all_data(&mut download, now);
        download.handle_packet(now, of_trailer(&wrong));
        assert_eq!((download.poll_event(), download.outcome()), (None, Some(&Err(Fault::Damaged(why)))));
        assert_eq!(Fault::Damaged(why).code(), FailureCode::Integrity);
    }
}

#[test]
fn data_before_the_manifest_is_refused() {
    let now = crate::clock::now();
    let mut server = Server::new(PAYLOAD);
    let mut download = Download::new(now, [1; 32], server.place(source()), Binding::Plain, None);
    assert_eq!(download.packet_limit(), MAX_CONTROL, "a stranger costs no memory");
    let mut theirs = server.open(source(), 9, Binding::Plain);
    download.handle_packet(now, server.give(&mut theirs).expect("a challenge"));
    server.take(&mut theirs, &download.poll_packet(now).expect("a proof"));
    download.handle_packet(now, server.give(&mut theirs).expect("a welcome"));
    assert_eq!(download.packet_limit(), MAX_PAYLOAD);
    download.handle_packet(now, data(3, 0, 1024));
    assert_eq!(download.outcome(), Some(&Err(Fault::Unexpected(Kind::Data))));
}

#[test]
fn what_is_here_already_is_asked_for_no_more_and_passed_over() {
    let now = crate::clock::now();
    let sized = manifest(Some(TOTAL as u64));
    // Bytes here, payload size as far as it is known; what is asked for.
    for (written, payload, sequence) in
        [(0, None, 0), (1023, Some(1024), 0), (1500, Some(1024), 1), (1500, None, 0), (2048, Some(1024), 2), (2500, Some(1024), 3)]
    {
        let expected = Expected { manifest: sized.clone(), written, payload };
        let mut download = headed(now, Some(&expected), &sized);
        download.handle_manifest(sized.clone(), written);
        let mut came = 0;
        for (at, length) in [(0, 1024), (1, 1024), (2, 452)].into_iter().skip(sequence) {
            download.handle_packet(now, data(3, at, length));
            while let Some(event) = download.poll_event() {
                let DownloadEvent::Bytes(bytes) = event else { panic!("{event:?}") };
                came += bytes.len();
            }
        }
        assert_eq!((download.outcome(), came as u64), (None, 2500 - written), "{written} {payload:?}");
        download.handle_packet(now, of_trailer(&trailer()));
        assert!(matches!(download.poll_event(), Some(DownloadEvent::Verify(_))));
    }
}

#[test]
fn a_batch_that_was_changed_and_a_gap_are_refused() {
    let now = crate::clock::now();
    let (old, new) = (manifest(Some(TOTAL as u64)), manifest(Some(7)));
    let expected = Expected { manifest: old.clone(), written: 2048, payload: Some(PAYLOAD) };
    let mut download = headed(now, Some(&expected), &new);
    download.handle_manifest(new, 2048);
    assert_eq!(download.outcome(), Some(&Err(Fault::OtherBatch)));
    // The sink lost what the proof said to be here.
    let mut download = headed(now, Some(&expected), &old);
    download.handle_manifest(old, 100);
    assert_eq!(download.outcome(), Some(&Err(Fault::Position { wanted: 2048, have: 100 })));
}

#[test]
fn a_sink_that_cannot_go_on_and_a_user_who_will_not_are_told() {
    let now = crate::clock::now();
    let failure = Failure::new(FailureCode::NoSpace, "the disk is full");
    let mut download = ready(now);
    download.handle_sink_failure(failure.clone());
    assert_eq!(sent(&mut download, now), [(Kind::Error, failure.to_bytes())]);
    assert_eq!(download.outcome(), Some(&Err(Fault::GaveUp(failure))));
    let mut download = ready(now);
    download.handle_cancel();
    assert_eq!(sent(&mut download, now).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Cancel]);
}

#[test]
fn who_waits_for_the_upload_sends_heartbeats_and_hears_them() {
    let start = crate::clock::now();
    let mut download = ready(start);
    for second in (10..600).step_by(10) {
        let now = start + Duration::from_secs(second);
        download.handle_packet(now, to_us().packet(Kind::Heartbeat, 0, 0, Bytes::new()));
        download.handle_timeout(now);
        assert_eq!(sent(&mut download, now), [(Kind::Heartbeat, Bytes::new())]);
    }
    download.handle_timeout(start + Duration::from_secs(620));
    assert_eq!(download.outcome(), Some(&Err(Fault::Silent(Duration::from_secs(30)))));
}

#[test]
fn a_connection_that_takes_no_packet_is_not_looked_at_again_and_again() {
    let start = crate::clock::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut download = ready(start);
    all_data(&mut download, start);
    download.handle_durable(1024);
    for seconds in [10, 15, 25] {
        download.handle_alive(at(seconds));
        download.handle_timeout(at(seconds));
        let next = download.next_timeout().expect("it runs");
        assert!(next > at(seconds), "at {seconds} s, {:?} ago", at(seconds).duration_since(next));
    }
}

#[test]
fn a_hash_of_the_batch_that_is_not_that_of_its_files_is_damage() {
    let now = crate::clock::now();
    let mut download = ready(now);
    all_data(&mut download, now);
    download.handle_packet(now, of_trailer(&payload::Trailer { blake3: [2; 32], ..trailer() }));
    assert!(matches!(download.outcome(), Some(Err(Fault::Damaged(_)))), "{:?}", download.outcome());
}
