//! What the receiver's disk refuses, and going on when it does not any more.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{
    hostile::{as_is, serve, stocked},
    *,
};
use crate::fileshare::wire::Kind;

/// Where its other half works.
const LITTLE_ROOM: &str = "CONFKIT_TEST_LITTLE_ROOM_FOR_DOWNLOADS";

fn recorded(folder: &Path) -> (SinkOptions, RecordStore, TransferName) {
    let (store, name) = (RecordStore::open(folder).expect("records"), TransferName::new("share-1").expect("a name"));
    (SinkOptions { record: Some((store.clone(), name.clone())), ..SinkOptions::default() }, store, name)
}

/// The other half of the next test, in a process that may write files of 64 to 128 KiB only, until it frees space.
#[tokio::test]
async fn in_a_process_with_little_room() {
    let Ok(folder) = std::env::var(LITTLE_ROOM) else { return };
    let folder = Path::new(&folder);
    let bytes = content(30, 300_000);
    let (options, store, name) = recorded(&folder.join("records"));
    let mut downloader = Downloader::to_folder(folder.join("target"), options);
    let mut came = Vec::new();
    let (_, all) = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit");
    for attempt in 0..3 {
        match attempt {
            0 => {}
            // Some room, but still too little.
            1 => setrlimit(Resource::RLIMIT_FSIZE, 200_000, all).expect("raised"),
            _ => {
                downloader.suspend().await.expect("kept");
                setrlimit(Resource::RLIMIT_FSIZE, all, all).expect("raised");
                downloader = Downloader::resume(&store, &name).await.expect("taken up");
            }
        }
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let server = stocked(&bytes);
        let ticket = server.ticket(listener.local_addr().expect("an address"), None);
        let mut first = None;
        let spoil = |packet: crate::fileshare::wire::Packet| {
            if packet.header.kind == Kind::Data {
                first.get_or_insert(packet.header.sequence);
            }
            as_is(&packet)
        };
        let (port, settings) = (LocalPort::bind(HERE).expect("a port"), Settings::default());
        let (_, result) = tokio::join!(soon(serve(listener, server, spoil)), soon(downloader.run(port, &ticket, &settings)));
        came.push(first.expect("data"));
        match result {
            Ok(downloaded) => println!("after {came:?}: downloaded {} bytes", downloaded.bytes),
            Err(error) => {
                assert!(matches!(error, TransferError::Sink(SinkError::NoSpace { .. })), "{error}");
                assert!(error.is_resumable() && error.keeps() && downloader.record().is_some());
            }
        }
    }
    assert!(came[0] == 0 && came[1] > 50 && came[2] > 180, "what was there does not come again: {came:?}");
    assert!(std::fs::read(folder.join("target/a.bin")).expect("there") == bytes);
    assert_eq!(store.list().expect("records"), [], "nothing is left to go on with");
}

#[tokio::test]
async fn a_full_disk_ends_a_download_that_goes_on_when_there_is_room_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let this = std::env::current_exe().expect("this program");
    // The limit counts blocks of 512 bytes or 1 KiB, by the shell. Signal 25 would kill at the limit.
    let script = "trap '' XFSZ; ulimit -S -f 128; exec \"$0\" --exact fileshare::client::shell::tests::disk::in_a_process_with_little_room --nocapture";
    let mut other = tokio::process::Command::new("sh");
    let output = other.args(["-c", script]).arg(this).env(LITTLE_ROOM, folder.path()).output().await.expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("downloaded 300000 bytes"), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_costs_no_byte_of_the_download() {
    let shared = folder(&[("a.bin", content(31, 2 * MIB))]);
    let mut rig = Rig::new(|config| config.behind_nat = true);
    rig.upload(source([shared.path().join("a.bin")]).await).await.expect("uploaded");
    let (target, records) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (options, store, _) = recorded(records.path());
    let (id, port, ticket) = rig.member(Role::Download);
    let mut downloader = Downloader::to_folder(target.path().to_owned(), options);
    let (tell, mut told) = watch::channel(Snapshot::default());
    let settings = Settings { progress: Some(tell), limit: NonZeroU64::new(8 * MIB as u64), ..Settings::default() };
    let taken = target.path().join("a.bin");
    let taking = async {
        told.wait_for(|snapshot| snapshot.phase == Phase::Moving).await.expect("moving");
        std::fs::write(&taken, b"mine").expect("written");
    };
    let (result, ()) = tokio::join!(soon(downloader.run(port, &ticket, &settings)), taking);
    let error = result.expect_err("the name is taken");
    assert!(matches!(error, TransferError::Sink(SinkError::Exists { .. })), "{error}");
    assert!(error.keeps() && !error.is_resumable());
    assert_eq!(std::fs::read(&taken).expect("there"), b"mine");

    // While it is taken nothing comes again, and nothing is lost.
    let way = Cut::new(rig.address, Vec::new()).await;
    let (port, mut ticket) = rig.again(id, Role::Download);
    ticket.endpoint.address = way.address;
    soon(downloader.run(port, &ticket, &Settings::default())).await.expect_err("still taken");
    assert!(way.carried(1) < 100_000, "{} bytes came again", way.carried(1));
    std::fs::remove_file(&taken).expect("out of the way");
    let (port, ticket) = rig.again(id, Role::Download);
    let downloaded = soon(downloader.run(port, &ticket, &Settings::default())).await.expect("downloaded");
    assert_eq!(downloaded.bytes, 2 * MIB as u64);
    assert!(files(target.path()) == files(shared.path()));
    assert_eq!(store.list().expect("records"), []);
    rig.engine.shut_down().await;
}
