//! Between users the application server carries what they agree on, and here it is the relay as well: what one process may see of both.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use confkit::{
    account::SigningKey,
    channel::{
        agreement::Agreed,
        client::{Connection, Relays, apply, grant},
        identity::{Known, Own},
        invite::{Decision, Ending, Patience},
        terminal::{TransferCommand, TransferEvent, TransferTerminal, Wait},
    },
    clock,
    conference::client::{ClientTransports, Identity, ServerAddress, Session, TerminalConfig},
    sdp::LocalAudio,
    sip::{digest::Credentials, endpoint::EndpointConfig},
};
use tokio::time::timeout;

use super::*;

/// A receiver by hand: bob, who is registered, and takes whatever he is offered.
struct Bob {
    session: Session<TransferTerminal>,
    relay: String,
}

impl Bob {
    async fn new(server: &str, password: &str, relay: &str) -> Self {
        let server = ServerAddress::new(server.parse().expect("a URI"));
        let transports = ClientTransports::bind(&server, None, None, None).await.expect("transports");
        let config = TerminalConfig {
            identity: Identity::user("bob", Some(Credentials::new("bob", password)), &server),
            server,
            audio: LocalAudio::new(SocketAddr::new(transports.local.ip(), 0), Vec::new()),
            session_id: 0,
            answer: false,
            ring: Duration::ZERO,
            part: None,
        };
        let own = Arc::new(Own { user: "bob".parse().expect("a name"), key: SigningKey::from_seed(&clock::seed()) });
        let machine =
            TransferTerminal::new(transports.endpoint(EndpointConfig::default()), config, own, Patience::default(), clock::seed());
        let mut bob = Self { session: transports.run(machine), relay: relay.to_owned() };
        bob.session.tell(TransferCommand::SignIn(300)).await;
        while !matches!(bob.next().await, TransferEvent::SignedIn(_)) {}
        bob
    }

    async fn next(&mut self) -> TransferEvent {
        timeout(PATIENCE, self.session.next()).await.expect("an event in time").expect("the terminal lives")
    }

    async fn waits(&mut self) {
        let wait = Wait { from: None, known: Known::default(), realm: "confkit".to_owned() };
        self.session.tell(TransferCommand::Wait(Box::new(wait))).await;
    }

    /// Takes the next offer: what was agreed on, and the connection by which he has applied, where he was to.
    async fn agrees(&mut self) -> (Agreed, Option<Connection>) {
        let mut control = None;
        loop {
            let answer = match self.next().await {
                TransferEvent::Asked { .. } => TransferCommand::Decide(Decision::Accept),
                TransferEvent::Apply { peer, kind } => {
                    let wanted = Apply { ticket: None, peer: Some(peer.to_string()), kind: Some(kind), receivers: 1, nameplate: None };
                    let relays = Relays::from(vec![self.relay.clone()]);
                    let (connection, allocated) = apply(&relays, PATIENCE, None, wanted).await.expect("a channel");
                    control = Some(connection);
                    TransferCommand::Applied(Ok(grant(&allocated)))
                }
                TransferEvent::Over(Ending::Agreed { agreed, .. }) => return (*agreed, control),
                TransferEvent::Over(ending) => panic!("{ending:?}"),
                _ => continue,
            };
            self.session.tell(answer).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_relay_as_well_has_neither_keys_nor_name_nor_plaintext_of_what_its_users_send_each_other() {
    let place = Place::new("secrecy-accounts");
    // Terminals are told to come to who hears all, and so the relay has to be where that one looks for it.
    let here = place::free_port();
    let between = Between::new(&here.to_string(), |_| Box::new(Honest)).await;
    let configuration =
        format!("roles: [as, ms, relay]\nlisten: {{relay: [{{address: \"{here}\"}}]}}\nrelay: {{advertise: [\"{}\"]}}\n", between.address);
    let mut server = Server::start(&place, "relayd", &configuration, &["--user", "alice", "--user", "bob"]);
    let signalling = Between::new(&server.address().to_string(), |_| Box::new(Honest)).await;
    // By name: the server's own, wherever it is reached.
    let (_, port) = signalling.address.rsplit_once(':').expect("a port");
    let sip = format!("sip:localhost:{port};transport=tcp");
    let (marker, name) = (format!("plaintext-{}", random()), format!("name-{}.txt", random()));
    let content = format!("{marker}\n").repeat(FILE / (marker.len() + 1)).into_bytes();
    fs::write(place.path(&name), &content).expect("written");
    let mut bob = Bob::new(&sip, &server.password("bob"), &between.address).await;
    for applies in ["receiver", "sender"] {
        bob.waits().await;
        let mut alice = command(FSHARE);
        alice.current_dir(place.path("")).env("HOME", place.folder("alice-home")).env("CONFKIT_USER", "alice");
        alice.env("CONFKIT_SERVER", &sip).env("CONFKIT_CREDENTIALS", server.ready["env"]["CONFKIT_CREDENTIALS"].as_str().expect("told"));
        alice.args(["--json", "send", &name, "--to", "bob", "--applies", applies, "--limit", "4MiB/s", "--compress", "never"]);
        alice.args(["--relay-only", "--patience", "0s"]);
        let (process, _, output) = Process::piped(&place, "alice", &mut alice);
        let mut alice = Running { process, events: BufReader::new(output) };
        let (agreed, control) = bob.agrees().await;
        assert_eq!(control.is_some(), applies == "receiver");
        let mut receiver = Terminal::of_account(&between.address, control, agreed).await;
        let (_, manifest) = receiver.offered().await;
        assert_eq!(manifest.entries()[0].path.as_str(), name);
        receiver.tell(&Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None }).await;
        let (mut stream, mut first) = receiver.join(0).await;
        let opener = receiver.chunks();
        let mut came = Vec::new();
        while came.len() < FILE / 2 {
            came.extend(terminal::chunk(&mut stream, &mut first, &opener).await.expect("a chunk").1);
        }

        let (pass, pairwise) = (&receiver.pass, receiver.pairwise.as_bytes());
        let secret = [forms(pass.content.as_bytes()), forms(pairwise), forms(pass.resume.as_bytes())].concat();
        let wanted: Vec<&[u8]> = secret.iter().map(Vec::as_slice).chain([name.as_bytes(), marker.as_bytes()]).collect();
        let (inside, _) = memory::search(alice.process.pid(), &wanted);
        assert_eq!((inside[0], &inside[9..]), (true, &[true; 2][..]), "the sender has content key, name and plaintext in its memory");
        let nothing = vec![false; wanted.len()];
        let mut seen = || {
            let (inside, _) = memory::search(server.process().pid(), &wanted);
            let heard = |by: &Between| wanted.iter().map(|wanted| by.heard.any(|bytes| memory::holds(bytes, wanted))).collect::<Vec<_>>();
            (inside, heard(&between), heard(&signalling))
        };
        let everywhere = (nothing.clone(), nothing.clone(), nothing);
        assert_eq!(seen(), everywhere, "{applies}: in the server's memory, in the relay's traffic, and in SIP");
        // What an offer and what answers it do say is all there, and the same search finds it: who, to whom, how many, how large, of what kind, and the
        // channel with its key, which is the relay's own.
        let open = [
            "from=\"alice\" to=\"bob\" count=\"1\"".to_owned(),
            format!("size=\"{}\" kind=\"", content.len()),
            format!("applies=\"{applies}\""),
            format!("transfer=\"{}\"", hex(&pass.transfer.0)),
            format!("number=\"{}\" key=\"{}\"", pass.channel, BASE64_URL_SAFE_NO_PAD.encode(pass.key.as_bytes())),
        ];
        for said in &open {
            assert!(signalling.heard.any(|bytes| memory::holds(bytes, said.as_bytes())), "{applies}: {said}");
        }
        let (inside, _) = memory::search(server.process().pid(), &[pass.key.as_bytes()]);
        assert_eq!(inside, [true], "the relay has its own key");

        while let Some((header, plain)) = terminal::chunk(&mut stream, &mut first, &opener).await {
            came.extend(plain);
            if header.is_last() {
                break;
            }
        }
        assert!(came == content, "{applies}");
        while !matches!(receiver.hear().await.expect("the sender is there"), Letter::End(_)) {}
        receiver.tell(&Letter::Done { skipped: 0 }).await;
        receiver.leave(Reason::Done).await;
        assert_eq!(alice.end(), 0, "{}", alice.process.log());
        let (inside, _) = memory::search(server.process().pid(), &wanted);
        assert_eq!(inside, everywhere.0, "{applies}: nor when all is over");
        bob.session.tell(TransferCommand::Done).await;
    }
}
