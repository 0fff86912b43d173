//! What both ends keep of a transfer, and by which they find each other again after a break.

use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    fault::ChannelError,
    relay::{Connection, Relays},
};
use crate::channel::{
    attempt::Ending,
    keys::ResumeSecret,
    wire::{
        Reason,
        pass::{Pass, TransferId},
    },
};

/// See the [module](self). As secret as the secret in it.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The transfer.
    pub transfer: TransferId,
    /// Where the two meet again, and by what they know each other.
    pub secret: ResumeSecret,
    /// Where the relay is, `host:port`: first the one where both were.
    pub relays: Vec<String>,
}

impl Resume {
    /// That of a pass, by the relay that both were at.
    pub(super) fn of(pass: &Pass, control: &Connection, relays: &Relays) -> Self {
        let met = control.name();
        let others = relays.names().iter().filter(|relay| *relay != met).cloned();
        Self { transfer: pass.transfer, secret: pass.resume.clone(), relays: std::iter::once(met.to_owned()).chain(others).collect() }
    }
}

/// As what an end leaves its relay. `can_go_on`: by itself, or from a record.
pub(super) fn farewell(error: &ChannelError, can_go_on: bool) -> Reason {
    match (error, error.ending()) {
        (ChannelError::Declined(_), _) => Reason::Declined,
        // Who is still in the channel then has all of it: the others have been told why they have not, or are lost.
        (ChannelError::Some { .. }, _) => Reason::Done,
        (_, Ending::Passing { .. } | Ending::Lasting) if can_go_on => Reason::Suspended,
        (ChannelError::Stopped, _) => Reason::Cancelled,
        _ => Reason::Failed,
    }
}

/// How long the other end is waited for at a relay that is not the one where both were: it may have come back there.
const ELSEWHERE: Duration = Duration::from_secs(5);

/// Waits for the other end, which may be looked for at another relay in a moment.
pub(super) async fn for_now<T>(preferred: bool, coming: impl Future<Output = Result<T, ChannelError>>) -> Result<T, ChannelError> {
    if preferred {
        return coming.await;
    }
    timeout(ELSEWHERE, coming).await.unwrap_or(Err(ChannelError::Gone(Reason::Expired)))
}

/// Comes to its end when the two should be together by now, unless chunks have begun to come.
pub(super) async fn late(deadline: Option<Instant>, begun: CancellationToken) {
    let at = async {
        match deadline {
            Some(deadline) => sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = at => {}
        () = begun.cancelled_owned() => std::future::pending().await,
    }
}
