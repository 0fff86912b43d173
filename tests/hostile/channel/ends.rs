//! Ends that stop: one that reads no more, one that sends no more, and both behind a line that swallows all. Each is noticed by signs of life within
//! fifteen seconds, and the relay keeps nothing of it.

use std::time::Duration;

use confkit::clock;
use nix::sys::signal::Signal;

use super::{Fshare, World, noise};
use crate::{
    between::{Cut, Honest},
    wait_for,
};

/// How long a silent end may go unnoticed, and two seconds for a machine that has much else to do: for the program to hear of it, to end, and for the
/// test to see that.
const SILENT: Duration = Duration::from_secs(15 + 2);

/// Two in the middle of a slow transfer.
fn transferring(world: &World, relay: &str, name: &str) -> (Fshare, Fshare) {
    world.write(name, &noise(64 << 20));
    let mut sender = world.start(relay, &["send", name, "--limit", "1MiB/s"]);
    let code = sender.code();
    let mut receiver = world.start(relay, &["recv", code.as_str(), "--yes", "--output", "in"]);
    receiver.event("progress");
    (sender, receiver)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_more_who_sends_no_more_and_half_open_connections_are_noticed_within_fifteen_seconds() {
    let world = World::with(&[("RELAYD_RELAY_UNUSED", "1s")]);
    let between = world.between(|_| Box::new(Honest)).await;
    let (mut sender, deaf) = transferring(&world, &world.relay, "deaf.bin");
    let (dumb, mut receiver) = transferring(&world, &world.relay, "dumb.bin");
    let (mut far, mut away) = transferring(&world, &between.address, "away.bin");
    let stopped = clock::now();
    deaf.signal(Signal::SIGSTOP);
    dumb.signal(Signal::SIGSTOP);
    between.swallow_all();
    for (end, whose) in [(&mut sender, "the receiver"), (&mut receiver, "the sender"), (&mut far, "the relay"), (&mut away, "the relay")] {
        let (code, said) = end.end();
        let after = stopped.elapsed();
        println!("{whose} silent: {code} after {:.1} s: {}", after.as_secs_f32(), said.lines().next().unwrap_or_default());
        assert!(matches!(code, 7 | 9), "{whose}: {code}: {said}");
        assert!(after < SILENT, "{whose}: {after:?}");
    }
    // Who was stopped goes on, hears that it is over, and ends. Nothing has its name.
    for end in [&dumb, &deaf] {
        end.signal(Signal::SIGCONT);
    }
    for mut end in [dumb, deaf] {
        assert!(matches!(end.end().0, 7 | 9));
    }
    for name in ["deaf.bin", "dumb.bin", "away.bin"] {
        assert!(!world.path("in").join(name).exists(), "{name}");
    }
    wait_for(&world.daemon, "confkit_relay_connections", |left| left == 0.0).await;
    wait_for(&world.daemon, "confkit_relay_channels", |left| left == 0.0).await;
    wait_for(&world.daemon, "confkit_relay_memory_bytes", |left| left == 0.0).await;
}

/// A data connection that comes to nothing, as where too many of an address are open: nobody waits for what cannot come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_whose_data_connection_is_closed_ends_and_the_sender_with_it() {
    let world = World::new();
    world.write("large.bin", &noise(1 << 20));
    let between = world.between(|number| if number == 1 { Box::new(Cut) } else { Box::new(Honest) }).await;
    let mut sender = world.start(&world.relay, &["send", "large.bin"]);
    let code = sender.code();
    let mut receiver = world.start(&between.address, &["recv", code.as_str(), "--yes", "--output", "in"]);
    let (code, said) = receiver.end();
    assert!(matches!(code, 7 | 9), "{code}: {said}");
    let (code, said) = sender.end();
    assert!(code != 0, "{said}");
    assert!(!world.path("in/large.bin").exists());
}
