//! `relayd`'s configuration from its sources.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use super::{
    Config, ConfigError, Layers, Listen, Origin, PortRange, Problem, Setting, UnknownVariable,
    node::{Faults, Path},
    rules,
};

/// What the names of `relayd`'s variables begin with: `media.ports` is `RELAYD_MEDIA_PORTS`.
pub const ENVIRONMENT_PREFIX: &str = "RELAYD_";

/// A flag that gives a key a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as the user wrote it: `--roles`.
    pub flag: &'static str,
    /// The key: `roles`.
    pub key: &'static str,
    /// The value, as YAML or text.
    pub value: String,
}

/// Where a configuration comes from; each goes over the one before.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// True for `--ephemeral`: ports chosen by the system instead of the usual defaults.
    pub ephemeral: bool,
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Flags that give one key a value.
    pub flags: Vec<Flag>,
    /// `--listen`: an address for every listener, with a port for SIP if there is one.
    pub listen: Option<String>,
}

/// A configuration that may be started.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Its layers, for `print-config`.
    pub layers: Layers,
}

impl Loaded {
    /// Variables that look like ours and are none; to be warned of.
    pub fn unknown_variables(&self) -> &[UnknownVariable] {
        self.layers.unknown_variables()
    }
}

/// Reads and checks a configuration.
///
/// # Errors
/// A file that cannot be read, or every problem that was found.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::default();
    if sources.ephemeral {
        let origin = || Origin::Flag("--ephemeral".into());
        let listen = Listen::ephemeral();
        layers.set(&Path::of_keys("listen.sip"), listen.sip.show(), origin());
        layers.set(&Path::of_keys("listen.http"), listen.http.show(), origin());
        layers.set(&Path::of_keys("listen.relay"), listen.relay.show(), origin());
        layers.set(&Path::of_keys("media.ports"), PortRange::System.show(), origin());
        layers.set(&Path::of_keys("files.ports"), PortRange::System.show(), origin());
    }
    if let Some(file) = &sources.file {
        layers.file(file)?;
    }
    layers.environment::<Config>(ENVIRONMENT_PREFIX, sources.environment.iter().cloned());
    for flag in &sources.flags {
        layers.flag(flag.flag, flag.key, flag.value.as_str());
    }
    let mut config: Config = layers.read()?;
    if let Some(listen) = &sources.listen {
        let (address, port) = listen_address(listen)?;
        config.listen.move_to(address, port);
        let origin = || Origin::Flag("--listen".into());
        layers.set(&Path::of_keys("listen.sip"), config.listen.sip.show(), origin());
        layers.set(&Path::of_keys("listen.http"), config.listen.http.show(), origin());
        layers.set(&Path::of_keys("listen.relay"), config.listen.relay.show(), origin());
    }
    let mut faults = Faults::default();
    rules::check(&config, &mut faults);
    if !faults.is_empty() {
        return Err(layers.problems(faults.into_vec(), &Config::kind()));
    }
    if config.data_dir.is_none() {
        config.data_dir = default_data_dir(&sources.environment);
    }
    Ok(Loaded { config, layers })
}

/// `IP`, `IP:PORT`, `[IPv6]:PORT`.
fn listen_address(text: &str) -> Result<(IpAddr, Option<u16>), ConfigError> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok((address, None));
    }
    text.parse::<SocketAddr>().map(|address| (address.ip(), Some(address.port()))).map_err(|_| ConfigError::Problems {
        problems: vec![Problem {
            origin: Origin::Flag("--listen".into()),
            key: String::new(),
            what: format!("\"{}\" is not an address such as 127.0.0.1 or 127.0.0.1:5060", text.escape_debug()),
        }],
    })
}

/// Where data goes if nobody says: what systemd made, else the user's own place; `None` without either.
pub fn default_data_dir(environment: &[(String, String)]) -> Option<PathBuf> {
    let variable = |name: &str| environment.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, value)| value.as_str());
    // systemd joins several state directories by colons; the first is the unit's own.
    let state = variable("STATE_DIRECTORY").and_then(|list| list.split(':').next()).map(PathBuf::from);
    let data = || variable("XDG_DATA_HOME").map(|home| PathBuf::from(home).join("confkit"));
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".local/share/confkit"));
    state.or_else(data).or_else(home)
}

impl Config {
    /// The realm to settle on at the first start: as configured, else the first domain, else `confkit`.
    pub fn realm_at_first_start(&self) -> String {
        match (&self.realm, self.domains.first()) {
            (Some(realm), _) => realm.as_str().to_owned(),
            (None, Some(domain)) => domain.to_string(),
            (None, None) => "confkit".to_owned(),
        }
    }
}
