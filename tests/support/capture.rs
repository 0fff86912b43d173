//! RTP as an outsider sees it: dumpcap writes what is on the loopback interface, tshark says which streams it holds.

use std::{net::SocketAddr, path::PathBuf};

use nix::sys::signal::Signal;

use crate::place::{PATIENCE, Place, Process, command, run};

/// Debian's package of both.
const PACKAGE: &str = "tshark";

/// A capture in progress.
pub struct Capture {
    process: Process,
    file: PathBuf,
}

/// An RTP stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub ssrc: String,
    /// As tshark names it: g711U.
    pub codec: String,
    pub packets: u64,
    pub lost: i64,
}

impl Capture {
    /// Begins to capture what a filter of pcap lets through.
    pub fn start(place: &Place, filter: &str) -> Self {
        let file = place.path("capture.pcap");
        let mut dumpcap = command("dumpcap");
        // Headers are enough; 64 MiB hold whatever the disk does not take at once.
        dumpcap.args(["-i", "lo", "-P", "-s", "96", "-B", "64", "-a", "duration:120", "-f", filter, "-w"]).arg(&file);
        let mut process = Process::start(place, "dumpcap", PACKAGE, &mut dumpcap);
        let begun = confkit::clock::now();
        while !process.log().contains("File: ") {
            if process.ended().is_some() || begun.elapsed() > PATIENCE {
                panic!(
                    "dumpcap cannot capture on loopback: {}\nRun the tests as root, or once: setcap cap_net_raw,cap_net_admin=eip $(command -v dumpcap)",
                    process.log()
                );
            }
            std::thread::yield_now();
        }
        Self { process, file }
    }

    /// Ends it: the streams that it holds. A capture that lost packets proves nothing and fails the test.
    pub fn finish(mut self) -> Vec<Stream> {
        self.process.signal(Signal::SIGINT);
        assert_eq!(self.process.wait(PATIENCE), 0, "{}", self.process.log());
        let log = self.process.log();
        let lost = log.split_once("pcap:").and_then(|(_, rest)| rest.split('/').next()).unwrap_or("?");
        assert_eq!(lost, "0", "packets were lost by the capture: {log}");
        let mut tshark = command("tshark");
        let table = run(PACKAGE, tshark.arg("-r").arg(&self.file).args(["--enable-heuristic", "rtp_udp", "-q", "-z", "rtp,streams"]));
        table.lines().filter_map(stream).collect()
    }
}

/// A line of tshark's table: begin, end, from, port, to, port, SSRC, codec, packets, lost.
fn stream(line: &str) -> Option<Stream> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let address = |at: usize| Some(SocketAddr::new(fields.get(at)?.parse().ok()?, fields.get(at + 1)?.parse().ok()?));
    Some(Stream {
        from: address(2)?,
        to: address(4)?,
        ssrc: (*fields.get(6)?).to_owned(),
        codec: (*fields.get(7)?).to_owned(),
        packets: fields.get(8)?.parse().ok()?,
        lost: fields.get(9)?.parse().ok()?,
    })
}
