//! `confctl watch`: what happens in a conference, as its event package (RFC 4575) tells it.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cli::{
        ExitCode, Failure,
        confctl::{
            dialog::{self, Dialog},
            events::Watched,
            picture,
            refused::SILENT,
        },
        settings::Context,
        values,
    },
    clock,
    conference::{
        client::{Identity, Session, Watch, WatchCommand, WatchEvent},
        wire::control::{Command, Data},
    },
    id::ConferenceName,
    sip::endpoint::EndpointConfig,
};

/// How often `--all` looks for conferences that it does not watch yet.
const LOOK: Duration = Duration::from_secs(1);
/// Most conferences that `--all` watches at once; the others are noted.
const MAX_WATCHED: usize = 256;
/// Events that wait to be printed; then the watchers wait.
const QUEUE: usize = 256;
/// How often the server is asked whether it is still there: a subscription alone may be silent for ever.
const ASK: Duration = Duration::from_secs(5);
/// How long leaving may take.
const PARTING: Duration = Duration::from_secs(2);

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl watch standup\n  \
    confctl --json watch --all --for 10m | jq -c 'select(.event == \"joined\")'";

/// What to watch, and how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What
    #[command(flatten)]
    pub which: Which,

    /// Stop after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub length: Option<Duration>,
}

/// One conference, or all of them.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Conference
    pub name: Option<ConferenceName>,

    /// Every conference of the server
    #[arg(long)]
    pub all: bool,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let work = async {
        match &args.which.name {
            Some(name) => one(context, name, &stop).await,
            None => all(context, &stop).await,
        }
    };
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = context.leaving.cancelled() => {}
        () = after(args.length) => {}
    }
    stop.cancel();
    work.await
}

async fn after(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}

/// One conference: ends with it, or with the subscription.
async fn one(context: &Context, name: &ConferenceName, stop: &CancellationToken) -> Result<(), Failure> {
    let identity = identity(context).await?;
    let (tell, mut told) = mpsc::channel(QUEUE);
    let watching = watch(context.clone(), identity, name.clone(), tell, stop.clone());
    let printing = async {
        while let Some(event) = told.recv().await {
            context.output.event(&event)?;
        }
        Ok(())
    };
    tokio::try_join!(watching, printing).map(|_| ())
}

/// All conferences: those that there are, and those that come.
async fn all(context: &Context, stop: &CancellationToken) -> Result<(), Failure> {
    let identity = dialog::account(context).await?;
    let mut dialog = Dialog::open(context).await?;
    let (tell, mut told) = mpsc::channel(QUEUE);
    let (done, mut ended) = mpsc::channel::<ConferenceName>(QUEUE);
    let watchers = TaskTracker::new();
    let mut watched = BTreeSet::new();
    let mut look = tokio::time::interval(LOOK);
    let outcome = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            Some(event) = told.recv() => if let Err(failure) = context.output.event(&event) {
                break Err(failure);
            },
            Some(name) = ended.recv() => {
                watched.remove(&name);
            }
            _ = look.tick() => {
                let names = match names(context, &mut dialog).await {
                    Ok(names) => names,
                    Err(failure) => break Err(failure),
                };
                for name in names {
                    if watched.contains(&name) {
                        continue;
                    }
                    if watched.len() >= MAX_WATCHED {
                        context.output.warn(format_args!("not watching {name}: already watching {MAX_WATCHED} conferences"));
                        continue;
                    }
                    watched.insert(name.clone());
                    let (context, identity, tell, done, stop) = (context.clone(), identity.clone(), tell.clone(), done.clone(), stop.clone());
                    watchers.spawn(async move {
                        if let Err(failure) = watch(context.clone(), identity, name.clone(), tell, stop).await
                            && failure.code != ExitCode::NotFound
                        {
                            context.output.warn(format_args!("{name}: {}", failure.message));
                        }
                        let _ = done.send(name).await;
                    });
                }
            }
        }
    };
    stop.cancel();
    drop((told, ended));
    dialog.close().await;
    watchers.close();
    let _ = tokio::time::timeout(PARTING, watchers.wait()).await;
    outcome
}

async fn names(context: &Context, dialog: &mut Dialog) -> Result<Vec<ConferenceName>, Failure> {
    let data = dialog.ask(context, Command::List, None).await?;
    let Data::Conferences { conferences } = data else { return Ok(Vec::new()) };
    Ok(conferences.into_iter().filter_map(|c| c.name.parse().ok()).collect())
}

/// The account, else a guest: a conference that takes guests may be watched by one.
async fn identity(context: &Context) -> Result<Identity, Failure> {
    let account = dialog::account_if_any(context).await?;
    match account {
        Some(identity) => Ok(identity),
        None => {
            let transports = dialog::transports(context).await?;
            Ok(Identity::guest(None, crate::sip::message::Host::Ip(transports.local.ip()), Some(transports.local.port())))
        }
    }
}

/// Watches one conference until it is over, `stop` is cancelled, or nobody listens.
async fn watch(
    context: Context,
    identity: Identity,
    name: ConferenceName,
    tell: mpsc::Sender<Watched>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let transports = dialog::transports(&context).await?;
    let endpoint = transports.endpoint(EndpointConfig::default());
    let mut session = transports.run(Watch::new(clock::now(), endpoint, &identity, &dialog::server(&context), &name));
    let mut before = None;
    let patience = context.settings.config.timeout.get();
    let mut silent = std::pin::pin!(tokio::time::sleep(patience));
    let mut ask = tokio::time::interval(ASK);
    ask.tick().await;
    let outcome = loop {
        let event = tokio::select! {
            event = session.next() => event,
            _ = ask.tick() => {
                session.tell(WatchCommand::Ask).await;
                continue;
            }
            () = &mut silent, if before.is_none() => {
                let waited = humantime::format_duration(patience);
                let failure = Failure::new(ExitCode::Unreachable, format!("{} said nothing about {name} within {waited}", context.settings.server));
                return Err(failure.hint(SILENT));
            }
            () = stop.cancelled() => return part(session, &context).await,
        };
        let at = clock::wall().into();
        match event {
            Some(WatchEvent::News { picture: after, document }) => {
                for event in picture::changes(name.as_str(), at, before.as_deref(), &after, &document) {
                    if tell.send(event).await.is_err() {
                        return Ok(());
                    }
                }
                before = Some(after);
            }
            Some(WatchEvent::Gone) => {
                let _ = tell.send(Watched::Ended { at, conference: name.to_string(), reason: None }).await;
                break Ok(());
            }
            Some(WatchEvent::Failed(refusal)) if refusal.status == 404 => {
                break Err(Failure::new(ExitCode::NotFound, format!("no conference {name}")));
            }
            // There is nobody to take leave of.
            Some(WatchEvent::Failed(refusal)) if refusal.unheard.is_some() => return Err(refusal.into()),
            Some(WatchEvent::Failed(refusal)) => break Err(refusal.into()),
            Some(WatchEvent::Ended) | None => break Ok(()),
        }
    };
    over(session).await;
    outcome
}

/// Waits until nothing is left to be said, but not for a server that leaves its subscription open.
async fn over(session: Session<Watch>) {
    let _ = tokio::time::timeout(PARTING, session.over()).await;
}

/// Ends a subscription. A server that does not answer to that may be gone, and with it what was to be watched.
async fn part(mut session: Session<Watch>, context: &Context) -> Result<(), Failure> {
    session.tell(WatchCommand::Leave).await;
    let parting = async {
        while let Some(event) = session.next().await {
            match event {
                WatchEvent::Failed(refusal) => return Err(refusal.into()),
                WatchEvent::News { .. } => {}
                WatchEvent::Gone | WatchEvent::Ended => return Ok(()),
            }
        }
        Ok(())
    };
    match tokio::time::timeout(PARTING, parting).await {
        Ok(Ok(())) => {
            over(session).await;
            Ok(())
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => {
            let failure =
                Failure::new(ExitCode::Unreachable, format!("{} did not answer when we left: it may be gone", context.settings.server));
            Err(failure.hint(SILENT))
        }
    }
}
