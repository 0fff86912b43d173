//! `fshare recv`.

use std::{
    io::{self, Write},
    path::PathBuf,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::mpsc, sync::watch, time::interval};
use tokio_util::sync::CancellationToken;

use super::{
    RelayFlag, WayFlags, failure, from,
    show::{Bar, Carried, REDRAW},
};
use crate::{
    channel::{
        Code,
        client::{self, ChannelError, Decide, Receiving, RecvEvent, Way},
        pake::Password,
        wire::letter::{self, Content, Offer},
    },
    cli::{
        ExitCode, Failure,
        fshare::{
            receive::Policy,
            show::{Received, at},
        },
        output::{Output, safe_line},
        secret,
        settings::Context,
        values::Callee,
    },
    clock,
    transfer::{Manifest, Sink, SinkOptions, sink::SinkState},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    fshare recv 7-crystal-window\n  \
    fshare recv 7-crystal-window --output received --rename --yes\n  \
    fshare recv 7-crystal-window --output - | tar x\n  \
    fshare recv --from alice                     what alice sends by fshare send --to\n  \
    fshare recv --from anyone --keep --yes --output inbox --rename\n  \
    fshare recv                                  asks for the code";

/// Whose offers are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Of every user of the server.
    Anyone,
    /// Of this one.
    User(Callee),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "anyone" { Ok(Self::Anyone) } else { text.parse().map(Self::User) }
    }
}

/// What to receive.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The code that the sender shows; asked for without it
    #[arg(value_name = "CODE")]
    pub code: Option<Code>,

    /// Sign in, and wait for what this user of our server offers, or anyone; there is no code then
    #[arg(long, value_name = "WHO", conflicts_with_all = ["code", "wait"])]
    pub from: Option<From>,

    /// Show the words of both identities, and take it only when they are those that the other side shows
    #[arg(long, requires = "from")]
    pub verify: bool,

    /// Go on with the next offer, until Ctrl-C
    #[arg(long, requires = "from")]
    pub keep: bool,

    /// Folder to put files in; - for standard output, where it is one file
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    pub output: PathBuf,

    /// Take what is offered without asking
    #[arg(short, long)]
    pub yes: bool,

    /// What happens with files that are there already; they are refused otherwise
    #[command(flatten)]
    pub policy: Policy,

    /// Wait where the sender is not there yet
    #[arg(long)]
    pub wait: bool,

    /// Which relay
    #[command(flatten)]
    pub relay: RelayFlag,

    /// Which ways
    #[command(flatten)]
    pub ways: WayFlags,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if let Some(from) = &args.from {
        return from::run(args, from, context).await;
    }
    let code = match &args.code {
        Some(code) => code.clone(),
        None => secret::ask_code(&context.output, &context.leaving).await?,
    };
    let receiving = Receiving {
        relays: args.relay.relays(context)?,
        patience: context.settings.config.timeout.get(),
        by: Way::Password { password: Password::of_code(&code), wait: args.wait },
        ways: args.ways.ways(),
    };
    take(&receiving, args, args.yes, context, &context.leaving).await
}

/// Receives, and shows how it goes. `agreed`: nobody is asked any more.
///
/// # Errors
/// With the exit code that says why.
pub async fn take(receiving: &Receiving, args: &Args, agreed: bool, context: &Context, stop: &CancellationToken) -> Result<(), Failure> {
    let (give, mut events) = mpsc::channel(16);
    let mut deciding = Deciding { args, agreed, context, chosen: Chosen::default(), failure: None };
    let chosen = deciding.chosen.clone();
    let output = &context.output;
    let (mut bar, mut began, mut source) = (None::<Bar>, clock::now(), letter::Way::Relay);
    let mut redraw = interval(REDRAW);
    let ended = {
        let mut received = std::pin::pin!(client::receive(receiving, &mut deciding, &give, stop));
        loop {
            tokio::select! {
                ended = &mut received => break ended,
                Some(event) = events.recv() => match event {
                    RecvEvent::Waiting if args.wait => output.note("waiting for the sender"),
                    RecvEvent::Waiting | RecvEvent::Known => {}
                    RecvEvent::Begun { from, way } => {
                        (began, source) = (clock::now(), way);
                        if !to_stdout(args) && chosen.text().is_none() {
                            output.event(&Carried::Begun { at: at(), from, source: way.as_str() })?;
                        }
                        let (what, total) = chosen.shown();
                        bar = Some(Bar::new(output, &what, from, total, way));
                    }
                },
                _ = redraw.tick() => if let (Some(bar), Some(state)) = (&mut bar, chosen.state()) {
                    bar.show(output, state.written, false)?;
                },
            }
        }
    };
    drop(bar);
    match ended {
        Ok(finished) => {
            for warning in &finished.warnings {
                output.warn(safe_line(warning));
            }
            if let Some(text) = chosen.text() {
                return output.event(&Carried::Text { at: at(), text });
            }
            if to_stdout(args) {
                return Ok(());
            }
            let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
            let files = finished.files.iter().map(|placed| Received {
                name: placed.name.as_str().to_owned(),
                path: placed.path.as_ref().map(|path| path.display().to_string()),
                blake3: placed.digest.as_ref().map(ToString::to_string),
            });
            let bytes = chosen.state().map_or(0, |state| state.written);
            output.event(&Carried::Received { at: at(), bytes, files: files.collect(), seconds, source: source.as_str() })
        }
        Err(ChannelError::Stopped) => Err(Failure::silent(ExitCode::Interrupted)),
        Err(error) => Err(deciding.failure.take().unwrap_or_else(|| failure::of("failed to receive", &error))),
    }
}

fn to_stdout(args: &Args) -> bool {
    args.output.as_os_str() == "-"
}

/// What was decided on, as the bar needs it.
#[derive(Debug, Clone, Default)]
struct Chosen(Arc<Mutex<Option<Choice>>>);

#[derive(Debug)]
struct Choice {
    what: String,
    total: Option<u64>,
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

    fn shown(&self) -> (String, Option<u64>) {
        self.with(|choice| (choice.what.clone(), choice.total)).unwrap_or_default()
    }

    fn state(&self) -> Option<SinkState> {
        self.with(|choice| *choice.state.borrow())
    }

    fn text(&self) -> Option<String> {
        self.with(|choice| choice.text.as_ref().map(Text::safe)).flatten()
    }
}

/// Most bytes of a text that is shown.
const MAX_TEXT: usize = 64 * 1024;

/// A text that came.
#[derive(Debug, Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    /// As it may be shown on a terminal: line by line, without what would command the terminal.
    fn safe(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).lines().map(safe_line).collect::<Vec<_>>().join("\n")
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

struct Deciding<'a> {
    args: &'a Args,
    agreed: bool,
    context: &'a Context,
    chosen: Chosen,
    /// Why we said no.
    failure: Option<Failure>,
}

impl Decide for Deciding<'_> {
    async fn decide(&mut self, offer: &Offer, manifest: &Manifest) -> Result<Sink, String> {
        match self.sink(offer, manifest).await {
            Ok(sink) => Ok(sink),
            Err((told, failure)) => {
                self.failure = Some(failure);
                Err(told)
            }
        }
    }
}

impl Deciding<'_> {
    /// A sink; or what the sender is told, and what we say ourselves.
    async fn sink(&self, offer: &Offer, manifest: &Manifest) -> Result<Sink, (String, Failure)> {
        let output = &self.context.output;
        let text = (offer.content == Content::Text).then(Text::default);
        let quiet = text.is_some() || to_stdout(self.args);
        if !quiet {
            let (files, names) = (offer.files.into(), offer.names.clone());
            let told = output.event(&Carried::Offered { at: at(), files, bytes: offer.bytes, names });
            told.map_err(|failure| ("the receiver is gone".to_owned(), failure))?;
        }
        if !quiet && !self.agreed {
            self.consent(output).await?;
        }
        let sink = match &text {
            Some(text) => Sink::to_stream(Box::new(text.clone()), manifest.clone(), &SinkOptions::default()),
            None if to_stdout(self.args) => Sink::to_stream(Box::new(io::stdout()), manifest.clone(), &SinkOptions::default()),
            None => {
                let options = SinkOptions { overwrite: self.args.policy.overwrite(), ..SinkOptions::default() };
                Sink::create(&self.args.output, manifest.clone(), options).await
            }
        };
        let sink = sink.map_err(|error| {
            let error = ChannelError::Sink(error);
            ("it cannot be put down there".to_owned(), failure::of("failed to receive", &error))
        })?;
        let what = offer.names.first().map_or_else(String::new, |name| safe_line(name));
        self.chosen.set(Choice { what, total: offer.bytes, state: sink.watch(), text });
        Ok(sink)
    }

    async fn consent(&self, output: &Output) -> Result<(), (String, Failure)> {
        match secret::agrees("Receive it", output, &self.context.leaving).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(("the receiver does not want it".to_owned(), Failure::new(ExitCode::Declined, "not received"))),
            Err(failure) => Err(("nobody is there to decide".to_owned(), failure)),
        }
    }
}
