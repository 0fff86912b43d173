//! Each side of the media control interface played by sipp, with no change to the other side: a media server that answers our application server,
//! and an application server that drives our media server (S302–S313, RFC 5022).

use std::net::{Ipv4Addr, SocketAddr};

use confkit::{
    conference::client::{TerminalHost, TerminalMedia, media::Mic},
    media::{Codec, Format, LegMedia},
};

use crate::{
    place::{PATIENCE, Place, free_port, wait_until},
    server::Server,
    sipp::Sipp,
};

const ALICE: f32 = 440.0;
const BOB: f32 = 620.0;

/// A media server of sipp's under an application server of ours: somebody gets in, is muted and put out.
fn alice_gets_in_by_a_stand_in(transport: &str, mode: &str) {
    let place = Place::new(&format!("stand-in-{transport}"));
    let (media, own) = (free_port().port(), free_port().port());
    // What comes while sipp is about to send something else is no reason for it to give up.
    let args = ["-t", mode, "-mp", &media.to_string(), "-default_behaviors", "all,-abortunexp"];
    let mut media_server = Sipp::serve(&place, "media-server", "media_server.xml", &args);
    let configuration = format!("roles: [as]\nmedia_servers: [\"sip:{};transport={transport}\"]\n", media_server.address);
    let server = Server::start(&place, "relayd", &configuration, &[]);
    wait_until(|| "the stand-in answers".to_owned(), || server.control(&["status"])["media_servers"][0]["reachable"] == true);
    server.control(&["create", "standup"]);

    let mut alice = Sipp::call(&place, "alice", "listener.xml", server.address(), &["-s", "standup", "-m", "1", "-mp", &own.to_string()]);
    alice.wait_for_line("in");
    let roster = server.wait_for_participants("standup", 1);
    assert_eq!((&roster[0]["codec"], &roster[0]["muted"]), (&"PCMU".into(), &false.into()));
    // S301 to S302 and S303 to S305: each side has the other's media.
    assert_eq!(alice.wait_for_line("media"), media.to_string());
    assert_eq!(media_server.lines(), ["control leg".to_owned(), format!("leg for {own}"), "info mixmode=\"full\"".to_owned()]);
    assert_eq!(server.control(&["mute", "standup", "listener"])["participants"][0]["muted"], true);
    media_server.wait_for_line("info mixmode=\"mute\"");

    server.control(&["kick", "standup", "listener"]);
    assert!(alice.wait_for_line("bye").contains("cause=200"), "{:?}", alice.lines());
    assert_eq!(alice.finish().successful, 1);
    // Her leg, and with the last leg the control leg.
    wait_until(
        || format!("two BYEs in {:?}", media_server.lines()),
        || media_server.lines().iter().filter(|line| *line == "bye").count() == 2,
    );
    assert_eq!(media_server.process().ended(), None);
}

#[test]
fn sipp_as_media_server_mixes_for_our_application_server_over_udp() {
    alice_gets_in_by_a_stand_in("udp", "u1");
}

#[test]
fn sipp_as_media_server_mixes_for_our_application_server_over_tcp() {
    alice_gets_in_by_a_stand_in("tcp", "t1");
}

/// A participant whose signalling is sipp's and whose audio and keys are a terminal's of ours.
struct Participant {
    leg: Sipp,
    audio: TerminalMedia,
}

impl Participant {
    /// S302–S304, S307, S308: in, with a tone.
    fn join(place: &Place, host: &TerminalHost, at: SocketAddr, who: &str, frequency: f32) -> Self {
        let (audio, own) = host.open(Ipv4Addr::LOCALHOST.into()).expect("ports");
        let args = ["-s", "room", "-m", "1", "-key", "who", who, "-key", "rtp", &own.port().to_string()];
        let mut leg = Sipp::call(place, who, "leg.xml", at, &args);
        let media: u16 = leg.wait_for_line("media").parse().expect("a port");
        let format = Format { codec: Codec::Pcmu, payload_type: 0 };
        let agreed = LegMedia { dtmf_payload_type: Some(101), ..LegMedia::new(SocketAddr::new(at.ip(), media), format) };
        audio.set_mic(Mic::Tone { frequency, level_dbfs: -20.0 }).expect("a tone");
        audio.start_with(agreed).expect("started");
        leg.wait_for_line("in");
        Self { leg, audio }
    }

    /// Named as in a report of talkers (RFC 5022 §5.7): by the Call-ID of its leg, which sipp makes of its id.
    fn call_id(&mut self) -> String {
        format!("1-{}@{}", self.leg.process().pid(), self.leg.address.ip())
    }

    async fn wait_to_hear(&self, other: f32, own: f32) {
        let hears = async {
            loop {
                let recent = self.audio.report().await.expect("a report").recent;
                if recent.spectrum.level_at(other) > -30.0 && recent.spectrum.level_at(own) < -50.0 {
                    return;
                }
            }
        };
        assert!(tokio::time::timeout(PATIENCE, hears).await.is_ok(), "{other} Hz is not heard, or {own} Hz is");
    }

    /// Types a PIN, which ends the leg.
    async fn leave(mut self, pin: &str) {
        self.leg.wait_for_line("collecting");
        self.audio.send_digits(&format!("{pin}#")).expect("keys");
        assert_eq!(self.leg.wait_for_line("digits"), pin);
        assert_eq!(self.leg.finish().successful, 1);
        let report = self.audio.stop().await.expect("a report");
        println!("{} packets sent, {} received, {} lost", report.stats.packets_out, report.stats.packets_in, report.stats.lost);
        assert!(report.stats.packets_in >= 30 && report.stats.lost == 0, "{:?}", report.stats);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_as_application_server_drives_our_media_server() {
    let place = Place::new("stand-in-as");
    let server = Server::start(&place, "relayd", "roles: [ms]\ncontrollers: [\"127.0.0.1\"]\n", &[]);
    let at = server.address();
    let mut control = Sipp::call(&place, "control", "control_leg.xml", at, &["-s", "room", "-m", "1"]);
    control.wait_for_line("open");

    let host = TerminalHost::start().expect("a media thread");
    let mut alice = Participant::join(&place, &host, at, "alice", ALICE);
    let mut bob = Participant::join(&place, &host, at, "bob", BOB);
    alice.wait_to_hear(BOB, ALICE).await;
    bob.wait_to_hear(ALICE, BOB).await;
    let talkers = control.wait_for_line("talk 2");
    for participant in [&mut alice, &mut bob] {
        assert!(talkers.contains(&format!("callid=\"{}\"", participant.call_id())), "{talkers}");
    }
    assert_eq!((server.metric("confkit_media_legs"), server.metric("confkit_media_conferences")), (2.0, 1.0));

    alice.leave("4711").await;
    bob.leave("081508").await;
    control.wait_for_line("talk 0");
    assert_eq!(control.finish().successful, 1);
    assert_eq!((server.metric("confkit_media_legs"), server.metric("confkit_media_conferences")), (0.0, 0.0));
}
