//! Steps: each does what the command of its name does, by the same means.

use std::time::Duration;

use super::{
    audience::Seen,
    judge,
    model::{
        Action, Create, Download, Dtmf, Invite, Join, Kick, Members, Message, OfConference, OfTerminal, Pin, Share, Step, Unshare, Volume,
    },
    origin, send,
    stage::Stage,
};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        actor::{Order, ToShare},
        confctl::{dialog, message},
        fshare::failure,
        settings::Context,
        values::{Callee, Digits},
    },
    conference::{
        client::Dial,
        wire::control::{self, Command, Data, VolumeDirection, Who},
    },
    config::Count,
    fileshare::client::{Uploader, transfers::ShareOptions},
    id::ConferenceName,
    transfer::{Source, SourceOptions},
};

/// How long somebody who is invited may let it ring: longer than a server does.
const RINGING: Duration = Duration::from_secs(75);

/// How long a step waits for somebody who was answered to be in.
const ENTERED: Duration = Duration::from_secs(1);

/// Does what a step says. Expectations and groups are not steps in this sense: they do nothing.
///
/// # Errors
/// With the exit code that the command would have.
pub async fn act(stage: &Stage, step: &Step) -> Result<(), Failure> {
    let context = || stage.context(step.actor.as_ref());
    match &step.action {
        Action::Create(create) => make(stage, &context()?, create).await,
        Action::Join(join) => enter(stage, join).await,
        Action::Invite(Invite { who, conference }) => {
            let uris = who.iter().map(|who| address(stage, &who.0)).collect();
            invite(&context()?, Command::Invite { conference: room(stage, conference)?.to_string(), uris }).await
        }
        Action::Mute(Members { who, conference }, on) => {
            command(&context()?, Command::Mute { conference: room(stage, conference)?.to_string(), who: whom(stage, &who.0), on: *on })
                .await
        }
        Action::Deaf(Members { who, conference }, on) => {
            command(&context()?, Command::Deaf { conference: room(stage, conference)?.to_string(), who: whom(stage, &who.0), on: *on })
                .await
        }
        Action::Volume(Volume { who, gain, hears, conference }) => {
            let direction = if *hears { VolumeDirection::Out } else { VolumeDirection::In };
            let (conference, who) = (room(stage, conference)?.to_string(), whom(stage, &who.0));
            command(&context()?, Command::Volume { conference, who, direction, gain_db: gain.0 }).await
        }
        Action::Kick(Kick { who, reason, conference }) => {
            let reason = reason.as_ref().map(|reason| reason.0.clone());
            command(&context()?, Command::Kick { conference: room(stage, conference)?.to_string(), who: whom(stage, &who.0), reason }).await
        }
        Action::Lock(OfConference { conference }, on) => {
            command(&context()?, Command::Lock { conference: room(stage, conference)?.to_string(), on: *on }).await
        }
        Action::Pin(pin @ Pin { conference, .. }) => {
            let wanted = pin.wanted().or_fail(ExitCode::Usage, "read the PIN")?;
            command(&context()?, Command::Pin { conference: room(stage, conference)?.to_string(), pin: wanted }).await
        }
        Action::Message(Message { to, text }) => {
            let to: Callee = address(stage, &to.0).parse().map_err(Failure::usage)?;
            message::send(&context()?, &to, &text.0).await.map(|_| ())
        }
        Action::Dtmf(Dtmf { terminal, keys }) => {
            let actor = stage.actor(terminal.as_str())?;
            actor.is_in_call()?;
            actor.participant.press(keys.0.as_str(), Digits::PAUSE).await.or_fail(ExitCode::Failed, "press the keys")
        }
        Action::Hold(OfTerminal { terminal }, on) => stage.actor(terminal.as_str())?.hold(*on, stage.patience()).await,
        Action::Leave(OfTerminal { terminal }) => stage.actor(terminal.as_str())?.hang_up(stage.patience()).await,
        Action::End(OfConference { conference }) => {
            let name = room(stage, conference)?;
            command(&context()?, Command::End { conference: name.to_string(), reason: None }).await?;
            stage.made(name, false);
            Ok(())
        }
        Action::Share(wanted) => share(stage, wanted).await,
        Action::Download(Download { terminal, file, within }) => {
            let actor = stage.actor(terminal.as_str())?;
            actor.is_in_call()?;
            actor.ask(within.get(), |reply| Order::Download(file.0.clone(), None, reply)).await
        }
        Action::Send(wanted) => Box::pin(send::send(stage, wanted)).await,
        Action::Unshare(Unshare { terminal, file }) => {
            let actor = stage.actor(terminal.as_str())?;
            actor.is_in_call()?;
            actor.ask(stage.patience(), |reply| Order::End(file.0.clone(), reply)).await
        }
        Action::Wait(wait) => {
            tokio::time::sleep(wait.time()).await;
            Ok(())
        }
        Action::Expect(_) | Action::Parallel(_) => Ok(()),
    }
}

async fn command(context: &Context, command: Command) -> Result<(), Failure> {
    dialog::ask(context, command, None).await.map(|_| ())
}

async fn make(stage: &Stage, context: &Context, create: &Create) -> Result<(), Failure> {
    let name = room(stage, &create.conference)?;
    let pin = create.pin.as_ref().map(|pin| pin.0.parse()).transpose().or_fail(ExitCode::Usage, "read the PIN")?;
    let presets = [("share", create.share), ("receive", create.receive)];
    let wanted = control::Create {
        name: name.to_string(),
        title: create.title.as_ref().map(|title| title.0.clone()),
        pin,
        guests: create.guests,
        max: create.max.map(Count::get),
        ttl_seconds: create.ttl.map(|ttl| ttl.get().as_secs().max(1)),
        rights: presets.into_iter().filter_map(|(right, preset)| Some((right.to_owned(), preset?))).collect(),
        codecs: Vec::new(),
    };
    command(context, Command::Create(wanted)).await?;
    stage.made(name, true);
    // From here on everything that happens in it is seen.
    stage.audience(name).await.map(|_| ())
}

async fn invite(context: &Context, wanted: Command) -> Result<(), Failure> {
    let patience = context.settings.config.timeout.get().max(RINGING);
    match dialog::ask(context, wanted, Some(patience)).await? {
        Data::Invited { invited } => match invited.into_iter().find_map(|invitee| invitee.failure.map(|failure| (invitee.uri, failure))) {
            Some((uri, failure)) => {
                let failure = Failure::from(failure);
                Err(Failure { message: format!("{uri} did not come: {}", failure.message), ..failure })
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

async fn enter(stage: &Stage, join: &Join) -> Result<(), Failure> {
    let actor = stage.actor(join.terminal.as_str())?;
    let server = dialog::server(&stage.context(None)?);
    let named = if join.uri.is_none() { Some(room(stage, &join.conference)?) } else { None };
    let uri = match (&join.uri, named) {
        (Some(uri), _) => uri.clone().into(),
        (None, Some(name)) => server.at(name.as_str()),
        (None, None) => return Err(Failure::usage("join names no conference")),
    };
    let pin = join.pin.as_ref().map(|pin| pin.0.parse()).transpose().or_fail(ExitCode::Usage, "read the PIN")?;
    actor.call(Dial { uri, pin, offerless: false, without_audio: false }, stage.patience()).await?;
    let Some(name) = named else { return Ok(()) };
    // A conference that this call brought into being is seen from here on. Answered is not yet in: the mix takes a moment, a PIN that is typed longer.
    let audience = stage.audience(name).await?;
    let is_in = |seen: &Seen| judge::names(&stage.scenario, &seen.roster(), |_| true).iter().any(|name| *name == join.terminal.as_str());
    audience.wait(ENTERED, is_in).await;
    Ok(())
}

/// Shares; over when the conference has taken it: the files go while the steps go on.
async fn share(stage: &Stage, wanted: &Share) -> Result<(), Failure> {
    let Share { terminal, paths, via, to } = wanted;
    let actor = stage.actor(terminal.as_str())?;
    actor.is_in_call()?;
    let paths: Vec<_> = paths.iter().map(|given| stage.path(given)).collect();
    let source = Source::from_paths(paths.clone(), SourceOptions::default()).await.map_err(|error| failure::of_source(&error))?;
    stage.shares(origin::of(&source, &paths, terminal.as_str()));
    let uploader = Uploader::new(source).map_err(|error| failure::of_transfer("failed to share", &error, None))?;
    let recipients = to.iter().map(|who| address(stage, &who.0)).collect();
    let options = ShareOptions { opening: via.0, recipients, batch: None };
    let wanted = ToShare { uploader, options, named: None, wait: false };
    actor.ask(stage.patience(), |reply| Order::Share(Box::new(wanted), reply)).await.map(drop)
}

/// The conference that is meant; checked when the file was read.
pub fn room<'a>(stage: &'a Stage, named: &'a Option<ConferenceName>) -> Result<&'a ConferenceName, Failure> {
    stage.scenario.room(named).ok_or_else(|| Failure::usage("no conference is named"))
}

/// Where somebody is reached: a terminal by its account, or where its SIP comes in; anybody else as written.
fn address(stage: &Stage, who: &str) -> String {
    match stage.actors.get(who) {
        Some(actor) => match &actor.terminal.account {
            Some(account) => account.to_string(),
            None => format!("sip:{who}@{}", actor.participant.local()),
        },
        None => who.to_owned(),
    }
}

/// Whom a command means, as the server is told.
fn whom(stage: &Stage, who: &str) -> Who {
    if who == "all" { Who::All } else { Who::One(address(stage, who)) }
}
