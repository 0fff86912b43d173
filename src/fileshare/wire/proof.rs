//! The transfer key, and how both ends of a connection prove that they have it without saying it.
//!
//! After TLS the FS sends a random nonce (challenge). The terminal answers with a nonce of its own and an HMAC-SHA256 under its transfer
//! key over everything that this connection is for (proof); the FS admits it when that is right, and shows by an HMAC of its own
//! (welcome) that it has the key, too. Over TLS both also cover a value that only the two ends of this very TLS session share (RFC 5705),
//! so that nobody in the middle can pass a proof on.

use std::{fmt, net::SocketAddr, str::FromStr};

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use zeroize::Zeroizing;

use super::packet::{address_bytes, canonical};
use crate::fileshare::{BatchId, ConfId};

/// Label of the TLS exporter (RFC 5705; the prefix is that of labels which are not registered) whose 32 bytes are a [`Binding`].
pub const EXPORTER_LABEL: &[u8] = b"EXPERIMENTAL confkit fileshare 1";

/// Length of a nonce, a proof and a key, in bytes.
pub const LENGTH: usize = 32;
/// A nonce: 32 random bytes, used once.
pub type Nonce = [u8; LENGTH];
/// A proof: HMAC-SHA256.
pub type Mac = [u8; LENGTH];

const TERMINAL: &[u8] = b"confkit fileshare 1 terminal";
const SERVER: &[u8] = b"confkit fileshare 1 server";

/// A member's transfer key: whoever has it may transfer as that member. Wiped when dropped, hidden in Debug, compared in constant time.
#[derive(Clone)]
pub struct TransferKey(Zeroizing<[u8; LENGTH]>);

/// A text that is no transfer key. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transfer key is {LENGTH} bytes in base64url")]
pub struct KeyError;

impl TransferKey {
    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key.
    pub fn random(rng: &mut ChaCha12Rng) -> Self {
        Self(Zeroizing::new(rng.random()))
    }

    /// The key as it stands in SDP and XML: 43 characters of base64url.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }
}

impl FromStr for TransferKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()) {
            Ok(LENGTH) => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(KeyError),
        }
    }
}

impl PartialEq for TransferKey {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_slice(), other.0.as_slice()).is_ok()
    }
}

impl Eq for TransferKey {}

impl fmt::Debug for TransferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferKey(…)")
    }
}

/// What a terminal connects for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// To upload: the sharer.
    Upload = 1,
    /// To download: everybody else.
    Download = 2,
}

impl Role {
    /// The role of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Upload, Self::Download].into_iter().find(|role| *role as u8 == number)
    }
}

/// What ties a proof to its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Plain TCP: nothing does.
    Plain,
    /// TLS: 32 bytes exported under [`EXPORTER_LABEL`] without context.
    Exporter([u8; 32]),
}

impl fmt::Debug for Binding {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Exporter(_) => "Exporter(…)",
        })
    }
}

/// Everything that a proof covers.
#[derive(Debug, Clone)]
pub struct Admission<'a> {
    /// What the terminal connects for.
    pub role: Role,
    /// The data conference.
    pub conf: &'a ConfId,
    /// The batch.
    pub batch: BatchId,
    /// The terminal's address and port as it declared them in SDP or XML.
    pub terminal: SocketAddr,
    /// The nonce of the challenge.
    pub server_nonce: &'a Nonce,
    /// The nonce of the proof.
    pub terminal_nonce: &'a Nonce,
    /// The connection.
    pub binding: Binding,
}

impl Admission<'_> {
    /// What the terminal sends in its proof.
    pub fn terminal_proof(&self, key: &TransferKey) -> Mac {
        self.mac(TERMINAL, key)
    }

    /// What the FS sends in its welcome.
    pub fn server_proof(&self, key: &TransferKey) -> Mac {
        self.mac(SERVER, key)
    }

    /// True where the terminal's proof is right; in constant time.
    pub fn terminal_has(&self, key: &TransferKey, proof: &Mac) -> bool {
        constant_time::verify_slices_are_equal(&self.terminal_proof(key), proof).is_ok()
    }

    /// True where the FS's proof is right; in constant time.
    pub fn server_has(&self, key: &TransferKey, proof: &Mac) -> bool {
        constant_time::verify_slices_are_equal(&self.server_proof(key), proof).is_ok()
    }

    fn mac(&self, label: &[u8], key: &TransferKey) -> Mac {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.0.as_slice());
        let mut context = hmac::Context::with_key(&key);
        let mut field = |bytes: &[u8]| {
            // Lengths before the fields: no two lists of fields are one text.
            context.update(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
            context.update(bytes);
        };
        let terminal = canonical(self.terminal);
        field(label);
        field(&[self.role as u8]);
        field(self.conf.as_str().as_bytes());
        field(&self.batch.0.to_be_bytes());
        field(&address_bytes(terminal.ip()));
        field(&terminal.port().to_be_bytes());
        field(self.server_nonce);
        field(self.terminal_nonce);
        match &self.binding {
            Binding::Plain => field(&[]),
            Binding::Exporter(exported) => field(exported),
        }
        let mut mac = [0; LENGTH];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TransferKey {
        TransferKey::from_bytes(*b"0123456789abcdef0123456789abcdef")
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn nothing_that_is_secret_is_shown() {
        assert_eq!(format!("{:?} {:?} {:?}", key(), Binding::Exporter([7; 32]), Binding::Plain), "TransferKey(…) Exporter(…) Plain");
    }

    #[test]
    fn proofs_are_these_hmacs() {
        let conf = "5f3c".parse().expect("conf");
        let terminal = "192.0.2.7:40000".parse().expect("address");
        let (server_nonce, terminal_nonce) = (&[1; 32], &[2; 32]);
        let plain = Admission {
            role: Role::Upload,
            conf: &conf,
            batch: BatchId(42),
            terminal,
            server_nonce,
            terminal_nonce,
            binding: Binding::Plain,
        };
        let tls = Admission { role: Role::Download, binding: Binding::Exporter([3; 32]), ..plain.clone() };
        // By Python's hmac over the fields as docs/protocols/fileshare.md lists them.
        assert_eq!(hex(&plain.terminal_proof(&key())), PLAIN_TERMINAL);
        assert_eq!(hex(&plain.server_proof(&key())), PLAIN_SERVER);
        assert_eq!(hex(&tls.terminal_proof(&key())), TLS_TERMINAL);
    }

    const PLAIN_TERMINAL: &str = "fd1c3d65e57f4537a92aae4d2f49d7e2958e4ae890592848039b556dd6dbaf4c";
    const PLAIN_SERVER: &str = "205dcb2bff4151099978ac92e88c719c1537a5dc023f19d8855d1f7618d7dbab";
    const TLS_TERMINAL: &str = "3b00468179b43c2dd269bc79686da3afea829db1b40cd0a2a117cec749e2ec31";

    #[test]
    fn a_proof_holds_for_one_key_one_connection_and_one_purpose() {
        let (conf, other_conf) = ("a".parse().expect("conf"), "b".parse().expect("conf"));
        let terminal: SocketAddr = "[2001:db8::7]:40000".parse().expect("address");
        let (one, two) = (&[1; 32], &[2; 32]);
        let admission = Admission {
            role: Role::Download,
            conf: &conf,
            batch: BatchId(42),
            terminal,
            server_nonce: one,
            terminal_nonce: two,
            binding: Binding::Exporter([3; 32]),
        };
        let proof = admission.terminal_proof(&key());
        assert!(admission.terminal_has(&key(), &proof) && admission.server_has(&key(), &admission.server_proof(&key())));
        assert!(!admission.server_has(&key(), &proof), "a terminal's proof cannot be sent back to it");
        for other in [
            Admission { role: Role::Upload, ..admission.clone() },
            Admission { conf: &other_conf, ..admission.clone() },
            Admission { batch: BatchId(43), ..admission.clone() },
            Admission { terminal: SocketAddr::new(terminal.ip(), 40001), ..admission.clone() },
            Admission { terminal: "[2001:db8::8]:40000".parse().expect("address"), ..admission.clone() },
            Admission { server_nonce: two, ..admission.clone() },
            Admission { terminal_nonce: one, ..admission.clone() },
            Admission { binding: Binding::Exporter([4; 32]), ..admission.clone() },
            Admission { binding: Binding::Plain, ..admission.clone() },
        ] {
            assert!(!other.terminal_has(&key(), &proof), "{other:?}");
        }
        assert!(!admission.terminal_has(&TransferKey::from_bytes([0; 32]), &proof));
    }

    #[test]
    fn a_key_reads_as_written_and_shows_nothing() {
        let text = key().reveal();
        assert_eq!(text.as_str(), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY");
        assert!(text.parse() == Ok(key()));
        assert_eq!(format!("{:?}", key()), "TransferKey(…)");
        for odd in ["", "MDEy", &format!("{}=", text.as_str()), &text.replace('M', "+"), &text.repeat(2), &text[..42]] {
            assert_eq!(odd.parse::<TransferKey>(), Err(KeyError), "{odd}");
        }
    }
}
