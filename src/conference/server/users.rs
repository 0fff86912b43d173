//! Whom a URI or a name means, and where to call.

use std::{
    collections::VecDeque,
    time::{Duration, Instant, SystemTime},
};

use super::{Gateways, OurHosts, Way, gateway};
use crate::{
    account::{Audience, Directory, Role, Ticket},
    conference::{
        focus::{Callee, Users},
        wire::{
            Timestamp,
            control::{ErrorCode, Failure, Issued},
        },
    },
    id::UserName,
    sip::{
        Address, Hop, Transport,
        message::{Host, SipUri, Uri},
        registrar::{Aor, Binding, Registrar},
    },
};

/// The users of this server and the world outside, as the focus sees them.
#[derive(Debug)]
pub(super) struct Directions<'a> {
    pub(super) ours: &'a OurHosts,
    pub(super) gateways: &'a Gateways,
    pub(super) directory: &'a Directory,
    pub(super) registrar: &'a Registrar,
    /// The one domain that addresses of record are kept under.
    pub(super) domain: &'a Host,
    pub(super) outbound: Transport,
    pub(super) started: Instant,
    pub(super) now: Instant,
}

impl Users for Directions<'_> {
    fn locate(&self, now: Instant, target: &str) -> Result<Callee, Failure> {
        let target = target.trim();
        // A number may read as a user's name; the account comes first.
        let user = target.parse::<UserName>().ok();
        if let Some(user) = &user
            && self.directory.account(user).is_some()
        {
            return self.user(now, user);
        }
        if let Some(number) = gateway::number(target) {
            return self.number(&number);
        }
        if let Some(user) = &user {
            return self.user(now, user);
        }
        let uri: Uri = target.parse().map_err(|_| {
            Failure::new(
                ErrorCode::Usage,
                format!("\"{target}\" is neither a user's name, a number, nor a SIP URI such as sip:bob@192.0.2.7"),
            )
        })?;
        self.called(now, &uri)
    }

    fn is_admin(&self, user: &UserName) -> Option<bool> {
        self.directory.account(user).map(|account| account.role == Role::Admin)
    }

    fn contacts(&self) -> usize {
        self.registrar.users(self.now).map(|(_, contacts)| contacts).sum()
    }

    fn uptime(&self, now: Instant) -> Duration {
        now.duration_since(self.started)
    }

    fn ticket(&self, wall: SystemTime, user: &UserName, audience: Audience, action: Option<String>) -> Result<Issued, Failure> {
        let Some(key) = self.directory.tickets() else {
            return Err(Failure::new(ErrorCode::Failed, "this server issues no tickets"));
        };
        let ticket = Ticket::new(user.clone(), audience, action, wall);
        let signed = ticket.sign(key).map_err(|why| Failure::new(ErrorCode::Usage, why.to_string()))?;
        Ok(Issued { ticket: signed, audience, expires: Timestamp::from_unix(ticket.expires()) })
    }
}

impl Directions<'_> {
    /// Whom a SIP URI means, and the way there: one of our users, a number by its gateway, or a host that a route leads to.
    ///
    /// # Errors
    /// As [`Users::locate`].
    pub(super) fn called(&self, now: Instant, uri: &Uri) -> Result<Callee, Failure> {
        let Some(sip) = uri.sip() else {
            return Err(Failure::new(ErrorCode::Usage, format!("\"{uri}\": only sip:, sips: and tel: URIs can be called")));
        };
        let called = sip.decoded_user().unwrap_or_default();
        if self.ours.has(uri) {
            let user = called.parse().ok().filter(|user| self.directory.account(user).is_some());
            return match (user, gateway::number(&called)) {
                (Some(user), _) => self.user(now, &user),
                (None, Some(number)) => self.number(&number),
                (None, None) => Err(Failure::new(ErrorCode::NotFound, format!("no user {uri}"))),
            };
        }
        match self.gateways.way(&format!("{called}@{}", sip.host)) {
            Some(Way::Direct) => {
                let hop = hop_of(sip, self.outbound);
                Ok(Callee { user: None, contacts: VecDeque::from([(uri.clone(), hop)]), credentials: None, uri: uri.clone() })
            }
            Some(Way::By(gateway)) => {
                let hop = hop_of(&gateway.uri, self.outbound);
                let credentials = gateway.credentials.clone();
                Ok(Callee { user: None, contacts: VecDeque::from([(uri.clone(), hop)]), credentials, uri: uri.clone() })
            }
            None => Err(Failure::new(ErrorCode::Forbidden, format!("no route leads to {uri}"))),
        }
    }

    fn user(&self, now: Instant, user: &UserName) -> Result<Callee, Failure> {
        if self.directory.account(user).is_none() {
            return Err(Failure::new(ErrorCode::NotFound, format!("no user {user}")));
        }
        let uri = self.address_of_record(user);
        let contacts = self.contacts_of(now, &uri);
        if contacts.is_empty() {
            return Err(Failure::new(ErrorCode::Unreachable, format!("user {user} is not registered anywhere")));
        }
        Ok(Callee { uri: uri.into(), user: Some(user.clone()), contacts, credentials: None })
    }

    /// A number goes out by a gateway, which knows it as a user of its own.
    fn number(&self, number: &str) -> Result<Callee, Failure> {
        let Some(Way::By(gateway)) = self.gateways.way(number) else {
            return Err(Failure::new(ErrorCode::Forbidden, format!("no route leads to the number {number}")));
        };
        let uri = Uri::from(SipUri { user: Some(number.to_owned()), ..gateway.uri.clone() });
        let hop = hop_of(&gateway.uri, self.outbound);
        Ok(Callee { user: None, contacts: VecDeque::from([(uri.clone(), hop)]), credentials: gateway.credentials.clone(), uri })
    }

    /// `sip:<user>@<domain>`.
    pub(super) fn address_of_record(&self, user: &UserName) -> SipUri {
        SipUri::new(Some(user.as_str()), self.domain.clone(), None)
    }

    /// Where a user registered, most wanted first.
    pub(super) fn contacts_of(&self, now: Instant, aor: &SipUri) -> VecDeque<(Uri, Hop)> {
        self.contacts_that(now, aor, |_| true)
    }

    /// The same of those contacts that announced a feature (RFC 3840 §9): a feature tag alone is true.
    pub(super) fn contacts_with(&self, now: Instant, aor: &SipUri, feature: &str) -> VecDeque<(Uri, Hop)> {
        let feature = feature.to_ascii_lowercase();
        self.contacts_that(now, aor, |binding| binding.contact.param(&feature).is_some_and(|value| !value.eq_ignore_ascii_case("false")))
    }

    fn contacts_that(&self, now: Instant, aor: &SipUri, fits: impl Fn(&Binding) -> bool) -> VecDeque<(Uri, Hop)> {
        let Ok(aor) = Aor::of_uri(aor) else { return VecDeque::new() };
        let way = |binding: &Binding| {
            let uri = binding.uri()?;
            Some((Uri::from(uri.clone()), binding.hop.clone().unwrap_or_else(|| hop_of(uri, self.outbound))))
        };
        self.registrar.lookup(now, &aor).into_iter().filter(|binding| fits(binding)).filter_map(way).collect()
    }
}

/// The next hop of a URI (RFC 3263 without NAPTR and SRV): `maddr`, `transport` and port as written, else the defaults.
pub fn hop_of(uri: &SipUri, otherwise: Transport) -> Hop {
    let transport = match uri.param("transport").map(str::to_ascii_lowercase).as_deref() {
        _ if uri.secure => Transport::Tls,
        Some("udp") => Transport::Udp,
        Some("tcp") => Transport::Tcp,
        Some("tls") => Transport::Tls,
        _ => otherwise,
    };
    let host = uri.param("maddr").and_then(|m| m.parse().ok()).unwrap_or_else(|| uri.host.clone());
    let port = uri.port.unwrap_or(transport.default_port());
    let address = match host {
        Host::Ip(ip) => Address::Socket((ip, port).into()),
        Host::Name(host) => Address::Name { host, port },
    };
    Hop { transport, address, flow: None }
}
