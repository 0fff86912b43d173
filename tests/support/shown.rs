//! What a test cannot show where the system lacks something: said aloud, and a failure where all must be shown.

use std::io::{Write as _, stderr};

/// Set by `scripts/test.sh` where CI runs it: a test that shows nothing fails.
const MUST: &str = "CONFKIT_TESTS_MUST_RUN";

/// Says what is not shown, and why. The test ends behind this.
///
/// # Panics
/// All must be shown.
pub fn not_shown(why: &str) {
    assert!(std::env::var_os(MUST).is_none_or(|must| must.is_empty()), "NOT SHOWN: {why}; {MUST} is set, and so this is a failure");
    // Not by `println!`, of which nobody hears while the test passes.
    let _ = writeln!(stderr(), "NOT SHOWN: {why}");
}
