//! `fshare shares`: what is shared in a conference.

use serde::Serialize;
use tokio::time::timeout;

use super::{call::Call, get, show::human};
use crate::{
    cli::{
        ExitCode, Failure,
        output::{Page, Report, Table},
        secret::PinFile,
        settings::Context,
        values::Room,
    },
    fileshare::{
        terminal::{SharingCommand, SharingEvent},
        wire::control::{Message, ShareSummary},
    },
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare shares standup\n  \
    fshare --json shares standup | jq -r '.shares[].share'";

/// Where to look.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference: its name, or a URI
    #[arg(value_name = "CONF")]
    pub room: Room,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// What is shared.
#[derive(Debug, Clone, Serialize)]
pub struct Shares {
    /// By their numbers.
    pub shares: Vec<Row>,
}

/// A share.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name.
    pub share: String,
    /// Who shares.
    pub from: String,
    /// It is ours.
    pub own: bool,
    /// Files, folders and links.
    pub entries: u32,
    /// Bytes, where known.
    pub bytes: Option<u64>,
    /// Bytes that are at the server.
    pub uploaded: u64,
    /// All are.
    pub complete: bool,
    /// Members who have it.
    pub finished: u32,
    /// Members.
    pub members: u32,
    /// The first names.
    pub names: Vec<String>,
}

impl From<ShareSummary> for Row {
    fn from(share: ShareSummary) -> Self {
        Self {
            share: share.share.to_string(),
            from: share.from,
            own: share.own,
            entries: share.batch.entries,
            bytes: share.batch.bytes,
            uploaded: share.uploaded,
            complete: share.complete,
            finished: share.finished,
            members: share.members,
            names: share.batch.files.into_iter().map(|file| file.name).collect(),
        }
    }
}

impl Report for Shares {
    fn page(&self, page: &mut Page) {
        let mut table = Table::new(["share", "from", "size", "here", "received", "files"]);
        for row in &self.shares {
            let size = row.bytes.map_or_else(|| "?".to_owned(), human);
            let here = if row.complete { "all".to_owned() } else { human(row.uploaded) };
            let more = (row.entries as usize).saturating_sub(3);
            if row.names.is_empty() {
                let count = format!("{} files", row.entries);
                table.row([row.share.clone(), row.from.clone(), size, here, format!("{}/{}", row.finished, row.members), count]);
                continue;
            }
            let mut names = row.names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            if more > 0 {
                names.push_str(&format!(" and {more} more"));
            }
            table.row([row.share.clone(), row.from.clone(), size, here, format!("{}/{}", row.finished, row.members), names]);
        }
        page.table(table);
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut call = Call::open(&args.room, &args.pin, get::options(None), context).await?;
    let listed = list(&mut call, context).await;
    call.leave().await;
    context.output.result(&Shares { shares: listed?.into_iter().map(Row::from).collect() })
}

/// What is shared in the conference that is called.
///
/// # Errors
/// The conference does not say (7, or as it says), the call is over (6), interrupted.
pub async fn list(call: &mut Call, context: &Context) -> Result<Vec<ShareSummary>, Failure> {
    call.tell(SharingCommand::List).await;
    let (session, _) = call.parts();
    let mut shares = Vec::new();
    let listed = async {
        loop {
            match session.next().await {
                Some(SharingEvent::Said { share: None, message }) => match *message {
                    Message::Shares { shares: told, more } => {
                        shares.extend(told);
                        if !more {
                            return Ok(());
                        }
                    }
                    Message::Refusal(why) => return Err(super::failure::said("the conference does not say", Some(&why), None)),
                    _ => {}
                },
                Some(_) => {}
                None => return Err(Failure::new(ExitCode::Declined, "the call is over")),
            }
        }
    };
    tokio::select! {
        listed = timeout(context.settings.config.timeout.get(), listed) => {
            listed.unwrap_or_else(|_| Err(Failure::new(ExitCode::Unreachable, "the conference does not say what is shared")))?;
        }
        () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
    }
    Ok(shares)
}
