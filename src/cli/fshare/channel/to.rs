//! `fshare send --to`: to a user of our server.

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use super::{
    carry::Carrying,
    ending, failure,
    kept::Named,
    send::Args,
    show::Carried,
    signed::{self, Signed},
};
use crate::{
    channel::{
        agreement::{Agreed, Facts},
        client::{ChannelError, Connection, RelayError, Rendezvous, Secret, Sending},
        identity::{Contact, Standing, words},
        invite::Ending,
        terminal::{TransferCommand, TransferEvent},
        wire::{letter::Content, pass::TransferId},
    },
    cli::{ExitCode, Failure, fshare::show::at, output::safe_line, secret, settings::Context, values::Callee},
    clock,
    id::UserName,
};

/// What the other side is told when we are interrupted.
const GIVEN_UP: &str = "the sender gave up";

/// The kind of an offer of a text, and not of files.
pub const TEXT: &str = "text";

/// What a person is asked by `--verify`.
pub const COMPARE: &str = "Does the other side show the same words";

/// `--verify` without anybody who could compare.
pub fn nobody(failure: Failure) -> Failure {
    match failure.code {
        ExitCode::Usage => failure.hint("--verify needs a terminal, on which you compare the identities"),
        _ => failure,
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, to: &Callee, sending: Sending, named: Option<Named>, context: &Context) -> Result<(), Failure> {
    let mut signed = Signed::open(&args.relay, signed::identities()?, None, context).await?;
    let ended = offer(args, to, (sending, named), &mut signed, context).await;
    signed.leave().await;
    ended
}

/// Offers, and sends what is accepted, as an account that is signed in.
///
/// # Errors
/// With the exit code that says why.
pub async fn offer(
    args: &Args,
    to: &Callee,
    (sending, named): (Sending, Option<Named>),
    signed: &mut Signed,
    context: &Context,
) -> Result<(), Failure> {
    let peer = signed::user(to, &signed.realm, context)?;
    if peer == signed.own.user {
        return Err(Failure::usage("--to names the account you send from: name another user"));
    }
    let contact = signed.contact(&peer)?;
    let manifest = sending.source.manifest();
    let facts = Facts {
        transfer: TransferId::random(&mut ChaCha12Rng::from_seed(clock::seed())),
        count: u32::try_from(manifest.entries().len()).unwrap_or(u32::MAX),
        size: manifest.total(),
        kind: if sending.content == Content::Text { TEXT } else { "files" }.to_owned(),
        applies: args.applies,
    };
    let (transfer, count, bytes) = (facts.transfer.to_string(), facts.count, facts.size);
    // That it begins is news beside the result.
    if context.output.is_json() || !context.output.is_quiet() {
        context.output.event(&Carried::Offering { at: at(), transfer, to: peer.to_string(), count, bytes })?;
    }
    let known = signed.known(&contact).await?;
    signed.tell(TransferCommand::Offer { to: peer.clone(), facts: Box::new(facts), known }).await;
    let (agreed, standing, control) = agree(signed, &peer, context).await?;
    if let Err(failure) = vouch(args.verify, &contact, &agreed, standing, signed, context).await {
        signed.tell(TransferCommand::Cancel("the sender does not trust the identity".to_owned())).await;
        return Err(failure);
    }
    // Nobody has heard the relay while a person was asked: it may have taken us for gone.
    let control = control.filter(|_| !args.verify);
    let sending = Sending { secret: Secret::Agreed(Rendezvous::new(agreed, control)), account: Some(signed.account()), ..sending };
    let stop = context.leaving.child_token();
    let mut carrying = Carrying::new(context, named, None);
    let mut taken_back = None;
    let ended = {
        let mut carried = std::pin::pin!(carrying.carry(&sending, &stop));
        loop {
            tokio::select! {
                ended = &mut carried => break ended,
                Ok(event) = signed.next() => if let Some(text) = ending::taken_back(event, is_met(&sending.secret)) {
                    taken_back = Some(text);
                    stop.cancel();
                },
            }
        }
    };
    let ended = match ended {
        Ok(ended) => ended,
        Err(failure) => {
            signed.tell(TransferCommand::Cancel("the sender cannot continue".to_owned())).await;
            return Err(failure);
        }
    };
    match (ended, taken_back) {
        (Err(ChannelError::Stopped), Some(text)) => {
            carrying.give_up().await;
            Err(Failure::new(ExitCode::Declined, format!("{peer} gave up: {}", safe_line(&text))))
        }
        (Err(ChannelError::Stopped), None) => {
            // What can be gone on with is broken off, and not taken back.
            if !carrying.can_go_on() {
                signed.tell(TransferCommand::Cancel(GIVEN_UP.to_owned())).await;
            }
            carrying.conclude(Err(ChannelError::Stopped)).await
        }
        (ended, _) => {
            let concluded = carrying.conclude(ended).await;
            if let Err(failure) = &concluded
                && !is_met(&sending.secret)
            {
                signed.tell(TransferCommand::Cancel(ending::told(failure))).await;
            }
            concluded
        }
    }
}

/// Whether the receiver hears by the channel how it ended.
fn is_met(secret: &Secret) -> bool {
    matches!(secret, Secret::Agreed(rendezvous) if rendezvous.is_met())
}

/// Waits until both have agreed on a channel, and applies for it where that is ours to do. Gives the connection that holds it, too.
async fn agree(signed: &mut Signed, peer: &UserName, context: &Context) -> Result<(Agreed, Standing, Option<Connection>), Failure> {
    let (mut control, mut refused) = (None::<Connection>, None);
    let mut leaving = false;
    loop {
        let event = tokio::select! {
            event = signed.next() => event?,
            // What the relay says before anybody is in the channel: that we are alive, and where it is not.
            held = hold(&mut control) => {
                refused = Some(failure::of("failed to send", &held.into()));
                signed.tell(TransferCommand::Cancel("the relay is gone".to_owned())).await;
                continue;
            }
            () = context.leaving.cancelled(), if !leaving => {
                leaving = true;
                signed.tell(TransferCommand::Cancel(GIVEN_UP.to_owned())).await;
                continue;
            }
        };
        match event {
            TransferEvent::Apply { peer, kind } => {
                let outcome = match signed.apply(&peer, kind).await {
                    Ok((connection, grant)) => {
                        control = Some(connection);
                        Ok(grant)
                    }
                    Err(_) if context.leaving.is_cancelled() => {
                        refused = Some(Failure::silent(ExitCode::Interrupted));
                        Err(GIVEN_UP.to_owned())
                    }
                    Err(why) => {
                        let failure = of_applied(why, "failed to send");
                        let told = failure.message.clone();
                        refused = Some(failure);
                        Err(told)
                    }
                };
                signed.tell(TransferCommand::Applied(outcome)).await;
            }
            TransferEvent::Over(Ending::Agreed { agreed, standing }) => return Ok((*agreed, standing, control)),
            TransferEvent::Over(ending) => {
                let failure = ending::failure(&ending, peer, signed).unwrap_or_else(|| Failure::silent(ExitCode::Failed));
                return Err(refused.unwrap_or(failure));
            }
            _ => {}
        }
    }
}

/// What it means that there is no channel.
pub fn of_applied(error: RelayError, what: &str) -> Failure {
    let unknown = signed::is_unknown(&error);
    let failure = failure::of(what, &error.into());
    if unknown { failure.hint("set relay.ticket_key of the relay to the key of this account's server") } else { failure }
}

/// Keeps a connection alive on which nothing is to be heard yet; over when it is of no use any more.
pub async fn hold(control: &mut Option<Connection>) -> RelayError {
    let Some(connection) = control else { return std::future::pending().await };
    loop {
        if let Err(error) = connection.next().await {
            *control = None;
            return error;
        }
    }
}

/// Shows who the other side is; with `--verify` the person compares. A new identity is kept from here on.
async fn vouch(
    verify: bool,
    contact: &Contact,
    agreed: &Agreed,
    standing: Standing,
    signed: &Signed,
    context: &Context,
) -> Result<(), Failure> {
    let (theirs, own_words) = (words(contact, &agreed.peer), signed.own_words()?);
    let known = standing == Standing::Known;
    let shown = Carried::Identity { at: at(), contact: contact.to_string(), known, words: theirs, own_words, compare: verify };
    context.output.event(&shown)?;
    if verify && !secret::agrees(COMPARE, &context.output, &context.leaving).await.map_err(nobody)? {
        return Err(Failure::new(ExitCode::Denied, format!("not sent: the identity of {contact} was not confirmed")));
    }
    signed.pin(contact, agreed, standing).await
}
