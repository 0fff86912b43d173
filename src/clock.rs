//! The one place that reads clocks and draws entropy. Machines take both as arguments; only shells call this.

use std::time::{Instant, SystemTime};

/// The monotonic clock. It is tokio's, so that a test that pauses time governs shells and timers alike; elsewhere the two
/// are one.
#[expect(clippy::disallowed_methods, reason = "the one place that samples the monotonic clock")]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The wall clock, for time stamps that people or other machines read.
#[expect(clippy::disallowed_methods, reason = "the one place that samples the wall clock")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// A fresh seed for a machine's generator, from the operating system.
pub fn seed() -> [u8; 32] {
    use rand::TryRng as _;
    let mut seed = [0; 32];
    // Without entropy no tag, key or nonce can be made: nothing sensible could go on.
    rand::rngs::SysRng.try_fill_bytes(&mut seed).expect("the operating system provides entropy");
    seed
}
