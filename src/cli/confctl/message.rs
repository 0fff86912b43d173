//! `confctl message`: an instant message (RFC 3428).

use std::io::Read as _;

use serde::Serialize;

use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        confctl::{dialog, refused::SILENT},
        output::{Page, Report, Text},
        settings::Context,
        values::Callee,
    },
    clock,
    conference::client::{MessageEvent, Refusal, SendMessage},
    sip::endpoint::EndpointConfig,
};

/// Longest text, in bytes. Longer ones are better sent as a file.
const MAX_TEXT: u64 = 32 * 1024;

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
pub async fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let text = text_of(&args.text)?;
    let status = send(context, &args.to, &text).await?;
    context.output.result(&Sent { to: args.to.to_string(), status })
}

/// Sends a text; the status that answered.
///
/// # Errors
/// It was refused, or not answered in time (exit code 7).
pub async fn send(context: &Context, to: &Callee, text: &str) -> Result<u16, Failure> {
    let identity = dialog::account(context).await?;
    let server = dialog::server(context);
    let to_whom = to;
    let to = match to {
        Callee::Uri(uri) => uri.clone(),
        Callee::User(user) => server.at(user.as_str()),
    };
    let transports = dialog::transports(context).await?;
    let endpoint = transports.endpoint(EndpointConfig::default());
    let mut session = transports.run(SendMessage::new(clock::now(), endpoint, &identity, &server, to, text));
    let timeout = context.settings.config.timeout.get();
    let event = tokio::select! {
        event = tokio::time::timeout(timeout, session.next()) => event,
        () = context.leaving.cancelled() => return Err(Failure::silent(ExitCode::Interrupted)),
    };
    if event.is_ok() {
        // Where nobody answers, the machine would go on trying for half a minute.
        session.over().await;
    }
    match event {
        Ok(Some(MessageEvent::Delivered { status })) => Ok(status),
        Ok(Some(MessageEvent::Refused(refusal))) => Err(refused(to_whom, refusal)),
        Ok(None) | Err(_) => {
            let waited = humantime::format_duration(timeout);
            Err(Failure::new(ExitCode::Unreachable, format!("no answer for {to_whom} from {} in {waited}", server.uri)).hint(SILENT))
        }
    }
}

/// Who is not there is named.
fn refused(to: &Callee, refusal: Refusal) -> Failure {
    let status = refusal.status;
    let failure = Failure::from(refusal);
    match status {
        404 => Failure { message: format!("there is no user {to} ({status})"), ..failure },
        480 => Failure { message: format!("{to} is not reachable at the moment ({status})"), ..failure },
        _ => failure,
    }
}

fn text_of(text: &str) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut read = String::new();
    std::io::stdin().lock().take(MAX_TEXT + 1).read_to_string(&mut read).or_fail(ExitCode::Usage, "read the text from standard input")?;
    if read.len() as u64 > MAX_TEXT {
        return Err(Failure::usage(format!("the text is longer than {MAX_TEXT} bytes")).hint("send it as a file"));
    }
    Ok(read)
}
