//! `fshare recv --from`: what users of our server offer.

use super::{
    accept::{self, Bound, Promised},
    decide::{Deciding, MAX_TEXT},
    ending,
    recv::{self, Args, From, Taken},
    show::Carried,
    signed::{self, Signed, unusable},
    to::{COMPARE, TEXT, hold, nobody, of_applied},
};
use crate::{
    channel::{
        agreement::Agreed,
        client::{Connection, Receiving, Rendezvous, Way},
        identity::{Standing, words},
        invite::{Decision, Ending},
        terminal::{TransferCommand, TransferEvent, Wait},
        wire::{letter::Content, transfer::Offer},
    },
    cli::{
        ExitCode, Failure,
        fshare::{receive::on_disk, show::at},
        output::safe_line,
        secret,
        settings::Context,
    },
    id::UserName,
};

/// What the other side is told when we are interrupted.
const GIVEN_UP: &str = "the receiver gave up";

/// Two who have agreed on a channel.
struct Met {
    peer: UserName,
    agreed: Agreed,
    standing: Standing,
    control: Option<Connection>,
    /// What was said yes to…
    promised: Promised,
    /// …and how much of it.
    bound: Bound,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why; with `--keep` only where it cannot go on.
pub async fn run(args: &Args, from: &From, context: &Context) -> Result<(), Failure> {
    let mut signed = Signed::open(&args.relay, signed::identities()?, None, context).await?;
    let ended = receive_all(args, from, &mut signed, context).await;
    signed.leave().await;
    ended
}

async fn receive_all(args: &Args, from: &From, signed: &mut Signed, context: &Context) -> Result<(), Failure> {
    let from = match from {
        From::Anyone => None,
        From::User(callee) => Some(signed::user(callee, &signed.realm, context)?),
    };
    let shown = from.as_ref().map(ToString::to_string);
    listen(from.clone(), signed).await?;
    say(args, context, &Carried::Waiting { at: at(), user: signed.own.user.to_string(), from: shown })?;
    if let Some(user) = &from {
        signed.tell(TransferCommand::LookUp(user.clone())).await;
    }
    loop {
        let ended = receive(args, true, signed, context).await.map(drop);
        let stays = args.keep && !context.leaving.is_cancelled();
        match ended {
            Err(failure) if stays && failure.code != ExitCode::Interrupted => context.output.failure(&failure),
            Ok(()) if stays => {}
            ended => return ended,
        }
        listen(from.clone(), signed).await?;
    }
}

/// From here on offers are taken: of this user, or of anybody. [`receive`] follows.
///
/// # Errors
/// The file of known identities cannot be used.
pub async fn listen(from: Option<UserName>, signed: &Signed) -> Result<(), Failure> {
    let files = signed.identities.clone();
    let known = on_disk(move || files.known()).await?.map_err(|error| unusable(&error))?;
    let wait = Wait { from, known, realm: signed.realm.clone() };
    signed.tell(TransferCommand::Wait(Box::new(wait))).await;
    Ok(())
}

/// Takes the next offer. `lasting`: what breaks off is kept for `fshare resume`.
///
/// # Errors
/// With the exit code that says why.
pub async fn receive(args: &Args, lasting: bool, signed: &mut Signed, context: &Context) -> Result<Taken, Failure> {
    let Met { peer, agreed, standing, control, promised, bound } = meet(args, signed, context).await?;
    let contact = signed.contact(&peer)?;
    if let Err(failure) = signed.pin(&contact, &agreed, standing).await {
        signed.tell(TransferCommand::Cancel("the receiver cannot record the sender's identity".to_owned())).await;
        return Err(failure);
    }
    let receiving = Receiving {
        relays: signed.relays().clone(),
        patience: context.settings.config.timeout.get(),
        comeback: args.patience.patience,
        first: args.patience.patience,
        by: Way::Agreed(Rendezvous::new(agreed, control)),
        ways: args.ways.ways(),
    };
    let stop = context.leaving.child_token();
    let deciding = Deciding::new(context, args.output.clone(), args.policy.overwrite(), true, "", args.ways.ways());
    let deciding = deciding
        .xattrs(args.xattrs)
        .bounded(bound)
        .promised(promised)
        .called(recv::called(args)?)
        .lasting(lasting)
        .resolving(!args.yes && secret::somebody(&context.output));
    // On the heap: it is large, and in the middle of what is held meanwhile.
    let mut taken = Box::pin(recv::take(&receiving, deciding, context, &stop));
    let mut taken_back = None;
    let ended = loop {
        tokio::select! {
            ended = &mut taken => break ended,
            Ok(event) = signed.next() => if let Some(text) = ending::taken_back(event, is_met(&receiving.by)) {
                taken_back = Some(text);
                stop.cancel();
            },
        }
    };
    match (ended, taken_back) {
        (Err(failure), Some(text)) if failure.code == ExitCode::Interrupted => {
            Err(Failure::new(ExitCode::Declined, format!("{peer} gave up: {}", safe_line(&text))))
        }
        (ended, _) => {
            let over = match &ended {
                // By the channel it has heard whether this is broken off or given up.
                _ if is_met(&receiving.by) => TransferCommand::Done,
                _ if context.leaving.is_cancelled() => TransferCommand::Cancel(GIVEN_UP.to_owned()),
                Err(failure) => TransferCommand::Cancel(ending::told(failure)),
                Ok(_) => TransferCommand::Done,
            };
            signed.tell(over).await;
            ended
        }
    }
}

/// Whether the sender hears by the channel how it ended.
fn is_met(by: &Way) -> bool {
    matches!(by, Way::Agreed(rendezvous) if rendezvous.is_met())
}

/// Waits for an offer that is wanted, until both have agreed on a channel.
async fn meet(args: &Args, signed: &mut Signed, context: &Context) -> Result<Met, Failure> {
    let (mut control, mut why) = (None::<Connection>, None);
    let (mut offered, mut promised, mut bound) = (None::<UserName>, None::<Promised>, recv::bound(args));
    let mut leaving = false;
    loop {
        let event = tokio::select! {
            event = signed.next() => event?,
            error = hold(&mut control) => {
                why = Some(super::failure::of("failed to receive", &error.into()));
                signed.tell(TransferCommand::Cancel("the relay is gone".to_owned())).await;
                continue;
            }
            () = context.leaving.cancelled(), if !leaving => {
                leaving = true;
                signed.tell(TransferCommand::Cancel(GIVEN_UP.to_owned())).await;
                if offered.is_none() {
                    return Err(Failure::silent(ExitCode::Interrupted));
                }
                continue;
            }
        };
        let ending = match event {
            TransferEvent::Offered(from) => {
                offered = Some(from);
                continue;
            }
            TransferEvent::Asked { offer, standing } => match ask(args, &offer, standing, signed, context).await {
                Ok(Asked::Accepted) => {
                    promised = Some(self::promised(&offer));
                    bound = bound.offered(size(&offer));
                    continue;
                }
                Ok(Asked::Declined(failure)) => {
                    why = Some(failure);
                    continue;
                }
                Ok(Asked::Void(ending)) => ending,
                Err(failure) => {
                    why = Some(failure);
                    signed.tell(TransferCommand::Cancel("the receiver cannot be asked".to_owned())).await;
                    continue;
                }
            },
            TransferEvent::Apply { peer, kind } => {
                let outcome = match signed.apply(&peer, kind).await {
                    Ok((connection, grant)) => {
                        control = Some(connection);
                        Ok(grant)
                    }
                    Err(_) if context.leaving.is_cancelled() => {
                        why = Some(Failure::silent(ExitCode::Interrupted));
                        Err(GIVEN_UP.to_owned())
                    }
                    Err(refused) => {
                        let failure = of_applied(refused, "failed to receive");
                        let told = failure.message.clone();
                        why = Some(failure);
                        Err(told)
                    }
                };
                signed.tell(TransferCommand::Applied(outcome)).await;
                continue;
            }
            TransferEvent::Over(ending) => ending,
            // One who is waited for may be made later.
            TransferEvent::Nobody(user) => {
                let server = &context.settings.server;
                context.output.warn(format!("there is no user {user} at {server} (404): check the name; waiting anyway"));
                continue;
            }
            TransferEvent::NotSignedIn(refusal) if offered.is_none() => return Err(refusal.into()),
            TransferEvent::NotSignedIn(refusal) => {
                why = Some(refusal.into());
                signed.tell(TransferCommand::Cancel("the receiver is no longer signed in".to_owned())).await;
                continue;
            }
            _ => continue,
        };
        let Some(peer) = offered else { return Err(Failure::silent(ExitCode::Interrupted)) };
        let ending = match (ending, &why, promised) {
            (Ending::Agreed { agreed, standing }, None, Some(promised)) => {
                return Ok(Met { peer, agreed: *agreed, standing, control, promised, bound });
            }
            (ending, ..) => ending,
        };
        let failure = ending::failure(&ending, &peer, signed).unwrap_or_else(|| Failure::silent(ExitCode::Failed));
        return Err(why.unwrap_or(failure));
    }
}

/// What is offered, as it is to come.
fn promised(offer: &Offer) -> Promised {
    Promised { content: if offer.kind == TEXT { Content::Text } else { Content::Files }, count: offer.count }
}

/// Bytes of what is offered, where that is known. A text has no more than is shown.
fn size(offer: &Offer) -> Option<u64> {
    if offer.kind == TEXT { Some(MAX_TEXT as u64) } else { offer.size }
}

/// Tells what goes on before anything comes: not on standard output where that is for what comes.
fn say(args: &Args, context: &Context, what: &Carried) -> Result<(), Failure> {
    if recv::to_stdout(args) {
        what.remark(&context.output);
        return Ok(());
    }
    context.output.event(what)
}

/// What came of asking.
enum Asked {
    Accepted,
    /// It is not wanted, or nobody is there to say so.
    Declined(Failure),
    /// It is over before anything was said.
    Void(Ending),
}

/// Shows what is offered and who offers it, and has it decided on.
async fn ask(args: &Args, offer: &Offer, standing: Standing, signed: &mut Signed, context: &Context) -> Result<Asked, Failure> {
    let contact = signed.contact(&offer.from)?;
    let Offer { transfer, from, count, size, kind, .. } = offer;
    let (transfer, from) = (transfer.to_string(), from.to_string());
    say(args, context, &Carried::Invited { at: at(), transfer, from, count: *count, bytes: *size, kind: kind.clone() })?;
    let (theirs, own_words) = (words(&contact, &offer.identity), signed.own_words()?);
    let known = standing == Standing::Known;
    let shown = Carried::Identity { at: at(), contact: contact.to_string(), known, words: theirs, own_words, compare: args.verify };
    say(args, context, &shown)?;
    let refused = recv::bound(args).refuses(*size).filter(|_| offer.kind != TEXT);
    if let Some((told, said)) = refused {
        signed.tell(TransferCommand::Decide(Decision::Decline(told))).await;
        return Ok(Asked::Declined(Failure::new(ExitCode::Declined, format!("not received: {said}"))));
    }
    let rules = &context.settings.config.accept;
    let by_rule = !args.yes && accept::is_taken(rules, &offer.from, known, self::size(offer));
    if by_rule && !args.verify {
        context.output.note(format!("accepted without asking, by the rule for {} (accept in client.yaml)", offer.from));
    }
    let question = match (args.verify, args.yes || by_rule) {
        (true, _) => COMPARE,
        (false, false) => "Receive it",
        (false, true) => {
            signed.tell(TransferCommand::Decide(Decision::Accept)).await;
            return Ok(Asked::Accepted);
        }
    };
    let mut asked = std::pin::pin!(secret::agrees(question, &context.output, &context.leaving));
    let decided = loop {
        tokio::select! {
            decided = &mut asked => break decided,
            event = signed.next() => if let TransferEvent::Over(ending) = event? {
                return Ok(Asked::Void(ending));
            },
        }
    };
    let (decision, asked) = match decided {
        Ok(true) => (Decision::Accept, Asked::Accepted),
        Ok(false) => (Decision::Decline("not wanted".to_owned()), Asked::Declined(Failure::new(ExitCode::Declined, "not received"))),
        Err(failure) => {
            let failure = match failure.code {
                _ if args.verify => nobody(failure),
                ExitCode::Usage => {
                    Failure::new(ExitCode::Declined, "not received: no rule accepts it, and there is no terminal to ask on")
                        .hint("rules (accept in client.yaml) are for users whose identity is known, and up to their max_size; --yes accepts whatever is offered")
                }
                _ => failure,
            };
            let told = if failure.code == ExitCode::Interrupted { GIVEN_UP } else { "nobody was there to accept it" };
            (Decision::Decline(told.to_owned()), Asked::Declined(failure))
        }
    };
    signed.tell(TransferCommand::Decide(decision)).await;
    Ok(asked)
}
