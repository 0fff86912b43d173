//! Conferences with other people's programs: baresip as telephones, sipp as callers, subscriber, media server and application server, dumpcap and
//! tshark as witnesses. Real processes and real audio on loopback; each process has ports of the system's choice and is ended by its id.
//!
//! A program that is missing fails its tests with the line that installs it (`scripts/setup.sh` installs all of them). What the programs said stays in
//! `target/tmp/interop/` when a test fails.
//!
//! | file | what |
//! |---|---|
//! | `interop/telephones.rs` | baresip dials in, is invited, hears and is heard, is muted and put out, registers |
//! | `interop/shared_files.rs` | baresip in a conference where files are shared |
//! | `interop/callers.rs` | many callers at once, all with audio; call set-up |
//! | `interop/subscriber.rs` | the conference event package |
//! | `interop/stand_ins.rs` | sipp plays the media server, and the application server |
//! | `interop/two_processes.rs` | the roles `as` and `ms` apart; the media server killed |
//! | `interop/witness.rs` | who sends RTP, as a capture shows it |

#![cfg(feature = "cli")]
#![expect(clippy::print_stdout, reason = "what was counted and captured is told to whoever runs it")]

#[path = "support/baresip.rs"]
mod baresip;
#[path = "interop/callers.rs"]
mod callers;
#[path = "support/capture.rs"]
mod capture;
#[path = "support/hearing.rs"]
mod hearing;
#[path = "support/place.rs"]
mod place;
#[path = "support/server.rs"]
mod server;
#[path = "interop/shared_files.rs"]
mod shared_files;
#[path = "support/sharer.rs"]
#[expect(dead_code, reason = "tests/fileshare_servers.rs uses the rest")]
mod sharer;
#[path = "support/sipp.rs"]
mod sipp;
#[path = "support/sockets.rs"]
mod sockets;
#[path = "interop/stand_ins.rs"]
mod stand_ins;
#[path = "interop/subscriber.rs"]
mod subscriber;
#[path = "interop/telephones.rs"]
mod telephones;
#[path = "interop/two_processes.rs"]
mod two_processes;
#[path = "interop/witness.rs"]
mod witness;
