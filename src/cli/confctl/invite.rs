//! `confctl invite`: the server calls somebody into a conference.

use crate::{
    cli::{Failure, settings::Context, values::Callee},
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl invite standup bob\n  \
    confctl invite standup sip:carol@192.0.2.7:5070 sip:dave@example.com --timeout 30s";

/// Whom to call.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference
    pub name: ConferenceName,

    /// Whom to call: SIP URIs, or names of users who are registered
    #[arg(required = true, value_name = "URI")]
    pub callees: Vec<Callee>,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
#[expect(clippy::unused_async, reason = "the call to the server arrives with the control client")]
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let _ = (args, context);
    Err(Failure::not_built_yet("confctl invite", "the control client"))
}
