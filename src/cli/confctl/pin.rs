//! `confctl pin`: the PIN of a conference.

use crate::{
    cli::{Failure, confctl::dialog, secret::PinFile, settings::Context},
    conference::wire::control::Command,
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl pin standup set --pin-file pin.txt\n  \
    confctl pin standup clear";

/// What to do with the PIN.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference
    pub name: ConferenceName,

    /// Set the PIN (from --pin-file, CONFKIT_PIN or a prompt) or clear it
    #[arg(value_enum)]
    pub action: Action,

    /// The PIN to set
    #[command(flatten)]
    pub pin: PinFile,
}

/// Set or clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Action {
    /// Require a PIN to enter.
    Set,
    /// Remove the PIN.
    Clear,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let pin = match args.action {
        Action::Clear => None,
        Action::Set => Some(args.pin.given_or_asked("New PIN", &context.output, &context.leaving).await?),
    };
    dialog::carry_out(context, Command::Pin { conference: args.name.to_string(), pin }).await
}
