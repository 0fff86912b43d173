//! Everything that a scenario plays on: its server, its terminals, its subscribers, its folder. Opened before the first step, closed behind the last.
//!
//! | file | what |
//! |---|---|
//! | `open.rs` | opens it: server, files, terminals |
//! | `close.rs` | closes it, and reads what was said |

mod close;
mod open;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use super::{
    audience::Audience,
    journal::Journal,
    model::{Given, Scenario, Terminal},
    origin::Origin,
    server::Servers,
};
use crate::{
    account::Credentials,
    channel::client::Identities,
    cli::{
        ExitCode, Failure, OrFail as _,
        actor::{Actor, Filed, is_named},
        confctl::dialog,
        settings::Context,
    },
    clock,
    conference::client::{Identity, Watch},
    id::{ConferenceName, UserName},
    sip::{endpoint::EndpointConfig, message::Host, transport::Trace},
};

/// Where files that are made lie in the scenario's folder.
const MADE: &str = "files";
/// Where what terminals receive lies in it, a folder each.
const RECEIVED: &str = "received";
/// Where terminals have the identities that others know them by, a folder each.
const IDENTITIES: &str = "identities";

/// The stage.
#[derive(Debug)]
pub struct Stage {
    /// What is played.
    pub scenario: Scenario,
    /// What happened.
    pub journal: Arc<Journal>,
    /// Terminals by name.
    pub actors: BTreeMap<String, Player>,
    /// What programs find the server by.
    pub environment: BTreeMap<String, String>,
    context: Context,
    credentials: Option<Credentials>,
    audiences: Mutex<BTreeMap<ConferenceName, Arc<Audience>>>,
    since: Mutex<Since>,
    made: Mutex<BTreeSet<ConferenceName>>,
    /// What was shared by steps.
    shared: Mutex<Vec<Origin>>,
    /// Names of the addresses from which terminals sent and received by channels.
    addresses: Mutex<BTreeMap<String, String>>,
    servers: Option<Servers>,
    trace: Option<(Trace, PathBuf)>,
    // Dropped last: recordings lie there.
    tasks: TaskTracker,
    folder: Folder,
}

/// A terminal of the scenario.
#[derive(Debug)]
pub struct Player {
    /// What it is.
    pub terminal: Terminal,
    /// Where it is recorded.
    pub recording: PathBuf,
    actor: Actor,
}

impl std::ops::Deref for Player {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.actor
    }
}

/// How much had happened when the last step that was more than waiting and looking began.
#[derive(Debug, Default)]
struct Since {
    /// Of each its calls, and its files.
    terminals: BTreeMap<String, (usize, usize)>,
    conferences: BTreeMap<ConferenceName, usize>,
}

/// Where recordings, logs and traces lie.
#[derive(Debug)]
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn open(keep: Option<&Path>) -> Result<Self, Failure> {
        match keep {
            Some(path) => {
                std::fs::create_dir_all(path).or_fail(ExitCode::Usage, format_args!("make the folder {}", path.display()))?;
                Ok(Self::Kept(path.to_owned()))
            }
            None => TempDir::with_prefix("confctl-").map(Self::Temporary).or_fail(ExitCode::Failed, "make a temporary folder"),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

impl Stage {
    fn made_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(MADE).join(name)
    }

    /// Where a file or folder is that a step names: one that was made at the start, else as meant from the scenario's folder.
    pub fn path(&self, given: &Given) -> PathBuf {
        let made = self.scenario.files.iter().any(|made| made.name.as_str() == given.text);
        if made { self.made_path(&given.text) } else { given.path.clone() }
    }

    /// Where what a terminal receives lies.
    pub fn received(&self, name: &str) -> PathBuf {
        self.folder.path().join(RECEIVED).join(name)
    }

    /// The identity of a terminal, and those that it knows.
    pub fn identities(&self, name: &str) -> Identities {
        Identities::new(&self.folder.path().join(IDENTITIES).join(name))
    }

    /// Where the messages of a terminal are written down, unless the server does.
    pub fn trace_of(&self, name: &str) -> Option<(Trace, String)> {
        self.trace.as_ref().map(|(trace, _)| (trace.clone(), name.to_owned()))
    }

    /// A terminal has this address, too.
    pub fn is_at(&self, address: SocketAddr, name: &str) {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).insert(address.to_string(), name.to_owned());
    }

    /// Something happened to the files of a terminal, outside a call.
    pub fn filed(&self, player: &Player, happened: Filed) {
        let (what, text) = happened.told();
        self.journal.mark(player.terminal.name.as_str(), what, text);
        player.filed.push(happened);
    }

    /// Steps share these.
    pub fn shares(&self, origins: impl IntoIterator<Item = Origin>) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).extend(origins);
    }

    /// What was last shared under a name.
    pub fn origin(&self, name: &str) -> Option<Origin> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.iter().rfind(|origin| is_named(&origin.name, name)).cloned()
    }

    /// The context of an account; without one, of whom the program acts as.
    ///
    /// # Errors
    /// The account's password is not known (exit code 3).
    pub fn context(&self, account: Option<&UserName>) -> Result<Context, Failure> {
        let mut context = self.context.clone();
        if let Some(account) = account {
            context.settings.config.user = Some(account.clone());
        }
        if let (Some(user), Some(credentials)) = (&context.settings.config.user, &self.credentials) {
            context.settings.password = credentials.password(user).cloned();
        }
        let own = self.context.settings.config.user.as_ref();
        if account.is_some() && account != own && context.settings.password.is_none() {
            let user = account.map_or("", UserName::as_str);
            return Err(
                Failure::new(ExitCode::Denied, format!("no password is known for {user}")).hint("name a file with it by --credentials")
            );
        }
        Ok(context)
    }

    /// How long an answer is waited for.
    pub fn patience(&self) -> Duration {
        self.context.settings.config.timeout.get()
    }

    /// A terminal; every name was checked when the file was read.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn actor(&self, name: &str) -> Result<&Player, Failure> {
        self.actors.get(name).ok_or_else(|| Failure::usage(format!("\"{name}\" is no terminal")))
    }

    /// The subscriber of a conference's state, made if there is none that goes on.
    ///
    /// # Errors
    /// No way to the server.
    pub async fn audience(&self, name: &ConferenceName) -> Result<Arc<Audience>, Failure> {
        if let Some(audience) = self.audiences().get(name).filter(|audience| audience.goes_on()) {
            return Ok(Arc::clone(audience));
        }
        let context = self.context(None)?;
        let transports =
            dialog::transports_traced(&context, self.trace.as_ref().map(|(trace, _)| trace.clone()), Some("watch".to_owned())).await?;
        let identity = match dialog::account_if_any(&context).await? {
            Some(identity) => identity,
            None => Identity::guest(None, Host::Ip(transports.local.ip()), Some(transports.local.port())),
        };
        let endpoint = transports.endpoint(EndpointConfig::default());
        let session = transports.run(Watch::new(clock::now(), endpoint, &identity, &dialog::server(&context), name));
        let audience = Audience::new(name.clone(), session, &self.tasks);
        audience.wait(self.patience(), |seen| !matches!(seen, super::audience::Seen::Nothing)).await;
        if let Some(other) = self.audiences().insert(name.clone(), Arc::clone(&audience)) {
            other.leave();
        }
        Ok(audience)
    }

    /// The subscriber that a conference had last, also if it is over.
    pub fn last_audience(&self, name: &ConferenceName) -> Option<Arc<Audience>> {
        self.audiences().get(name).cloned()
    }

    /// A step begins that is more than waiting and looking: events count from here.
    pub fn begins(&self) {
        let terminals = self.actors.iter().map(|(name, actor)| (name.clone(), (actor.log.len(), actor.filed.len()))).collect();
        let conferences = self.audiences().iter().map(|(name, audience)| (name.clone(), audience.log.len())).collect();
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Since { terminals, conferences };
    }

    /// Where events of a terminal count from: of its calls, and of its files.
    pub fn since_of_terminal(&self, name: &str) -> (usize, usize) {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).terminals.get(name).copied().unwrap_or_default()
    }

    /// Where events of a conference count from.
    pub fn since_of_conference(&self, name: &ConferenceName) -> usize {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).conferences.get(name).copied().unwrap_or(0)
    }

    /// A conference was made, or is over, by a step.
    pub fn made(&self, name: &ConferenceName, there: bool) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if there {
            made.insert(name.clone());
        } else {
            made.remove(name);
        }
    }

    /// Notes how loud it is what each hears.
    pub async fn note_levels(&self) {
        for (name, actor) in self.actors.iter().filter(|(_, actor)| actor.in_call()) {
            if let Ok(report) = actor.participant.report().await {
                self.journal.level(name, report.recent.level_dbfs);
            }
        }
    }

    fn audiences(&self) -> MutexGuard<'_, BTreeMap<ConferenceName, Arc<Audience>>> {
        self.audiences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs futures side by side; what they give, in their order.
pub async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut all = true;
        for (future, given) in &mut running {
            if given.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *given = Some(value),
                    Poll::Pending => all = false,
                }
            }
        }
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, given)| given).collect()
}
