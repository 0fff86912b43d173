//! Structured logs on standard error: for people on a terminal, JSON otherwise.
//!
//! `CONFKIT_LOG` takes the filter syntax of `tracing-subscriber` (`confkit::sip=debug,warn`) and wins over `-q` and `-v`; these win over the section `log` of the daemon's
//! configuration.

use std::{io::IsTerminal as _, sync::OnceLock};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::{Layered, SubscriberExt as _},
    reload::{self, Handle},
    util::SubscriberInitExt as _,
};

use crate::{
    cli::{Failure, Output, global::Global},
    config::{Log, LogFormat},
};

/// What a program logs when nobody asks for more or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    /// A daemon: what happens.
    Info,
    /// A command: what is wrong.
    Warn,
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// What was decided at the start, and what a configuration may still change.
struct Logging {
    /// Whether the environment or a flag said what is logged; a configuration then says nothing.
    settled: bool,
    filter: Handle<EnvFilter, Registry>,
    lines: Handle<Lines, Filtered>,
    make: Box<dyn Fn(bool) -> Lines + Send + Sync>,
    terminal: bool,
}

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

static LOGGING: OnceLock<Logging> = OnceLock::new();

/// Starts logging. A second call in a process (tests) changes nothing.
///
/// # Errors
/// `CONFKIT_LOG` is no filter.
pub fn start(global: &Global, usual: Usual, output: &Output) -> Result<(), Failure> {
    let told = std::env::var("CONFKIT_LOG").ok().filter(|text| !text.is_empty());
    let settled = told.is_some() || global.quiet || global.verbose > 0;
    let filter = match told {
        Some(text) => EnvFilter::try_new(&text)
            .map_err(|error| Failure::usage(format!("CONFKIT_LOG: {error}")).hint("try CONFKIT_LOG=confkit=debug"))?,
        None => EnvFilter::new(filter(usual, global.quiet, global.verbose)),
    };
    let (output, terminal) = (output.clone(), std::io::stderr().is_terminal() && !output.is_json());
    let verbose = global.verbose;
    let make = move |human: bool| -> Lines {
        let lines = tracing_subscriber::fmt::layer().with_writer(output.log_writer());
        if human {
            Box::new(lines.with_ansi(output.colours_errors()).with_target(verbose > 1))
        } else {
            Box::new(lines.json().flatten_event(true).with_current_span(true).with_span_list(false))
        }
    };
    let (filter, filter_handle) = reload::Layer::new(filter);
    let (lines, lines_handle) = reload::Layer::new(make(terminal));
    // Whoever installed a subscriber before us keeps it.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        let logging = Logging { settled, filter: filter_handle, lines: lines_handle, make: Box::new(make), terminal };
        let _ = LOGGING.set(logging);
    }
    Ok(())
}

/// Logs from now on as a configuration says; the environment and the flags win over it. A filter that is none is told and changes nothing.
pub fn configure(config: &Log) {
    let Some(logging) = LOGGING.get() else { return };
    let human = match config.format {
        LogFormat::Auto => logging.terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    // The handles fail only when the subscriber is gone, and with it the log.
    let _ = logging.lines.reload((logging.make)(human));
    if logging.settled || *config == Log::default() {
        return;
    }
    match EnvFilter::try_new(&config.filter.0) {
        Ok(filter) => drop(logging.filter.reload(filter)),
        Err(error) => tracing::error!(%error, "log.filter cannot be used"),
    }
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
