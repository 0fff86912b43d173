//! The media server over its simulated plane as a column of a ladder, and an application server that does what the script says.
//!
//! | directive | meaning |
//! |---|---|
//! | `over local` | or udp, between addresses on loopback; in process without |
//! | `ports 20000-20003` | of the media server |
//! | `capacity 2` | most legs |
//! | `session 90` | session interval of the media server in seconds |
//! | `refuses info` | the application server answers INFO 488 |
//!
//! Commands of `as`, where LEG is a name that the script gives to a call: `invite LEG conf=standup`, `answers LEG` (what its next ACK carries, where
//! the 200 had an offer), `reinvite LEG`, `info LEG`, `bye LEG`, `cancel LEG`, `options`. Details, several of which make a multipart:
//!
//! * `sdp: 192.0.2.7:4000 0 101` — an audio line with these payload types, `inactive` and such behind them; more lines behind `;`, of
//!   other kinds as `video 192.0.2.7:4002 96`
//! * `mscml: <stop/>` — a request
//! * `body text/plain: x` — any other body
//!
//! Commands of `ms`: `rtp FROM TO tone 400ms`, `rtp FROM TO keys 12#`, `drain`, `end TEXT`. It says when media to an address begins.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use confkit::{
    conference::{
        called::Access,
        media_server::{
            Command, MediaServer, MediaServerConfig,
            ports::PortRange,
            simulated::{Datagram, SimulatedPlane},
        },
        wire::{
            mscml::{self, Notification},
            multipart::{self, Part},
            services::Services,
        },
    },
    media::{dtmf, g711, mixer::MixerConfig, rtp},
    sdp::{Description, Direction, Format, Media, Origin},
    sip::{
        endpoint::{Body, Call, Ending, Endpoint, EndpointConfig, Event, Invite, OutOfDialog},
        hop::{Hop, Transport},
        message::{Host, Method, NameAddr, SipUri, Uri},
        node::{Arrival, Node as _},
    },
};

use super::ladder::{Column, Node, Output, Script};

/// The tick of the plane, and of what participants send.
const TICK: Duration = Duration::from_millis(20);

/// The columns of these ladders: `as`, `ms`, and `eve`, whom the script plays.
pub fn columns(script: &Script) -> Vec<Column> {
    let directive = |name: &str| script.directives.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let here = |role: &str, address: &str| match directive("over") {
        Some("udp") => Hop::new(Transport::Udp, address.parse::<SocketAddr>().expect("an address")),
        Some("local") | None => Hop::local(role),
        Some(other) => panic!("no transport {other}"),
    };
    let (as_hop, ms_hop) = (here("as", "127.0.0.1:5060"), here("ms", "127.0.0.2:5060"));
    let eve = match ms_hop.transport {
        Transport::Local => Hop::local("eve"),
        transport => Hop::new(transport, "127.0.0.9:5060".parse::<SocketAddr>().expect("an address")),
    };
    let at = |config: EndpointConfig, hop: &Hop, role: &str| match hop.socket() {
        Some(address) => config.at(hop.transport, Host::Ip(address.ip()), Some(address.port())),
        None => config.role(role),
    };
    let mut config = MediaServerConfig::new(at(MediaServerConfig::endpoint(), &ms_hop, "ms"), "192.0.2.100".parse().expect("an address"));
    config.access = Access { loopback: vec!["127.0.0.1:5060".parse().expect("an address")], ..Access::default() };
    if let Some(capacity) = directive("capacity") {
        config.capacity = capacity.parse().expect("a number");
    }
    if let Some(interval) = directive("session") {
        config.endpoint.session_expires = Some(Duration::from_secs(interval.parse().expect("seconds")));
    }
    let ports = directive("ports").map_or((20_000, 20_999), |range| {
        let (first, last) = range.split_once('-').expect("FIRST-LAST");
        (first.parse().expect("a port"), last.parse().expect("a port"))
    });
    let server = MediaServerColumn {
        start: (config, PortRange { first: ports.0, last: ports.1 }),
        server: None,
        sources: BTreeMap::new(),
        heard: BTreeSet::new(),
        outputs: VecDeque::new(),
    };
    let user =
        EndpointConfig { allow: vec![Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Info], ..EndpointConfig::default() };
    let user = ApplicationServer {
        endpoint: Endpoint::new(EndpointConfig { session_expires: None, ..at(user, &as_hop, "as") }, [2; 32]),
        server: ms_hop.clone(),
        transport: as_hop.transport,
        refuses_info: directive("refuses") == Some("info"),
        calls: BTreeMap::new(),
        answers: BTreeMap::new(),
        outputs: VecDeque::new(),
    };
    vec![
        Column { name: "as", hops: vec![as_hop], node: Some(Box::new(user)) },
        Column { name: "ms", hops: vec![ms_hop], node: Some(Box::new(server)) },
        Column { name: "eve", hops: vec![eve], node: None },
    ]
}

struct MediaServerColumn {
    start: (MediaServerConfig, PortRange),
    /// Made when something first happens, so that the plane's ticks begin with the ladder.
    server: Option<MediaServer<SimulatedPlane>>,
    /// What participants send, by where they send it from.
    sources: BTreeMap<SocketAddr, Source>,
    /// Where media has been sent to.
    heard: BTreeSet<SocketAddr>,
    outputs: VecDeque<Output>,
}

/// One participant's sending.
struct Source {
    to: SocketAddr,
    header: rtp::HeaderWriter,
    timestamp: u32,
    tone_ticks: u32,
    keys: dtmf::Sender,
    next: Instant,
}

impl MediaServerColumn {
    fn server(&mut self, now: Instant) -> &mut MediaServer<SimulatedPlane> {
        let (config, ports) = &self.start;
        let plane = || SimulatedPlane::new(MixerConfig::default(), *ports, now, [7; 32]);
        self.server.get_or_insert_with(|| MediaServer::new(config.clone(), plane(), [1; 32]))
    }

    fn settle(&mut self, now: Instant) {
        self.server(now).handle_command(now, Command::Media);
        while let Some(datagram) = self.server(now).plane_mut().poll_transmit() {
            // RTCP says the same on the next port.
            if datagram.to.port() % 2 == 0 && self.heard.insert(datagram.to) {
                self.outputs.push_back(Output::Saw(format!("media begin: {} to {}", datagram.from, datagram.to)));
            }
        }
    }

    fn source(&mut self, now: Instant, from: &str, to: &str) -> &mut Source {
        let from: SocketAddr = from.parse().expect("an address");
        let n = self.sources.len() as u32;
        let new = || Source {
            to: to.parse().expect("an address"),
            header: rtp::HeaderWriter::new(1000 + n, 1),
            timestamp: 0,
            tone_ticks: 0,
            keys: dtmf::Sender::new(8000),
            next: now,
        };
        let source = self.sources.entry(from).or_insert_with(new);
        source.next = source.next.max(now);
        source
    }

    fn send_media(&mut self, now: Instant) {
        let mut datagrams = Vec::new();
        for (from, source) in &mut self.sources {
            while source.is_active() && source.next <= now {
                let bytes = source.packet();
                datagrams.extend(bytes.map(|bytes| Datagram { from: *from, to: source.to, bytes: bytes.into() }));
                source.next += TICK;
            }
        }
        for datagram in datagrams {
            self.server(now).plane_mut().deliver(now, &datagram);
        }
    }
}

impl Source {
    fn is_active(&self) -> bool {
        self.tone_ticks > 0 || self.keys.is_active()
    }

    fn packet(&mut self) -> Option<Vec<u8>> {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(160);
        let mut packet = vec![0; 12];
        if self.keys.is_active() {
            let event = self.keys.tick(timestamp)?;
            self.header.write(event.marker, 101, event.timestamp, &mut packet);
            packet.extend(event.event.to_bytes());
        } else {
            self.tone_ticks -= 1;
            self.header.write(false, 0, timestamp, &mut packet);
            packet.extend((0..160).map(|n| g711::encode_ulaw(if n / 10 % 2 == 0 { 8000 } else { -8000 })));
        }
        Some(packet)
    }
}

impl Node for MediaServerColumn {
    fn command(&mut self, now: Instant, text: &str, _: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            ["rtp", from, to, "tone", length] => {
                let millis: u32 = length.strip_suffix("ms").and_then(|n| n.parse().ok()).expect("NUMBERms");
                self.source(now, from, to).tone_ticks = millis / 20;
            }
            ["rtp", from, to, "keys", keys] => {
                self.source(now, from, to).keys.press(keys);
            }
            ["drain"] => self.server(now).handle_command(now, Command::Drain),
            ["end", ..] => self.server(now).handle_command(now, Command::End { reason: words[1..].join(" ") }),
            _ => panic!("no command {text:?}"),
        }
        self.send_media(now);
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        self.server(now).handle_arrival(now, arrival);
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.send_media(now);
        self.server(now).plane_mut().handle_timeout(now);
        self.settle(now);
        self.server(now).handle_timeout(now);
        self.settle(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        let sources = self.sources.values().filter(|s| s.is_active()).map(|s| s.next);
        let server = self.server.iter().flat_map(|s| s.next_timeout().into_iter().chain([s.plane().next_timeout()]));
        sources.chain(server).min()
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.server.as_mut()?.poll_transmit().map(Output::Send))
    }

    fn closing(&self) -> Vec<String> {
        let Some(server) = &self.server else { return Vec::new() };
        let gauges = server.gauges();
        let over = if server.finished() { ", finished" } else { "" };
        vec![format!("has {} legs in {} conferences{over}", gauges.legs(), gauges.conferences())]
    }
}

struct ApplicationServer {
    endpoint: Endpoint,
    server: Hop,
    transport: Transport,
    refuses_info: bool,
    calls: BTreeMap<String, Call>,
    answers: BTreeMap<String, Body>,
    outputs: VecDeque<Output>,
}

impl ApplicationServer {
    fn uri(&self, user: Option<&str>) -> Uri {
        let uri = match self.server.socket() {
            Some(address) => SipUri::at(user, address),
            None => SipUri::new(user, Host::Name("ms.invalid".to_owned()), None),
        };
        uri.into()
    }

    fn saw(&mut self, text: impl Into<String>) {
        self.outputs.push_back(Output::Saw(text.into()));
    }

    fn name(&self, call: Call) -> String {
        self.calls.iter().find(|(_, c)| **c == call).map_or_else(|| "a call".to_owned(), |(name, _)| name.clone())
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Accepted { call, response } => {
                    let name = self.name(call);
                    self.saw(format!("{name} accepted{}", described(&response.body)));
                    let answer = self.answers.remove(&name);
                    self.endpoint.ack(now, call, answer);
                }
                Event::Rejected { call, response } | Event::ReinviteRejected { call, response } => {
                    let why =
                        response.headers.get("Warning").map_or_else(String::new, |w| format!(": {}", w.trim_start_matches("399 confkit ")));
                    let name = self.name(call);
                    self.saw(format!("{name} refused {}{why}", response.status));
                }
                Event::Reinvite { call, request } => {
                    let name = self.name(call);
                    self.saw(format!("{name} reinvited{}", described(&request.body)));
                    let answer = self.answers.get(&name).cloned();
                    self.endpoint.accept(now, call, answer, Vec::new());
                }
                Event::Request { incoming, call: Some(call), request, .. } => {
                    let name = self.name(call);
                    let seen = mscml::Body::parse(&request.body).map_or_else(|e| e.to_string(), |body| told(&body));
                    self.saw(format!("{name}: {seen}"));
                    self.endpoint.respond(now, incoming, if self.refuses_info { 488 } else { 200 }, Vec::new(), None);
                }
                Event::Response { response, .. } if !response.body.is_empty() => {
                    let services = Services::parse(&response.body).expect("services");
                    let load = services.load.expect("load");
                    self.saw(format!("services: {}, {} of {} legs", services.role, load.legs, load.capacity));
                }
                Event::Response { response, .. } if response.status != 200 => {
                    self.saw(format!("{} to {}", response.status, response.cseq().expect("a CSeq").method));
                }
                Event::Ended { call, why } => {
                    let why = match why {
                        Ending::ByeReceived { reason } => {
                            format!("by BYE, {}", reason.map_or_else(|| "no reason".to_owned(), |r| r.to_string()))
                        }
                        other => format!("{other:?}"),
                    };
                    let name = self.name(call);
                    self.saw(format!("{name} ended: {why}"));
                }
                _ => {}
            }
        }
    }
}

/// What the lines of a description say, if it is one.
fn described(body: &Bytes) -> String {
    let Ok(description) = Description::parse(body) else { return String::new() };
    let line = |m: &Media| match m.address() {
        _ if m.port == 0 => format!("{} refused", m.kind),
        Some(address) => format!("{} at {address} {} {}", m.kind, m.formats.join(" "), m.direction.name()),
        None => "nowhere".to_owned(),
    };
    format!(": v{} {}", description.origin.version, description.media.iter().map(line).collect::<Vec<_>>().join(", "))
}

/// An MSCML body in a line.
fn told(body: &mscml::Body) -> String {
    match body {
        mscml::Body::Response(r) => {
            let mut text = format!("response {} {} {} {}", r.id.as_deref().unwrap_or("-"), r.request, r.code, r.text);
            if let Some(reason) = r.reason {
                text += &format!(", {reason}");
            }
            if let Some(digits) = &r.digits {
                text += &format!(", digits \"{digits}\"");
            }
            if let Some(played) = r.play_duration {
                text += &format!(", played {} ms", played.as_millis());
            }
            if let Some(error) = &r.error {
                text += &format!(", {} {} {}", error.context, error.code, error.text);
            }
            text
        }
        mscml::Body::Notification(Notification::Conference { unique_id, num_talkers, talkers }) => {
            // Call-IDs are made of random numbers; their number is enough to tell them apart by eye.
            format!("{num_talkers} talk in {unique_id} ({} named)", talkers.len())
        }
        mscml::Body::Notification(Notification::Keypress { digit, method, .. }) => format!("key {digit} {method}"),
        mscml::Body::Request(_) => "a request".to_owned(),
    }
}

impl Node for ApplicationServer {
    fn command(&mut self, now: Instant, text: &str, details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        let call = |name: &str| *self.calls.get(name).unwrap_or_else(|| panic!("no call {name}"));
        match words[..] {
            ["invite", name, user] => {
                let uri = self.uri(Some(user));
                let invite = Invite {
                    to: NameAddr::new(uri.clone()),
                    uri,
                    from: NameAddr::new(self.uri(Some("focus"))),
                    contact: self.endpoint.contact(Some("focus"), self.transport),
                    hop: self.server.clone(),
                    route: Vec::new(),
                    headers: Vec::new(),
                    body: body(details),
                    credentials: None,
                };
                let call = self.endpoint.invite(now, invite).expect("room for a call");
                self.calls.insert(name.to_owned(), call);
            }
            ["answers", name] => {
                self.answers.insert(name.to_owned(), body(details).expect("a body"));
            }
            ["reinvite", name] => self.endpoint.reinvite(now, call(name), body(details)).expect("a call"),
            ["info", name] => {
                self.endpoint.request(now, call(name), Method::Info, Vec::new(), body(details)).expect("a call");
            }
            ["bye", name] => self.endpoint.bye(now, call(name), None, Vec::new()),
            ["cancel", name] => self.endpoint.cancel(now, call(name), None),
            ["options"] => {
                let uri = self.uri(None);
                let request = OutOfDialog {
                    method: Method::Options,
                    to: NameAddr::new(uri.clone()),
                    uri,
                    from: NameAddr::new(self.uri(Some("focus"))),
                    contact: None,
                    hop: self.server.clone(),
                    route: Vec::new(),
                    sequence: None,
                    headers: Vec::new(),
                    body: None,
                    credentials: None,
                };
                self.endpoint.send(now, request).expect("room for a request");
            }
            _ => panic!("no command {text:?}"),
        }
        self.settle(now);
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        let Arrival::Message { bytes, from, .. } = arrival else { return };
        self.endpoint.handle_bytes(now, bytes, from);
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.settle(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.next_timeout()
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.endpoint.poll_transmit().map(Output::Send))
    }

    fn closing(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The body that details describe.
fn body(details: &[String]) -> Option<Body> {
    let mut parts: Vec<Part> = details.iter().filter_map(|d| d.split_once(": ")).map(|(name, value)| part(name, value)).collect();
    match parts.len() {
        0 => None,
        1 => parts.pop().map(|part| Body::new(&part.content_type, part.bytes)),
        _ => {
            let (content_type, bytes) = multipart::write("mixed", &parts);
            Some(Body::new(&content_type, bytes))
        }
    }
}

fn part(name: &str, value: &str) -> Part {
    match name {
        "sdp" => Part::new("application/sdp", sdp(value)),
        "mscml" => {
            let document =
                format!("<?xml version=\"1.0\"?><MediaServerControl version=\"1.0\"><request>{value}</request></MediaServerControl>");
            Part::new(mscml::CONTENT_TYPE, document)
        }
        other => Part::new(other.strip_prefix("body ").unwrap_or_else(|| panic!("no detail {other}")), value.to_owned()),
    }
}

fn sdp(value: &str) -> String {
    let media = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (kind, words) = if words[0].contains(':') { ("audio", &words[..]) } else { (words[0], &words[1..]) };
        let direction = words.last().and_then(|w| Direction::from_name(w));
        let formats = &words[1..words.len() - usize::from(direction.is_some())];
        let format = |f: &&str| match f.parse().expect("a payload type") {
            96 => Format::new(96, "VP8", 90_000),
            pt @ 101.. => Format::telephone_event(pt, 8000),
            pt => Format::of_static(pt).expect("a static payload type"),
        };
        let formats: Vec<Format> = formats.iter().map(format).collect();
        let mut media = Media::new(kind, words[0].parse().expect("an address"), "RTP/AVP", Vec::new()).with_rtp_formats(&formats);
        media.direction = direction.unwrap_or_default();
        media
    };
    let media: Vec<Media> = if value == "none" { Vec::new() } else { value.split(';').map(media).collect() };
    let origin = Origin::new("alice", 84, "192.0.2.7".parse().expect("an address"));
    Description { origin, name: "-".to_owned(), attributes: Vec::new(), media }.to_text()
}
