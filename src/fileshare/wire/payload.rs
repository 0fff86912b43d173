//! What the packets other than data hold. Network byte order; what follows the known fields is ignored, so that a payload can grow.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{
    Failure, FailureCode,
    failure::MAX_FAILURE_TEXT,
    packet::{MAX_PAYLOAD, MIN_PAYLOAD, PacketError},
    proof::{Mac, Nonce, Role},
};
use crate::{fileshare::ConfId, transfer::manifest::MAX_ENTRIES};

/// Most files in a trailer: as many as a manifest has entries.
pub const MAX_FILES: u32 = MAX_ENTRIES as u32;
/// A number of bytes that is not known.
const UNKNOWN: u64 = u64::MAX;

/// [`super::Kind::Challenge`]: the nonce that the terminal's proof covers (32 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// Random, used once.
    pub nonce: Nonce,
}

/// [`super::Kind::Proof`]: role (1), nonce (32), proof (32), length of the ConfId (1), ConfId.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What the terminal connects for.
    pub role: Role,
    /// The terminal's own nonce.
    pub nonce: Nonce,
    /// [`super::proof::Admission::terminal_proof`].
    pub proof: Mac,
    /// The data conference.
    pub conf: ConfId,
}

/// [`super::Kind::Welcome`]: proof (32), fixed payload size (4), durable bytes (8), bytes a second (8), heartbeat (2), flags (1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// [`super::proof::Admission::server_proof`].
    pub proof: Mac,
    /// The batch's fixed payload size, in bytes: [`MIN_PAYLOAD`] to [`MAX_PAYLOAD`].
    pub payload_size: u32,
    /// Bytes of the batch that the FS has on disk.
    pub durable: u64,
    /// Most bytes a second that this connection should carry; 0 = no limit.
    pub bytes_per_second: u64,
    /// Seconds without a packet after which each side sends a heartbeat; after three times as many the other is taken for gone. 0: none.
    pub heartbeat_seconds: u16,
    /// The FS has the manifest already; an uploading terminal need not send it.
    pub has_manifest: bool,
}

/// [`super::Kind::Manifest`], the batch header, put together from its parts: fixed payload size (4), bytes (8, all ones = not known),
/// then the manifest as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The batch's fixed payload size, in bytes: that of the welcome.
    pub payload_size: u32,
    /// Bytes of the batch; `None` where not known yet (a stream).
    pub bytes: Option<u64>,
    /// Names, sizes, modes, times, MIME types: what [`crate::fileshare`]'s ends read and write as JSON.
    pub json: Bytes,
}

/// [`super::Kind::Acknowledgement`]: durable bytes (8), flags (1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Bytes of the batch that are on disk.
    pub durable: u64,
    /// All of it is there and the hashes are those of the trailer.
    pub complete: bool,
}

/// [`super::Kind::Trailer`], put together from its parts: bytes (8), data packets (8), flags (1), BLAKE3 of the batch (32), SHA-256 of its
/// byte stream (32, zeros where flag bit 0 is not set), number of files (4), then of each file its size (8) and BLAKE3 (32).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// Bytes of the batch.
    pub bytes: u64,
    /// Data packets of the batch: what the total is, now that it is known.
    pub packets: u64,
    /// BLAKE3 of the batch: [`Trailer::digest_of`] its files.
    pub blake3: [u8; 32],
    /// SHA-256 of the batch's byte stream.
    pub sha256: Option<[u8; 32]>,
    /// Each regular file of the manifest, in its order.
    pub files: Vec<FileHash>,
}

/// One file in a [`Trailer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHash {
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of its content.
    pub blake3: [u8; 32],
}

/// [`super::Kind::Cancel`]: a text for people, UTF-8, at most [`MAX_FAILURE_TEXT`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// Why. As the other side wrote it: not yet safe for a terminal.
    pub reason: String,
}

type Read<T> = Result<T, PacketError>;

/// Reads one kind of payload; what runs short is malformed.
macro_rules! short {
    ($name:literal) => {
        |_| PacketError::Payload($name)
    };
}

impl Challenge {
    /// The payload.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.nonce)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`PacketError::Payload`].
    pub fn read(data: &[u8]) -> Read<Self> {
        data.first_chunk().map(|nonce| Self { nonce: *nonce }).ok_or(PacketError::Payload("challenge"))
    }
}

impl Proof {
    /// The payload.
    pub fn to_bytes(&self) -> Bytes {
        let conf = self.conf.as_str();
        let mut data = BytesMut::new();
        data.put_u8(self.role as u8);
        data.put_slice(&self.nonce);
        data.put_slice(&self.proof);
        // A ConfId has 64 bytes at most.
        data.put_u8(u8::try_from(conf.len()).unwrap_or(0));
        data.put_slice(conf.as_bytes());
        data.freeze()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`PacketError::Payload`].
    pub fn read(mut data: &[u8]) -> Read<Self> {
        let bad = || PacketError::Payload("proof");
        let role = Role::from_number(data.try_get_u8().map_err(short!("proof"))?).ok_or_else(bad)?;
        let (nonce, proof) = (array(&mut data).ok_or_else(bad)?, array(&mut data).ok_or_else(bad)?);
        let length = usize::from(data.try_get_u8().map_err(short!("proof"))?);
        let conf = data.get(..length).and_then(|conf| std::str::from_utf8(conf).ok()).and_then(|conf| conf.parse().ok());
        Ok(Self { role, nonce, proof, conf: conf.ok_or_else(bad)? })
    }
}

impl Welcome {
    /// The payload.
    pub fn to_bytes(&self) -> Bytes {
        let mut data = BytesMut::new();
        data.put_slice(&self.proof);
        data.put_u32(self.payload_size);
        data.put_u64(self.durable);
        data.put_u64(self.bytes_per_second);
        data.put_u16(self.heartbeat_seconds);
        data.put_u8(u8::from(self.has_manifest));
        data.freeze()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`PacketError::Payload`], also for a fixed payload size out of its bounds.
    pub fn read(mut data: &[u8]) -> Read<Self> {
        let short = short!("welcome");
        let proof = array(&mut data).ok_or(PacketError::Payload("welcome"))?;
        Ok(Self {
            proof,
            payload_size: payload_size(data.try_get_u32().map_err(short)?)?,
            durable: data.try_get_u64().map_err(short)?,
            bytes_per_second: data.try_get_u64().map_err(short)?,
            heartbeat_seconds: data.try_get_u16().map_err(short)?,
            has_manifest: data.try_get_u8().map_err(short)? & 1 != 0,
        })
    }
}

impl Manifest {
    /// The whole; [`super::parts::cut`] makes packets of it.
    pub fn to_bytes(&self) -> Bytes {
        let mut data = BytesMut::with_capacity(self.json.len().saturating_add(12));
        data.put_u32(self.payload_size);
        data.put_u64(self.bytes.unwrap_or(UNKNOWN));
        data.put_slice(&self.json);
        data.freeze()
    }

    /// Reads the whole; the JSON is not copied.
    ///
    /// # Errors
    /// [`PacketError::Payload`], also for a fixed payload size out of its bounds.
    pub fn read(mut data: Bytes) -> Read<Self> {
        let short = short!("manifest");
        let payload_size = payload_size(data.try_get_u32().map_err(short)?)?;
        let bytes = Some(data.try_get_u64().map_err(short)?).filter(|bytes| *bytes != UNKNOWN);
        Ok(Self { payload_size, bytes, json: data })
    }
}

impl Acknowledgement {
    /// The payload.
    pub fn to_bytes(&self) -> Bytes {
        let mut data = BytesMut::new();
        data.put_u64(self.durable);
        data.put_u8(u8::from(self.complete));
        data.freeze()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`PacketError::Payload`].
    pub fn read(mut data: &[u8]) -> Read<Self> {
        let short = short!("acknowledgement");
        Ok(Self { durable: data.try_get_u64().map_err(short)?, complete: data.try_get_u8().map_err(short)? & 1 != 0 })
    }
}

impl Trailer {
    /// BLAKE3 of a batch: of one file, that of the file; else of the files' hashes, one behind the other. So nobody digests a byte twice, and
    /// whoever goes on with a batch none that was digested before.
    pub fn digest_of(files: &[FileHash]) -> [u8; 32] {
        if let [only] = files {
            return only.blake3;
        }
        let mut hasher = blake3::Hasher::new();
        for file in files {
            hasher.update(&file.blake3);
        }
        *hasher.finalize().as_bytes()
    }

    /// The whole; [`super::parts::cut`] makes packets of it. Files above [`MAX_FILES`] cannot be said, and no manifest has them.
    pub fn to_bytes(&self) -> Bytes {
        let files = self.files.iter().take(MAX_FILES as usize);
        let mut data = BytesMut::new();
        data.put_u64(self.bytes);
        data.put_u64(self.packets);
        data.put_u8(u8::from(self.sha256.is_some()));
        data.put_slice(&self.blake3);
        data.put_slice(&self.sha256.unwrap_or_default());
        data.put_u32(u32::try_from(files.len()).unwrap_or(MAX_FILES));
        for file in files {
            data.put_u64(file.size);
            data.put_slice(&file.blake3);
        }
        data.freeze()
    }

    /// Reads the whole.
    ///
    /// # Errors
    /// [`PacketError::Payload`], also for more than [`MAX_FILES`] files, or fewer bytes than these take.
    pub fn read(mut data: &[u8]) -> Read<Self> {
        let short = short!("trailer");
        let bad = || PacketError::Payload("trailer");
        let (bytes, packets) = (data.try_get_u64().map_err(short)?, data.try_get_u64().map_err(short)?);
        let has_sha256 = data.try_get_u8().map_err(short)? & 1 != 0;
        let blake3 = array(&mut data).ok_or_else(bad)?;
        let sha256 = Some(array(&mut data).ok_or_else(bad)?).filter(|_| has_sha256);
        let count = data.try_get_u32().map_err(short)?;
        if count > MAX_FILES {
            return Err(bad());
        }
        let file = |_| {
            let size = data.try_get_u64().map_err(short)?;
            Ok(FileHash { size, blake3: array(&mut data).ok_or_else(bad)? })
        };
        Ok(Self { bytes, packets, blake3, sha256, files: (0..count).map(file).collect::<Read<_>>()? })
    }
}

impl Failure {
    /// The payload of [`super::Kind::Error`]: code (2), then the text in UTF-8.
    pub fn to_bytes(&self) -> Bytes {
        let mut data = BytesMut::new();
        data.put_u16(self.code.number());
        data.put_slice(Self::new(self.code, self.text.as_str()).text.as_bytes());
        data.freeze()
    }

    /// Reads a payload. A code that we do not know is [`FailureCode::Failed`]: the text says the rest.
    ///
    /// # Errors
    /// [`PacketError::Payload`], also for a text longer than [`MAX_FAILURE_TEXT`].
    pub fn read(mut data: &[u8]) -> Read<Self> {
        let code = FailureCode::from_number(data.try_get_u16().map_err(short!("error"))?).unwrap_or(FailureCode::Failed);
        Ok(Self { code, text: text(data).ok_or(PacketError::Payload("error"))? })
    }
}

impl Cancel {
    /// The payload.
    pub fn to_bytes(&self) -> Bytes {
        Failure::new(FailureCode::Cancelled, self.reason.as_str()).text.into()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`PacketError::Payload`], also for a text longer than [`MAX_FAILURE_TEXT`].
    pub fn read(data: &[u8]) -> Read<Self> {
        text(data).map(|reason| Self { reason }).ok_or(PacketError::Payload("cancel"))
    }
}

fn text(data: &[u8]) -> Option<String> {
    std::str::from_utf8(data).ok().filter(|text| text.len() <= MAX_FAILURE_TEXT).map(str::to_owned)
}

fn payload_size(size: u32) -> Read<u32> {
    if (MIN_PAYLOAD..=MAX_PAYLOAD).contains(&size) { Ok(size) } else { Err(PacketError::Payload("fixed payload size")) }
}

fn array<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = data.split_first_chunk::<N>()?;
    *data = rest;
    Some(*array)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailer(files: usize) -> Trailer {
        let file = |n| FileHash { size: n as u64, blake3: [n as u8; 32] };
        Trailer { bytes: 5, packets: 1, blake3: [1; 32], sha256: Some([2; 32]), files: (0..files).map(file).collect() }
    }

    #[test]
    fn every_payload_reads_as_written_and_may_grow() {
        let grown = |bytes: Bytes| [&bytes[..], b"more of a later version"].concat();
        let challenge = Challenge { nonce: [9; 32] };
        assert_eq!(Challenge::read(&grown(challenge.to_bytes())), Ok(challenge));
        let proof = Proof { role: Role::Upload, nonce: [1; 32], proof: [2; 32], conf: "5f3c".parse().expect("conf") };
        assert_eq!(Proof::read(&grown(proof.to_bytes())), Ok(proof));
        let welcome = Welcome {
            proof: [1; 32],
            payload_size: MIN_PAYLOAD,
            durable: u64::MAX,
            bytes_per_second: 5,
            heartbeat_seconds: 15,
            has_manifest: true,
        };
        assert_eq!(Welcome::read(&grown(welcome.to_bytes())), Ok(welcome));
        for complete in [true, false] {
            let acknowledgement = Acknowledgement { durable: 7, complete };
            assert_eq!(Acknowledgement::read(&grown(acknowledgement.to_bytes())), Ok(acknowledgement));
        }
        for trailer in [trailer(0), trailer(3), Trailer { sha256: None, ..trailer(1) }] {
            assert_eq!(Trailer::read(&grown(trailer.to_bytes())), Ok(trailer));
        }
        for bytes in [None, Some(0), Some(u64::MAX - 1)] {
            let manifest = Manifest { payload_size: MAX_PAYLOAD, bytes, json: Bytes::from_static(b"{}") };
            assert_eq!(Manifest::read(manifest.to_bytes()), Ok(manifest));
        }
        let failure = Failure::new(FailureCode::NoSpace, "the disk is full");
        assert_eq!(Failure::read(&failure.to_bytes()), Ok(failure));
        let cancel = Cancel { reason: "enough".into() };
        assert_eq!(Cancel::read(&cancel.to_bytes()), Ok(cancel));
    }

    #[test]
    fn every_payload_that_runs_short_is_refused() {
        fn refuses<T: std::fmt::Debug>(whole: &Bytes, read: impl Fn(&[u8]) -> Read<T>) {
            for length in 0..whole.len() {
                assert!(matches!(read(&whole[..length]), Err(PacketError::Payload(_))), "{length} of {}", whole.len());
            }
        }
        refuses(&Challenge { nonce: [9; 32] }.to_bytes(), Challenge::read);
        let proof = Proof { role: Role::Upload, nonce: [1; 32], proof: [2; 32], conf: "5f3c".parse().expect("conf") };
        refuses(&proof.to_bytes(), Proof::read);
        let welcome = Welcome {
            proof: [1; 32],
            payload_size: MIN_PAYLOAD,
            durable: 0,
            bytes_per_second: 0,
            heartbeat_seconds: 0,
            has_manifest: false,
        };
        refuses(&welcome.to_bytes(), Welcome::read);
        refuses(&Acknowledgement { durable: 0, complete: false }.to_bytes(), Acknowledgement::read);
        refuses(&trailer(2).to_bytes(), Trailer::read);
        let empty = Manifest { payload_size: MIN_PAYLOAD, bytes: None, json: Bytes::new() }.to_bytes();
        refuses(&empty, |data| Manifest::read(Bytes::copy_from_slice(data)));
        refuses(&Failure::new(FailureCode::Failed, "").to_bytes(), Failure::read);
    }

    #[test]
    fn odd_payloads_are_refused() {
        let proof = Proof { role: Role::Upload, nonce: [1; 32], proof: [2; 32], conf: "5f3c".parse().expect("conf") }.to_bytes();
        for (at, byte) in [(0, 0), (0, 3), (65, 0), (66, b' '), (66, 0xff)] {
            let mut odd = proof.to_vec();
            odd[at] = byte;
            assert_eq!(Proof::read(&odd), Err(PacketError::Payload("proof")), "byte {at} is {byte}");
        }
        for size in [0, MIN_PAYLOAD - 1, MAX_PAYLOAD + 1, u32::MAX] {
            let manifest = Manifest { payload_size: size, bytes: None, json: Bytes::new() }.to_bytes();
            assert_eq!(Manifest::read(manifest), Err(PacketError::Payload("fixed payload size")));
        }
        let mut many = trailer(1).to_bytes().to_vec();
        many[81..85].copy_from_slice(&(MAX_FILES + 1).to_be_bytes());
        assert_eq!(Trailer::read(&many), Err(PacketError::Payload("trailer")), "not read on, and no memory taken for it");
        assert_eq!(Failure::read(&[0, 1, 0xff]), Err(PacketError::Payload("error")));
        assert_eq!(Cancel::read(&[b'a'; 1025]), Err(PacketError::Payload("cancel")));
        let later = Failure::read(&[0xff, 0xff, b'x']);
        assert_eq!(later, Ok(Failure::new(FailureCode::Failed, "x")), "a code of a later version");
    }
}
