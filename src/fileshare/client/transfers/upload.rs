//! The upload of a share (S405, S601–S605, S805).

use std::time::Duration;

use tokio::time::timeout;

use super::{
    TransferEvent,
    lead::{Lead, Stop, Word},
};
use crate::fileshare::{
    client::{Fault, LocalPort, Ticket, Uploader},
    terminal::SharingCommand,
    wire::control::{FileFacts, Message},
};

/// How often a file server may say that it is not ready.
const ASKED: u32 = 20;
/// Before it is asked again, at least.
const LEAST: Duration = Duration::from_millis(100);

/// Leads it from the first word to the end. Without files it was begun before, and need not be asked for again.
pub(super) async fn run(mut lead: Lead, mut uploader: Uploader, port: LocalPort, files: Option<Vec<FileFacts>>) {
    let outcome = upload(&mut lead, &mut uploader, port, files).await;
    let Some(share) = lead.share else { return };
    let event = match outcome {
        Ok(bytes) | Err(Stop::Complete(bytes)) => TransferEvent::Uploaded { share, bytes },
        Err(Stop::Ended(why)) => TransferEvent::Ended { share, why, record: None },
        Err(Stop::Error(error)) => {
            if lead.options.come_again && error.is_resumable() {
                lead.say(Message::ShareSuspended).await;
            } else {
                // Nobody will go on with it: port 0.
                let _ = lead.commands.send(SharingCommand::End { share }).await;
            }
            TransferEvent::Failed { share, error, record: None }
        }
    };
    lead.report(event).await;
}

async fn upload(lead: &mut Lead, uploader: &mut Uploader, port: LocalPort, files: Option<Vec<FileFacts>>) -> Result<u64, Stop> {
    let ticket = lead.ticket().await?;
    if let Some(files) = files {
        may_begin(lead, &files).await?;
    }
    let connect =
        async |uploader: &mut Uploader, port: LocalPort, ticket: &Ticket, settings: &_| uploader.run(port, ticket, settings).await;
    lead.run(uploader, port, ticket, connect).await.map(|uploaded| uploaded.bytes)
}

/// S601 to S604.
async fn may_begin(lead: &mut Lead, files: &[FileFacts]) -> Result<(), Stop> {
    for _ in 0..ASKED {
        let patience = lead.options.patience;
        lead.say(Message::UploadRequest { files: files.to_vec() }).await;
        let answer = async {
            loop {
                match lead.word().await? {
                    Word::Ready => return Ok(None),
                    Word::NotReady(wait) => return Ok(Some(wait)),
                    Word::Refused(why) => return Err(Stop::Ended(Some(why))),
                    Word::Named(_) | Word::Go(_) | Word::Ended(_) | Word::Complete(_) => {}
                }
            }
        };
        match timeout(patience, answer).await {
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(wait))) => lead.pause(wait.max(LEAST)).await?,
            Ok(Err(stop)) => return Err(stop),
            Err(_) => break,
        }
    }
    Err(Stop::Error(Fault::Admission(lead.options.patience).into()))
}
