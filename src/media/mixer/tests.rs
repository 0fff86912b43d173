use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use super::{Event, MAX_PROMPTS, Mixer, MixerConfig, MixerError, Port, Slot, Target};
use crate::media::{Clip, Codec, Direction, LegId, LegMedia, Mix, PlayEnd, PlayId, Prompt, RoomId, Sound, rtp};

/// A room with legs, each of which says one value all the time.
struct Stage {
    mixer: Mixer,
    now: Instant,
    legs: BTreeMap<LegId, Voice>,
    events: Vec<Event>,
    goodbyes: usize,
}

struct Voice {
    slot: Slot,
    codec: Codec,
    header: rtp::HeaderWriter,
    timestamp: u32,
    says: Option<i16>,
    /// The middle sample of the last packet that was sent to it, or none.
    hears: Option<i16>,
}

fn room() -> RoomId {
    RoomId::new("standup")
}

fn address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, leg.0 as u8], 4000))
}

impl Stage {
    fn new() -> Self {
        let now = crate::clock::now();
        let mut mixer = Mixer::new(MixerConfig { silent_after: Duration::from_secs(1) }, now, SystemTime::UNIX_EPOCH, [7; 32]);
        mixer.open_room(&room());
        Self { mixer, now, legs: BTreeMap::new(), events: Vec::new(), goodbyes: 0 }
    }

    fn join(&mut self, leg: u64, codec: Codec, says: i16, mix: Mix) -> LegId {
        let leg = LegId(leg);
        let slot = self.mixer.open_leg(leg, &room()).unwrap();
        self.mixer.connect_leg(self.now, leg, LegMedia::new(address(leg), codec.format())).unwrap();
        self.mixer.set_mix(leg, mix).unwrap();
        let header = rtp::HeaderWriter::new(leg.0 as u32, 0);
        self.legs.insert(leg, Voice { slot, codec, header, timestamp: 0, says: Some(says), hears: None });
        leg
    }

    fn say(&mut self, leg: LegId, value: Option<i16>) {
        self.legs.get_mut(&leg).unwrap().says = value;
    }

    fn run(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.now += Mixer::TICK;
            for (leg, voice) in &mut self.legs {
                voice.hears = None;
                let mut packet = [0; 172];
                voice.header.write(false, voice.codec.static_payload_type(), voice.timestamp, &mut packet);
                voice.timestamp += 160;
                if let Some(value) = voice.says {
                    voice.codec.encode(&[value; 160], &mut packet[12..]);
                    self.mixer.receive(self.now, voice.slot, self.now, address(*leg), &packet);
                }
            }
            self.mixer.tick(self.now);
            while let Some(packet) = self.mixer.poll_packet(self.now) {
                let (leg, voice) = self.legs.iter_mut().find(|(leg, _)| address(**leg).ip() == packet.to.ip()).unwrap();
                assert_eq!(packet.slot, voice.slot);
                match packet.port {
                    Port::Media => {
                        assert_eq!(packet.to, address(*leg));
                        let read = rtp::Packet::parse(packet.bytes).unwrap();
                        let mut samples = [0; 160];
                        voice.codec.decode(read.payload, &mut samples);
                        voice.hears = Some(samples[80]);
                    }
                    Port::Reports => self.goodbyes += usize::from(packet.bytes.windows(2).any(|pair| pair == [0xa1, 203])),
                }
            }
            while let Some(event) = self.mixer.poll_event() {
                self.events.push(event);
            }
        }
    }

    fn hears(&self, leg: LegId) -> Option<i16> {
        self.legs[&leg].hears
    }

    fn talkers(&mut self) -> Vec<Vec<u64>> {
        let events = std::mem::take(&mut self.events);
        events
            .into_iter()
            .filter_map(|event| match event {
                Event::Talkers { legs, .. } => Some(legs.into_iter().map(|leg| leg.0).collect()),
                _ => None,
            })
            .collect()
    }
}

/// What becomes of a sample through a codec.
fn through(codec: Codec, value: i32) -> i16 {
    let (mut code, mut out) = ([0], [0]);
    codec.encode(&[value.clamp(-32768, 32767) as i16], &mut code);
    codec.decode(&code, &mut out);
    out[0]
}

#[test]
fn each_hears_exactly_the_sum_of_all_others() {
    let mut stage = Stage::new();
    let said = [500, -1300, 2100, 40, -9000, 7, 0, 3333].map(|value| through(Codec::Pcmu, value));
    let codecs = [Codec::Pcmu, Codec::Pcma];
    for (number, &value) in said.iter().enumerate() {
        stage.join(number as u64 + 1, codecs[number % 2], value, Mix::FULL);
    }
    stage.run(10);
    let exact: Vec<i32> = (0..said.len()).map(|number| i32::from(through(codecs[number % 2], said[number].into()))).collect();
    let all: i32 = exact.iter().sum();
    for (number, own) in exact.iter().enumerate() {
        let heard = stage.hears(LegId(number as u64 + 1));
        assert_eq!(heard, Some(through(codecs[number % 2], all - own)), "leg {}", number + 1);
    }
}

#[test]
fn what_each_place_in_the_mix_says_and_hears() {
    let places = [
        ("full", Mix::FULL),
        ("muted", Mix { mute: true, ..Mix::FULL }),
        ("deaf", Mix { deaf: true, ..Mix::FULL }),
        ("parked", Mix::PARKED),
        ("6 dB louder in", Mix { gain_in_db: 6, ..Mix::FULL }),
        ("6 dB softer out", Mix { gain_out_db: -6, ..Mix::FULL }),
        ("turned off in", Mix { gain_in_db: -40, ..Mix::FULL }),
    ];
    // Everyone says 1000 to one who listens, one after the other; then everyone hears 1000.
    let mut shown = String::new();
    for (name, mix) in places {
        let mut stage = Stage::new();
        let listener = stage.join(1, Codec::Pcmu, 0, Mix::FULL);
        let speaker = stage.join(2, Codec::Pcmu, 1000, mix);
        stage.run(5);
        let is_heard = stage.hears(listener).unwrap();
        stage.say(listener, Some(1000));
        stage.run(5);
        shown += &format!("{name:16} is heard as {is_heard:5}, hears {:5}\n", stage.hears(speaker).unwrap());
    }
    assert_eq!(
        shown,
        "full             is heard as   988, hears   988
muted            is heard as     0, hears   988
deaf             is heard as   988, hears     0
parked           is heard as     0, hears     0
6 dB louder in   is heard as  1980, hears   988
6 dB softer out  is heard as   988, hears   492
turned off in    is heard as     0, hears   988
"
    );
}

#[test]
fn rooms_do_not_hear_each_other() {
    let mut stage = Stage::new();
    let alice = stage.join(1, Codec::Pcmu, 1000, Mix::FULL);
    stage.mixer.open_room(&RoomId::new("next door"));
    let slot = stage.mixer.open_leg(LegId(2), &RoomId::new("next door")).unwrap();
    stage.mixer.connect_leg(stage.now, LegId(2), LegMedia::new(address(LegId(2)), Codec::Pcmu.format())).unwrap();
    stage.mixer.set_mix(LegId(2), Mix::FULL).unwrap();
    let header = rtp::HeaderWriter::new(2, 0);
    stage.legs.insert(LegId(2), Voice { slot, codec: Codec::Pcmu, header, timestamp: 0, says: Some(4000), hears: None });
    stage.run(5);
    assert_eq!((stage.hears(alice), stage.hears(LegId(2))), (Some(0), Some(0)));
}

#[test]
fn a_loud_room_is_turned_down_evenly_instead_of_clipping() {
    let mut stage = Stage::new();
    let listener = stage.join(1, Codec::Pcmu, 0, Mix::FULL);
    let quiet = stage.join(2, Codec::Pcmu, 3000, Mix::FULL);
    for leg in 3..7 {
        stage.join(leg, Codec::Pcmu, 30_000, Mix::FULL);
    }
    stage.run(5);
    let heard = stage.hears(listener).unwrap();
    assert!((29_000..=30_500).contains(&heard), "{heard}");
    // One of the loud hears all but itself, at the same gain: four fifths, about.
    let heard = stage.hears(LegId(3)).unwrap();
    assert!((21_500..=24_500).contains(&heard), "{heard}");
    for leg in 3..7 {
        stage.say(LegId(leg), Some(0));
    }
    stage.run(120);
    assert_eq!(stage.hears(listener), Some(through(Codec::Pcmu, 3000)), "the gain comes back");
    assert_eq!(stage.hears(quiet), Some(0));
}

#[test]
fn talkers_are_told_when_they_change_loudest_first_and_not_too_often() {
    let mut stage = Stage::new();
    for (leg, says) in [(1, 2000), (2, 0), (3, 6000)] {
        stage.join(leg, Codec::Pcmu, says, Mix::FULL);
    }
    stage.run(40);
    assert_eq!(stage.talkers(), [vec![3, 1]]);
    stage.run(100);
    assert_eq!(stage.talkers(), [] as [Vec<u64>; 0], "nothing changed");
    stage.mixer.set_mix(LegId(3), Mix { mute: true, ..Mix::FULL }).unwrap();
    stage.run(20);
    assert_eq!(stage.talkers(), [vec![1]], "the muted do not talk");
    stage.mixer.close_leg(LegId(1));
    stage.run(20);
    assert_eq!(stage.talkers(), [Vec::<u64>::new()], "nor do those who left");
    for tick in 0..100 {
        stage.say(LegId(2), Some(if tick % 40 < 10 { 8000 } else { 0 }));
        stage.run(1);
    }
    let told = stage.talkers();
    assert!(told.len() <= 10 && told.first() == Some(&vec![2]), "{told:?}");
}

#[test]
fn silence_and_its_end_are_told_once() {
    let mut stage = Stage::new();
    let alice = stage.join(1, Codec::Pcmu, 1000, Mix::FULL);
    stage.run(100);
    stage.say(alice, None);
    stage.run(150);
    assert_eq!(std::mem::take(&mut stage.events).into_iter().filter(|event| matches!(event, Event::Silent { .. })).count(), 1);
    stage.say(alice, Some(1000));
    stage.run(50);
    assert!(stage.events.contains(&Event::Audible { leg: alice }));
    // Who is told not to send is not missed.
    stage.events.clear();
    let held = LegMedia { direction: Direction::SendOnly, ..LegMedia::new(address(alice), Codec::Pcmu.format()) };
    stage.mixer.connect_leg(stage.now, alice, held).unwrap();
    stage.run(200);
    assert!(!stage.events.contains(&Event::Silent { leg: alice }));
}

fn clip(value: i16, ticks: usize) -> Sound {
    Sound::Clip(Clip(vec![value; ticks * 160].into()))
}

#[test]
fn prompts_reach_whom_they_are_for() {
    let mut stage = Stage::new();
    let alice = stage.join(1, Codec::Pcmu, 1000, Mix::FULL);
    let bob = stage.join(2, Codec::Pcmu, 0, Mix::FULL);
    let parked = stage.join(3, Codec::Pcma, 0, Mix::PARKED);
    stage.run(5);
    stage.mixer.play(&Target::Leg(parked), Prompt::once(clip(4000, 5)), PlayId(1)).unwrap();
    stage.mixer.play(&Target::Room(room()), Prompt { times: 0, ..Prompt::once(clip(2000, 3)) }, PlayId(2)).unwrap();
    stage.run(2);
    let said = i32::from(through(Codec::Pcmu, 1000));
    assert_eq!(stage.hears(alice), Some(through(Codec::Pcmu, 2000)));
    assert_eq!(stage.hears(bob), Some(through(Codec::Pcmu, 2000 + said)));
    assert_eq!(stage.hears(parked), Some(through(Codec::Pcma, 4000)));
    stage.run(10);
    let done = |play, end, ms| Event::PlayDone { play: PlayId(play), end, played: Duration::from_millis(ms) };
    assert!(stage.events.contains(&done(1, PlayEnd::Finished, 100)), "{:?}", stage.events);
    assert_eq!(stage.hears(alice), Some(through(Codec::Pcmu, 2000)), "for ever");
    stage.mixer.stop(PlayId(2));
    stage.run(1);
    assert!(stage.events.contains(&done(2, PlayEnd::Stopped, 240)), "{:?}", stage.events);
    assert_eq!(stage.hears(alice), Some(0));
}

#[test]
fn prompts_are_bounded_and_end_with_their_leg_and_room() {
    let mut stage = Stage::new();
    let alice = stage.join(1, Codec::Pcmu, 0, Mix::FULL);
    for play in 0..MAX_PROMPTS as u64 {
        stage.mixer.play(&Target::Leg(alice), Prompt::once(clip(1, 500)), PlayId(play)).unwrap();
    }
    let refused = stage.mixer.play(&Target::Leg(alice), Prompt::once(clip(1, 500)), PlayId(99));
    assert_eq!(refused, Err(MixerError::Prompts));
    stage.mixer.play(&Target::Room(room()), Prompt::once(clip(1, 500)), PlayId(50)).unwrap();
    stage.run(1);
    stage.mixer.close_room(&room());
    stage.run(1);
    let ended = stage.events.iter().filter(|event| matches!(event, Event::PlayDone { end: PlayEnd::Closed, .. })).count();
    assert_eq!(ended, MAX_PROMPTS + 1);
    assert!(stage.mixer.is_idle());
}

#[test]
fn a_leg_that_closes_says_good_bye_and_its_slot_is_used_again() {
    let mut stage = Stage::new();
    let alice = stage.join(1, Codec::Pcmu, 1000, Mix::FULL);
    let bob = stage.join(2, Codec::Pcmu, 2000, Mix::FULL);
    stage.run(10);
    stage.mixer.close_leg(alice);
    let slot = stage.legs[&alice].slot;
    stage.run(1);
    assert_eq!(stage.goodbyes, 1);
    let closed = stage.events.iter().find_map(|event| match event {
        Event::Closed { leg, stats } => Some((*leg, stats.packets_out, stats.lost)),
        _ => None,
    });
    assert_eq!(closed, Some((alice, 10, 0)));
    assert_eq!(stage.hears(bob), Some(0));
    assert_eq!(stage.mixer.stats(alice), None);
    assert_eq!(stage.mixer.set_mix(alice, Mix::FULL), Err(MixerError::NoLeg));
    stage.legs.remove(&alice);
    stage.join(3, Codec::Pcmu, 500, Mix::FULL);
    assert_eq!(stage.legs[&LegId(3)].slot, slot);
    stage.run(5);
    assert_eq!(stage.hears(bob), Some(through(Codec::Pcmu, 500)));
}

#[test]
fn who_may_not_be_sent_to_is_not() {
    let mut stage = Stage::new();
    let alice = stage.join(1, Codec::Pcmu, 1000, Mix::FULL);
    let bob = stage.join(2, Codec::Pcmu, 1000, Mix::FULL);
    let held = LegMedia { direction: Direction::ReceiveOnly, ..LegMedia::new(address(alice), Codec::Pcmu.format()) };
    stage.mixer.connect_leg(stage.now, alice, held).unwrap();
    stage.run(5);
    assert_eq!((stage.hears(alice), stage.hears(bob)), (None, Some(through(Codec::Pcmu, 1000))));
}
