//! What a transfer that came to nothing means to whoever typed the command.

use std::io::ErrorKind;

use crate::{
    channel::{
        client::{ChannelError, Distrust, ProxyError, RelayError},
        pake::ExchangeError,
        wire::{Reason, RefusalCode, Refused, letter::FailedCode},
    },
    cli::{ExitCode, Failure, fshare::failure::of_source, output::safe_line},
    transfer::{SinkError, TransferName},
};

/// The failure of a transfer, with its record where it can be gone on with.
pub fn broken(what: &str, error: &ChannelError, record: Option<&TransferName>) -> Failure {
    let Some(name) = record else {
        return if matches!(error, ChannelError::Stopped) { Failure::silent(ExitCode::Interrupted) } else { of(what, error) };
    };
    if !error.is_resumable() {
        let hint = format!(
            "the partial transfer is kept, as this may not have come from the other side: continue with fshare resume {name}, or discard it with fshare cancel {name}"
        );
        return of(what, error).hint(hint).of_transfer(name);
    }
    let failure = match error {
        ChannelError::Stopped => Failure::new(ExitCode::Interrupted, "broken off"),
        error => Failure { code: ExitCode::Resumable, ..of(what, error) },
    };
    let first = match error {
        ChannelError::Sink(SinkError::NoSpace { .. }) => "free some space, then resume with",
        _ => "resume with",
    };
    failure.hint(format!("{first}: fshare resume {name}")).of_transfer(name)
}

/// The failure of `fshare send` or `fshare recv`.
pub fn of(what: &str, error: &ChannelError) -> Failure {
    if let ChannelError::Source(error) = error {
        return of_source(error);
    }
    let failure = Failure::new(code(error), format!("{what}: {}", safe_line(&error.to_string())));
    let failure = match error {
        ChannelError::Relay(RelayError::Refused(Refused { retry: Some(seconds), .. })) => failure.again_in(*seconds),
        _ => failure,
    };
    match hint(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn code(error: &ChannelError) -> ExitCode {
    match error {
        ChannelError::Relay(RelayError::Refused(refused)) => match refused.code {
            RefusalCode::NotAuthenticated | RefusalCode::NotPermitted | RefusalCode::WrongProof => ExitCode::Denied,
            RefusalCode::NoSuchPlace | RefusalCode::NoSuchChannel => ExitCode::NotFound,
            RefusalCode::Quota | RefusalCode::Taken | RefusalCode::Full => ExitCode::Conflict,
            RefusalCode::Rate | RefusalCode::NoCapacity | RefusalCode::Expired | RefusalCode::Draining => ExitCode::Unreachable,
            RefusalCode::Version | RefusalCode::Malformed => ExitCode::Failed,
        },
        ChannelError::Relay(RelayError::Proxy(ProxyError::Credentials { .. }))
        | ChannelError::Handover(_)
        | ChannelError::WrongCode
        | ChannelError::Exchange(ExchangeError::WrongGuess | ExchangeError::Impostor) => ExitCode::Denied,
        ChannelError::Relay(_) | ChannelError::Broken(_) | ChannelError::Unreached(_) | ChannelError::Absent(_) => ExitCode::Unreachable,
        ChannelError::Declined(_) => ExitCode::Declined,
        ChannelError::Theirs(failed) => match failed.code {
            FailedCode::Integrity => ExitCode::Unverified,
            FailedCode::Exists => ExitCode::Conflict,
            FailedCode::Cancelled => ExitCode::Declined,
            FailedCode::Unreachable => ExitCode::Unreachable,
            _ => ExitCode::Failed,
        },
        ChannelError::Gone(reason) => match reason {
            Reason::Suspended | Reason::Broken | Reason::Silent | Reason::Slow | Reason::Replaced | Reason::Expired => {
                ExitCode::Unreachable
            }
            Reason::Done | Reason::Cancelled | Reason::Failed | Reason::Declined | Reason::Refused => ExitCode::Declined,
        },
        ChannelError::Unverified(_) | ChannelError::Sink(SinkError::Digest { .. } | SinkError::TooLong | SinkError::TooShort { .. }) => {
            ExitCode::Unverified
        }
        ChannelError::Sink(SinkError::Exists { .. } | SinkError::InTheWay { .. }) => ExitCode::Conflict,
        ChannelError::Sink(SinkError::NotOneFile) => ExitCode::Usage,
        ChannelError::Sink(SinkError::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => ExitCode::Denied,
        ChannelError::Some { why, .. } | ChannelError::Unanswered(why) => code(why),
        ChannelError::Stopped => ExitCode::Interrupted,
        _ => ExitCode::Failed,
    }
}

/// What to do where a relay's certificate is not believed.
fn untrusted(why: &Distrust) -> &'static str {
    match why {
        Distrust::Issuer => {
            "give the authority that its operator names with --ca FILE: of a relayd without another certificate, ca.pem in its data directory"
        }
        Distrust::Name(_) => {
            "name the relay as its certificate does; its operator has another name put in by relay.advertise, or by another tls.certificate"
        }
        Distrust::Expired | Distrust::NotYet => {
            "look at the clock of this machine; its operator gives it another (tls.certificate; without one relayd makes its own anew when it starts, or on SIGHUP)"
        }
        _ => "its operator gives it another certificate (tls.certificate)",
    }
}

fn hint(error: &ChannelError) -> Option<String> {
    Some(match error {
        ChannelError::Relay(RelayError::Unreachable { .. } | RelayError::NoneReachable(_)) => {
            "is relayd running there? name the relay with --relay HOST:PORT, or set CONFKIT_RELAY".to_owned()
        }
        ChannelError::Relay(RelayError::NoRelay { .. }) => {
            "check host and port: relayd prints at its start where its relay listens (listen.relay, port 7420 by default)".to_owned()
        }
        ChannelError::Relay(RelayError::NoTls { .. }) => {
            "name the port at which it does (listen.relay with tls: true), or leave tls:// out where others on the way may read who applies"
                .to_owned()
        }
        ChannelError::Relay(RelayError::Untrusted { why, .. }) => untrusted(why).to_owned(),
        ChannelError::Relay(RelayError::Handshake { .. }) => {
            "its operator sees why in the log of relayd (confkit=debug), where it is one".to_owned()
        }
        ChannelError::Relay(RelayError::Proxy(ProxyError::Credentials { .. })) => {
            "give them as in --proxy http://USER:PASSWORD@HOST:PORT, or, so that nobody else sees them, under proxy in client.yaml"
                .to_owned()
        }
        ChannelError::Relay(RelayError::Proxy(_)) => {
            "the proxy is set by --proxy, proxy in client.yaml, HTTPS_PROXY or ALL_PROXY; NO_PROXY lists relays to reach without one"
                .to_owned()
        }
        ChannelError::Relay(RelayError::Refused(refused)) => match (refused.code, refused.retry) {
            (_, Some(seconds)) => format!("try again in {seconds} s; until then the relay ignores requests from this address"),
            (RefusalCode::Taken, _) => {
                "another sender is using the number of this code: choose another with --code, or leave --code out".to_owned()
            }
            (RefusalCode::NoSuchPlace, _) => {
                "a code works once, while its sender is waiting: ask for another, or wait for the sender with --wait".to_owned()
            }
            _ => return None,
        },
        ChannelError::Exchange(ExchangeError::WrongGuess) => "the code is used up: send again, and pass on the new code".to_owned(),
        ChannelError::Unreached(_) => "without --direct-only the files go through the relay, which cannot read them".to_owned(),
        ChannelError::Some { why, .. } => return hint(why),
        ChannelError::Unanswered(_) => "a code works for one try: ask the sender for a new one".to_owned(),
        ChannelError::WrongCode => "ask the sender for a new code: a wrong guess uses it up".to_owned(),
        ChannelError::Exchange(ExchangeError::Impostor) => "check the code, and who gave it to you".to_owned(),
        ChannelError::Sink(SinkError::Exists { .. }) => "use --overwrite, --rename or --skip, or another folder with --output".to_owned(),
        ChannelError::Sink(SinkError::NotOneFile) => "name a folder with --output".to_owned(),
        ChannelError::Sink(SinkError::InTheWay { .. }) => "move it out of the way, or name another folder with --output".to_owned(),
        ChannelError::Sink(SinkError::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            "you cannot write there: name another folder with --output".to_owned()
        }
        ChannelError::Theirs(failed) if failed.code == FailedCode::Exists => {
            "nothing was overwritten: the receiver has to use --overwrite, --rename or --skip, or another folder; then send it again"
                .to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_wants_a_longer_pause_is_to_be_asked_later_and_when_is_a_number() {
        let refused = Refused::new(RefusalCode::Rate, "too many wrong codes came from this address").retry(33);
        let failure = of("failed to receive", &ChannelError::Relay(RelayError::Refused(refused)));
        assert_eq!((failure.code, failure.retry), (ExitCode::Unreachable, Some(33)));
        assert!(failure.hint.expect("a hint").contains("try again in 33 s"));
    }
}
