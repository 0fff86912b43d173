//! `fshare resume` of what went through a channel: both ends find each other at the place of what they have kept.

use std::{
    num::{NonZeroU8, NonZeroU64},
    time::Duration,
};

use super::{
    PatienceFlag, RelayFlag,
    carry::Carrying,
    decide::Deciding,
    failure,
    kept::{self, Named},
    recv,
    show::Carried,
    signed,
};
use crate::{
    channel::{
        client::{self, ChannelError, Receiving, Relays, Resume, Secret, Sending, Way},
        wire::{Role, letter::Content},
    },
    cli::{
        ExitCode, Failure,
        fshare::{self, failure::of_source, kept::Kept, receive::on_disk, records::untaken, show::at},
        output::safe_line,
        settings::Context,
    },
    transfer::{Record, RecordStore, Sink, SinkError, Source, SourceOptions, TransferName},
};

/// How long a relay may take to say whether the other side is there, when something is called off: who gives up does not wait for long.
const CALL_OFF: Duration = Duration::from_secs(2);
/// How long the sender of something that was begun before is looked for before a code is taken as a new one.
const PEEK: Duration = Duration::from_secs(5);

/// Goes on with what was sent.
///
/// # Errors
/// It is running (5); the files were changed, or are gone; as `fshare send`.
pub async fn send(
    store: &RecordStore,
    record: &Record,
    limit: Option<Option<NonZeroU64>>,
    relay: &RelayFlag,
    patience: PatienceFlag,
    context: &Context,
) -> Result<(), Failure> {
    let name = &record.transfer;
    let (relays, resume) = again(store, record, relay, context).await?;
    let (kept, manifest) = Kept::take_up(store, name, |error| untaken(name, error)).await?;
    let (named, _) = Named::of(kept.record()).ok_or_else(|| unusable(name))?;
    let options = SourceOptions { follow_links: named.follow_links, xattrs: named.xattrs, ..SourceOptions::default() };
    let give_up = format!("send it again, and discard this with: fshare cancel {name}");
    let source = Source::from_paths(named.paths.clone(), options).await.map_err(|error| of_source(&error).hint(give_up.clone()))?;
    if *source.manifest() != manifest {
        return Err(Failure::new(ExitCode::Failed, ChannelError::OtherBatch.to_string()).hint(give_up));
    }
    let sending = Sending {
        source,
        content: Content::Files,
        relays,
        patience: context.settings.config.timeout.get(),
        comeback: patience.patience,
        secret: Secret::Kept(resume),
        account: signed::on_demand(context),
        receivers: NonZeroU8::MIN,
        streams: named.streams,
        rate: limit.unwrap_or(named.limit),
        compress: named.compress,
        lasting: true,
        ways: named.ways,
    };
    Carried::Awaited { at: at(), who: "receiver" }.tell(&context.output)?;
    Carrying::new(context, Some(named), Some(kept)).run(sending).await
}

/// Goes on with what was received.
///
/// # Errors
/// It is running (5), or damaged; as `fshare recv`.
pub async fn receive(
    store: &RecordStore,
    record: &Record,
    relay: &RelayFlag,
    patience: PatienceFlag,
    context: &Context,
) -> Result<(), Failure> {
    let way = again(store, record, relay, context).await?;
    let (receiving, deciding) = take_up(store, record, way, (patience.patience, patience.patience), context).await?;
    recv::take(&receiving, deciding, context, &context.leaving).await.map(drop)
}

/// The same where its sender is there now, where only the two come; false where it is not, or where what was begun cannot be gone on with: the code may
/// have been chosen again, for something that does not depend on it. Either is told.
///
/// # Errors
/// As [`receive`], once they have met.
pub async fn receive_if_there(
    store: &RecordStore,
    record: &Record,
    relay: &RelayFlag,
    patience: PatienceFlag,
    context: &Context,
) -> Result<bool, Failure> {
    let times = (patience.patience, PEEK.min(patience.patience));
    let taken = async {
        let (resume, _) = kept::resume(record).ok_or_else(|| unusable(&record.transfer))?;
        take_up(store, record, named(resume, relay, context)?, times, context).await
    };
    let (receiving, deciding) = match taken.await {
        Ok(taken) => taken,
        Err(failure) => {
            context.output.note(format!("{}: looking for whoever is sending with this code now", failure.message));
            return Ok(false);
        }
    };
    let chosen = deciding.chosen.clone();
    let ended = recv::take(&receiving, deciding, context, &context.leaving).await;
    let met = chosen.state().is_some();
    match ended {
        Err(failure) if !met && matches!(failure.code, ExitCode::Resumable | ExitCode::Unreachable) => {
            context.output.note("it is not there: looking for whoever is sending with this code now");
            Ok(false)
        }
        ended => {
            // Only now is it known that what is named is where the other end of this one comes, too.
            if met
                && ended.is_err()
                && let Err(failure) = again(store, record, relay, context).await
            {
                tracing::debug!(name = %record.transfer, why = %failure.message, "by which relay it went on was not noted");
            }
            ended.map(|_| true)
        }
    }
}

/// Takes up what was begun, to go on with it at these relays. `first` is how long the sender is looked for until the two have met.
async fn take_up<'a>(
    store: &RecordStore,
    record: &Record,
    (relays, resume): (Relays, Resume),
    (comeback, first): (Duration, Duration),
    context: &'a Context,
) -> Result<(Receiving, Deciding<'a>), Failure> {
    let name = &record.transfer;
    // Ours from here on: nobody else takes it up while the sender is waited for.
    let sink = Sink::resume(store, name).await.map_err(|error| match error {
        SinkError::Resume(error) => untaken(name, error),
        error => failure::broken("failed to resume", &error.into(), Some(name)),
    })?;
    let (_, ways) = sink.record().and_then(kept::resume).ok_or_else(|| unusable(name))?;
    let patience = context.settings.config.timeout.get();
    let receiving = Receiving { relays, patience, comeback, first, by: Way::Kept(resume), ways };
    Ok((receiving, Deciding::taken(context, sink, (store.clone(), name.clone()))))
}

/// Where the other end of what is given up may wait to go on with it; nowhere where the record does not say.
///
/// # Errors
/// It was begun by a proxy, and there is none now (2).
pub fn waits(record: &Record, relay: &RelayFlag, context: &Context) -> Result<Option<(Relays, Resume)>, Failure> {
    let Some((resume, _)) = kept::resume(record) else { return Ok(None) };
    let hint = "or use --here to tell the other side nothing";
    named(resume, relay, context).map(Some).map_err(|failure| match failure.hint.clone() {
        Some(first) => failure.hint(format!("{first}; {hint}")),
        None => failure,
    })
}

/// Tells the other end, where it waits to go on, that nobody does here, until Ctrl-C. True where it was there to hear it.
pub async fn tell_of_cancelling(record: &Record, (relays, resume): &(Relays, Resume), context: &Context) -> bool {
    let role = if fshare::kept::is_send(record) { Role::Sender } else { Role::Receiver };
    client::call_off(relays, resume, role, CALL_OFF, &context.leaving).await
}

/// Where the two look for each other again. What is named now is noted for whoever goes on after us.
async fn again(store: &RecordStore, record: &Record, relay: &RelayFlag, context: &Context) -> Result<(Relays, Resume), Failure> {
    let (resume, _) = kept::resume(record).ok_or_else(|| unusable(&record.transfer))?;
    let (relays, resume) = named(resume, relay, context)?;
    let proxy = resume.relays.iter().find_map(|name| relays.proxy_before(name));
    let news = kept::news(record, &relay.given(), proxy);
    if !news.is_empty() {
        let (store, name) = (store.clone(), record.transfer.clone());
        let noted = on_disk(move || store.take_up(&name)?.held.amend(news)).await?;
        noted.map_err(|error| untaken(&record.transfer, error))?;
    }
    Ok((relays, resume))
}

/// Relays that are named now go before those of the record, and those before the configuration's. What was begun by a proxy is not gone on with around
/// it: the other end would learn the address that it has hidden.
fn named(resume: Resume, relay: &RelayFlag, context: &Context) -> Result<(Relays, Resume), Failure> {
    let relays = relay.relays(context)?;
    let configured: Vec<String> = context.settings.config.relays.iter().map(|relay| relay.with_port(super::PORT)).collect();
    let mut resume = resume.by(&relay.given(), &configured);
    if let Some(proxy) = resume.proxy.clone().filter(|_| !relay.without_proxy()) {
        resume.relays.retain(|name| relays.proxy_before(name).is_some());
        if resume.relays.is_empty() {
            let text = format!("this transfer began through the proxy {}, but no proxy is set now", safe_line(&proxy));
            return Err(Failure::usage(text).hint(
                "name it with --proxy URL (and its user and password, if it needs them), or go without with --proxy none, which may show the other side this machine's address",
            ));
        }
    }
    Ok((relays.with_names(resume.relays.clone()), resume))
}

fn unusable(name: &TransferName) -> Failure {
    Failure::new(ExitCode::Failed, format!("the record of {name} does not say how to resume"))
        .hint(format!("discard it with: fshare cancel {name}"))
}
