//! What a terminal shares. An upload that is broken off is left to `fshare resume` where there is an account, and files that can be read again.

use tokio::sync::watch;

use super::{Filed, Files, Reply, answer};
use crate::{
    cli::{
        ExitCode, Failure,
        fshare::{
            failure,
            kept::{Kept, Named},
            share::shown,
        },
    },
    fileshare::{
        BatchId, ShareId,
        client::{Snapshot, Uploader, transfers::ShareOptions},
        wire::{self, control::Batch},
    },
    transfer::Manifest,
};

/// What is to be shared.
#[derive(Debug)]
pub struct ToShare {
    /// The files.
    pub uploader: Uploader,
    /// For whom, and how it is opened.
    pub options: ShareOptions,
    /// What a record is to say, where one is kept.
    pub named: Option<Named>,
    /// Whoever asks wants to hear when all is at the server, not when the conference has taken it.
    pub wait: bool,
}

/// A share that the conference has not taken yet.
#[derive(Debug)]
pub(super) struct Beginning {
    batch: Batch,
    manifest: Manifest,
    named: Option<Named>,
    wait: bool,
    progress: watch::Receiver<Snapshot>,
    reply: Reply<ShareId>,
}

/// A share that is not all at the server yet.
#[derive(Debug)]
pub(super) struct Upload {
    kept: Option<Kept>,
    progress: watch::Receiver<Snapshot>,
    /// Who waits for it.
    waiting: Option<Reply<ShareId>>,
}

impl Files {
    pub(super) async fn share(&mut self, wanted: ToShare, reply: Reply<ShareId>) {
        let ToShare { uploader, options, named, wait } = wanted;
        let (batch, manifest) = (shown(uploader.source()), uploader.source().manifest().clone());
        let named = named.filter(|_| self.manner.come_again);
        match self.transfers.share(uploader, options).await {
            Ok((key, progress)) => {
                self.beginning.insert(key, Beginning { batch, manifest, named, wait, progress, reply });
            }
            Err(error) => answer(reply, Err(failure::of_transfer("failed to share", &error, None))),
        }
    }

    /// The conference has taken it.
    pub(super) async fn shared(&mut self, key: u64, share: ShareId, id: BatchId) -> Filed {
        let Some(Beginning { batch, manifest, named, wait, progress, reply }) = self.beginning.remove(&key) else {
            return Filed::Shared { share };
        };
        self.know(share, Batch { id, ..batch }, true);
        if let Some(known) = self.known.get_mut(&share) {
            known.progress = Some(progress.clone());
        }
        let kept = match named {
            Some(named) => Kept::begin(&named, share, id, &manifest).await.unwrap_or_else(|why| {
                tracing::warn!(%share, why = why.message, "broken off, it cannot be gone on with");
                None
            }),
            None => None,
        };
        let waiting = if wait {
            Some(reply)
        } else {
            answer(reply, Ok(share));
            None
        };
        self.uploads.insert(share, Upload { kept, progress, waiting });
        Filed::Shared { share }
    }

    pub(super) fn not_shared(&mut self, key: u64, why: wire::Failure) -> Filed {
        if let Some(Beginning { reply, .. }) = self.beginning.remove(&key) {
            answer(reply, Err(failure::said("the conference did not accept the share", Some(&why), None)));
        }
        Filed::NotShared { why: why.text }
    }

    pub(super) async fn uploaded(&mut self, share: ShareId, bytes: u64) -> Filed {
        if let Some(Upload { kept, waiting, .. }) = self.uploads.remove(&share) {
            if let Some(kept) = kept {
                kept.forget().await;
            }
            waiting.into_iter().for_each(|reply| answer(reply, Ok(share)));
        }
        Filed::Uploaded { share, bytes }
    }

    /// It ended before all was at the server; `again`: another process can go on with it.
    pub(super) async fn not_uploaded(&mut self, share: ShareId, upload: Upload, failed: Failure, again: bool) -> Filed {
        let Upload { kept, progress, waiting } = upload;
        let bytes = progress.borrow().progress.bytes;
        let failed = match kept {
            Some(kept) if again => {
                let hint = format!("resume with: fshare resume {0}; or end the share with: fshare cancel {0}", kept.name());
                let name = kept.name().clone();
                kept.leave(bytes).await;
                Failure { code: ExitCode::Resumable, ..failed }.hint(hint).of_transfer(&name)
            }
            Some(kept) => {
                kept.forget().await;
                failed
            }
            None => failed,
        };
        let why = match &failed.hint {
            Some(hint) => format!("{}; {hint}", failed.message),
            None => failed.message.clone(),
        };
        waiting.into_iter().for_each(|reply| answer(reply, Err(failed.clone())));
        Filed::Failed { share, why }
    }
}
