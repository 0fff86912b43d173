//! What the upload tells.

use super::Sharing;
use crate::{
    cli::{
        ExitCode, Failure,
        fshare::{
            bar::Bar,
            failure,
            kept::Kept,
            show::{Moved, at, tell},
        },
    },
    clock,
    fileshare::{
        client::transfers::{TransferEvent, Transfers},
        wire::FailureCode,
    },
};

impl Sharing<'_> {
    pub(super) async fn on_transfer(&mut self, transfers: &mut Transfers, event: TransferEvent) -> Result<(), Failure> {
        let output = &self.context.output;
        match event {
            TransferEvent::Shared { share, batch, .. } => {
                let (entries, bytes, files) = (self.batch.entries.into(), self.batch.bytes, Some(self.manifest.files().len() as u64));
                tell(output, &Moved::Shared { at: at(), share: share.to_string(), entries, bytes, files })?;
                if let Some(room) = &self.room {
                    output.note(format_args!("others receive it with: fshare get {room} {share}"));
                }
                self.until = self.length.map(|length| clock::now() + length);
                let bar = self.progress.take().map(|progress| Bar::new(output, share, &self.batch, progress));
                self.ours = Some((share, bar));
                self.untouched = false;
                if !self.to.is_empty() {
                    // A name that is nobody's is worth a word before all is uploaded.
                    transfers.ask(share).await;
                }
                if let Some(earlier) = self.kept.take() {
                    // Of the same batch, in a share that is no more.
                    earlier.forget().await;
                }
                if let Some(named) = self.named.take() {
                    match Kept::begin(&named.lasting(self.length), share, batch, &self.manifest).await {
                        Ok(kept) => self.kept = kept,
                        Err(failure) => {
                            output.note(format!("if this upload breaks off, it cannot be resumed: {}", failure.message));
                        }
                    }
                }
                Ok(())
            }
            TransferEvent::NotShared { why, .. } => Err(failure::said("the conference did not accept the share", Some(&why), None)),
            TransferEvent::Uploaded { share, bytes } => {
                self.uploaded = true;
                if let Some((_, Some(bar))) = &mut self.ours {
                    bar.uploaded();
                }
                // Who is there is worth a word where nobody is.
                transfers.ask(share).await;
                tell(output, &Moved::Uploaded { at: at(), share: share.to_string(), bytes })
            }
            TransferEvent::Broken { share, error, again_in } => {
                if let Some((_, Some(bar))) = &mut self.ours {
                    bar.retried();
                }
                let (share, reason) = (share.to_string(), error.to_string());
                tell(output, &Moved::Broken { at: at(), share, reason, again_in: again_in.as_secs_f64() })
            }
            TransferEvent::Failed { error, .. } => {
                let failed = failure::of_transfer("the upload failed", &error, None);
                let again = error.is_resumable() && self.kept.is_some();
                Err(if again { Failure { code: ExitCode::Resumable, ..failed } } else { failed.hint("share it again") })
            }
            TransferEvent::Ended { why: Some(why), .. }
                if matches!(why.code, FailureCode::Unreachable | FailureCode::Busy) && self.kept.is_some() =>
            {
                // Nobody ended it: the conference waits, if it lives.
                Err(Failure { code: ExitCode::Resumable, ..failure::said("the upload broke off", Some(&why), None) })
            }
            TransferEvent::Ended { why: Some(why), .. } if why.code == FailureCode::Forbidden && self.kept.is_some() => {
                self.untouched = true;
                Err(failure::said("the conference does not let the upload continue", Some(&why), None))
            }
            TransferEvent::Ended { why, .. } => Err(failure::said("the share was ended", why.as_ref(), None)),
            TransferEvent::Downloaded { .. } => Ok(()),
        }
    }
}
