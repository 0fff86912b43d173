//! A column that the script plays: makes whole messages from `180 Ringing`, `ACK`, `INVITE again`, out of what the column has seen.

use confkit::{
    conference::wire::{mscml, multipart},
    sip::{
        hop::{Address, Hop},
        message::{CSeq, Headers, MAGIC_COOKIE, Message, Method, Request, Response, Uri},
    },
};

/// The memory of one played column.
pub struct Scripted {
    name: &'static str,
    /// What reached it.
    pub received: Vec<Message>,
    sent: Vec<Request>,
}

impl Scripted {
    /// A column that has seen nothing yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, received: Vec::new(), sent: Vec::new() }
    }

    /// Makes a message.
    ///
    /// * `486 Busy Here`, `200 OK CANCEL`: the response to the newest request it received, of that method where one is named.
    /// * `INVITE again`: the newest INVITE it sent, byte for byte.
    /// * `ACK`: to the newest response to its INVITE, by the rules for its class. `CANCEL`: of its newest INVITE.
    /// * Any other method: a new request.
    ///
    /// Details: `To-tag: x` (responses), `branch: x` (requests), `in: dialog` (requests: From, To and Call-ID of the newest dialog, as this
    /// side has them; `in: dialog 2` of the second), `uri: sip:x@y` (requests: Request-URI and To), `body: text`, `body lines: one;two`, `sdp: 192.0.2.7:4000` (a line of PCMU, `inactive` and such
    /// behind it), `mscml: 200 OK` (the response to the newest MSCML request that came), any header with its value, and `+Via: x` for one
    /// more of it.
    ///
    /// # Errors
    /// What is missing for it, as when there is nothing to answer.
    pub fn make(&mut self, text: &str, details: &[String], here: &Hop, there: &Hop) -> Result<Message, String> {
        let words: Vec<_> = text.split(' ').collect();
        match words[0].parse::<u16>() {
            Ok(status) => self.response(status, &words[1..], details).map(Message::Response),
            Err(_) => {
                let request = self.request(Method::from_token(words[0]), words.get(1) == Some(&"again"), details, here, there)?;
                self.sent.push(request.clone());
                Ok(Message::Request(request))
            }
        }
    }

    fn response(&self, status: u16, words: &[&str], details: &[String]) -> Result<Response, String> {
        let method = words.last().map(|w| Method::from_token(w)).filter(|m| !matches!(m, Method::Other(_)));
        let phrase = if method.is_some() { &words[..words.len() - 1] } else { words };
        let request = self.newest_received(method.as_ref())?;
        let tag = value_of(details, "To-tag").unwrap_or(self.name);
        let mut response = request.response(status, tag);
        if !phrase.is_empty() {
            response.reason = phrase.join(" ");
        }
        for (name, value) in details.iter().filter_map(|d| d.split_once(": ")) {
            match name {
                "To-tag" => {}
                "body" => response.body = value.to_owned().into(),
                "body lines" => response.body = lines(value),
                _ => match self.typed_body(name, value)? {
                    Some((content_type, body)) => {
                        response.headers.set("Content-Type", content_type);
                        response.body = body;
                    }
                    None => response.headers.set(name, value),
                },
            }
        }
        Ok(response)
    }

    fn request(&self, method: Method, again: bool, details: &[String], here: &Hop, there: &Hop) -> Result<Request, String> {
        let mut request = match method {
            _ if again => self.newest_sent(&method)?.clone(),
            Method::Ack => self.ack()?,
            Method::Cancel => follow_up(self.newest_sent(&Method::Invite)?, Method::Cancel),
            method => self.new_request(method, here, there),
        };
        for (name, value) in details.iter().filter_map(|d| d.split_once(": ")) {
            match name {
                "branch" => {
                    let mut via = request.via().expect("a Via");
                    via.set_param("branch", Some(value.to_owned()));
                    request.headers.set_first("Via", via.to_string());
                }
                "body" => request.body = value.to_owned().into(),
                "body lines" => request.body = lines(value),
                "in" => {
                    for (name, value) in self.dialog(value)? {
                        request.headers.set(name, value);
                    }
                }
                "uri" => {
                    request.uri = value.parse().map_err(|e| format!("{value}: {e}"))?;
                    request.headers.set("To", format!("<{value}>"));
                }
                _ => match (name.strip_prefix('+'), self.typed_body(name, value)?) {
                    (Some(more), _) => request.headers.push(more, value),
                    (None, Some((content_type, body))) => {
                        request.headers.set("Content-Type", content_type);
                        request.body = body;
                    }
                    (None, None) => request.headers.set(name, value),
                },
            }
        }
        Ok(request)
    }

    fn new_request(&self, method: Method, here: &Hop, there: &Hop) -> Request {
        let (name, n) = (self.name, self.sent.len() + 1);
        let (me, you) = (place(here), place(there));
        let mut headers = Headers::new();
        headers.push("Via", format!("SIP/2.0/{} {me};branch={MAGIC_COOKIE}{name}{n}", here.transport.via_name()));
        headers.push("Max-Forwards", "70");
        headers.push("From", format!("<sip:{name}@{me}>;tag={name}"));
        headers.push("To", format!("<sip:{you}>"));
        headers.push("Call-ID", format!("{name}-{n}"));
        headers.push("CSeq", CSeq { seq: n as u32, method: method.clone() }.to_string());
        headers.push("Contact", format!("<sip:{name}@{me}>"));
        let uri: Uri = format!("sip:{you}").parse().expect("a URI");
        Request { method, uri, headers, body: bytes::Bytes::new() }
    }

    /// From, To and Call-ID of a request of ours in the newest dialog that we have heard of (`dialog`), or in the n-th (`dialog 2`).
    fn dialog(&self, which: &str) -> Result<[(&'static str, String); 3], String> {
        let mut call_ids: Vec<&str> = Vec::new();
        for call_id in self.received.iter().filter_map(|m| m.headers().get("Call-ID")) {
            if !call_ids.contains(&call_id) {
                call_ids.push(call_id);
            }
        }
        let wanted = which.strip_prefix("dialog ").map(|n| n.parse::<usize>().expect("a number"));
        let wanted = wanted.and_then(|n| call_ids.get(n.checked_sub(1)?).copied());
        let newest = self.received.iter().rev().filter(|m| wanted.is_none() || m.headers().get("Call-ID") == wanted).find_map(|message| {
            let headers = message.headers();
            let (from, to) = (headers.get("From")?.to_owned(), headers.get("To")?.to_owned());
            let call_id = headers.get("Call-ID")?.to_owned();
            match message {
                Message::Response(_) => to.contains("tag=").then_some((from, to, call_id)),
                Message::Request(_) if to.contains("tag=") => Some((to, from, call_id)),
                Message::Request(_) => Some((format!("{to};tag={}", self.name), from, call_id)),
            }
        });
        let (from, to, call_id) = newest.ok_or_else(|| format!("{} has heard of no dialog", self.name))?;
        Ok([("From", from), ("To", to), ("Call-ID", call_id)])
    }

    /// The ACK to the newest response to our INVITE: for a 2xx a request of its own, else one with the INVITE's branch.
    fn ack(&self) -> Result<Request, String> {
        let invite = self.newest_sent(&Method::Invite)?;
        let mut ack = follow_up(invite, Method::Ack);
        let answer = self.received.iter().rev().find_map(|m| match m {
            Message::Response(r) if r.status >= 200 && r.cseq().is_some_and(|c| c.method == Method::Invite) => Some(r),
            _ => None,
        });
        if let Some(answer) = answer {
            ack.headers.set("To", answer.headers.get("To").expect("a To"));
            if answer.status < 300 {
                let mut via = ack.via().expect("a Via");
                via.set_param("branch", Some(format!("{MAGIC_COOKIE}{}ack{}", self.name, self.sent.len())));
                ack.headers.set_first("Via", via.to_string());
            }
        }
        Ok(ack)
    }

    /// The body that a detail stands for, and its type.
    fn typed_body(&self, name: &str, value: &str) -> Result<Option<(&'static str, bytes::Bytes)>, String> {
        match name {
            "sdp" => Ok(Some(("application/sdp", sdp(value).into()))),
            "mscml" => {
                let (code, text) = value.split_once(' ').ok_or("mscml: CODE TEXT")?;
                let (text, digits) = text.split_once(" digits ").map_or((text, None), |(text, digits)| (text, Some(digits)));
                let asked =
                    self.received.iter().rev().find_map(asked).ok_or_else(|| format!("{} was asked nothing in MSCML", self.name))?;
                let mut response = asked.response(code.parse().map_err(|_| "no code")?, text);
                response.digits = digits.map(str::to_owned);
                Ok(Some((mscml::CONTENT_TYPE, mscml::Body::Response(response).to_xml().into())))
            }
            _ => Ok(None),
        }
    }

    fn newest_received(&self, method: Option<&Method>) -> Result<&Request, String> {
        let fits = |r: &&Request| r.method != Method::Ack && method.is_none_or(|m| r.method == *m);
        let requests = self.received.iter().rev().filter_map(|m| match m {
            Message::Request(r) => Some(r),
            Message::Response(_) => None,
        });
        requests.into_iter().find(fits).ok_or_else(|| format!("{} has received no such request", self.name))
    }

    fn newest_sent(&self, method: &Method) -> Result<&Request, String> {
        self.sent.iter().rev().find(|r| r.method == *method).ok_or_else(|| format!("{} has sent no {method}", self.name))
    }
}

/// The MSCML request in a message.
fn asked(message: &Message) -> Option<mscml::Request> {
    let Message::Request(request) = message else { return None };
    let parts = multipart::bodies(request.headers.get("Content-Type")?, &request.body).ok()?;
    match mscml::Body::parse(&parts.iter().find(|p| p.media_type() == mscml::CONTENT_TYPE)?.bytes) {
        Ok(mscml::Body::Request(request)) => Some(request),
        _ => None,
    }
}

/// Lines that stand in one, with semicolons between them.
fn lines(value: &str) -> bytes::Bytes {
    value.split(';').flat_map(|line| [line, "\r\n"]).collect::<String>().into()
}

/// A session description with one line of audio, or with none (`none`).
fn sdp(value: &str) -> String {
    let origin = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\n";
    let Some((address, rest)) = value.split_once(':') else { return format!("{origin}c=IN IP4 192.0.2.9\r\nt=0 0\r\n") };
    let (port, direction) = rest.split_once(' ').unwrap_or((rest, "sendrecv"));
    format!("{origin}c=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na={direction}\r\n")
}

/// ACK and CANCEL share everything that identifies their INVITE.
fn follow_up(invite: &Request, method: Method) -> Request {
    let mut headers = Headers::new();
    for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
        headers.push(name, invite.headers.get(name).expect("a header of every INVITE"));
    }
    let seq = invite.cseq().expect("a CSeq").seq;
    headers.push("CSeq", CSeq { seq, method: method.clone() }.to_string());
    Request { method, uri: invite.uri.clone(), headers, body: bytes::Bytes::new() }
}

fn value_of<'a>(details: &'a [String], name: &str) -> Option<&'a str> {
    details.iter().filter_map(|d| d.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
}

fn place(hop: &Hop) -> String {
    match &hop.address {
        Address::Socket(addr) => addr.to_string(),
        Address::Name { host, port } => format!("{host}:{port}"),
    }
}
