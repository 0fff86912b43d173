//! `confctl message`: an instant message (RFC 3428).

use serde::Serialize;

use crate::cli::{
    Failure,
    output::{Page, Report, Text},
    settings::Context,
    values::Callee,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl message bob 'lunch?'\n  \
    uptime | confctl message sip:ops@example.com -";

/// What to tell whom.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// To whom: a SIP URI, or the name of a user
    #[arg(value_name = "URI")]
    pub to: Callee,

    /// Text; - reads it from standard input
    #[arg(allow_hyphen_values = true)]
    pub text: String,
}

/// What became of a message.
#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    /// To whom.
    pub to: String,
    /// The SIP status that answered: 200 delivered, 202 kept for later.
    pub status: u16,
}

impl Report for Sent {
    fn page(&self, page: &mut Page) {
        let how = if self.status == 202 { Text::odd("kept for later") } else { Text::good("delivered") };
        page.line([how, Text::from(": "), Text::from(&self.to)]);
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl message", "the control client"))
}
