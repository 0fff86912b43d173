//! What a failed transfer means to whoever typed the command.

use crate::{
    cli::{ExitCode, Failure, output::safe_line, settings::Context},
    fileshare::{
        client::TransferError,
        wire::{self, FailureCode},
    },
    transfer::{SinkError, SourceError, TransferName},
};

/// The exit code of a kind of failure.
pub fn code(code: FailureCode) -> ExitCode {
    match code {
        FailureCode::Usage => ExitCode::Usage,
        FailureCode::Forbidden => ExitCode::Denied,
        FailureCode::NotFound => ExitCode::NotFound,
        FailureCode::Conflict | FailureCode::Limit | FailureCode::NoSpace => ExitCode::Conflict,
        FailureCode::Declined | FailureCode::Cancelled | FailureCode::Ended => ExitCode::Declined,
        FailureCode::Unreachable | FailureCode::Busy => ExitCode::Unreachable,
        FailureCode::Integrity => ExitCode::Unverified,
        _ => ExitCode::Failed,
    }
}

/// What the conference said.
pub fn said(what: &str, why: Option<&wire::Failure>, record: Option<&TransferName>) -> Failure {
    let text = why.map_or_else(|| "without a reason".to_owned(), |why| why.text.clone());
    let failure = Failure::new(why.map_or(ExitCode::Declined, |why| code(why.code)), format!("{what}: {}", safe_line(&text)));
    match record {
        // The share is gone: it is not only broken off. What there is of it serves when the same files are shared again.
        Some(name) if why.is_none_or(|why| why.code != FailureCode::Unreachable) => {
            failure.hint(format!("once the same files are shared again, resume with: fshare resume {name}")).of_transfer(name)
        }
        _ => resumable(failure, record),
    }
}

/// Who came without an account may have wanted to come with one.
pub fn of_guest(failure: Failure, context: &Context) -> Failure {
    let guest = context.settings.config.user.is_none() && failure.code == ExitCode::Denied && failure.hint.is_none();
    if guest { failure.hint("you are here as a guest: name your account with --as or CONFKIT_USER") } else { failure }
}

/// A transfer that failed here.
pub fn of_transfer(what: &str, error: &TransferError, record: Option<&TransferName>) -> Failure {
    let code = match error {
        TransferError::Sink(SinkError::Digest { .. } | SinkError::TooLong | SinkError::TooShort { .. }) => ExitCode::Unverified,
        // Our own disk, not the server's.
        TransferError::Sink(SinkError::NoSpace { .. }) => ExitCode::Failed,
        TransferError::Sink(SinkError::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => ExitCode::Denied,
        // Standard output was asked for, and has one file.
        TransferError::Sink(SinkError::NotOneFile) => ExitCode::Usage,
        TransferError::Stopped => ExitCode::Interrupted,
        error => code(error.code()),
    };
    let mut failure = Failure::new(code, format!("{what}: {}", safe_line(&error.to_string())));
    if let TransferError::Sink(SinkError::Exists { .. }) = error {
        failure = failure.hint("use --overwrite, --rename or --skip, or another folder with --output");
    }
    if let TransferError::Sink(SinkError::NotOneFile) = error {
        failure = failure.hint("name a folder with --output");
    }
    let failure = resumable(failure, record);
    let first = match error {
        TransferError::Sink(SinkError::NoSpace { .. }) => "free some space",
        TransferError::Sink(SinkError::Exists { .. } | SinkError::InTheWay { .. }) => "move it out of the way",
        _ => return failure,
    };
    match record {
        Some(name) => failure.hint(format!("{first}, then resume with: fshare resume {name}")),
        None => failure,
    }
}

/// With a record of what there is, the transfer is only broken off.
fn resumable(failure: Failure, record: Option<&TransferName>) -> Failure {
    let Some(name) = record else { return failure };
    let code = if matches!(failure.code, ExitCode::Interrupted | ExitCode::Unverified) { failure.code } else { ExitCode::Resumable };
    Failure { code, ..failure }.hint(format!("resume with: fshare resume {name}")).of_transfer(name)
}

/// Files that cannot be read.
pub fn of_source(error: &SourceError) -> Failure {
    let code = match error {
        SourceError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => ExitCode::NotFound,
        SourceError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => ExitCode::Denied,
        SourceError::Name { .. } | SourceError::Nameless { .. } | SourceError::Twice { .. } | SourceError::Special { .. } => {
            ExitCode::Usage
        }
        _ => ExitCode::Failed,
    };
    let failure = Failure::new(code, format!("failed to read the files: {error}"));
    match error {
        _ if code == ExitCode::Denied => failure.hint("you need permission to read it"),
        SourceError::Name { .. } => failure.hint("nothing was sent: rename it, or name the other files one by one"),
        SourceError::Special { .. } => failure.hint("nothing was sent: only files, folders and links can be; name the others one by one"),
        SourceError::Twice { .. } => failure.hint("send them separately, or in a folder that has both"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_output_for_several_files_is_wrong_usage() {
        let failure = of_transfer("share-3 was not received", &TransferError::Sink(SinkError::NotOneFile), None);
        assert_eq!((failure.code, failure.hint.as_deref()), (ExitCode::Usage, Some("name a folder with --output")));
    }

    #[test]
    fn what_the_disk_refused_is_broken_off_and_the_hint_says_what_comes_first() {
        let name = TransferName::new("share-3").expect("a name");
        let full = TransferError::Sink(SinkError::NoSpace { path: "/in".to_owned(), needed: 1, available: 0 });
        let taken = TransferError::Sink(SinkError::Exists { path: "a".to_owned() });
        for (error, alone, hint) in [
            (full, ExitCode::Failed, "free some space, then resume with: fshare resume share-3"),
            (taken, ExitCode::Conflict, "move it out of the way, then resume with: fshare resume share-3"),
        ] {
            let failure = of_transfer("share-3 was not received", &error, Some(&name));
            assert_eq!((failure.code, failure.hint.as_deref()), (ExitCode::Resumable, Some(hint)));
            assert_eq!(of_transfer("share-3 was not received", &error, None).code, alone);
        }
    }
}
