//! Recordings: written behind the media thread, so that a slow disk never makes audio late.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use tokio::sync::oneshot;

use crate::media::{Clip, wav::Recorder};

/// Samples handed over at a time: a fifth of a second.
const CHUNK: usize = Clip::RATE as usize / 5;
/// Chunks that wait for the disk: more than ten seconds.
const CHUNKS: usize = 64;

/// Why a recording is not whole. The system's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] hound::Error),
    /// The disk did not keep up.
    #[error("{0} samples were lost because the disk did not keep up")]
    Lost(u64),
    /// The writing thread is gone.
    #[error("the writing thread is gone")]
    Gone,
}

/// The writing end's promise.
#[derive(Debug)]
pub(super) struct Recording {
    done: oneshot::Receiver<Result<(), RecordingError>>,
}

/// The hearing end: completes the recording when it is dropped.
#[derive(Debug)]
pub(super) struct Frames {
    chunk: Vec<i16>,
    lost: u64,
    to: SyncSender<Chunk>,
}

#[derive(Debug)]
enum Chunk {
    Samples(Vec<i16>),
    Lost(u64),
}

impl Recording {
    /// Makes the file and a thread that writes it.
    pub fn start(path: &Path) -> io::Result<(Self, Frames)> {
        let file = BufWriter::new(File::create(path)?);
        let recorder = Recorder::new(file, Clip::RATE).map_err(io::Error::other)?;
        let (to, chunks) = sync_channel(CHUNKS);
        let (finish, done) = oneshot::channel();
        std::thread::Builder::new().name("recording".to_owned()).spawn(move || {
            // Nobody may be waiting for it.
            let _ = finish.send(write(recorder, &chunks));
        })?;
        Ok((Self { done }, Frames { chunk: Vec::with_capacity(CHUNK), lost: 0, to }))
    }

    /// When the file is complete.
    pub async fn finished(self) -> Result<(), RecordingError> {
        self.done.await.unwrap_or(Err(RecordingError::Gone))
    }
}

impl Frames {
    /// Adds what was heard.
    pub fn push(&mut self, samples: &[i16]) {
        self.chunk.extend_from_slice(samples);
        if self.chunk.len() >= CHUNK {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        let length = chunk.len() as u64;
        if self.to.try_send(Chunk::Samples(chunk)).is_err() {
            self.lost += length;
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.hand_over();
        if self.lost > 0 {
            // The thread that drops this is the media thread; but it drops it once, and the writer takes chunks as fast as it can.
            let _ = self.to.try_send(Chunk::Lost(self.lost));
        }
    }
}

fn write(mut recorder: Recorder<BufWriter<File>>, chunks: &Receiver<Chunk>) -> Result<(), RecordingError> {
    let mut lost = 0;
    for chunk in chunks {
        match chunk {
            Chunk::Samples(samples) => recorder.write(&samples)?,
            Chunk::Lost(samples) => lost += samples,
        }
    }
    recorder.finish()?;
    if lost > 0 { Err(RecordingError::Lost(lost)) } else { Ok(()) }
}
