//! Structured logs on standard error: for people on a terminal, JSON otherwise.
//!
//! `CONFKIT_LOG` takes the filter syntax of `tracing-subscriber` (`confkit::sip=debug,warn`) and wins over `-q` and `-v`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::cli::{Failure, Output, global::Global};

/// What a program logs when nobody asks for more or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    /// A daemon: what happens.
    Info,
    /// A command: what is wrong.
    Warn,
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Starts logging. A second call in a process (tests) changes nothing.
pub fn start(global: &Global, usual: Usual, output: &Output) -> Result<(), Failure> {
    let filter = match std::env::var("CONFKIT_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|error| Failure::usage(format!("CONFKIT_LOG: {error}")).hint("try CONFKIT_LOG=confkit=debug"))?,
        _ => EnvFilter::new(filter(usual, global.quiet, global.verbose)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(output.log_writer());
    // Whoever installed a subscriber before us keeps it.
    let _ = if std::io::stderr().is_terminal() && !output.is_json() {
        builder.with_ansi(output.colours_errors()).with_target(global.verbose > 1).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    Ok(())
}

/// Other crates speak only from one level below ours.
fn filter(usual: Usual, quiet: bool, verbose: u8) -> String {
    let base: usize = match usual {
        Usual::Info => 2,
        Usual::Warn => 1,
    };
    let ours = if quiet { 0 } else { (base + usize::from(verbose)).min(LEVELS.len() - 1) };
    format!("{},confkit={}", LEVELS[ours.saturating_sub(1)], LEVELS[ours])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbosity_raises_our_level_and_lags_for_others() {
        assert_eq!(filter(Usual::Warn, false, 0), "error,confkit=warn");
        assert_eq!(filter(Usual::Info, false, 0), "warn,confkit=info");
        assert_eq!(filter(Usual::Warn, false, 2), "info,confkit=debug");
        assert_eq!(filter(Usual::Info, false, 200), "debug,confkit=trace");
        assert_eq!(filter(Usual::Info, true, 0), "error,confkit=error");
    }
}
