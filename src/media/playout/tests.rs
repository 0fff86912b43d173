use super::Playout;
use crate::media::{
    Codec, g711,
    jitter::Arrival,
    level::{dbfs, energy},
    spectrum::Spectrum,
    tone::Generator,
};

/// A tone in packets of `length` samples, through a playout; `lose` picks packets that do not come, `times` shifts their time stamps.
fn listen(frequency: f32, length: usize, ticks: usize, lose: impl Fn(usize) -> bool) -> (Vec<i16>, usize) {
    let voice: Vec<i16> = Generator::endless(frequency, -12.0, 8000).take(ticks * 160 + 2000).collect();
    let mut playout = Playout::new(Codec::Pcma);
    let (mut heard, mut concealed) = (Vec::new(), 0);
    let mut sent = 0;
    for tick in 0..ticks {
        while (sent + 1) * length <= (tick + 1) * 160 {
            if !lose(sent) {
                push(&mut playout, sent as i64, (sent * length) as u32, &voice[sent * length..(sent + 1) * length]);
            }
            sent += 1;
        }
        let frame = playout.pull();
        concealed += frame.concealed;
        heard.extend_from_slice(frame.samples);
    }
    (heard, concealed)
}

fn push(playout: &mut Playout, sequence: i64, timestamp: u32, samples: &[i16]) {
    let mut payload = vec![0; samples.len()];
    g711::encode_alaw_all(samples, &mut payload);
    playout.push(Arrival { sequence, timestamp, codec: Codec::Pcma, payload: &payload });
}

fn steepest(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
}

#[test]
fn packets_of_any_length_give_an_unbroken_tone() {
    for length in [40, 80, 160, 240, 320, 480, 800] {
        let (heard, concealed) = listen(440.0, length, 400, |_| false);
        assert_eq!(concealed, 0, "{length} samples a packet");
        let steady = &heard[8000..];
        assert!(steepest(steady) < 3100, "{length}: a step of {}", steepest(steady));
        let level = Spectrum::of(steady, 8000).level_at(440.0);
        assert!((level + 12.0).abs() < 0.1, "{length}: {level}");
    }
}

#[test]
fn lost_packets_are_hardly_heard() {
    let (heard, concealed) = listen(300.0, 160, 500, |packet| packet % 10 == 7);
    assert!((48 * 160..=50 * 160).contains(&concealed), "{concealed}");
    let steady = &heard[8000..];
    // A tone of this level rises by at most 1,950 from sample to sample.
    assert!(steepest(steady) < 3900, "{}", steepest(steady));
    let spectrum = Spectrum::of(steady, 8000);
    assert!((spectrum.level_at(300.0) + 12.0).abs() < 1.0, "{}", spectrum.level_at(300.0));
}

#[test]
fn a_pause_is_silence_not_concealment() {
    let mut playout = Playout::new(Codec::Pcma);
    let voice: Vec<i16> = Generator::endless(440.0, -12.0, 8000).take(1600).collect();
    for (packet, samples) in voice.chunks(160).enumerate() {
        push(&mut playout, packet as i64, packet as u32 * 160, samples);
        playout.pull();
    }
    playout.pause(10);
    playout.pull();
    for _ in 0..20 {
        let frame = playout.pull();
        assert_eq!((frame.audible, frame.concealed), (false, 0));
        assert!(frame.samples.iter().all(|&sample| sample == 0));
    }
    // And it comes back where the sender's clock has gone on meanwhile.
    for (packet, samples) in voice.chunks(160).enumerate() {
        push(&mut playout, packet as i64 + 11, (packet as u32 + 31) * 160, samples);
        playout.pull();
    }
    assert!(dbfs(energy(playout.frame()), 160).is_some_and(|level| level > -13.0));
}

#[test]
fn a_sender_that_falls_silent_fades_and_costs_nothing_then() {
    let mut playout = Playout::new(Codec::Pcma);
    let voice: Vec<i16> = Generator::endless(200.0, -12.0, 8000).take(1600).collect();
    for (packet, samples) in voice.chunks(160).enumerate() {
        push(&mut playout, packet as i64, packet as u32 * 160, samples);
        playout.pull();
    }
    let levels: Vec<Option<i32>> = (0..8).map(|_| dbfs(energy(playout.pull().samples), 160).map(|level| level.round() as i32)).collect();
    // The cushion, three frames that fade, silence.
    assert_eq!(levels, [Some(-12), Some(-12), Some(-16), Some(-25), None, None, None, None]);
    assert!(!playout.pull().audible);
}

#[test]
fn a_delay_that_is_too_long_is_cut_without_a_click() {
    let mut playout = Playout::new(Codec::Pcma);
    let voice: Vec<i16> = Generator::endless(440.0, -12.0, 8000).take(160 * 400).collect();
    let mut heard = Vec::new();
    let packets: Vec<&[i16]> = voice.chunks(160).collect();
    // A stall makes the delay grow; then everything comes early.
    let mut sent = 0;
    for tick in 0..300 {
        let due = if (50..52).contains(&tick) { 50 } else { tick + 1 };
        while sent < due {
            push(&mut playout, sent as i64, sent as u32 * 160, packets[sent]);
            sent += 1;
        }
        heard.extend_from_slice(playout.pull().samples);
    }
    assert_eq!(playout.counters().slips, 1, "{:?}", playout.counters());
    assert!(steepest(&heard[53 * 160..]) < 4000, "{}", steepest(&heard[53 * 160..]));
    assert_eq!(playout.buffered(), 160);
}
