use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{Arrival, HOLD_MS, JitterBuffer, MAX_PACKETS, Next};
use crate::media::Codec;

const FRAME: usize = 160;

/// Plays a script: a word per tick, in it the packets that arrive in that tick. `7` is the packet of that number and time, `7@30` has the time of the
/// thirtieth, `-` is nothing. Shown is a word per tick: the packet that is played (by its time), `L` lost, `P` pause, `.` nothing there, `*` a frame cut.
fn play(script: &str) -> String {
    let mut buffer = JitterBuffer::new(8000);
    let mut shown = Vec::new();
    for word in script.split_whitespace() {
        for packet in word.split(',').filter(|packet| *packet != "-") {
            let (number, time) = packet.split_once('@').unwrap_or((packet, packet));
            push(&mut buffer, number.parse().unwrap(), time.parse().unwrap());
        }
        shown.push(pull(&mut buffer));
    }
    shown.join(" ")
}

fn push(buffer: &mut JitterBuffer, sequence: i64, time: i64) {
    // The payload tells its time, so that what is played can be told from what came.
    let payload = [time.to_be_bytes().as_slice(), &[0; FRAME - 8]].concat();
    let timestamp = (time * FRAME as i64) as u32;
    buffer.push(Arrival { sequence, timestamp, codec: Codec::Pcmu, payload: &payload }, 0);
}

fn pull(buffer: &mut JitterBuffer) -> String {
    buffer.begin();
    let mut shown = take(buffer);
    if buffer.slip_due() {
        shown = format!("{shown}*{}", take(buffer));
        buffer.slipped();
    }
    shown
}

fn take(buffer: &mut JitterBuffer) -> String {
    match buffer.next(FRAME) {
        Next::Audio { payload, skip, .. } => {
            assert_eq!(skip, 0, "these packets lie on the grid");
            i64::from_be_bytes(payload[..8].try_into().unwrap()).to_string()
        }
        Next::Lost(FRAME) => "L".to_owned(),
        Next::Pause(FRAME) => "P".to_owned(),
        Next::Nothing => ".".to_owned(),
        other => panic!("{other:?} is no frame"),
    }
}

#[test]
fn what_is_played_when() {
    let table = [
        ("one packet of cushion", "0 1 2 3 4 5", "P 0 1 2 3 4"),
        ("two in the first tick are cushion enough", "0,1 2 3 4", "0 1 2 3"),
        ("a packet late by a tick is not missed", "0 1 2 - 3,4 5 6", "P 0 1 2 3 4 5"),
        ("one late by two makes the delay grow", "0 1 2 - - 3,4,5 6 7", "P 0 1 2 . 3 4 5"),
        ("a lost packet is a gap of its own length", "0 1 3 4 5 6", "P 0 1 L 3 4"),
        ("two of them are two", "0 1 4 5 6 7 8", "P 0 1 L L 4 5"),
        ("a loss noticed while waiting does not make the delay grow", "0 1 2 - - 4 5 6 7", "P 0 1 2 . 4 5 6 7"),
        ("overtaking within the cushion is put right", "0 2 1 4 3 5 6", "P 0 1 2 3 4 5"),
        ("one that comes after its gap was concealed is late", "0 1 3 4 2 5 6", "P 0 1 L 3 4 5"),
        ("duplicates change nothing", "0 1,1 2,0 3,3,3 4 5", "P 0 1 2 3 4"),
        ("a pause of the sender is a pause, not loss", "0 1 2 - - - - - - 3@9 4@10 5@11", "P 0 1 2 . . . . . P 9 10"),
        ("the sender's clock may jump ahead", "0 1 2 3@1000 4@1001 5@1002 6@1003", "P 0 1 2 P 1000 1001"),
        ("and back", "0@1000 1@1001 2@1002 3@5 4@6 5@7 6@8", "P 1000 1001 1002 P 5 6"),
        ("and stand still while the sender pauses", "0 1 2 - - - - - - 3 4 5 6 7", "P 0 1 2 . . . . . P 3 4 5 6"),
        ("numbers may wrap around the 32 bits of the clock", "0@26843544 1@26843545 2@26843546 3@26843547", "P 26843544 26843545 26843546"),
        ("a burst after an outage is played from its end", "0 1 - - - - - - - - 2,3,4,5,6,7,8,9,10 11 12", "P 0 1 . . . . . . . 9 10 11"),
    ];
    for (what, arrivals, played) in table {
        assert_eq!(play(arrivals), played, "{what}");
    }
}

#[test]
fn what_happened_is_counted() {
    let mut buffer = JitterBuffer::new(8000);
    for packets in [&[0][..], &[1, 1], &[3], &[2, 0], &[5], &[6], &[7, 4], &[8]] {
        packets.iter().for_each(|&packet| push(&mut buffer, packet, packet));
        pull(&mut buffer);
    }
    let counters = buffer.counters();
    assert_eq!((counters.duplicates, counters.reordered, counters.late), (2, 1, 1), "{counters:?}");
}

#[test]
fn a_full_buffer_drops_its_oldest_and_never_grows() {
    let mut buffer = JitterBuffer::new(8000);
    for packet in 0..1000 {
        push(&mut buffer, packet, packet);
    }
    assert_eq!(buffer.counters().overflowed, 1000 - MAX_PACKETS as u64);
    assert_eq!(pull(&mut buffer), "998");
    assert_eq!(buffer.buffered(), FRAME as u32);
}

#[test]
fn packets_of_any_time_stamp_never_stall_it() {
    let mut rng = ChaCha12Rng::from_seed([1; 32]);
    let mut buffer = JitterBuffer::new(8000);
    for tick in 0..20_000i64 {
        for _ in 0..rng.random_range(0..3) {
            let payload = vec![0; rng.random_range(1..600)];
            let timestamp = rng.random();
            let sequence = tick * 2 + rng.random_range(-40..40);
            buffer.push(Arrival { sequence, timestamp, codec: Codec::Pcma, payload: &payload }, 0);
        }
        buffer.begin();
        let mut need = FRAME;
        while need > 0 {
            need -= match buffer.next(need) {
                Next::Audio { payload, skip, .. } => payload.len() - skip.min(payload.len()),
                Next::Lost(count) | Next::Pause(count) => count,
                Next::Nothing => need,
            }
            .min(need);
        }
    }
}

/// A sender whose clock is off by `ppm`, a network, a receiver: what the receiver made of it.
struct Run {
    ticks: u64,
    played: u64,
    concealed: u64,
    slips: u64,
    late: u64,
    /// Delay from sending to playing, in ms: largest after the first tenth.
    worst_delay_ms: f64,
    mean_delay_ms: f64,
}

fn simulate(seconds: u64, ppm: f64, seed: u8, mut delay_ms: impl FnMut(&mut ChaCha12Rng) -> Option<f64>) -> Run {
    let mut rng = ChaCha12Rng::from_seed([seed; 32]);
    let phase = rng.random_range(0.0..20.0);
    let sent_at = |packet: i64| packet as f64 * 20.0 / (1.0 + ppm / 1e6);
    let ticks = seconds * 50;
    let mut arrivals: Vec<(f64, i64)> =
        (0..ticks as i64 + 100).filter_map(|packet| delay_ms(&mut rng).map(|delay| (sent_at(packet) + delay, packet))).collect();
    arrivals.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut arrivals = arrivals.into_iter().peekable();
    let mut buffer = JitterBuffer::new(8000);
    let mut run = Run { ticks, played: 0, concealed: 0, slips: 0, late: 0, worst_delay_ms: 0.0, mean_delay_ms: 0.0 };
    let mut delays = 0.0;
    for tick in 0..ticks {
        let now = tick as f64 * 20.0 + phase;
        while let Some((_, packet)) = arrivals.next_if(|(at, _)| *at <= now) {
            push(&mut buffer, packet, packet);
        }
        for shown in pull(&mut buffer).split('*') {
            match shown.parse::<i64>() {
                Ok(packet) => {
                    run.played += 1;
                    delays += now - sent_at(packet);
                    if tick > ticks / 10 {
                        run.worst_delay_ms = run.worst_delay_ms.max(now - sent_at(packet));
                    }
                }
                Err(_) => run.concealed += 1,
            }
        }
    }
    let counters = buffer.counters();
    (run.slips, run.late, run.mean_delay_ms) = (counters.slips, counters.late, delays / run.played as f64);
    run
}

#[test]
fn a_quiet_network_costs_a_cushion_and_nothing_else() {
    let run = simulate(60, 0.0, 2, |_| Some(5.0));
    assert_eq!((run.concealed, run.slips, run.late), (1, 0, 0), "the pause at the start");
    assert!(run.worst_delay_ms < 45.0, "{}", run.worst_delay_ms);
}

#[test]
fn clocks_that_drift_by_two_hundred_millionths_are_followed_for_an_hour() {
    for (ppm, seed) in [(200.0, 3), (-200.0, 4)] {
        let run = simulate(3600, ppm, seed, |_| Some(5.0));
        // 720 ms in an hour: 36 frames too many or too few, one every hundred seconds.
        let corrections = if ppm > 0.0 { run.slips } else { run.concealed };
        assert!((34..=40).contains(&corrections), "{ppm}: {} slips, {} concealed", run.slips, run.concealed);
        assert!(run.late == 0 && run.worst_delay_ms < 70.0, "{ppm}: {} late, {} ms", run.late, run.worst_delay_ms);
    }
}

#[test]
fn forty_milliseconds_of_jitter_cost_two_percent_at_most_and_bounded_delay() {
    let run = simulate(300, 50.0, 5, |rng| Some(10.0 + rng.random_range(0.0..40.0)));
    assert!(run.concealed * 50 < run.ticks, "{} of {} concealed", run.concealed, run.ticks);
    assert!(run.worst_delay_ms < 150.0, "{}", run.worst_delay_ms);
}

#[test]
fn heavy_tails_are_left_to_concealment() {
    // One packet in fifty is 150 ms late.
    let run = simulate(300, 0.0, 6, |rng| Some(if rng.random_ratio(1, 50) { 150.0 } else { 10.0 }));
    assert!(run.concealed * 20 < run.ticks, "{} of {} concealed", run.concealed, run.ticks);
    assert!(run.mean_delay_ms < 120.0, "{}", run.mean_delay_ms);
}

#[test]
fn loss_is_concealed_packet_for_packet() {
    let run = simulate(120, 0.0, 7, |rng| (!rng.random_ratio(1, 10)).then_some(5.0));
    let lost = run.ticks - run.played;
    assert!((500..=700).contains(&lost), "{lost}");
    assert!(
        run.concealed.abs_diff(lost) <= run.slips + u64::from(HOLD_MS) / 20,
        "{} concealed, {lost} lost, {} slips",
        run.concealed,
        run.slips
    );
    assert!(run.worst_delay_ms < 90.0, "{}", run.worst_delay_ms);
}

#[test]
fn a_route_that_gets_slower_and_faster_again_is_followed() {
    let mut packets = 0;
    let run = simulate(60, 0.0, 8, |_| {
        packets += 1;
        Some(if (1000..2000).contains(&packets) { 120.0 } else { 10.0 })
    });
    assert!(run.concealed < 20, "{}", run.concealed);
    assert!(run.slips >= 3, "{} slips bring the delay back", run.slips);
    assert!(run.mean_delay_ms < 100.0, "{}", run.mean_delay_ms);
}
