//! Why a transfer through a channel came to nothing.

use std::time::Duration;

use super::{inlet::InletError, outlet::OutletError, relay::RelayError, sealed::SealedError};
use crate::{
    channel::{
        attempt::Ending,
        handover::HandoverError,
        pake::ExchangeError,
        session::Failure,
        wire::{
            Reason, RefusalCode, Refused,
            letter::{Failed, FailedCode},
        },
    },
    transfer::{SinkError, SourceError},
};

/// See the [module](self).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The relay is of no use.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The exchange failed: another code, or somebody between.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// No pass came from who agreed on the channel, or a forged one.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// At the receiver: the sender went away when it had seen what we know.
    #[error("the sender does not accept the code: it was mistyped, or is not the one that the sender shows now")]
    WrongCode,
    /// At the receiver: it has shown what it knows, and has heard nothing of it. Whoever was there may have had a guess at it.
    #[error("the code is used up, but nobody answered: {0}")]
    Unanswered(Box<Self>),
    /// The other side did not want it.
    #[error("declined: {0}")]
    Declined(String),
    /// It failed at the other side.
    #[error("it failed on the other side: {0}")]
    Theirs(Failed),
    /// The other side is gone.
    #[error("the other side {}", gone(*.0))]
    Gone(Reason),
    /// Of several receivers, not all have it.
    #[error("{done} of {of} receivers have everything; another failed: {why}")]
    Some {
        /// How many have.
        done: usize,
        /// Of how many.
        of: usize,
        /// Why one of the others has not.
        why: Box<Self>,
    },
    /// What comes is not what was sent.
    #[error("{0}")]
    Unverified(String),
    /// It was to go directly or not at all, and the two do not reach each other.
    #[error("the other side cannot be reached directly: {0}")]
    Unreached(String),
    /// A data connection broke.
    #[error("the data connection broke: {0}")]
    Broken(std::io::Error),
    /// What is sent cannot be read, or changed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What comes cannot be put down.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The other side says what it must not say.
    #[error("the other side broke the protocol: {0}")]
    Protocol(String),
    /// What is sent now is another batch than the one that was broken off.
    #[error("the files changed since the transfer broke off")]
    OtherBatch,
    /// After a break the other side was not there in time.
    #[error("the other side did not come back within {}", humantime::format_duration(*.0))]
    Absent(Duration),
    /// We were told to stop.
    #[error("stopped")]
    Stopped,
}

impl ChannelError {
    /// Whether what was transferred is worth going on with.
    pub fn is_resumable(&self) -> bool {
        self.ending() != Ending::Final
    }

    /// Whether somebody else than the other side may have brought this about, the relay above all: nothing is deleted for it.
    pub fn may_be_of_another(&self) -> bool {
        match self {
            // What did not open is not written down, and whoever stands between the two can bring that about by a single bit.
            Self::Gone(_) | Self::Exchange(_) | Self::WrongCode | Self::Unanswered(_) | Self::Handover(_) | Self::Unverified(_) => true,
            Self::Theirs(failed) => failed.code == FailedCode::Integrity,
            Self::Some { why, .. } => why.may_be_of_another(),
            _ => false,
        }
    }

    /// Whether one of the two wants the direct way alone, and there was none: found before anything moved in that attempt.
    pub fn is_unreached(&self) -> bool {
        matches!(self, Self::Unreached(_)) || matches!(self, Self::Theirs(failed) if failed.code == FailedCode::Unreachable)
    }

    /// What it means for a transfer that had begun.
    pub fn ending(&self) -> Ending {
        let passing = Ending::Passing { wait: None };
        match self {
            Self::Gone(reason) => match reason {
                Reason::Suspended
                | Reason::Broken
                | Reason::Silent
                | Reason::Slow
                | Reason::Replaced
                | Reason::Refused
                | Reason::Expired => passing,
                Reason::Done | Reason::Cancelled | Reason::Failed | Reason::Declined => Ending::Final,
            },
            Self::Theirs(failed) => match failed.code {
                // As it is where it was found, so that both look for each other again, or neither.
                FailedCode::Suspended | FailedCode::Unreachable => passing,
                FailedCode::NoSpace => Ending::Lasting,
                _ => Ending::Final,
            },
            Self::Relay(RelayError::Refused(refused)) => of_refusal(refused),
            // These stay so until somebody does something about them.
            Self::Relay(RelayError::Untrusted { .. } | RelayError::NoTls { .. })
            | Self::Sink(SinkError::NoSpace { .. } | SinkError::Io { .. })
            | Self::Stopped
            | Self::Absent(_) => Ending::Lasting,
            // A connection that is cut in the middle of a message is one of them.
            Self::Relay(_) | Self::Broken(_) | Self::Unreached(_) => passing,
            Self::Some { why, .. } => why.ending(),
            Self::Exchange(_)
            | Self::Handover(_)
            | Self::WrongCode
            | Self::Unanswered(_)
            | Self::Declined(_)
            | Self::Unverified(_)
            | Self::Source(_)
            | Self::Sink(_)
            | Self::OtherBatch
            | Self::Protocol(_) => Ending::Final,
        }
    }

    /// As it is told to the other side.
    pub(super) fn told(&self) -> Failed {
        let code = match self {
            Self::Unverified(_) => FailedCode::Integrity,
            Self::Source(_) | Self::OtherBatch => FailedCode::Source,
            Self::Sink(SinkError::NoSpace { .. }) => FailedCode::NoSpace,
            Self::Sink(SinkError::Exists { .. } | SinkError::InTheWay { .. }) => FailedCode::Exists,
            Self::Sink(SinkError::Digest { .. } | SinkError::TooLong | SinkError::TooShort { .. } | SinkError::Algorithm { .. }) => {
                FailedCode::Integrity
            }
            Self::Protocol(_) => FailedCode::Protocol,
            Self::Unreached(_) => FailedCode::Unreachable,
            Self::Stopped | Self::Absent(_) | Self::Relay(_) | Self::Broken(_) | Self::Sink(SinkError::Io { .. }) => FailedCode::Suspended,
            Self::Some { .. }
            | Self::Exchange(_)
            | Self::Handover(_)
            | Self::WrongCode
            | Self::Unanswered(_)
            | Self::Declined(_)
            | Self::Theirs(_)
            | Self::Gone(_)
            | Self::Sink(_) => FailedCode::Other,
        };
        // Where it is on our disk is nobody else's matter.
        let text = match self {
            Self::Sink(SinkError::NoSpace { .. }) => "it has no space left".to_owned(),
            Self::Sink(SinkError::Exists { path }) => format!("the receiver already has {path}"),
            Self::Sink(SinkError::InTheWay { path, what }) => {
                format!("the receiver already has {path}, and it is {what}")
            }
            Self::Sink(SinkError::NotOneFile) => "the receiver accepts only a single file".to_owned(),
            Self::Sink(SinkError::Io { .. } | SinkError::Resume(_)) => "it could not be written".to_owned(),
            Self::Source(SourceError::Io { .. }) => "a file cannot be read".to_owned(),
            // Nor is what answers at which address here.
            Self::Unreached(_) => "no direct connection came about".to_owned(),
            other => other.to_string(),
        };
        Failed::new(code, text)
    }

    /// How a session ended.
    pub(super) fn of(failure: Failure) -> Self {
        match failure {
            Failure::Declined(why) => Self::Declined(why),
            Failure::Theirs(failed) => Self::Theirs(failed),
            Failure::Ours(failed) if failed.code == FailedCode::Integrity => Self::Unverified(failed.text),
            Failure::Ours(failed) => Self::Protocol(failed.text),
        }
    }
}

impl From<OutletError> for ChannelError {
    fn from(error: OutletError) -> Self {
        match error {
            OutletError::Source(error) => Self::Source(error),
            OutletError::Broken(error) => Self::Broken(error),
            OutletError::Seal(error) => Self::Protocol(error.to_string()),
            OutletError::Over => Self::Stopped,
        }
    }
}

impl From<InletError> for ChannelError {
    fn from(error: InletError) -> Self {
        match error {
            InletError::Broken(error) => Self::Broken(error),
            InletError::Unfit(failed) => Self::of(Failure::Ours(failed)),
            InletError::Sink(error) => Self::Sink(error),
            forged @ (InletError::Forged { .. }
            | InletError::Disordered { .. }
            | InletError::Compressed(_)
            | InletError::Unpackable { .. }
            | InletError::Header(_)) => Self::Unverified(forged.to_string()),
        }
    }
}

impl From<SealedError> for ChannelError {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Forged(_) => Self::Unverified(error.to_string()),
            SealedError::Letter(error) => Self::Protocol(error.to_string()),
        }
    }
}

/// A relay that refuses says whether it may be asked again.
fn of_refusal(refused: &Refused) -> Ending {
    match refused.code {
        RefusalCode::Quota
        | RefusalCode::Rate
        | RefusalCode::NoCapacity
        | RefusalCode::NoSuchPlace
        | RefusalCode::NoSuchChannel
        | RefusalCode::WrongProof
        | RefusalCode::Taken
        | RefusalCode::Full
        | RefusalCode::Expired
        | RefusalCode::Draining => Ending::Passing { wait: refused.retry.map(|seconds| Duration::from_secs(seconds.into())) },
        RefusalCode::Version | RefusalCode::Malformed | RefusalCode::NotAuthenticated | RefusalCode::NotPermitted => Ending::Lasting,
    }
}

fn gone(reason: Reason) -> &'static str {
    match reason {
        Reason::Done => "is done",
        Reason::Cancelled => "gave up",
        Reason::Failed => "could not continue",
        Reason::Declined => "does not want it",
        Reason::Suspended => "stopped, and can resume",
        Reason::Broken => "is gone: its connection broke",
        Reason::Silent => "is gone: it stopped responding",
        Reason::Slow => "was too slow for the others, and can resume later",
        Reason::Replaced => "came back on another connection",
        Reason::Refused => "was refused by the relay",
        Reason::Expired => "waited too long",
    }
}
