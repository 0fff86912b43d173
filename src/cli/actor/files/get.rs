//! What a terminal receives: what is offered while it wants everything, and what is asked for by its name.

use std::{path::PathBuf, time::Instant};

use super::{Filed, Files, Here, Reply, answer, of, unknown};
use crate::{
    cli::Failure,
    clock,
    fileshare::{
        ShareId,
        client::{Downloaded, Downloader},
        terminal::SharingCommand,
        wire::control::DownloadOffer,
    },
    transfer::SinkOptions,
};

impl Files {
    /// Somebody wants a share by its name.
    pub(super) async fn get(&mut self, name: String, folder: Option<PathBuf>, reply: Reply<()>) {
        match self.find(&name) {
            Some(share) => self.want(share, folder, reply).await,
            None => {
                // Who has gone away meanwhile is not kept.
                self.asking.retain(|(_, _, reply)| !reply.is_closed());
                self.asking.push((name, folder, reply));
                self.unlisted = Some(clock::now() + self.manner.patience);
                // A terminal that is over answers nobody; our patience ends.
                let _ = self.terminal.send(SharingCommand::List).await;
            }
        }
    }

    /// Somebody shares.
    pub(super) async fn offered(&mut self, share: ShareId, offer: DownloadOffer) -> Vec<Filed> {
        let names = offer.batch.files.iter().map(|file| file.name.clone()).collect();
        let offered = Filed::Offered { share, from: offer.from.clone(), names };
        self.know(share, offer.batch, false);
        if !self.manner.receive {
            self.transfers.decline(share).await;
            return vec![offered, Filed::Declined { share }];
        }
        match self.receive(share, None).await {
            Ok(()) => vec![offered],
            Err(failure) => {
                self.transfers.decline(share).await;
                vec![offered, self.ended(share, Err(failure))]
            }
        }
    }

    /// Until when the conference may say what is shared; nothing while it is not asked.
    pub fn unlisted(&self) -> Option<Instant> {
        self.unlisted
    }

    /// Nobody who asked is told what is shared.
    pub fn unsaid(&mut self, why: &Failure) {
        self.unlisted = None;
        for (_, _, reply) in std::mem::take(&mut self.asking) {
            answer(reply, Err(why.clone()));
        }
    }

    /// The conference has said what is shared.
    pub(super) async fn listed(&mut self) {
        self.unlisted = None;
        for (name, folder, reply) in std::mem::take(&mut self.asking) {
            match self.find(&name) {
                Some(share) => self.want(share, folder, reply).await,
                None => answer(reply, Err(unknown(&name))),
            }
        }
    }

    /// Somebody waits for a share to be here.
    async fn want(&mut self, share: ShareId, folder: Option<PathBuf>, reply: Reply<()>) {
        let Some(known) = self.known.get_mut(&share) else { return };
        if known.ours {
            return answer(reply, Err(Failure::usage(format!("{share} is its own"))));
        }
        let runs = match known.outcome {
            Some(Ok(())) => return answer(reply, Ok(())),
            // It failed, and is tried again.
            Some(Err(_)) => false,
            None => known.since.is_some(),
        };
        known.waiting.retain(|reply| !reply.is_closed());
        known.waiting.push(reply);
        if runs {
            return;
        }
        if let Err(failure) = self.receive(share, folder).await {
            self.ended(share, Err(failure));
        }
    }

    async fn receive(&mut self, share: ShareId, folder: Option<PathBuf>) -> Result<(), Failure> {
        let Some(known) = self.known.get_mut(&share) else { return Ok(()) };
        (known.since, known.outcome) = (Some(clock::now()), None);
        let options = SinkOptions { overwrite: self.manner.overwrite, ..SinkOptions::default() };
        let downloader = Downloader::to_folder(folder.unwrap_or_else(|| self.manner.folder.clone()), options);
        let progress = self.transfers.receive(share, known.batch.id, downloader).await.map_err(|error| of(share, &error))?;
        known.progress = Some(progress);
        Ok(())
    }

    pub(super) fn received(&mut self, share: ShareId, downloaded: Downloaded) -> Filed {
        let since = self.known.get(&share).and_then(|known| known.since);
        let seconds = since.map_or(0.0, |since| clock::now().saturating_duration_since(since).as_secs_f64());
        let files = downloaded.files.files.into_iter();
        let files = files.filter_map(|placed| Some(Here { name: placed.name.as_str().to_owned(), path: placed.path? })).collect();
        self.settle(share, Ok(()));
        Filed::Received { share, files, seconds }
    }

    pub(super) fn ended(&mut self, share: ShareId, outcome: Result<(), Failure>) -> Filed {
        let why = outcome.as_ref().err().map(|failure| failure.message.clone()).unwrap_or_default();
        self.settle(share, outcome);
        Filed::Failed { share, why }
    }

    fn settle(&mut self, share: ShareId, outcome: Result<(), Failure>) {
        let Some(known) = self.known.get_mut(&share) else { return };
        for reply in std::mem::take(&mut known.waiting) {
            answer(reply, outcome.clone());
        }
        known.outcome = Some(outcome);
    }
}
