//! No timer that endpoints have from the transaction floor can change, and no message of theirs be left out, without a ladder turning red.

use std::time::Duration;

use confkit::sip::transaction::Timers;

use super::{
    ENDPOINTS, endpoint_user,
    ladder::{self, Script},
};

/// Every ladder of endpoints: name, text.
fn ladders() -> impl Iterator<Item = (String, String)> {
    ENDPOINTS.into_iter().flat_map(ladder::files).map(|(path, text)| (path.display().to_string(), text))
}

fn seen(text: &str, timers: &Timers, suppress: Option<usize>) -> (String, usize) {
    let script = Script::parse(text);
    ladder::play(&script, endpoint_user::columns(&script, timers), suppress)
}

#[test]
fn the_answer_s_repetition_hangs_on_t1_and_t2() {
    let (_, text) = ladders().find(|(name, _)| name.ends_with("ack_never_comes.ladder")).expect("the ladder of the repeated 2xx");
    let usual = Timers::default();
    for (name, timers) in [
        ("T1 longer", Timers { t1: Duration::from_millis(600), ..usual.clone() }),
        ("T1 shorter", Timers { t1: Duration::from_millis(400), ..usual.clone() }),
        ("T2 longer", Timers { t2: Duration::from_secs(5), ..usual.clone() }),
        ("T2 shorter", Timers { t2: Duration::from_secs(3), ..usual }),
    ] {
        assert_ne!(seen(&text, &timers, None).0, text, "{name} goes unnoticed");
    }
}

#[test]
fn no_message_of_an_endpoint_can_be_left_out_unnoticed() {
    let timers = Timers::default();
    let mut tried = 0;
    for (name, text) in ladders() {
        let (whole, sent) = seen(&text, &timers, None);
        for left_out in 1..=sent {
            assert_ne!(seen(&text, &timers, Some(left_out)).0, whole, "{name}: message {left_out} goes unnoticed");
            tried += 1;
        }
    }
    assert!(tried > 500, "only {tried} messages");
}
