//! A dialog of its own with a conference, without audio: INVITE, what is said about files, BYE.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::{
    cli::{ExitCode, Failure, confctl::dialog, output::safe_line, secret::PinFile, settings::Context, values::Room},
    clock,
    conference::client::{ClientTransports, Dial, Identity, Session, TerminalCommand, TerminalConfig, TerminalEvent},
    fileshare::{
        client::transfers::{TransferOptions, Transfers},
        terminal::{SharingCommand, SharingEvent, SharingTerminal},
    },
    sdp::LocalAudio,
    sip::{
        endpoint::{EndpointConfig, Reason},
        message::{Host, SipUri},
    },
};

/// How long a BYE may take before the program ends without its answer.
const PARTING: Duration = Duration::from_secs(2);
/// How often the conference is asked whether it is still there: a dialog without audio may be silent for ever.
const ASK: Duration = Duration::from_secs(5);

/// A dialog with a conference, and the transfers that go on in it.
pub struct Call {
    session: Session<SharingTerminal>,
    /// The transfers.
    pub transfers: Transfers,
    /// Where it went.
    pub uri: String,
}

/// When to ask: not at once, and not several times because nobody had the time.
pub fn asking() -> Interval {
    let mut asking = interval(ASK);
    asking.reset();
    asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    asking
}

/// Asks the other side whether it is still there. One that is not ends the call.
pub async fn ask(session: &Session<SharingTerminal>) {
    session.tell(SharingCommand::Terminal(TerminalCommand::Ask)).await;
}

/// What it means that a call is over which we did not end.
pub fn over(reason: Option<Reason>, lost: bool) -> Failure {
    let why = reason.and_then(|reason| reason.text).unwrap_or_else(|| "without a reason".to_owned());
    let (code, what) = if lost {
        (ExitCode::Unreachable, "the call to the conference broke off")
    } else {
        (ExitCode::Declined, "the conference ended the call")
    };
    Failure::new(code, format!("{what}: {}", safe_line(&why)))
}

/// A URI names its own server; of one that is ours, how to reach it is ours to know.
fn aimed(context: &Context, room: &Room) -> Context {
    let mut context = context.clone();
    if let Room::Uri(uri) = room
        && !dialog::server(&context).is_host_of(uri)
    {
        context.settings.server = SipUri { user: None, password: None, headers: None, ..uri.clone() };
    }
    context
}

impl Call {
    /// Calls a conference.
    ///
    /// # Errors
    /// Refused (3 to 6), not reached (7), interrupted.
    pub async fn open(room: &Room, pin: &PinFile, options: TransferOptions, home: &Context) -> Result<Self, Failure> {
        let context = &aimed(home, room);
        let server = dialog::server(context);
        let uri = match room {
            Room::Name(name) => server.at(name.as_str()),
            Room::Uri(uri) => uri.clone().into(),
        };
        let pin = pin.given()?;
        let transports = dialog::transports(context).await?;
        let identity = identity(room, home, &transports).await?;
        let local = transports.local;
        let nowhere = LocalAudio::new(SocketAddr::new(local.ip(), 0), Vec::new());
        let config = TerminalConfig {
            identity,
            server,
            audio: nowhere,
            session_id: u64::from_be_bytes(clock::seed().first_chunk().copied().unwrap_or_default()) >> 2,
            answer: false,
            ring: Duration::ZERO,
            part: None,
        };
        let machine = SharingTerminal::new(transports.endpoint(EndpointConfig::default()), config);
        let session = transports.run(machine);
        let options = TransferOptions { patience: context.settings.config.timeout.get(), ..options };
        let transfers = Transfers::new(session.commands.clone(), local.ip(), options);
        let mut call = Self { session, transfers, uri: uri.to_string() };
        let dial = Dial { uri, pin, offerless: false, without_audio: true };
        call.tell(SharingCommand::Terminal(TerminalCommand::Dial(Box::new(dial)))).await;
        match call.enter(context).await {
            Ok(()) => Ok(call),
            Err(failure) => {
                call.leave().await;
                Err(failure)
            }
        }
    }

    /// Waits for the answer.
    async fn enter(&mut self, context: &Context) -> Result<(), Failure> {
        let spinner = context.output.spinner(&format!("calling {}", self.uri));
        let patience = context.settings.config.timeout.get();
        let answer = async {
            loop {
                match self.session.next().await {
                    Some(SharingEvent::Terminal(TerminalEvent::Established { focus: true, pin_wanted: false, .. })) => return Ok(()),
                    Some(SharingEvent::Terminal(TerminalEvent::Established { focus: true, .. })) => {
                        return Err(
                            Failure::new(ExitCode::Denied, "the conference requires a PIN").hint("use --pin-file or set CONFKIT_PIN")
                        );
                    }
                    Some(SharingEvent::Terminal(TerminalEvent::Established { .. })) => {
                        return Err(Failure::new(ExitCode::NotFound, format!("{} is not a conference", self.uri)));
                    }
                    Some(SharingEvent::Terminal(TerminalEvent::Refused(refusal))) => return Err(refusal.into()),
                    Some(SharingEvent::Terminal(TerminalEvent::Ended { .. })) | None => {
                        return Err(Failure::new(ExitCode::Declined, "the conference ended the call"));
                    }
                    Some(_) => {}
                }
            }
        };
        let answer = tokio::select! {
            answer = timeout(patience, answer) => answer,
            () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
        };
        drop(spinner);
        answer.unwrap_or_else(|_| {
            let waited = humantime::format_duration(patience);
            Err(Failure::new(ExitCode::Unreachable, format!("{} did not answer in {waited}", self.uri))
                .hint("is relayd running there? name the server with --server, wait longer with --timeout"))
        })
    }

    /// Tells the terminal something.
    pub async fn tell(&self, command: SharingCommand) {
        self.session.tell(command).await;
    }

    /// Its halves: who is waited for at the same time must be two.
    pub fn parts(&mut self) -> (&mut Session<SharingTerminal>, &mut Transfers) {
        (&mut self.session, &mut self.transfers)
    }

    /// Says BYE; transfers break off.
    pub async fn leave(self) {
        let Self { mut session, transfers, .. } = self;
        let parting = async {
            session.tell(SharingCommand::Terminal(TerminalCommand::Leave)).await;
            while session.next().await.is_some() {}
            session.over().await;
        };
        // The server may be gone: then nobody misses our BYE.
        let _ = timeout(PARTING, parting).await;
        drop(transfers);
    }
}

/// The account to act as, else a guest. The password answers nobody but the account's own server.
async fn identity(room: &Room, home: &Context, transports: &ClientTransports) -> Result<Identity, Failure> {
    let asks_home = match room {
        Room::Name(_) => true,
        Room::Uri(uri) => dialog::server(home).is_host_of(uri),
    };
    Ok(match dialog::account_if_any(home).await? {
        Some(Identity { address, credentials }) => Identity { address, credentials: credentials.filter(|_| asks_home) },
        None => Identity::guest(None, Host::Ip(transports.local.ip()), Some(transports.local.port())),
    })
}
