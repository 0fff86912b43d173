//! RTP as an outsider sees it: dumpcap writes what is on the loopback interface, tshark says which streams it holds.
//!
//! Who may not capture runs the whole test in a user and network namespace of its own, where it may ([`in_sight`]).

use std::{net::SocketAddr, path::PathBuf};

use nix::sys::signal::Signal;

use crate::place::{PATIENCE, Place, Process, command, run, wait_until};

/// Debian's package of both.
const PACKAGE: &str = "tshark";

/// Set in the namespace, so that nobody makes another one in it.
const INSIDE: &str = "CONFKIT_INTEROP_NAMESPACE";
/// Brings up the loopback interface of a new namespace (SIOCSIFFLAGS: IFF_UP, IFF_RUNNING) and goes on as what follows.
const LOOPBACK_UP: &str = "socket(S, 2, 2, 0); my $r = pack('a16 s x14', 'lo', 0x41); ioctl(S, 0x8914, $r) or die qq(lo: $!); exec @ARGV";

/// Runs a test that captures. `name` is its full name.
pub fn in_sight(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() || may_capture(name) {
        return test();
    }
    let mut inside = command("unshare");
    inside.args(["--user", "--map-root-user", "--net", "perl", "-e", LOOPBACK_UP]).arg(std::env::current_exe().expect("this program"));
    let said = run("util-linux perl-base", inside.args(["--exact", name, "--nocapture"]).env(INSIDE, "yes"));
    assert!(said.contains("1 passed"), "{name} in a namespace of its own: {said}\n{HOW}");
}

/// How to be allowed to capture.
const HOW: &str = "To capture on loopback, run the tests as root, or once: setcap cap_net_raw,cap_net_admin=eip $(command -v dumpcap)";

fn may_capture(test: &str) -> bool {
    let place = Place::new(&test.replace("::", "-"));
    // Into a file of its own: dumpcap removes what it could not fill, were it a device.
    let mut dumpcap = command("dumpcap");
    dumpcap.args(["-i", "lo", "-P", "-a", "duration:10", "-w"]).arg(place.path("nothing.pcap"));
    let Ok(mut process) = Process::try_start(&place, "dumpcap", PACKAGE, &mut dumpcap) else { return false };
    let mut allowed = false;
    wait_until(
        || "dumpcap says whether it may capture".to_owned(),
        || {
            allowed = process.log().contains("File: ");
            allowed || process.ended().is_some()
        },
    );
    allowed
}

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
        process.wait_for_log("File: ");
        Self { process, file }
    }

    /// Ends it: the streams that it holds. A capture that lost packets proves nothing and fails the test.
    pub fn finish(mut self) -> Vec<Stream> {
        self.process.signal(Signal::SIGINT);
        assert_eq!(self.process.wait(PATIENCE), 0, "{}", self.process.log());
        let log = self.process.log();
        let lost = log.split_once("pcap:").and_then(|(_, rest)| rest.split('/').next()).unwrap_or("?");
        assert_eq!(lost, "0", "packets were lost by the capture: {log}");
        // Heuristics first: a leg on the port of some known protocol is RTP all the same.
        let mut tshark = command("tshark");
        let table = run(
            PACKAGE,
            tshark.arg("-r").arg(&self.file).args([
                "-o",
                "udp.try_heuristic_first:TRUE",
                "--enable-heuristic",
                "rtp_udp",
                "-q",
                "-z",
                "rtp,streams",
            ]),
        );
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
