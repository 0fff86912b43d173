//! Who was challenged and has not answered. Some telephones drop a challenge that holds an algorithm they do not know (baresip 1.0 does so with SHA-256),
//! instead of passing over it as RFC 8760 §2.4 has it: who comes again without credentials is offered the last algorithm alone.
//!
//! That lets nobody in by less than before: the last algorithm is offered to everybody, and who can keep an answer from being heard can
//! take a challenge out of it as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Most that are remembered; beyond that the oldest is forgotten, and is offered everything once more.
const MAX: usize = 4096;
/// How long somebody is remembered. Telephones that failed to register try again after some minutes.
const LIFE: Duration = Duration::from_secs(3600);
/// Requests that come sooner than this after a challenge may have been sent before it arrived.
const CROSSING: Duration = Duration::from_millis(500);

/// Where somebody sends from, and the user's name that it claims.
type Who = (SocketAddr, String);

/// Those who were challenged and have not answered.
#[derive(Debug, Default)]
pub(super) struct Offers {
    since: BTreeMap<Who, Instant>,
    by_age: BTreeSet<(Instant, Who)>,
}

impl Offers {
    /// Somebody is challenged, having shown no credentials: true if it is to be offered the last algorithm alone.
    pub(super) fn challenged(&mut self, now: Instant, from: SocketAddr, user: &str) -> bool {
        while let Some((since, who)) = self.by_age.first() {
            if *since + LIFE > now && self.since.len() <= MAX {
                break;
            }
            let who = who.clone();
            self.forget(&who);
        }
        let who = (from, user.to_owned());
        if let Some(since) = self.since.get(&who) {
            return now >= *since + CROSSING;
        }
        self.since.insert(who.clone(), now);
        self.by_age.insert((now, who));
        false
    }

    /// It has answered one of the better algorithms.
    pub(super) fn answered(&mut self, from: SocketAddr, user: &str) {
        self.forget(&(from, user.to_owned()));
    }

    fn forget(&mut self, who: &Who) {
        if let Some(since) = self.since.remove(who) {
            self.by_age.remove(&(since, who.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(30);

    fn from(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn who_comes_again_without_an_answer_is_offered_less_until_it_answers() {
        let now = crate::clock::now();
        let mut offers = Offers::default();
        assert!(!offers.challenged(now, from(5060), "alice"), "everything at first");
        assert!(!offers.challenged(now + CROSSING / 2, from(5060), "alice"), "that one crossed the challenge");
        assert!(offers.challenged(now + LATER, from(5060), "alice"));
        assert!(offers.challenged(now + 2 * LATER, from(5060), "alice"));
        assert!(!offers.challenged(now + LATER, from(5061), "alice") && !offers.challenged(now + LATER, from(5060), "bob"), "others");
        offers.answered(from(5060), "alice");
        assert!(!offers.challenged(now + 3 * LATER, from(5060), "alice"));
    }

    #[test]
    fn all_are_forgotten_after_a_time_and_the_oldest_when_there_are_too_many() {
        let now = crate::clock::now();
        let mut offers = Offers::default();
        assert!(!offers.challenged(now, from(1), "alice"));
        assert!(!offers.challenged(now + LIFE, from(1), "alice"), "forgotten after its life");
        for port in 0..5000 {
            offers.challenged(now + LIFE + LATER, from(port), "bob");
        }
        assert!(offers.since.len() <= MAX + 1 && offers.since.len() == offers.by_age.len(), "{}", offers.since.len());
        assert!(!offers.challenged(now + LIFE + 2 * LATER, from(1), "alice"), "the oldest made room");
        assert!(offers.challenged(now + LIFE + 2 * LATER, from(4999), "bob"), "the newest did not");
    }
}
