use super::*;

fn stream() -> Stream {
    Stream { cipher: Cipher::Aes256Gcm, direction: Direction::FromOfferer, transfer: b"t1".to_vec(), file: 0, epoch: 0 }
}

fn key() -> TransferKey {
    TransferKey::new([7; KEY_LEN])
}

fn sealed(stream: &Stream, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut sealer = Sealer::new(&key(), stream);
    let seal = |(at, chunk): (usize, &&[u8])| {
        let mut bytes = chunk.to_vec();
        sealer.seal(&mut bytes, at + 1 == chunks.len()).expect("seals");
        bytes
    };
    chunks.iter().enumerate().map(seal).collect()
}

#[test]
fn a_stream_opens_in_order_and_knows_its_end() {
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        let stream = Stream { cipher, ..stream() };
        let chunks: [&[u8]; 3] = [b"one", b"", b"three"];
        let mut opener = Opener::new(&key(), &stream);
        for (at, mut chunk) in sealed(&stream, &chunks).into_iter().enumerate() {
            assert!(!opener.is_complete());
            assert_eq!(opener.open(&mut chunk, at == 2).expect("opens"), chunks[at]);
        }
        assert!(opener.is_complete());
        assert_eq!(opener.open(&mut [0; 20], false), Err(SealError::BehindLast));
    }
}

#[test]
fn chunks_are_neither_moved_nor_cut_nor_repeated_nor_taken_for_the_last() {
    let all = sealed(&stream(), &[b"same", b"same", b"same"]);
    let opens = |at: usize, last: bool| Opener::new(&key(), &stream()).open(&mut all[at].clone(), last).is_ok();
    assert_eq!([opens(0, false), opens(1, false), opens(2, true), opens(0, true)], [true, false, false, false]);
    let mut opener = Opener::new(&key(), &stream());
    opener.open(&mut all[0].clone(), false).expect("the first");
    assert_eq!(opener.open(&mut all[0].clone(), false), Err(SealError::Forged), "repeated");
    assert_eq!(opener.open(&mut all[1].clone()[..10], false), Err(SealError::Forged), "cut");
    assert_eq!(opener.open(&mut [0; 3], false), Err(SealError::Forged), "shorter than a tag");
    for bit in 0..all[1].len() * 8 {
        let mut changed = all[1].clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opener.open(&mut changed, false), Err(SealError::Forged), "bit {bit}");
    }
    opener.open(&mut all[1].clone(), false).expect("nothing has moved by what did not open");
}

#[test]
fn a_stream_opens_neither_as_another_nor_under_another_key() {
    let chunk = &sealed(&stream(), &[b"secret"])[0];
    let others = [
        Stream { direction: Direction::ToOfferer, ..stream() },
        Stream { transfer: b"t2".to_vec(), ..stream() },
        Stream { file: 1, ..stream() },
        Stream { epoch: 1, ..stream() },
        Stream { cipher: Cipher::ChaCha20Poly1305, ..stream() },
    ];
    for other in &others {
        assert_eq!(Opener::new(&key(), other).open(&mut chunk.clone(), true), Err(SealError::Forged), "{other:?}");
        assert_ne!(sealed(other, &[b"secret"])[0], *chunk, "{other:?}");
    }
    let foreign = TransferKey::new([8; KEY_LEN]);
    assert!(Opener::new(&foreign, &stream()).open(&mut chunk.clone(), true).is_err());
}

#[test]
fn a_chunk_over_the_bound_is_not_sealed_and_no_secret_is_shown() {
    let mut sealer = Sealer::new(&key(), &stream());
    assert_eq!(sealer.seal(&mut vec![0; MAX_CHUNK + 1], false), Err(SealError::TooLarge));
    assert_eq!((sealer.count(), format!("{:?} {sealer:?}", key())), (0, "TransferKey(…) Sealer(epoch 0, chunk 0)".to_owned()));
}

fn sealed_at(stream: &Stream, index: u64, flags: u8, plain: &[u8]) -> Vec<u8> {
    let mut chunk = [plain, &[0xee; TAG_LEN]].concat();
    ChunkSealer::new(&key(), stream).seal_at(index, flags, &mut chunk).expect("seals");
    chunk
}

#[test]
fn chunks_by_index_open_in_any_order_and_are_those_of_the_ordered_stream() {
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        let stream = Stream { cipher, ..stream() };
        let chunks: [&[u8]; 3] = [b"one", b"", b"three"];
        let ordered = sealed(&stream, &chunks);
        let opener = ChunkOpener::new(&key(), &stream);
        for at in [2, 0, 1, 0] {
            let flags = if at == 2 { LAST } else { 0 };
            let mut chunk = sealed_at(&stream, at as u64, flags, chunks[at]);
            assert_eq!(chunk, ordered[at], "one seal, not two");
            assert_eq!(opener.open_at(at as u64, flags, &mut chunk).expect("opens"), chunks[at]);
        }
    }
}

#[test]
fn a_chunk_opens_at_its_index_with_its_flags_and_whole_only() {
    let all = [0, LAST, 2, LAST | 2, 0x80];
    let opener = ChunkOpener::new(&key(), &stream());
    for flags in all {
        let chunk = sealed_at(&stream(), 5, flags, b"some bytes");
        for index in [0, 4, 5, 6, 5 << 8, 5 << 32] {
            for told in all {
                let opens = opener.open_at(index, told, &mut chunk.clone()).is_ok();
                assert_eq!(opens, index == 5 && told == flags, "{index} {told} for 5 {flags}");
            }
        }
        for len in 0..chunk.len() {
            assert_eq!(opener.open_at(5, flags, &mut chunk[..len].to_vec()), Err(SealError::Forged), "cut to {len}");
        }
        for bit in 0..chunk.len() * 8 {
            let mut changed = chunk.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opener.open_at(5, flags, &mut changed), Err(SealError::Forged), "bit {bit}");
        }
        let longer = [chunk.as_slice(), &[0]].concat();
        assert_eq!(opener.open_at(5, flags, &mut longer.clone()), Err(SealError::Forged), "lengthened");
    }
}

#[test]
fn a_chunk_of_another_stream_or_key_does_not_open_by_index() {
    let chunk = sealed_at(&stream(), 1, LAST, b"secret");
    for other in [
        Stream { direction: Direction::ToOfferer, ..stream() },
        Stream { transfer: b"t2".to_vec(), ..stream() },
        Stream { file: 1, ..stream() },
        Stream { epoch: 1, ..stream() },
        Stream { cipher: Cipher::ChaCha20Poly1305, ..stream() },
    ] {
        assert_eq!(ChunkOpener::new(&key(), &other).open_at(1, LAST, &mut chunk.clone()), Err(SealError::Forged), "{other:?}");
    }
    let foreign = TransferKey::new([8; KEY_LEN]);
    assert_eq!(ChunkOpener::new(&foreign, &stream()).open_at(1, LAST, &mut chunk.clone()), Err(SealError::Forged));
}

#[test]
fn bounds_hold_by_index_too_and_leave_the_chunk_as_it_was() {
    let sealer = ChunkSealer::new(&key(), &stream());
    for (index, len, why) in [
        (0, MAX_CHUNK + TAG_LEN + 1, SealError::TooLarge),
        (MAX_CHUNKS, TAG_LEN, SealError::TooLarge),
        (u64::MAX, TAG_LEN, SealError::TooLarge),
        (0, TAG_LEN - 1, SealError::NoRoom),
        (0, 0, SealError::NoRoom),
    ] {
        let mut chunk = vec![1; len];
        assert_eq!(sealer.seal_at(index, LAST, &mut chunk), Err(why));
        assert!(chunk.iter().all(|byte| *byte == 1));
    }
    let mut largest = vec![0; MAX_CHUNK + TAG_LEN];
    assert_eq!(sealer.seal_at(MAX_CHUNKS - 1, LAST, &mut largest), Ok(()));
    assert_eq!(format!("{sealer:?} {:?}", ChunkOpener::new(&key(), &stream())), "ChunkSealer(epoch 0) ChunkOpener(epoch 0)");
}

#[test]
fn the_form_of_a_sealed_chunk_does_not_change_unseen() {
    let hex: String = sealed_at(&stream(), 3, LAST, b"golden").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
}

// By Python's hmac, hashlib and cryptography (AESGCM) from the table of the module.
const GOLDEN: &str = "140dfd8a796fe9b5df92a0759fc8e7561493947906b5";
