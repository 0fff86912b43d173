//! What is sent to whoever has the code, or to a user, from the first attempt to the end: what is shown of it, and what is kept.

use std::{collections::BTreeMap, pin::pin, time::Instant};

use qrcode::{QrCode, render::unicode::Dense1x2};
use tokio::{sync::mpsc, time::interval};
use tokio_util::sync::CancellationToken;

use super::{
    bar::Bar,
    failure,
    kept::Named,
    limited::Limited,
    show::{Carried, ReceiverState},
};
use crate::{
    channel::{
        client::{self, ChannelError, Fared, Progress, SendEvent, Sending},
        wire::letter::{Content, Way},
    },
    cli::{
        Failure,
        fshare::{bar::REDRAW, kept::Kept, receive, show::at},
        output::{Output, safe_line},
        settings::Context,
    },
    clock,
};

/// What is sent, from the first attempt to the end.
pub struct Carrying<'a> {
    context: &'a Context,
    /// What a record would say; none where the same cannot be read again.
    named: Option<Named>,
    kept: Option<Kept>,
    progress: Progress,
    /// And of several receivers, for each who is not through with it.
    several: BTreeMap<usize, Kept>,
    /// Bytes have moved, now or in a process before this one.
    begun: bool,
    /// When they began to in this process, and from which byte on.
    began: Option<(Instant, u64)>,
    source: Way,
    bar: Option<Bar>,
    /// Breaks, after which it went on.
    retries: u32,
    limited: Limited,
    /// The receiver keeps nothing of what comes.
    once: bool,
    /// The code is shown as a QR code, too.
    qr: bool,
}

impl<'a> Carrying<'a> {
    /// With the record of an earlier process where there is one.
    pub fn new(context: &'a Context, named: Option<Named>, kept: Option<Kept>) -> Self {
        let (begun, progress, several) = (kept.is_some(), Progress::default(), BTreeMap::new());
        Self {
            context,
            named,
            kept,
            progress,
            several,
            begun,
            began: None,
            source: Way::Relay,
            bar: None,
            retries: 0,
            limited: Limited::default(),
            once: false,
            qr: false,
        }
    }

    /// The code as a QR code as well.
    #[must_use]
    pub fn showing(self, qr: bool) -> Self {
        Self { qr, ..self }
    }

    /// Sends, to the end.
    ///
    /// # Errors
    /// With the exit code that says why.
    pub async fn run(mut self, sending: Sending) -> Result<(), Failure> {
        let ended = self.carry(&sending, &self.context.leaving).await?;
        self.conclude(ended).await
    }

    /// Sends; the inner result is that of the transfer, for [`Carrying::conclude`].
    ///
    /// # Errors
    /// Standard output cannot be written to, or a record not be kept.
    pub async fn carry(&mut self, sending: &Sending, stop: &CancellationToken) -> Result<Result<(), ChannelError>, Failure> {
        let (give, mut events) = mpsc::channel(16);
        let progress = std::mem::take(&mut self.progress);
        let output = &self.context.output;
        let mut redraw = interval(REDRAW);
        let ended = {
            let mut sent = pin!(client::send(sending, &give, &progress, stop));
            loop {
                tokio::select! {
                    // What is to be kept is on the disk before the first byte may move.
                    biased;
                    Some(event) = events.recv() => self.on_event(event, sending).await?,
                    ended = &mut sent => break ended,
                    _ = redraw.tick() => {
                        if let Some(bar) = &mut self.bar {
                            bar.show(output, progress.sent(), self.limited.is_so(clock::now()))?;
                        }
                        if let Some(kept) = &mut self.kept {
                            kept.note(progress.received());
                        }
                    }
                }
            }
        };
        // The last ones came with the end.
        while let Ok(event) = events.try_recv() {
            self.on_event(event, sending).await?;
        }
        self.bar = None;
        self.progress = progress;
        let sent = match ended {
            Ok(sent) => sent,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(kept) = self.kept.take() {
            kept.forget().await;
        }
        let seconds = self.began.map_or(0.0, |(began, _)| clock::now().saturating_duration_since(began).as_secs_f64());
        let (wire, from) = (self.progress.wire(), self.began.map_or(0, |(_, from)| from));
        let saved = (wire < sent.end.saturating_sub(from)).then_some(wire);
        let files = sending.source.manifest().files().len() as u64;
        let (text, source) = (sending.content == Content::Text, self.source.as_str());
        output.event(&Carried::Sent { at: at(), bytes: sent.end, wire, saved, files, skipped: sent.skipped, seconds, source, text })?;
        Ok(Ok(()))
    }

    /// Another process could go on with it.
    pub fn can_go_on(&self) -> bool {
        self.begun && self.kept.is_some()
    }

    /// The receiver writes to standard output, or has no place to keep anything: nothing is kept for another process here either.
    async fn keep_nothing(&mut self) {
        (self.once, self.named) = (true, None);
        if let Some(kept) = self.kept.take() {
            kept.forget().await;
        }
    }

    /// It is over, and nobody goes on with it.
    pub async fn give_up(self) {
        for kept in self.kept.into_iter().chain(self.several.into_values()) {
            kept.forget().await;
        }
    }

    /// What it means how it ended, and what becomes of the records.
    ///
    /// # Errors
    /// With the exit code that says why.
    pub async fn conclude(self, ended: Result<(), ChannelError>) -> Result<(), Failure> {
        let once = self.once && self.began.is_some();
        let stays = self.begun && ended.as_ref().is_err_and(|error| error.is_resumable() || error.may_be_of_another());
        let mut names = Vec::new();
        for kept in self.kept.into_iter().chain(self.several.into_values()) {
            if stays {
                names.push(kept.name().clone());
                kept.leave(self.progress.received()).await;
            } else {
                kept.forget().await;
            }
        }
        ended.map_err(|error| {
            let failure = failure::broken("failed to send", &error, names.first());
            if once && failure.hint.is_none() {
                return failure.hint("the receiver writes to standard output and keeps nothing, so this cannot be resumed: send it again");
            }
            if names.len() < 2 {
                return failure;
            }
            let each: Vec<String> = names.iter().map(|name| format!("fshare resume {name}")).collect();
            failure.hint(format!("resume each of them: {}", each.join(", ")))
        })
    }

    async fn on_event(&mut self, event: SendEvent, sending: &Sending) -> Result<(), Failure> {
        let (output, manifest) = (&self.context.output, sending.source.manifest());
        match event {
            SendEvent::Code(code) => {
                let code = code.as_str().to_owned();
                if let Some(named) = &mut self.named {
                    named.code.clone_from(&code);
                }
                let (files, bytes) = (manifest.files().len() as u64, manifest.total());
                let qr = self.qr.then(|| qr(&code));
                let (relay, text) = (sending.relays.names().to_vec(), sending.content == Content::Text);
                output.event(&Carried::Code { at: at(), code, relay, files, bytes, qr, text })
            }
            SendEvent::Offered(resume) => {
                // After a break it does not decide again.
                if !self.begun {
                    Carried::Deciding { at: at() }.tell(output)?;
                }
                if self.kept.is_none()
                    && let Some(named) = &self.named
                    && let Some(records) = receive::records_or_none(output).await
                {
                    self.kept = unless_unkept(output, named.keep(records, &resume, manifest).await);
                }
                Ok(())
            }
            SendEvent::Begun { from, way, once } => {
                if once {
                    self.keep_nothing().await;
                }
                (self.begun, self.source) = (true, way);
                self.began.get_or_insert_with(|| (clock::now(), from));
                self.bar = Some(Bar::new(output, manifest, from, way, self.retries));
                output.event(&Carried::Begun { at: at(), from, source: way.as_str() })
            }
            SendEvent::Receiver { receiver, how } => self.on_receiver(receiver, how, sending).await,
            SendEvent::Guessed { receivers } => {
                Carried::Guessed { at: at(), receivers, of: usize::from(sending.receivers.get()) }.tell(output)
            }
            SendEvent::Missed { open } => Carried::Missed { at: at(), open }.tell(output),
            SendEvent::Pace(waited) => {
                self.limited.handle_pace(clock::now(), waited);
                Ok(())
            }
            SendEvent::Broken { why, left } => {
                self.bar = None;
                self.limited.handle_break();
                self.retries = self.retries.saturating_add(1);
                output.event(&Carried::Broken { at: at(), reason: safe_line(&why), patience: left.as_secs() })
            }
            SendEvent::Paused { why, wait } => Carried::paused(&why, wait).tell(output),
            SendEvent::Astray { why, left } => Carried::astray(&why, left).tell(output),
            SendEvent::There => Carried::Back { at: at() }.tell(output),
        }
    }

    async fn on_receiver(&mut self, receiver: usize, how: Fared, sending: &Sending) -> Result<(), Failure> {
        let mut skipped = None;
        let (state, reason) = match how {
            Fared::Joined(resume) => {
                if let Some(named) = &self.named
                    && let Some(records) = receive::records_or_none(&self.context.output).await
                    && let Some(kept) = unless_unkept(&self.context.output, named.keep(records, &resume, sending.source.manifest()).await)
                {
                    self.several.insert(receiver, kept);
                }
                (ReceiverState::Joined, None)
            }
            Fared::Once => {
                if let Some(kept) = self.several.remove(&receiver) {
                    kept.forget().await;
                }
                return Ok(());
            }
            Fared::Broken(why) => {
                self.retries = self.retries.saturating_add(1);
                if let Some(bar) = &mut self.bar {
                    bar.retried(self.retries);
                }
                (ReceiverState::Broken, Some(why))
            }
            Fared::Back { .. } => (ReceiverState::Back, None),
            Fared::Done { skipped: files } => {
                skipped = Some(files);
                if let Some(kept) = self.several.remove(&receiver) {
                    kept.forget().await;
                }
                (ReceiverState::Done, None)
            }
            Fared::Failed { why, resumable } => {
                if !(resumable && self.begun)
                    && let Some(kept) = self.several.remove(&receiver)
                {
                    kept.forget().await;
                }
                (ReceiverState::Failed, Some(why))
            }
        };
        let (of, reason) = (usize::from(sending.receivers.get()), reason.map(|why| safe_line(&why)));
        self.context.output.event(&Carried::Receiver { at: at(), receiver, of, state, skipped, reason })
    }
}

/// What cannot be kept for another process is sent all the same.
fn unless_unkept(output: &Output, kept: Result<Option<Kept>, Failure>) -> Option<Kept> {
    kept.unwrap_or_else(|failure| {
        output.warn(format!("{}: this transfer cannot be resumed once this process ends", safe_line(&failure.message)));
        None
    })
}

/// A text as a QR code of half blocks, for light letters on a dark ground; cameras take the other as well. A code is far shorter than what fits.
fn qr(text: &str) -> String {
    let Ok(code) = QrCode::new(text.as_bytes()) else { return String::new() };
    code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_into_half_of_a_small_terminal() {
        let shown = qr("7-crystal-window");
        let (rows, columns) = (shown.lines().count(), shown.lines().map(|line| line.chars().count()).max().unwrap_or_default());
        assert!((10..=20).contains(&rows) && columns <= 40, "{columns} x {rows}");
        assert!(shown.chars().all(|char| matches!(char, ' ' | '\n' | '\u{2580}' | '\u{2584}' | '\u{2588}')), "{shown}");
    }
}
