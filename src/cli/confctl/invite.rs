//! `confctl invite`: the server calls somebody into a conference.

use std::time::Duration;

use crate::{
    cli::{Failure, confctl::dialog, settings::Context, values::Callee},
    conference::wire::control::{Command, Data},
    id::ConferenceName,
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  \
    confctl invite standup bob\n  \
    confctl invite standup sip:carol@192.0.2.7:5070 sip:dave@example.com --timeout 30s";

/// Longer than a server lets anybody's telephone ring.
const RINGING: Duration = Duration::from_secs(75);

/// Whom to call.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Conference
    pub name: ConferenceName,

    /// Whom to call: SIP URIs, numbers such as +493012345, or names of users who are registered
    #[arg(required = true, value_name = "URI")]
    pub callees: Vec<Callee>,
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let uris = args.callees.iter().map(ToString::to_string).collect();
    let command = Command::Invite { conference: args.name.to_string(), uris };
    // People take their time: the server gives up ringing after a minute, and says so.
    let patience = context.settings.config.timeout.get().max(RINGING);
    let data = dialog::ask(context, command, Some(patience)).await?;
    dialog::show(&context.output, &data)?;
    match data {
        Data::Invited { invited } => match invited.into_iter().find_map(|invitee| invitee.failure.map(|failure| (invitee.uri, failure))) {
            None => Ok(()),
            Some((uri, failure)) => {
                let failure = Failure::from(failure);
                Err(Failure { message: format!("{uri} did not come: {}", failure.message), ..failure })
            }
        },
        _ => Ok(()),
    }
}
