//! What the commands share: who we are, transports to the server, and one command in a control dialog.

use std::{fs, sync::Arc, time::Duration};

use crate::{
    cli::{ExitCode, Failure, OrFail as _, Output, confctl::refused::SILENT, settings::Context},
    clock,
    conference::{
        client::{ClientTransports, Control, ControlCommand, ControlEvent, Identity, ServerAddress, Session},
        wire::control::{Command, Data},
    },
    sip::{
        digest::Credentials,
        endpoint::EndpointConfig,
        transport::{TlsMaterial, TlsStore, Trace},
    },
};

/// How long a BYE may take before the program ends without its answer.
const PARTING: Duration = Duration::from_secs(2);

/// What a certificate in PEM begins with (RFC 7468 §5.1).
const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Where the server is.
pub fn server(context: &Context) -> ServerAddress {
    ServerAddress::new(context.settings.server.clone())
}

/// The account to act as.
///
/// # Errors
/// None is known (exit code 3), or its password is not.
pub async fn account(context: &Context) -> Result<Identity, Failure> {
    account_if_any(context).await?.ok_or_else(|| {
        Failure::new(ExitCode::Denied, "this needs an account on the server")
            .hint("name one with --as (or CONFKIT_USER), and the file that has its password with --credentials (or CONFKIT_CREDENTIALS); relayd prints at its start where its own is")
    })
}

/// The account to act as, when one is named.
///
/// # Errors
/// Its password is not known.
pub async fn account_if_any(context: &Context) -> Result<Option<Identity>, Failure> {
    let Some(user) = &context.settings.config.user else { return Ok(None) };
    let password = context.password().await?;
    let credentials = password.map(|p| Credentials::new(user.as_str(), p.reveal()));
    Ok(Some(Identity::user(user.as_str(), credentials, &server(context))))
}

/// Transports to the server, with the authority that was named as the one to trust.
///
/// # Errors
/// The authority's file cannot be read (exit code 2); no way to the server (exit code 7).
pub async fn transports(context: &Context) -> Result<ClientTransports, Failure> {
    let label = context.settings.config.user.as_ref().map(ToString::to_string);
    transports_traced(context, None, label).await
}

/// The same, their messages written down under a name.
///
/// # Errors
/// As [`transports`].
pub async fn transports_traced(context: &Context, trace: Option<Trace>, label: Option<String>) -> Result<ClientTransports, Failure> {
    let tls = trust(context)?;
    let server = server(context);
    let bound = ClientTransports::bind(&server, Some(Arc::new(tls)), trace, label).await;
    bound.or_fail(ExitCode::Unreachable, format_args!("reach {}", server.uri))
}

/// Whose certificates are believed: the authority's that was named as the one to trust.
///
/// # Errors
/// Its file cannot be read (exit code 2 or 4).
pub fn trust(context: &Context) -> Result<TlsStore, Failure> {
    let tls = match &context.settings.config.ca {
        None => TlsStore::new(&TlsMaterial::default()),
        Some(path) => {
            let roots = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
            if !roots.contains(PEM_CERTIFICATE) {
                let failure = Failure::usage(format!("{} contains no PEM certificate", path.display()));
                return Err(failure.hint("give --ca the certificate of the authority that relayd created: ca.pem in its data directory"));
            }
            TlsStore::new(&TlsMaterial { roots, ..TlsMaterial::default() })
        }
    };
    let named = context.settings.config.ca.as_deref().map_or_else(String::new, |path| format!(" in {}", path.display()));
    tls.or_fail(ExitCode::Usage, format_args!("read the authority's certificate{named}"))
}

/// A control dialog with the server.
pub struct Dialog {
    session: Session<Control>,
    timeout: Duration,
}

impl Dialog {
    /// Opens it.
    ///
    /// # Errors
    /// As [`account`] and [`transports`].
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        let identity = account(context).await?;
        let transports = transports(context).await?;
        let endpoint = transports.endpoint(EndpointConfig::default());
        let control = Control::open(clock::now(), endpoint, &identity, &server(context));
        Ok(Self { session: transports.run(control), timeout: context.settings.config.timeout.get() })
    }

    /// Gives a command and waits for its reply; `patience` takes the place of the usual time-out.
    ///
    /// # Errors
    /// What the server says; exit code 7 when it says nothing in time; 130 when somebody pressed Ctrl-C.
    pub async fn ask(&mut self, context: &Context, command: Command, patience: Option<Duration>) -> Result<Data, Failure> {
        let name = command.name();
        self.session.tell(ControlCommand::Ask(command)).await;
        let reply = async {
            loop {
                match self.session.next().await {
                    Some(ControlEvent::Opened) => {}
                    Some(ControlEvent::Reply(reply)) => return reply.outcome.map_err(Failure::from),
                    Some(ControlEvent::Refused(refusal)) => return Err(refusal.into()),
                    Some(ControlEvent::Failed(failure)) => return Err(failure.into()),
                    Some(ControlEvent::Closed) | None => {
                        return Err(Failure::new(ExitCode::Unreachable, "the control dialog is over"));
                    }
                }
            }
        };
        let timeout = patience.unwrap_or(self.timeout);
        tokio::select! {
            reply = tokio::time::timeout(timeout, reply) => reply.unwrap_or_else(|_| {
                let waited = humantime::format_duration(timeout);
                Err(Failure::new(ExitCode::Unreachable, format!("no answer to {name} from {} in {waited}", context.settings.server))
                    .hint(SILENT))
            }),
            () = context.leaving.cancelled() => Err(Failure::silent(ExitCode::Interrupted)),
        }
    }

    /// Says BYE.
    pub async fn close(mut self) {
        let parting = async {
            self.session.tell(ControlCommand::Close).await;
            while self.session.next().await.is_some() {}
            self.session.over().await;
        };
        let _ = tokio::time::timeout(PARTING, parting).await;
    }
}

/// One command: a dialog, the command, BYE. `patience` takes the place of the usual time-out.
///
/// # Errors
/// As [`Dialog::ask`].
pub async fn ask(context: &Context, command: Command, patience: Option<Duration>) -> Result<Data, Failure> {
    let spinner = context.output.spinner("waiting for the server");
    let mut dialog = Dialog::open(context).await?;
    let outcome = dialog.ask(context, command, patience).await;
    dialog.close().await;
    drop(spinner);
    outcome
}

/// One command, and its reply to the output.
///
/// # Errors
/// As [`ask`].
pub async fn carry_out(context: &Context, command: Command) -> Result<(), Failure> {
    let data = ask(context, command, None).await?;
    show(&context.output, &data)
}

/// Prints a reply; one that only says that it is done prints nothing for people.
///
/// # Errors
/// Standard output cannot be written to.
pub fn show(output: &Output, data: &Data) -> Result<(), Failure> {
    output.result(data)
}
