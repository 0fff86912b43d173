//! `confctl join`: a terminal of ours, with audio.

use std::{path::PathBuf, time::Duration};

use crate::{
    cli::{
        Failure,
        secret::PinFile,
        settings::Context,
        values::{self, Digits, Microphone, Room},
    },
    media::Codec,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl join standup --mic talk.wav --record heard.wav\n  \
    confctl join standup --mic tone:440 --for 10s --stats --json\n  \
    confctl join sip:standup@conf.example.com --as alice --dtmf ',1234#'";

/// How to take part.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference: its name, or a URI
    #[arg(value_name = "NAME|URI")]
    pub room: Room,

    /// What to say: a WAV file, a tone of HZ hertz, or silence
    #[arg(long, value_name = "FILE.wav|tone:HZ|silence", default_value = "silence")]
    pub mic: Microphone,

    /// Record what is heard (16-bit WAV)
    #[arg(long, value_name = "FILE.wav", value_hint = clap::ValueHint::FilePath)]
    pub record: Option<PathBuf>,

    /// Leave after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub length: Option<Duration>,

    /// Keys to press once in: 0-9 * # A-D, a comma for a pause of a second
    #[arg(long, value_name = "KEYS")]
    pub dtmf: Option<Digits>,

    /// Say what was heard: packets, loss, jitter, level, strongest frequencies
    #[arg(long)]
    pub stats: bool,

    /// Name that others see
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,

    /// Codecs to offer, best first: PCMU, PCMA
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = values::codec)]
    pub codecs: Vec<Codec>,

    /// The PIN to enter with
    #[command(flatten)]
    pub pin: PinFile,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl join", "the control client"))
}
