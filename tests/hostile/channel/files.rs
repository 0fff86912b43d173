//! Names that lead out of the folder, disks that are full, files that change while they are sent.

use std::{fs, io::Write as _, process::Command};

use confkit::channel::wire::{
    Reason,
    letter::{Letter, Way},
};

use super::{World, noise};
use crate::{
    shown::not_shown,
    terminal::{self, CHUNK, File, Waiting},
};

/// A sender by hand that offers a file by this name, and what became of it at `fshare recv`: its exit code, and what it said.
async fn offered(world: &World, name: &str) -> (i32, String) {
    let sender = Waiting::new(&world.relay).await;
    let (pass, code) = (sender.pass(), sender.code.as_str().to_owned());
    let mut receiver = world.start(&world.relay, &["recv", &code, "--yes", "--output", "in/deep"]);
    let mut sender = sender.agree(pass).await.enter().await;
    let file = File::new(name, b"not wanted there");
    if let Ok(Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None }) = file.offered_by(&mut sender, 1).await {
        let (mut stream, _) = sender.join(0).await;
        let chunks = file.chunks(&sender);
        terminal::write(&mut stream, &chunks).await;
        file.end(&mut sender, chunks.len() as u64).await;
        // Done, or why not.
        let _ = sender.hear().await;
        sender.leave(Reason::Done).await;
    }
    receiver.end()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_lead_out_of_the_folder_or_command_a_terminal_are_refused() {
    let world = World::new();
    // The sender by hand is one that a receiver takes, when it behaves.
    assert_eq!(offered(&world, "fine.txt").await.0, 0);
    assert_eq!(fs::read(world.path("in/deep/fine.txt")).expect("there"), b"not wanted there");
    for name in [
        "../escaped.txt",
        "../../escaped.txt",
        "/tmp/confkit-escaped.txt",
        "a/../../escaped.txt",
        "..",
        ".",
        "",
        "a//b",
        "a/./b",
        "a\\..\\b",
        "es\u{1b}[2Jcape",
        "nul\0l",
        "line\nfeed",
    ] {
        let (code, said) = offered(&world, name).await;
        assert_eq!(code, 1, "{name:?}: {said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
        assert_eq!((world.names("in"), world.names("in/deep")), (vec!["deep".to_owned()], vec!["fine.txt".to_owned()]), "{name:?}");
        assert!(!world.path("escaped.txt").exists() && !fs::exists("/tmp/confkit-escaped.txt").expect("looked"), "{name:?}");
    }
}

/// What comes fits what was offered, or it is not kept: bytes too many, too few, others than the digest says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_sends_something_else_than_it_offered_is_found_out() {
    let world = World::new();
    let honest = noise(3 * CHUNK);
    let (longer, shorter) = (noise(4 * CHUNK), noise(2 * CHUNK));
    let mut other = honest.clone();
    other[CHUNK] ^= 1;
    for (what, sent, codes) in [("more", &longer, [1, 8]), ("less", &shorter, [8, 8]), ("something else", &other, [8, 8])] {
        let sender = Waiting::new(&world.relay).await;
        let (pass, code) = (sender.pass(), sender.code.as_str().to_owned());
        let mut receiver = world.start(&world.relay, &["recv", &code, "--yes", "--output", "in"]);
        let mut sender = sender.agree(pass).await.enter().await;
        let (offered, sent) = (File::new("large.bin", &honest), File { manifest: Vec::new(), content: sent });
        assert_eq!(
            offered.offered_by(&mut sender, 1).await,
            Ok(Letter::Accept { from: 0, way: Way::Relay, once: false, compression: None })
        );
        let (mut stream, _) = sender.join(0).await;
        let chunks = sent.chunks(&sender);
        terminal::write(&mut stream, &chunks).await;
        // The digest is that of what was offered.
        offered.end(&mut sender, chunks.len() as u64).await;
        let (code, said) = receiver.end();
        assert!(codes.contains(&code), "{what}: {code}: {said}");
        assert!(!world.path("in/large.bin").exists(), "{what}");
    }
}

/// A disk of two mebibytes, mounted in a namespace of the receiver's own: where the system permits that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_transfer_and_both_are_told() {
    let world = World::new();
    fs::create_dir(world.path("in")).expect("a folder");
    let mount = format!("mount -t tmpfs -o size=2m tmpfs '{}' && exec \"$@\"", world.path("in").display());
    let small: Vec<&str> = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &mount, "sh"].into();
    let probe = Command::new(small[0]).args(&small[1..]).arg("true").output().expect("unshare runs");
    if !probe.status.success() {
        let why = String::from_utf8_lossy(&probe.stderr);
        return not_shown(&format!("what a full disk leads to, since the system permits no disk of the test's own: {}", why.trim()));
    }
    // What is known to be too large is refused before a byte moves.
    world.write("large.bin", &noise(8 << 20));
    let mut sender = world.start(&world.relay, &["send", "large.bin"]);
    let code = sender.code();
    let mut receiver = world.start_with(&small, &world.relay, &["recv", code.as_str(), "--yes", "--output", "in"]);
    let ((received, told), (sent, said)) = (receiver.end(), sender.end());
    println!("known to be too large: {received} {told:?}, {sent} {said:?}");
    assert!(matches!(received, 1 | 9) && told.contains("space"), "{received}: {told}");
    assert!(matches!(sent, 1 | 6 | 9), "{sent}: {said}");
    // What nobody knew the length of fills it.
    let mut sender = world.start(&world.relay, &["send", "-", "--name", "endless.bin"]);
    let mut input = sender.input();
    let content = noise(8 << 20);
    std::thread::spawn(move || input.write_all(&content));
    let code = sender.code();
    let mut receiver = world.start_with(&small, &world.relay, &["recv", code.as_str(), "--yes", "--output", "in"]);
    let ((received, told), (sent, said)) = (receiver.end(), sender.end());
    println!("of unknown length: {received} {told:?}, {sent} {said:?}");
    assert!(matches!(received, 1 | 9) && told.contains("space"), "{received}: {told}");
    assert!(matches!(sent, 1 | 9) && said.contains("space"), "{sent}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_while_it_is_sent_is_not_received() {
    let world = World::new();
    for what in ["grown", "shrunk", "another of its name"] {
        world.write("large.bin", &noise(24 << 20));
        let mut sender = world.start(&world.relay, &["send", "large.bin", "--limit", "4MiB/s"]);
        let code = sender.code();
        let mut receiver = world.start(&world.relay, &["recv", code.as_str(), "--yes", "--output", "in"]);
        receiver.event("progress");
        let file = || fs::File::options().append(true).open(world.path("large.bin")).expect("opened");
        match what {
            "grown" => file().write_all(b"more").expect("written"),
            "shrunk" => file().set_len(1 << 20).expect("cut"),
            _ => {
                world.write("other.bin", &noise(23 << 20));
                fs::rename(world.path("other.bin"), world.path("large.bin")).expect("renamed");
            }
        }
        let ((sent, said), (received, told)) = (sender.end(), receiver.end());
        println!("{what}: {sent} {said:?}, {received} {told:?}");
        if what == "another of its name" {
            // What was opened is what is sent: the other one only has its name.
            assert!(sent == received, "{what}: {said} {told}");
        } else {
            assert_eq!((sent, received), (1, 1), "{what}: {said} {told}");
        }
        assert!(sent == 0 || !world.path("in/large.bin").exists(), "{what}");
        let _ = fs::remove_dir_all(world.path("in"));
    }
}
