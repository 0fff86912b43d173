//! The port of each data conference is there while it is wanted, gone afterwards, and lets in whoever declared its own port and has the key.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use confkit::{
    conference::client::{ClientTransports, Dial, Identity, ServerAddress, Session, TerminalCommand, TerminalConfig, TerminalEvent},
    fileshare::{
        BatchId,
        client::{LocalPort, Settings, Ticket, Uploader},
        terminal::{Opening, Order, SharingCommand, SharingEvent, SharingTerminal},
        wire::control::Batch,
    },
    sdp::LocalAudio,
    sip::{digest::Credentials, endpoint::EndpointConfig, message::SipUri},
    transfer::{Source, SourceOptions},
};
use tokio::time::timeout;

use crate::{
    place::{PATIENCE, Place, wait_until},
    server::Server,
    sharer::{Sharer, fshare},
    sockets::sockets,
};

/// On which ports the server listens for TCP.
fn listening(server: &mut Server) -> BTreeSet<u16> {
    sockets(server.process().pid(), "tcp", Some("0A")).iter().map(SocketAddr::port).collect()
}

/// Whether somebody answers there. A stranger is closed without a byte.
fn answers(port: u16) -> bool {
    match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        Ok(mut stream) => {
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let mut said = Vec::new();
            // Reset or closed, as the system likes.
            let _ = stream.read_to_end(&mut said);
            assert!(said.is_empty(), "a stranger is told {said:?}");
            true
        }
        Err(_) => false,
    }
}

fn write(path: &Path, bytes: usize) -> String {
    fs::write(path, (0..bytes).map(|at| (at * 31 % 249) as u8).collect::<Vec<u8>>()).expect("written");
    path.to_str().expect("a path").to_owned()
}

#[test]
fn each_share_has_a_port_of_its_own_that_is_listened_on_and_gone_afterwards() {
    let place = Place::new("ports");
    let mut server = Server::start(&place, "relayd", "", &["--user", "alice", "--user", "bob"]);
    server.control(&["create", "standup"]);
    let file = write(&place.path("notes.bin"), 100_000);
    let before = listening(&mut server);
    let new = |server: &mut Server| listening(server).difference(&before).copied().collect::<Vec<u16>>();

    let mut first = Sharer::start(fshare(&place, &server, "alice", &["share", "standup", &file]));
    let share = first.wait_for("shared")["share"].as_str().expect("a share").to_owned();
    let [one] = new(&mut server)[..] else { panic!("one port for one share, not {:?}", new(&mut server)) };
    let mut second = Sharer::start(fshare(&place, &server, "alice", &["share", "standup", &file, "--via", "info"]));
    second.wait_for("shared");
    let both = new(&mut server);
    assert_eq!(both.len(), 2, "{both:?}");
    let two = *both.iter().find(|port| **port != one).expect("another port");
    assert!(answers(one) && answers(two));
    wait_until(
        || "two strangers are counted".to_owned(),
        || server.metric("confkit_file_connections_refused_total{why=\"undeclared\"}") >= 2.0,
    );

    // The last member has it: the file server gives the port back by itself, and the other share is not touched.
    let target = place.folder("got");
    let got = fshare(&place, &server, "bob", &["get", "standup", &share, "--output", target.to_str().expect("a path")]).output();
    assert!(got.expect("fshare runs").status.success());
    first.wait_for("finished");
    assert_eq!(first.ended(), Some(0));
    wait_until(|| format!("{one} is given back"), || !listening(&mut server).contains(&one));
    assert!(!answers(one) && answers(two));

    // Its sharer ends the other.
    second.interrupt();
    assert_eq!(second.ended(), Some(130));
    wait_until(|| format!("{two} is closed"), || !listening(&mut server).contains(&two));
    assert!(!answers(two));
    assert_eq!(listening(&mut server), before, "nothing else is left");
}

/// Waits for what a terminal tells.
async fn told<T>(session: &mut Session<SharingTerminal>, mut of: impl FnMut(SharingEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = session.next().await.expect("the terminal is there");
            if let Some(found) = of(event) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("it tells")
}

/// Alice's terminal, in the conference without audio.
async fn alice(server: &Server) -> Session<SharingTerminal> {
    let uri: SipUri = format!("sip:{};transport=tcp", server.address()).parse().expect("a URI");
    let address = ServerAddress::new(uri);
    let transports = ClientTransports::bind(&address, None, None, None).await.expect("transports");
    let credentials = Credentials::new("alice", server.password("alice"));
    let config = TerminalConfig {
        identity: Identity::user("alice", Some(credentials), &address),
        server: address.clone(),
        audio: LocalAudio::new(transports.local, Vec::new()),
        session_id: 1,
        answer: false,
        ring: Duration::ZERO,
        part: None,
    };
    let endpoint = transports.endpoint(EndpointConfig::default());
    let mut session = transports.run(SharingTerminal::new(endpoint, config));
    let dial = Dial { uri: address.at("standup"), pin: None, offerless: false, without_audio: true };
    session.tell(SharingCommand::Terminal(TerminalCommand::Dial(Box::new(dial)))).await;
    told(&mut session, |event| matches!(event, SharingEvent::Terminal(TerminalEvent::Established { .. })).then_some(())).await;
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_key_from_a_wrong_port_is_refused_and_from_the_declared_one_admitted() {
    let place = Place::new("wrong-port");
    let server = Server::start(&place, "relayd", "", &["--user", "alice"]);
    server.control(&["create", "standup"]);
    let file = write(&place.path("notes.bin"), 100_000);
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for opening in [Opening::Reinvite, Opening::Info] {
        let mut session = alice(&server).await;
        let source = Source::from_paths(vec![file.clone().into()], SourceOptions::default()).await.expect("a source");
        let (entries, bytes) = (source.manifest().entries().len(), source.manifest().total());
        let mut uploader = Uploader::new(source).expect("an uploader");
        let batch = Batch { id: BatchId(7), entries: entries.try_into().expect("few"), bytes, manifest: None, files: Vec::new() };
        let (declared, other) = (LocalPort::bind(here).expect("a port"), LocalPort::bind(here).expect("a port"));
        let order = Order { key: 1, batch, source: declared.address(), plain: false, opening, recipients: Vec::new() };
        session.tell(SharingCommand::Share(Box::new(order))).await;
        let (share, ticket) = told(&mut session, |event| match event {
            SharingEvent::Shared { share, conf, endpoint, .. } => Some((share, Ticket { conf, batch: BatchId(7), endpoint })),
            SharingEvent::NotShared { why, .. } => panic!("{why:?}"),
            _ => None,
        })
        .await;

        let turned_away = || server.metric("confkit_file_connections_refused_total{why=\"undeclared\"}");
        let received = || server.metric("confkit_file_bytes_in_total");
        let before = (turned_away(), received());
        let error = uploader.run(other, &ticket, &Settings::default()).await.expect_err("a stranger, whatever it knows");
        assert_eq!((turned_away() - before.0, received() - before.1), (1.0, 0.0), "{opening:?}: {error}");
        // The rightful member was not disturbed: the same key from the port that it declared.
        let done = uploader.run(declared, &ticket, &Settings::default()).await;
        done.unwrap_or_else(|error| panic!("{opening:?}: {error}"));
        told(&mut session, |event| match event {
            SharingEvent::Said { message, .. } => (message.name() == "upload-complete").then_some(()),
            _ => None,
        })
        .await;
        session.tell(SharingCommand::End { share }).await;
        told(&mut session, |event| matches!(event, SharingEvent::Ended { .. }).then_some(())).await;
        session.tell(SharingCommand::Terminal(TerminalCommand::Leave)).await;
        while session.next().await.is_some() {}
    }
}
