//! SIP, authentication and TLS.

use std::path::PathBuf;

use crate::config::{
    schema::section,
    value::{Count, DigestAlgorithm, Span, Until},
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

section! {
    /// Signalling.
    pub struct Sip {
        /// Session interval that is asked for (RFC 4028): a participant that has died leaves the roster after it.
        session_expires: Until<{ 90 * SECOND }, { 24 * HOUR }> = Until::of_millis(30 * MINUTE),
        /// Shortest session interval that is taken from others.
        min_session_expires: Span<{ 90 * SECOND }, HOUR> = Span::of_millis(90 * SECOND),
        /// How long a registration lasts that asks for no time.
        register_expires: Span<{ 10 * SECOND }, { 24 * HOUR }> = Span::of_millis(HOUR),
        /// Shortest registration that is taken; a shorter one is answered 423.
        min_register_expires: Span<SECOND, HOUR> = Span::of_millis(MINUTE),
        /// Longest registration that is granted.
        max_register_expires: Span<{ 10 * SECOND }, { 7 * 24 * HOUR }> = Span::of_millis(2 * HOUR),
        /// Longest subscription that is granted.
        max_subscription: Span<{ 10 * SECOND }, { 24 * HOUR }> = Span::of_millis(HOUR),
    }
}

section! {
    /// Authentication.
    pub struct Auth {
        /// Hashes that digest authentication offers, best first (RFC 8760).
        algorithms: Vec<DigestAlgorithm> = vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        /// How long a nonce can be used.
        nonce_lifetime: Span<{ 10 * SECOND }, { 24 * HOUR }> = Span::of_millis(5 * MINUTE),
        /// Wrong passwords from one address, or for one account, that cost nothing. Each further one doubles the time during which the next
        /// attempt is refused, from one second.
        free_failures: Count<1, 1000> = Count::of(5),
        /// Longest time that an address is refused.
        max_wait: Span<SECOND, { 24 * HOUR }> = Span::of_millis(15 * MINUTE),
        /// Longest time that an account is refused from addresses that it has not come from lately.
        max_account_wait: Span<SECOND, HOUR> = Span::of_millis(30 * SECOND),
    }
}

section! {
    /// Certificates. Without any the daemon makes an authority (ca.pem, which clients are told to trust) and a certificate of it in the
    /// data directory at the first start.
    pub struct Tls {
        /// The certificate, followed by those that lead to its authority, in PEM.
        certificate: Option<PathBuf> = None,
        /// Its private key, in PEM.
        key: Option<PathBuf> = None,
        /// Authorities, in PEM, whose certificates are believed beside our own authority's: of media servers, gateways and peers.
        authorities: Option<PathBuf> = None,
    }
}
