//! Golden ladders of the machines, on virtual time, and the proof that they pin every timer and every message.
//!
//! Rewrite them with `BLESS=1 cargo test --test ladders`, and read what changed.

#[path = "support/endpoint_user.rs"]
mod endpoint_user;
#[path = "support/ladder.rs"]
mod ladder;
#[path = "support/media_server.rs"]
mod media_server;
#[path = "support/scripted.rs"]
mod scripted;
#[path = "support/transaction_user.rs"]
mod transaction_user;

#[path = "ladders/endpoint_mutations.rs"]
mod endpoint_mutations;
#[path = "ladders/timer_mutations.rs"]
mod timer_mutations;

use confkit::sip::transaction::Timers;

/// The folders whose ladders are of transactions.
const TRANSACTIONS: [&str; 4] = ["rfc3261", "rfc6026", "rfc3581", "bounds"];

#[test]
fn transactions_do_what_their_ladders_say() {
    for folder in TRANSACTIONS {
        ladder::check(folder, |script| transaction_user::columns(script, &Timers::default()));
    }
}

/// The folders whose ladders are of endpoints.
const ENDPOINTS: [&str; 5] = ["calls", "reinvites", "sessions", "requests", "subscriptions"];

#[test]
fn endpoints_do_what_their_ladders_say() {
    for folder in ENDPOINTS {
        ladder::check(folder, |script| endpoint_user::columns(script, &Timers::default()));
    }
}

#[test]
fn the_media_server_does_what_its_ladders_say() {
    ladder::check("mscml", media_server::columns);
}
