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
    recv, signed,
};
use crate::{
    channel::{
        client::{self, ChannelError, Receiving, Secret, Sending, Way},
        wire::{Role, letter::Content},
    },
    cli::{
        ExitCode, Failure,
        fshare::{self, failure::of_source, kept::Kept, records::untaken},
        settings::Context,
    },
    transfer::{Record, RecordStore, Sink, SinkError, Source, SourceOptions, TransferName},
};

/// How long a relay may take to say whether the other side is there, when something is called off: who gives up does not wait for long.
const CALL_OFF: Duration = Duration::from_secs(2);

/// Goes on with what was sent.
///
/// # Errors
/// It is running (5); the files were changed, or are gone; as `fshare send`.
pub async fn send(
    store: &RecordStore,
    name: &TransferName,
    limit: Option<Option<NonZeroU64>>,
    relay: &RelayFlag,
    patience: PatienceFlag,
    context: &Context,
) -> Result<(), Failure> {
    let (kept, manifest) = Kept::take_up(store, name, |error| untaken(name, error)).await?;
    let (named, resume) = Named::of(kept.record()).ok_or_else(|| unusable(name))?;
    let options = SourceOptions { follow_links: named.follow_links, xattrs: named.xattrs, ..SourceOptions::default() };
    let give_up = format!("send it anew; give this up with: fshare cancel {name}");
    let source = Source::from_paths(named.paths.clone(), options).await.map_err(|error| of_source(&error).hint(give_up.clone()))?;
    if *source.manifest() != manifest {
        return Err(Failure::new(ExitCode::Failed, ChannelError::OtherBatch.to_string()).hint(give_up));
    }
    let sending = Sending {
        source,
        content: Content::Files,
        relays: relay.relays(context)?.with_names(resume.relays.clone()),
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
    context.output.note("waiting for the receiver");
    Carrying::new(context, Some(named), Some(kept)).run(sending).await
}

/// Goes on with what was received.
///
/// # Errors
/// It is running (5), or damaged; as `fshare recv`.
pub async fn receive(
    store: &RecordStore,
    name: &TransferName,
    relay: &RelayFlag,
    patience: PatienceFlag,
    context: &Context,
) -> Result<(), Failure> {
    // Ours from here on: nobody else takes it up while the sender is waited for.
    let sink = Sink::resume(store, name).await.map_err(|error| match error {
        SinkError::Resume(error) => untaken(name, error),
        error => failure::broken("failed to go on", &error.into(), Some(name)),
    })?;
    let (resume, ways) = sink.record().and_then(kept::resume).ok_or_else(|| unusable(name))?;
    let receiving = Receiving {
        relays: relay.relays(context)?.with_names(resume.relays.clone()),
        patience: context.settings.config.timeout.get(),
        comeback: patience.patience,
        by: Way::Kept(resume),
        ways,
    };
    recv::take(&receiving, Deciding::taken(context, sink, (store.clone(), name.clone())), context, &context.leaving).await.map(drop)
}

/// Tells the other end, where it waits to go on, that nobody does here, until Ctrl-C. True where it was there to hear it.
pub async fn tell_of_cancelling(record: &Record, context: &Context) -> bool {
    let (Some((resume, _)), Ok(relays)) = (kept::resume(record), RelayFlag::default().relays(context)) else { return false };
    let role = if fshare::kept::is_send(record) { Role::Sender } else { Role::Receiver };
    client::call_off(&relays, &resume, role, CALL_OFF, &context.leaving).await
}

fn unusable(name: &TransferName) -> Failure {
    Failure::new(ExitCode::Failed, format!("the record of {name} does not say how to go on"))
        .hint(format!("give it up with: fshare cancel {name}"))
}
