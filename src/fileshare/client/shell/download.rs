//! A connection, the download machine, and a sink.

use std::{io::Write, path::PathBuf};

use tokio::sync::{mpsc, oneshot};

use super::{
    LocalPort, Settings, TransferError,
    connect::Stream,
    desk::{Desk, Work},
    landing::{Landing, ORDERS, PAYLOAD},
    link::link,
    meter::Meter,
};
use crate::{
    clock,
    fileshare::{
        client::{
            Ticket,
            download::{Download, Expected},
            pace::Pace,
        },
        wire::proof::Role,
    },
    transfer::{
        Record, RecordStore, Sink, SinkOptions, TransferName,
        sink::{Finished, SinkState},
    },
};

/// A download over as many connections as it takes.
#[derive(Debug)]
pub struct Downloader {
    landing: Landing,
    payload: Option<u32>,
}

/// What became of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes of the batch.
    pub bytes: u64,
    /// Where every file is.
    pub files: Finished,
}

impl Downloader {
    /// Into a folder. The algorithm of the options does not matter: transfer packets carry BLAKE3.
    pub fn to_folder(target: PathBuf, options: SinkOptions) -> Self {
        Self { landing: Landing::folder(target, options), payload: None }
    }

    /// One file to a stream: standard output.
    pub fn to_stream(stream: Box<dyn Write + Send>, options: SinkOptions) -> Self {
        Self { landing: Landing::stream(stream, options), payload: None }
    }

    /// Goes on with the download of an earlier process.
    ///
    /// # Errors
    /// [`TransferError::Sink`]: there is no such record, it is running, or it is damaged.
    pub async fn resume(records: &RecordStore, name: &TransferName) -> Result<Self, TransferError> {
        let landing = Landing::of_record(records, name).await?;
        let payload = landing.record().and_then(|record| record.details.get(PAYLOAD)).and_then(|payload| payload.parse().ok());
        Ok(Self { landing, payload })
    }

    /// The record, where one is kept: what to go on with in another process. There is one from the batch header on until all is in its place,
    /// after a failure too.
    pub fn record(&self) -> Option<&Record> {
        self.landing.record()
    }

    /// How far it is; nothing before it is known what comes, and after the end.
    pub fn state(&self) -> SinkState {
        self.landing.sink().map(Sink::state).unwrap_or_default()
    }

    /// Breaks off, and keeps what is durable, where there is a record.
    ///
    /// # Errors
    /// [`TransferError::Sink`]: the disk.
    pub async fn suspend(self) -> Result<SinkState, TransferError> {
        Ok(self.landing.suspend().await?)
    }

    /// Gives up, and removes what there is of it.
    ///
    /// # Errors
    /// [`TransferError::Sink`]: the disk.
    pub async fn abort(self) -> Result<(), TransferError> {
        Ok(self.landing.abort().await?)
    }

    /// Downloads over one connection, from the port that was declared. Files have their names only after this returns well. Dropping
    /// the future loses what is not durable.
    ///
    /// # Errors
    /// [`TransferError`]; where that is resumable or [`TransferError::keeps`] what there is, this may be called again with another port.
    pub async fn run(&mut self, port: LocalPort, ticket: &Ticket, settings: &Settings) -> Result<Downloaded, TransferError> {
        let meter = Meter::new(settings);
        // Before the connection: the file server does not wait long for who connects, and the disk may take its time.
        let expected = tokio::select! {
            biased;
            expected = self.expected() => expected?,
            () = settings.left() => return Err(settings.why_left()),
        };
        let place = ticket.from_source(port.address());
        let connection = tokio::select! {
            biased;
            () = settings.leaving() => return Err(settings.why_left()),
            connection = port.connect(&ticket.endpoint, Role::Download, settings) => connection?,
        };
        let binding = connection.binding().map_err(|source| TransferError::Tls { server: ticket.endpoint.address, source })?;
        let machine = Download::new(clock::now(), clock::seed(), place, binding, expected.as_ref());
        Box::pin(self.over(connection.into_stream(), machine, settings, meter)).await
    }

    /// Downloads over a connection that was made.
    async fn over(
        &mut self,
        stream: Box<dyn Stream>,
        machine: Download,
        settings: &Settings,
        meter: Meter,
    ) -> Result<Downloaded, TransferError> {
        let (incoming, outgoing) = link(stream);
        let (order, orders) = mpsc::channel(ORDERS);
        let (tell, told) = mpsc::channel(ORDERS);
        let (stop, stopped) = oneshot::channel();
        let pace = Pace::new(clock::now(), settings.limit);
        let payload = &mut self.payload;
        let desk = Desk { machine, incoming, meter, pace, orders: order, told, stopped, payload, work: Work::default() };
        let mut work = Box::pin(self.landing.work(orders, tell));
        let mut led = Box::pin(desk.lead(outgoing, settings));
        let (outcome, sunk) = tokio::select! {
            outcome = &mut led => {
                drop(led);
                // What came before the connection ended is put down all the same; but whoever leaves waits for no disk.
                tokio::select! {
                    biased;
                    sunk = &mut work => (outcome, sunk),
                    () = settings.left() => (outcome, Ok(())),
                }
            }
            sunk = &mut work => {
                if let Some(why) = sunk.as_ref().err().and_then(TransferError::failure) {
                    // The connection may have ended at the same time.
                    let _ = stop.send(why);
                }
                (led.await, sunk)
            }
        };
        // A sink that stopped is why the connection ended.
        sunk.and(outcome)
    }

    /// What earlier connections brought; all of it written, so that it does not come again.
    async fn expected(&mut self) -> Result<Option<Expected>, TransferError> {
        let payload = self.payload;
        let sink = self.landing.ready().await?;
        Ok(sink.map(|sink| Expected { manifest: sink.manifest().clone(), written: sink.state().written, payload }))
    }
}
