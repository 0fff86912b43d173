use super::*;
use crate::fileshare::{
    client::{model::Server, pulse::ADMISSION},
    wire::{FailureCode, Header, TransferKey, flow::FlowError, payload::Challenge},
};

const PAYLOAD: u32 = 1024;

fn source() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 40_000).into()
}

fn offered(bytes: Option<u64>) -> Offered {
    Offered { manifest: Bytes::from_static(b"{}"), bytes, ended_at: None }
}

/// An upload that was admitted to send from the start, and whose manifest is out.
fn admitted(now: Instant, bytes: Option<u64>) -> (Upload, Server) {
    let mut server = Server::new(PAYLOAD);
    let mut upload = Upload::new(now, [1; 32], server.place(source()), Binding::Plain, offered(bytes));
    let mut theirs = server.open(source(), 9, Binding::Plain);
    for _ in 0..2 {
        while let Some(packet) = server.give(&mut theirs) {
            upload.handle_packet(now, &packet);
        }
        while let Some(packet) = upload.poll_packet(now) {
            server.take(&mut theirs, &packet);
        }
    }
    assert!(server.manifest.is_some());
    let events: Vec<_> = std::iter::from_fn(|| upload.poll_event()).collect();
    assert_eq!(events, [UploadEvent::Read { from: 0, bytes_per_second: 0 }, UploadEvent::Durable(0)]);
    (upload, server)
}

fn to_us() -> Route {
    Route { way: Way::ToTerminal, terminal: source(), batch: crate::fileshare::BatchId(7) }
}

fn acknowledgement(durable: u64, complete: bool) -> Packet {
    to_us().packet(Kind::Acknowledgement, 0, 0, Acknowledgement { durable, complete }.to_bytes())
}

fn headers(upload: &mut Upload, now: Instant) -> Vec<(Kind, u64, u64, u32)> {
    let header = |Header { kind, total, sequence, length, .. }| (kind, total, sequence, length);
    std::iter::from_fn(|| upload.poll_packet(now)).map(|packet| header(packet.header)).collect()
}

#[test]
fn bytes_in_pieces_of_any_length_become_packets_of_the_fixed_size() {
    let now = crate::clock::now();
    let (mut upload, _) = admitted(now, Some(2500));
    for piece in [1, 1022, 1477] {
        upload.handle_bytes(vec![0; piece].into());
    }
    assert_eq!(headers(&mut upload, now), [(Kind::Data, 3, 0, 1024), (Kind::Data, 3, 1, 1024)]);
    assert_eq!(upload.handle_end(), Some(2500));
    upload.handle_hashes(vec![FileHash { size: 2500, blake3: [2; 32] }]);
    assert_eq!(headers(&mut upload, now), [(Kind::Data, 3, 2, 452), (Kind::Trailer, 1, 0, 85 + 40)]);
}

#[test]
fn the_total_of_a_stream_is_0_until_its_end_is_known() {
    let now = crate::clock::now();
    let (mut upload, _) = admitted(now, None);
    upload.handle_bytes(vec![0; 1100].into());
    assert_eq!(headers(&mut upload, now), [(Kind::Data, 0, 0, 1024)]);
    assert_eq!(upload.handle_end(), Some(1100));
    assert_eq!(headers(&mut upload, now), [(Kind::Data, 2, 1, 76)]);
}

#[test]
fn no_more_than_the_window_is_on_its_way() {
    let now = crate::clock::now();
    let (mut upload, _) = admitted(now, Some(1 << 40));
    let mut taken = 0;
    let mut fill = |upload: &mut Upload| {
        let mut sent = 0;
        while upload.wants_bytes() {
            upload.handle_bytes(vec![0; 100_000].into());
            sent += headers(upload, now).iter().map(|header| u64::from(header.3)).sum::<u64>();
        }
        taken += sent;
        (sent, taken)
    };
    assert_eq!(fill(&mut upload), (WINDOW, WINDOW));
    upload.handle_packet(now, &acknowledgement(100 * 1024, false));
    assert_eq!(headers(&mut upload, now).len(), 44, "what was taken in and waited");
    assert_eq!(upload.poll_event(), Some(UploadEvent::Durable(100 * 1024)));
    upload.handle_packet(now, &acknowledgement(WINDOW, false));
    assert!(upload.wants_bytes());
    let (_, taken) = fill(&mut upload);
    assert!(taken <= 2 * WINDOW, "{taken}");
}

#[test]
fn it_is_done_only_when_all_is_acknowledged_as_complete() {
    let now = crate::clock::now();
    let (mut upload, _) = admitted(now, Some(10));
    upload.handle_bytes(vec![0; 10].into());
    upload.handle_end();
    upload.handle_hashes(Vec::new());
    assert_eq!(headers(&mut upload, now).len(), 2);
    upload.handle_packet(now, &acknowledgement(10, false));
    assert_eq!(upload.outcome(), None, "durable, but not verified");
    upload.handle_packet(now, &acknowledgement(10, true));
    assert_eq!((upload.outcome(), upload.next_timeout()), (Some(&Ok(10)), None));
}

#[test]
fn what_a_server_may_not_send_ends_the_upload_and_is_told() {
    let now = crate::clock::now();
    let packet = |kind, data: &[u8]| to_us().packet(kind, 0, 0, Bytes::copy_from_slice(data));
    let acknowledged = |acknowledged| Fault::Acknowledged { acknowledged, sent: 1024 };
    let other = Route { batch: crate::fileshare::BatchId(8), ..to_us() };
    for (wrong, fault) in [
        (acknowledgement(1025, false), acknowledged(1025)),
        (acknowledgement(u64::MAX, true), acknowledged(u64::MAX)),
        (acknowledgement(1024, true), acknowledged(1024)),
        (packet(Kind::Acknowledgement, b"short"), PacketError::Payload("acknowledgement").into()),
        (packet(Kind::Data, b"hello"), Fault::Unexpected(Kind::Data)),
        (packet(Kind::Challenge, &[1; 32]), Fault::Unexpected(Kind::Challenge)),
        (other.packet(Kind::Heartbeat, 0, 0, Bytes::new()), Fault::Route),
    ] {
        let (mut upload, _) = admitted(now, Some(5000));
        upload.handle_bytes(vec![0; 2000].into());
        assert_eq!(headers(&mut upload, now).len(), 1);
        upload.handle_packet(now, &wrong);
        assert_eq!(upload.outcome(), Some(&Err(fault.clone())));
        let told = upload.poll_packet(now).expect("the server is told");
        assert_eq!((told.header.kind, upload.poll_packet(now)), (Kind::Error, None));
        assert_eq!(Failure::read(&told.data).map(|failure| failure.code), Ok(FailureCode::Protocol));
        assert!(!fault.is_resumable());
    }
}

#[test]
fn what_the_server_says_is_the_reason() {
    let now = crate::clock::now();
    for (code, resumable) in [(FailureCode::NoSpace, false), (FailureCode::Ended, false), (FailureCode::Busy, true)] {
        let (mut upload, _) = admitted(now, Some(5000));
        let failure = Failure::new(code, "so it is");
        upload.handle_packet(now, &to_us().packet(Kind::Error, 0, 0, failure.to_bytes()));
        let fault = Fault::Refused(failure);
        assert_eq!((fault.code(), fault.is_resumable()), (code, resumable));
        assert_eq!((upload.poll_packet(now), upload.outcome()), (None, Some(&Err(fault))), "it knows already");
    }
    let (mut upload, _) = admitted(now, Some(5000));
    upload.handle_packet(now, &to_us().packet(Kind::Cancel, 0, 0, Bytes::from_static(b"enough")));
    assert_eq!(upload.outcome(), Some(&Err(Fault::CancelledThere("enough".into()))));
}

#[test]
fn a_server_without_the_key_gets_nothing() {
    let now = crate::clock::now();
    let mut server = Server::new(PAYLOAD);
    let mut upload = Upload::new(now, [1; 32], server.place(source()), Binding::Plain, offered(Some(1)));
    let mut theirs = server.open(source(), 9, Binding::Plain);
    let challenge = server.give(&mut theirs).expect("a challenge");
    upload.handle_packet(now, &challenge);
    server.take(&mut theirs, &upload.poll_packet(now).expect("a proof"));
    let mut welcome = server.give(&mut theirs).expect("a welcome");
    let mut read = Welcome::read(&welcome.data).expect("a welcome");
    read.proof[31] ^= 1;
    welcome.data = read.to_bytes();
    upload.handle_packet(now, &welcome);
    assert_eq!(upload.outcome(), Some(&Err(Fault::Impostor)));
    assert_eq!((upload.poll_packet(now), upload.poll_event()), (None, None));
    assert!(!Fault::Impostor.is_resumable());
    // Nor one that gives the terminal's own proof back, or whose nonce comes again.
    let mut upload = Upload::new(now, [1; 32], server.place(source()), Binding::Plain, offered(Some(1)));
    upload.handle_packet(now, &challenge);
    upload.handle_packet(now, &to_us().packet(Kind::Challenge, 0, 0, Challenge { nonce: [9; 32] }.to_bytes()));
    assert_eq!(upload.outcome(), Some(&Err(Fault::Unexpected(Kind::Challenge))));
    assert_ne!(server.key, TransferKey::from_bytes([0; 32]));
}

#[test]
fn it_goes_on_only_where_the_batch_has_something() {
    let now = crate::clock::now();
    // Bytes of the batch, packet to go on with, bytes durable there; where it goes on.
    for (bytes, ended_at, sequence, durable, from) in [
        (Some(2500), None, 0, 0, Some(0)),
        (Some(2500), None, 1, 1024, Some(1024)),
        (Some(2500), None, 1, 900, Some(1024)),
        (Some(2500), None, 3, 2500, Some(2500)),
        (Some(2500), None, 4, 0, None),
        (Some(2500), None, u64::MAX, 0, None),
        (Some(2500), None, 0, 2501, None),
        (Some(0), None, 0, 0, Some(0)),
        (None, None, 3, 0, Some(3072)),
        (None, Some(2500), 3, 0, Some(2500)),
        (None, Some(2500), 4, 0, None),
    ] {
        let offered = Offered { ended_at, ..offered(bytes) };
        let mut upload = Upload::new(now, [1; 32], Server::new(PAYLOAD).place(source()), Binding::Plain, offered);
        let welcome =
            Welcome { proof: [0; 32], payload_size: PAYLOAD, durable, bytes_per_second: 5, heartbeat_seconds: 0, has_manifest: true };
        let entered = upload.enter(now, &welcome, sequence);
        let wanted = upload.poll_event();
        assert_eq!(wanted, from.map(|from| UploadEvent::Read { from, bytes_per_second: 5 }), "{bytes:?} {sequence} {durable}");
        assert_eq!(entered.is_ok(), from.is_some());
    }
}

#[test]
fn a_source_with_another_length_than_announced_fails_the_share() {
    let now = crate::clock::now();
    for (announced, found) in [(2000, 1999), (2000, 2001)] {
        let (mut upload, _) = admitted(now, Some(announced));
        upload.handle_bytes(vec![0; found].into());
        assert_eq!(upload.handle_end(), None);
        let code = upload.outcome().and_then(|outcome| outcome.clone().err()).map(|fault| fault.code());
        assert_eq!(code, Some(FailureCode::SourceChanged));
        assert_eq!(headers(&mut upload, now).first().map(|header| header.0), Some(Kind::Error), "and no data any more");
    }
}

#[test]
fn silence_at_each_stage_has_its_end() {
    let start = crate::clock::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let mut upload = Upload::new(start, [1; 32], Server::new(PAYLOAD).place(source()), Binding::Plain, offered(None));
    upload.handle_timeout(start + ADMISSION);
    assert_eq!(upload.outcome(), Some(&Err(Fault::Admission(ADMISSION))));

    let (mut upload, _) = admitted(start, Some(5000));
    upload.handle_timeout(after(10));
    assert_eq!(headers(&mut upload, after(10)), [(Kind::Heartbeat, 0, 0, 0)]);
    upload.handle_timeout(after(30));
    assert_eq!(upload.outcome(), Some(&Err(Fault::Silent(Duration::from_secs(30)))));

    // It lives, and stores nothing.
    let (mut upload, _) = admitted(start, Some(5000));
    upload.handle_bytes(vec![0; 1024].into());
    assert_eq!(headers(&mut upload, start).len(), 1);
    for second in 1..120 {
        upload.handle_alive(after(second));
        upload.handle_timeout(after(second));
        assert_eq!(upload.outcome(), None, "{second}");
    }
    assert!(upload.next_timeout().is_some_and(|at| at <= after(120)));
    upload.handle_timeout(after(120));
    assert_eq!(upload.outcome(), Some(&Err(Fault::Unacknowledged(UNACKNOWLEDGED))));
}

#[test]
fn cancelling_is_told_and_final() {
    let now = crate::clock::now();
    let (mut upload, _) = admitted(now, Some(5000));
    upload.handle_bytes(vec![0; 5000].into());
    upload.handle_cancel();
    upload.handle_closed();
    assert_eq!(headers(&mut upload, now).iter().map(|header| header.0).collect::<Vec<_>>(), [Kind::Cancel]);
    assert_eq!(upload.outcome(), Some(&Err(Fault::CancelledHere)));
    assert!(!Fault::CancelledHere.is_resumable() && !Fault::Flow(FlowError::BehindTheLast { sequence: 1 }).is_resumable());
}

#[test]
fn a_heartbeat_goes_before_data_that_waits_for_room_in_the_window() {
    let start = crate::clock::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let (mut upload, _) = admitted(start, Some(1 << 40));
    while upload.wants_bytes() {
        upload.handle_bytes(vec![0; 100_000].into());
        headers(&mut upload, start);
    }
    assert_eq!(headers(&mut upload, start), [], "the window is full, and some data waits");
    upload.handle_timeout(at(10));
    assert_eq!(headers(&mut upload, at(10)), [(Kind::Heartbeat, 0, 0, 0)]);
}

#[test]
fn a_connection_that_takes_no_packet_is_not_looked_at_again_and_again() {
    let start = crate::clock::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let (mut upload, _) = admitted(start, Some(1 << 40));
    upload.handle_bytes(vec![0; 100_000].into());
    for seconds in [10, 15, 25] {
        upload.handle_alive(at(seconds));
        upload.handle_timeout(at(seconds));
        let next = upload.next_timeout().expect("it runs");
        assert!(next > at(seconds), "at {seconds} s, {:?} ago", at(seconds).duration_since(next));
    }
}

#[test]
fn a_server_that_has_the_hashes_and_never_says_that_it_is_done_is_left() {
    let start = crate::clock::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let (mut upload, _) = admitted(start, Some(10));
    upload.handle_bytes(vec![0; 10].into());
    upload.handle_end();
    upload.handle_hashes(Vec::new());
    headers(&mut upload, start);
    upload.handle_packet(start, &acknowledgement(10, false));
    let mut now = start;
    while upload.outcome().is_none() && now < at(1000) {
        now = upload.next_timeout().expect("it runs").min(now + Duration::from_secs(5));
        upload.handle_packet(now, &to_us().packet(Kind::Heartbeat, 0, 0, Bytes::new()));
        upload.handle_timeout(now);
        headers(&mut upload, now);
    }
    assert_eq!(upload.outcome(), Some(&Err(Fault::Unacknowledged(UNACKNOWLEDGED))));
    assert_eq!(now, at(120));
}
