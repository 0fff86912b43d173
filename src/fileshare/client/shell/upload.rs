//! A source, the upload machine, and a connection.

use std::{io, pin::Pin, time::Instant};

use bytes::Bytes;
use tokio::{task::spawn_blocking, time::sleep_until};

use super::{
    FAREWELL, LocalPort, Settings, TransferError,
    connect::Stream,
    link::{Incoming, Outgoing, link},
    meter::{Meter, Phase, files_before},
    of_source,
};
use crate::{
    clock,
    fileshare::{
        client::{
            Fault, Place, Ticket,
            pace::Pace,
            upload::{Offered, Upload, UploadEvent},
        },
        wire::{
            payload::FileHash,
            proof::{Binding, Role},
        },
    },
    transfer::{Algorithm, Entry, Source, SourceError, SourceReader},
};

/// Read at once, in bytes: an upload hears little.
const READ: usize = 64 * 1024;

/// An upload over as many connections as it takes.
#[derive(Debug)]
pub struct Uploader {
    source: Source,
    json: Option<Bytes>,
    /// Where a stream ended, once it has.
    ended_at: Option<u64>,
    durable: u64,
}

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploaded {
    /// Bytes of the batch.
    pub bytes: u64,
}

impl Uploader {
    /// A batch that is to be uploaded. Its files must be digested by BLAKE3.
    ///
    /// # Errors
    /// [`TransferError::Algorithm`].
    pub fn new(source: Source) -> Result<Self, TransferError> {
        if source.algorithm() != Algorithm::Blake3 {
            return Err(TransferError::Algorithm);
        }
        Ok(Self { source, json: None, ended_at: None, durable: 0 })
    }

    /// What is uploaded.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Bytes of the batch that the file server has on disk, as far as was heard.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Uploads over one connection, from the port that was declared. Dropping the future breaks off as [`Settings::stop`] does.
    ///
    /// # Errors
    /// [`TransferError`]; where that is resumable, this may be called again with another port.
    pub async fn run(&mut self, port: LocalPort, ticket: &Ticket, settings: &Settings) -> Result<Uploaded, TransferError> {
        let mut meter = Meter::new(settings);
        meter.batch(self.source.manifest());
        let place = ticket.from_source(port.address());
        let connection = tokio::select! {
            biased;
            () = settings.leaving() => return Err(settings.why_left()),
            connection = port.connect(&ticket.endpoint, Role::Upload, settings) => connection?,
        };
        let binding = connection.binding().map_err(|source| TransferError::Tls { server: ticket.endpoint.address, source })?;
        Box::pin(self.over(connection.into_stream(), binding, place, settings, meter)).await
    }

    /// Uploads over a connection that was made.
    async fn over(
        &mut self,
        stream: Box<dyn Stream>,
        binding: Binding,
        place: Place,
        settings: &Settings,
        mut meter: Meter,
    ) -> Result<Uploaded, TransferError> {
        let manifest = self.source.manifest().clone();
        let json = self.json().await;
        let offered = Offered { manifest: json, bytes: manifest.total(), ended_at: self.ended_at };
        let mut machine = Upload::new(clock::now(), clock::seed(), place, binding, offered);
        let mut pace = Pace::new(clock::now(), settings.limit);
        let (mut incoming, mut outgoing) = link(stream);
        let mut reader: Option<SourceReader> = None;
        let mut hashes = None;
        let mut broken: Option<SourceError> = None;
        let mut writable = true;
        meter.phase(Phase::Waiting);
        loop {
            let now = clock::now();
            while let Some(event) = machine.poll_event() {
                match event {
                    UploadEvent::Read { from, bytes_per_second } => {
                        pace.tighten(now, bytes_per_second);
                        match self.source.read_from(from) {
                            Ok(opened) => reader = Some(opened),
                            Err(error) => {
                                machine.handle_source_failure(of_source(&error));
                                broken = Some(error);
                            }
                        }
                        meter.phase(Phase::Moving);
                    }
                    UploadEvent::Durable(durable) => {
                        self.durable = durable;
                        self.source.acknowledge(durable);
                        meter.moved(now, durable, || files_before(&manifest, durable));
                    }
                }
            }
            if machine.outcome().is_some() {
                break;
            }
            if writable
                && outgoing.is_free()
                && let Some(packet) = machine.poll_packet(now)
            {
                outgoing.load(packet);
                continue;
            }
            let wait = pace.ready(now);
            let wake = [machine.next_timeout(), wait].into_iter().flatten().min().unwrap_or(now + FAREWELL);
            let mut result = Ok(());
            tokio::select! {
                biased;
                () = settings.stop.cancelled() => return Err(TransferError::Stopped),
                () = settings.cancel.cancelled() => machine.handle_cancel(),
                read = incoming.read(READ) => hear(&read, &mut incoming, &mut machine),
                written = outgoing.write(pace.piece()), if writable && outgoing.has_work() && wait.is_none() => match written {
                    Ok(count) => pace.spend(clock::now(), count),
                    // What the file server said last may still come.
                    Err(error) => {
                        tracing::debug!(%error, "an upload's connection takes no more");
                        writable = false;
                    }
                },
                next = next(&mut reader), if machine.wants_bytes() => result = self.take(next, &mut machine),
                known = answer(&mut hashes), if hashes.is_some() => {
                    hashes = None;
                    result = known.map(|files: Vec<FileHash>| machine.handle_hashes(files));
                }
                () = sleep_until(wake.into()) => machine.handle_timeout(clock::now()),
            }
            if let Err(error) = result {
                machine.handle_source_failure(of_source(&error));
                broken = Some(error);
            } else if self.ended_at.is_some() && reader.is_some() && machine.has_ended() {
                // Once for each connection.
                reader = None;
                meter.phase(Phase::Verifying);
                hashes = Some(Box::pin(hashes_of(self.source.clone(), self.ended_at.unwrap_or(0))));
            }
        }
        settings.part(farewell(&mut machine, incoming, outgoing)).await;
        if let Some(error) = broken {
            return Err(error.into());
        }
        match machine.outcome() {
            Some(Ok(bytes)) => {
                meter.total(*bytes);
                meter.moved(clock::now(), *bytes, || manifest.files().len() as u64);
                meter.phase(Phase::Done);
                Ok(Uploaded { bytes: *bytes })
            }
            Some(Err(fault)) => Err(fault.clone().into()),
            None => Err(TransferError::Stopped),
        }
    }

    /// What the source gave goes to the machine.
    fn take(&mut self, next: Result<Option<Bytes>, SourceError>, machine: &mut Upload) -> Result<(), SourceError> {
        if let Some(bytes) = next? {
            machine.handle_bytes(bytes);
        } else if let Some(ended_at) = machine.handle_end() {
            self.ended_at = Some(ended_at);
        }
        Ok(())
    }

    /// A hundred thousand names take a while.
    async fn json(&mut self) -> Bytes {
        if let Some(json) = &self.json {
            return json.clone();
        }
        let manifest = self.source.manifest().clone();
        let json = match spawn_blocking(move || Bytes::from(manifest.to_json())).await {
            Ok(json) => json,
            Err(_) => self.source.manifest().to_json().into(),
        };
        self.json.insert(json).clone()
    }
}

type Hashes = Result<Vec<FileHash>, SourceError>;

/// BLAKE3 of each file, with its length, of a batch of so many bytes. The source made them as it was read; what the file server had before is read
/// for it now.
async fn hashes_of(source: Source, bytes: u64) -> Hashes {
    let digests = source.trailer().await?.files;
    let size = |entry: &Entry| entry.size().flatten().unwrap_or(bytes);
    let files = source.manifest().files().zip(&digests);
    Ok(files.map(|((_, entry), digest)| FileHash { size: size(entry), blake3: digest.0 }).collect())
}

/// The next bytes of the batch. Without a reader, never.
async fn next(reader: &mut Option<SourceReader>) -> Result<Option<Bytes>, SourceError> {
    match reader {
        Some(reader) => reader.next().await,
        None => std::future::pending().await,
    }
}

/// What becomes of the hashes, where they are being made.
async fn answer<F: Future<Output = Hashes>>(hashes: &mut Option<Pin<Box<F>>>) -> Hashes {
    match hashes {
        Some(hashes) => hashes.await,
        None => std::future::pending().await,
    }
}

/// What came goes to the machine.
fn hear(read: &io::Result<usize>, incoming: &mut Incoming, machine: &mut Upload) {
    let now: Instant = clock::now();
    match read {
        Ok(1..) => machine.handle_alive(now),
        Ok(0) | Err(_) => {
            if let Err(error) = read {
                tracing::debug!(%error, "an upload's connection broke");
            }
            return machine.handle_closed();
        }
    }
    loop {
        match incoming.decoder.next_packet() {
            Ok(Some(packet)) => machine.handle_packet(now, &packet),
            Ok(None) => return,
            Err(error) => return machine.handle_packet_error(error),
        }
    }
}

/// The last packets go, and the other side may close.
async fn farewell(machine: &mut Upload, incoming: Incoming, outgoing: Outgoing) {
    let now = clock::now();
    let last = std::iter::from_fn(|| machine.poll_packet(now)).collect();
    outgoing.close(last).await;
    if machine.outcome().is_some_and(|outcome| !matches!(outcome, Err(Fault::Closed))) {
        incoming.drain().await;
    }
}
