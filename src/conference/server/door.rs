//! The door: who sends a request. From one of our domains it is challenged; anybody else is a guest (spec: guests and
//! accounts).

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use super::{Gateways, OurHosts, offers::Offers};
use crate::{
    account::{A1Algorithm, Backoff, Directory, Role, Verdict as Wait},
    conference::{focus::Caller, policy::barred},
    id::UserName,
    sip::{
        Hop,
        digest::{Algorithm, Denied, Ha1, Server, ServerConfig, Verdict},
        message::{Method, Request},
    },
};

/// Judges who sends a request.
#[derive(Debug)]
pub(super) struct Door {
    digest: Server,
    backoff: Backoff,
    gateways: Gateways,
    offers: Offers,
    pub(super) directory: Arc<Directory>,
}

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Entry {
    /// It may go on.
    Open(Caller),
    /// It is answered with this.
    Closed { status: u16, headers: Vec<(String, String)> },
}

impl Door {
    pub(super) fn new(now: Instant, directory: Arc<Directory>, config: &super::ServerConfig, seed: [u8; 32]) -> Self {
        let digest =
            ServerConfig { algorithms: config.algorithms.clone(), nonce_life: config.nonce_life, ..ServerConfig::new(directory.realm()) };
        Self {
            digest: Server::new(digest, now, seed),
            backoff: Backoff::new(config.backoff),
            gateways: config.gateways.clone(),
            offers: Offers::default(),
            directory,
        }
    }

    /// Judges a request outside a dialog. `account_only` keeps guests out.
    pub(super) fn judge(&mut self, now: Instant, ours: &OurHosts, request: &Request, from: &Hop, account_only: bool) -> Entry {
        let Some(address) = request.from() else { return closed(400) };
        let shows = request.headers.get("Authorization").is_some();
        let claims = ours.has(&address.uri);
        if !claims && !account_only && !shows {
            return Entry::Open(Caller { user: None, admin: false, admitted: self.is_gateway(request, from), address });
        }
        let ip = from.socket().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |a| a.ip());
        // A gateway may say that the caller is a number of ours; it answers for who that is.
        if !account_only && !shows && self.is_gateway(request, from) {
            return Entry::Open(Caller { user: None, admin: false, admitted: true, address });
        }
        let claimed: Option<UserName> = address.uri.user().and_then(|u| u.parse().ok());
        if shows && let Wait::Wait(wait) = self.wait(now, ip, request, claimed.as_ref()) {
            let (status, headers) = barred("passwords", wait);
            return Entry::Closed { status, headers };
        }
        let directory = Arc::clone(&self.directory);
        match self.digest.verify(now, request, |user, algorithm| find(&directory, user, algorithm)) {
            Verdict::Malformed => closed(400),
            Verdict::Accepted { username, algorithm } => {
                if !self.digest.is_last(algorithm)
                    && let Some((from, user)) = from.socket().zip(claimed.as_ref())
                {
                    self.offers.answered(from, user.as_str());
                }
                let Some(account) = username.parse().ok().and_then(|user| self.directory.account(&user)) else { return closed(403) };
                self.backoff.handle_success(now, ip, &account.name);
                // Whoever says to be one of ours must be that one (RFC 3261 §22.4 leaves it to us).
                let target_is_self = claimed.as_ref() == Some(&account.name);
                if claims && !target_is_self && account.role != Role::Admin {
                    tracing::info!(user = %account.name, from = %address.uri, "From is another user's");
                    return closed(403);
                }
                Entry::Open(Caller { user: Some(account.name.clone()), admin: account.role == Role::Admin, admitted: true, address })
            }
            Verdict::Challenge { why, stale, username } => {
                if why == Denied::Wrong {
                    let user: Option<UserName> = username.and_then(|u| u.parse().ok());
                    tracing::info!(%ip, user = user.as_ref().map(tracing::field::display), method = %request.method, "wrong credentials");
                    self.backoff.handle_failure(now, ip, user.as_ref());
                }
                let mut offered = self.digest.challenges(now, stale);
                if !shows
                    && let Some((from, user)) = from.socket().zip(claimed.as_ref())
                    && self.offers.challenged(now, from, user.as_str())
                {
                    offered.drain(..offered.len().saturating_sub(1));
                }
                Entry::Closed { status: 401, headers: offered.into_iter().map(|c| ("WWW-Authenticate".to_owned(), c)).collect() }
            }
        }
    }

    /// How long whoever answers a challenge has to wait: by the name it answers with, which failures are counted for, and by the
    /// one in From.
    fn wait(&self, now: Instant, ip: IpAddr, request: &Request, claimed: Option<&UserName>) -> Wait {
        let answering: Option<UserName> = self.digest.claimed(request).and_then(|user| user.parse().ok());
        match self.backoff.check(now, ip, answering.as_ref()) {
            Wait::Allowed if claimed.is_some() && claimed != answering.as_ref() => self.backoff.check(now, ip, claimed),
            verdict => verdict,
        }
    }

    /// True for a call that comes from a gateway's address.
    fn is_gateway(&self, request: &Request, from: &Hop) -> bool {
        request.method == Method::Invite && from.socket().is_some_and(|address| self.gateways.at(address.ip()).is_some())
    }

    /// True for what no guest may do.
    pub(super) fn wants_account(request: &Request) -> bool {
        let control = request.uri.user().as_deref() == Some("control");
        match request.method {
            Method::Register | Method::Message | Method::Refer => true,
            Method::Invite => control,
            _ => false,
        }
    }
}

fn closed(status: u16) -> Entry {
    Entry::Closed { status, headers: Vec::new() }
}

fn find(directory: &Directory, user: &str, algorithm: Algorithm) -> Option<Ha1> {
    let user: UserName = user.parse().ok()?;
    let kept = match algorithm {
        Algorithm::Sha256 => A1Algorithm::Sha256,
        Algorithm::Md5 => A1Algorithm::Md5,
    };
    match directory.hashed_a1(&user, kept) {
        Ok(a1) => Ha1::from_hex(algorithm, &a1?.reveal_hex()),
        Err(why) => {
            tracing::error!(%user, %why, "the account's secret cannot be opened");
            None
        }
    }
}
