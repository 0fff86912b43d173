use std::{fs, path::Path, sync::Arc};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

/// Sends a batch of the paths through a spool to several sinks at once, as a file server does, and gives the digests of the batch.
async fn send(paths: Vec<std::path::PathBuf>, folder: &Path, targets: Vec<std::path::PathBuf>) -> Vec<Option<Digest>> {
    let source = Source::from_paths(paths, SourceOptions::default()).await.expect("a batch");
    let manifest = Manifest::from_json(&source.manifest().to_json()).expect("travels");
    let options = SpoolOptions { expected: manifest.total(), ..SpoolOptions::default() };
    let mut spool = Spool::create(&folder.join("spool"), options).await.expect("a spool");
    let (told, trailer) = tokio::sync::watch::channel(None::<Arc<Trailer>>);
    let mut receivers = JoinSet::new();
    for target in targets {
        let (mut reader, manifest, mut trailer) = (spool.reader(0).expect("reads"), manifest.clone(), trailer.clone());
        receivers.spawn(async move {
            let mut sink = Sink::create(&target, manifest, SinkOptions::default()).await.expect("begins");
            while let Some(bytes) = reader.next(CHUNK).await.expect("bytes") {
                sink.write(bytes).await.expect("takes");
            }
            let trailer = trailer.wait_for(Option::is_some).await.expect("told").clone();
            sink.finish(trailer.map(|trailer| (*trailer).clone())).await.expect("finishes").root
        });
    }
    let mut reader = source.read_from(0).expect("reads");
    while let Some(bytes) = reader.next().await.expect("bytes") {
        spool.append(bytes).await.expect("appends");
    }
    let trailer = source.trailer().await.expect("digests");
    let root = trailer.root(&manifest);
    told.send_replace(Some(Arc::new(trailer)));
    spool.finish().await.expect("finishes");
    let roots = receivers.join_all().await;
    spool.delete().await.expect("deletes");
    assert!(roots.iter().all(|other| *other == Some(root)));
    roots
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_goes_through_a_spool_to_five_receivers_at_once() {
    let folder = TempDir::new().expect("folder");
    let root = folder.path().join("what is sent");
    fs::create_dir_all(root.join("empty")).expect("folder");
    let mut bytes = vec![0; 3_000_000];
    ChaCha12Rng::seed_from_u64(1).fill_bytes(&mut bytes);
    for (name, size) in [("none", 0), ("small", 10), ("large", 3_000_000), ("chunk", CHUNK)] {
        fs::write(root.join(name), &bytes[..size]).expect("file");
    }
    let targets: Vec<_> = (0..5).map(|at| folder.path().join(format!("to-{at}"))).collect();
    assert_eq!(send(vec![root.clone()], folder.path(), targets.clone()).await.len(), 5);
    for target in targets {
        let received = target.join("what is sent");
        assert!(received.join("empty").is_dir());
        for name in ["none", "small", "large", "chunk"] {
            assert!(fs::read(received.join(name)).expect(name) == fs::read(root.join(name)).expect(name), "{name}");
        }
        assert_eq!(
            fs::metadata(received.join("large")).expect("there").modified().ok(),
            fs::metadata(root.join("large")).expect("there").modified().ok()
        );
    }
}
