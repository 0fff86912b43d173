use std::{
    fs::{self, FileTimes, OpenOptions},
    io::{Cursor as Input, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    time::{Duration, SystemTime},
};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tempfile::TempDir;

use super::*;
use crate::transfer::{
    hash::{BatchHasher, Digest},
    shown::not_shown,
};

async fn source(paths: &[&Path]) -> Result<Source, SourceError> {
    let options = SourceOptions { chunk: 4096, ..SourceOptions::default() };
    Source::from_paths(paths.iter().map(|path| path.to_path_buf()).collect(), options).await
}

async fn read_all(reader: &mut SourceReader) -> Result<Vec<u8>, SourceError> {
    let mut all = Vec::new();
    while let Some(bytes) = reader.next().await? {
        assert!(!bytes.is_empty());
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

fn names(source: &Source) -> Vec<&str> {
    source.manifest().entries().iter().map(|entry| entry.path.as_str()).collect()
}

/// A folder of files of many sizes; gives what their stream must be.
fn grow(folder: &Path, seed: u64) -> Vec<u8> {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut stream = Vec::new();
    for at in 0..40 {
        let mut bytes = vec![0; [0, 1, 100, 4095, 4096, 4097, 30_000][random.random_range(0..7)]];
        random.fill_bytes(&mut bytes);
        let place = folder.join(format!("{:02}", at / 8));
        fs::create_dir_all(&place).expect("folder");
        fs::write(place.join(format!("{at:02}")), &bytes).expect("file");
        stream.extend(bytes);
    }
    stream
}

#[tokio::test]
async fn a_walk_takes_everything_in_an_order_that_depends_on_names_alone() {
    let folder = TempDir::new().expect("folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("b/inner")).expect("folder");
    for (path, text) in [("z.txt", "z"), (".hidden", "h"), ("b/inner/x.PDF", "xx"), ("B", "B")] {
        fs::write(root.join(path), text).expect("file");
    }
    symlink("b/inner/x.PDF", root.join("a-link")).expect("link");
    fs::set_permissions(root.join("z.txt"), fs::Permissions::from_mode(0o4750)).expect("mode");
    let single = folder.path().join("single");
    fs::write(&single, "1").expect("file");
    let source = source(&[&single, &root]).await.expect("a batch");
    let expected =
        ["single", "root", "root/.hidden", "root/B", "root/a-link", "root/b", "root/b/inner", "root/b/inner/x.PDF", "root/z.txt"];
    assert_eq!(names(&source), expected);
    let entries = source.manifest().entries();
    assert_eq!(entries[4].kind, Kind::Symlink { target: "b/inner/x.PDF".to_owned() });
    assert_eq!(entries[7].mime.as_deref(), Some("application/pdf"));
    assert_eq!(entries[8].mode, Some(0o750), "no set-user-ID");
    assert_eq!(source.manifest().total(), Some(6));
    assert_eq!(read_all(&mut source.read_from(0).expect("reads")).await.expect("bytes"), b"1hBxxz");

    let options = SourceOptions { follow_links: true, ..SourceOptions::default() };
    let followed = Source::from_paths(vec![root], options).await.expect("a batch");
    let link = followed.manifest().entries().iter().find(|entry| entry.path.as_str() == "root/a-link").expect("there");
    assert_eq!(link.kind, Kind::File { size: Some(2) });
}

#[tokio::test]
async fn what_cannot_be_sent_is_named() {
    let folder = TempDir::new().expect("folder");
    let at = |name: &str| folder.path().join(name);
    let told = async |path: &Path| source(&[path]).await.expect_err("refused").to_string();
    assert!(told(&at("none")).await.contains("none cannot be read"));
    let _listener = UnixListener::bind(at("socket")).expect("socket");
    assert!(told(&at("socket")).await.ends_with("socket is neither a file nor a folder nor a link, but a socket"));
    fs::create_dir(at("d")).expect("folder");
    fs::write(at("d").join("bad\u{7}name"), "").expect("file");
    let error = told(&at("d")).await;
    assert!(error.contains("it has control characters") && !error.contains('\u{7}'), "{error:?}");
    fs::create_dir(at("e")).expect("folder");
    fs::write(at("e").join(std::ffi::OsStr::from_bytes(b"\xff")), "").expect("file");
    assert!(told(&at("e")).await.contains("it is not UTF-8"));
    fs::create_dir(at("f")).expect("folder");
    symlink("/etc/passwd", at("f").join("out")).expect("link");
    assert_eq!(told(&at("f")).await, "the symbolic link \"f/out\" does not stay inside the batch");
    fs::create_dir_all(at("x/same")).expect("folder");
    fs::create_dir_all(at("y/same")).expect("folder");
    let error = source(&[&at("x/same"), &at("y/same")]).await.expect_err("twice");
    assert!(matches!(&error, SourceError::Twice { name, .. } if name == "same"), "{error}");
    symlink(".", at("x/round")).expect("link");
    let circle = Source::from_paths(vec![at("x")], SourceOptions { follow_links: true, ..SourceOptions::default() }).await;
    assert!(matches!(circle, Err(SourceError::Circle { .. })), "{circle:?}");
}

#[tokio::test]
async fn the_stream_is_the_same_from_any_offset_and_digested_as_it_is() {
    for seed in 0..4 {
        let folder = TempDir::new().expect("folder");
        let stream = grow(folder.path(), seed);
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let source = source(&[folder.path()]).await;
        // The folder's own name may start with a dot, which is no fault.
        let source = source.expect("a batch");
        for _ in 0..6 {
            let offset = random.random_range(0..=stream.len());
            let mut reader = source.read_from(offset as u64).expect("reads");
            assert!(read_all(&mut reader).await.expect("bytes") == stream[offset..], "seed {seed}, from {offset}");
            assert_eq!(reader.position(), stream.len() as u64);
        }
        assert!(matches!(source.read_from(stream.len() as u64 + 1), Err(SourceError::Offset { .. })));
        let mut hasher = BatchHasher::new(source.manifest(), Algorithm::Blake3);
        assert!(hasher.update(&stream));
        assert_eq!(source.trailer().await.expect("digests"), hasher.finish().expect("complete"), "seed {seed}");
    }
}

#[tokio::test]
async fn files_that_change_while_they_are_read_end_the_stream_and_are_named() {
    type Change = fn(&Path);
    let cases: [(&str, Change); 5] = [
        ("shrank", |path| OpenOptions::new().write(true).open(path).expect("file").set_len(100_000).expect("shorter")),
        ("grew", |path| OpenOptions::new().append(true).open(path).expect("file").write_all(b"more").expect("longer")),
        ("changed", |path| {
            let file = OpenOptions::new().write(true).open(path).expect("file");
            file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))).expect("time");
        }),
        ("changed", |path| {
            fs::rename(path, path.with_extension("old")).expect("away");
            fs::copy(path.with_extension("old"), path).expect("another of the same name");
        }),
        ("changed", |path| fs::remove_file(path).expect("removed")),
    ];
    for (word, change) in cases {
        for before in [true, false] {
            let folder = TempDir::new().expect("folder");
            let path = folder.path().join("file");
            fs::write(&path, vec![7; 200_000]).expect("file");
            let source = source(&[&path]).await.expect("a batch");
            let mut reader;
            if before {
                change(&path);
                reader = source.read_from(0).expect("begins");
            } else {
                reader = source.read_from(0).expect("begins");
                reader.next().await.expect("bytes").expect("bytes");
                change(&path);
            }
            match read_all(&mut reader).await {
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(word) && text.contains("file"), "{word}: {text}");
                    assert!(reader.next().await.expect("ended").is_none());
                }
                // What was opened before it was renamed or removed is still read whole, unchanged.
                Ok(rest) => assert!(!before && word == "changed" && rest.len() == 200_000 - 4096, "{word} was not noticed"),
            }
        }
    }
}

#[tokio::test]
async fn ten_thousand_small_files_are_few_chunks() {
    let folder = TempDir::new_in("/dev/shm").expect("folder");
    for at in 0..10_000 {
        fs::write(folder.path().join(format!("{at:05}")), format!("{at:05}")).expect("file");
    }
    let source = Source::from_paths(vec![folder.path().to_owned()], SourceOptions::default()).await.expect("a batch");
    let mut reader = source.read_from(0).expect("reads");
    let first = reader.next().await.expect("bytes").expect("bytes");
    assert_eq!((first.len(), reader.next().await.expect("end")), (50_000, None));
    assert!(first.chunks(5).enumerate().all(|(at, text)| text == format!("{at:05}").as_bytes()));
    assert_eq!(source.trailer().await.expect("digests").files.len(), 10_000);
}

#[tokio::test]
async fn memory_of_chunks_is_used_again() {
    let folder = TempDir::new().expect("folder");
    let path = folder.path().join("file");
    fs::write(&path, vec![1; 1_000_000]).expect("file");
    let mut reader = source(&[&path]).await.expect("a batch").read_from(0).expect("reads");
    let mut places = std::collections::BTreeSet::new();
    while let Some(bytes) = reader.next().await.expect("bytes") {
        places.insert(bytes.as_ptr() as usize);
    }
    assert!(places.len() <= 8, "{} buffers for 245 chunks", places.len());
}

fn stream_source(bytes: Vec<u8>) -> Source {
    let options = SourceOptions { chunk: 64 * 1024, ..SourceOptions::default() };
    Source::from_stream("out.log".parse().expect("safe"), Box::new(Input::new(bytes)), options).expect("a batch")
}

#[tokio::test]
async fn standard_input_is_read_once_and_goes_on_from_what_was_not_acknowledged() {
    let mut bytes = vec![0; 1_000_000];
    ChaCha12Rng::seed_from_u64(1).fill_bytes(&mut bytes);
    let source = stream_source(bytes.clone());
    assert_eq!((source.manifest().total(), source.manifest().entries()[0].mime.as_deref()), (None, Some("text/plain")));
    let mut first = source.read_from(0).expect("reads");
    let mut got = Vec::new();
    while got.len() < 300_000 {
        got.extend_from_slice(&first.next().await.expect("bytes").expect("more"));
    }
    source.acknowledge(200_000);
    assert!(matches!(source.trailer().await, Err(SourceError::Unread)));
    assert!(matches!(source.read_from(0), Err(SourceError::Offset { .. })), "what was acknowledged is gone");
    let mut second = source.read_from(200_000).expect("reads again");
    assert_eq!(read_all(&mut second).await.expect("bytes"), bytes[200_000..]);
    // The first reader gets what was on its way, and then its end.
    while first.next().await.expect("no error").is_some() {}
    assert_eq!(source.trailer().await.expect("digests").files, [Digest::blake3(&bytes)]);
}

#[tokio::test]
async fn standard_input_is_not_read_further_than_is_kept() {
    struct Endless;
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }
    }
    let source = Source::from_stream("x".parse().expect("safe"), Box::new(Endless), SourceOptions::default()).expect("a batch");
    let mut reader = source.read_from(0).expect("reads");
    while reader.position() < MAX_RETAINED {
        reader.next().await.expect("bytes").expect("more");
    }
    let more = tokio::time::timeout(Duration::from_millis(50), reader.next()).await;
    assert!(more.is_err(), "it waits");
    source.acknowledge(super::super::CHUNK as u64);
    assert!(reader.next().await.expect("bytes").is_some(), "and goes on");
}

#[tokio::test]
async fn an_error_of_standard_input_is_told_to_every_reader() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let source = Source::from_stream("x".parse().expect("safe"), Box::new(Broken), SourceOptions::default()).expect("a batch");
    for _ in 0..2 {
        let error = source.read_from(0).expect("begins").next().await.expect_err("broken");
        assert_eq!(error.to_string(), "standard input cannot be read: gone");
    }
}

#[tokio::test]
async fn what_readers_have_passed_is_not_read_again_for_the_digests() {
    let folder = TempDir::new().expect("folder");
    let stream = grow(&folder.path().join("files"), 3);
    let source = source(&[&folder.path().join("files")]).await.expect("a batch");
    let mut hasher = BatchHasher::new(source.manifest(), Algorithm::Blake3);
    hasher.update(&stream);
    let mut random = ChaCha12Rng::seed_from_u64(4);
    let mut from = 0;
    // Connections that break, and begin anew a little before the place where the last one was.
    while from < stream.len() {
        let mut reader = source.read_from(from as u64).expect("a reader");
        for _ in 0..random.random_range(1..8) {
            if reader.next().await.expect("reads").is_none() {
                break;
            }
        }
        let reached = usize::try_from(reader.position()).expect("small");
        from = if reached == stream.len() { reached } else { reached.saturating_sub(random.random_range(0..6000)).max(from) };
    }
    // The last file may be an empty one, which has its end behind the last byte.
    read_all(&mut source.read_from(from as u64).expect("a reader")).await.expect("reads");
    fs::remove_dir_all(folder.path().join("files")).expect("removed");
    assert_eq!(source.trailer().await.expect("all is known").files, hasher.finish().expect("all of it").files);
}

/// A file of so many bytes with data at these places, and nothing elsewhere; gives what it reads as.
fn hollow(path: &Path, size: u64, islands: &[(u64, usize)]) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let file = fs::File::create(path).expect("made");
    file.set_len(size).expect("stretched");
    for (at, len) in islands {
        file.write_all_at(&vec![7; *len], *at).expect("written");
    }
    fs::read(path).expect("read")
}

#[tokio::test]
async fn a_file_with_holes_reads_as_it_is_from_anywhere_and_says_where_nothing_was_read() {
    let folder = TempDir::new().expect("folder");
    let path = |name: &str| folder.path().join(name);
    let one = hollow(&path("1"), 3 << 20, &[(1 << 20, 9_000), ((2 << 20) + 5, 1)]);
    let two = hollow(&path("2"), 1 << 20, &[(0, 100)]);
    let three = hollow(&path("3"), 1 << 20, &[]);
    fs::write(path("4"), vec![0; 200_000]).expect("written");
    let stream = [&one[..], &two, &three, &vec![0; 200_000]].concat();
    let source = source(&["1", "2", "3", "4"].map(path).iter().map(PathBuf::as_path).collect::<Vec<_>>()).await.expect("a batch");
    let sparse = source.sparse();
    if sparse.is_empty() {
        return not_shown("this file system has no holes");
    }
    assert!(sparse.data(0).is_some_and(|data| data < 1 << 20) && sparse.data(2) == Some(0) && sparse.data(3).is_none(), "{sparse:?}");
    for from in [0usize, 1, (1 << 20) - 3, (1 << 20) + 4_000, (3 << 20) + 50, (4 << 20) + 1] {
        let (mut reader, mut at, mut holes) = (source.open(from as u64).expect("opened"), from, 0);
        let mut room = vec![1; 64 * 1024];
        loop {
            let filled = reader.fill(&mut room, || false).expect("read");
            if filled == 0 {
                break;
            }
            assert!(room[..filled] == stream[at..at + filled], "at {at}");
            if reader.was_hole(filled) {
                assert!(room[..filled].iter().all(|byte| *byte == 0), "at {at}");
                holes += filled;
            }
            at += filled;
        }
        assert_eq!(at, stream.len());
        assert!(holes > 1 << 19 && holes <= stream.len() - from - 200_000 + 64 * 1024, "{holes} from {from}");
    }
    let trailer = source.trailer().await.expect("digests");
    assert_eq!(trailer.files, [one, two, three, vec![0; 200_000]].map(|bytes| Digest::blake3(&bytes)));
}
