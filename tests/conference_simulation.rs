//! Seeded simulations of whole conferences: an application server, a media server, terminals, a shell and watchers, all real, on a network
//! that loses, repeats, delays and reorders; terminals die, and so does the media server. When the weather has cleared and all timers have run
//! out everybody agrees on who is where, and when all is over nothing is left.
//!
//! `CONFKIT_SEED=17 cargo test --test conference_simulation -- --nocapture` runs one seed and prints what travelled; `SIMULATIONS=1000` tries
//! more seeds than the usual ones.

#[expect(dead_code, reason = "the columns that only ladders have")]
#[path = "support/conference/mod.rs"]
mod conference;
#[expect(dead_code, reason = "nothing is compared with a file here")]
#[path = "support/ladder.rs"]
mod ladder;
#[path = "support/net.rs"]
mod net;
#[path = "support/scripted.rs"]
mod scripted;
#[path = "simulation/conference/mod.rs"]
mod simulation;

use std::{
    collections::BTreeMap,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use simulation::{Outcome, run};

/// As many as a run of all tests has time for.
const SEEDS: u64 = 32;

/// Every seed, run twice.
static RUNS: LazyLock<BTreeMap<u64, [Outcome; 2]>> = LazyLock::new(|| {
    let number = |name| std::env::var(name).ok().map(|n: String| n.parse::<u64>().expect("a number"));
    let one = number("CONFKIT_SEED");
    let seeds: Vec<u64> = one.map_or_else(|| (1..=number("SIMULATIONS").unwrap_or(SEEDS)).collect(), |seed| vec![seed]);
    let next = AtomicU64::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            done.push((*seed, [run(*seed), run(*seed)]));
        }
        done
    };
    let runs: BTreeMap<u64, [Outcome; 2]> = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    if one.is_some() {
        #[expect(clippy::print_stdout, reason = "whoever asked for one seed reads what happened in it")]
        for [outcome, _] in runs.values() {
            println!("{}", outcome.transcript);
        }
    }
    runs
});

#[test]
fn when_the_weather_has_cleared_everybody_agrees_and_at_the_end_nothing_is_left() {
    let wrong: Vec<String> =
        RUNS.iter().flat_map(|(seed, [outcome, _])| outcome.complaints.iter().map(move |c| format!("CONFKIT_SEED={seed} {c}"))).collect();
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_same_seed_runs_the_same_way_twice() {
    for (seed, [one, two]) in RUNS.iter() {
        let differs = one.transcript.lines().zip(two.transcript.lines()).find(|(a, b)| a != b);
        assert!(one.transcript == two.transcript, "CONFKIT_SEED={seed} first differs in {differs:?}");
    }
    let mut all: Vec<&str> = RUNS.values().map(|[one, _]| one.transcript.as_str()).collect();
    let runs = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), runs, "another seed is another run");
}

#[test]
fn all_that_may_happen_does_in_some_run() {
    if RUNS.len() < SEEDS as usize {
        return println!("too few seeds to tell");
    }
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for [outcome, _] in RUNS.values() {
        for (what, times) in &outcome.counts {
            *counts.entry(what).or_default() += times;
        }
    }
    println!("{counts:?}");
    for what in simulation::EXPECTED {
        assert!(counts.contains_key(what), "it never came to {what:?}: {counts:?}");
    }
}
