//! The download of a share (S412, S701–S705, S812).

use std::time::Duration;

use tokio::time::timeout;

use super::{
    TransferEvent,
    lead::{Lead, Stop, told},
};
use crate::{
    fileshare::{
        ShareId,
        client::{Downloaded, Downloader, LocalPort, Ticket, TransferError},
        wire::control::Message,
    },
    transfer::TransferName,
};

/// How long the disk gets to put what there is in order, at the end.
const IN_ORDER: Duration = Duration::from_millis(1500);

/// Leads it from the first word to the end.
pub(super) async fn run(mut lead: Lead, mut downloader: Downloader, port: LocalPort) {
    let Some(share) = lead.share else { return };
    let outcome = download(&mut lead, share, &mut downloader, port).await;
    let event = match outcome {
        Ok(downloaded) => {
            lead.say(Message::DownloadComplete { bytes: downloaded.bytes }).await;
            TransferEvent::Downloaded { share, downloaded: Box::new(downloaded) }
        }
        Err(Stop::Ended(why)) => TransferEvent::Ended { share, why, record: keep(downloader, true).await },
        // Of downloads that is not said.
        Err(Stop::Complete(_)) => TransferEvent::Ended { share, why: None, record: keep(downloader, true).await },
        Err(Stop::Error(error)) => {
            // What can be gone on with has not failed: who goes leaves the share, and may come back to it.
            let comes_back = matches!(error, TransferError::Stopped) || error.is_transient() && downloader.record().is_some();
            if !comes_back {
                lead.say(Message::DownloadError(told(&error))).await;
            }
            let record = keep(downloader, error.keeps()).await;
            TransferEvent::Failed { share, error, record }
        }
    };
    lead.report(event).await;
}

async fn download(lead: &mut Lead, share: ShareId, downloader: &mut Downloader, port: LocalPort) -> Result<Downloaded, Stop> {
    let (port, ticket) = lead.first_way(share, port).await?;
    let connect =
        async |downloader: &mut Downloader, port: LocalPort, ticket: &Ticket, settings: &_| downloader.run(port, ticket, settings).await;
    lead.run(downloader, port, ticket, connect).await
}

/// Keeps what there is, if that is worth it; else removes it. A disk that takes too long is left to it: the record holds, as after a crash.
async fn keep(downloader: Downloader, worth: bool) -> Option<TransferName> {
    let name = downloader.record().map(|record| record.transfer.clone()).filter(|_| worth);
    let done = async { if worth { downloader.suspend().await.map(|_| ()) } else { downloader.abort().await } };
    match timeout(IN_ORDER, done).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "what there is of a download could not be put in order"),
        Err(_) => tracing::debug!("the disk takes too long to put what there is of a download in order"),
    }
    name
}
