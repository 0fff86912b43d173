//! The keys of a channel's two ends, and what each is made from. The relay has none of them.
//!
//! | key | from | salt of HKDF-SHA256 | info |
//! |---|---|---|---|
//! | pairwise key | what the exchange gives ([`super::pake`]) | `confkit relay pairwise v1` | each part of what was said, behind its length (8 bytes) |
//! | · to seal letters | pairwise key | `confkit relay letters v1` | – |
//! | · to prove on direct connections | pairwise key | `confkit relay direct v1` | – |
//! | to seal chunks | content key, drawn by the sender for each attempt | `confkit relay content v1` | channel number (8 bytes) ‖ channel key |
//! | place to go on | resume secret, drawn by the sender for each receiver | `confkit relay resume v1` | `place` |
//! | password to go on | resume secret | `confkit relay resume v1` | `password` |
//!
//! Numbers are big-endian. Subkeys, nonces and associated data of what is sealed are those of [`crate::transfer::seal`]. Every type here shows
//! nothing in Debug and is wiped when dropped. The channel key and its proof, which are the relay's, are in [`super::wire::proof`].

use std::fmt;

use aws_lc_rs::{constant_time, hkdf, hmac};
use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use zeroize::Zeroizing;

use super::{
    id::{ChannelNumber, PLACE_LEN, Place},
    wire::{ChannelKey, Role, direct::Call, proof::Proof},
};
use crate::transfer::seal::{KEY_LEN, TransferKey};

const PAIRWISE: &[u8] = b"confkit relay pairwise v1";
const LETTERS: &[u8] = b"confkit relay letters v1";
const DIRECT: &[u8] = b"confkit relay direct v1";
const CONTENT: &[u8] = b"confkit relay content v1";
const RESUME: &[u8] = b"confkit relay resume v1";
/// What a proof on a direct connection begins with.
const DIRECT_PROOF: &[u8] = b"confkit direct proof v1";

/// A type around secret bytes.
macro_rules! secret {
    ($name:ident) => {
        impl $name {
            /// The secret of these bytes.
            pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
                Self(Zeroizing::new(bytes))
            }

            /// A new one.
            pub fn random(rng: &mut ChaCha12Rng) -> Self {
                Self(Zeroizing::new(rng.random()))
            }

            /// The bytes, to be kept or handed over.
            pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
                &self.0
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                constant_time::verify_slices_are_equal(self.0.as_slice(), other.0.as_slice()).is_ok()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

/// The key that two ends have of each other after an exchange.
#[derive(Clone)]
pub struct Pairwise(Zeroizing<[u8; KEY_LEN]>);

impl Pairwise {
    /// From what an exchange gave, and everything that was said in it: whoever heard other words has another key.
    pub fn new(agreed: &[u8], said: &[&[u8]]) -> Self {
        let mut info = Vec::new();
        for part in said {
            info.extend_from_slice(&(part.len() as u64).to_be_bytes());
            info.extend_from_slice(part);
        }
        Self(derive(PAIRWISE, agreed, &[&info]))
    }

    /// The bytes, to be looked for where they must not be: nothing hands them over.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// What seals letters between the two, a stream each way.
    pub fn letters(&self) -> TransferKey {
        TransferKey::new(*derive(LETTERS, self.0.as_slice(), &[]))
    }

    /// The proof of this key by `role`, on a connection between the two that the relay has no part in: HMAC-SHA256 over `confkit direct proof v1` ‖
    /// the challenge of who was called ‖ that of the caller ‖ a byte each: the caller's role, that of who proves, the index of the data connection.
    /// As either may call the other, and both at once, a proof says who has: it is good on no connection that was made the other way.
    pub fn prove(&self, call: &Call, role: Role) -> Proof {
        let key = derive::<KEY_LEN>(DIRECT, self.0.as_slice(), &[]);
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()));
        context.update(DIRECT_PROOF);
        context.update(&call.hello);
        context.update(&call.claim);
        context.update(&[call.caller as u8, role as u8, call.stream]);
        let mut bytes = [0; KEY_LEN];
        bytes.copy_from_slice(context.sign().as_ref());
        Proof::from_bytes(bytes)
    }

    /// True where a proof of the other end is right; in constant time.
    pub fn verify(&self, call: &Call, role: Role, proof: &Proof) -> bool {
        self.prove(call, role) == *proof
    }
}

impl fmt::Debug for Pairwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pairwise(…)")
    }
}

/// What chunks are sealed with, before it is bound to a channel. Drawn by the sender **for each attempt**: indices begin at 0 again, and no
/// nonce may come twice.
#[derive(Clone)]
pub struct ContentKey(Zeroizing<[u8; KEY_LEN]>);

secret!(ContentKey);

impl ContentKey {
    /// What seals the chunks that go through a channel.
    pub fn bind(&self, channel: ChannelNumber, key: &ChannelKey) -> TransferKey {
        TransferKey::new(*derive(CONTENT, self.0.as_slice(), &[&channel.0.to_be_bytes(), key.as_bytes()]))
    }
}

/// What sender and receiver keep to find and know each other again after a break, each in its record (0600).
#[derive(Clone)]
pub struct ResumeSecret(Zeroizing<[u8; KEY_LEN]>);

secret!(ResumeSecret);

impl ResumeSecret {
    /// Where the two meet. The relay learns it, and by it nothing of the secret.
    pub fn place(&self) -> Place {
        let mut place = [0; PLACE_LEN];
        place.copy_from_slice(self.derived(b"place").as_slice());
        Place::Secret(place)
    }

    /// The password of their exchange there.
    pub(super) fn password(&self) -> Zeroizing<[u8; KEY_LEN]> {
        self.derived(b"password")
    }

    fn derived(&self, what: &[u8]) -> Zeroizing<[u8; KEY_LEN]> {
        derive(RESUME, self.0.as_slice(), &[what])
    }
}

/// So many bytes of HKDF-SHA256 (RFC 5869).
pub(super) fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    struct Length(usize);

    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }

    let mut out = Zeroizing::new([0; N]);
    // Fails only for outputs over 255 hash lengths.
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length(N))
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .expect("HKDF gives so few bytes");
    out
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The receiver has called.
    fn call(stream: u8) -> Call {
        Call { caller: Role::Receiver, hello: [2; 32], claim: [6; 32], stream }
    }

    #[test]
    fn the_schedule_is_that_of_the_page_byte_for_byte() {
        let pairwise = Pairwise::new(&[1; 16], &[b"place", b"one", b"two"]);
        assert_eq!(hex(pairwise.0.as_slice()), PAIRWISE_KEY);
        assert_eq!(pairwise.letters().shown(), LETTERS_KEY);
        assert_eq!(hex(pairwise.prove(&call(3), Role::Receiver).as_bytes()), DIRECT_HMAC);
        let content = ContentKey::from_bytes([3; 32]).bind(ChannelNumber(0x0102), &ChannelKey::from_bytes([4; 32]));
        assert_eq!(content.shown(), CONTENT_KEY);
        let resume = ResumeSecret::from_bytes([5; 32]);
        assert_eq!(resume.place(), Place::Secret(PLACE));
        assert_eq!(hex(resume.password().as_slice()), PASSWORD);
    }

    // By Python's hmac over the table of this module.
    const PAIRWISE_KEY: &str = "0e1f90f974dd570831c6d46a75c49634194d8dfe7c19a5f1ab3f840d44eb8b98";
    const LETTERS_KEY: &str = "13ffe184cbb1631e98a44a6d18483983bb12397819c6d65fe9bf107af887cea1";
    const DIRECT_HMAC: &str = "e69b4655122e54d30b40ebfb41761414ea616bb0a3fac5afa747c8376e3c05e1";
    const CONTENT_KEY: &str = "608896d27f775b456d328b13654d9fd0c60f3398f8df9d5d3b9d22d457fce9fb";
    const PLACE: [u8; 32] = [
        226, 56, 205, 38, 207, 111, 176, 19, 103, 31, 235, 52, 208, 126, 183, 16, 159, 96, 57, 244, 0, 28, 63, 146, 216, 118, 95, 252, 165,
        49, 182, 185,
    ];
    const PASSWORD: &str = "b926bb1adc0cd0d5b6699c78dea19e7c854234a8f513621c85a375b8657aa788";

    #[test]
    fn hkdf_is_that_of_rfc_5869() {
        // Appendix A.1 and A.2.
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let salt: Vec<u8> = (0..=0x0c).collect();
        assert_eq!(
            hex(derive::<42>(&salt, &[0x0b; 22], &[&info]).as_slice()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
        let (secret, salt, info): (Vec<u8>, Vec<u8>, Vec<u8>) = ((0..=0x4f).collect(), (0x60..=0xaf).collect(), (0xb0..=0xff).collect());
        assert_eq!(
            hex(derive::<82>(&salt, &secret, &[&info]).as_slice()),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71\
             cc30c58179ec3e87c14c01d5c1f3434f1d87"
        );
    }

    #[test]
    fn a_content_key_is_another_in_another_channel() {
        let content = ContentKey::random(&mut ChaCha12Rng::from_seed([1; 32]));
        let bound = |channel, key| content.bind(ChannelNumber(channel), &ChannelKey::from_bytes([key; 32])).shown();
        assert_eq!(bound(1, 1), bound(1, 1));
        assert_ne!(bound(1, 1), bound(2, 1));
        assert_ne!(bound(1, 1), bound(1, 2));
    }

    #[test]
    fn a_direct_proof_holds_for_one_call_one_end_and_one_connection() {
        let (pairwise, other) = (Pairwise::new(&[1; 16], &[]), Pairwise::new(&[2; 16], &[]));
        let proof = pairwise.prove(&call(0), Role::Receiver);
        assert!(pairwise.verify(&call(0), Role::Receiver, &proof));
        assert!(!pairwise.verify(&Call { hello: [3; 32], ..call(0) }, Role::Receiver, &proof));
        assert!(!pairwise.verify(&Call { claim: [3; 32], ..call(0) }, Role::Receiver, &proof));
        assert!(!pairwise.verify(&Call { hello: [6; 32], claim: [2; 32], ..call(0) }, Role::Receiver, &proof), "turned round");
        assert!(!pairwise.verify(&Call { caller: Role::Sender, ..call(0) }, Role::Receiver, &proof), "of a call the other way");
        assert!(!pairwise.verify(&call(0), Role::Sender, &proof), "reflected");
        assert!(!pairwise.verify(&call(1), Role::Receiver, &proof));
        assert!(!other.verify(&call(0), Role::Receiver, &proof));
    }

    #[test]
    fn parts_of_what_was_said_do_not_run_into_each_other_and_no_key_is_shown() {
        let of = |said: &[&[u8]]| Pairwise::new(&[1; 16], said).letters().shown();
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab"]), of(&[b"ab", b""]));
        let mut rng = ChaCha12Rng::from_seed([1; 32]);
        let shown = format!("{:?} {:?} {:?}", Pairwise::new(&[], &[]), ContentKey::random(&mut rng), ResumeSecret::random(&mut rng));
        assert_eq!(shown, "Pairwise(…) ContentKey(…) ResumeSecret(…)");
    }
}
