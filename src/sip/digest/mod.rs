//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760): SHA-256 before MD5, `qop=auth`, stale nonces, nonce counts.
//!
//! | file | what |
//! |---|---|
//! | `hash` | algorithms, H(A1) and the response itself |
//! | `wire` | challenges and answers to them, text ⇄ values |
//! | `credentials` | the client: answers the challenges of a 401 or 407 |
//! | `verifier` | the server: challenges, and judges the answers |
//! | `nonce` | nonces that prove themselves, and the counts seen of each |
//!
//! Out of scope: `-sess` algorithms and SHA-512/256 (nobody among the clients seen has them), `userhash`, mutual
//! authentication (`Authentication-Info`).

mod credentials;
mod hash;
mod nonce;
#[cfg(test)]
mod tests;
mod verifier;
mod wire;

pub use credentials::{Client, Credentials, Refused};
pub use hash::{Algorithm, Ha1};
pub use verifier::{Denied, Server, ServerConfig, Verdict};
pub use wire::{Answer, Challenge, DigestError, Proof, Qop};
