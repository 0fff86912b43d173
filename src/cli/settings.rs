//! Where the server is and who we are: flags over environment over configuration file over defaults, for `confctl` and `fshare`.
//!
//! The configuration file is `--config`, `CONFKIT_CONFIG`, or `client.yaml` in `$XDG_CONFIG_HOME/confkit` (`~/.config/confkit`); its keys are
//! those of [`KEYS`]. Paths in it are relative to its folder.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_yaml::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    account::{Credentials, Password},
    cli::{
        ExitCode, Failure, OrFail as _, Output,
        global::{Global, Server},
        secret, values,
    },
    id::UserName,
    sip::message::SipUri,
};

/// The keys of a client's configuration file.
pub const KEYS: [&str; 5] = ["ca", "credentials", "server", "timeout", "user"];
/// The server when nothing says otherwise.
pub const DEFAULT_SERVER: &str = "sip:127.0.0.1:5060";
/// How long to wait for an answer when nothing says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How alike an unknown key must be to one of ours to be taken for a slip (Jaro–Winkler, 0 to 1).
const ALIKE: f64 = 0.75;

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
        let Some(user) = &self.settings.user else { return Ok(None) };
        if let Some(password) = self.settings.known_password(user)? {
            return Ok(Some(password));
        }
        let asked = secret::ask_password(&format!("Password of {user}"), &self.output, &self.leaving).await;
        asked.map(Some).map_err(|failure| match failure.code {
            ExitCode::Usage => Failure {
                code: ExitCode::Denied,
                message: format!("no password is known for {user}"),
                hint: Some(format!("use --credentials or --password-file, or set {}", secret::PASSWORD_VARIABLE)),
                ..failure
            },
            _ => failure,
        })
    }
}

/// The effective settings of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The server.
    pub server: SipUri,
    /// The account to act as; without one, a guest.
    pub user: Option<UserName>,
    /// Where passwords are.
    pub credentials: Option<PathBuf>,
    /// A file with a password.
    pub password_file: Option<PathBuf>,
    /// The certificate that the server's must be signed by.
    pub ca: Option<PathBuf>,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

impl Settings {
    /// Puts flags (and environment, which clap has read into them) over the file over defaults.
    ///
    /// # Errors
    /// The configuration file cannot be read or has an unknown key or a bad value: exit code 2.
    pub fn resolve(global: &Global, flags: &Server) -> Result<Self, Failure> {
        let file = match &global.config {
            Some(path) => ConfigFile::read(path)?,
            None => match default_file() {
                Some(path) if path.exists() => ConfigFile::read(&path)?,
                _ => ConfigFile::default(),
            },
        };
        let flags = flags.clone();
        let server = match flags.server.or(file.server) {
            Some(server) => server,
            None => values::server(DEFAULT_SERVER).map_err(Failure::usage)?,
        };
        Ok(Self {
            server,
            user: flags.user.or(file.user),
            credentials: flags.credentials.or(file.credentials),
            password_file: flags.password_file,
            ca: flags.ca.or(file.ca),
            timeout: global.timeout.or(file.timeout).unwrap_or(DEFAULT_TIMEOUT),
        })
    }

    fn known_password(&self, user: &UserName) -> Result<Option<Password>, Failure> {
        if let Some(password) = secret::given_password(self.password_file.as_deref())? {
            return Ok(Some(password));
        }
        let Some(path) = &self.credentials else { return Ok(None) };
        let credentials = Credentials::read(path).or_fail(ExitCode::Usage, format_args!("look up the password of {user}"))?;
        Ok(credentials.password(user).cloned())
    }
}

/// A client's configuration file.
#[derive(Debug, Clone, Default, PartialEq)]
struct ConfigFile {
    server: Option<SipUri>,
    user: Option<UserName>,
    credentials: Option<PathBuf>,
    ca: Option<PathBuf>,
    timeout: Option<Duration>,
}

fn default_file() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(config.join("confkit").join("client.yaml"))
}

impl ConfigFile {
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::usage(format!("the configuration file {} does not exist", path.display())),
            _ => Failure::usage(format!("failed to read the configuration file {}: {error}", path.display())),
        })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("."))).map_err(|why| Failure::usage(format!("{}: {why}", path.display())))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let map = match serde_yaml::from_str(text).map_err(|error| error.to_string())? {
            Value::Null => return Ok(Self::default()),
            Value::Mapping(map) => map,
            _ => return Err("expected keys and values".to_owned()),
        };
        let mut file = Self::default();
        for (key, value) in map {
            let key = key.as_str().ok_or("expected keys that are words")?.to_owned();
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                _ => return Err(format!("{key}: expected a text")),
            };
            let named = |why: &dyn std::fmt::Display| format!("{key}: {why}");
            match key.as_str() {
                "server" => file.server = Some(values::server(&text).map_err(|why| named(&why))?),
                "user" => file.user = Some(text.parse().map_err(|why| named(&why))?),
                "credentials" => file.credentials = Some(folder.join(text)),
                "ca" => file.ca = Some(folder.join(text)),
                "timeout" => file.timeout = Some(values::duration(&text).map_err(|why| named(&why))?),
                unknown => return Err(unknown_key(unknown)),
            }
        }
        Ok(file)
    }
}

fn unknown_key(key: &str) -> String {
    let alike = KEYS.into_iter().map(|known| (strsim::jaro_winkler(key, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match alike {
        Some((score, known)) if score >= ALIKE => format!("unknown key \"{key}\"; did you mean \"{known}\"?"),
        _ => format!("unknown key \"{key}\"; the keys are {}", KEYS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, String> {
        ConfigFile::parse(text, Path::new("/etc/confkit"))
    }

    #[test]
    fn a_configuration_file_is_read_to_the_key() {
        let file = parse("server: sip:conf.example.com\nuser: alice\ncredentials: c.yaml\nca: /ca.pem\ntimeout: 3s\n").unwrap();
        assert_eq!(file.user.as_ref().map(UserName::as_str), Some("alice"));
        assert_eq!(file.credentials.as_deref(), Some(Path::new("/etc/confkit/c.yaml")));
        assert_eq!(file.ca.as_deref(), Some(Path::new("/ca.pem")));
        assert_eq!(file.timeout, Some(Duration::from_secs(3)));
        assert_eq!(parse(""), Ok(ConfigFile::default()));
    }

    #[test]
    fn every_key_is_known() {
        for key in KEYS {
            assert!(!parse(&format!("{key}: 1")).is_err_and(|why| why.contains("unknown key")), "{key}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_gets_the_nearest_key() {
        assert_eq!(parse("sevrer: x"), Err("unknown key \"sevrer\"; did you mean \"server\"?".to_owned()));
        assert!(parse("colour: x").unwrap_err().contains("the keys are ca, credentials"));
        assert!(parse("timeout: soon").unwrap_err().starts_with("timeout: expected a duration"));
    }
}
