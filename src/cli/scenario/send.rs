//! The step `send`: what `fshare send --to` and `fshare recv --from` do, each as the account of a terminal.
//!
//! Both are the commands' own, with identities of the terminals' own in the scenario's folder, and with nobody who looks on: the receiver takes what is offered.

use std::{io, num::NonZeroU8, time::Duration};

use tokio::time::timeout;

use super::{
    model::{Send, Terminal},
    origin,
    stage::Stage,
};
use crate::{
    channel::{client::Sending, code::WORDS},
    cli::{
        ExitCode, Failure,
        actor::{Filed, Here},
        fshare::{
            channel::{
                PatienceFlag, RelayFlag, WayFlags, from,
                recv::{self, Taken},
                send,
                signed::Signed,
                to,
            },
            receive::Policy,
        },
        output::{Look, Output},
        settings::Context,
        values::Callee,
    },
    id::UserName,
};

/// All bytes go through the relay: it is what the scenario is to show.
const WAYS: WayFlags = WayFlags { relay_only: true, direct_only: false };
/// How long each looks for the other after a break: the step has its own time.
const PATIENCE: PatienceFlag = PatienceFlag { patience: Duration::from_secs(60) };
/// How long both may take to say good-bye when the time is up.
const PARTING: Duration = Duration::from_secs(3);

/// Sends; over when both ends are.
///
/// # Errors
/// With the exit code that the sender's command would have; where that is well, with the receiver's.
pub async fn send(stage: &Stage, wanted: &Send) -> Result<(), Failure> {
    let (alice, bob) = (stage.actor(wanted.terminal.as_str())?, stage.actor(wanted.to.as_str())?);
    let (from, to) = (account(&alice.terminal)?, account(&bob.terminal)?);
    let (here, there) = (alone(stage, from)?, alone(stage, to)?);
    let sending = async {
        let args = sender(stage, wanted);
        // Nobody is to go on with it when the scenario is over.
        let (sending, _) = send::sending(&args, &here).await?;
        let sending = Sending { lasting: false, ..sending };
        stage.shares(origin::of(&sending.source, &args.paths, alice.terminal.name.as_str()));
        let bytes = sending.source.manifest().total().unwrap_or_default();
        let mut signed = sign_in(stage, &alice.terminal, &here).await?;
        let ended = to::offer(&args, &Callee::User(to.clone()), (sending, None), &mut signed, &here).await;
        signed.leave().await;
        ended.map(|()| bytes)
    };
    let both = async {
        // Whom nobody waits for has nothing offered to him: the receiver is there first.
        let mut signed = sign_in(stage, &bob.terminal, &there).await?;
        from::listen(Some(from.clone()), &signed).await?;
        let args = receiver(stage, &bob.terminal);
        let receiving = async {
            let ended = from::receive(&args, false, &mut signed, &there).await;
            signed.leave().await;
            ended
        };
        let sending = async {
            let ended = sending.await;
            if ended.is_err() {
                // Who waits for it waits in vain.
                there.leaving.cancel();
            }
            ended
        };
        let (sent, taken) = tokio::join!(sending, receiving);
        Ok::<_, Failure>((sent?, taken?))
    };
    let mut both = std::pin::pin!(both);
    let (bytes, Taken { files, seconds }) = match timeout(wanted.within.get(), &mut both).await {
        Ok(ended) => ended?,
        Err(_) => {
            here.leaving.cancel();
            there.leaving.cancel();
            let _ = timeout(PARTING, &mut both).await;
            let waited = humantime::format_duration(wanted.within.get());
            return Err(Failure::new(ExitCode::Unreachable, format!("not sent in {waited}")));
        }
    };
    stage.filed(alice, Filed::Sent { to: bob.terminal.name.to_string(), bytes });
    let files = files.into_iter().filter_map(|file| Some(Here { name: file.name, path: file.path?.into() }));
    stage.filed(bob, Filed::Taken { from: alice.terminal.name.to_string(), files: files.collect(), seconds });
    Ok(())
}

/// Checked when the file was read.
fn account(terminal: &Terminal) -> Result<&UserName, Failure> {
    terminal.account.as_ref().ok_or_else(|| Failure::usage(format!("{} has no account", terminal.name)))
}

/// The context of an account whose command can be ended alone, and which says nothing: the step does.
fn alone(stage: &Stage, account: &UserName) -> Result<Context, Failure> {
    let context = stage.context(Some(account))?;
    let look = Look { json: false, quiet: true, terminal: false, colour: false, colour_errors: false, lively: false };
    let output = Output::on(look, Box::new(io::sink()), Box::new(io::sink()));
    Ok(Context { output, leaving: context.leaving.child_token(), ..context })
}

async fn sign_in(stage: &Stage, terminal: &Terminal, context: &Context) -> Result<Signed, Failure> {
    let name = terminal.name.as_str();
    let signed = Signed::open(&RelayFlag::default(), stage.identities(name), stage.trace_of(name), context).await?;
    stage.is_at(signed.local, name);
    Ok(signed)
}

fn sender(stage: &Stage, wanted: &Send) -> send::Args {
    send::Args {
        paths: wanted.paths.iter().map(|given| stage.path(given)).collect(),
        text: None,
        to: None,
        applies: wanted.applies.0,
        verify: false,
        code: None,
        qr: false,
        words: WORDS as u8,
        receivers: NonZeroU8::MIN,
        streams: 1,
        limit: None,
        compress: crate::transfer::Policy::Auto,
        name: None,
        follow_links: false,
        xattrs: false,
        patience: PATIENCE,
        relay: RelayFlag::default(),
        ways: WAYS,
    }
}

fn receiver(stage: &Stage, terminal: &Terminal) -> recv::Args {
    recv::Args {
        code: Vec::new(),
        from: None,
        verify: false,
        keep: false,
        output: stage.received(terminal.name.as_str()),
        output_file: None,
        max_size: None,
        unknown_size: false,
        yes: true,
        xattrs: false,
        policy: Policy { overwrite: true, rename: false, skip: false },
        wait: false,
        patience: PATIENCE,
        relay: RelayFlag::default(),
        ways: WAYS,
    }
}
