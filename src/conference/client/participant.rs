//! A participant: a [`Terminal`]'s signalling and its audio as one. The terminal may be part of a larger machine ([`Phone`]).
//!
//! [`Participant`] is told what to do, [`Happenings`] tells what happens. What was agreed reaches the audio on its way through [`Happenings::next`], so that
//! whoever owns one goes on asking it. Nothing here prints.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::mpsc::Sender, time::timeout};

use super::{
    ClientTransports, Dial, Hangup, Identity, Machine, ServerAddress, Session, Terminal, TerminalCommand, TerminalConfig, TerminalEvent,
    TerminalHost, TerminalMedia,
    media::{MediaError, Mic, Report},
};
use crate::{
    clock,
    conference::audio::formats,
    media::{Codec, dtmf},
    sdp::{AudioStream, Direction, LocalAudio},
    sip::endpoint::{Endpoint, EndpointConfig},
};

/// How long a key takes: the event and the gap behind it.
const KEY: Duration = Duration::from_millis(160);

/// A machine that is a [`Terminal`], or holds one.
pub trait Phone: Machine {
    /// Something for the terminal.
    fn command(command: TerminalCommand) -> Self::Command;

    /// What the terminal told, where it is that.
    fn terminal_event(event: &Self::Event) -> Option<&TerminalEvent>;
}

impl Phone for Terminal {
    fn command(command: TerminalCommand) -> TerminalCommand {
        command
    }

    fn terminal_event(event: &TerminalEvent) -> Option<&TerminalEvent> {
        Some(event)
    }
}

/// Who takes part, and with what.
#[derive(Debug, Clone)]
pub struct ParticipantConfig {
    /// Who.
    pub identity: Identity,
    /// Its server.
    pub server: ServerAddress,
    /// Codecs to offer, best first.
    pub codecs: Vec<Codec>,
    /// What it says.
    pub microphone: Mic,
    /// Where what it hears is recorded.
    pub record: Option<PathBuf>,
    /// Answer calls by itself; else it is busy.
    pub answer: bool,
    /// Ring for so long before answering.
    pub ring: Duration,
}

/// A participant; dropping it ends its call without a good-bye, [`Participant::leave`] does with one.
#[derive(Debug)]
pub struct Participant<M: Phone = Terminal> {
    commands: Sender<M::Command>,
    media: Arc<TerminalMedia>,
    microphone: Mic,
    local: SocketAddr,
}

/// How a participant left.
#[derive(Debug)]
pub struct Parting {
    /// What was heard and counted.
    pub report: Report,
    /// False when the good-bye got no answer: the other side may be gone.
    pub answered: bool,
}

/// What happens to a participant.
pub struct Happenings<M: Phone = Terminal> {
    session: Session<M>,
    media: Arc<TerminalMedia>,
    agreed: Option<AudioStream>,
}

impl<M: Phone> std::fmt::Debug for Happenings<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Happenings").field("agreed", &self.agreed).finish_non_exhaustive()
    }
}

impl Participant {
    /// Makes a participant by `transports`, with its audio on `host`; nobody is called yet.
    ///
    /// # Errors
    /// No sockets for the audio, or no file for the recording.
    pub fn open(host: &TerminalHost, transports: ClientTransports, config: ParticipantConfig) -> Result<(Self, Happenings), MediaError> {
        Self::open_as(host, transports, config, Terminal::new)
    }
}

impl<M: Phone> Participant<M> {
    /// The same around a larger machine, which `make` makes.
    ///
    /// # Errors
    /// As [`Participant::open`].
    pub fn open_as(
        host: &TerminalHost,
        transports: ClientTransports,
        config: ParticipantConfig,
        make: impl FnOnce(Endpoint, TerminalConfig) -> M,
    ) -> Result<(Self, Happenings<M>), MediaError>
    where
        M: Send + 'static,
        M::Command: Send,
        M::Event: Send,
    {
        let local = transports.local;
        let (mut media, rtp) = host.open(local.ip())?;
        if let Some(path) = &config.record {
            media.record_to(path)?;
        }
        media.set_mic(config.microphone.clone())?;
        let media = Arc::new(media);
        let session_id = u64::from_be_bytes(clock::seed().first_chunk().copied().unwrap_or_default()) >> 2;
        let terminal = TerminalConfig {
            identity: config.identity,
            server: config.server,
            audio: LocalAudio::new(rtp, formats(&config.codecs)),
            session_id,
            answer: config.answer,
            ring: config.ring,
            part: None,
        };
        let endpoint = transports.endpoint(EndpointConfig::default());
        let session = transports.run(make(endpoint, terminal));
        let commands = session.commands.clone();
        let participant = Self { commands, media: Arc::clone(&media), microphone: config.microphone, local };
        Ok((participant, Happenings { session, media, agreed: None }))
    }

    /// What its machine can be told.
    pub fn commands(&self) -> Sender<M::Command> {
        self.commands.clone()
    }

    /// Where its SIP comes in.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Calls. [`TerminalEvent::Established`] or [`TerminalEvent::Refused`] follows.
    pub async fn dial(&self, dial: Dial) {
        self.tell(TerminalCommand::Dial(Box::new(dial))).await;
    }

    /// Answers the call that rings, sooner than it would by itself. [`TerminalEvent::Established`] follows.
    pub async fn answer(&self) {
        self.tell(TerminalCommand::Answer).await;
    }

    /// Ends the call, or gives up calling. [`TerminalEvent::Ended`] or [`TerminalEvent::Refused`] follows.
    pub async fn hang_up(&self) {
        self.tell(TerminalCommand::Hangup(Hangup::default())).await;
    }

    /// Registers for so many seconds and stays registered; 0 takes it back.
    pub async fn register(&self, seconds: u32) {
        self.tell(TerminalCommand::Register(seconds)).await;
    }

    /// Holds the call, or takes it up again; a held call hears nothing from us. [`TerminalEvent::Changed`] or [`TerminalEvent::NotChanged`] follows.
    ///
    /// # Errors
    /// The audio does not keep up.
    pub async fn hold(&self, on: bool) -> Result<(), MediaError> {
        self.media.set_mic(if on { Mic::Silence } else { self.microphone.clone() })?;
        self.tell(TerminalCommand::Hold(on)).await;
        Ok(())
    }

    /// Says nothing, or speaks again: the call goes on.
    ///
    /// # Errors
    /// The audio does not keep up.
    pub fn mute(&self, on: bool) -> Result<(), MediaError> {
        self.media.set_mic(if on { Mic::Silence } else { self.microphone.clone() })
    }

    /// Presses keys and waits until they are sent. A comma pauses for `pause`; what is no key is left out.
    ///
    /// # Errors
    /// The audio does not keep up.
    pub async fn press(&self, keys: &str, pause: Duration) -> Result<(), MediaError> {
        for (at, run) in keys.split(',').enumerate() {
            if at > 0 {
                tokio::time::sleep(pause).await;
            }
            let count = run.chars().filter(|key| dtmf::code(*key).is_some()).count();
            self.media.send_digits(run)?;
            tokio::time::sleep(KEY * u32::try_from(count).unwrap_or(u32::MAX)).await;
        }
        Ok(())
    }

    /// What was heard and counted so far.
    ///
    /// # Errors
    /// The audio does not keep up.
    pub async fn report(&self) -> Result<Report, MediaError> {
        self.media.report().await
    }

    /// Asks the other side of the call whether it is still there. One that is not ends the call: [`TerminalEvent::Ended`].
    pub async fn ask(&self) {
        self.tell(TerminalCommand::Ask).await;
    }

    /// Ends call and registration, for which the server gets `patience`, and the audio. What happens meanwhile goes to `note`.
    ///
    /// # Errors
    /// The audio does not keep up, or the recording could not be written.
    pub async fn leave(
        self,
        mut happenings: Happenings<M>,
        patience: Duration,
        mut note: impl FnMut(M::Event),
    ) -> Result<Parting, MediaError> {
        self.tell(TerminalCommand::Leave).await;
        let mut heard = true;
        let parting = async {
            while let Some(event) = happenings.next().await {
                heard &= !matches!(M::terminal_event(&event), Some(TerminalEvent::Ended { by_peer: false, lost: true, .. }));
                note(event);
            }
        };
        let answered = timeout(patience, parting).await.is_ok();
        let Happenings { session, media, .. } = happenings;
        drop(media);
        if answered {
            session.over().await;
        }
        let Self { media, .. } = self;
        // No report is being made any more: reports borrow the participant.
        let report = Arc::into_inner(media).ok_or(MediaError::Busy)?.stop().await?;
        Ok(Parting { report, answered: answered && heard })
    }

    async fn tell(&self, command: TerminalCommand) {
        // One that is over needs no telling; its happenings have ended.
        let _ = self.commands.send(M::command(command)).await;
    }
}

impl<M: Phone> Happenings<M> {
    /// The next thing that happens; `None` when the participant is over.
    pub async fn next(&mut self) -> Option<M::Event> {
        let event = self.session.next().await?;
        let agreed = match M::terminal_event(&event) {
            Some(TerminalEvent::Established { audio, .. } | TerminalEvent::Changed { audio }) => audio.clone(),
            // The ports stay for the next call; nothing is said meanwhile.
            Some(TerminalEvent::Ended { .. }) => self.agreed.take().map(|stream| AudioStream { direction: Direction::Inactive, ..stream }),
            _ => return Some(event),
        };
        if let Some(stream) = &agreed
            && let Err(error) = self.media.start(stream)
        {
            tracing::warn!(%error, "what was agreed does not reach the audio");
        }
        self.agreed = agreed;
        Some(event)
    }
}
