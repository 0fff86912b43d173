//! The terminals of this crate, with real files in a folder each.

use std::{fs, num::NonZeroU64, path::Path};

use super::*;
use crate::{
    fileshare::{
        client::{Downloader, LocalPort, Settings, Ticket, Uploader},
        wire::control::Endpoint,
    },
    transfer::{SinkOptions, Source, SourceOptions},
};

impl Rig {
    /// A member that has declared the port of one of our terminals.
    fn terminal(&mut self, role: Role) -> (LocalPort, Ticket) {
        self.next += 1;
        self.declare(MemberId(self.next), role, TransferKey::from_bytes([self.next as u8; 32]))
    }

    fn declare(&mut self, id: MemberId, role: Role, key: TransferKey) -> (LocalPort, Ticket) {
        let port = LocalPort::bind(HERE).expect("a port");
        self.engine.admit(&conf(), id, Pass { role, source: port.address(), key: key.clone() });
        let endpoint = Endpoint { address: SocketAddr::new(HERE, self.port), fingerprint: self.engine.fingerprint(), key };
        (port, Ticket { conf: conf(), batch: BATCH, endpoint })
    }
}

fn files(folder: &Path) {
    fs::create_dir_all(folder.join("talk/empty")).expect("made");
    fs::write(folder.join("talk/slides.pdf"), content(900_001)).expect("written");
    fs::write(folder.join("talk/notes.txt"), content(5)).expect("written");
    fs::write(folder.join("talk/nothing"), b"").expect("written");
}

async fn received(mut downloader: Downloader, port: LocalPort, ticket: Ticket) {
    soon("the download", downloader.run(port, &ticket, &Settings::default())).await.expect("downloaded");
}

#[tokio::test]
async fn folders_go_through_to_several_receivers_and_the_upload_survives_a_cut_and_a_restart() {
    let here = tempfile::tempdir().expect("a folder");
    files(here.path());
    let mut rig = Rig::new(|config| config.payload = 64 * 1024);
    let source = Source::from_paths(vec![here.path().join("talk")], SourceOptions::default()).await.expect("a source");
    let mut alice = Uploader::new(source).expect("an uploader");

    // A limit holds the upload while it is cut off, and the server with it.
    let (port, ticket) = rig.terminal(Role::Upload);
    let (id, key) = (MemberId(rig.next), ticket.endpoint.key.clone());
    let settings = Settings { limit: NonZeroU64::new(400_000), ..Settings::default() };
    let stop = settings.stop.clone();
    let cut = async {
        while rig.counts().received < 200_000 {
            sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    let (broken, ()) = soon("the cut", async { tokio::join!(alice.run(port, &ticket, &settings), cut) }).await;
    assert!(broken.expect_err("cut off").is_resumable());
    let folder = rig.folder.clone();
    drop(rig);
    let mut rig = Rig::again(folder, |config| config.payload = 64 * 1024);
    rig.next = id.0;

    let mut receivers = tokio::task::JoinSet::new();
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a folder")).collect();
    for folder in &folders {
        let (port, ticket) = rig.terminal(Role::Download);
        let downloader = Downloader::to_folder(folder.path().to_owned(), SinkOptions::default());
        receivers.spawn(received(downloader, port, ticket));
    }
    let (port, ticket) = rig.declare(id, Role::Upload, key);
    let uploaded = soon("the upload", alice.run(port, &ticket, &Settings::default())).await.expect("uploaded");
    assert_eq!(uploaded.bytes, 900_006);
    assert!(rig.counts().received < 900_006 - 3 * 64 * 1024, "what was there was not sent again");
    while let Some(done) = receivers.join_next().await {
        done.expect("a receiver");
    }
    for folder in &folders {
        let read = |name: &str| fs::read(folder.path().join(name)).expect(name);
        assert!(read("talk/slides.pdf") == content(900_001) && read("talk/notes.txt") == content(5) && read("talk/nothing").is_empty());
        assert!(folder.path().join("talk/empty").is_dir());
    }
}
