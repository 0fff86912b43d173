//! File servers over real sockets: the ports of data conferences as the system tells them, who is let in by them, and a file server in a process
//! of its own, stopped and started again.

#![cfg(feature = "cli")]

#[path = "fileshare_servers/apart.rs"]
mod apart;
#[path = "support/place.rs"]
#[expect(dead_code, reason = "tests/interop.rs uses the rest")]
mod place;
#[path = "fileshare_servers/ports.rs"]
mod ports;
#[path = "support/server.rs"]
#[expect(dead_code, reason = "tests/interop.rs uses the rest")]
mod server;
#[path = "support/sharer.rs"]
mod sharer;
#[path = "support/sockets.rs"]
mod sockets;
