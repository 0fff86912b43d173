//! `fshare unshare`: the sharer ends a share, from whichever dialog of its account.

use serde::Serialize;
use tokio::time::timeout;

use super::{call::Call, failure, get, records, shares};
use crate::{
    cli::{
        ExitCode, Failure,
        output::{Page, Report, Text, safe_line},
        secret::PinFile,
        settings::Context,
        values::Room,
    },
    fileshare::{
        ShareId,
        terminal::{SharingCommand, SharingEvent},
        wire::{
            self, FailureCode,
            control::{Message, ShareSummary},
        },
    },
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare unshare standup            your only share there\n  \
    fshare unshare standup share-3";

/// What to end.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference: its name, or a URI
    #[arg(value_name = "CONF")]
    pub room: Room,

    /// Share to end, such as share-3 [default: your only one]
    #[arg(value_name = "ID")]
    pub share: Option<ShareId>,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// What was ended.
#[derive(Debug, Clone, Serialize)]
pub struct Unshared {
    /// The conference's address.
    pub conference: String,
    /// Name of the share.
    pub share: String,
}

impl Report for Unshared {
    fn page(&self, page: &mut Page) {
        page.line([Text::strong(&self.share), Text::from(": ended")]);
    }
}

/// Runs it.
///
/// # Errors
/// No such share (4), it is somebody else's (3), several are ours (2).
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut call = Call::open(&args.room, &args.pin, get::options(None), context).await?;
    let ended = unshare(&mut call, args, context).await;
    let conference = call.uri.clone();
    call.leave().await;
    context.output.result(&Unshared { conference, share: ended?.to_string() })
}

async fn unshare(call: &mut Call, args: &Args, context: &Context) -> Result<ShareId, Failure> {
    let shares = shares::list(call, context).await?;
    let share = choose(&shares, args)?;
    end(call, share, context).await.map_err(|why| why.hint(listing(&args.room)))?;
    if let Some(ended) = shares.iter().find(|known| known.share == share) {
        // What was kept to go on with it would share it again.
        records::forget(ended.batch.id).await;
    }
    Ok(share)
}

fn listing(room: &Room) -> String {
    format!("fshare shares {room} lists what is shared")
}

/// The share that is meant.
fn choose(shares: &[ShareSummary], args: &Args) -> Result<ShareId, Failure> {
    let none = |text: String| Failure::new(ExitCode::NotFound, text).hint(listing(&args.room));
    match args.share {
        Some(wanted) => match shares.iter().find(|share| share.share == wanted) {
            Some(share) if share.own => Ok(wanted),
            Some(share) => Err(Failure::new(ExitCode::Denied, format!("{wanted} is shared by {}", safe_line(&share.from))).hint(format!(
                "only its sharer can end a share; a chair can revoke the right to share with confctl revoke {} WHO share",
                args.room
            ))),
            None => Err(none(format!("there is no {wanted}"))),
        },
        None => {
            let own: Vec<ShareId> = shares.iter().filter(|share| share.own).map(|share| share.share).collect();
            match own.as_slice() {
                [] => Err(none("you are not sharing anything".to_owned())),
                [only] => Ok(*only),
                several => {
                    let mut failure = Failure::usage("you have several shares");
                    failure.details = several.iter().map(ToString::to_string).collect();
                    Err(failure.hint("name one of them"))
                }
            }
        }
    }
}

/// Ends a share of our account.
///
/// # Errors
/// There is none (4), it is not ours (3), no answer (7).
pub async fn end(call: &mut Call, share: ShareId, context: &Context) -> Result<(), Failure> {
    let why = wire::Failure::new(FailureCode::Ended, "the sharer ended the share");
    call.tell(SharingCommand::Say { share, message: Box::new(Message::ShareEnded(why)) }).await;
    let (session, _) = call.parts();
    let answer = async {
        loop {
            match session.next().await {
                Some(SharingEvent::Said { share: Some(said), message }) if said == share => match *message {
                    Message::Done => return Ok(()),
                    Message::Refusal(why) => return Err(failure::said(&format!("{share} was not ended"), Some(&why), None)),
                    _ => {}
                },
                Some(_) => {}
                None => return Err(Failure::new(ExitCode::Declined, "the call is over")),
            }
        }
    };
    let patience = context.settings.config.timeout.get();
    tokio::select! {
        answer = timeout(patience, answer) => {
            answer.unwrap_or_else(|_| Err(Failure::new(ExitCode::Unreachable, "the conference did not answer")))
        }
        () = context.leaving.cancelled() => Err(Failure::silent(ExitCode::Interrupted)),
    }
}
