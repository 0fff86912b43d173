//! The sink of a download. It works beside the connection, so that heartbeats go on while the disk is slow.
//!
//! A sink that failed is gone; where a record of it is kept, the next connection takes it up again from there, as another process would: a full disk
//! that was emptied, or a file that was moved out of the way, costs no byte that is on the disk.

use std::{fmt, io::Write, path::PathBuf};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
};

use super::TransferError;
use crate::{
    fileshare::{client::Fault, wire::payload},
    transfer::{
        Algorithm, Manifest, ManifestError, Record, RecordStore, Sink, SinkError, SinkOptions, Trailer, TransferName,
        sink::{Finished, SinkState},
    },
};

/// Chunks on their way to the sink. What is on its way there and in the sink's own queue is lost with the process, and comes again.
pub(super) const ORDERS: usize = 1;
/// Where records keep the fixed payload size.
pub(super) const PAYLOAD: &str = "payload";

/// Where a batch goes, and what is kept of it.
pub(super) struct Landing {
    stage: Stage,
    /// Where a record is kept, if anywhere.
    records: Option<RecordStore>,
    /// The record, from the moment that there is one until nothing is left to go on with.
    record: Option<Record>,
}

/// How far it is.
enum Stage {
    /// Into a folder, once it is known what comes.
    Folder(PathBuf, Box<SinkOptions>),
    /// To a stream, once it is known what comes.
    Stream(Box<dyn Write + Send>, Box<SinkOptions>),
    /// There.
    Sink(Box<Sink>),
    /// The sink is gone: all is placed, or it failed.
    Over,
}

/// What the connection wants of it.
#[derive(Debug)]
pub(super) enum Order {
    Prepare(payload::Manifest),
    Bytes(Bytes),
    Place(Trailer),
}

/// What it answers.
#[derive(Debug)]
pub(super) enum Told {
    Prepared(Manifest, watch::Receiver<SinkState>),
    Placed(Finished),
}

impl Landing {
    /// Into a folder.
    pub(super) fn folder(target: PathBuf, options: SinkOptions) -> Self {
        let records = options.record.as_ref().map(|(records, _)| records.clone());
        Self { stage: Stage::Folder(target, Box::new(options)), records, record: None }
    }

    /// One file to a stream.
    pub(super) fn stream(stream: Box<dyn Write + Send>, options: SinkOptions) -> Self {
        Self { stage: Stage::Stream(stream, Box::new(options)), records: None, record: None }
    }

    /// Where a record says.
    pub(super) async fn of_record(records: &RecordStore, name: &TransferName) -> Result<Self, SinkError> {
        let sink = Sink::resume(records, name).await?;
        let record = sink.record().cloned();
        Ok(Self { stage: Stage::Sink(sink.into()), records: Some(records.clone()), record })
    }

    pub(super) fn sink(&self) -> Option<&Sink> {
        match &self.stage {
            Stage::Sink(sink) => Some(sink),
            Stage::Folder(..) | Stage::Stream(..) | Stage::Over => None,
        }
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// The sink as it stands, all of it written; taken up again where it failed. None where it is not yet known what comes.
    pub(super) async fn ready(&mut self) -> Result<Option<&Sink>, SinkError> {
        if let Stage::Over = self.stage {
            let (records, name) = self.kept().ok_or(SinkError::Stopped)?;
            self.stage = Stage::Sink(Sink::resume(&records, &name).await?.into());
        }
        if let Stage::Sink(sink) = &mut self.stage
            && let Err(error) = sink.checkpoint().await
        {
            self.stage = Stage::Over;
            return Err(error);
        }
        Ok(self.sink())
    }

    /// Breaks off, and keeps what is durable, where there is a record.
    pub(super) async fn suspend(self) -> Result<SinkState, SinkError> {
        match self.stage {
            Stage::Sink(sink) => sink.suspend().await,
            Stage::Folder(..) | Stage::Stream(..) | Stage::Over => Ok(SinkState::default()),
        }
    }

    /// Gives up, and removes what there is of it.
    pub(super) async fn abort(mut self) -> Result<(), SinkError> {
        if let Stage::Sink(sink) = std::mem::replace(&mut self.stage, Stage::Over) {
            match sink.abort().await {
                // It had failed, and nobody had heard of it yet.
                Err(_) if self.record.is_some() => {}
                aborted => return aborted,
            }
        }
        match self.kept() {
            Some((records, name)) => Sink::discard(&records, &name).await,
            None => Ok(()),
        }
    }

    /// What the sink can be taken up from, where a record is kept.
    fn kept(&self) -> Option<(RecordStore, TransferName)> {
        Some((self.records.clone()?, self.record.as_ref()?.transfer.clone()))
    }

    /// Works until there are no more orders. Dropping it drops the orders that wait.
    pub(super) async fn work(&mut self, mut orders: mpsc::Receiver<Order>, told: mpsc::Sender<Told>) -> Result<(), TransferError> {
        while let Some(order) = orders.recv().await {
            let answer = match order {
                Order::Prepare(header) => {
                    let manifest = self.prepare(header).await?;
                    let Stage::Sink(sink) = &self.stage else { return Err(SinkError::Stopped.into()) };
                    Told::Prepared(manifest, sink.watch())
                }
                Order::Bytes(bytes) => {
                    let Stage::Sink(sink) = &mut self.stage else { return Err(SinkError::Stopped.into()) };
                    if let Err(error) = sink.write(bytes).await {
                        self.stage = Stage::Over;
                        return Err(error.into());
                    }
                    continue;
                }
                Order::Place(trailer) => {
                    let Stage::Sink(sink) = std::mem::replace(&mut self.stage, Stage::Over) else {
                        return Err(SinkError::Stopped.into());
                    };
                    let finished = sink.finish(Some(trailer)).await?;
                    self.record = None;
                    Told::Placed(finished)
                }
            };
            // Whoever is gone need not be told.
            let _ = told.send(answer).await;
        }
        Ok(())
    }

    /// Reads the manifest, and makes ready for it: names, files that are there already and the room on the disk are checked here. A sink
    /// that is there stays; whether it is for this manifest the machine sees.
    async fn prepare(&mut self, header: payload::Manifest) -> Result<Manifest, TransferError> {
        let json = header.json;
        // A hundred thousand names take a while.
        let read = spawn_blocking(move || Manifest::from_json(&json)).await;
        let manifest = match read {
            Ok(manifest) => manifest.map_err(Fault::from)?,
            Err(_) => return Err(Fault::from(ManifestError::Form("it could not be read".to_owned())).into()),
        };
        if manifest.total() != header.bytes {
            return Err(Fault::Damaged("the manifest's sizes do not add up to the bytes of the batch").into());
        }
        let with = |mut options: Box<SinkOptions>| {
            options.algorithm = Algorithm::Blake3;
            options.details.insert(PAYLOAD.to_owned(), header.payload_size.to_string());
            *options
        };
        match &self.stage {
            Stage::Folder(target, options) => {
                // Where this fails, all is as it was: it can be tried again.
                let (target, options) = (target.clone(), with(options.clone()));
                let sink = Sink::create(&target, manifest.clone(), options).await?;
                self.record = sink.record().cloned();
                self.stage = Stage::Sink(sink.into());
            }
            Stage::Stream(..) => {
                if let Stage::Stream(stream, options) = std::mem::replace(&mut self.stage, Stage::Over) {
                    self.stage = Stage::Sink(Sink::to_stream(stream, manifest.clone(), &with(options))?.into());
                }
            }
            Stage::Sink(_) | Stage::Over => {}
        }
        Ok(manifest)
    }
}

impl fmt::Debug for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Stage::Folder(target, _) => f.debug_tuple("Folder").field(target).finish(),
            Stage::Stream(..) => f.write_str("Stream"),
            Stage::Sink(sink) => sink.fmt(f),
            Stage::Over => f.write_str("Over"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{Entry, Kind};

    #[tokio::test]
    async fn what_failed_is_given_up_on_a_disk_without_room_too() {
        let (target, state) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (records, name) = (RecordStore::open(state.path()).expect("records"), TransferName::new("t1").expect("a name"));
        let options = SinkOptions { record: Some((records.clone(), name.clone())), ..SinkOptions::default() };
        let entry = Entry::new("a/b".parse().expect("safe"), Kind::File { size: Some(9) });
        let manifest = Manifest::new(vec![entry]).expect("a batch");
        let mut sink = Sink::create(target.path(), manifest, options).await.expect("begins");
        sink.write(Bytes::from_static(b"half")).await.expect("takes");
        let record = sink.record().cloned().expect("a record");
        sink.suspend().await.expect("kept");
        let path = state.path().join("t1.json");
        let kept = Record::from_json(&std::fs::read(&path).expect("a record")).expect("reads");
        std::fs::write(&path, Record { reserve: 1 << 60, ..kept }.to_json()).expect("written");
        assert!(matches!(Sink::resume(&records, &name).await, Err(SinkError::NoSpace { .. })));

        let landing = Landing { stage: Stage::Over, records: Some(records.clone()), record: Some(record) };
        landing.abort().await.expect("given up");
        assert_eq!(std::fs::read_dir(target.path()).expect("a folder").count(), 0);
        assert_eq!(records.list().expect("records"), []);
    }
}
