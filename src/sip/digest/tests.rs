use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::{
    clock,
    sip::message::{Headers, Method, Request, Response},
};

const REALM: &str = "conf.example";

fn request(method: Method) -> Request {
    Request { method, uri: "sip:conf.example".parse().expect("uri"), headers: Headers::new(), body: Bytes::new() }
}

fn rng() -> ChaCha12Rng {
    ChaCha12Rng::from_seed([7; 32])
}

fn unauthorized(challenges: &[String]) -> Response {
    let mut headers = Headers::new();
    for challenge in challenges {
        headers.push("WWW-Authenticate", challenge.as_str());
    }
    Response { status: 401, reason: String::new(), headers, body: Bytes::new(), unheard: None }
}

/// A server with alice in it, whose password is `secret`.
struct Desk {
    server: Server,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        Self::with(ServerConfig::new(REALM))
    }

    fn with(config: ServerConfig) -> Self {
        let now = clock::now();
        Self { server: Server::new(config, now, [1; 32]), now }
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn judge(&mut self, request: &Request) -> Verdict {
        self.server.verify(self.now, request, |user, algorithm| (user == "alice").then(|| Ha1::new(algorithm, user, REALM, "secret")))
    }

    fn challenge(&mut self, stale: bool) -> Response {
        unauthorized(&self.server.challenges(self.now, stale))
    }

    /// A request that answers a fresh challenge.
    fn answered(&mut self, client: &mut Client) -> Request {
        let mut request = request(Method::Register);
        client.answer(&self.challenge(false), &mut request, &mut rng()).expect("an answer");
        request
    }
}

fn alice() -> Client {
    Client::new(Credentials::new("alice", "secret"))
}

fn accepted(algorithm: Algorithm) -> Verdict {
    Verdict::Accepted { username: "alice".into(), algorithm }
}

fn denied(why: Denied, stale: bool) -> Verdict {
    Verdict::Challenge { why, stale, username: Some("alice".into()) }
}

#[test]
fn the_example_of_rfc7616_comes_out() {
    let proof = Proof { qop: Qop::Auth, cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".into(), nc: 1 };
    for (algorithm, response) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let ha1 = Ha1::new(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        assert_eq!(ha1.response(nonce, Some(&proof), "GET", "/dir/index.html", b""), response);
    }
}

#[test]
fn an_answer_without_protection_is_that_of_rfc2069() {
    // RFC 2069 §2.4 with its erratum 749.
    let ha1 = Ha1::new(Algorithm::Md5, "Mufasa", "testrealm@host.com", "CircleOfLife");
    let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
    assert_eq!(ha1.response(nonce, None, "GET", "/dir/index.html", b""), "1949323746fe6a43ef61f9606e7febea");
}

#[test]
fn an_integrity_hash_of_nothing_is_that_of_rfc3261_22_4() {
    assert_eq!(Algorithm::Md5.hash(b""), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(Algorithm::Sha256.hash(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn sha_256_is_offered_first_and_taken() {
    let mut desk = Desk::new();
    let challenge = desk.challenge(false);
    let offered: Vec<Challenge> = challenge.headers.all("WWW-Authenticate").map(|c| c.parse().expect(c)).collect();
    assert_eq!(offered.iter().map(Challenge::known_algorithm).collect::<Vec<_>>(), [Some(Algorithm::Sha256), Some(Algorithm::Md5)]);
    assert!(offered.iter().all(|c| c.qop.as_deref() == Some(&[Qop::Auth]) && c.opaque.is_some() && !c.stale));
    let request = desk.answered(&mut alice());
    assert_eq!(desk.judge(&request), accepted(Algorithm::Sha256));
}

#[test]
fn a_client_takes_sha_256_whatever_stands_first_and_md5_where_there_is_nothing_else() {
    let (md5, sha) = ("Digest realm=\"r\", nonce=\"m\", qop=\"auth\"", "Digest realm=\"r\", nonce=\"s\", algorithm=SHA-256, qop=\"auth\"");
    let odd = "Digest realm=\"r\", nonce=\"o\", algorithm=SHA-512-256, qop=\"auth\"";
    for (challenges, nonce) in [(vec![md5, sha], "s"), (vec![sha, md5], "s"), (vec![odd, md5], "m")] {
        let mut request = request(Method::Invite);
        let challenges: Vec<_> = challenges.into_iter().map(str::to_owned).collect();
        alice().answer(&unauthorized(&challenges), &mut request, &mut rng()).expect("an answer");
        let answers: Vec<Answer> = request.headers.all("Authorization").map(|a| a.parse().expect(a)).collect();
        assert_eq!(answers.iter().map(|a| a.nonce.as_str()).collect::<Vec<_>>(), [nonce]);
    }
}

#[test]
fn what_cannot_be_answered_is_said() {
    let other = ["Basic realm=\"x\"", "Digest realm=\"r\", nonce=\"n\", qop=\"token\"", "Digest realm=\"r\"", "NoOneKnows a=b"];
    for challenge in other {
        let mut request = request(Method::Invite);
        assert_eq!(alice().answer(&unauthorized(&[challenge.into()]), &mut request, &mut rng()), Err(Refused::NoChallenge));
        assert!(request.headers.is_empty());
    }
    let mut response = Desk::new().challenge(false);
    response.status = 403;
    assert_eq!(alice().answer(&response, &mut request(Method::Invite), &mut rng()), Err(Refused::NoChallenge));
}

#[test]
fn a_wrong_password_is_denied_and_not_tried_again() {
    let mut desk = Desk::new();
    let mut client = Client::new(Credentials::new("alice", "guess"));
    let mut request = desk.answered(&mut client);
    assert_eq!(desk.judge(&request), denied(Denied::Wrong, false));
    let before = request.clone();
    assert_eq!(client.answer(&desk.challenge(false), &mut request, &mut rng()), Err(Refused::Rejected));
    assert_eq!(request, before);
}

#[test]
fn a_user_that_does_not_exist_is_denied_like_a_wrong_password() {
    let mut desk = Desk::new();
    let request = desk.answered(&mut Client::new(Credentials::new("mallory", "secret")));
    let verdict = Verdict::Challenge { why: Denied::Wrong, stale: false, username: Some("mallory".into()) };
    assert_eq!(desk.judge(&request), verdict);
}

#[test]
fn the_same_answer_is_good_once() {
    let mut desk = Desk::new();
    let request = desk.answered(&mut alice());
    assert_eq!(desk.judge(&request), accepted(Algorithm::Sha256));
    assert_eq!(desk.judge(&request), denied(Denied::Replayed, true));
}

#[test]
fn an_answer_is_good_for_no_other_method_or_uri() {
    let mut desk = Desk::new();
    let mut moved = desk.answered(&mut alice());
    moved.method = Method::Bye;
    assert_eq!(desk.judge(&moved), denied(Denied::Wrong, false));
    let mut edited = desk.answered(&mut alice());
    let value = edited.headers.get("Authorization").expect("an answer").replace("uri=\"sip:conf.example\"", "uri=\"sip:x@conf.example\"");
    edited.headers.set("Authorization", value);
    assert_eq!(desk.judge(&edited), denied(Denied::Wrong, false));
}

#[test]
fn one_nonce_serves_many_requests_with_rising_counts_that_may_overtake_each_other() {
    let (mut desk, mut client, mut rng) = (Desk::new(), alice(), rng());
    let first = desk.answered(&mut client);
    let mut more = || {
        let mut request = request(Method::Invite);
        client.authorize(&mut request, &mut rng);
        request
    };
    let requests: Vec<Request> = std::iter::once(first).chain(std::iter::repeat_with(&mut more).take(99)).collect();
    for at in [2, 1, 0, 4, 3, 80, 20, 99, 98] {
        assert_eq!(desk.judge(&requests[at]), accepted(Algorithm::Sha256), "request {at}");
    }
    for (at, why) in [(2, "seen"), (80, "seen"), (5, "too far behind to know"), (99, "the newest again")] {
        assert_eq!(desk.judge(&requests[at]), denied(Denied::Replayed, true), "{why}");
    }
}

#[test]
fn an_old_nonce_is_stale_and_the_client_goes_on_with_the_new_one() {
    let (mut desk, mut client) = (Desk::new(), alice());
    let mut request = desk.answered(&mut client);
    desk.after(Duration::from_secs(301));
    assert_eq!(desk.judge(&request), denied(Denied::Stale, true));
    client.answer(&desk.challenge(true), &mut request, &mut rng()).expect("stale is no refusal");
    assert_eq!(desk.judge(&request), accepted(Algorithm::Sha256));
}

#[test]
fn a_nonce_of_an_earlier_server_is_stale_to_who_knows_the_password_and_wrong_to_others() {
    let request = Desk::with(ServerConfig::new(REALM)).answered(&mut alice());
    let mut restarted = Desk::new();
    restarted.server = Server::new(ServerConfig::new(REALM), restarted.now, [2; 32]);
    assert_eq!(restarted.judge(&request), denied(Denied::Stale, true));
    let guess = Desk::new().answered(&mut Client::new(Credentials::new("alice", "guess")));
    assert_eq!(restarted.judge(&guess), denied(Denied::Wrong, false));
}

#[test]
fn a_nonce_of_earlier_days_may_be_refused_without_the_word_stale() {
    let (mut desk, mut client) = (Desk::new(), alice());
    let first = desk.answered(&mut client);
    assert_eq!(desk.judge(&first), accepted(Algorithm::Sha256));
    let mut next = request(Method::Bye);
    client.authorize(&mut next, &mut rng());
    client.answer(&desk.challenge(false), &mut next, &mut rng()).expect("some servers never say stale");
    assert_eq!(desk.judge(&next), accepted(Algorithm::Sha256));
}

#[test]
fn a_server_that_says_stale_for_ever_is_left_alone() {
    let (mut desk, mut client, mut rng) = (Desk::new(), alice(), rng());
    let mut request = request(Method::Register);
    let rounds = (1..=10).find(|_| client.answer(&desk.challenge(true), &mut request, &mut rng) == Err(Refused::Loop));
    assert_eq!(rounds, Some(5));
}

#[test]
fn proxies_and_the_server_are_answered_side_by_side() {
    let (mut desk, mut client, mut rng) = (Desk::new(), alice(), rng());
    let mut request = request(Method::Invite);
    let mut proxies = Response { status: 407, ..unauthorized(&[]) };
    for realm in ["p1", "p2"] {
        proxies.headers.push("Proxy-Authenticate", format!("Digest realm=\"{realm}\", nonce=\"n\", qop=\"auth\""));
    }
    client.answer(&proxies, &mut request, &mut rng).expect("an answer");
    client.answer(&desk.challenge(false), &mut request, &mut rng).expect("an answer");
    let realms: Vec<String> = request.headers.all("Proxy-Authorization").map(|a| a.parse::<Answer>().expect(a).realm).collect();
    assert_eq!(realms, ["p1", "p2"]);
    assert_eq!(desk.judge(&request), accepted(Algorithm::Sha256));
}

#[test]
fn a_request_without_our_realm_is_challenged_and_a_broken_answer_is_a_bad_request() {
    let missing = Verdict::Challenge { why: Denied::Missing, stale: false, username: None };
    let right = Desk::new().answered(&mut alice()).headers.get("Authorization").expect("an answer").to_owned();
    for (value, verdict) in [
        ("NoOneKnowsThisScheme opaque-data=here".to_owned(), missing.clone()),
        (right.replace(REALM, "other.example"), missing.clone()),
        (right.replace("SHA-256", "SHA-512-256"), missing.clone()),
        ("Digest".to_owned(), Verdict::Malformed),
        ("Digest username=\"alice".to_owned(), Verdict::Malformed),
        (right.replace("nc=00000001", "nc=1"), Verdict::Malformed),
        (right.replace("nc=00000001", "nc=00000000"), Verdict::Malformed),
        (right.replace("qop=auth", "qop=what"), Verdict::Malformed),
        (format!("{right}, realm=\"twice\""), Verdict::Malformed),
        (right.replace("username=", "name="), Verdict::Malformed),
    ] {
        let mut request = request(Method::Register);
        request.headers.push("Authorization", value.as_str());
        assert_eq!(Desk::new().judge(&request), verdict, "{value}");
    }
    assert_eq!(Desk::new().judge(&request(Method::Register)), missing);
}

#[test]
fn an_old_client_without_protection_is_challenged_for_each_request() {
    let mut desk = Desk::new();
    let mut old = unauthorized(&[]);
    for challenge in desk.server.challenges(desk.now, false) {
        old.headers.push("WWW-Authenticate", challenge.replace(", qop=\"auth\"", "").replace("algorithm=SHA-256", "algorithm=unknown"));
    }
    let mut request = request(Method::Register);
    alice().answer(&old, &mut request, &mut rng()).expect("an answer");
    assert_eq!(request.headers.get("Authorization").expect("an answer").parse::<Answer>().expect("readable").proof, None);
    assert_eq!(desk.judge(&request), accepted(Algorithm::Md5));
    assert_eq!(desk.judge(&request), denied(Denied::Replayed, true));
}

#[test]
fn integrity_protection_covers_the_body() {
    let mut desk = Desk::new();
    let challenge = desk.challenge(false).headers.get("WWW-Authenticate").expect("a challenge").replace("qop=\"auth\"", "qop=\"auth-int\"");
    let mut signed = request(Method::Message).with_body("text/plain", "hello");
    alice().answer(&unauthorized(&[challenge]), &mut signed, &mut rng()).expect("an answer");
    let mut forged = signed.clone();
    forged.body = Bytes::from_static(b"HELLO");
    assert_eq!(desk.judge(&forged), denied(Denied::Wrong, false));
    assert_eq!(desk.judge(&signed), accepted(Algorithm::Sha256));
}

#[test]
fn forgetting_a_nonce_for_want_of_room_opens_no_door_to_replay() {
    let mut desk = Desk::with(ServerConfig { max_nonces: 2, ..ServerConfig::new(REALM) });
    let unused = desk.answered(&mut alice());
    let requests: Vec<Request> = (0..3).map(|_| desk.answered(&mut alice())).collect();
    for request in &requests {
        assert_eq!(desk.judge(request), accepted(Algorithm::Sha256));
    }
    assert_eq!(desk.judge(&requests[0]), denied(Denied::Replayed, true), "its counts are gone, so it is not trusted");
    assert_eq!(desk.judge(&unused), denied(Denied::Replayed, true), "nor is one that is older still");
    assert_eq!(desk.judge(&requests[2]), denied(Denied::Replayed, true));
    let fresh = desk.answered(&mut alice());
    assert_eq!(desk.judge(&fresh), accepted(Algorithm::Sha256));
}

#[test]
fn challenges_without_answers_cost_no_memory() {
    let mut desk = Desk::new();
    for _ in 0..10_000 {
        desk.server.challenges(desk.now, false);
    }
    let wrong = desk.answered(&mut Client::new(Credentials::new("alice", "guess")));
    assert_eq!(desk.judge(&wrong), denied(Denied::Wrong, false));
    assert!(format!("{:?}", desk.server).contains("used: {}"), "nor do wrong answers");
    let right = desk.answered(&mut alice());
    assert_eq!(desk.judge(&right), accepted(Algorithm::Sha256));
    assert!(!format!("{:?}", desk.server).contains("used: {}"), "only a right one is remembered");
}

#[test]
fn what_is_printed_is_read_back_the_same() {
    let challenge = Challenge {
        realm: "a \"quoted\\ realm, with comma".into(),
        nonce: "n==".into(),
        opaque: Some(String::new()),
        algorithm: Some("SHA-256".into()),
        qop: Some(vec![Qop::Auth, Qop::AuthInt]),
        stale: true,
    };
    assert_eq!(challenge.to_string().parse(), Ok(challenge));
    let answer = Answer {
        username: "J\u{fc}rgen \"J\"".into(),
        realm: "r".into(),
        nonce: "n".into(),
        uri: "sip:a@b.example;x=1".into(),
        response: "00ff".into(),
        algorithm: None,
        opaque: Some("o".into()),
        proof: Some(Proof { qop: Qop::Auth, cnonce: "c".into(), nc: 0xabc }),
    };
    assert_eq!(answer.to_string().parse(), Ok(answer));
}

#[test]
fn secrets_do_not_show_in_debug() {
    let ha1 = Ha1::new(Algorithm::Md5, "alice", REALM, "secret");
    let shown = format!("{ha1:?} {:?} {:?}", alice(), Credentials::new("alice", "secret"));
    assert!(!shown.contains("secret") && !shown.contains(ha1.expose()), "{shown}");
    assert_eq!(Ha1::from_hex(Algorithm::Md5, &ha1.expose().to_uppercase()), Some(ha1.clone()));
    assert_eq!(Ha1::from_hex(Algorithm::Sha256, ha1.expose()), None);
}
