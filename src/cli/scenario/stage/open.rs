//! Opening: the server, the files, the terminals.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio_util::task::TaskTracker;

use super::{Folder, Player, Stage};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        actor::{Actor, Manner, Participant},
        audio,
        confctl::dialog,
        scenario::{
            journal::Journal,
            model::{Scenario, Server, Terminal},
            origin,
            server::Servers,
        },
        settings::{Context, Settings, credentials_of},
    },
    conference::client::{Identity, ParticipantConfig, TerminalEvent, TerminalHost},
    fileshare::terminal::SharingTerminal,
    media::Codec,
    sip::{
        message::{Host, NameAddr, SipUri},
        transport::Trace,
    },
    transfer::Overwrite,
};

/// Registrations last longer than scenarios mostly do, and are refreshed.
const REGISTERED: u32 = 600;

impl Stage {
    /// Starts the server, if it is an ephemeral one, and opens every terminal. What is to be kept goes to `keep`.
    ///
    /// # Errors
    /// With the exit code that says why there is no server, or no terminal.
    pub async fn open(scenario: Scenario, context: &Context, journal: Arc<Journal>, keep: Option<&Path>) -> Result<Self, Failure> {
        let folder = Folder::open(keep)?;
        let mut settings = context.settings.clone();
        let mut servers = None;
        let mut trace = None;
        match &scenario.server {
            Server::Ephemeral(wanted) => {
                journal.doing("starting a server");
                let started = Servers::start(wanted, &scenario.accounts(), folder.path()).await?;
                settings = of_server(&settings, &started)?;
                servers = Some(started);
            }
            Server::At(uri) => {
                settings.server = uri.clone();
                let path = folder.path().join("sip.ladder");
                let file = File::create(&path).or_fail(ExitCode::Failed, format_args!("make {}", path.display()))?;
                let sink = Trace::to(Some(Box::new(BufWriter::new(file))), None, false).or_fail(ExitCode::Failed, "trace SIP messages")?;
                trace = Some((sink, path));
            }
        }
        let credentials = settings.config.credentials.as_deref().map(credentials_of).transpose()?;
        let environment = servers.as_ref().map_or_else(|| environment(&settings), |servers| servers.environment.clone());
        let mut stage = Self {
            scenario,
            journal,
            actors: BTreeMap::new(),
            environment,
            context: Context { settings, ..context.clone() },
            credentials,
            audiences: Mutex::default(),
            since: Mutex::default(),
            made: Mutex::default(),
            shared: Mutex::default(),
            addresses: Mutex::default(),
            servers,
            trace,
            tasks: TaskTracker::new(),
            folder,
        };
        let opened = stage.open_terminals().await;
        match opened {
            Ok(()) => Ok(stage),
            Err(failure) => {
                stage.close().await;
                Err(failure)
            }
        }
    }

    async fn open_terminals(&mut self) -> Result<(), Failure> {
        for made in self.scenario.files.clone() {
            self.journal.doing(&format!("making {}", made.name));
            origin::make(&self.made_path(made.name.as_str()), made.name.as_str(), made.size.get()).await?;
        }
        let host = TerminalHost::start().or_fail(ExitCode::Failed, "start the audio")?;
        for terminal in self.scenario.terminals.clone() {
            self.journal.doing(&format!("opening the terminal {}", terminal.name));
            let player = self.open_terminal(&host, terminal).await?;
            self.actors.insert(player.terminal.name.to_string(), player);
        }
        let patience = self.patience();
        for actor in self.actors.values().filter(|actor| actor.terminal.register) {
            actor.participant.register(REGISTERED).await;
            let told = actor.log.find(0, patience, |event| match event {
                TerminalEvent::Registered(_) => Some(Ok(())),
                TerminalEvent::RegistrationFailed(refusal) => Some(Err(Failure::from(refusal.clone()))),
                _ => None,
            });
            let told = told.await.unwrap_or_else(|| Err(Failure::new(ExitCode::Unreachable, "the server does not answer")));
            told.map_err(|failure| Failure {
                message: format!("{} is not registered: {}", actor.terminal.name, failure.message),
                ..failure
            })?;
        }
        Ok(())
    }

    async fn open_terminal(&self, host: &TerminalHost, terminal: Terminal) -> Result<Player, Failure> {
        let context = self.context(terminal.account.as_ref())?;
        let trace = self.trace.as_ref().map(|(trace, _)| trace.clone());
        let transports = dialog::transports_traced(&context, trace, Some(terminal.name.to_string())).await?;
        let local = transports.local;
        let (shown, server) = (terminal.shown().to_owned(), dialog::server(&context));
        let identity = match &terminal.account {
            Some(_) => dialog::account(&context).await?,
            // An address of its own, so that it can be told apart and called.
            None => Identity {
                address: NameAddr::new(SipUri::new(Some(terminal.name.as_str()), Host::Ip(local.ip()), Some(local.port()))),
                credentials: None,
            },
        };
        let recording = terminal.record.clone().unwrap_or_else(|| self.folder.path().join(format!("{}.wav", terminal.name)));
        let codecs: Vec<Codec> = terminal.codecs.iter().map(|codec| codec.0).collect();
        let config = ParticipantConfig {
            identity: Identity { address: identity.address.clone().named(&shown), ..identity },
            server,
            codecs: if codecs.is_empty() { Codec::ALL.to_vec() } else { codecs },
            microphone: audio::microphone(&terminal.microphone)?,
            record: Some(recording.clone()),
            answer: terminal.answer,
            ring: terminal.ring.get(),
        };
        let opened = Participant::open_as(host, transports, config, SharingTerminal::new);
        let (participant, happenings) = opened.or_fail(ExitCode::Failed, format_args!("open the terminal {}", terminal.name))?;
        let folder = self.received(terminal.name.as_str());
        let (limit, patience) = (terminal.limit.get(), self.context.settings.config.timeout.get());
        let manner = Manner { receive: terminal.receive, limit, folder, overwrite: Overwrite::Replace, patience, come_again: false };
        let (journal, name) = (Arc::clone(&self.journal), terminal.name.to_string());
        let mark = move |what, text| journal.mark(&name, what, text);
        let actor = Actor::new(terminal.name.as_str(), participant, happenings, manner, mark, &self.tasks);
        Ok(Player { actor, terminal, recording })
    }
}

/// Settings for the server that was started.
fn of_server(settings: &Settings, servers: &Servers) -> Result<Settings, Failure> {
    let variable = |name: &str| servers.environment.get(name);
    let mut settings = settings.clone();
    settings.server = servers.address.clone();
    settings.password_file = None;
    settings.config.server = Some(servers.address.clone());
    // It tells its own.
    settings.config.relays = Vec::new();
    settings.config.proxy = None;
    settings.config.user =
        variable("CONFKIT_USER").map(|user| user.parse()).transpose().or_fail(ExitCode::Failed, "understand the ready line")?;
    settings.config.credentials = variable("CONFKIT_CREDENTIALS").map(PathBuf::from);
    settings.config.ca = variable("CONFKIT_CA").map(PathBuf::from);
    Ok(settings)
}

/// What programs find a server by that we were told of.
fn environment(settings: &Settings) -> BTreeMap<String, String> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let all = [
        ("CONFKIT_SERVER", Some(settings.server.to_string())),
        ("CONFKIT_USER", settings.config.user.as_ref().map(ToString::to_string)),
        ("CONFKIT_CREDENTIALS", path(&settings.config.credentials)),
        ("CONFKIT_CA", path(&settings.config.ca)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
