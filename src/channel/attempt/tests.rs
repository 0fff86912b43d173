use rand::SeedableRng as _;

use super::*;

const BROKE: Ending = Ending::Passing { wait: None };
const MINUTE: Duration = Duration::from_secs(60);

/// The attempts of one transfer, by a clock that the test turns.
struct World {
    attempts: Attempts,
    now: Instant,
    rng: ChaCha12Rng,
}

impl World {
    fn new(attempts: impl FnOnce(Instant) -> Attempts) -> Self {
        let now = crate::clock::now();
        Self { attempts: attempts(now), now, rng: ChaCha12Rng::from_seed([7; 32]) }
    }

    fn begins() -> Self {
        Self::new(|_| Attempts::new(MINUTE))
    }

    fn ends(&mut self, ending: Ending, reached: Option<u64>) -> Next {
        self.attempts.handle_end(self.now, ending, reached, &mut self.rng)
    }

    /// Waits as it was told to.
    fn again(&mut self, ending: Ending, reached: Option<u64>) -> Duration {
        let Next::Again { after } = self.ends(ending, reached) else { panic!("it is tried again") };
        self.now += after;
        after
    }

    fn passes(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

#[test]
fn what_ends_an_attempt_decides_what_comes_next() {
    let (again, over) = (true, false);
    for (what, ending, reached, expected) in [
        ("a code that nobody has come for", BROKE, None, over),
        ("declined", Ending::Final, None, over),
        ("broken before the first byte came, but begun", BROKE, Some(0), again),
        ("broken in the middle", BROKE, Some(9), again),
        ("the disk is full", Ending::Lasting, Some(9), over),
        ("a file changed", Ending::Final, Some(9), over),
    ] {
        let next = World::begins().ends(ending, reached);
        assert_eq!(next != Next::Over, expected, "{what}");
    }
}

#[test]
fn the_first_try_is_made_at_once_and_the_others_wait_twice_as_long_each_up_to_a_second() {
    let mut world = World::begins();
    assert_eq!(world.again(BROKE, Some(5)), Duration::ZERO);
    for most in [100, 200, 400, 800, 1_000, 1_000] {
        let after = world.again(BROKE, None).as_millis();
        assert!((most / 2..=most).contains(&after), "{after} ms, at most {most}");
    }
}

#[test]
fn the_relay_says_how_long_to_wait_at_least() {
    let mut world = World::begins();
    assert_eq!(world.again(Ending::Passing { wait: Some(Duration::from_secs(7)) }, Some(5)), Duration::from_secs(7));
    // Longer than there is time for.
    assert_eq!(world.ends(Ending::Passing { wait: Some(MINUTE) }, None), Next::Over);
}

#[test]
fn patience_ends_when_the_other_end_does_not_come_back() {
    let mut world = World::begins();
    assert_eq!(world.attempts.deadline(), None);
    world.again(BROKE, Some(5));
    let deadline = world.attempts.deadline().expect("they are apart");
    assert_eq!(deadline, world.now + MINUTE);
    while let Next::Again { after } = world.ends(BROKE, None) {
        world.now += after;
    }
    assert!(world.now < deadline && world.now + LONGEST > deadline, "it is tried as long as there is time");
}

#[test]
fn a_break_that_comes_after_more_bytes_has_all_of_the_patience() {
    let mut world = World::begins();
    world.again(BROKE, Some(5));
    world.passes(59);
    assert_eq!(world.again(BROKE, Some(6)), Duration::ZERO);
    world.passes(59);
    assert_eq!(world.again(BROKE, Some(7)), Duration::ZERO);
}

#[test]
fn a_way_that_breaks_at_once_whenever_it_is_up_ends_it() {
    let mut world = World::begins();
    let mut tries = 0;
    while let Next::Again { after } = world.ends(BROKE, Some(5)) {
        world.now += after + Duration::from_millis(10);
        tries += 1;
    }
    assert!((60..130).contains(&tries), "{tries} tries in a minute");
}

#[test]
fn without_patience_nothing_is_tried_again() {
    assert_eq!(World::new(|_| Attempts::new(Duration::ZERO)).ends(BROKE, Some(5)), Next::Over);
}

#[test]
fn what_another_process_began_is_tried_until_patience_ends_though_nothing_has_come_here() {
    let mut world = World::new(|now| Attempts::taken_up(MINUTE, MINUTE, now));
    assert_eq!(world.attempts.deadline(), Some(world.now + MINUTE));
    assert_eq!(world.again(BROKE, None), Duration::ZERO);
    world.passes(30);
    world.again(BROKE, None);
    // Together again: what breaks now has a patience of its own.
    world.passes(29);
    world.again(BROKE, Some(1));
    assert_eq!(world.attempts.deadline(), Some(world.now + MINUTE));
}

#[test]
fn before_anything_has_come_a_relay_that_says_when_is_asked_again_then_and_not_for_long() {
    let mut world = World::begins();
    let asked = |seconds| Ending::Passing { wait: Some(Duration::from_secs(seconds)) };
    assert_eq!(world.again(asked(2), None), Duration::from_secs(2));
    assert_eq!(world.again(asked(4), None), Duration::from_secs(4));
    assert_eq!(world.ends(asked(5), None), Next::Over, "eleven seconds in all");
    assert_eq!(World::begins().ends(asked(11), None), Next::Over);
    // It is not a break that this is for.
    let mut impatient = World::new(|_| Attempts::new(Duration::ZERO));
    assert_eq!(impatient.again(asked(1), None), Duration::from_secs(1));
    assert_eq!(impatient.ends(BROKE, None), Next::Over);
}

#[test]
fn a_place_that_people_were_told_of_is_gone_back_to_until_somebody_has_come_or_patience_ends() {
    let mut world = World::begins();
    world.attempts.handle_nobody(MINUTE);
    world.again(BROKE, None);
    for _ in 0..20 {
        world.again(BROKE, None);
    }
    assert!(world.attempts.deadline().is_some());
    world.passes(50);
    assert_eq!(world.ends(BROKE, None), Next::Over, "a minute has passed");
    // Once it is there again, patience begins anew.
    world.attempts.handle_nobody(MINUTE);
    assert_eq!(world.attempts.deadline(), None);
    world.again(BROKE, None);
    world.attempts.handle_somebody();
    assert_eq!(world.ends(BROKE, None), Next::Over);
}

#[test]
fn a_place_that_one_is_put_out_of_at_once_is_left_when_patience_ends() {
    let mut world = World::begins();
    let mut tries = 0;
    loop {
        world.attempts.handle_nobody(Duration::from_millis(10));
        let Next::Again { after } = world.ends(BROKE, None) else { break };
        world.now += after + Duration::from_millis(10);
        tries += 1;
    }
    assert!((60..130).contains(&tries), "{tries} tries in a minute");
}
