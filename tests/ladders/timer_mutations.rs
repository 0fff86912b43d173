//! No timer constant can change, and no message be left out, without a ladder turning red.

use std::{fmt::Write as _, time::Duration};

use confkit::sip::transaction::{Timer, Timers};

use super::{
    TRANSACTIONS,
    ladder::{self, Script},
    transaction_user,
};

/// How many ladders the list names for a constant.
const MOST_NAMED: usize = 3;

/// Every ladder of transactions: name, text.
fn ladders() -> Vec<(String, String)> {
    let named = |folder: &'static str| {
        ladder::files(folder).into_iter().map(move |(path, text)| {
            let stem = path.file_stem().expect("a file name").to_string_lossy().into_owned();
            (format!("{folder}/{stem}"), text)
        })
    };
    TRANSACTIONS.into_iter().flat_map(named).collect()
}

fn seen(text: &str, timers: &Timers, suppress: Option<usize>) -> (String, usize) {
    let script = Script::parse(text);
    ladder::play(&script, transaction_user::columns(&script, timers), suppress)
}

/// One constant changed, everything else as it was.
fn mutations() -> Vec<(String, Timers)> {
    let half_more = |value: Duration| value + value / 2;
    let mut all = Vec::new();
    let mut field = |name: &str, change: fn(&mut Timers) -> &mut Duration| {
        for (what, new) in [("longer", half_more as fn(Duration) -> Duration), ("shorter", |value| value / 2)] {
            let mut timers = Timers::default();
            let value = change(&mut timers);
            *value = new(*value);
            all.push((format!("{name} {what}"), timers));
        }
    };
    field("T1", |t| &mut t.t1);
    field("T2", |t| &mut t.t2);
    field("T4", |t| &mut t.t4);
    for timer in Timer::ALL {
        for (reliable, over) in [(false, "UDP"), (true, "streams")] {
            let mutants = match Timers::default().of(timer, reliable) {
                None => vec![("running", Duration::from_millis(500))],
                Some(Duration::ZERO) => vec![("not zero", Duration::from_secs(1))],
                Some(value) => vec![("longer", half_more(value)), ("shorter", value / 2)],
            };
            for (what, value) in mutants {
                let mut timers = Timers::default();
                timers.own.insert((timer, reliable), value);
                all.push((format!("{timer} over {over} {what}"), timers));
            }
        }
    }
    all
}

#[test]
fn changing_any_one_timer_constant_turns_a_ladder_red() {
    let ladders = ladders();
    let (mut list, mut unnoticed) = (String::new(), Vec::new());
    for (constant, timers) in mutations() {
        let red: Vec<_> = ladders.iter().filter(|(_, text)| seen(text, &timers, None).0 != *text).map(|(name, _)| name.as_str()).collect();
        let more = if red.len() > MOST_NAMED { ", …" } else { "" };
        let _ = writeln!(list, "{constant:<24} {:>2} red: {}{more}", red.len(), red[..red.len().min(MOST_NAMED)].join(", "));
        if red.is_empty() {
            unnoticed.push(constant);
        }
    }
    println!("{list}");
    assert!(unnoticed.is_empty(), "no ladder notices these: {unnoticed:?}");
}

#[test]
fn leaving_out_any_one_message_turns_its_ladder_red() {
    let mut messages = 0;
    for (name, text) in ladders() {
        let (whole, sent) = seen(&text, &Timers::default(), None);
        assert_eq!(whole, text, "{name} is green to begin with");
        for n in 1..=sent {
            assert_ne!(seen(&text, &Timers::default(), Some(n)).0, text, "{name} does not miss its message {n}");
        }
        println!("{name:<86} {sent:>3} messages, each one missed when left out");
        messages += sent;
    }
    assert!(messages > 0, "there are ladders");
    println!("{messages} messages in all");
}
