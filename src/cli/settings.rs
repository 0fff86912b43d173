//! Where the server is and who we are: flags over environment over `client.yaml` over defaults ([`crate::config::ClientConfig`]), for
//! `confctl` and `fshare`.

use std::{
    env,
    path::{Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

use crate::{
    account::{Credentials, CredentialsError, Password},
    cli::{
        ExitCode, Failure, Output,
        global::{Global, Server},
        secret, values,
    },
    config::{ClientConfig, ClientFlags, ClientSources, default_data_dir},
    sip::message::SipUri,
};

/// The server when nothing says otherwise.
pub const DEFAULT_SERVER: &str = "sip:127.0.0.1:5060";

/// What a command works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The only writer.
    pub output: Output,
    /// Cancelled at the first Ctrl-C: leave cleanly then.
    pub leaving: CancellationToken,
    /// Where the server is and who we are.
    pub settings: Settings,
}

impl Context {
    /// The password of the account to act as; `None` without an account. Looked up in this order: `--password-file`, the environment, the
    /// credentials file, a prompt.
    ///
    /// # Errors
    /// A file cannot be read; no password is known and there is nobody to ask (exit code 3).
    pub async fn password(&self) -> Result<Option<Password>, Failure> {
        let Some(user) = &self.settings.config.user else { return Ok(None) };
        if let Some(known) = &self.settings.password {
            return Ok(Some(known.clone()));
        }
        if let Some(password) = secret::given_password(self.settings.password_file.as_deref())? {
            return Ok(Some(password));
        }
        if let Some(path) = &self.settings.config.credentials {
            let credentials = credentials_of(path)?;
            if let Some(password) = credentials.password(user) {
                return Ok(Some(password.clone()));
            }
        }
        let asked = secret::ask_password(&format!("Password of {user}"), &self.output, &self.leaving).await;
        asked.map(Some).map_err(|failure| match failure.code {
            ExitCode::Usage => Failure::new(ExitCode::Denied, format!("no password is known for {user}"))
                .hint(format!("use --credentials or --password-file, or set {}", secret::PASSWORD_VARIABLE)),
            _ => failure,
        })
    }
}

/// The effective settings of a client.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server.
    pub server: SipUri,
    /// Everything that a configuration file can say.
    pub config: ClientConfig,
    /// A file with a password.
    pub password_file: Option<PathBuf>,
    /// The password itself, where it is known already: scenarios act as many accounts.
    pub password: Option<Password>,
}

impl Settings {
    /// Lays the flags (and the environment, which clap has read into them) over the file.
    ///
    /// # Errors
    /// The configuration file cannot be read or holds something wrong: exit code 2.
    pub fn resolve(global: &Global, flags: &Server) -> Result<Self, Failure> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let sources = ClientSources {
            file: global.config.clone(),
            environment: environment(),
            flags: ClientFlags {
                server: flags.server.as_ref().map(ToString::to_string),
                user: flags.user.as_ref().map(ToString::to_string),
                credentials: path(&flags.credentials),
                ca: path(&flags.ca),
                timeout: global.timeout.map(|timeout| humantime::format_duration(timeout).to_string()),
            },
        };
        let mut config = ClientConfig::load(&sources)?;
        if config.user.is_none() && config.credentials.is_none() && config.server.is_none() {
            own_daemon(&mut config, &sources.environment);
        }
        let server = match config.server.clone() {
            Some(server) => server,
            None => values::server(DEFAULT_SERVER).map_err(Failure::usage)?,
        };
        Ok(Self { server, config, password_file: flags.password_file.clone(), password: None })
    }
}

/// The passwords of a credentials file.
///
/// # Errors
/// There is no such file (exit code 4), or it is none (exit code 2).
pub fn credentials_of(path: &Path) -> Result<Credentials, Failure> {
    Credentials::read(path).map_err(|error| match error {
        CredentialsError::Io { path, source } => Failure::unreadable(&path, &source),
        error => Failure::usage(error.to_string()),
    })
}

/// Nothing says who we are or where the server is: then it is the daemon that the same user started without a configuration, and its
/// administrator's credentials lie in its data directory, readable by that user alone.
fn own_daemon(config: &mut ClientConfig, environment: &[(String, String)]) {
    let Some(data_dir) = default_data_dir(environment) else { return };
    let path = data_dir.join("credentials.yaml");
    let Ok(credentials) = Credentials::read(&path) else { return };
    let admin = credentials.users().find(|user| user.as_str() == "admin").or_else(|| credentials.users().next()).cloned();
    if admin.is_some() {
        config.user = admin;
        config.credentials = Some(path);
    }
    let ca = data_dir.join("ca.pem");
    if config.ca.is_none() && ca.exists() {
        config.ca = Some(ca);
    }
}

/// The environment; what is not Unicode cannot be a setting of ours.
pub fn environment() -> Vec<(String, String)> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
