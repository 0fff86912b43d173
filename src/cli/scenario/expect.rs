//! Expectations: looked at until they hold or the time is up.

use std::{fs::File, io::BufReader, path::Path, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::{
    audience::{Audience, Seen},
    journal::{Compared, Measured},
    judge::{self, Finding},
    model::{Event, Expect, Expected, File as Wanted, Heard, OF_FILES, Packets, Participant, Roster, Run, State, Talker},
    origin, server,
    stage::Stage,
    steps::room,
};
use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        actor::{Filed, told},
        confctl::events::Watched,
    },
    clock,
    conference::{
        client::TerminalEvent,
        wire::control::{self, CallState},
    },
    config::Text,
    id::ConferenceName,
    media::Clip,
};

/// What was said before a change is still on its way for so long: jitter buffers, mixing ticks. It is not listened to.
const SETTLE: Duration = Duration::from_millis(300);
/// A recording reaches the disk this much later at most: it is written second by second.
const WRITTEN: Duration = Duration::from_secs(5);
/// How often is looked again at what tells nothing of its changes.
const LOOK: Duration = Duration::from_millis(100);
/// How long a command may run.
const COMMAND: Duration = Duration::from_secs(60);
/// Characters of a command's output that are shown.
const SHOWN: usize = 200;

/// Looks at an expectation.
///
/// # Errors
/// Only when it cannot be looked at at all: no way to the server, no such program.
pub async fn look(stage: &Stage, number: u32, expect: &Expect) -> Result<Finding, Failure> {
    let within = expect.within;
    let expected = expect.what.describe();
    match &expect.what {
        Expected::Roster(Roster { names, conference }) => people(stage, "in", names, conference, within, |_| true).await,
        Expected::Talker(Talker { names, conference }) => {
            people(stage, "talking in", names, conference, within, |somebody| somebody.talking).await
        }
        Expected::Heard(heard) => listen(stage, number, heard).await,
        Expected::Packets(wanted) => packets(stage, wanted, within).await,
        Expected::File(file) => received(stage, number, file, within, expected).await,
        Expected::Event(event) => happened(stage, event, within, expected).await,
        Expected::State(state) => stands(stage, state, within, expected).await,
        Expected::Participant(somebody) => somebody_stands(stage, somebody, within, expected).await,
        Expected::Command(run) => run_command(stage, run, expected).await,
    }
}

async fn people(
    stage: &Stage,
    how: &str,
    names: &[Text],
    conference: &Option<ConferenceName>,
    within: Duration,
    also: impl Fn(&control::Participant) -> bool + Copy,
) -> Result<Finding, Failure> {
    let room = room(stage, conference)?;
    let audience = stage.audience(room).await?;
    let mut wanted: Vec<String> = names.iter().map(|name| name.0.clone()).collect();
    wanted.sort_unstable();
    let found = |seen: &Seen| judge::names(&stage.scenario, &seen.roster(), also);
    let seen = audience.wait(within, |seen| seen.word().is_none() && found(seen) == wanted).await;
    let list = |names: &[String]| format!("{how} {room}: {}", if names.is_empty() { "nobody".to_owned() } else { names.join(", ") });
    Ok(Finding::same(list(&wanted), seen.word().unwrap_or_else(|| list(&found(&seen)))))
}

/// Listens for a while, then looks at that stretch of the recording.
async fn listen(stage: &Stage, number: u32, wanted: &Heard) -> Result<Finding, Failure> {
    let actor = stage.actor(wanted.terminal.as_str())?;
    tokio::time::sleep(SETTLE).await;
    let heard_so_far = actor.participant.report().await.or_fail(ExitCode::Failed, "listen")?.whole.duration;
    tokio::time::sleep(wanted.over.get()).await;
    let samples = stretch(&actor.recording, heard_so_far, wanted.over.get()).await;
    let sounds = judge::sounds(&stage.scenario, wanted);
    let (finding, levels) = judge::heard(&sounds, &samples, Clip::RATE);
    let tones = sounds.present.iter().chain(&sounds.absent);
    stage.journal.measured(tones.zip(levels).map(|((of, hz), level_dbfs)| Measured {
        number,
        terminal: wanted.terminal.to_string(),
        of: of.clone(),
        hz: *hz,
        level_dbfs,
        heard: level_dbfs >= sounds.above,
    }));
    Ok(finding)
}

/// A stretch of a recording, once it has reached the disk; what there is of it when it does not.
async fn stretch(recording: &Path, from: Duration, length: Duration) -> Vec<i16> {
    let samples = |time: Duration| (time.as_secs_f64() * f64::from(Clip::RATE)) as usize;
    let (from, to) = (samples(from), samples(from + length));
    let deadline = clock::now() + WRITTEN;
    loop {
        let clip = File::open(recording).ok().and_then(|file| Clip::from_wav(BufReader::new(file)).ok());
        let length = clip.as_ref().map_or(0, |clip| clip.0.len());
        if length >= to || clock::now() >= deadline {
            return clip.map(|clip| clip.0.get(from..to.min(length)).unwrap_or_default().to_vec()).unwrap_or_default();
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn packets(stage: &Stage, wanted: &Packets, within: Duration) -> Result<Finding, Failure> {
    let actor = stage.actor(wanted.terminal.as_str())?;
    let deadline = clock::now() + within;
    loop {
        let report = actor.participant.report().await.or_fail(ExitCode::Failed, "count packets")?;
        let finding = judge::packets(wanted, &report.stats);
        if finding.passed || clock::now() >= deadline {
            return Ok(finding);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn happened(stage: &Stage, event: &Event, within: Duration, expected: String) -> Result<Finding, Failure> {
    let Event { is, terminal, conference, who, text } = event;
    let text = text.as_ref().map(|text| text.0.as_str());
    let (found, instead) = match terminal {
        Some(name) => {
            let actor = stage.actor(name.as_str())?;
            let (from, of_files) = stage.since_of_terminal(name.as_str());
            if OF_FILES.contains(&is.0.as_str()) {
                let wanted = |happened: &Filed| of_files_of_terminal(happened, &is.0, who.as_ref(), text);
                let found = actor.filed.find(of_files, within, wanted).await;
                let instead = actor.filed.look(of_files, |log| log.iter().map(|happened| happened.told().0).collect::<Vec<_>>().join(", "));
                return Ok(told_or(found, &instead, expected));
            }
            let who = who.as_ref().map(|who| who.0.as_str());
            let found = actor.log.find(from, within, |happened| of_terminal(happened, &is.0, who, text)).await;
            (found, actor.log.look(from, |log| log.iter().map(|event| told(event).0).collect::<Vec<_>>().join(", ")))
        }
        None => {
            let name = room(stage, conference)?;
            // One that is over is not subscribed to again: what happened in it is in its log.
            let audience = match stage.last_audience(name) {
                Some(audience) => audience,
                None => stage.audience(name).await?,
            };
            let from = stage.since_of_conference(name);
            let found = audience.log.find(from, within, |happened| of_conference(stage, &audience, happened, &is.0, who.as_ref())).await;
            (found, audience.log.look(from, |log| log.iter().map(|event| word(event)).collect::<Vec<_>>().join(", ")))
        }
    };
    Ok(told_or(found, &instead, expected))
}

/// What was found; where it was not, what happened instead.
fn told_or(found: Option<String>, instead: &str, expected: String) -> Finding {
    let nothing = || if instead.is_empty() { "nothing happened".to_owned() } else { format!("only {instead}") };
    Finding { passed: found.is_some(), expected, got: found.unwrap_or_else(nothing) }
}

/// What happened to the files of a terminal, if it is what was wanted.
fn of_files_of_terminal(happened: &Filed, is: &str, who: Option<&Text>, text: Option<&str>) -> Option<String> {
    let (what, more) = happened.told();
    let from = match happened {
        Filed::Offered { from, .. } => who.is_none_or(|who| from.contains(&who.0)),
        _ => who.is_none(),
    };
    (what == is && from && text.is_none_or(|text| more.contains(text))).then(|| format!("{what}: {more}"))
}

/// Waits for a file, and compares it with what was shared: by the digests of both as they lie on the disk.
async fn received(stage: &Stage, number: u32, wanted: &Wanted, within: Duration, expected: String) -> Result<Finding, Failure> {
    let Wanted { terminal, name, sha256, absent } = wanted;
    let actor = stage.actor(terminal.as_str())?;
    let finding = |passed: bool, got: String| Ok(Finding { passed, expected: expected.clone(), got });
    let is_here = |happened: &Filed| happened.received(&name.0).is_some().then_some(());
    let came = actor.filed.find(0, if *absent { Duration::ZERO } else { within }, is_here).await;
    if came.is_none() {
        let instead = actor.filed.look(0, |log| log.last().map(Filed::told));
        let instead = instead.map_or_else(|| "nothing".to_owned(), |(what, more)| format!("{what}: {more}"));
        return finding(
            *absent,
            if *absent { format!("{name} is not there") } else { format!("{name} is not there; the last was {instead}") },
        );
    }
    let last =
        actor.filed.look(0, |log| log.iter().rev().find_map(|happened| happened.received(&name.0).map(|(here, s)| (here.clone(), s))));
    let Some((here, seconds)) = last.filter(|_| !absent) else { return finding(false, format!("it has {name}")) };
    let origin = stage.origin(&name.0);
    let ((bytes, digest), shared) = match (sha256, &origin) {
        (Some(sha256), _) => (origin::digest(&here.path).await?, Some(sha256.0)),
        (None, Some(origin)) => (origin::digest(&here.path).await?, Some(origin::digest(&origin.path).await?.1)),
        (None, None) => return finding(false, format!("it has {name}, which no step has shared: say its sha256")),
    };
    let same = shared == Some(digest);
    stage.journal.compared(Compared {
        number,
        terminal: terminal.to_string(),
        name: here.name,
        by: origin.map(|origin| origin.by),
        bytes,
        sha256: digest.to_string(),
        shared: shared.map(|digest| digest.to_string()).unwrap_or_default(),
        seconds,
    });
    let word = if same { "the same" } else { "another" };
    finding(same, format!("{bytes} bytes, {word} SHA-256 {digest}"))
}

/// What happened to a terminal, if it is what was wanted.
fn of_terminal(happened: &TerminalEvent, is: &str, who: Option<&str>, text: Option<&str>) -> Option<String> {
    let (what, more) = told(happened);
    let from = match happened {
        TerminalEvent::Called { from } | TerminalEvent::Message { from, .. } => {
            let user = from.uri.user().unwrap_or_default();
            who.is_none_or(|who| user == who || from.uri.to_string() == who || from.display.as_deref() == Some(who))
        }
        _ => who.is_none(),
    };
    let fits = what == is && from && text.is_none_or(|text| more.contains(text));
    fits.then(|| if more.is_empty() { what.to_owned() } else { format!("{what}: {more}") })
}

/// What happened in a conference, if it is what was wanted.
fn of_conference(stage: &Stage, audience: &Audience, happened: &Watched, is: &str, who: Option<&Text>) -> Option<String> {
    let about = |participant: &control::Participant| who.is_none_or(|who| judge::fits(&stage.scenario, participant, &who.0));
    let about = match happened {
        Watched::Joined { participant, .. } | Watched::Left { participant, .. } | Watched::Changed { participant, .. } => {
            about(participant)
        }
        Watched::Talking { talkers, .. } => {
            who.is_none() || audience.now().roster().iter().any(|participant| talkers.contains(&participant.id) && about(participant))
        }
        Watched::State { .. } | Watched::Locked { .. } | Watched::Unlocked { .. } | Watched::Ended { .. } => who.is_none(),
    };
    (word(happened) == is && about).then(|| match happened {
        Watched::Joined { participant, .. } | Watched::Left { participant, .. } => {
            format!("{is} {}", judge::name_of(&stage.scenario, participant))
        }
        Watched::Changed { participant, fields, .. } => {
            format!("{is} {}: {}", judge::name_of(&stage.scenario, participant), fields.join(", "))
        }
        _ => is.to_owned(),
    })
}

fn word(event: &Watched) -> &'static str {
    match event {
        Watched::State { .. } => "state",
        Watched::Joined { .. } => "joined",
        Watched::Left { .. } => "left",
        Watched::Changed { .. } => "changed",
        Watched::Talking { .. } => "talking",
        Watched::Locked { .. } => "locked",
        Watched::Unlocked { .. } => "unlocked",
        Watched::Ended { .. } => "ended",
    }
}

async fn stands(stage: &Stage, state: &State, within: Duration, expected: String) -> Result<Finding, Failure> {
    if let Some(name) = &state.terminal {
        let actor = stage.actor(name.as_str())?;
        let wanted = state.joined.unwrap_or(true);
        let is = || actor.in_call();
        // Each happening may change it.
        let mut from = actor.log.len();
        let deadline = clock::now() + within;
        while is() != wanted {
            let left = deadline.saturating_duration_since(clock::now());
            if actor.log.find(from, left, |_| Some(())).await.is_none() {
                break;
            }
            from = actor.log.len();
        }
        let got = if is() { "in a call" } else { "not in a call" };
        return Ok(Finding { passed: is() == wanted, expected, got: got.to_owned() });
    }
    let name = room(stage, &state.conference)?;
    let audience = match stage.last_audience(name) {
        Some(audience) if state.ended.is_some() => audience,
        _ => stage.audience(name).await?,
    };
    let seen = audience.wait(within, |seen| state_of(seen).fits(state)).await;
    let found = state_of(&seen);
    let got = seen
        .word()
        .unwrap_or_else(|| format!("{}, {} participants", if found.locked { "locked" } else { "not locked" }, found.participants));
    Ok(Finding { passed: found.fits(state), expected, got })
}

/// How a conference stands.
struct Stands {
    here: bool,
    locked: bool,
    participants: usize,
    ended: bool,
}

fn state_of(seen: &Seen) -> Stands {
    let locked = matches!(seen, Seen::Now(info) if info.conference_state.as_ref().and_then(|state| state.locked).unwrap_or(false));
    let present = |participant: &&control::Participant| matches!(participant.state, CallState::Connected | CallState::OnHold);
    let over = matches!(seen, Seen::Over) || matches!(seen, Seen::Refused(why) if why.status == 404);
    Stands { here: matches!(seen, Seen::Now(_)), locked, participants: seen.roster().iter().filter(present).count(), ended: over }
}

impl Stands {
    fn fits(&self, wanted: &State) -> bool {
        wanted.locked.is_none_or(|locked| self.here && locked == self.locked)
            && wanted.participants.is_none_or(|count| self.here && count.size() == self.participants)
            && wanted.ended.is_none_or(|ended| ended == self.ended && (ended || self.here))
    }
}

async fn somebody_stands(stage: &Stage, wanted: &Participant, within: Duration, expected: String) -> Result<Finding, Failure> {
    let audience = stage.audience(room(stage, &wanted.conference)?).await?;
    let find = |seen: &Seen| seen.roster().into_iter().find(|participant| judge::fits(&stage.scenario, participant, &wanted.who.0));
    let fits = |participant: &control::Participant| {
        wanted.muted.is_none_or(|muted| muted == participant.muted)
            && wanted.deaf.is_none_or(|deaf| deaf == participant.deaf)
            && wanted.talking.is_none_or(|talking| talking == participant.talking)
            && wanted.held.is_none_or(|held| held == (participant.state == CallState::OnHold))
            && wanted.role.as_ref().is_none_or(|role| control::Role::from_word(&role.0) == Some(participant.role))
    };
    let seen = audience.wait(within, |seen| find(seen).is_some_and(|participant| fits(&participant))).await;
    let found = find(&seen);
    let got = match &found {
        None => seen.word().unwrap_or_else(|| format!("{} is not in", wanted.who)),
        Some(participant) => {
            let states = [
                (participant.muted, "muted"),
                (participant.deaf, "deaf"),
                (participant.talking, "talking"),
                (participant.state == CallState::OnHold, "on hold"),
            ];
            let states: Vec<&str> = states.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
            let states = if states.is_empty() { "neither muted nor deaf, silent".to_owned() } else { states.join(", ") };
            format!("{} {states}, {}", wanted.who, participant.role)
        }
    };
    Ok(Finding { passed: found.is_some_and(|participant| fits(&participant)), expected, got })
}

/// Runs a program of ours with the scenario's server in its environment.
async fn run_command(stage: &Stage, run: &Run, expected: String) -> Result<Finding, Failure> {
    let (program, args) = run.run.split_first().ok_or_else(|| Failure::usage("a command without a program"))?;
    let mut command = Command::new(server::program(&program.0)?);
    server::without_settings(&mut command);
    command.args(args.iter().map(|word| &word.0)).envs(&stage.environment);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(COMMAND, command.output()).await;
    let Ok(output) = output else {
        return Ok(Finding { passed: false, expected, got: format!("it did not end in {}", humantime::format_duration(COMMAND)) });
    };
    let output = output.or_fail(ExitCode::Failed, format_args!("run {}", program.0))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let code = output.status.code();
    let says = run.output.as_ref().is_none_or(|wanted| text.contains(&wanted.0));
    let shown: String = text.trim().chars().take(SHOWN).collect();
    let got = match code {
        Some(code) if shown.is_empty() => format!("it ended with {code}"),
        Some(code) => format!("it ended with {code} and said \"{shown}\""),
        None => "a signal ended it".to_owned(),
    };
    Ok(Finding { passed: code == Some(i32::from(run.exit.0.number())) && says, expected, got })
}
