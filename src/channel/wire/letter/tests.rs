//! Each letter as bytes, and what is none.

use super::*;
use crate::channel::wire::refusal::MAX_TEXT;

fn letters() -> Vec<(Letter, &'static str)> {
    let offer = Offer {
        content: Content::Files,
        files: 2,
        bytes: Some(5),
        names: vec!["a \"b\"".into()],
        manifest: 120,
        digest: Digest([1; 32]),
        chunk: 262_144,
        streams: 1,
        compression: None,
        sparse: Sparse::default(),
        calls: false,
    };
    let calling = Offer { calls: true, ..offer.clone() };
    let packing = Offer { compression: Some(Compression::Zstd), sparse: Sparse::new([(1, 4096)]), ..offer.clone() };
    let digest = "01".repeat(32);
    let told = format!(
        "\u{1}{{\"content\":\"files\",\"files\":2,\"bytes\":5,\"names\":[\"a \\\"b\\\"\"],\"manifest\":120,\"digest\":\"{digest}\",\"chunk\":262144,\"streams\":1}}"
    );
    let told: &'static str = told.leak();
    vec![
        (Letter::Offer(offer), told),
        (Letter::Offer(packing), told.replace("\"streams\":1", "\"streams\":1,\"compression\":\"zstd\",\"sparse\":{\"1\":4096}").leak()),
        (Letter::Offer(calling), told.replace("\"streams\":1", "\"streams\":1,\"calls\":true").leak()),
        (Letter::Manifest(Bytes::from_static(b"{}")), "\u{2}{}"),
        (Letter::Accept { from: 7, way: Way::Relay, once: false, compression: None }, "\u{3}{\"from\":7}"),
        (Letter::Accept { from: 7, way: Way::Direct, once: true, compression: None }, "\u{3}{\"from\":7,\"way\":\"direct\",\"once\":true}"),
        (Letter::Accept { from: 7, way: Way::Called, once: false, compression: None }, "\u{3}{\"from\":7,\"way\":\"called\"}"),
        (
            Letter::Accept { from: 7, way: Way::Relay, once: false, compression: Some(Compression::Zstd) },
            "\u{3}{\"from\":7,\"compression\":\"zstd\"}",
        ),
        (Letter::Decline { why: "no".into() }, "\u{4}{\"why\":\"no\"}"),
        (Letter::Progress { received: 9, durable: 8 }, "\u{5}{\"received\":9,\"durable\":8}"),
        (Letter::Digests(Bytes::from_static(b"xy")), "\u{6}xy"),
        (
            Letter::End(End { bytes: 9, chunks: 1, algorithm: Algorithm::Blake3, files: 1 }),
            "\u{7}{\"bytes\":9,\"chunks\":1,\"algorithm\":\"blake3\",\"files\":1}",
        ),
        (Letter::Done { skipped: 0 }, "\u{8}{}"),
        (Letter::Done { skipped: 2 }, "\u{8}{\"skipped\":2}"),
        (Letter::Failed(Failed::new(FailedCode::NoSpace, "full")), "\u{9}{\"code\":\"no-space\",\"text\":\"full\"}"),
        (
            Letter::Listening { addresses: vec![([192, 0, 2, 1], 4000).into(), "[2001:db8::1]:5000".parse().expect("one")] },
            "\u{a}{\"addresses\":[\"192.0.2.1:4000\",\"[2001:db8::1]:5000\"]}",
        ),
        (Letter::Called { unreached: None }, "\u{b}{}"),
        (Letter::Called { unreached: Some("no".into()) }, "\u{b}{\"unreached\":\"no\"}"),
    ]
}

#[test]
fn each_letter_has_the_form_that_the_page_gives_and_is_read_again() {
    for (letter, form) in letters() {
        assert_eq!(String::from_utf8_lossy(&letter.write()), form);
        assert_eq!(Letter::read(&Bytes::from_static(form.as_bytes())), Ok(letter));
    }
}

#[test]
fn what_is_no_letter_is_told_for_what_it_is() {
    let read = |bytes: &[u8]| Letter::read(&Bytes::copy_from_slice(bytes));
    assert_eq!(read(b""), Err(LetterError::Length(0)));
    assert_eq!(read(&vec![2; MAX_LETTER + 1]), Err(LetterError::Length(MAX_LETTER + 1)));
    assert_eq!(read(b"\x0c{}"), Err(LetterError::Kind(12)));
    for bytes in [
        b"\x03{}".as_slice(),
        b"\x03",
        b"\x03{\"from\":-1}",
        b"\x01{}",
        b"\x08x",
        b"\x05{\"received\":1}",
        b"\x09{\"code\":\"x\"}",
        b"\x0a{\"addresses\":[\"localhost:4000\"]}",
    ] {
        assert!(matches!(read(bytes), Err(LetterError::Form { .. })), "{bytes:?}");
    }
}

#[test]
fn later_versions_may_say_more_and_no_text_is_longer_than_its_bound() {
    let read = |text: &str| Letter::read(&Bytes::copy_from_slice(text.as_bytes()));
    assert_eq!(read("\u{3}{\"from\":1,\"later\":[]}"), Ok(Letter::Accept { from: 1, way: Way::Relay, once: false, compression: None }));
    let Ok(Letter::Accept { compression, .. }) = read("\u{3}{\"from\":1,\"compression\":\"later\"}") else { panic!("a letter") };
    assert_eq!(compression, Some(Compression::Unknown));
    assert_eq!(read("\u{9}{\"code\":\"later\",\"text\":\"\"}"), Ok(Letter::Failed(Failed::new(FailedCode::Other, ""))));
    let long = "ä".repeat(MAX_TEXT);
    let Ok(Letter::Decline { why }) = Letter::read(&Letter::Decline { why: long }.write().into()) else { panic!("a letter") };
    assert_eq!(why.len(), MAX_TEXT);
}
