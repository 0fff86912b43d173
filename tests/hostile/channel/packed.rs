//! What a sender by hand says and sends, who has the key. Compressed chunks that nobody agreed on, bombs, parts of frames, garbage: each ends with 8, and
//! nothing of the file is there under its name. Holes that are none, and extended attributes that are not a user's.

use confkit::channel::wire::{
    Reason,
    chunk::{COMPRESSED, LAST},
    letter::{Compression, Letter, Offer},
};
use zstd::bulk::compress;

use super::World;
use crate::terminal::{self, CHUNK, File, Waiting};

/// What `fshare recv` makes of these chunks, each with its flags, of a file of two chunks: its exit code, and what it said.
async fn received(world: &World, compression: Option<Compression>, chunks: &[(u8, Vec<u8>)], content: &[u8]) -> (i32, String) {
    let sender = Waiting::new(&world.relay).await;
    let (pass, code) = (sender.pass(), sender.code.as_str().to_owned());
    let mut receiver = world.start(&world.relay, &["recv", &code, "--yes", "--output", "in"]);
    let mut sender = sender.agree(pass).await.enter().await;
    let file = File::new("large.bin", content);
    sender.tell(&Letter::Offer(Offer { compression, ..file.offer(1) })).await;
    sender.tell(&Letter::Manifest(file.manifest.clone().into())).await;
    let Ok(Letter::Accept { compression: accepted, .. }) = sender.hear().await else { panic!("it is wanted") };
    assert_eq!(accepted, compression.filter(|compression| *compression == Compression::Zstd), "what was not offered is not agreed on");
    let (mut stream, _) = sender.join(0).await;
    let sealed: Vec<Vec<u8>> = chunks.iter().enumerate().map(|(at, (flags, bytes))| sender.chunk(at as u64, *flags, bytes)).collect();
    terminal::write(&mut stream, &sealed).await;
    file.end(&mut sender, sealed.len() as u64).await;
    let ended = receiver.end();
    sender.leave(Reason::Done).await;
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_chunk_that_is_none_or_that_nobody_agreed_on_ends_with_8() {
    let world = World::new();
    let content: Vec<u8> = (0..2 * CHUNK).map(|at| (at / 1000) as u8).collect();
    let pack = |bytes: &[u8]| compress(bytes, 1).expect("compressed");
    let (first, second) = content.split_at(CHUNK);
    let honest = |at: usize| [(COMPRESSED, pack(first)), (0, second.to_vec()), (LAST, Vec::new())][at].clone();
    let zstd = Some(Compression::Zstd);
    let (code, said) = received(&world, zstd, &[honest(0), honest(1), honest(2)], &content).await;
    assert_eq!(code, 0, "a sender by hand is one that a receiver takes, when it behaves: {said}");
    assert!(std::fs::read(world.path("in/large.bin")).expect("there") == content);
    std::fs::remove_file(world.path("in/large.bin")).expect("removed");

    let whole = pack(first);
    let bomb = pack(&vec![0; 512 * CHUNK]);
    assert!(bomb.len() < CHUNK, "it fits into a chunk: {}", bomb.len());
    let doubled = [&whole[..], &pack(second)].concat();
    for (what, agreed, chunk) in [
        ("nobody offered it", None, whole.clone()),
        ("what was offered is nothing that this one knows", Some(Compression::Unknown), whole.clone()),
        ("a bomb", zstd, bomb),
        ("a byte more than a chunk", zstd, pack(&content[..CHUNK + 1])),
        ("a part of a frame", zstd, whole[..whole.len() / 2].to_vec()),
        ("two frames", zstd, doubled),
        ("a byte behind it", zstd, [&whole[..], b"\0"].concat()),
        ("garbage", zstd, b"this is no frame at all".to_vec()),
        ("nothing", zstd, Vec::new()),
        ("nothing, in a frame", zstd, pack(b"")),
        ("other bytes, in a frame", zstd, pack(second)),
    ] {
        let (code, said) = received(&world, agreed, &[(COMPRESSED, chunk), honest(1), honest(2)], &content).await;
        assert_eq!(code, 8, "{what}: {said}");
        assert!(!world.path("in/large.bin").exists(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sender_says_of_holes_that_are_none_harms_nothing() {
    let world = World::new();
    let content = super::noise(3 * CHUNK);
    for (sparse, wanted) in [
        ("{\"0\":0}", Some(0)),
        ("{\"0\":18446744073709551615,\"1\":5,\"4294967295\":0}", Some(0)),
        ("{\"0\":-1}", None),
        ("{\"x\":1}", None),
        ("[1,2]", None),
    ] {
        let sender = Waiting::new(&world.relay).await;
        let (pass, code) = (sender.pass(), sender.code.as_str().to_owned());
        let mut receiver = world.start(&world.relay, &["recv", &code, "--yes", "--output", "in"]);
        let mut sender = sender.agree(pass).await.enter().await;
        let file = File::new("large.bin", &content);
        let mut offer = serde_json::to_value(file.offer(1)).expect("JSON");
        offer["sparse"] = serde_json::from_str(sparse).expect("JSON");
        sender.tell_bytes([&[1][..], offer.to_string().as_bytes()].concat()).await;
        if wanted.is_some() {
            sender.tell(&Letter::Manifest(file.manifest.clone().into())).await;
            assert!(matches!(sender.hear().await, Ok(Letter::Accept { .. })), "{sparse}");
            let (mut stream, _) = sender.join(0).await;
            let chunks = file.chunks(&sender);
            terminal::write(&mut stream, &chunks).await;
            file.end(&mut sender, chunks.len() as u64).await;
            let done = loop {
                match sender.hear().await {
                    Ok(Letter::Progress { .. }) => {}
                    told => break told,
                }
            };
            assert_eq!(done, Ok(Letter::Done { skipped: 0 }), "{sparse}");
            sender.leave(Reason::Done).await;
        }
        let (code, said) = receiver.end();
        assert_eq!(code == 0, wanted == Some(0), "{sparse}: {code}, {said}");
        assert_eq!(std::fs::read(world.path("in/large.bin")).ok(), wanted.map(|_| content.clone()), "{sparse}");
        let _ = std::fs::remove_dir_all(world.path("in"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extended_attributes_that_are_none_of_a_users_or_do_not_fit_harm_nothing() {
    let world = World::new();
    let content = super::noise(1000);
    let large = format!("\"user.large\":\"{}\"", "A".repeat(80_000));
    let many: Vec<String> = (0..65).map(|at| format!("\"user.{at}\":\"\"")).collect();
    for (xattrs, fine) in [
        ("\"security.capability\":\"AQ\"".to_owned(), false),
        ("\"trusted.overlay.opaque\":\"eQ\"".to_owned(), false),
        ("\"system.posix_acl_access\":\"AQ\"".to_owned(), false),
        ("\"user.\\u001b[2J\":\"AQ\"".to_owned(), false),
        ("\"user.a\":7".to_owned(), false),
        (many.join(","), false),
        (large.replace("A\"", &format!("{}\"", "A".repeat(10_000))), false),
        // Within bounds, and more than many file systems take: a warning that names it.
        (large, true),
    ] {
        let sender = Waiting::new(&world.relay).await;
        let (pass, code) = (sender.pass(), sender.code.as_str().to_owned());
        let mut receiver = world.start(&world.relay, &["recv", &code, "--yes", "--xattrs", "--output", "in"]);
        let mut sender = sender.agree(pass).await.enter().await;
        let mut file = File::new("small.bin", &content);
        let manifest = String::from_utf8(file.manifest).expect("JSON");
        file.manifest = manifest.replace("\"type\"", &format!("\"xattrs\":{{{xattrs}}},\"type\"")).into_bytes();
        sender.tell(&Letter::Offer(file.offer(1))).await;
        for part in file.manifest.chunks(40_000) {
            sender.tell(&Letter::Manifest(part.to_vec().into())).await;
        }
        if fine {
            assert!(matches!(sender.hear().await, Ok(Letter::Accept { .. })));
            let (mut stream, _) = sender.join(0).await;
            let chunks = file.chunks(&sender);
            terminal::write(&mut stream, &chunks).await;
            file.end(&mut sender, chunks.len() as u64).await;
            while let Ok(Letter::Progress { .. }) = sender.hear().await {}
            sender.leave(Reason::Done).await;
        }
        let (code, said) = receiver.end();
        let about = xattrs.get(..60).unwrap_or(&xattrs);
        assert_eq!(code, i32::from(!fine), "{about}: {said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
        assert_eq!(world.path("in/small.bin").exists(), fine, "{about}: {said}");
        if fine {
            println!("an attribute of 60,000 bytes: {said:?}");
            let set = rustix::fs::getxattr(world.path("in/small.bin"), "user.large", vec![0; 70_000].as_mut_slice()).is_ok();
            assert_eq!(said.contains("user.large"), !set, "{said}");
        }
    }
}
