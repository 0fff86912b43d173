//! The sections of `relayd`'s configuration.

mod conference;
mod files;
mod listen;
mod media;
mod operation;
mod outbound;
mod relay;
mod sip;

use std::path::PathBuf;

pub use conference::Conference;
pub use files::Files;
pub use listen::{HttpListener, Listen, RelayListener, SipListener, is_loopback};
pub use media::Media;
pub use operation::{Limits, Log, Stop, TraceSip};
pub use outbound::{DIRECT, Route, Trunk};
pub use relay::Relay;
pub use sip::{Auth, Sip, Tls};

use super::{
    schema::section,
    value::{Controller, Domain, Realm, Roles},
};
use crate::sip::message::SipUri;

section! {
    /// The configuration of `relayd`.
    pub struct Config {
        /// Parts of the daemon that run in this process.
        roles: Roles = Roles::all(),
        /// Directory for everything that is kept: the store, keys, certificates. Without it: $STATE_DIRECTORY, $XDG_DATA_HOME/confkit, or
        /// ~/.local/share/confkit.
        data_dir: Option<PathBuf> = None,
        /// Domains of our users' addresses, the first one being theirs by default. Addresses listened on, localhost and this list are ours;
        /// callers from elsewhere are guests.
        domains: Vec<Domain> = Vec::new(),
        /// Realm of authentication; without it the first domain, or confkit. It is fixed at the first start, since the stored secrets
        /// depend on it.
        realm: Option<Realm> = None,
        /// Listeners.
        listen: Listen = Listen::default(),
        /// Certificates.
        tls: Tls = Tls::default(),
        /// Signalling.
        sip: Sip = Sip::default(),
        /// Authentication.
        auth: Auth = Auth::default(),
        /// Media.
        media: Media = Media::default(),
        /// Conferences.
        conference: Conference = Conference::default(),
        /// Shared files.
        files: Files = Files::default(),
        /// Relay channels.
        relay: Relay = Relay::default(),
        /// Media servers in other processes, such as sip:ms1.example:5061;transport=tls, for the role as. With none, the role ms of this
        /// process is used. One that is not on this machine is reached by TLS, and its certificate must hold its host's name or ms.invalid.
        media_servers: Vec<SipUri> = Vec::new(),
        /// File servers in other processes, such as sip:fs1.example:5061;transport=tls, for the role as. With none, the role fs of this process is
        /// used, if it runs; else nobody shares. The rules of media_servers hold, with fs.invalid.
        file_servers: Vec<SipUri> = Vec::new(),
        /// Who may control the roles ms and fs of this process from another: a name in a certificate, or an address on loopback. An application
        /// server whose certificate holds the name as.invalid always may.
        controllers: Vec<Controller> = Vec::new(),
        /// Gateways.
        trunks: Vec<Trunk> = Vec::new(),
        /// Ways out to URIs and numbers that are not ours.
        routes: Vec<Route> = vec![Route::direct()],
        /// Bounds.
        limits: Limits = Limits::default(),
        /// Log.
        log: Log = Log::default(),
        /// SIP trace.
        trace_sip: TraceSip = TraceSip::default(),
        /// Stopping.
        stop: Stop = Stop::default(),
    }
}
