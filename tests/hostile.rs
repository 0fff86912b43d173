//! Bad traffic against a `relayd` that runs, while a well-behaved call goes on beside it: each case gets a clear answer or none, and the two of
//! the call go on hearing each other.
//!
//! Real processes, real sockets on loopback, real audio. Other hosts are other addresses of 127/8.
//!
//! | file | what |
//! |---|---|
//! | `hostile/streams.rs` | TCP and TLS: oversized, endless, slow, half-closed, not read, garbage, connections up to the bound |
//! | `hostile/datagrams.rs` | UDP: garbage, duplicates, wrong order, replays |
//! | `hostile/bodies.rs` | XML, multipart, SDP |
//! | `hostile/mscml.rs` | the media server as its own process: strangers, MSCML |
//! | `hostile/passwords.rs` | guessing, digests used again |
//! | `hostile/media.rs` | RTP and RTCP: garbage, strangers, jumps, floods; ports used up |
//! | `hostile/startup.rs` | ports in use, typos in the configuration |
//! | `hostile/floods.rs` | requests without end: tables and memory stay bounded |
//! | `hostile/channel.rs`, `hostile/channel/` | relay channels: strangers, chunks altered on the way, ends that fall silent, names, disks |

#![cfg(feature = "cli")]

#[path = "hostile/agent.rs"]
mod agent;
#[expect(dead_code, reason = "tests/channel_secrecy.rs uses the rest")]
#[path = "support/between.rs"]
mod between;
#[path = "hostile/bodies.rs"]
mod bodies;
#[path = "hostile/call.rs"]
mod call;
#[path = "hostile/channel.rs"]
mod channel;
#[path = "hostile/datagrams.rs"]
mod datagrams;
#[path = "hostile/floods.rs"]
mod floods;
#[expect(dead_code, reason = "tests/daemon.rs uses the rest")]
#[path = "daemon/harness.rs"]
mod harness;
#[path = "hostile/media.rs"]
mod media;
#[path = "hostile/mscml.rs"]
mod mscml;
#[path = "hostile/passwords.rs"]
mod passwords;
#[path = "support/running.rs"]
mod running;
#[path = "support/shown.rs"]
mod shown;
#[path = "hostile/startup.rs"]
mod startup;
#[path = "hostile/streams.rs"]
mod streams;
#[expect(dead_code, reason = "tests/channel_secrecy.rs uses the rest")]
#[path = "support/terminal.rs"]
mod terminal;
#[expect(dead_code, reason = "tests/torture_live.rs uses the rest")]
#[path = "support/wire.rs"]
mod wire;

use harness::{Daemon, get, sample};

/// One of a daemon's numbers.
fn metric(daemon: &Daemon, name: &str) -> f64 {
    sample(&get(daemon, "/metrics").1, name)
}

/// Waits for something that a daemon's numbers tell.
async fn wait_for(daemon: &Daemon, name: &str, right: impl Fn(f64) -> bool) {
    let begun = confkit::clock::now();
    loop {
        let value = metric(daemon, name);
        if right(value) {
            return;
        }
        assert!(begun.elapsed() < wire::PATIENCE, "{name} stays {value}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Where a daemon takes TLS.
fn tls(daemon: &Daemon) -> std::net::SocketAddr {
    let uri = daemon.ready["sips"].as_str().expect("a TLS listener");
    uri.trim_start_matches("sips:").trim_start_matches("sip:").split(';').next().expect("an address").parse().expect("an address")
}

/// Memory that a daemon uses, in MiB.
fn memory(daemon: &Daemon) -> f64 {
    metric(daemon, "process_resident_memory_bytes") / f64::from(1 << 20)
}
