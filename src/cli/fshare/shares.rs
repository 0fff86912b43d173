//! `fshare shares`: what is shared in a conference.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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
        ShareId,
        terminal::{SharingCommand, SharingEvent},
        wire::{
            self,
            control::{MAX_FILES, Message, ShareSummary},
        },
    },
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare shares standup\n  \
    fshare --json shares standup | jq -r '.shares[].share'";

/// Most shares of a conference, and members of a share, that are listened to: the server says them a few at a time. One that says more is given up.
const MAX_TOLD: usize = 65_536;
/// Most uploads that are asked how far they are.
const MAX_ASKED: usize = 16;
/// How long the file servers may take to say it.
const STATUS: Duration = Duration::from_secs(2);

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
    /// Bytes that are at the server, where it says so.
    pub uploaded: Option<u64>,
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
            uploaded: share.complete.then_some(share.uploaded),
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
            let here = if row.complete { "all".to_owned() } else { row.uploaded.map_or_else(|| "?".to_owned(), human) };
            if row.names.is_empty() {
                let count = format!("{} files", row.entries);
                table.row([row.share.clone(), row.from.clone(), size, here, format!("{}/{}", row.finished, row.members), count]);
                continue;
            }
            let names = first(&row.names, row.entries as usize);
            table.row([row.share.clone(), row.from.clone(), size, here, format!("{}/{}", row.finished, row.members), names]);
        }
        page.table(table);
    }
}

/// The first names, and how many there are beside them. Folders are not named; where not all files are, they count as files.
fn first(names: &[String], entries: usize) -> String {
    let files = if names.len() < MAX_FILES { names.len() } else { entries };
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    let more = match files.saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &more
}

/// The conference refuses to say what is shared.
pub fn refused(why: &wire::Failure) -> Failure {
    super::failure::said("the conference did not say what is shared", Some(why), None)
}

/// The conference does not say what is shared.
pub fn unsaid() -> Failure {
    Failure::new(ExitCode::Unreachable, "the conference did not say what is shared")
}

/// What is told by and by has an end.
pub fn bounded(told: usize) -> Result<(), Failure> {
    if told > MAX_TOLD {
        Err(Failure::new(ExitCode::Failed, "the conference listed more shares or members than fshare accepts"))
    } else {
        Ok(())
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut call = Call::open(&args.room, &args.pin, get::options(None), context).await?;
    let rows = rows(&mut call, context).await;
    call.leave().await;
    context.output.result(&Shares { shares: rows? })
}

/// What is shared, and of uploads that run how far they are.
async fn rows(call: &mut Call, context: &Context) -> Result<Vec<Row>, Failure> {
    let shares = list(call, context).await?;
    let mut asked: BTreeSet<ShareId> = shares.iter().filter(|share| !share.complete).map(|share| share.share).take(MAX_ASKED).collect();
    for share in &asked {
        call.tell(SharingCommand::Say { share: *share, message: Box::new(Message::StatusRequest) }).await;
    }
    let (session, _) = call.parts();
    let mut known = BTreeMap::new();
    let told = async {
        while !asked.is_empty() {
            let Some(event) = session.next().await else { return };
            let SharingEvent::Said { share: Some(share), message } = event else { continue };
            match *message {
                Message::Status(status) => {
                    asked.remove(&share);
                    known.insert(share, status.uploaded);
                }
                Message::Refusal(_) | Message::ShareEnded(_) => {
                    asked.remove(&share);
                }
                _ => {}
            }
        }
    };
    tokio::select! {
        // What is not known by then stays unknown.
        _ = timeout(STATUS, told) => {}
        () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
    }
    let row = |share: ShareSummary| {
        let uploaded = known.get(&share.share).copied();
        let row = Row::from(share);
        Row { uploaded: row.uploaded.or(uploaded), ..row }
    };
    Ok(shares.into_iter().map(row).collect())
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
                        bounded(shares.len())?;
                        if !more {
                            return Ok(());
                        }
                    }
                    Message::Refusal(why) => return Err(refused(&why)),
                    _ => {}
                },
                Some(_) => {}
                None => return Err(Failure::new(ExitCode::Declined, "the call is over")),
            }
        }
    };
    tokio::select! {
        listed = timeout(context.settings.config.timeout.get(), listed) => {
            listed.unwrap_or_else(|_| Err(unsaid()))?;
        }
        () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_shown_are_counted() {
        let names = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>();
        // A folder is an entry, too.
        assert_eq!(first(&names(2), 3), "1, 2");
        assert_eq!(first(&names(5), 6), "1, 2, 3 and 2 more");
        assert_eq!(first(&names(MAX_FILES), 1000), "1, 2, 3 and 997 more");
    }
}
