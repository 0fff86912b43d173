//! The registrar (RFC 3261 §10.3, RFC 5626 §6): where users can be reached, as a machine.
//!
//! Who may register what is the caller's to decide before [`Registrar::register`]: authentication first, then
//! [`Aor::of_request`] against the account.

mod aor;
mod binding;

pub use aor::{Aor, AorError};
pub use binding::{Binding, Saved};

use std::time::{Instant, SystemTime};

use super::{Hop, message::Request};

/// Bounds of a registrar. A request that would exceed a number of bindings is answered 503 and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Contacts of one user.
    pub per_aor: usize,
    /// Contacts of all users.
    pub total: usize,
    /// Shortest time granted, in seconds; less is answered 423.
    pub min_expires: u32,
    /// Longest time granted, in seconds; more is cut.
    pub max_expires: u32,
    /// Time granted to who asks for none, in seconds.
    pub default_expires: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_aor: 10, total: 10_000, min_expires: 60, max_expires: 7200, default_expires: 3600 }
    }
}

/// The answer to a REGISTER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Status of the response.
    pub status: u16,
    /// Header fields of the response beside those copied from the request.
    pub headers: Vec<(String, String)>,
    /// The user whose bindings were changed, to be stored; `None` when nothing changed.
    pub changed: Option<Aor>,
}

/// Bindings of users to contacts.
#[derive(Debug)]
pub struct Registrar {
    limits: Limits,
}

impl Registrar {
    /// No bindings yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Handles a REGISTER that came from `from`.
    pub fn register(&mut self, now: Instant, request: &Request, from: &Hop) -> Outcome {
        let _ = (now, request, from, self.limits);
        unimplemented!()
    }

    /// Where a user can be reached, most wanted first (highest q; the newest first among equals).
    pub fn lookup(&self, now: Instant, aor: &Aor) -> Vec<&Binding> {
        let _ = (now, aor);
        unimplemented!()
    }

    /// When the next binding expires.
    pub fn next_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Takes expired bindings away; the users that lost one.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Aor> {
        let _ = now;
        unimplemented!()
    }

    /// Takes all bindings of a user away, because the account is gone; true when there were any.
    pub fn remove(&mut self, aor: &Aor) -> bool {
        let _ = aor;
        unimplemented!()
    }

    /// The bindings of one user, or of all, as a store keeps them. `wall` is the wall clock at `now`.
    pub fn export(&self, now: Instant, wall: SystemTime, aor: Option<&Aor>) -> Vec<Saved> {
        let _ = (now, wall, aor);
        unimplemented!()
    }

    /// Puts stored bindings back; expired and malformed ones and those beyond the bounds are left out. The number taken.
    pub fn import(&mut self, now: Instant, wall: SystemTime, saved: impl IntoIterator<Item = Saved>) -> usize {
        let _ = (now, wall, saved);
        unimplemented!()
    }
}
