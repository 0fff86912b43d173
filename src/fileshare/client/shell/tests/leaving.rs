//! Whoever breaks off or gives up leaves soon, whatever the disk and the network do, and nothing of it comes after.

use std::{
    io::{ErrorKind, Write},
    sync::Condvar,
};

use super::{
    hostile::{PAYLOAD, as_is, serve, stocked},
    *,
};
use crate::fileshare::{
    client::model::Server,
    wire::{Decoder, Kind, Way, packet::MAX_PAYLOAD, proof::Binding},
};

/// Longer than leaving may take, and much shorter than anything else that ends a transfer here.
const LEAVING: Duration = Duration::from_secs(8);

/// A stream that takes nothing until it may.
#[derive(Clone, Default)]
struct Held(Arc<(Mutex<bool>, Condvar)>);

/// It may.
struct Release(Held);

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (open, changed) = &*self.0;
        let guard = changed.wait_while(open.lock().expect("free"), |open| !*open).expect("free");
        drop(guard);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        let (open, changed) = &*self.0.0;
        *open.lock().expect("free") = true;
        changed.notify_all();
    }
}

#[tokio::test]
async fn a_sink_that_takes_nothing_holds_nobody_who_leaves() {
    // One chunk at the stream, two before it, one waits for them, one behind that: then the order to place has no room any more.
    for (packets, give_up) in [(2, false), (4, false), (5, false), (5, true)] {
        let held = Held::default();
        let release = Release(held.clone());
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let server = stocked(&content(22, packets * PAYLOAD as usize));
        let ticket = server.ticket(listener.local_addr().expect("an address"), None);
        let mut downloader = Downloader::to_stream(Box::new(held), SinkOptions::default());
        let (tell, mut told) = watch::channel(Snapshot::default());
        let settings = Settings { progress: Some(tell), ..Settings::default() };
        let leaving = async {
            told.wait_for(|snapshot| snapshot.phase == Phase::Verifying).await.expect("all is there");
            if give_up { settings.cancel.cancel() } else { settings.stop.cancel() }
        };
        let port = LocalPort::bind(HERE).expect("a port");
        let run = timeout(LEAVING, downloader.run(port, &ticket, &settings));
        let (result, (), _) = tokio::join!(run, leaving, soon(serve(listener, server, |packet| as_is(&packet))));
        let error = result.unwrap_or_else(|_| panic!("{packets} packets hold it")).expect_err("nothing is placed");
        match give_up {
            true => assert!(matches!(error, TransferError::Fault(Fault::CancelledHere)), "{error}"),
            false => assert!(matches!(error, TransferError::Stopped), "{error}"),
        }
        drop(release);
    }
}

/// Bytes that whoever reads nothing has room for; the system doubles it.
const ROOM: u32 = 64 * 1024;

/// Bytes that wait in the socket of this address to be sent, by the system's own table.
fn unsent(from: SocketAddr) -> usize {
    let IpAddr::V4(ip) = from.ip() else { panic!("this is of IPv4") };
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), from.port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the sockets of this machine");
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let queues = rows.find_map(|row| (row.get(1) == Some(&&*local)).then(|| row.get(4).copied())?);
    queues.and_then(|queues| usize::from_str_radix(queues.split(':').next()?, 16).ok()).unwrap_or(0)
}

#[tokio::test]
async fn what_a_connection_had_not_sent_when_it_was_left_does_not_come_any_more() {
    let shared = folder(&[("a.bin", content(23, 24 * MIB))]);
    let mut uploader = Uploader::new(source([shared.path().join("a.bin")]).await).expect("BLAKE3");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(ROOM).expect("an option");
    socket.bind((HERE, 0).into()).expect("a port");
    let listener = socket.listen(1).expect("it listens");
    let mut server = Server::new(PAYLOAD);
    let ticket = server.ticket(listener.local_addr().expect("an address"), None);
    let settings = Settings::default();
    let stop = settings.stop.clone();
    let serving = async {
        let (mut stream, from) = listener.accept().await.expect("a connection");
        let mut connection = server.open(from, 1, Binding::Plain);
        let mut decoder = Decoder::new(Way::ToServer, MAX_PAYLOAD);
        let mut welcomed = false;
        while !welcomed {
            while let Some(packet) = server.give(&mut connection) {
                welcomed |= packet.header.kind == Kind::Welcome;
                stream.write_all(&packet.to_bytes()).await.expect("written");
            }
            if !welcomed {
                stream.read_buf(decoder.room()).await.expect("the proof");
                let proof = decoder.next_packet().expect("a packet").expect("whole");
                server.take(&mut connection, &proof);
            }
        }
        // It reads nothing more, until more waits to be sent than it would have room for.
        while unsent(from) < 4 * ROOM as usize {
            sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
        stream
    };
    let port = LocalPort::bind(HERE).expect("a port");
    let (mut stream, stopped) = soon(async { tokio::join!(serving, uploader.run(port, &ticket, &settings)) }).await;
    assert!(matches!(stopped, Err(TransferError::Stopped)), "{stopped:?}");
    let mut rest = Vec::new();
    let end = soon(stream.read_to_end(&mut rest)).await;
    assert_eq!(end.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset), "{} bytes came", rest.len());
}
