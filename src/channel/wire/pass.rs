//! The *pass*: what the sender hands a receiver, sealed, when it has shown that it knows the code. With it the receiver gets into the channel
//! and opens what comes. (The tickets of accounts are something else.)
//!
//! Bytes, not JSON, so that no copy of a key is left behind in a parser's strings:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version: 1 |
//! | 1 | cipher of the chunks: 1 AES-256-GCM, 2 ChaCha20-Poly1305 |
//! | 16 | transfer |
//! | 8 | channel number |
//! | 32 | channel key |
//! | 32 | content key |
//! | 32 | resume secret of this receiver |
//! | 1, then each: 2 and so many | addresses of the relay, `host:port`, at most [`MAX_ADDRESSES`] of at most [`MAX_ADDRESS`] bytes; the best first |
//! | 1, then each: 1, 4 or 16, 2 | addresses of the sender for direct connections: 4 or 6, the address, the port; at most [`MAX_DIRECT`] |
//!
//! Nothing follows. What a later version adds comes with its number; a version that is not known is refused by name.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use zeroize::Zeroizing;

use super::{
    ChannelKey,
    answer::{MAX_ADDRESS, MAX_ADDRESSES},
};
use crate::{
    channel::{
        ChannelNumber,
        keys::{ContentKey, ResumeSecret},
    },
    transfer::seal::{Cipher, Direction, Stream},
};

/// Most addresses of a sender for direct connections.
pub const MAX_DIRECT: usize = 16;
/// Most bytes of a pass.
pub const MAX_PASS: usize = 124 + MAX_ADDRESSES * (2 + MAX_ADDRESS) + MAX_DIRECT * 19;

const VERSION: u8 = 1;

/// Why bytes are no pass. The peer's fault, who knew the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassError {
    /// Of a version that this program does not know.
    #[error("a pass of version {0}, which needs a newer version of this program")]
    Version(u8),
    /// Not of the form, too short, too long, or out of a bound.
    #[error("malformed pass: {0}")]
    Form(&'static str),
}

/// The name of a transfer, the same in all its attempts. Random; no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub [u8; 16]);

impl TransferId {
    /// A new one.
    pub fn random(rng: &mut ChaCha12Rng) -> Self {
        Self(rng.random())
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that names no transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transfer is 32 hexadecimal digits")]
pub struct TransferIdError;

impl FromStr for TransferId {
    type Err = TransferIdError;

    /// In lower case only, so that one transfer has one name.
    fn from_str(text: &str) -> Result<Self, TransferIdError> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits).ok_or(TransferIdError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// What a receiver needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// What the chunks are sealed by.
    pub cipher: Cipher,
    /// The transfer.
    pub transfer: TransferId,
    /// The channel.
    pub channel: ChannelNumber,
    /// What admits to it.
    pub key: ChannelKey,
    /// What the chunks of this attempt are sealed under, once it is bound to the channel.
    pub content: ContentKey,
    /// What to go on by after a break.
    pub resume: ResumeSecret,
    /// Where the relay is, `host:port` or `tls://host:port`, the best first. At most [`MAX_ADDRESSES`]; none where the relay carries nothing.
    pub relays: Vec<String>,
    /// Where the sender listens. At most [`MAX_DIRECT`].
    pub direct: Vec<SocketAddr>,
}

impl Pass {
    /// As bytes, which are as secret as what they hold.
    ///
    /// # Errors
    /// More addresses than may be, or one that is none: the caller's fault.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, PassError> {
        if self.relays.len() > MAX_ADDRESSES || self.direct.len() > MAX_DIRECT {
            return Err(PassError::Form("too many addresses"));
        }
        // At its final size from the start: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASS));
        bytes.extend_from_slice(&[VERSION, self.cipher.byte()]);
        bytes.extend_from_slice(&self.transfer.0);
        bytes.extend_from_slice(&self.channel.0.to_be_bytes());
        bytes.extend_from_slice(self.key.as_bytes());
        bytes.extend_from_slice(self.content.as_bytes());
        bytes.extend_from_slice(self.resume.as_bytes());
        bytes.push(count(self.relays.len()));
        for relay in &self.relays {
            check_address(relay.as_bytes())?;
            bytes.extend_from_slice(&u16::try_from(relay.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(relay.as_bytes());
        }
        bytes.push(count(self.direct.len()));
        for address in &self.direct {
            match address.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend_from_slice(&ip.octets());
                }
            }
            bytes.extend_from_slice(&address.port().to_be_bytes());
        }
        Ok(bytes)
    }

    /// From bytes.
    ///
    /// # Errors
    /// They are no pass of a version that is known.
    pub fn parse(bytes: &[u8]) -> Result<Self, PassError> {
        if bytes.len() > MAX_PASS {
            return Err(PassError::Form("too long"));
        }
        let mut rest = Rest(bytes);
        let [version] = rest.take()?;
        if version != VERSION {
            return Err(PassError::Version(version));
        }
        let [cipher] = rest.take()?;
        let cipher = Cipher::from_byte(cipher).ok_or(PassError::Form("a cipher that is not known"))?;
        let transfer = TransferId(rest.take()?);
        let channel = ChannelNumber(u64::from_be_bytes(rest.take()?));
        let key = ChannelKey::from_bytes(rest.take()?);
        let content = ContentKey::from_bytes(rest.take()?);
        let resume = ResumeSecret::from_bytes(rest.take()?);
        let relays = rest.list(MAX_ADDRESSES, |rest| {
            let address = rest.take().map(u16::from_be_bytes).and_then(|length| rest.bytes(length.into()))?;
            check_address(address)?;
            Ok(String::from_utf8_lossy(address).into_owned())
        })?;
        let direct = rest.list(MAX_DIRECT, |rest| {
            let ip = match rest.take()? {
                [4] => IpAddr::V4(Ipv4Addr::from(rest.take::<4>()?)),
                [6] => IpAddr::V6(Ipv6Addr::from(rest.take::<16>()?)),
                _ => return Err(PassError::Form("an address that is neither IPv4 nor IPv6")),
            };
            Ok(SocketAddr::new(ip, u16::from_be_bytes(rest.take()?)))
        })?;
        if !rest.0.is_empty() {
            return Err(PassError::Form("something behind its end"));
        }
        Ok(Self { cipher, transfer, channel, key, content, resume, relays, direct })
    }

    /// The stream that the chunks of this attempt are sealed in.
    pub fn chunks(&self) -> Stream {
        Stream { cipher: self.cipher, direction: Direction::FromOfferer, transfer: self.transfer.0.to_vec(), file: 0, epoch: 0 }
    }
}

fn count(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// Whether it could be one; whether it is, shows when it is called.
fn check_address(address: &[u8]) -> Result<(), PassError> {
    let fit = (1..=MAX_ADDRESS).contains(&address.len()) && address.iter().all(u8::is_ascii_graphic);
    if fit { Ok(()) } else { Err(PassError::Form("an address of the relay that is none")) }
}

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], PassError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(PassError::Form("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PassError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(PassError::Form("cut short"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn list<T>(&mut self, most: usize, one: impl Fn(&mut Self) -> Result<T, PassError>) -> Result<Vec<T>, PassError> {
        let [count] = self.take()?;
        if usize::from(count) > most {
            return Err(PassError::Form("too many addresses"));
        }
        (0..count).map(|_| one(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass() -> Pass {
        Pass {
            cipher: Cipher::Aes256Gcm,
            transfer: TransferId([1; 16]),
            channel: ChannelNumber(0x0203),
            key: ChannelKey::from_bytes([4; 32]),
            content: ContentKey::from_bytes([5; 32]),
            resume: ResumeSecret::from_bytes([6; 32]),
            relays: vec!["relay.example:7070".to_owned(), "[::1]:7070".to_owned()],
            direct: vec!["192.0.2.1:4000".parse().expect("an address"), "[2001:db8::1]:5000".parse().expect("one")],
        }
    }

    fn bytes(pass: &Pass) -> Vec<u8> {
        pass.to_bytes().expect("a pass").to_vec()
    }

    #[test]
    fn a_pass_is_these_bytes() {
        let hex: String = bytes(&pass()).iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = [
            "0101",
            &"01".repeat(16),
            "0000000000000203",
            &"04".repeat(32),
            &"05".repeat(32),
            &"06".repeat(32),
            "02",
            "001272656c61792e6578616d706c653a37303730",
            "000a5b3a3a315d3a37303730",
            "02",
            "04c00002010fa0",
            "0620010db80000000000000000000000011388",
        ];
        assert_eq!(hex, expected.concat());
    }

    #[test]
    fn a_pass_is_read_as_it_was_written() {
        let least = Pass { cipher: Cipher::ChaCha20Poly1305, relays: Vec::new(), direct: Vec::new(), ..pass() };
        let most = Pass { relays: vec!["a".repeat(MAX_ADDRESS); MAX_ADDRESSES], direct: vec![pass().direct[1]; MAX_DIRECT], ..pass() };
        assert_eq!(bytes(&most).len(), MAX_PASS);
        for pass in [pass(), least, most] {
            assert_eq!(Pass::parse(&bytes(&pass)), Ok(pass));
        }
    }

    #[test]
    fn what_is_cut_lengthened_or_out_of_bounds_is_no_pass() {
        let sound = bytes(&pass());
        for length in 0..sound.len() {
            assert_eq!(Pass::parse(&sound[..length]), Err(PassError::Form("cut short")), "{length}");
        }
        let with = |at: usize, byte: u8| [&sound[..at], &[byte], &sound[at + 1..]].concat();
        let relays = 2 + 16 + 8 + 3 * 32;
        for (bytes, why) in [
            ([sound.as_slice(), &[0]].concat(), PassError::Form("something behind its end")),
            (vec![1; MAX_PASS + 1], PassError::Form("too long")),
            (with(0, 2), PassError::Version(2)),
            (with(1, 3), PassError::Form("a cipher that is not known")),
            (with(relays, 9), PassError::Form("too many addresses")),
            (with(relays + 1, 0xff), PassError::Form("cut short")),
            (with(relays + 2, 0), PassError::Form("an address of the relay that is none")),
            (with(relays + 3, b' '), PassError::Form("an address of the relay that is none")),
            (with(relays + 33, 17), PassError::Form("too many addresses")),
            (with(relays + 34, 5), PassError::Form("an address that is neither IPv4 nor IPv6")),
        ] {
            assert_eq!(Pass::parse(&bytes), Err(why));
        }
    }

    #[test]
    fn addresses_that_would_not_be_read_are_not_written_and_no_key_is_shown() {
        for relays in [vec!["a".to_owned(); MAX_ADDRESSES + 1], vec![String::new()], vec!["a\nb".to_owned()], vec!["ä".to_owned()]] {
            assert!(Pass { relays, ..pass() }.to_bytes().is_err());
        }
        assert!(Pass { direct: vec![pass().direct[0]; MAX_DIRECT + 1], ..pass() }.to_bytes().is_err());
        let shown = format!("{:?}", pass());
        assert!(shown.contains("ChannelKey(…), content: ContentKey(…), resume: ResumeSecret(…)"), "{shown}");
    }
}
