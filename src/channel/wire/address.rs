//! Where a relay is, as it is told, kept and given: `host:port`, or `tls://host:port` where requests to it come by TLS.

/// What an address begins with where requests come by TLS.
pub const TLS: &str = "tls://";

/// Whether requests come by TLS there, and `host:port`.
pub fn split(address: &str) -> (bool, &str) {
    match address.strip_prefix(TLS) {
        Some(place) => (true, place),
        None => (false, address),
    }
}
