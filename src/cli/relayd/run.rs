//! `relayd run`: runs the daemon until it is told to stop.

use crate::{
    cli::{
        ExitCode, Failure, OrFail as _, log,
        output::{Page, Report, Text},
        relayd::{Context, args::RunArgs},
    },
    config::Flag,
    daemon::{self, DaemonError, Kind, Options, Ready},
};

impl Report for Ready {
    fn page(&self, page: &mut Page) {
        page.line([Text::good("relayd is ready")]);
        for place in &self.listening {
            page.line([Text::from("  "), Text::from(place.as_str())]);
        }
        page.field("data", [self.data_dir.as_str()]);
        if let Some(credentials) = self.env.get("CONFKIT_CREDENTIALS") {
            page.field("credentials", [credentials.as_str()]);
        }
    }
}

/// Runs it.
///
/// # Errors
/// With the exit code that says why.
pub async fn run(args: &RunArgs, context: &Context) -> Result<(), Failure> {
    let mut sources = context.sources(&args.overrides);
    sources.ephemeral = args.ephemeral;
    if let Some(file) = &args.trace_sip {
        sources.flags.push(Flag { flag: "--trace-sip", key: "trace_sip.file", value: file.to_string_lossy().into_owned() });
    }
    if args.trace_secrets {
        sources.flags.push(Flag { flag: "--trace-secrets", key: "trace_sip.secrets", value: "yes".to_owned() });
    }
    let options = Options {
        sources,
        users: args.users.clone(),
        env_file: args.env_file.clone(),
        until_eof: args.until_eof,
        log: Some(log::configure),
    };
    let app = daemon::build(options).await?;
    if args.ephemeral {
        // A script waits for this line, whatever else it asked for.
        let line = serde_json::to_string(app.ready()).or_fail(ExitCode::Failed, "write the ready line")?;
        context.output.verbatim(format!("{line}\n").as_bytes())?;
    } else {
        context.output.event(app.ready())?;
    }
    Ok(app.run(context.leaving.clone()).await?)
}

/// What the daemon's errors mean to a shell.
impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        let code = match error.kind() {
            Kind::Usage => ExitCode::Usage,
            Kind::Conflict => ExitCode::Conflict,
            Kind::Missing => ExitCode::NotFound,
            Kind::Denied => ExitCode::Denied,
            Kind::Failed => ExitCode::Failed,
        };
        match error {
            DaemonError::Config(error) => error.into(),
            error => Self::new(code, error.to_string()),
        }
    }
}
