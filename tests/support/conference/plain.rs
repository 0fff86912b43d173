//! A bare user agent with an account, for what no terminal of ours does.
//!
//! Commands: `dial standup`, `dial standup offerless`, `dial standup offerless unanswered` (its ACK has no answer), `dial standup with odd body`,
//! `hang up`, `offer sendonly`, `offer format 18`, `offer lines` (audio, and what the details say by `line: m=…` and `line: a=…`), `take back`,
//! `ask for offer`, `refer sip:bob@conf.example` in the call, `refer standup sip:…` outside any; `info PACKAGE`, `info`. Details are headers; of
//! `info` also `type` and `body`. It answers NOTIFYs 200, and lines that it did not offer itself with port 0.

use std::{collections::VecDeque, time::Instant};

use confkit::{
    conference::client::{Identity, ServerAddress},
    sdp::Description,
    sip::{
        endpoint::{Body, Call, Ending, Endpoint, Event, Invite, OutOfDialog},
        message::{Message, Method, NameAddr},
        node::Arrival,
    },
};

use super::{
    super::ladder::{Node, Output, summary},
    Seat,
};

pub struct Plain {
    endpoint: Endpoint,
    identity: Identity,
    server: ServerAddress,
    rtp: std::net::SocketAddr,
    call: Option<Call>,
    offerless: bool,
    unanswered: bool,
    versions: u32,
    /// Lines behind the audio, each with its attributes.
    further: Vec<String>,
    refuses_info: bool,
    outputs: VecDeque<Output>,
}

impl Plain {
    pub fn new(seat: &Seat<'_>) -> Self {
        let mut endpoint = seat.endpoint();
        endpoint.config_mut().events.push("refer".to_owned());
        endpoint.config_mut().recv_info.push("vnd.confkit.conference".to_owned());
        let refuses_info = seat.world.refuse_info.iter().any(|name| name == seat.name);
        if refuses_info {
            endpoint.config_mut().recv_info.push("vnd.confkit.fileshare".to_owned());
        }
        Self {
            endpoint,
            identity: seat.identity(seat.account()),
            server: seat.server(),
            rtp: seat.rtp(),
            call: None,
            offerless: false,
            unanswered: false,
            versions: 0,
            further: Vec::new(),
            refuses_info,
            outputs: VecDeque::new(),
        }
    }

    fn saw(&mut self, text: impl Into<String>) {
        self.outputs.push_back(Output::Saw(text.into()));
    }

    fn sdp(&mut self, direction: &str) -> Body {
        self.sdp_of(0, direction)
    }

    /// A line of audio with one static payload type, and those behind it.
    fn sdp_of(&mut self, format: u8, direction: &str) -> Body {
        self.versions += 1;
        let (ip, port, version) = (self.rtp.ip(), self.rtp.port(), self.versions);
        let further = self.further.concat();
        Body::sdp(format!(
            "v=0\r\no=- 7 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {format}\r\na={direction}\r\n{further}"
        ))
    }

    /// Its audio and its own lines as they stand; what is at port 0, and what it did not offer itself, with port 0.
    fn answer_to(&mut self, offer: &[u8]) -> Body {
        let offered = Description::parse(offer).map(|d| d.media).unwrap_or_default();
        for (at, line) in offered.iter().skip(1).enumerate() {
            let refused = match line.proto.as_str() {
                "" | "-" => format!("m={} 0\r\n", line.kind),
                proto => format!("m={} 0 {proto} {}\r\n", line.kind, line.formats.join(" ")),
            };
            match self.further.get_mut(at) {
                Some(own) if line.port == 0 => *own = refused,
                Some(_) => {}
                None => self.further.push(refused),
            }
        }
        self.sdp("sendrecv")
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Accepted { call, response } => {
                    let body = (self.offerless && !self.unanswered).then(|| self.answer_to(&response.body));
                    self.endpoint.ack(now, call, body);
                    self.saw("accepted");
                }
                Event::Reinvite { call, request } => {
                    let body = self.answer_to(&request.body);
                    self.endpoint.accept(now, call, Some(body), Vec::new());
                }
                Event::Rejected { response, .. } => self.saw(format!("refused {}", response.status)),
                Event::ReinviteRejected { response, .. } => self.saw(format!("no change: {}", response.status)),
                Event::Response { response, .. } => self.saw(summary(&Message::Response(response))),
                Event::Request { incoming, request, .. } | Event::Notify { incoming, request, .. } => {
                    let refused = self.refuses_info && request.method == Method::Info;
                    self.endpoint.respond(now, incoming, if refused { 488 } else { 200 }, Vec::new(), None);
                    let state = request.headers.get("Subscription-State").unwrap_or_default().to_owned();
                    self.saw(format!("{} {state}: {}", request.method, String::from_utf8_lossy(&request.body).trim_end()));
                }
                Event::Ended { why: Ending::ByeReceived { reason }, .. } => {
                    self.saw(format!("BYE{}", reason.map_or(String::new(), |r| format!(" ({r})"))));
                }
                Event::Ended { .. } => self.saw("the end"),
                _ => {}
            }
        }
    }
}

impl Node for Plain {
    fn command(&mut self, now: Instant, text: &str, details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        let headers: Vec<(String, String)> =
            details.iter().filter_map(|d| d.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let contact = self.endpoint.contact(self.identity.address.uri.user().as_deref(), self.server.transport());
        match words[..] {
            ["dial", room, ref how @ ..] => {
                self.offerless = how.contains(&"offerless");
                self.unanswered = how.contains(&"unanswered");
                let body = match how {
                    ["with", "odd", "body"] => Some(Body::new("text/html", "<p>hello</p>")),
                    _ if self.offerless => None,
                    _ => Some(self.sdp("sendrecv")),
                };
                let uri = self.server.at(room);
                let invite = Invite {
                    to: NameAddr::new(uri.clone()),
                    uri,
                    from: self.identity.address.clone(),
                    contact,
                    hop: self.server.hop(),
                    route: Vec::new(),
                    headers,
                    body,
                    credentials: self.identity.credentials.clone(),
                };
                self.call = self.endpoint.invite(now, invite).ok();
            }
            ["refer", room, target] => {
                let uri = self.server.at(room);
                let mut all = vec![("Refer-To".to_owned(), format!("<{target}>"))];
                all.extend(headers);
                let request = OutOfDialog {
                    method: Method::Refer,
                    to: NameAddr::new(uri.clone()),
                    uri,
                    from: self.identity.address.clone(),
                    contact: Some(contact),
                    hop: self.server.hop(),
                    route: Vec::new(),
                    sequence: None,
                    headers: all,
                    body: None,
                    credentials: self.identity.credentials.clone(),
                };
                self.endpoint.send(now, request).expect("room for a request");
            }
            _ => {
                let call = self.call.expect("a call");
                match words[..] {
                    ["hang", "up"] => self.endpoint.bye(now, call, None, Vec::new()),
                    ["take", "back"] => self.endpoint.cancel(now, call, None),
                    ["offer", "format", format] => {
                        let body = self.sdp_of(format.parse().expect("a payload type"), "sendrecv");
                        self.endpoint.reinvite(now, call, Some(body)).expect("a call");
                    }
                    ["offer", "lines"] => {
                        self.offerless = false;
                        self.further.clear();
                        for line in headers.iter().filter(|(name, _)| name == "line").map(|(_, line)| format!("{line}\r\n")) {
                            match self.further.last_mut().filter(|_| !line.starts_with("m=")) {
                                Some(last) => last.push_str(&line),
                                None => self.further.push(line),
                            }
                        }
                        let body = self.sdp("sendrecv");
                        self.endpoint.reinvite(now, call, Some(body)).expect("a call");
                    }
                    ["offer", direction] => {
                        self.offerless = false;
                        let body = self.sdp(direction);
                        self.endpoint.reinvite(now, call, Some(body)).expect("a call");
                    }
                    ["ask", "for", "offer"] => {
                        self.offerless = true;
                        self.endpoint.reinvite(now, call, None).expect("a call");
                    }
                    ["refer", target] => {
                        let mut all = vec![("Refer-To".to_owned(), format!("<{target}>"))];
                        all.extend(headers);
                        self.endpoint.request(now, call, Method::Refer, all, None).expect("a call");
                    }
                    ["info", ref package @ ..] => {
                        let mut all: Vec<_> = package.iter().map(|p| ("Info-Package".to_owned(), (*p).to_owned())).collect();
                        let take = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                        let (kind, body) = (take("type"), take("body"));
                        all.extend(headers.iter().filter(|(n, _)| n != "type" && n != "body").cloned());
                        let body = Body::new(kind.as_deref().unwrap_or("text/plain"), body.unwrap_or_else(|| "x".to_owned()));
                        self.endpoint.request(now, call, Method::Info, all, Some(body)).expect("a call");
                    }
                    [method] => {
                        self.endpoint.request(now, call, Method::from_token(method), headers, None).expect("a call");
                    }
                    _ => panic!("no command {text:?}"),
                }
            }
        }
        self.settle(now);
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        let Arrival::Message { bytes, from, .. } = arrival else { panic!("the harness delivers messages only") };
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
        self.endpoint.poll_transmit().map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        if self.endpoint.calls() > 0 { vec!["is in a call".to_owned()] } else { Vec::new() }
    }
}
