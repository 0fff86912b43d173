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
        address::TLS,
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
    /// Where the relay is, `host:port`: first the one where both were, or that was named since.
    pub relays: Vec<String>,
    /// The other end may wait at any of the relays: it is waited for at each in turn.
    pub anywhere: bool,
    /// The proxy that the relay was reached by, without its password; none where it was reached without one.
    pub proxy: Option<String>,
}

impl Resume {
    /// That of a pass, by the relay that both were at.
    pub(super) fn of(pass: &Pass, control: &Connection, relays: &Relays) -> Self {
        let met = control.name();
        let others = relays.names().iter().filter(|relay| *relay != met).cloned();
        Self {
            transfer: pass.transfer,
            secret: pass.resume.clone(),
            relays: std::iter::once(met.to_owned()).chain(others).collect(),
            anywhere: false,
            proxy: control.here().proxy_before(met),
        }
    }

    /// The same, by relays that are named now (`first`), then those where both were, then others that are known. Where the first was not that of
    /// before, the other end may not know of it.
    #[must_use]
    pub fn by(self, first: &[String], others: &[String]) -> Self {
        let all: Vec<&String> = first.iter().chain(&self.relays).chain(others).collect();
        let mut relays: Vec<String> = Vec::new();
        for relay in &all {
            // One that is known by TLS now is not called without it.
            let secured = format!("{TLS}{relay}");
            let relay = if all.contains(&&secured) { secured } else { (*relay).clone() };
            if !relays.contains(&relay) {
                relays.push(relay);
            }
        }
        let same = |(now, before): (&String, &String)| now.trim_start_matches(TLS) == before.trim_start_matches(TLS);
        let anywhere = relays.len() > 1 && relays.first().zip(self.relays.first()).is_some_and(|pair| !same(pair));
        Self { relays, anywhere, ..self }
    }

    /// The next attempt begins at the next relay, where the other end may be at any.
    pub(super) fn turn(&mut self) {
        if self.anywhere {
            self.relays.rotate_left(1);
        }
    }

    /// Whether the other end is waited for at this relay for as long as anybody waits.
    pub(super) fn stays(&self, control: &Connection) -> bool {
        control.is_preferred() && !self.anywhere
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    fn kept(relays: &[&str]) -> Resume {
        let mut rng = ChaCha12Rng::from_seed([7; 32]);
        let relays = relays.iter().map(|relay| (*relay).to_owned()).collect();
        Resume { transfer: TransferId::random(&mut rng), secret: ResumeSecret::random(&mut rng), relays, anywhere: false, proxy: None }
    }

    #[test]
    fn a_relay_that_is_named_now_goes_first_and_one_that_was_before_is_not_forgotten_for_it() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (first, before, others, expected, anywhere) in [
            (&[][..], &["a", "b"][..], &[][..], &["a", "b"][..], false),
            (&["a"], &["a", "b"], &[], &["a", "b"], false),
            (&["new"], &["a", "b"], &["c", "a"], &["new", "a", "b", "c"], true),
            (&["b"], &["a", "b"], &[], &["b", "a"], true),
            (&[], &["a"], &["c"], &["a", "c"], false),
            (&["new"], &[], &[], &["new"], false),
            (&["tls://a"], &["a", "b"], &[], &["tls://a", "b"], false),
            (&[], &["a", "b"], &["tls://a"], &["tls://a", "b"], false),
        ] {
            let resume = kept(before).by(&named(first), &named(others));
            assert_eq!((resume.relays, resume.anywhere), (named(expected), anywhere), "{first:?}, {before:?}, {others:?}");
        }
    }

    #[test]
    fn who_may_be_anywhere_is_looked_for_at_each_relay_in_turn() {
        let mut resume = kept(&["a", "b"]).by(&["new".to_owned()], &[]);
        resume.turn();
        assert_eq!(resume.relays, ["a", "b", "new"]);
        let mut resume = kept(&["a", "b"]);
        resume.turn();
        assert_eq!(resume.relays, ["a", "b"]);
    }
}
