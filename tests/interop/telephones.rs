//! Telephones: baresip 1.0, as a guest and with an account.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use confkit::{
    conference::client::{ClientTransports, Machine, ServerAddress},
    sip::{
        Transmit,
        endpoint::{Body, Call, Endpoint, EndpointConfig, Event, Invite},
        message::{Method, NameAddr, Uri},
        node::{Arrival, Node},
    },
};
use serde_json::{Value, json};

use crate::{
    baresip::Phone,
    place::{Place, wait_until},
    server::Server,
};

const ALICE: f32 = 440.0;
const BOB: f32 = 620.0;

/// What the roster says of somebody, without ids and times.
fn seen(participant: &Value) -> Value {
    let fields = ["uri", "user", "role", "state", "dialed_out", "muted", "talking", "codec"];
    fields.iter().map(|field| ((*field).to_owned(), participant[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn a_telephone_dials_in_is_heard_and_hears_is_muted_and_another_is_invited_and_put_out() {
    let place = Place::new("telephones");
    let server = Server::start(&place, "relayd", "", &[]);
    server.control(&["create", "standup"]);
    let (mut alice, mut bob) = (Phone::guest(&place, "alice", ALICE), Phone::guest(&place, "bob", BOB));
    let conference = format!("sip:standup@{}", server.address());

    alice.dial(&conference);
    alice.wait_for("CALL_ESTABLISHED");
    server.wait_for_participants("standup", 1);
    let invited = server.control(&["invite", "standup", &bob.uri("bob")]);
    assert_eq!(invited["invited"][0]["participant"], "p2", "{invited}");
    bob.wait_for("CALL_ESTABLISHED");

    // Each hears the other and not itself.
    let (by_alice, by_bob) = (alice.recording(), bob.recording());
    let (at_alice, at_bob) = (by_alice.wait_to_hear(&[BOB], &[ALICE]), by_bob.wait_to_hear(&[ALICE], &[BOB]));
    println!("alice hears {at_alice:.1?} Hz, bob hears {at_bob:.1?} Hz");
    let roster = server.wait_for_participants("standup", 2);
    let expected = |uri: &str, dialed_out: bool| json!({"uri": uri, "user": null, "role": "guest", "state": "connected", "dialed_out": dialed_out, "muted": false, "talking": true, "codec": "PCMU"});
    assert_eq!([seen(&roster[0]), seen(&roster[1])], [expected("sip:alice@phones.example", false), expected(&bob.uri("bob"), true)]);
    assert!(roster.iter().all(|p| p["agent"].as_str().is_some_and(|agent| agent.starts_with("baresip v1"))), "{roster:?}");

    // Muted she is no longer heard, and still hears; then she is heard again.
    let muted = server.control(&["mute", "standup", "p1"]);
    assert_eq!(muted["participants"][0]["muted"], true, "{muted}");
    by_bob.wait_to_hear(&[], &[ALICE, BOB]);
    by_alice.wait_to_hear(&[BOB], &[ALICE]);
    assert_eq!(server.roster("standup")[0]["muted"], true);
    server.control(&["unmute", "standup", "p1"]);
    by_bob.wait_to_hear(&[ALICE], &[BOB]);

    // Put out: BYE with a reason. The other stays, and then hangs up herself.
    server.control(&["kick", "standup", "p2"]);
    bob.wait_for("CALL_CLOSED");
    assert!(bob.trace().contains("Reason: SIP;cause=200;text=\"removed from the conference\""), "{}", bob.trace());
    by_alice.wait_to_hear(&[], &[ALICE, BOB]);
    assert_eq!(server.wait_for_participants("standup", 1)[0]["uri"], "sip:alice@phones.example");
    alice.hang_up();
    assert!(server.wait_for_participants("standup", 0).is_empty());
}

#[test]
fn a_telephone_with_an_account_registers_and_is_invited_by_name() {
    let place = Place::new("registration");
    let server = Server::start(&place, "relayd", "auth: {algorithms: [md5]}\n", &["--user", "alice"]);
    server.control(&["create", "standup"]);
    let (code, refused) = server.try_control(&["invite", "standup", "alice"]);
    assert_eq!((code, &refused["error"]["kind"]), (7, &json!("unreachable")), "{refused}");

    let mut alice = Phone::user(&place, &server, "alice", ALICE);
    alice.wait_for_trace("algorithm=MD5");
    wait_until(|| "alice is registered".to_owned(), || server.control(&["status"])["contacts"] == 1);
    server.control(&["invite", "standup", "alice"]);
    alice.wait_for("CALL_ESTABLISHED");
    let roster = server.wait_for_participants("standup", 1);
    assert_eq!((&roster[0]["user"], &roster[0]["role"]), (&json!("alice"), &json!("member")), "{roster:?}");
    alice.hang_up();
    server.wait_for_participants("standup", 0);

    // She is known when she calls herself, too.
    alice.dial(&format!("sip:standup@{}", server.address()));
    alice.wait_for("CALL_ESTABLISHED");
    assert_eq!(server.wait_for_participants("standup", 1)[0]["user"], "alice");
    server.control(&["kick", "standup", "alice"]);
    alice.wait_for("CALL_CLOSED");
}

#[test]
fn a_telephone_that_drops_a_challenge_of_sha_256_gets_in_when_it_tries_again() {
    let place = Place::new("sha-256");
    let server = Server::start(&place, "relayd", "", &["--user", "alice"]);
    server.control(&["create", "standup", "--guests", "no"]);
    let mut alice = Phone::user(&place, &server, "alice", ALICE);
    // baresip 1.0: "Function not implemented". It registers anew after half a minute; a call comes sooner.
    alice.wait_for_trace("algorithm=SHA-256");
    let conference = format!("sip:standup@{}", server.address());
    wait_until(
        || "alice gets in".to_owned(),
        || {
            alice.dial(&conference);
            alice.wait_for_either("CALL_ESTABLISHED", "CALL_CLOSED")["type"] == "CALL_ESTABLISHED"
        },
    );
    assert_eq!(server.wait_for_participants("standup", 1)[0]["user"], "alice");
}

/// A user agent of ours that calls, sends an INFO of a kind that nobody knows, asks for something else in the same call, and hangs up.
struct Curious {
    endpoint: Endpoint,
    callee: Uri,
    local: SocketAddr,
    call: Option<Call>,
    events: VecDeque<String>,
    over: bool,
}

impl Curious {
    fn dial(&mut self, now: Instant) {
        let hop = confkit::conference::server::hop_of(self.callee.sip().expect("a SIP URI"), confkit::sip::Transport::Udp);
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0\r\n",
            self.local.ip(),
            self.local.port()
        );
        let invite = Invite {
            uri: self.callee.clone(),
            to: NameAddr::new(self.callee.clone()),
            from: NameAddr::new("sip:curious@callers.example".parse::<Uri>().expect("a URI")),
            contact: self.endpoint.contact(Some("curious"), hop.transport),
            hop,
            route: Vec::new(),
            headers: Vec::new(),
            body: Some(Body::sdp(offer)),
            credentials: None,
        };
        self.call = self.endpoint.invite(now, invite).ok();
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            let Some(call) = self.call else { return };
            match event {
                Event::Accepted { response, .. } => {
                    self.endpoint.ack(now, call, None);
                    self.events.push_back(format!("accepted {}", response.status));
                    let unknown = Body::new("application/vnd.nobody-knows+xml", "<unknown/>");
                    self.endpoint.request(now, call, Method::Info, Vec::new(), Some(unknown)).expect("sent");
                }
                Event::Response { response, .. } => {
                    let method = response.cseq().map(|cseq| cseq.method.as_str().to_owned()).unwrap_or_default();
                    self.events.push_back(format!("{method} {}", response.status));
                    if method == "INFO" {
                        self.endpoint.request(now, call, Method::Options, Vec::new(), None).expect("sent");
                    } else {
                        self.endpoint.bye(now, call, None, Vec::new());
                    }
                }
                Event::Ended { why, .. } => {
                    self.events.push_back(format!("ended {why:?}"));
                    self.over = true;
                }
                _ => {}
            }
        }
    }
}

impl Node for Curious {
    type Command = ();

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        if let Arrival::Message { bytes, from, .. } = arrival {
            self.endpoint.handle_bytes(now, bytes, from);
        }
        self.settle(now);
    }

    fn handle_command(&mut self, now: Instant, (): ()) {
        self.dial(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.settle(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.next_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    fn finished(&self) -> bool {
        self.over && self.endpoint.calls() == 0
    }
}

impl Machine for Curious {
    type Event = String;

    fn poll_event(&mut self) -> Option<String> {
        self.events.pop_front()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_info_that_a_telephone_answers_488_does_not_end_the_call() {
    let place = Place::new("info");
    let mut bob = Phone::guest(&place, "bob", BOB);
    let callee: Uri = bob.uri("bob").parse().expect("a URI");
    let server = ServerAddress::new(callee.sip().expect("a SIP URI").clone());
    let transports = ClientTransports::bind(&server, None, None, None).await.expect("transports");
    let (endpoint, local) = (transports.endpoint(EndpointConfig::default()), transports.local);
    let mut session = transports.run(Curious { endpoint, callee, local, call: None, events: VecDeque::new(), over: false });
    assert!(session.tell(()).await);
    let mut told = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(10), session.next()).await {
        told.push(event);
    }
    assert_eq!(told, ["accepted 200", "INFO 488", "OPTIONS 200", "ended ByeSent"], "{}", bob.trace());
    bob.wait_for("CALL_CLOSED");
}
