use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

use pcap_file::pcap::PcapReader;

use super::*;
use crate::sip::message::{self, Framing};

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Protocol, ports and payload of an IPv4 packet, its checksums verified.
fn dissect(packet: &[u8]) -> (u8, u16, u16, Vec<u8>) {
    let sum = |bytes: &[u8], start: u32| {
        bytes.chunks(2).fold(start, |sum, pair| sum + u32::from(pair[0]) * 256 + u32::from(*pair.get(1).unwrap_or(&0)))
    };
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    assert_eq!(packet[0], 0x45);
    assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
    assert_eq!(fold(fold(sum(&packet[..20], 0))), 0xffff, "the IP checksum");
    let (protocol, segment) = (packet[9], &packet[20..]);
    let pseudo = sum(&packet[12..20], u32::from(protocol) + u32::try_from(segment.len()).expect("small"));
    assert_eq!(fold(fold(sum(segment, pseudo))), 0xffff, "the transport's checksum");
    let head = if protocol == 17 { 8 } else { 20 };
    let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    (protocol, port(0), port(2), segment[head..].to_vec())
}

fn packets(pcap: &[u8]) -> Vec<(u8, u16, u16, Vec<u8>)> {
    let mut reader = PcapReader::new(pcap).expect("a pcap");
    let mut all = Vec::new();
    while let Some(packet) = reader.next_packet() {
        all.push(dissect(&packet.expect("a packet").data));
    }
    all
}

#[tokio::test]
async fn every_transport_is_written_down_once_readable_and_without_secrets() {
    let (ladder, pcap) = (Memory::default(), Memory::default());
    let trace = Trace::to(Some(Box::new(ladder.clone())), Some(Box::new(pcap.clone())), false).expect("started");
    let authority = Authority::generate(crate::clock::wall()).expect("a key");
    let issued = authority.issue(crate::clock::wall(), &[], &[]).expect("issued");
    let store = TlsStore::new(&TlsMaterial {
        identity: Some((issued.chain, issued.key)),
        roots: authority.certificate().to_owned(),
        pins: Vec::new(),
    });
    let store = Arc::new(store.expect("good material"));
    let hub = LocalHub::new();
    let config = |label: &str| TransportConfig {
        tls: vec![loopback()],
        tls_store: Some(store.clone()),
        local: Some((hub.clone(), label.to_owned())),
        trace: Some(trace.clone()),
        label: Some(label.to_owned()),
        ..plain()
    };
    let (mut focus, mut mixer) = (node(config("as")).await, node(config("ms")).await);
    let body = "<join><pin>1234</pin></join>";
    let hops = [
        Hop::new(Transport::Udp, mixer.udp()),
        Hop::new(Transport::Tcp, mixer.tcp()),
        Hop::new(Transport::Tls, mixer.tls()),
        Hop::local("ms"),
    ];
    for hop in &hops {
        let via = format!("SIP/2.0/{} 127.0.0.1:5999", hop.transport.via_name());
        focus.send(hop, &request("INFO", &via, body));
        let came = mixer.message().await;
        assert!(came.text.ends_with(body), "what travels is not touched");
        mixer.send(&came.from, &response("200 OK", &via));
        focus.message().await;
    }
    trace.flush().await;

    let text = String::from_utf8(ladder.bytes()).expect("text");
    let lines: Vec<&str> = text.lines().map(|line| line.split_once("  ").expect("time, then the rest").1).collect();
    let mut want = Vec::new();
    for transport in ["udp", "tcp", "tls", "local"] {
        want.push(("as -> ms  INFO sip:room@127.0.0.1 SIP/2.0", transport));
        want.push(("ms -> as  SIP/2.0 200 OK", transport));
    }
    assert_eq!(lines.len(), want.len(), "{text}");
    for (line, (start, transport)) in lines.iter().zip(want) {
        assert!(line.starts_with(start) && line.contains(&format!("[{transport} ")), "{line}");
    }

    let packets = packets(&pcap.bytes());
    assert_eq!(packets.len(), 8);
    for (n, (protocol, from, to, payload)) in packets.iter().enumerate() {
        let framing = if *protocol == 17 { Framing::Datagram } else { Framing::Stream };
        assert_eq!(*protocol == 17, n < 2, "only the first exchange went by UDP");
        let message = message::parse(&Bytes::copy_from_slice(payload), framing).unwrap_or_else(|fault| panic!("packet {n}: {fault:?}"));
        match message {
            message::Message::Request(request) => {
                assert_eq!(request.body, "<join><pin>xxxx</pin></join>");
                assert_eq!(Some(*to), hops[n / 2].socket().map_or(Some(5060), |socket| Some(socket.port())));
            }
            message::Message::Response(response) => assert_eq!((response.status, *from, *to), (200, packets[n - 1].2, packets[n - 1].1)),
        }
    }
}

#[tokio::test]
async fn secrets_stay_where_they_are_asked_for_and_large_messages_are_cut() {
    let pcap = Memory::default();
    let trace = Trace::to(None, Some(Box::new(pcap.clone())), true).expect("started");
    let hub = LocalHub::new();
    let config = |role: &str| TransportConfig { local: Some((hub.clone(), role.to_owned())), ..TransportConfig::default() };
    let focus = node(TransportConfig { trace: Some(trace.clone()), ..config("as") }).await;
    let mut mixer = node(config("ms")).await;
    let text = request("INFO", "SIP/2.0/TCP as.invalid", &format!("<pin>1234</pin>{}", "z".repeat(60_000)));
    focus.send(&Hop::local("ms"), &text);
    mixer.message().await;
    trace.flush().await;
    let packets = packets(&pcap.bytes());
    assert!(packets.len() > 1);
    let whole: Vec<u8> = packets.into_iter().flat_map(|(_, _, _, payload)| payload).collect();
    assert_eq!(whole, text.into_bytes());
}

#[tokio::test]
async fn a_stranger_s_messages_are_written_as_received_and_files_are_private() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = TraceConfig { ladder: Some(dir.path().join("ladder.txt")), pcap: Some(dir.path().join("trace.pcap")), secrets: false };
    let trace = Trace::start(&config).expect("files can be made");
    let mut relay = node(TransportConfig { trace: Some(trace.clone()), label: Some("as".into()), ..plain() }).await;
    let alice = node(plain()).await;
    alice.send(&Hop::new(Transport::Udp, relay.udp()), &request("OPTIONS", "SIP/2.0/UDP 127.0.0.1", ""));
    relay.message().await;
    trace.flush().await;
    let text = std::fs::read_to_string(dir.path().join("ladder.txt")).expect("a ladder");
    assert!(text.contains(&format!("  {} -> as  OPTIONS sip:room@127.0.0.1 SIP/2.0  [udp ", alice.udp())), "{text}");
    assert_eq!(packets(&std::fs::read(dir.path().join("trace.pcap")).expect("a capture")).len(), 1);
    #[cfg(unix)]
    for name in ["ladder.txt", "trace.pcap"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(dir.path().join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(trace.left_out(), 0);
}

#[tokio::test]
async fn a_disk_that_is_too_slow_costs_lines_which_are_counted_and_no_messages() {
    let ladder = Memory::default();
    let trace = Trace::to(Some(Box::new(ladder.clone())), None, false).expect("started");
    let alice = node(TransportConfig { trace: Some(trace.clone()), ..plain() }).await;
    let mut relay = node(plain()).await;
    let hop = Hop::new(Transport::Udp, relay.udp());
    alice.send(&hop, "OPTIONS");
    relay.message().await;
    {
        // While this is held, every write waits.
        let _disk = ladder.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sent in 0.. {
            assert!(sent < 10_000, "the queue has no end");
            alice.send(&hop, "OPTIONS");
            if trace.left_out() == 5 {
                break;
            }
        }
    }
    trace.flush().await;
    alice.send(&hop, "OPTIONS");
    trace.flush().await;
    let text = String::from_utf8(ladder.bytes()).expect("text");
    // Where nothing was written before, it is the first line.
    assert!(text.lines().any(|line| line.starts_with("# 5 messages are left out here: ")), "{text}");
}
