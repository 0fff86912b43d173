//! The well-behaved call: alice by UDP and bob by TCP in a conference, each with a tone of its own.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use confkit::{
    conference::client::{
        ClientTransports, Dial, Hangup, Identity, ServerAddress, Session, Terminal, TerminalCommand, TerminalConfig, TerminalEvent,
        TerminalHost, TerminalMedia,
        media::{Mic, Report},
    },
    sdp::{AudioStream, Format, LocalAudio},
    sip::{
        endpoint::EndpointConfig,
        message::{Host, SipUri},
    },
};
use tokio::{sync::mpsc::error::TryRecvError, time::timeout};

use crate::{harness::Daemon, wire::PATIENCE};

/// What alice says, in hertz.
pub const ALICE: f32 = 440.0;
/// What bob says.
pub const BOB: f32 = 620.0;

/// Level of every microphone, in dBFS.
const LEVEL: f32 = -20.0;
/// A tone that is there is louder than this.
const PRESENT: f32 = -26.0;
/// A tone that is not there is below this.
const ABSENT: f32 = -45.0;
/// New audio that a judgement wants; it looks at the last second.
const FRESH: Duration = Duration::from_millis(600);

/// Two who talk.
pub struct Call {
    pub alice: Person,
    pub bob: Person,
    host: TerminalHost,
}

/// One terminal in a call.
pub struct Person {
    name: &'static str,
    tone: f32,
    session: Session<Terminal>,
    media: TerminalMedia,
    /// What was agreed: where the media server takes our audio.
    pub audio: AudioStream,
}

impl Call {
    /// Both call in, and hear each other.
    pub async fn begin(daemon: &Daemon) -> Self {
        let host = TerminalHost::start().expect("a media thread");
        let alice = Person::join(&host, daemon, "udp", "alice", ALICE).await.expect("alice is let in");
        let bob = Person::join(&host, daemon, "tcp", "bob", BOB).await.expect("bob is let in");
        let mut call = Self { alice, bob, host };
        call.goes_on().await;
        call
    }

    /// Both still hear each other, nobody else, and nothing of the call was lost, broken off or begun anew.
    pub async fn goes_on(&mut self) {
        self.hears(&[], &[]).await;
    }

    /// As [`Self::goes_on`], with others of whom both hear these tones and not those.
    pub async fn hears(&mut self, tones: &[f32], not: &[f32]) {
        let with = |tone: f32, others: &[f32]| [&[tone], others].concat();
        let (to_alice, to_bob) = (with(BOB, tones), with(ALICE, tones));
        let (not_to_alice, not_to_bob) = (with(ALICE, not), with(BOB, not));
        let (alice, bob) = tokio::join!(self.alice.hears(&to_alice, &not_to_alice), self.bob.hears(&to_bob, &not_to_bob));
        if tones.is_empty() && not.is_empty() {
            for (report, tone) in [(alice, BOB), (bob, ALICE)] {
                let heard: Vec<f32> =
                    report.recent.strongest.iter().filter(|peak| peak.level_dbfs > -30.0).map(|peak| peak.frequency).collect();
                assert!(heard.iter().all(|heard| (heard - tone).abs() < 15.0), "somebody else is heard: {heard:?}");
            }
        }
    }

    /// Somebody else calls in, too: the status of a refusal otherwise.
    pub async fn third(&self, daemon: &Daemon, tone: f32) -> Result<Person, u16> {
        Person::join(&self.host, daemon, "udp", "carol", tone).await
    }

    /// Both hang up, and their BYEs are answered.
    pub async fn end(self) {
        self.alice.leave().await;
        self.bob.leave().await;
    }
}

impl Person {
    async fn join(host: &TerminalHost, daemon: &Daemon, transport: &str, name: &'static str, tone: f32) -> Result<Self, u16> {
        let uri: SipUri = format!("sip:{};transport={transport}", daemon.sip()).parse().expect("a URI");
        let server = ServerAddress::new(uri);
        let transports = ClientTransports::bind(&server, None, None, None).await.expect("ports");
        let (media, rtp) = host.open(IpAddr::V4(Ipv4Addr::LOCALHOST)).expect("ports");
        media.set_mic(Mic::Tone { frequency: tone, level_dbfs: LEVEL }).expect("a microphone");
        let local = transports.local;
        let config = TerminalConfig {
            identity: Identity::guest(Some(name), Host::Ip(local.ip()), Some(local.port())),
            server: server.clone(),
            audio: LocalAudio::new(rtp, vec![Format::new(0, "PCMU", 8000)]),
            session_id: u64::from(rtp.port()),
            answer: false,
            ring: Duration::ZERO,
            part: None,
        };
        let terminal = Terminal::new(transports.endpoint(EndpointConfig::default()), config);
        let mut session = transports.run(terminal);
        let dial = Dial { uri: server.at("honest"), pin: None, offerless: false, without_audio: false };
        assert!(session.tell(TerminalCommand::Dial(Box::new(dial))).await);
        loop {
            match timeout(PATIENCE, session.next()).await.expect("answered in time").expect("the terminal lives") {
                TerminalEvent::Ringing => {}
                TerminalEvent::Established { audio: Some(audio), .. } => {
                    media.start(&audio).expect("a codec of ours");
                    return Ok(Self { name, tone, session, media, audio });
                }
                TerminalEvent::Refused(refusal) => return Err(refusal.status),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    /// What was heard in the last second, once enough of it is new.
    pub async fn hears(&mut self, tones: &[f32], not: &[f32]) -> Report {
        let begun = self.report().await.whole.duration;
        let heard = timeout(PATIENCE, async {
            loop {
                let report = self.report().await;
                if report.whole.duration >= begun + FRESH {
                    return report;
                }
            }
        });
        let report = heard.await.unwrap_or_else(|_| panic!("{} hears nothing", self.name));
        let level = |tone: &f32| report.recent.spectrum.level_at(*tone);
        let told = || format!("{} hears {:?}", self.name, report.recent.strongest);
        assert!(tones.iter().all(|tone| level(tone) > PRESENT), "{}, not {tones:?}", told());
        assert!(
            not.iter().all(|tone| level(tone) < ABSENT),
            "{}, but should not {not:?}: {:?}",
            told(),
            not.iter().map(level).collect::<Vec<_>>()
        );
        let stats = &report.stats;
        assert_eq!((stats.lost, stats.restarts, stats.strangers, stats.malformed), (0, 0, 0, 0), "{}: {stats:?}", self.name);
        match self.session.events.try_recv() {
            Err(TryRecvError::Empty) => {}
            other => panic!("{}: {other:?}", self.name),
        }
        report
    }

    async fn report(&self) -> Report {
        self.media.report().await.expect("the media thread answers")
    }

    /// What it says.
    pub fn tone(&self) -> f32 {
        self.tone
    }

    /// Hangs up.
    pub async fn leave(mut self) {
        assert!(self.session.tell(TerminalCommand::Hangup(Hangup::default())).await);
        match timeout(PATIENCE, self.session.next()).await.expect("in time").expect("the terminal lives") {
            TerminalEvent::Ended { by_peer: false, .. } => {}
            other => panic!("{}: {other:?}", self.name),
        }
        self.media.stop().await.expect("the media thread answers");
    }
}
