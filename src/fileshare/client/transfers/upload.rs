//! The upload of a share (S405, S601–S605, S805).

use std::time::Duration;

use tokio::time::timeout;

use super::{
    TransferEvent,
    lead::{Lead, Stop, Word, told},
};
use crate::{
    clock,
    fileshare::{
        client::{Fault, LocalPort, Ticket, TransferError, Uploader},
        terminal::SharingCommand,
        wire::{
            Failure, FailureCode,
            control::{FileFacts, Message},
        },
    },
};

/// The least time before a file server that is not ready is asked again.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// Leads it from the first word to the end. Without files it was begun before, and need not be asked for again; `key` is the owner's name for one
/// that begins.
pub(super) async fn run(mut lead: Lead, key: Option<u64>, mut uploader: Uploader, port: LocalPort, files: Option<Vec<FileFacts>>) {
    let outcome = upload(&mut lead, &mut uploader, port, files).await;
    let Some(share) = lead.share else {
        // That it was refused, or ended with the call, was told by whoever heard it.
        if let (Some(key), Err(Stop::Error(error))) = (key, outcome)
            && !matches!(error, TransferError::Stopped)
        {
            lead.report(TransferEvent::NotShared { key, why: told(&error) }).await;
        }
        return;
    };
    let event = match outcome {
        Ok(bytes) | Err(Stop::Complete(bytes)) => TransferEvent::Uploaded { share, bytes },
        Err(Stop::Ended(why)) => TransferEvent::Ended { share, why, record: None },
        Err(Stop::Error(error)) => {
            if lead.options.come_again && error.is_resumable() {
                lead.say(Message::ShareSuspended).await;
            } else {
                if let TransferError::Source(_) | TransferError::Fault(Fault::Refused(_)) = error {
                    // The file server was told on the connection, or told us, and the conference says to all why the share ends.
                    lead.hear_the_end().await;
                }
                // Nobody will go on with it: port 0.
                let _ = lead.commands.send(SharingCommand::End { share }).await;
            }
            TransferEvent::Failed { share, error, record: None }
        }
    };
    lead.report(event).await;
}

async fn upload(lead: &mut Lead, uploader: &mut Uploader, port: LocalPort, files: Option<Vec<FileFacts>>) -> Result<u64, Stop> {
    let ticket = lead.first_ticket().await?;
    if let Some(files) = files {
        may_begin(lead, &files).await?;
    }
    let connect =
        async |uploader: &mut Uploader, port: LocalPort, ticket: &Ticket, settings: &_| uploader.run(port, ticket, settings).await;
    lead.run(uploader, port, ticket, connect).await.map(|uploaded| uploaded.bytes)
}

/// S601 to S604. A file server that is not ready is asked again when it says, as long as a share may stand still.
async fn may_begin(lead: &mut Lead, files: &[FileFacts]) -> Result<(), Stop> {
    let began = clock::now();
    loop {
        let patience = lead.options.patience;
        lead.say(Message::UploadRequest { files: files.to_vec() }).await;
        let answer = async {
            loop {
                match lead.word().await? {
                    Word::Ready => return Ok(None),
                    Word::NotReady(wait, why) => return Ok(Some((wait.max(LEAST_WAIT), why))),
                    Word::Refused(why) => return Err(Stop::Ended(Some(why))),
                    Word::Named(_) | Word::Go(_) | Word::Ended(_) | Word::Complete(_) | Word::Offered => {}
                }
            }
        };
        let not_ready = timeout(patience, answer).await.map_err(|_| Stop::Error(Fault::Admission(patience).into()))??;
        let Some((wait, why)) = not_ready else { return Ok(()) };
        let waited = clock::now().saturating_duration_since(began);
        if waited + wait > lead.options.window {
            let why = why.unwrap_or_else(|| "it is not ready".to_owned());
            return Err(Stop::Error(Fault::Refused(Failure::new(FailureCode::Busy, why)).into()));
        }
        lead.pause(wait).await?;
    }
}
