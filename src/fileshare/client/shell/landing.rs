//! The sink of a download. It works beside the connection, so that heartbeats go on while the disk is slow.

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
        Algorithm, Manifest, ManifestError, Record, Sink, SinkError, SinkOptions, Trailer,
        sink::{Finished, SinkState},
    },
};

/// Chunks on their way to the sink.
pub(super) const ORDERS: usize = 4;
/// Where records keep the fixed payload size.
pub(super) const PAYLOAD: &str = "payload";

/// Where a batch goes.
pub(super) enum Landing {
    /// Into a folder, once it is known what comes.
    Folder(PathBuf, Box<SinkOptions>),
    /// To a stream, once it is known what comes.
    Stream(Box<dyn Write + Send>, Box<SinkOptions>),
    /// There.
    Sink(Box<Sink>),
    /// It is over: placed, or failed.
    Gone,
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
    pub(super) fn sink(&self) -> Option<&Sink> {
        match self {
            Self::Sink(sink) => Some(sink),
            Self::Folder(..) | Self::Stream(..) | Self::Gone => None,
        }
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.sink().and_then(Sink::record)
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Gone)
    }

    /// Works until there are no more orders.
    pub(super) async fn work(&mut self, mut orders: mpsc::Receiver<Order>, told: mpsc::Sender<Told>) -> Result<(), TransferError> {
        while let Some(order) = orders.recv().await {
            let answer = match order {
                Order::Prepare(header) => {
                    let manifest = self.prepare(header).await?;
                    let Self::Sink(sink) = self else { return Err(SinkError::Stopped.into()) };
                    Told::Prepared(manifest, sink.watch())
                }
                Order::Bytes(bytes) => {
                    let Self::Sink(sink) = self else { return Err(SinkError::Stopped.into()) };
                    sink.write(bytes).await?;
                    continue;
                }
                Order::Place(trailer) => {
                    let Self::Sink(sink) = self.take() else { return Err(SinkError::Stopped.into()) };
                    Told::Placed(sink.finish(Some(trailer)).await?)
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
        *self = match self.take() {
            Self::Folder(target, options) => Self::Sink(Sink::create(&target, manifest.clone(), with(options)).await?.into()),
            Self::Stream(stream, options) => Self::Sink(Sink::to_stream(stream, manifest.clone(), &with(options))?.into()),
            other @ (Self::Sink(_) | Self::Gone) => other,
        };
        Ok(manifest)
    }
}

impl fmt::Debug for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(target, _) => f.debug_tuple("Folder").field(target).finish(),
            Self::Stream(..) => f.write_str("Stream"),
            Self::Sink(sink) => sink.fmt(f),
            Self::Gone => f.write_str("Gone"),
        }
    }
}
