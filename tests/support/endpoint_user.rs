//! An [`Endpoint`] and the script above it, as a column of a ladder.
//!
//! Commands, about the newest call, request or subscription:
//!
//! | command | verb of the endpoint |
//! |---|---|
//! | `invite [BODY]` | `invite` of the other column; details are headers; `to: URI`, `route: ROUTE`, `credentials: USER PASSWORD` |
//! | `ring`, `accept [BODY]`, `reject 486` | `provisional` 180, `accept`, `reject` |
//! | `ack [BODY]`, `cancel`, `bye`, `reinvite [BODY]`, `withdraw` | the same |
//! | `request INFO [BODY]`, `send OPTIONS [BODY]`, `respond 200 [BODY]` | the same; details are headers |
//! | `subscribe PACKAGE SECONDS`, `unsubscribe` | the same |
//! | `accept subscription SECONDS`, `accept refer`, `notify [BODY]`, `notify last [BODY]` | the same |
//! | `transport fails at HOP` | `handle_transport_error` |
//! | `idle?` | says whether anything is left |

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use confkit::sip::{
    digest::{Algorithm, Ha1, Server, ServerConfig, Verdict},
    endpoint::{
        Body, Call, Credentials, Ending, Endpoint, EndpointConfig, Event, Incoming, Invite, OutOfDialog, Reason, Subscribe, Subscription,
        SubscriptionEnding, SubscriptionState,
    },
    hop::{Hop, Transport},
    message::{Message, Method, NameAddr, Request, SipUri, Uri},
    node::{Arrival, SendFault},
    transaction::Timers,
};

use super::ladder::{Column, Node, Output, Script, summary};

/// Where the columns of these ladders live.
const PLACES: [(&str, &str); 2] = [("alice", "192.0.2.1:5060"), ("bob", "192.0.2.2:5060")];

/// The columns of a ladder of endpoints.
///
/// | directive | meaning |
/// |---|---|
/// | `over udp` | or tcp or local; UDP without |
/// | `played bob` | the script plays bob |
/// | `session alice 1800` | bob's or alice's session interval in seconds; off without |
/// | `min-se bob 3600` | the shortest session interval that bob takes |
/// | `bob challenges` | bob wants digest credentials: alice, secret; `bob challenges 60s` makes nonces that live so long |
/// | `bob answers BODY`, `bob refuses 403` | bob does so as soon as he is called |
/// | `serves bob conference` | bob takes SUBSCRIBE for the package |
/// | `takes bob x-package` | bob takes INFO of the package |
/// | `limit bob calls 1` | a bound |
pub fn columns(script: &Script, timers: &Timers) -> Vec<Column> {
    let transport = match script.directives.iter().find(|(name, _)| name == "over").map(|(_, value)| value.as_str()) {
        Some("tcp") => Transport::Tcp,
        Some("local") => Transport::Local,
        Some("udp") | None => Transport::Udp,
        Some(other) => panic!("no transport {other}"),
    };
    let hops = |name: &str, place: &str| match transport {
        Transport::Local => vec![Hop::local(name)],
        // UDP peers are found by TCP as well: large requests go there.
        _ => {
            let socket = place.parse().expect("an address");
            let mut hops = vec![Hop::new(transport, socket)];
            hops.extend((transport == Transport::Udp).then(|| Hop::new(Transport::Tcp, socket)));
            hops
        }
    };
    (0..2)
        .map(|at| {
            let ((name, place), (peer, there)) = (PLACES[at], PLACES[1 - at]);
            let played = script.directives.iter().any(|(n, v)| n == "played" && v == name);
            let node: Option<Box<dyn Node>> = if played {
                None
            } else {
                Some(Box::new(User::new(name, peer, &hops(name, place), hops(peer, there)[0].clone(), script, timers, at)))
            };
            Column { name, hops: hops(name, place), node }
        })
        .collect()
}

/// One endpoint and what its script has in hand.
pub struct User {
    name: &'static str,
    peer_name: &'static str,
    here: Hop,
    there: Hop,
    endpoint: Endpoint,
    judge: Option<Server>,
    at_once: Option<AtOnce>,
    call: Option<Call>,
    incoming: Option<Incoming>,
    subscription: Option<Subscription>,
    outputs: VecDeque<Output>,
}

/// What a user does without a command when it is called.
enum AtOnce {
    Answer(String),
    Refuse(u16),
}

impl User {
    fn new(name: &'static str, peer_name: &'static str, here: &[Hop], there: Hop, script: &Script, timers: &Timers, at: usize) -> Self {
        let mut config =
            EndpointConfig { session_expires: None, user_agent: name.to_owned(), timers: timers.clone(), ..EndpointConfig::default() };
        for hop in here {
            config = match hop.socket() {
                Some(addr) => config.at(hop.transport, confkit::sip::message::Host::Ip(addr.ip()), Some(addr.port())),
                None => config.role(name),
            };
        }
        let (mut judge, mut at_once) = (None, None);
        for (directive, value) in &script.directives {
            let words: Vec<_> = value.split(' ').collect();
            let mine = words.first() == Some(&name);
            match (directive.as_str(), &words[1.min(words.len())..]) {
                ("session", [s]) if mine => config.session_expires = Some(Duration::from_secs(s.parse().expect("seconds"))),
                ("min-se", [s]) if mine => config.min_se = Duration::from_secs(s.parse().expect("seconds")),
                ("serves", [package]) if mine => config.events.push((*package).to_owned()),
                ("takes", [package]) if mine => config.recv_info.push((*package).to_owned()),
                ("limit", ["calls", n]) if mine => config.limits.calls = n.parse().expect("a number"),
                ("limit", ["incoming", n]) if mine => config.limits.incoming = n.parse().expect("a number"),
                ("over" | "played" | "session" | "min-se" | "serves" | "takes" | "limit", _) => {}
                (who, _) if words[0] == "challenges" => {
                    if who == name {
                        let mut settings = ServerConfig::new("example");
                        if let Some(life) = words.get(1).and_then(|w| w.strip_suffix('s')) {
                            settings.nonce_life = Duration::from_secs(life.parse().expect("seconds"));
                        }
                        judge = Some(Server::new(settings, confkit::clock::now(), [9; 32]));
                    }
                }
                (who, [body]) if words[0] == "answers" => at_once = (who == name).then(|| AtOnce::Answer((*body).to_owned())).or(at_once),
                (who, [status]) if words[0] == "refuses" => {
                    at_once = (who == name).then(|| AtOnce::Refuse(status.parse().expect("a status"))).or(at_once);
                }
                _ => panic!("no directive {directive} {value}"),
            }
        }
        let here = here[0].clone();
        let endpoint = Endpoint::new(config, [at as u8 + 1; 32]);
        Self {
            name,
            peer_name,
            here,
            there,
            endpoint,
            judge,
            at_once,
            call: None,
            incoming: None,
            subscription: None,
            outputs: VecDeque::new(),
        }
    }

    fn uri(name: &str, hop: &Hop) -> Uri {
        let uri = match hop.socket() {
            Some(addr) => SipUri::at(Some(name), addr),
            None => format!("sip:{name}@{name}.invalid").parse().expect("a URI"),
        };
        match hop.transport {
            Transport::Udp => uri.into(),
            transport => uri.with_param("transport", Some(transport.uri_param())).into(),
        }
    }

    fn say(&mut self, text: impl Into<String>) {
        self.outputs.push_back(Output::Saw(text.into()));
    }

    fn invite(&mut self, now: Instant, body: Option<Body>, details: &[String]) {
        let Details { headers, to, route, credentials } = Details::of(details);
        let uri = to.unwrap_or_else(|| Self::uri(self.peer_name, &self.there));
        let invite = Invite {
            to: NameAddr::new(uri.clone()),
            uri,
            from: NameAddr::new(Self::uri(self.name, &self.here)),
            contact: self.endpoint.contact(Some(self.name), self.here.transport),
            hop: self.there.clone(),
            route,
            headers,
            body,
            credentials,
        };
        match self.endpoint.invite(now, invite) {
            Ok(call) => self.call = Some(call),
            Err(why) => self.say(format!("failed to call: {why}")),
        }
    }

    fn send(&mut self, now: Instant, method: &str, body: Option<Body>, details: &[String]) {
        let Details { headers, to, route, credentials } = Details::of(details);
        let uri = to.unwrap_or_else(|| Self::uri(self.peer_name, &self.there));
        let request = OutOfDialog {
            method: Method::from_token(method),
            to: NameAddr::new(uri.clone()),
            uri,
            from: NameAddr::new(Self::uri(self.name, &self.here)),
            contact: None,
            hop: self.there.clone(),
            route,
            sequence: None,
            headers,
            body,
            credentials,
        };
        if let Err(why) = self.endpoint.send(now, request) {
            self.say(format!("failed to send: {why}"));
        }
    }

    fn subscribe(&mut self, now: Instant, event: &str, expires: &str, details: &[String]) {
        let Details { headers, to, route, credentials } = Details::of(details);
        let uri = to.unwrap_or_else(|| Self::uri(self.peer_name, &self.there));
        let subscribe = Subscribe {
            to: NameAddr::new(uri.clone()),
            uri,
            from: NameAddr::new(Self::uri(self.name, &self.here)),
            contact: self.endpoint.contact(Some(self.name), self.here.transport),
            hop: self.there.clone(),
            route,
            event: event.to_owned(),
            expires: expires.parse().expect("seconds"),
            accept: vec!["text/plain".to_owned()],
            headers,
            body: None,
            credentials,
        };
        match self.endpoint.subscribe(now, subscribe) {
            Ok(subscription) => self.subscription = Some(subscription),
            Err(why) => self.say(format!("failed to subscribe: {why}")),
        }
    }

    fn notify(&mut self, now: Instant, state: SubscriptionState, body: Option<Body>) {
        let Some(subscription) = self.subscription else { return self.say("no subscription") };
        if let Err(why) = self.endpoint.notify(now, subscription, state, body) {
            self.say(format!("failed to notify: {why}"));
        }
    }

    /// What the judge, if there is one, says of a request: the challenges when it wants credentials.
    fn judged(&mut self, now: Instant, request: &Request) -> Option<Vec<(String, String)>> {
        let judge = self.judge.as_mut()?;
        let find = |user: &str, algorithm: Algorithm| (user == "alice").then(|| Ha1::new(algorithm, user, "example", "secret"));
        match judge.verify(now, request, find) {
            Verdict::Accepted { .. } => None,
            Verdict::Challenge { stale, .. } => {
                Some(judge.challenges(now, stale).into_iter().map(|value| ("WWW-Authenticate".to_owned(), value)).collect())
            }
            Verdict::Malformed => panic!("our client makes credentials that cannot be read"),
        }
    }

    fn told(&mut self, now: Instant, event: Event) {
        let text = match event {
            Event::Invite { call, request, .. } => {
                if let Some(challenges) = self.judged(now, &request) {
                    return self.endpoint.reject(now, call, 401, challenges);
                }
                self.call = Some(call);
                match &self.at_once {
                    Some(AtOnce::Answer(body)) => self.endpoint.accept(now, call, Some(Body::sdp(body.clone())), Vec::new()),
                    Some(AtOnce::Refuse(status)) => self.endpoint.reject(now, call, *status, Vec::new()),
                    None => {}
                }
                format!("INVITE{}", shown(&request.body))
            }
            Event::Reinvite { call, request } => {
                if let Some(challenges) = self.judged(now, &request) {
                    return self.endpoint.reject(now, call, 401, challenges);
                }
                format!("re-INVITE{}", shown(&request.body))
            }
            Event::ReinviteCancelled { .. } => "the re-INVITE taken back".to_owned(),
            Event::Acked { request, .. } => format!("ACK{}", shown(&request.body)),
            Event::AckMissing { .. } => "no ACK".to_owned(),
            Event::Cancelled { reason, .. } => format!("CANCEL{}", reason.map_or_else(String::new, |r| format!(" ({r})"))),
            Event::Progress { response, .. } => format!("progress {}", response.status),
            Event::Accepted { response, .. } => format!("accepted {}{}", response.status, shown(&response.body)),
            Event::Rejected { response, .. } => format!("rejected {}", response.status),
            Event::ReinviteRejected { response, .. } => format!("re-INVITE rejected {}", response.status),
            Event::Refreshed { response, .. } => format!("refreshed{}", shown(&response.body)),
            Event::Request { incoming, call, request, .. } => {
                if let Some(challenges) = self.judged(now, &request) {
                    return self.endpoint.respond(now, incoming, 401, challenges, None);
                }
                self.incoming = Some(incoming);
                format!("{}{}{}", request.method, if call.is_some() { " in the call" } else { "" }, shown(&request.body))
            }
            Event::Response { response, .. } => summary(&Message::Response(response)),
            Event::Subscribe { expires, .. } => format!("SUBSCRIBE again for {expires}"),
            Event::Subscribed { response, .. } => format!("subscribed {}", response.status),
            Event::Notify { incoming, request, .. } => {
                self.incoming = Some(incoming);
                let state = request.headers.get("Subscription-State").unwrap_or_default().to_owned();
                format!("NOTIFY {state}{}", shown(&request.body))
            }
            Event::SubscriptionEnded { why, .. } => format!("the subscription end: {}", subscription_ending(&why)),
            Event::Ended { why, .. } => format!("the end: {}", ending(&why)),
            other => panic!("no words for {other:?}"),
        };
        self.say(text);
    }
}

struct Details {
    headers: Vec<(String, String)>,
    to: Option<Uri>,
    route: Vec<NameAddr>,
    credentials: Option<Credentials>,
}

impl Details {
    fn of(details: &[String]) -> Self {
        let mut it = Self { headers: Vec::new(), to: None, route: Vec::new(), credentials: None };
        for (name, value) in details.iter().filter_map(|d| d.split_once(": ")) {
            match name {
                "to" => it.to = Some(value.parse().expect("a URI")),
                "route" => it.route.push(value.parse().expect("a route")),
                "credentials" => {
                    let (user, password) = value.split_once(' ').expect("user and password");
                    it.credentials = Some(Credentials::new(user, password));
                }
                _ => it.headers.push((name.to_owned(), value.to_owned())),
            }
        }
        it
    }
}

impl Node for User {
    fn command(&mut self, now: Instant, text: &str, details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        let body = |words: &[&str]| (!words.is_empty()).then(|| Body::sdp(words.join(" ")));
        let plain = |words: &[&str]| (!words.is_empty()).then(|| Body::new("text/plain", words.join(" ")));
        let headers = Details::of(details).headers;
        let call = self.call;
        let known = || call.expect("a call");
        if (words[0] == "respond" || matches!(words[..], ["accept", "refer"] | ["accept", "subscription", _])) && self.incoming.is_none() {
            return self.say("no request to answer");
        }
        let about_a_call = ["ring", "reject", "ack", "cancel", "bye", "reinvite", "withdraw", "request"].contains(&words[0])
            || (words[0] == "accept" && !matches!(words[..], ["accept", "refer"] | ["accept", "subscription", _]));
        if about_a_call && self.call.is_none() {
            return self.say("no call");
        }
        if words[0] == "unsubscribe" && self.subscription.is_none() {
            return self.say("no subscription");
        }
        match words[..] {
            ["invite", ref rest @ ..] => self.invite(now, body(rest), details),
            ["ring"] => self.endpoint.provisional(now, known(), 180, None),
            ["accept", "subscription", expires] => {
                let incoming = self.incoming.take().expect("a SUBSCRIBE");
                match self.endpoint.accept_subscription(now, incoming, expires.parse().expect("seconds")) {
                    Ok(subscription) => self.subscription = Some(subscription),
                    Err(why) => self.say(format!("failed to accept: {why}")),
                }
            }
            ["accept", "refer"] => {
                let incoming = self.incoming.take().expect("a REFER");
                match self.endpoint.accept_refer(now, incoming) {
                    Ok(Some(subscription)) => self.subscription = Some(subscription),
                    Ok(None) => self.say("no subscription wanted"),
                    Err(why) => self.say(format!("failed to accept: {why}")),
                }
            }
            ["accept", ref rest @ ..] => self.endpoint.accept(now, known(), body(rest), headers),
            ["reject", status] => self.endpoint.reject(now, known(), status.parse().expect("a status"), headers),
            ["ack", ref rest @ ..] => self.endpoint.ack(now, known(), body(rest)),
            ["cancel"] => self.endpoint.cancel(now, known(), None),
            ["cancel", ref text @ ..] => self.endpoint.cancel(now, known(), Some(Reason::sip(200, &text.join(" ")))),
            ["bye"] => self.endpoint.bye(now, known(), None, headers),
            ["reinvite", ref rest @ ..] => {
                if let Err(why) = self.endpoint.reinvite(now, known(), body(rest)) {
                    self.say(format!("failed to re-INVITE: {why}"));
                }
            }
            ["withdraw"] => {
                let withdrawn = self.endpoint.withdraw_reinvites(known());
                self.say(format!("{withdrawn} withdrawn"));
            }
            ["request", method, ref rest @ ..] => {
                if let Err(why) = self.endpoint.request(now, known(), Method::from_token(method), headers, plain(rest)) {
                    self.say(format!("failed to send: {why}"));
                }
            }
            ["send", method, ref rest @ ..] => self.send(now, method, plain(rest), details),
            ["respond", status, ref rest @ ..] => {
                let incoming = self.incoming.take().expect("a request");
                self.endpoint.respond(now, incoming, status.parse().expect("a status"), headers, plain(rest));
            }
            ["subscribe", event, expires] => self.subscribe(now, event, expires, details),
            ["unsubscribe"] => self.endpoint.unsubscribe(now, self.subscription.expect("a subscription")),
            ["notify", "last", ref rest @ ..] => {
                let state = SubscriptionState::Terminated { reason: "noresource".to_owned(), retry_after: None };
                self.notify(now, state, plain(rest));
            }
            ["notify", ref rest @ ..] => self.notify(now, SubscriptionState::Active, plain(rest)),
            ["transport", "fails", "at", hop] => {
                let (transport, place) = hop.split_once(':').expect("transport:address");
                let transport = if transport == "tcp" { Transport::Tcp } else { Transport::Udp };
                self.endpoint.handle_transport_error(now, &Hop::new(transport, place.parse().expect("an address")), &SendFault::Refused);
            }
            _ => panic!("no command {text:?}"),
        }
        self.drain(now);
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        let Arrival::Message { bytes, from, .. } = arrival else { panic!("the harness delivers messages only") };
        self.endpoint.handle_bytes(now, bytes, from);
        self.drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.drain(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.next_timeout()
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.endpoint.poll_transmit().map(Output::Send))
    }

    fn closing(&self) -> Vec<String> {
        let (calls, subscriptions) = (self.endpoint.calls(), self.endpoint.subscriptions());
        let left = if self.endpoint.is_idle() { "idle" } else { "busy" };
        vec![format!("state {left}, {calls} calls, {subscriptions} subscriptions")]
    }
}

impl User {
    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            self.told(now, event);
        }
    }
}

fn shown(body: &bytes::Bytes) -> String {
    if body.is_empty() { String::new() } else { format!(" ({})", String::from_utf8_lossy(body)) }
}

fn ending(why: &Ending) -> String {
    match why {
        Ending::ByeReceived { reason: None } => "BYE received".to_owned(),
        Ending::ByeReceived { reason: Some(reason) } => format!("BYE received, {reason}"),
        Ending::ByeSent => "BYE sent".to_owned(),
        Ending::ByeUnanswered => "BYE sent and not answered".to_owned(),
        Ending::Rejected { status } => format!("rejected {status}"),
        Ending::Refused { status } => format!("refused {status}"),
        Ending::Cancelled => "cancelled".to_owned(),
        Ending::AckMissing => "no ACK".to_owned(),
        Ending::Expired => "session expired".to_owned(),
        Ending::Gone { status } => format!("gone {status}"),
    }
}

fn subscription_ending(why: &SubscriptionEnding) -> String {
    match why {
        SubscriptionEnding::Terminated { reason, retry_after } => {
            let reason = reason.as_deref().unwrap_or("no reason");
            format!("terminated, {reason}{}", retry_after.map_or_else(String::new, |s| format!(", retry after {s}")))
        }
        SubscriptionEnding::Unsubscribed => "unsubscribed".to_owned(),
        SubscriptionEnding::Expired => "expired".to_owned(),
        SubscriptionEnding::Refused { status, .. } => format!("refused {status}"),
    }
}
