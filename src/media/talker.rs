//! Who talks.

use std::time::Duration;

/// Least time between two reports of one room.
pub const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Most talkers named in one report.
pub const MAX_REPORTED: usize = 64;
