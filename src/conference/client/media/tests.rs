use std::{net::SocketAddr, time::Duration};

use super::{Mic, TerminalHost, TerminalMedia};
use crate::media::{Clip, Codec, LegMedia, spectrum::Spectrum};

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

fn media(peer: SocketAddr) -> LegMedia {
    LegMedia { dtmf_payload_type: Some(101), ..LegMedia::new(peer, Codec::Pcma.format()) }
}

async fn until(terminal: &TerminalMedia, enough: impl Fn(&super::Report) -> bool) {
    tokio::time::timeout(Duration::from_secs(30), async {
        // Each question is answered after the next tick.
        while !enough(&terminal.report().await.unwrap()) {}
    })
    .await
    .expect("heard in time");
}

#[tokio::test]
async fn two_terminals_talk_press_keys_and_record() {
    let host = TerminalHost::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("heard.wav");
    let (alice, alice_at) = host.open(LOOPBACK.into()).unwrap();
    let (mut bob, bob_at) = host.open(LOOPBACK.into()).unwrap();
    bob.record_to(&path).unwrap();
    alice.set_mic(Mic::Tone { frequency: 440.0, level_dbfs: -20.0 }).unwrap();
    alice.start_with(media(bob_at)).unwrap();
    bob.start_with(media(alice_at)).unwrap();
    until(&bob, |report| report.whole.spectrum.level_at(440.0) > -25.0 && report.whole.duration > Duration::from_secs(1)).await;
    alice.set_mic(Mic::Clip { clip: Clip(vec![0; 160].into()), repeat: false }).unwrap();
    alice.send_digits("42").unwrap();
    alice.said().await.unwrap();
    until(&bob, |report| report.digits == "42").await;
    let report = bob.stop().await.unwrap();
    assert_eq!((report.stats.strangers, report.stats.unknown_payload, report.stats.malformed), (0, 0, 0));
    let recorded = Clip::from_wav(std::fs::File::open(&path).unwrap()).unwrap();
    assert!(recorded.0.len() >= 8000, "{}", recorded.0.len());
    let peak = Spectrum::of(&recorded.0, 8000).strongest(1)[0];
    assert!((peak.frequency - 440.0).abs() < 2.0, "{peak:?}");
    drop(alice);
}

#[tokio::test]
async fn a_recording_that_is_replaced_is_complete() {
    let host = TerminalHost::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("1.wav"), directory.path().join("2.wav"));
    let (mut bob, bob_at) = host.open(LOOPBACK.into()).unwrap();
    bob.start_with(media(bob_at)).unwrap();
    bob.record_to(&first).unwrap();
    until(&bob, |report| report.whole.duration >= Duration::from_millis(400)).await;
    bob.record_to(&second).unwrap();
    bob.stop().await.unwrap();
    let length = |path| Clip::from_wav(std::fs::File::open(path).unwrap()).unwrap().0.len();
    assert!(length(&first) >= 3200 - 160, "{}", length(&first));
    // And the second is a whole file as well, however short.
    length(&second);
}

#[test]
fn a_file_that_cannot_be_made_is_an_error() {
    let host = TerminalHost::start().unwrap();
    let (mut terminal, _) = host.open(LOOPBACK.into()).unwrap();
    let refused = terminal.record_to("/nonexistent/heard.wav".as_ref()).unwrap_err();
    assert!(refused.to_string().contains("No such file"), "{refused}");
}
