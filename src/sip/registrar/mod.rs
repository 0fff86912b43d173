//! The registrar (RFC 3261 §10.3, RFC 5626 §6): where users can be reached, as a machine.
//!
//! Who may register what is the caller's to decide before [`Registrar::register`]: authentication first, then
//! [`Aor::of_request`] against the account and the domain. The caller's too: Require, Date, storing what has changed.
//!
//! | file | what |
//! |---|---|
//! | `aor` | what a user is called by others |
//! | `binding` | one contact of a user, in memory and in a store |
//! | `update` | what one REGISTER does to the bindings of its user |
//!
//! Out of scope: GRUUs (RFC 5627), several flows for one instance (RFC 5626 §5: `reg-id` is kept and compared, but `outbound`
//! is not announced), the registration event package.

mod aor;
mod binding;
#[cfg(test)]
mod tests;
mod update;

pub use aor::{Aor, AorError};
pub use binding::{Binding, Saved};

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::{Instant, SystemTime},
};

use super::{FlowId, Hop, message::Request};

/// Bounds of a registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Contacts of one user; a REGISTER that would exceed it is answered 403 and changes nothing.
    pub per_aor: usize,
    /// Contacts of all users; a REGISTER that would exceed it is answered 503 with Retry-After and changes nothing.
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

impl Outcome {
    fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), changed: None }
    }

    fn with(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }
}

/// Bindings of users to contacts.
#[derive(Debug)]
pub struct Registrar {
    limits: Limits,
    users: BTreeMap<Aor, Vec<Binding>>,
    /// When the first binding of each user expires: one entry a user.
    deadlines: BTreeSet<(Instant, Aor)>,
    /// Bindings of all users.
    total: usize,
}

impl Registrar {
    /// No bindings yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, users: BTreeMap::new(), deadlines: BTreeSet::new(), total: 0 }
    }

    /// Handles a REGISTER that came from `from`.
    pub fn register(&mut self, now: Instant, request: &Request, from: &Hop) -> Outcome {
        let Ok(aor) = Aor::of_request(request) else { return Outcome::status(400) };
        let old: Vec<Binding> = self.living(now, &aor).cloned().collect();
        match update::update(&old, now, request, from, &self.limits) {
            Err(refusal) => refusal,
            Ok(None) => self.list(now, &aor, request),
            Ok(Some(new)) => {
                let grows = new.len() > old.len();
                if grows && new.len() > self.limits.per_aor {
                    return Outcome::status(403);
                }
                let before = self.users.get(&aor).map_or(0, Vec::len);
                if grows && self.total - before + new.len() > self.limits.total {
                    return Outcome::status(503).with("Retry-After", self.limits.min_expires.max(1).to_string());
                }
                self.put(&aor, new);
                let outcome = self.list(now, &aor, request);
                Outcome { changed: Some(aor), ..outcome }
            }
        }
    }

    /// Where a user can be reached, most wanted first (highest q; the newest first among equals).
    pub fn lookup(&self, now: Instant, aor: &Aor) -> Vec<&Binding> {
        let mut bindings: Vec<_> = self.living(now, aor).collect();
        bindings.sort_by_key(|b| (Reverse(b.q), Reverse(b.registered)));
        bindings
    }

    /// Every user that can be reached, with the number of contacts.
    pub fn users(&self, now: Instant) -> impl Iterator<Item = (&Aor, usize)> {
        self.users.keys().map(move |aor| (aor, self.living(now, aor).count())).filter(|(_, count)| *count > 0)
    }

    /// When the next binding expires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Takes expired bindings away; the users that lost one.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Aor> {
        let mut changed = Vec::new();
        while self.next_timeout().is_some_and(|at| at <= now) {
            let Some((_, aor)) = self.deadlines.pop_first() else { break };
            let rest = self.living(now, &aor).cloned().collect();
            self.put(&aor, rest);
            changed.push(aor);
        }
        changed
    }

    /// A connection is gone: what was registered over it can be reached by its Contact only, until it is registered anew.
    pub fn handle_flow_closed(&mut self, flow: FlowId) {
        for binding in self.users.values_mut().flatten() {
            if binding.hop.as_ref().is_some_and(|hop| hop.flow == Some(flow)) {
                binding.hop = None;
            }
        }
    }

    /// Takes all bindings of a user away, because the account is gone; true when there were any.
    pub fn remove(&mut self, aor: &Aor) -> bool {
        let had = self.users.contains_key(aor);
        self.put(aor, Vec::new());
        had
    }

    /// The bindings of one user, or of all, as a store keeps them. `wall` is the wall clock at `now`.
    pub fn export(&self, now: Instant, wall: SystemTime, aor: Option<&Aor>) -> Vec<Saved> {
        let wanted = self.users.keys().filter(|user| aor.is_none_or(|aor| aor == *user));
        wanted.flat_map(|user| self.living(now, user).map(move |b| b.save(user, now, wall))).collect()
    }

    /// Puts stored bindings back; expired and malformed ones and those beyond the bounds are left out. The number taken.
    pub fn import(&mut self, now: Instant, wall: SystemTime, saved: impl IntoIterator<Item = Saved>) -> usize {
        let before = self.total;
        for saved in saved {
            let Some(binding) = Binding::restore(&saved, now, wall) else { continue };
            let mut bindings: Vec<Binding> = self.living(now, &saved.aor).filter(|b| !b.is_about(&binding.contact)).cloned().collect();
            bindings.push(binding);
            if bindings.len() <= self.limits.per_aor && self.total < self.limits.total {
                self.put(&saved.aor, bindings);
            }
        }
        self.total.saturating_sub(before)
    }

    fn living(&self, now: Instant, aor: &Aor) -> impl Iterator<Item = &Binding> {
        self.users.get(aor).into_iter().flatten().filter(move |b| b.expires > now)
    }

    /// Replaces the bindings of a user and keeps deadline and number in step.
    fn put(&mut self, aor: &Aor, bindings: Vec<Binding>) {
        let first = |bindings: &[Binding]| bindings.iter().map(|b| b.expires).min();
        if let Some(old) = self.users.remove(aor) {
            self.total -= old.len();
            if let Some(at) = first(&old) {
                self.deadlines.remove(&(at, aor.clone()));
            }
        }
        if let Some(at) = first(&bindings) {
            self.total += bindings.len();
            self.deadlines.insert((at, aor.clone()));
            self.users.insert(aor.clone(), bindings);
        }
    }

    /// The 200 with all bindings of a user.
    fn list(&self, now: Instant, aor: &Aor, request: &Request) -> Outcome {
        let mut outcome = Outcome::status(200);
        for binding in self.lookup(now, aor) {
            outcome = outcome.with("Contact", binding.to_header(now));
        }
        // RFC 3327 §5.3: the path that was stored is shown to who understands it.
        if request.headers.lists("Supported", "path") {
            for path in request.headers.all("Path") {
                outcome = outcome.with("Path", path.to_owned());
            }
        }
        outcome
    }
}
