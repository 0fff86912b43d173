//! Configuration: one typed value per part, read and checked before anything starts.
//!
//! A configuration is laid in layers: defaults, a YAML file, the environment, flags; of each value it is known which layer it is from. An
//! unknown key is an error that names the key, its line, and the nearest known one. All problems are told at once.
//!
//! | file | what |
//! |---|---|
//! | `parts/` | the sections of `relayd`'s configuration: keys, documentation, types, defaults |
//! | `value/` | the types that values become |
//! | `rules.rs` | what no single value shows to be wrong, such as listening wide without TLS |
//! | `load.rs` | reading `relayd`'s configuration from its sources |
//! | `client.rs` | the configuration of `confctl` and `fshare` |
//! | `layers.rs`, `file.rs` | the layers, and where each value is from |
//! | `locate.rs` | the line that a key stands on |
//! | `schema.rs`, `node.rs` | how a struct becomes a section, and how a value is read |
//! | `reference.rs`, `print.rs` | the reference in `docs/operating.md`, and `print-config` |
//!
//! Out of scope: secrets. No key holds one; keys name files.

mod client;
mod file;
mod layers;
mod load;
mod locate;
mod node;
mod parts;
mod print;
mod reference;
mod rules;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod value;

pub use client::{Accept, CLIENT_VARIABLES, ClientConfig, ClientFlags, ClientSources};
pub use layers::{ConfigError, Effective, Layers, MAX_FILE, Origin, Problem, UnknownVariable, leaves, variable};
pub use load::{ENVIRONMENT_PREFIX, Flag, Loaded, Sources, default_data_dir, load};
pub use node::{Fault, Faults, MAX_FAULTS, Node, Path, Setting, Step};
pub use parts::{
    Auth, Conference, Config, DIRECT, Files, HttpListener, Limits, Listen, Log, Media, Relay, RelayListener, Route, Sip, SipListener, Stop,
    Tls, TraceSip, Trunk, is_loopback,
};
pub use print::print;
pub use reference::reference;
pub use schema::{Key, Kind, nearest};
pub use value::{
    Advertised, Bandwidth, CodecName, Controller, Count, DigestAlgorithm, Domain, LogFormat, MaxSize, PortRange, Realm, RelayAddress, Role,
    Roles, SipTransport, Size, Span, Text, Threads, Until, ValueError,
};
