//! What is left of transfers that nobody went on with: after a time (`keep_transfers` of the client's configuration) record and partial files go.

use super::{
    kept,
    receive::{self, on_disk},
};
use crate::{
    cli::{Failure, settings::Context},
    clock,
    transfer::{Record, RecordStore, Sink, SinkError, resume::ResumeError},
};

/// Most transfers that are cleared away in one run; the next run goes on.
const MOST: usize = 16;

/// Clears away what is too old, is nobody's at the moment, and is not what was asked about. Whatever goes wrong is no reason not to do what was
/// asked.
pub async fn clear(wanted: Option<&str>, context: &Context) {
    match receive::records().await {
        Ok(Some(records)) => clear_in(&records, wanted, context).await,
        Ok(None) => {}
        Err(failure) => tracing::debug!(why = failure.message, "old transfers were not looked for"),
    }
}

async fn clear_in(records: &RecordStore, wanted: Option<&str>, context: &Context) {
    let age = context.settings.config.keep_transfers.get();
    let (store, now) = (records.clone(), clock::wall());
    let old = match on_disk(move || store.older(now, age)).await {
        Ok(Ok(old)) => old,
        Ok(Err(error)) => return tracing::debug!(%error, "old transfers were not looked for"),
        Err(failure) => return tracing::debug!(why = failure.message, "old transfers were not looked for"),
    };
    for record in old.iter().filter(|record| wanted != Some(record.transfer.as_str())).take(MOST) {
        match discard(records, record).await {
            Ok(true) => context.output.note(format!(
                "{} was not resumed for {}; it and its partial files are removed",
                record.transfer,
                humantime::format_duration(age)
            )),
            Ok(false) => {}
            Err(failure) => tracing::warn!(transfer = %record.transfer, why = failure.message, "an old transfer was not removed"),
        }
    }
}

/// False where somebody has just gone on with it, or removed it.
async fn discard(records: &RecordStore, record: &Record) -> Result<bool, Failure> {
    if !kept::goes_out(record) {
        match Sink::discard(records, &record.transfer).await {
            Ok(()) => return Ok(true),
            Err(SinkError::Resume(ResumeError::Busy(_) | ResumeError::Missing(_))) => return Ok(false),
            // What does not say what belongs to it goes alone.
            Err(SinkError::Resume(ResumeError::Damaged { .. })) => {}
            Err(error) => return Err(super::failure::of_transfer("failed to remove the partial files", &error.into(), None)),
        }
    }
    let (store, name) = (records.clone(), record.transfer.clone());
    match on_disk(move || store.remove(&name)).await? {
        Ok(()) => Ok(true),
        Err(ResumeError::Busy(_)) => Ok(false),
        Err(error) => Err(super::records::untaken(&record.transfer, error)),
    }
}
