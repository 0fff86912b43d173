//! `fshare send` and `fshare recv`: a batch of files from one terminal to another, through a relay that can read nothing of it.
//!
//! | file | what |
//! |---|---|
//! | `send.rs`, `recv.rs` | a verb each |
//! | `carry.rs` | what is sent, to the end |
//! | `words.rs` | the words of a code, for shells |
//! | `to.rs`, `from.rs` | the same between two users of a server: until they have agreed on a channel |
//! | `signed.rs` | an account that is signed in for that |
//! | `ending.rs` | why they have not agreed |
//! | `resume.rs` | going on with either in another process |
//! | `kept.rs` | what is kept for that |
//! | `decide.rs` | whether what is offered is wanted |
//! | `accept.rs` | what is taken unasked, and how much at most |
//! | `place.rs` | whether anything can be put into a folder |
//! | `show.rs` | the events of `--json`, and what people read of them |
//! | `bar.rs` | bars |
//! | `limited.rs` | whether the receiver is what a sender waits for |
//! | `failure.rs` | exit codes |

mod accept;
mod bar;
mod carry;
pub mod decide;
mod ending;
pub mod failure;
pub mod from;
pub mod kept;
mod limited;
mod place;
pub mod recv;
pub mod resume;
pub mod send;
pub mod show;
pub mod signed;
pub mod to;
pub mod words;

use std::{sync::Arc, time::Duration};

use crate::{
    channel::{
        client::{Proxies, ProxyUrl, ProxyUrlError, Relays, Ways},
        wire::address,
    },
    cli::{
        Failure,
        confctl::dialog,
        settings::{Context, environment},
        values,
    },
    config::RelayAddress,
};

/// Where the relay is when nothing says otherwise.
pub const DEFAULT_RELAY: &str = "127.0.0.1:7420";

/// The port of a relay where none is given.
const PORT: u16 = 7420;

/// Which relay.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RelayFlag {
    /// Relay to use: host or host:port, or tls://host:port for TLS (repeatable; tried in order until one answers) [default: from the configuration, else this machine]
    #[arg(long = "relay", value_name = "HOST", env = "CONFKIT_RELAY", hide_env_values = true, value_delimiter = ',')]
    pub relays: Vec<RelayAddress>,

    /// Connect to relays through this proxy, such as socks5h://HOST:PORT or http://USER:PASSWORD@HOST:PORT, or through none [default: from the
    /// configuration, else from HTTPS_PROXY or ALL_PROXY]
    #[arg(long, value_name = "URL")]
    pub proxy: Option<GivenProxy>,
}

/// A proxy as it was given, or that there is to be none. What is neither is not repeated: there may be a password in it.
#[derive(Debug, Clone)]
pub struct GivenProxy(Result<Option<ProxyUrl>, ProxyUrlError>);

impl From<String> for GivenProxy {
    fn from(text: String) -> Self {
        Self(if text == "none" { Ok(None) } else { text.parse().map(Some) })
    }
}

/// How long to go on by oneself.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct PatienceFlag {
    /// How long to keep trying to reconnect after a break (0s: not at all)
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "60s")]
    pub patience: Duration,
}

/// By which ways bytes may go.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct WayFlags {
    /// Send everything through the relay, so that the other side does not learn this machine's addresses
    #[arg(long, conflicts_with = "direct_only")]
    pub relay_only: bool,

    /// Fail if neither machine can reach the other directly, instead of using the relay
    #[arg(long)]
    pub direct_only: bool,
}

impl WayFlags {
    /// What they say together.
    pub fn ways(self) -> Ways {
        match (self.relay_only, self.direct_only) {
            (true, _) => Ways::RelayOnly,
            (false, true) => Ways::DirectOnly,
            (false, false) => Ways::Any,
        }
    }
}

impl RelayFlag {
    /// The addresses, in order of preference, and how they are reached.
    ///
    /// # Errors
    /// A proxy that is none; an authority that cannot be read, where one is needed.
    pub fn relays(&self, context: &Context) -> Result<Relays, Failure> {
        self.relays_or(None, context)
    }

    /// The same; where none is named, the one that a server tells.
    ///
    /// # Errors
    /// As [`RelayFlag::relays`].
    pub fn relays_or(&self, told: Option<String>, context: &Context) -> Result<Relays, Failure> {
        let proxies = self.proxies(context)?;
        let mut names = self.names(context);
        if names.is_empty() {
            names.push(told.unwrap_or_else(|| DEFAULT_RELAY.to_owned()));
        }
        let needed = names.iter().any(|name| address::split(name).0);
        let relays = Relays::from(names);
        let relays = match proxies {
            Some(proxies) => relays.by(proxies),
            None => relays,
        };
        match dialog::trust(context) {
            Ok(trust) => Ok(relays.believing(Arc::new(trust))),
            Err(failure) if needed => Err(failure),
            Err(_) => Ok(relays),
        }
    }

    /// Those that were named for this command, by flag or environment.
    fn given(&self) -> Vec<String> {
        self.relays.iter().map(|relay| relay.with_port(PORT)).collect()
    }

    /// Whether no proxy is wanted, and that was said for this command.
    fn without_proxy(&self) -> bool {
        matches!(self.proxy, Some(GivenProxy(Ok(None))))
    }

    /// By which proxies relays are reached.
    fn proxies(&self, context: &Context) -> Result<Option<Proxies>, Failure> {
        let given = match &self.proxy {
            Some(GivenProxy(Ok(None))) => return Ok(None),
            Some(GivenProxy(given)) => given.clone().map_err(|error| Failure::usage(format!("--proxy: {error}")))?,
            None => context.settings.config.proxy.clone(),
        };
        let variables = environment();
        Ok(Some(match given {
            Some(proxy) => {
                let spared = variables.iter().find(|(name, _)| name.eq_ignore_ascii_case("NO_PROXY"));
                Proxies::of(&proxy, spared.map_or("", |(_, spared)| spared))
            }
            None => Proxies::of_environment(&variables),
        }))
    }

    /// Those that the flag or the configuration names.
    fn names(&self, context: &Context) -> Vec<String> {
        let named = if self.relays.is_empty() { &context.settings.config.relays } else { &self.relays };
        named.iter().map(|relay| relay.with_port(PORT)).collect()
    }
}
