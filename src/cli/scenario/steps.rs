//! Steps: each does what the command of its name does, by the same means.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    audience::Seen,
    judge,
    model::{Action, Create, Dtmf, Invite, Join, Kick, Members, Message, OfConference, OfTerminal, Pin, Step, Volume},
    stage::Stage,
};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        confctl::{dialog, message},
        settings::Context,
        values::{Callee, Digits},
    },
    conference::{
        client::{Dial, Refusal, TerminalEvent},
        wire::control::{self, Command, Data, VolumeDirection, Who},
    },
    config::Count,
    id::ConferenceName,
    sip::endpoint::Reason,
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
            in_call(actor.in_call(), terminal.as_str())?;
            actor.participant.press(keys.0.as_str(), Digits::PAUSE).await.or_fail(ExitCode::Failed, "press the keys")
        }
        Action::Hold(OfTerminal { terminal }, on) => hold(stage, terminal.as_str(), *on).await,
        Action::Leave(OfTerminal { terminal }) => leave(stage, terminal.as_str()).await,
        Action::End(OfConference { conference }) => {
            let name = room(stage, conference)?;
            command(&context()?, Command::End { conference: name.to_string(), reason: None }).await?;
            stage.made(name, false);
            Ok(())
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
    let from = actor.log.len();
    actor.participant.dial(Dial { uri: uri.clone(), pin, offerless: false, without_audio: false }).await;
    let answer = actor.log.find(from, stage.patience(), |event| match event {
        TerminalEvent::Established { .. } => Some(Ok(())),
        TerminalEvent::Refused(refusal) => Some(Err(refused(refusal))),
        TerminalEvent::Ended { reason, .. } => Some(Err(ended(reason.as_ref()))),
        _ => None,
    });
    match answer.await {
        Some(answer) => answer?,
        None => {
            actor.participant.hang_up().await;
            return Err(Failure::new(
                ExitCode::Unreachable,
                format!("{uri} did not answer in {}", humantime::format_duration(stage.patience())),
            ));
        }
    }
    let Some(name) = named else { return Ok(()) };
    // A conference that this call brought into being is seen from here on. Answered is not yet in: the mix takes a moment, a PIN that is typed longer.
    let audience = stage.audience(name).await?;
    let is_in = |seen: &Seen| judge::names(&stage.scenario, &seen.roster(), |_| true).iter().any(|name| *name == join.terminal.as_str());
    audience.wait(ENTERED, is_in).await;
    Ok(())
}

async fn leave(stage: &Stage, name: &str) -> Result<(), Failure> {
    let actor = stage.actor(name)?;
    in_call(actor.in_call(), name)?;
    let from = actor.log.len();
    actor.participant.hang_up().await;
    let ended = actor.log.find(from, stage.patience(), |event| matches!(event, TerminalEvent::Ended { .. }).then_some(()));
    ended.await.ok_or_else(|| Failure::new(ExitCode::Unreachable, "the BYE was not answered"))
}

async fn hold(stage: &Stage, name: &str, on: bool) -> Result<(), Failure> {
    let actor = stage.actor(name)?;
    in_call(actor.in_call(), name)?;
    let from = actor.log.len();
    timeout(stage.patience(), actor.participant.hold(on))
        .await
        .or_fail(ExitCode::Unreachable, "hold")?
        .or_fail(ExitCode::Failed, "hold")?;
    let answer = actor.log.find(from, stage.patience(), |event| match event {
        TerminalEvent::Changed { .. } => Some(Ok(())),
        TerminalEvent::NotChanged(refusal) => Some(Err(refused(refusal))),
        TerminalEvent::Ended { reason, .. } => Some(Err(ended(reason.as_ref()))),
        _ => None,
    });
    answer.await.unwrap_or_else(|| Err(Failure::new(ExitCode::Unreachable, "the change was not answered")))
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

fn in_call(is: bool, name: &str) -> Result<(), Failure> {
    if is { Ok(()) } else { Err(Failure::new(ExitCode::NotFound, format!("{name} is in no call"))) }
}

fn refused(refusal: &Refusal) -> Failure {
    refusal.clone().into()
}

fn ended(reason: Option<&Reason>) -> Failure {
    let why = reason.map_or_else(String::new, |reason| format!(": {}", reason.text.clone().unwrap_or_else(|| reason.to_string())));
    Failure::new(ExitCode::Declined, format!("the other side ended the call{why}"))
}
