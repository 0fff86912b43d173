//! The terminal's registration (RFC 3261 §10.2), refreshed at two thirds of its time.

use std::time::{Duration, Instant};

use super::{Refusal, Terminal, TerminalEvent};
use crate::sip::{
    endpoint::{OutOfDialog, Outgoing, Sequence},
    message::{Method, NameAddr, Response},
};

/// After a failed refresh, the next try.
const RETRY: Duration = Duration::from_secs(10);

/// How the registration stands.
#[derive(Debug, Default)]
pub struct Registration {
    wanted: u32,
    asking: Option<Outgoing>,
    /// What is wanted has changed while a REGISTER is under way: another follows it.
    again: bool,
    refresh_at: Option<Instant>,
    sequence: Option<Sequence>,
    /// What the terminal understands beyond the usual (RFC 3840).
    features: Vec<String>,
}

impl Registration {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.refresh_at
    }

    pub(super) fn busy(&self) -> bool {
        self.asking.is_some()
    }
}

impl Terminal {
    pub(super) fn register(&mut self, now: Instant, seconds: u32) {
        self.registration.wanted = seconds;
        self.registration.refresh_at = None;
        if self.registration.busy() {
            // Their numbers are to rise in the order of sending (RFC 3261 §10.2).
            self.registration.again = true;
            return;
        }
        let hop = self.config.server.hop();
        let identity = &self.config.identity;
        let user = identity.address.uri.user();
        let contact = self.endpoint.contact(user.as_deref(), hop.transport);
        let contact = self.registration.features.iter().fold(contact, |contact, feature| contact.with_param(feature, None));
        let request = OutOfDialog {
            method: Method::Register,
            uri: crate::sip::message::SipUri { user: None, ..self.config.server.uri.clone() }.into(),
            to: NameAddr { display: None, ..identity.address.clone() },
            from: identity.address.clone(),
            contact: Some(contact),
            hop,
            route: Vec::new(),
            sequence: self.registration.sequence.clone(),
            headers: vec![("Expires".to_owned(), seconds.to_string())],
            body: None,
            credentials: identity.credentials.clone(),
        };
        match self.endpoint.send(now, request) {
            Ok(outgoing) => self.registration.asking = Some(outgoing),
            Err(why) => {
                self.registration.refresh_at = (seconds > 0).then(|| now + RETRY);
                let refusal = Refusal::here(503, why.to_string());
                self.events.push_back(TerminalEvent::RegistrationFailed(refusal));
            }
        }
    }

    /// From the next registration on the terminal says that it has this feature: a tag of RFC 3840, such as `+confkit.channel`.
    pub fn announce(&mut self, feature: &str) {
        self.registration.features.push(feature.to_ascii_lowercase());
    }

    pub(super) fn unregister(&mut self, now: Instant) {
        if self.registration.wanted > 0 {
            self.register(now, 0);
        }
    }

    pub(super) fn refresh_registration(&mut self, now: Instant) {
        if self.registration.refresh_at.is_some_and(|at| at <= now) {
            self.register(now, self.registration.wanted);
        }
    }

    pub(super) fn on_registered(&mut self, now: Instant, outgoing: Outgoing, response: &Response) {
        if self.registration.asking != Some(outgoing) {
            return;
        }
        self.registration.asking = None;
        if let (Some(call_id), Some(cseq)) = (response.call_id(), response.cseq()) {
            self.registration.sequence = Some(Sequence { call_id: call_id.to_owned(), cseq: cseq.seq.saturating_add(1) });
        }
        if std::mem::take(&mut self.registration.again) {
            return self.register(now, self.registration.wanted);
        }
        if !(200..300).contains(&response.status) {
            let refusal = Refusal::of(response, &self.config.server);
            self.registration.refresh_at = (self.registration.wanted > 0 && refusal.status >= 500).then(|| now + RETRY);
            self.events.push_back(TerminalEvent::RegistrationFailed(refusal));
            return;
        }
        let granted = granted(response).unwrap_or(self.registration.wanted);
        if self.registration.wanted > 0 {
            // A registrar that grants nothing is asked again as after a failure, not at once.
            let before = if granted == 0 { RETRY } else { Duration::from_secs(u64::from(granted)) * 2 / 3 };
            self.registration.refresh_at = Some(now + before);
            self.events.push_back(TerminalEvent::Registered(granted));
        }
    }
}

/// The time granted: the Contact's, else the Expires header's.
fn granted(response: &Response) -> Option<u32> {
    let of_contact = response.contacts().filter_map(|c| c.param("expires").and_then(|e| e.parse().ok())).min();
    of_contact.or_else(|| response.headers.get("Expires").and_then(|e| e.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use bytes::Bytes;

    use super::{super::TerminalConfig, *};
    use crate::{
        clock,
        conference::client::{Identity, ServerAddress},
        sdp::LocalAudio,
        sip::{
            endpoint::{Endpoint, EndpointConfig},
            message::{Headers, Host},
        },
    };

    fn terminal() -> Terminal {
        let here = Ipv4Addr::LOCALHOST.into();
        let config = TerminalConfig {
            identity: Identity::guest(None, Host::Ip(here), None),
            server: ServerAddress::new("sip:192.0.2.1".parse().expect("server")),
            audio: LocalAudio::new(SocketAddr::new(here, 0), Vec::new()),
            session_id: 1,
            answer: false,
            ring: Duration::ZERO,
            part: None,
        };
        Terminal::new(Endpoint::new(EndpointConfig::default(), [7; 32]), config)
    }

    #[test]
    fn a_registration_is_refreshed_at_two_thirds_of_what_is_granted_and_nothing_granted_is_not_asked_for_again_at_once() {
        for (granted, refresh) in [("3600", 2400), ("60", 40), ("0", 10)] {
            let (mut terminal, now) = (terminal(), clock::now());
            terminal.register(now, 3600);
            let asked = terminal.registration.asking.expect("a REGISTER under way");
            let mut headers = Headers::new();
            headers.push("Expires", granted);
            let response = Response { status: 200, reason: "OK".to_owned(), headers, body: Bytes::new(), unheard: None };
            terminal.on_registered(now, asked, &response);
            assert_eq!(terminal.registration.next_timeout(), Some(now + Duration::from_secs(refresh)), "granted {granted}");
        }
    }
}
