//! How a program ends: a code from a fixed table, and an error that carries one, a message, and what to do about it.
//!
//! The codes are an interface: scripts branch on them. The table stands in the manual pages too (see [`super::manual`]), and a test
//! holds both equal.

use std::{fmt, io, path::Path};

use crate::config::ConfigError;

/// The exit codes of all three programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, and verified.
    Done = 0,
    /// Failed for a reason that has no code of its own.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Not authenticated or not permitted.
    Denied = 3,
    /// No such conference, participant, user, file, channel, code.
    NotFound = 4,
    /// Conflict: exists already, locked, full, quota.
    Conflict = 5,
    /// The other side declined or hung up.
    Declined = 6,
    /// Unreachable, timed out, or to be tried again later.
    Unreachable = 7,
    /// Content did not verify.
    Unverified = 8,
    /// Broken off, can be resumed; the message says how.
    Resumable = 9,
    /// An expectation of a scenario did not hold.
    Expectation = 10,
    /// Interrupted. What of it can be gone on with is kept; the message says how.
    Interrupted = 130,
}

impl ExitCode {
    /// Every code, in order.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Denied,
        Self::NotFound,
        Self::Conflict,
        Self::Declined,
        Self::Unreachable,
        Self::Unverified,
        Self::Resumable,
        Self::Expectation,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in JSON errors (`error.kind`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Declined => "declined",
            Self::Unreachable => "unreachable",
            Self::Unverified => "unverified",
            Self::Resumable => "resumable",
            Self::Expectation => "expectation",
            Self::Interrupted => "interrupted",
        }
    }

    /// What it means, as the manual pages say it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, and verified",
            Self::Failed => "failed for a reason not listed below",
            Self::Usage => "wrong usage or configuration",
            Self::Denied => "not authenticated or not permitted",
            Self::NotFound => "no such conference, participant, user, file, channel, code",
            Self::Conflict => "conflict: exists already, locked, full, quota",
            Self::Declined => "the other side declined or hung up",
            Self::Unreachable => "unreachable or timed out; try again later",
            Self::Unverified => "content did not verify",
            Self::Resumable => "broken off and can be resumed (the message says how)",
            Self::Expectation => "an expectation of a scenario did not hold",
            Self::Interrupted => "interrupted; if it can be resumed, the message says how",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// Why a command did not do what it was asked: the exit code, a sentence, and often what to do.
///
/// The message is lower case and stands alone ("no conference is named \"standup\"") or continues "failed to …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the shell sees.
    pub code: ExitCode,
    /// What happened. Empty: nothing is printed (the reader of our output went away; somebody pressed Ctrl-C).
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What belongs to it, a line each: every problem of a configuration, everybody that an ambiguous name fits.
    pub details: Vec<String>,
    /// What `fshare resume` takes to go on, where that is kept.
    pub transfer: Option<String>,
    /// In how many seconds to try again, where that was said.
    pub retry: Option<u32>,
}

impl Failure {
    /// With a code and a message.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, details: Vec::new(), transfer: None, retry: None }
    }

    /// Ends with this code and prints nothing more: all has been said.
    pub fn silent(code: ExitCode) -> Self {
        Self::new(code, String::new())
    }

    /// Exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Exit code 2, because `who` fits several.
    pub fn ambiguous(who: &str, candidates: Vec<String>) -> Self {
        let mut failure = Self::usage(format!("\"{who}\" matches more than one"));
        failure.hint = Some("name one of them by its id".to_owned());
        failure.details = candidates;
        failure
    }

    /// Exit code 1: a verb of the contract that a later part of the system brings.
    pub fn not_built_yet(verb: &str, arrives_with: &str) -> Self {
        Self::new(ExitCode::Failed, format!("{verb} is not built yet: arrives with {arrives_with}"))
    }

    /// A file that the user named cannot be read: exit code 4 where there is none, 2 otherwise.
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        let code = if error.kind() == io::ErrorKind::NotFound { ExitCode::NotFound } else { ExitCode::Usage };
        Self::new(code, format!("failed to read {}: {error}", path.display()))
    }

    /// A file that a flag names cannot be written: exit code 4 where its folder is not there, 2 otherwise.
    pub fn unwritable(flag: &str, path: &Path, error: &io::Error) -> Self {
        let code = if error.kind() == io::ErrorKind::NotFound { ExitCode::NotFound } else { ExitCode::Usage };
        Self::new(code, format!("{flag} {}: {error}", path.display()))
    }

    /// The same, saying what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, of a transfer that `fshare resume` can go on with.
    #[must_use]
    pub fn of_transfer(mut self, name: &impl fmt::Display) -> Self {
        self.transfer = Some(name.to_string());
        self
    }

    /// The same, to be tried again in so many seconds.
    #[must_use]
    pub fn again_in(mut self, seconds: u32) -> Self {
        self.retry = Some(seconds);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// A configuration's problems are told all at once.
impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Problems { problems } if problems.len() != 1 => {
                let details = problems.iter().map(ToString::to_string).collect();
                Self { details, ..Self::usage(format!("the configuration has {} problems", problems.len())) }
            }
            error => Self::usage(error.to_string()),
        }
    }
}

/// Errors without a code of their own end as 1; a [`Failure`] that travelled inside keeps its code.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(error) => Self::new(ExitCode::Failed, told(&error)),
        }
    }
}

/// Gives an error its exit code where it is known what it means to the user.
pub trait OrFail<T> {
    /// `Err(e)` becomes "failed to `what`: e", with its causes, and this code.
    fn or_fail(self, code: ExitCode, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: ExitCode, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(code, format!("failed to {what}: {}", told(&error.into()))))
    }
}

/// An error with its causes, but for those that it has told itself.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_number_and_a_name_of_its_own() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
        let names: std::collections::BTreeSet<_> = ExitCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ExitCode::ALL.len());
    }

    #[test]
    fn a_failure_keeps_its_code_through_anyhow() {
        let failure = Failure::new(ExitCode::NotFound, "no conference is named \"x\"").hint("confctl list");
        assert_eq!(Failure::from(anyhow::Error::new(failure.clone())), failure);
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = io::Error::new(io::ErrorKind::NotFound, "gone");
        let chain = anyhow::Error::new(cause).context("open the file");
        let failure = Err::<(), _>(chain).or_fail(ExitCode::Usage, "read the PIN").expect_err("it is an error");
        assert_eq!((failure.code, failure.message.as_str()), (ExitCode::Usage, "failed to read the PIN: open the file: gone"));
    }

    #[test]
    fn a_cause_that_the_error_tells_itself_is_not_told_twice() {
        let error = crate::media::Clip::from_wav(&b"no sound at all"[..]).expect_err("no WAV file");
        let failure = Err::<(), _>(error).or_fail(ExitCode::Usage, "read talk.wav").expect_err("it is an error");
        assert_eq!(failure.message.matches("no RIFF tag found").count(), 1, "{failure}");
    }

    #[test]
    fn a_file_that_is_not_there_has_a_code_of_its_own() {
        let code = |kind| Failure::unreadable(Path::new("talk.wav"), &io::Error::from(kind)).code;
        assert_eq!(code(io::ErrorKind::NotFound), ExitCode::NotFound);
        assert_eq!(code(io::ErrorKind::IsADirectory), ExitCode::Usage);
    }
}
