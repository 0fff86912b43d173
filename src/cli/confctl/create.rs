//! `confctl create`: a conference, with its policy.

use std::time::Duration;

use crate::{
    account::{GuestPolicy, Preset},
    cli::{Failure, confctl::dialog, secret::PinFile, settings::Context, values},
    conference::wire::control::{Command, Create},
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl create standup --title 'Daily standup' --max 20\n  \
    confctl create board --pin-file pin.txt --guests no --ttl 2h\n  \
    confctl create lecture --share chair --receive all";

/// A new conference.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Name: the user part of its address (sip:NAME@server)
    pub name: ConferenceName,

    /// Title shown to people
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,

    /// The PIN to enter it with
    #[command(flatten)]
    pub pin: PinFile,

    /// Whether callers without an account may enter: yes, no, or auto (only while the server listens on loopback)
    #[arg(long, value_name = "yes|no", value_parser = values::guests(), hide_possible_values = true)]
    pub guests: Option<GuestPolicy>,

    /// Maximum number of participants
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max: Option<u32>,

    /// Who may share files without a grant: everybody with an account (all), the chair, or only those named by confctl grant (named)
    #[arg(long, value_name = "all|chair|named", value_parser = values::preset(), hide_possible_values = true)]
    pub share: Option<Preset>,

    /// Who receives what is shared: everybody (all), the chair, or only those named by confctl grant (named)
    #[arg(long, value_name = "all|chair|named", value_parser = values::preset(), hide_possible_values = true)]
    pub receive: Option<Preset>,

    /// End it after this time
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub ttl: Option<Duration>,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let presets = [("share", args.share), ("receive", args.receive)];
    let create = Create {
        name: args.name.to_string(),
        title: args.title.clone(),
        pin: args.pin.given()?,
        guests: match args.guests {
            None | Some(GuestPolicy::Auto) => None,
            Some(GuestPolicy::Yes) => Some(true),
            Some(GuestPolicy::No) => Some(false),
        },
        max: args.max,
        ttl_seconds: args.ttl.map(|ttl| ttl.as_secs().max(1)),
        rights: presets.into_iter().filter_map(|(right, preset)| Some((right.to_owned(), preset?))).collect(),
        codecs: Vec::new(),
    };
    dialog::carry_out(context, Command::Create(create)).await
}
