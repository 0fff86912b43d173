//! The programs: what they accept, what they print, how they end. Everything above the library that only the programs need.
//!
//! | file | what it holds |
//! |---|---|
//! | [`exit`] | the exit codes (an interface) and [`Failure`], the error that carries one |
//! | [`output`] | the only writer to the terminal: tables, JSON, colour, progress; makes remote text safe |
//! | [`global`] | flags that all three programs have, and those of the two that talk to a server |
//! | [`settings`] | flags over environment over configuration file over defaults, for `confctl` and `fshare` |
//! | [`values`] | argument types that are read once, at the door |
//! | [`secret`] | passwords and PINs: from a file, the environment or a prompt, never from an argument |
//! | [`interrupt`] | Ctrl-C once: leave cleanly; twice: at once |
//! | [`log`] | structured logs on standard error |
//! | [`program`] | the frame of `main`: parse, run, exit |
//! | [`manual`] | man pages and completions, made from the argument types |
//! | `actor` | a terminal that runs in this process and is told by steps and commands |
//! | [`audio`] | between the command line and a terminal's audio |
//! | [`scenario`] | scenario files: what `confctl run` and `demo` play |
//! | [`confctl`], [`relayd`], [`fshare`] | a program each: `args`, and one file per command |

mod actor;
pub mod audio;
pub mod confctl;
pub mod exit;
pub mod fshare;
pub mod global;
pub mod interrupt;
pub mod log;
pub mod manual;
pub mod output;
pub mod program;
pub mod relayd;
pub mod scenario;
pub mod secret;
pub mod settings;
pub mod values;

pub use exit::{ExitCode, Failure, OrFail};
pub use output::Output;
