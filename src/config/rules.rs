//! What no single value shows to be wrong: rules between the parts of a configuration.

use std::collections::BTreeSet;

use super::{
    Config, SipListener,
    node::{Faults, Path},
    parts::{DIRECT, is_loopback},
    value::{Role, SipTransport},
};
use crate::sip::message::SipUri;

/// Notes what does not fit together.
pub fn check(config: &Config, faults: &mut Faults) {
    listeners(config, faults);
    tls(config, faults);
    times(config, faults);
    media_servers(config, faults);
    files(config, faults);
    relay(config, faults);
    outbound(config, faults);
}

/// Listening wider than this machine needs TLS, or the word that it may be plain, listener by listener.
fn listeners(config: &Config, faults: &mut Faults) {
    let sip = Path::of_keys("listen.sip");
    for (index, listener) in config.listen.sip.iter().enumerate() {
        let SipListener { transport, address, allow_plain, .. } = *listener;
        if listener.is_plain() && !allow_plain && !is_loopback(address) {
            let word = if transport == SipTransport::Udp { "udp" } else { "tcp" };
            faults.add(
                &sip.index(index).key("address"),
                format!(
                    "{word} on {address} can be read by others on the way: use tls, or listen on 127.0.0.1, or set allow_plain: true for it"
                ),
            );
        }
        // A wildcard is nobody's address: what would peers be told in Via and Contact?
        let told = |other: &SipListener| other.transport == transport && other.advertise.is_some();
        if address.ip().to_canonical().is_unspecified() && !config.listen.sip.iter().any(told) {
            faults.add(
                &sip.index(index).key("advertise"),
                format!(
                    "is needed, since peers cannot be told {}: set it to the host that they reach this listener by, such as \
                     advertise: conf.example, or listen on one address",
                    address.ip()
                ),
            );
        }
        let twice = config.listen.sip.iter().take(index).any(|other| other.transport == transport && other.address == address);
        if twice && address.port() != 0 {
            faults.add(&sip.index(index), "is listed twice");
        }
    }
    for (index, listener) in config.listen.http.iter().enumerate() {
        if !listener.tls && !listener.allow_plain && !is_loopback(listener.address) {
            faults.add(
                &Path::of_keys("listen.http").index(index).key("address"),
                format!(
                    "http on {} can be read by others on the way: set tls: true, or listen on 127.0.0.1, or set allow_plain: true for it",
                    listener.address
                ),
            );
        }
    }
    for (index, listener) in config.listen.relay.iter().enumerate() {
        if config.roles.has(Role::Relay) && !listener.tls && !listener.allow_plain && !is_loopback(listener.address) {
            faults.add(
                &Path::of_keys("listen.relay").index(index).key("address"),
                format!(
                    "who applies for relay channels on {} can be read by others on the way, though not what is sent: set tls: true, or listen on \
                     127.0.0.1, or set allow_plain: true for it",
                    listener.address
                ),
            );
        }
    }
    if config.listen.sip.is_empty() {
        faults.add(&sip, "has no listener: nobody could call");
    }
}

fn tls(config: &Config, faults: &mut Faults) {
    let at = Path::of_keys("tls");
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => faults.add(&at.key("certificate"), "needs its private key: give tls.key, too"),
        (None, Some(_)) => faults.add(&at.key("key"), "needs its certificate: give tls.certificate, too"),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn times(config: &Config, faults: &mut Faults) {
    let (sip, at) = (&config.sip, Path::of_keys("sip"));
    if sip.session_expires.get().is_some_and(|asked| asked < sip.min_session_expires.get()) {
        faults.add(&at.key("session_expires"), "is shorter than sip.min_session_expires");
    }
    if sip.min_register_expires.get() > sip.max_register_expires.get() {
        faults.add(&at.key("min_register_expires"), "is longer than sip.max_register_expires");
    }
    if !(sip.min_register_expires.get()..=sip.max_register_expires.get()).contains(&sip.register_expires.get()) {
        faults.add(&at.key("register_expires"), "does not lie between sip.min_register_expires and sip.max_register_expires");
    }
    if config.conference.media_server_probe.get() >= config.conference.media_server_timeout.get() {
        faults.add(&Path::of_keys("conference.media_server_probe"), "is not shorter than conference.media_server_timeout");
    }
    for (list, empty) in [("media.codecs", config.media.codecs.is_empty()), ("auth.algorithms", config.auth.algorithms.is_empty())] {
        if empty {
            faults.add(&Path::of_keys(list), "names nothing");
        }
    }
}

/// Between hosts `as` reaches `ms` and `fs` by mutual TLS; without TLS only on loopback.
fn media_servers(config: &Config, faults: &mut Faults) {
    for (key, uris) in [("media_servers", &config.media_servers), ("file_servers", &config.file_servers)] {
        let at = Path::of_keys(key);
        for (index, uri) in uris.iter().enumerate() {
            if !is_tls(uri) && !uri.host.ip().is_some_and(|ip| ip.is_loopback()) {
                faults.add(&at.index(index), "is not on this machine: add ;transport=tls");
            }
        }
    }
    if config.roles.has(Role::Ms) && config.roles.has(Role::Fs) && !config.roles.has(Role::As) {
        faults.add(&Path::of_keys("roles"), "the roles ms and fs without as need a process, and listeners, each");
    }
    if config.roles.has(Role::As) && !config.roles.has(Role::Ms) && config.media_servers.is_empty() {
        faults.add(&Path::of_keys("roles"), "the role as needs a media server: name one under media_servers, or run the role ms, too");
    }
}

/// Files without TLS can be read on the way: only on this machine, unless somebody says so. And what SDP names has to be somewhere.
fn files(config: &Config, faults: &mut Faults) {
    let files = &config.files;
    let wide = if files.addresses.is_empty() {
        config.listen.sip.iter().any(|listener| !is_loopback(listener.address))
    } else {
        files.addresses.iter().chain(&files.advertise).any(|ip| !ip.to_canonical().is_loopback())
    };
    if config.roles.has(Role::Fs) && !files.tls && !files.allow_plain && wide {
        let what = "is off, and files can be read by others on the way: turn it on, or set files.addresses: [127.0.0.1], or files.allow_plain: true";
        faults.add(&Path::of_keys("files.tls"), what);
    }
    for (index, _) in files.advertise.iter().enumerate().filter(|(_, ip)| ip.is_unspecified()) {
        faults.add(&Path::of_keys("files.advertise").index(index), "is no address that terminals can connect to: name the gateway's");
    }
}

/// What terminals are told of the relay has to be true of a listener.
fn relay(config: &Config, faults: &mut Faults) {
    if !config.roles.has(Role::Relay) {
        return;
    }
    for (index, told) in config.relay.advertise.iter().enumerate() {
        if !config.listen.relay.iter().any(|listener| listener.tls == told.tls) {
            let what = if told.tls {
                "names TLS, and no listener of listen.relay has tls: true".to_owned()
            } else {
                format!("names no TLS, and every listener of listen.relay has it: say tls://{told}")
            };
            faults.add(&Path::of_keys("relay.advertise").index(index), what);
        }
    }
}

fn outbound(config: &Config, faults: &mut Faults) {
    let mut names = BTreeSet::from([DIRECT]);
    for (index, trunk) in config.trunks.iter().enumerate() {
        let at = Path::of_keys("trunks").index(index);
        if !names.insert(&trunk.name.0) {
            faults.add(&at.key("name"), format!("\"{}\" is taken", trunk.name));
        }
        if trunk.username.is_some() != trunk.password_file.is_some() {
            faults.add(&at, "has only one of username and password_file");
        }
    }
    for (index, route) in config.routes.iter().enumerate() {
        let at = Path::of_keys("routes").index(index);
        if !names.contains(route.trunk.0.as_str()) {
            faults.add(&at.key("trunk"), format!("there is no trunk \"{}\"", route.trunk));
        } else if route.trunk.0 == DIRECT && !route.pattern.is_for_addresses() {
            faults.add(&at.key("pattern"), "a number alone names no host to go to: name a trunk");
        }
    }
}

/// True if a URI is reached by TLS.
pub(crate) fn is_tls(uri: &SipUri) -> bool {
    uri.secure || uri.param("transport").is_some_and(|transport| transport.eq_ignore_ascii_case("tls"))
}
