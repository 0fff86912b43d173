//! Chunks that do not arrive as they were sent: whoever is between receiver and relay understands the frames, and alters, cuts, doubles, exchanges or
//! keeps chunks. Each ends with 8 at both ends, at once, and nothing of the file is there under its name.

use confkit::channel::wire::chunk::HEADER;

use super::{World, noise};
use crate::between::{Honest, Late, Tamper, Tampering};

/// Bytes of the file: twenty chunks.
const FILE: usize = 5 << 20;
/// The chunk on which something is done.
const AT: usize = 7;

/// The connection that carries: the receiver's second.
const DATA: usize = 1;

async fn ends_with_8(what: &str, tamper: impl Fn() -> Tamper + Send + 'static) {
    let world = World::new();
    world.write("large.bin", &noise(FILE));
    let between = world.between(move |number| if number == DATA { Box::new(Tampering::new(tamper())) } else { Box::new(Honest) }).await;
    let mut sender = world.start(&world.relay, &["send", "large.bin"]);
    let code = sender.code();
    let mut receiver = world.start(&between.address, &["recv", code.as_str(), "--yes", "--output", "in"]);
    let (received, said) = receiver.end();
    assert_eq!(received, 8, "{what}: {said}");
    let (sent, told) = sender.end();
    assert_eq!(sent, 8, "{what}: {told}");
    assert!(!world.names("in").contains(&"large.bin".to_owned()), "{what}: {:?}", world.names("in"));
}

/// A single bit changed between the two costs neither of them what had come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_an_altered_chunk_is_gone_on_with() {
    let (world, content) = (World::new(), noise(FILE));
    world.write("large.bin", &content);
    let tamper = one(AT, |chunk| flip(chunk, HEADER + 1000));
    let between = world.between(move |number| if number == DATA { Box::new(Tampering::new(tamper())) } else { Box::new(Honest) }).await;
    let mut sender = world.start(&world.relay, &["send", "large.bin"]);
    let code = sender.code();
    let mut receiver = world.start(&between.address, &["recv", code.as_str(), "--yes", "--output", "in"]);
    let named = |(code, said): (i32, String)| {
        assert_eq!(code, 8, "{said}");
        let (_, name) = said.split_once("fshare resume ").unwrap_or_else(|| panic!("no word on going on in {said}"));
        name.chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '-').collect::<String>()
    };
    let (received, sent) = (named(receiver.end()), named(sender.end()));
    let (mut sender, mut receiver) = (world.resume("send", &world.relay, &sent), world.resume("recv", &between.address, &received));
    let begun = receiver.event("begun");
    assert!(begun["from"].as_u64().is_some_and(|from| from > 0), "{begun}");
    let (code, said) = receiver.end();
    assert_eq!(code, 0, "{said}");
    assert_eq!(sender.end().0, 0);
    assert!(std::fs::read(world.path("in/large.bin")).expect("received") == content);
}

/// Does something to one chunk, and lets the others pass.
fn one(at: usize, change: fn(Vec<u8>) -> Vec<u8>) -> impl Fn() -> Tamper + Send + 'static {
    move || Box::new(move |number, chunk| Some(if number == at { change(chunk) } else { chunk }))
}

fn flip(mut chunk: Vec<u8>, at: usize) -> Vec<u8> {
    chunk[at] ^= 1;
    chunk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_chunk_does_not_open() {
    ends_with_8("a bit of its bytes", one(AT, |chunk| flip(chunk, HEADER + 1000))).await;
    ends_with_8(
        "a bit of its tag",
        one(AT, |chunk| {
            let last = chunk.len() - 1;
            flip(chunk, last)
        }),
    )
    .await;
    ends_with_8("its number", one(AT, |chunk| flip(chunk, 11))).await;
    ends_with_8("that it is the last", one(AT, |chunk| flip(chunk, 12))).await;
    ends_with_8("that it is not the last", one(FILE / (256 * 1024), |chunk| flip(chunk, 12))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_chunk_does_not_open_and_a_stream_that_is_cut_is_not_taken_for_whole() {
    let shorter = |mut chunk: Vec<u8>| {
        chunk.truncate(chunk.len() - 100);
        let length = u32::try_from(chunk.len() - HEADER).expect("short");
        chunk[..4].copy_from_slice(&length.to_be_bytes());
        chunk
    };
    ends_with_8("a hundred bytes less", one(AT, shorter)).await;
    // Its tail gone, the next chunk is read as the rest of it.
    ends_with_8(
        "cut in the middle",
        one(AT, |mut chunk| {
            chunk.truncate(1000);
            chunk
        }),
    )
    .await;
    ends_with_8("one chunk kept back", one(AT, |_| Vec::new())).await;
    ends_with_8("all from one chunk on kept back", || Box::new(|number, chunk| (number < AT).then_some(chunk))).await;
    ends_with_8("the last kept back", || Box::new(|number, chunk| (number < FILE / (256 * 1024)).then_some(chunk))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_comes_once_and_in_its_turn() {
    ends_with_8("twice", one(AT, |chunk| [&chunk[..], &chunk[..]].concat())).await;
    let again = || -> Tamper {
        let mut first = Vec::new();
        Box::new(move |number, chunk: Vec<u8>| {
            if number == 0 {
                first.clone_from(&chunk);
            }
            Some(if number == AT { [&chunk[..], &first[..]].concat() } else { chunk })
        })
    };
    ends_with_8("again, much later", again).await;
    let exchanged = || -> Tamper {
        let mut held = Vec::new();
        Box::new(move |number, chunk: Vec<u8>| match number {
            AT => {
                held = chunk;
                Some(Vec::new())
            }
            n if n == AT + 1 => Some([chunk, std::mem::take(&mut held)].concat()),
            _ => Some(chunk),
        })
    };
    ends_with_8("exchanged with the next", exchanged).await;
}

/// Several connections, of which one is late all the time: more than a hundred chunks come after one of a higher number, and the file is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_come_in_another_order_by_several_connections_are_put_in_order() {
    let world = World::new();
    let content = noise(96 << 20);
    world.write("large.bin", &content);
    let late = std::time::Duration::from_millis(150);
    let between = world.between(move |number| if number == DATA { Box::new(Late(late)) } else { Box::new(Honest) }).await;
    let mut sender = world.start(&world.relay, &["send", "large.bin", "--streams", "3"]);
    let code = sender.code();
    let mut receiver = world.start(&between.address, &["-vv", "recv", code.as_str(), "--yes", "--output", "in"]);
    let (received, said) = receiver.end();
    assert_eq!(received, 0, "{said}");
    assert_eq!(sender.end().0, 0);
    assert!(std::fs::read(world.path("in/large.bin")).expect("received") == content);
    // What it logs is for who looks closer; what it prints says nothing of it.
    let logged = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut told = logged.filter(|line| line["message"].as_str().is_some_and(|text| text.contains("in another order")));
    let inversions =
        told.next().and_then(|line| line["inversions"].as_u64()).unwrap_or_else(|| panic!("no number of inversions in {said}"));
    println!("{inversions} inversions");
    assert!(inversions > 100, "{inversions}");
}
