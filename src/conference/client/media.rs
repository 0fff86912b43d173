//! The audio of terminals: one thread with an absolute tick of 20 ms for all terminals of a process, sockets beside it, recordings behind it.
//!
//! [`TerminalHost`] is the thread, [`TerminalMedia`] one terminal on it: microphone, ear, RTP statistics, keys, recording. Handles never wait for
//! the thread but where they ask it something. Bounds: [`COMMANDS`] commands wait (more are refused as [`MediaError::Busy`]); a recording whose disk does not
//! keep up loses frames, and its end says how many. Out of scope: what is negotiated (see [`super::Terminal`]).

mod host;
mod recording;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use self::{
    host::{Command, Host},
    recording::Recording,
};
use crate::{
    clock,
    conference::audio::leg_media,
    media::{LegMedia, io::pair::Pair, terminal::Snapshot},
    sdp::AudioStream,
};

pub use self::recording::RecordingError;
pub use crate::media::terminal::{Heard, Mic, Report};

/// Commands that wait for the thread; it takes all of them every 20 ms.
pub const COMMANDS: usize = 4096;

/// Why a terminal's audio did not do what it was told. Ours or the system's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The system refused a socket or a file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The media thread does not take commands: it is stuck or gone.
    #[error("the media thread does not keep up")]
    Busy,
    /// No codec of ours was agreed.
    #[error("no codec of ours was agreed")]
    Codec,
    /// The file of a recording could not be made.
    #[error("failed to make {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The recording could not be written.
    #[error("failed to write the recording: {0}")]
    Recording(#[from] RecordingError),
}

/// The media thread of a process's terminals. It ends when it and all its terminals are dropped.
#[derive(Debug, Clone)]
pub struct TerminalHost {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Taken when the last handle is dropped.
    commands: Option<SyncSender<Command>>,
    thread: Option<JoinHandle<()>>,
    next: AtomicU64,
}

/// One terminal's audio. Dropping it ends the audio with a good-bye, without a report.
#[derive(Debug)]
pub struct TerminalMedia {
    shared: Arc<Shared>,
    id: u64,
    address: SocketAddr,
    recordings: Vec<Recording>,
}

impl TerminalHost {
    /// Starts the thread; it sleeps while there is no terminal.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn start() -> io::Result<Self> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let thread = std::thread::Builder::new().name("terminals".to_owned()).spawn(move || Host::new(inbox).run())?;
        let shared = Shared { commands: Some(commands), thread: Some(thread), next: AtomicU64::new(1) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes a terminal's audio with ports that the system chooses on `ip`, silent until it is started: the address is that of RTP, RTCP has the port above.
    ///
    /// # Errors
    /// [`MediaError::Io`], [`MediaError::Busy`].
    pub fn open(&self, ip: IpAddr) -> Result<(TerminalMedia, SocketAddr), MediaError> {
        let pair = Pair::bind_any(ip)?;
        let address = pair.local_addr()?;
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        self.shared.send(Command::Open { id, pair, seed: clock::seed() })?;
        Ok((TerminalMedia { shared: Arc::clone(&self.shared), id, address, recordings: Vec::new() }, address))
    }
}

impl TerminalMedia {
    /// Where it receives RTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was agreed, at first or anew: audio flows from the next tick on. A peer that sends from elsewhere than it said is heard all the same.
    ///
    /// # Errors
    /// [`MediaError::Codec`], [`MediaError::Busy`].
    pub fn start(&self, agreed: &AudioStream) -> Result<(), MediaError> {
        self.start_with(leg_media(agreed, true).ok_or(MediaError::Codec)?)
    }

    /// Likewise, in media's own words.
    ///
    /// # Errors
    /// [`MediaError::Busy`].
    pub fn start_with(&self, media: LegMedia) -> Result<(), MediaError> {
        self.shared.send(Command::Start(self.id, Box::new(media)))
    }

    /// Another microphone, from its beginning.
    ///
    /// # Errors
    /// [`MediaError::Busy`].
    pub fn set_mic(&self, mic: Mic) -> Result<(), MediaError> {
        self.shared.send(Command::SetMic(self.id, mic))
    }

    /// Presses keys: `0-9 * # A-D`, others are left out. They take 160 ms each.
    ///
    /// # Errors
    /// [`MediaError::Busy`].
    pub fn send_digits(&self, digits: &str) -> Result<(), MediaError> {
        self.shared.send(Command::Digits(self.id, digits.to_owned()))
    }

    /// Records what is heard from now on to a WAV file (8 kHz, 16 bits), made anew. It is whole but for the last second at any moment, and whole when
    /// [`TerminalMedia::stop`] returns. A recording that was running is completed.
    ///
    /// # Errors
    /// [`MediaError::File`] when the file cannot be made, [`MediaError::Busy`].
    pub fn record_to(&mut self, path: &Path) -> Result<(), MediaError> {
        let (recording, frames) = Recording::start(path).map_err(|source| MediaError::File { path: path.to_owned(), source })?;
        self.shared.send(Command::Record(self.id, frames))?;
        self.recordings.push(recording);
        Ok(())
    }

    /// What was heard and counted so far.
    ///
    /// # Errors
    /// [`MediaError::Busy`].
    pub async fn report(&self) -> Result<Report, MediaError> {
        let (answer, asked) = oneshot::channel();
        self.shared.send(Command::Snapshot(self.id, answer))?;
        report(asked).await
    }

    /// Waits until everything that the microphone had to say and every key has been sent; for ever where that has no end.
    ///
    /// # Errors
    /// [`MediaError::Busy`].
    pub async fn said(&self) -> Result<(), MediaError> {
        let (answer, asked) = oneshot::channel();
        self.shared.send(Command::WhenSaid(self.id, answer))?;
        asked.await.map_err(|_| MediaError::Busy)
    }

    /// Ends the audio with a good-bye and completes its recordings: the last report.
    ///
    /// # Errors
    /// [`MediaError::Busy`], [`MediaError::Recording`].
    pub async fn stop(mut self) -> Result<Report, MediaError> {
        let (answer, asked) = oneshot::channel();
        self.shared.send(Command::Close(self.id, Some(answer)))?;
        let report = report(asked).await?;
        for recording in std::mem::take(&mut self.recordings) {
            recording.finished().await?;
        }
        Ok(report)
    }
}

/// The transforms of a report take milliseconds: not on the media thread, and not on a thread that has other tasks to serve.
async fn report(asked: oneshot::Receiver<Snapshot>) -> Result<Report, MediaError> {
    let snapshot = asked.await.map_err(|_| MediaError::Busy)?;
    tokio::task::spawn_blocking(|| snapshot.report()).await.map_err(|_| MediaError::Busy)
}

impl Drop for TerminalMedia {
    fn drop(&mut self) {
        // After `stop` nobody of this name is there any more. A thread that takes no command has nobody left to say good-bye for.
        let _ = self.shared.send(Command::Close(self.id, None));
    }
}

impl Shared {
    fn send(&self, command: Command) -> Result<(), MediaError> {
        let commands = self.commands.as_ref().ok_or(MediaError::Busy)?;
        commands.try_send(command).map_err(|_| MediaError::Busy)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
