//! What is offered, and whether it is wanted: by whoever is asked, by the flags, or because it was begun before.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::{
    accept::{Bound, Promised},
    failure, kept,
    show::Carried,
};
use crate::{
    channel::{
        client::{ChannelError, Decide, No, Resume, Ways},
        wire::letter::{Content, Offer},
    },
    cli::{
        ExitCode, Failure,
        fshare::{kept::of_total, receive, show::at},
        output::{safe_line, safe_lines},
        secret,
        settings::Context,
    },
    transfer::{Entry, Kind, Manifest, Overwrite, RecordStore, SafePath, Sink, SinkError, SinkOptions, TransferName, sink::SinkState},
};

/// What was decided on, as the bar needs it.
#[derive(Debug, Clone, Default)]
pub struct Chosen(Arc<Mutex<Option<Choice>>>);

#[derive(Debug)]
struct Choice {
    manifest: Manifest,
    state: watch::Receiver<SinkState>,
    text: Option<Text>,
}

impl Chosen {
    fn set(&self, choice: Choice) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(choice);
    }

    fn with<T>(&self, ask: impl FnOnce(&Choice) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ask)
    }

    /// What is in it.
    pub fn manifest(&self) -> Option<Manifest> {
        self.with(|choice| choice.manifest.clone())
    }

    /// How far it is.
    pub fn state(&self) -> Option<SinkState> {
        self.with(|choice| *choice.state.borrow())
    }

    /// The text, where it is one that is shown.
    pub fn text(&self) -> Option<String> {
        self.with(|choice| choice.text.as_ref().map(Text::safe)).flatten()
    }
}

/// Most bytes of a text that is shown.
pub const MAX_TEXT: usize = 64 * 1024;

/// A text that came.
#[derive(Debug, Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    /// As it may be shown on a terminal: its lines and tabs, without what would command the terminal.
    fn safe(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        safe_lines(&String::from_utf8_lossy(&bytes))
    }
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len().saturating_add(bytes.len()) > MAX_TEXT {
            return Err(io::Error::other(format!("the text is longer than {MAX_TEXT} bytes")));
        }
        text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decides, and knows what was decided.
pub struct Deciding<'a> {
    context: &'a Context,
    /// Folder to put files in; `-` for standard output.
    output: PathBuf,
    overwrite: Overwrite,
    /// Nobody is asked whether it is wanted.
    yes: bool,
    /// Nor what becomes of names that are taken.
    resolved: bool,
    /// The code; empty where there was none.
    code: String,
    /// By which ways the bytes may come.
    ways: Ways,
    /// What breaks off is kept for another process.
    lasting: bool,
    /// Extended attributes are set.
    xattrs: bool,
    /// More is not taken.
    bound: Bound,
    /// Nor anything else than was said yes to.
    promised: Option<Promised>,
    /// The name of the only file, instead of its own.
    called: Option<SafePath>,
    /// What was begun before.
    pub taken: Option<Sink>,
    /// What is kept of it.
    pub record: Option<(RecordStore, TransferName)>,
    /// What was decided on.
    pub chosen: Chosen,
    /// Why we said no.
    pub failure: Option<Failure>,
}

impl Decide for Deciding<'_> {
    async fn decide(&mut self, offer: &Offer, manifest: &Manifest, resume: &Resume) -> Result<Sink, No> {
        match self.sink(offer, manifest, resume).await {
            Ok(sink) => Ok(sink),
            Err((told, failure)) => {
                self.failure = Some(failure);
                Err(told)
            }
        }
    }
}

impl<'a> Deciding<'a> {
    /// On what comes by a code.
    pub fn new(context: &'a Context, output: PathBuf, overwrite: Overwrite, yes: bool, code: &str, ways: Ways) -> Self {
        let code = code.to_owned();
        let (taken, record, chosen, failure) = (None, None, Chosen::default(), None);
        let (bound, promised, xattrs, called) = (Bound::default(), None, false, None);
        Self {
            context,
            output,
            overwrite,
            yes,
            resolved: yes,
            code,
            ways,
            lasting: true,
            xattrs,
            bound,
            promised,
            called,
            taken,
            record,
            chosen,
            failure,
        }
    }

    /// Whether extended attributes are set; by itself they are not.
    #[must_use]
    pub fn xattrs(self, xattrs: bool) -> Self {
        Self { xattrs, ..self }
    }

    /// The only file gets this name instead of its own; several are not taken.
    #[must_use]
    pub fn called(self, called: Option<SafePath>) -> Self {
        Self { called, ..self }
    }

    /// How much is taken at most. Texts are short.
    #[must_use]
    pub fn bounded(self, bound: Bound) -> Self {
        Self { bound, ..self }
    }

    /// What was said yes to before: anything else is not taken.
    #[must_use]
    pub fn promised(self, promised: Promised) -> Self {
        Self { promised: Some(promised), ..self }
    }

    /// Whether what breaks off is kept for another process; it is by itself.
    #[must_use]
    pub fn lasting(self, lasting: bool) -> Self {
        Self { lasting, ..self }
    }

    /// Whether somebody is asked what becomes of names that are taken, though it is wanted; not if it is wanted unseen, otherwise.
    #[must_use]
    pub fn resolving(self, resolving: bool) -> Self {
        Self { resolved: !resolving, ..self }
    }

    /// On what was begun before: it is wanted.
    pub fn taken(context: &'a Context, sink: Sink, record: (RecordStore, TransferName)) -> Self {
        let new = Self::new(context, PathBuf::new(), Overwrite::Refuse, true, "", Ways::Any);
        Self { taken: Some(sink), record: Some(record), ..new }
    }

    /// Standard output is for what comes.
    pub fn to_stdout(&self) -> bool {
        self.output.as_os_str() == "-"
    }

    /// A sink; or what the sender is told, and what we say ourselves.
    async fn sink(&mut self, offer: &Offer, manifest: &Manifest, resume: &Resume) -> Result<Sink, (No, Failure)> {
        if let Some(why) = self.promised.and_then(|promised| promised.refuses(offer.content, manifest.entries().len())) {
            return Err((No::Declined(why.to_owned()), Failure::new(ExitCode::Declined, format!("not received: {why}"))));
        }
        let text = (offer.content == Content::Text).then(Text::default);
        let sink = match (self.taken.take(), &text) {
            (Some(sink), _) if *sink.manifest() == *manifest => sink,
            (Some(_), _) => return Err(unfit(ChannelError::OtherBatch)),
            (None, Some(text)) => {
                let sink = Sink::to_stream(Box::new(text.clone()), manifest.clone(), &SinkOptions::default());
                sink.map_err(|error| unfit(error.into()))?
            }
            (None, None) => {
                self.ask(offer, manifest).await?;
                self.begin(offer, manifest, resume).await?
            }
        };
        self.chosen.set(Choice { manifest: manifest.clone(), state: sink.watch(), text });
        Ok(sink)
    }

    async fn ask(&mut self, offer: &Offer, manifest: &Manifest) -> Result<(), (No, Failure)> {
        if !self.to_stdout() {
            let (files, names) = (offer.files.into(), offer.names.clone());
            let told = self.context.output.event(&Carried::Offered { at: at(), files, bytes: offer.bytes, names });
            told.map_err(|failure| (No::Declined("the receiver is gone".to_owned()), failure))?;
        }
        if let Some((told, said)) = self.bound.refuses(manifest.total()) {
            return Err((No::Declined(told), Failure::new(ExitCode::Declined, format!("not received: {said}"))));
        }
        let entries = self.entries(manifest).map_err(|error| unfit(error.into()))?;
        if self.to_stdout() || self.resolved {
            return Ok(());
        }
        match self.look(offer, (manifest, entries)).await {
            Ok(()) if self.yes => Ok(()),
            Ok(()) => self.consent().await,
            Err(SinkError::Exists { path }) => self.resolve(&path).await,
            Err(error) => Err(unfit(error.into())),
        }
    }

    /// What comes, by the names that it is to get.
    fn entries(&self, manifest: &Manifest) -> Result<Vec<Entry>, SinkError> {
        match (&self.called, manifest.entries()) {
            (None, entries) => Ok(entries.to_vec()),
            (Some(name), [entry]) if matches!(entry.kind, Kind::File { .. }) && entry.path.parent().is_none() => {
                Ok(vec![Entry { path: name.clone(), ..entry.clone() }])
            }
            (Some(_), _) => Err(SinkError::NotOneFile),
        }
    }

    /// What is in the way of it, before anybody is asked. A folder that is not there yet has nothing in it.
    async fn look(&self, offer: &Offer, (manifest, entries): (&Manifest, Vec<Entry>)) -> Result<(), SinkError> {
        let folder = self.output.clone();
        if !receive::on_disk(move || folder.exists()).await.unwrap_or(true) {
            return Ok(());
        }
        Sink::look(&self.output, entries, offer.sparse.room(manifest, 0, 0, 0), self.overwrite).await
    }

    async fn begin(&mut self, offer: &Offer, manifest: &Manifest, resume: &Resume) -> Result<Sink, (No, Failure)> {
        if self.to_stdout() {
            let sink = Sink::to_stream(Box::new(io::stdout()), manifest.clone(), &SinkOptions::default());
            return sink.map_err(|error| unfit(error.into()));
        }
        let records = if self.lasting { receive::records_or_none(&self.context.output).await } else { None };
        let (record, details) = match (records, kept::of_received(&self.code, resume, self.ways)) {
            (Some(records), Some((name, details))) => (Some((records, name)), details),
            _ => (None, Vec::new()),
        };
        self.record.clone_from(&record);
        let details = details.into_iter().chain(of_total(manifest.total())).map(|(key, value)| (key.to_owned(), value)).collect();
        let options = SinkOptions {
            overwrite: self.overwrite,
            sparse: offer.sparse.clone(),
            xattrs: self.xattrs,
            called: self.called.clone(),
            record,
            details,
            ..SinkOptions::default()
        };
        let sink = Sink::create(&self.output, manifest.clone(), options).await;
        sink.map_err(|error| {
            self.record = None;
            unfit(error.into())
        })
    }

    async fn consent(&self) -> Result<(), (No, Failure)> {
        let question = match (self.output.as_os_str().to_str(), &self.called) {
            (_, Some(name)) => format!("Receive it as {}", safe_line(&self.output.join(name.as_str()).display().to_string())),
            (Some("."), None) => "Receive it into this folder".to_owned(),
            _ => format!("Receive it into {}", safe_line(&self.output.display().to_string())),
        };
        match secret::agrees(&question, &self.context.output, &self.context.leaving).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(unwanted()),
            Err(failure) => Err(undecided(failure)),
        }
    }

    /// One of the names is taken: whoever is there says what becomes of it, and of others like it.
    async fn resolve(&mut self, path: &str) -> Result<(), (No, Failure)> {
        let question = format!("{} already exists: (o)verwrite it, (r)ename the new one, (s)kip it, or (c)ancel?", safe_line(path));
        let choices = [('o', Some(Overwrite::Replace)), ('r', Some(Overwrite::Rename)), ('s', Some(Overwrite::Skip)), ('c', None)];
        match secret::choose(&question, &choices, &self.context.output, &self.context.leaving).await {
            Ok(Some(Some(overwrite))) => {
                self.overwrite = overwrite;
                Ok(())
            }
            Ok(Some(None) | None) => Err(unwanted()),
            Err(failure) => Err(undecided(failure)),
        }
    }
}

fn unwanted() -> (No, Failure) {
    (No::Declined("the receiver does not want it".to_owned()), Failure::new(ExitCode::Declined, "not received"))
}

/// Nobody has said yes or no.
fn undecided(failure: Failure) -> (No, Failure) {
    let told = if failure.code == ExitCode::Interrupted { "the receiver gave up" } else { "nobody was there to accept it" };
    (No::Declined(told.to_owned()), failure)
}

fn unfit(error: ChannelError) -> (No, Failure) {
    let failure = failure::of("failed to receive", &error);
    (No::Unfit(error), failure)
}
