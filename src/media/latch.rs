//! Whose packets are heard: the address rule of a leg.

use std::time::Duration;

/// How long a latched source must have been silent before another may take its place.
pub const RELATCH_AFTER: Duration = Duration::from_secs(2);
