//! Slowing down whoever guesses passwords or PINs: a pure machine, per account and per address.
//!
//! A few failures are free. Each further one doubles the time during which the next attempt is refused without looking at it. Failures are
//! counted under two keys: the address they came from, and the account they were aimed at. The wait of an account stays short
//! ([`BackoffLimits::account_max`]), since otherwise anybody could lock anybody out by guessing badly; the wait of an address may grow
//! long. A success takes from the address's count what failed there for the same account, and nothing from the account's: neither the owner
//! coming in nor an account of his own gives the guesser fresh attempts. For an account that came in from an address lately
//! ([`BackoffLimits::forget`]) only its own failures there count, so the owner is not kept out by a guesser, elsewhere or next door.
//!
//! An IPv6 address counts by its /64, since one host may use all of it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use crate::id::UserName;

/// How much guessing is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffLimits {
    /// Failures that cost nothing.
    pub free: u32,
    /// The wait after the first failure that costs; doubled with each further one.
    pub first: Duration,
    /// The longest wait of an address.
    pub address_max: Duration,
    /// The longest wait of an account.
    pub account_max: Duration,
    /// After this time without a failure an entry is forgotten.
    pub forget: Duration,
    /// Most entries a table. When a table is full, the entry that failed least recently makes room.
    pub table: usize,
}

impl Default for BackoffLimits {
    /// 5 free failures, then 1 s, 2 s, … up to 15 min an address and 30 s an account; forgotten after an hour; 10,000 entries.
    fn default() -> Self {
        Self {
            free: 5,
            first: Duration::from_secs(1),
            address_max: Duration::from_secs(15 * 60),
            account_max: Duration::from_secs(30),
            forget: Duration::from_secs(3600),
            table: 10_000,
        }
    }
}

/// Whether an attempt may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// Not for this long (a Retry-After).
    Wait(Duration),
}

/// The failures lately seen. `K` names what is guessed at: an account, or a conference with a PIN.
#[derive(Debug)]
pub struct Backoff<K = UserName> {
    limits: BackoffLimits,
    addresses: Table<IpAddr>,
    accounts: Table<K>,
    /// What of an address's failures was aimed at one account.
    pairs: Table<(K, IpAddr)>,
    /// Addresses that an account came in from lately; bounded like the tables.
    trusted: BTreeMap<(K, IpAddr), Instant>,
}

impl<K: Ord + Clone> Backoff<K> {
    /// A machine that has seen nothing.
    pub fn new(limits: BackoffLimits) -> Self {
        Self { limits, addresses: Table::default(), accounts: Table::default(), pairs: Table::default(), trusted: BTreeMap::new() }
    }

    /// Whether an attempt from an address, aimed at an account where that is known, may be looked at now.
    pub fn check(&self, now: Instant, from: IpAddr, user: Option<&K>) -> Verdict {
        let from = network(from);
        let limits = &self.limits;
        let wait = match user {
            Some(user) if self.trusts(now, user, from) => self.pairs.wait(now, &(user.clone(), from), limits, limits.address_max),
            user => {
                let account = user.map_or(Duration::ZERO, |user| self.accounts.wait(now, user, limits, limits.account_max));
                self.addresses.wait(now, &from, limits, limits.address_max).max(account)
            }
        };
        match wait {
            Duration::ZERO => Verdict::Allowed,
            wait => Verdict::Wait(wait),
        }
    }

    /// An attempt failed: wrong secret or unknown user. (A stale nonce or a missing header is no failure.)
    pub fn handle_failure(&mut self, now: Instant, from: IpAddr, user: Option<&K>) {
        let from = network(from);
        self.addresses.count(now, from, &self.limits);
        if let Some(user) = user {
            self.pairs.count(now, (user.clone(), from), &self.limits);
            self.accounts.count(now, user.clone(), &self.limits);
        }
    }

    /// An attempt succeeded.
    pub fn handle_success(&mut self, now: Instant, from: IpAddr, user: &K) {
        let from = network(from);
        let pair = (user.clone(), from);
        let own = self.pairs.entries.remove(&pair).filter(|f| now.duration_since(f.last) < self.limits.forget).map_or(0, |f| f.count);
        if let Some(failures) = self.addresses.entries.get_mut(&from) {
            failures.count = failures.count.saturating_sub(own);
        }
        if !self.trusted.contains_key(&pair) {
            make_room(&mut self.trusted, self.limits.table, |at| *at);
        }
        self.trusted.insert(pair, now);
    }

    fn trusts(&self, now: Instant, user: &K, from: IpAddr) -> bool {
        self.trusted.get(&(user.clone(), from)).is_some_and(|at| now.duration_since(*at) < self.limits.forget)
    }
}

/// Failures by key.
#[derive(Debug)]
struct Table<K> {
    entries: BTreeMap<K, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Table<K> {
    fn wait(&self, now: Instant, key: &K, limits: &BackoffLimits, max: Duration) -> Duration {
        let Some(failures) = self.entries.get(key).filter(|f| now.duration_since(f.last) < limits.forget) else {
            return Duration::ZERO;
        };
        let Some(costly) = failures.count.checked_sub(limits.free).filter(|n| *n > 0) else {
            return Duration::ZERO;
        };
        let wait = limits.first.saturating_mul(1_u32.checked_shl(costly - 1).unwrap_or(u32::MAX)).min(max);
        wait.saturating_sub(now.duration_since(failures.last))
    }

    fn count(&mut self, now: Instant, key: K, limits: &BackoffLimits) {
        if !self.entries.contains_key(&key) {
            make_room(&mut self.entries, limits.table, |failures| failures.last);
        }
        let failures = self.entries.entry(key).or_insert(Failures { count: 0, last: now });
        if now.duration_since(failures.last) >= limits.forget {
            failures.count = 0;
        }
        *failures = Failures { count: failures.count.saturating_add(1), last: now };
    }
}

/// Drops the oldest tenth of a full table, so that the search for it is paid once per that many entries.
fn make_room<K: Ord + Clone, V>(entries: &mut BTreeMap<K, V>, bound: usize, age: impl Fn(&V) -> Instant) {
    if entries.len() < bound.max(1) {
        return;
    }
    let mut oldest: Vec<(Instant, K)> = entries.iter().map(|(key, value)| (age(value), key.clone())).collect();
    oldest.sort_unstable();
    for (_, key) in oldest.into_iter().take(1 + bound / 10) {
        entries.remove(&key);
    }
}

/// What an address is counted under: itself, or the /64 of an IPv6 address (an IPv4 address mapped into IPv6 is the IPv4 address).
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    fn user(name: &str) -> UserName {
        name.parse().expect("user name")
    }

    /// A machine, a clock at its start, and a way to fail.
    fn machine() -> (Backoff, Instant) {
        (Backoff::new(BackoffLimits::default()), crate::clock::now())
    }

    fn fail(backoff: &mut Backoff, now: Instant, from: &str, name: &str, times: u32) {
        for _ in 0..times {
            backoff.handle_failure(now, address(from), Some(&user(name)));
        }
    }

    #[test]
    fn five_failures_are_free_and_each_further_one_doubles_the_wait() {
        let (mut backoff, now) = machine();
        let home = address("192.0.2.1");
        fail(&mut backoff, now, "192.0.2.1", "alice", 5);
        assert_eq!(backoff.check(now, home, None), Verdict::Allowed);
        for seconds in [1, 2, 4, 8] {
            fail(&mut backoff, now, "192.0.2.1", "alice", 1);
            assert_eq!(backoff.check(now, home, None), Verdict::Wait(SECOND * seconds));
        }
        assert_eq!(backoff.check(now + SECOND * 3, home, None), Verdict::Wait(SECOND * 5), "the wait runs");
        assert_eq!(backoff.check(now + SECOND * 8, home, None), Verdict::Allowed, "and ends");
    }

    #[test]
    fn the_wait_of_an_address_ends_at_a_quarter_of_an_hour_and_that_of_an_account_at_thirty_seconds() {
        let (mut backoff, now) = machine();
        fail(&mut backoff, now, "192.0.2.1", "alice", 500);
        assert_eq!(backoff.check(now, address("192.0.2.1"), None), Verdict::Wait(SECOND * 900));
        assert_eq!(backoff.check(now, address("192.0.2.9"), Some(&user("alice"))), Verdict::Wait(SECOND * 30));
        assert_eq!(backoff.check(now, address("192.0.2.9"), Some(&user("bob"))), Verdict::Allowed);
    }

    #[test]
    fn the_owner_is_not_locked_out_by_a_guesser_elsewhere() {
        let (mut backoff, now) = machine();
        backoff.handle_success(now, address("192.0.2.2"), &user("alice"));
        fail(&mut backoff, now, "203.0.113.1", "alice", 50);
        assert_eq!(backoff.check(now, address("192.0.2.2"), Some(&user("alice"))), Verdict::Allowed);
        assert_ne!(backoff.check(now, address("203.0.113.2"), Some(&user("alice"))), Verdict::Allowed);
        backoff.handle_success(now, address("192.0.2.2"), &user("alice"));
        assert_ne!(backoff.check(now, address("203.0.113.2"), Some(&user("alice"))), Verdict::Allowed, "her success frees nobody else");
    }

    #[test]
    fn a_success_clears_the_count_of_its_address() {
        let (mut backoff, now) = machine();
        fail(&mut backoff, now, "192.0.2.1", "alice", 7);
        backoff.handle_success(now, address("192.0.2.1"), &user("alice"));
        assert_eq!(backoff.check(now, address("192.0.2.1"), Some(&user("alice"))), Verdict::Allowed);
    }

    #[test]
    fn an_account_of_his_own_gives_a_guesser_no_fresh_attempts() {
        let (mut backoff, now) = machine();
        let home = address("192.0.2.1");
        for _ in 0..7 {
            fail(&mut backoff, now, "192.0.2.1", "alice", 1);
            backoff.handle_success(now, home, &user("mallory"));
        }
        assert_eq!(backoff.check(now, home, Some(&user("bob"))), Verdict::Wait(SECOND * 2));
        assert_eq!(backoff.check(now, home, Some(&user("alice"))), Verdict::Wait(SECOND * 2));
        assert_eq!(backoff.check(now, home, Some(&user("mallory"))), Verdict::Allowed, "who came in may come again");
        fail(&mut backoff, now, "192.0.2.1", "mallory", 6);
        assert_eq!(backoff.check(now, home, Some(&user("mallory"))), Verdict::Wait(SECOND), "but guesses no faster");
    }

    #[test]
    fn an_hour_without_a_failure_forgets() {
        let (mut backoff, now) = machine();
        fail(&mut backoff, now, "192.0.2.1", "alice", 9);
        let later = now + SECOND * 3600;
        assert_eq!(backoff.check(later, address("192.0.2.1"), Some(&user("alice"))), Verdict::Allowed);
        fail(&mut backoff, later, "192.0.2.1", "alice", 5);
        assert_eq!(backoff.check(later, address("192.0.2.1"), None), Verdict::Allowed, "the count starts anew");
    }

    #[test]
    fn a_host_with_a_whole_ipv6_network_counts_as_one() {
        let (mut backoff, now) = machine();
        for host in 1..=6 {
            fail(&mut backoff, now, &format!("2001:db8::{host}"), "alice", 1);
        }
        assert_eq!(backoff.check(now, address("2001:db8::ffff:7"), None), Verdict::Wait(SECOND));
        assert_eq!(backoff.check(now, address("2001:db8:0:1::1"), None), Verdict::Allowed);
        fail(&mut backoff, now, "::ffff:192.0.2.7", "bob", 6);
        assert_eq!(backoff.check(now, address("192.0.2.7"), None), Verdict::Wait(SECOND));
    }

    #[test]
    fn tables_stay_within_their_bound_and_the_oldest_failure_makes_room() {
        let limits = BackoffLimits { table: 100, ..BackoffLimits::default() };
        let (mut backoff, now) = (Backoff::new(limits), crate::clock::now());
        for n in 0..1000_u32 {
            let from = IpAddr::V4(n.into());
            let at = now + SECOND * n;
            backoff.handle_failure(at, from, Some(&user(&format!("u{n}"))));
            backoff.handle_success(at, from, &user("x"));
            backoff.handle_failure(at, from, None);
        }
        assert!(backoff.addresses.entries.len() <= 100 && backoff.accounts.entries.len() <= 100 && backoff.trusted.len() <= 100);
        assert!(backoff.accounts.entries.contains_key(&user("u999")), "the newest stays");
    }
}
