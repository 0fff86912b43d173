use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use super::{Engine, EngineConfig, worker::Command};
use crate::{
    clock,
    conference::media_server::{
        plane::{
            Clip, Codec, LegId, LegMedia, MediaPlane as _, Mix, PlaneError, PlaneEvent, PlayEnd, PlayId, Prompt, RoomId, Sound, Target,
        },
        ports::PortRange,
    },
    media::{dtmf, g711, rtp},
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(20);

/// A phone: a socket that says one value all the time.
struct Phone {
    socket: UdpSocket,
    header: rtp::HeaderWriter,
    timestamp: u32,
    leg: LegId,
    to: SocketAddr,
}

impl Phone {
    fn join(engine: &mut Engine, room: &RoomId, mix: Mix) -> Self {
        let (leg, to) = engine.open_leg(room, LOOPBACK).unwrap();
        let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut media = LegMedia::new(socket.local_addr().unwrap(), Codec::Pcmu.format());
        media.dtmf_payload_type = Some(101);
        engine.connect_leg(leg, media).unwrap();
        engine.set_mix(leg, mix).unwrap();
        Self { socket, header: rtp::HeaderWriter::new(leg.0 as u32, 0), timestamp: 0, leg, to }
    }

    fn say(&mut self, sample: i16) {
        let mut packet = [g711::encode_ulaw(sample); 172];
        self.header.write(false, 0, self.timestamp, &mut packet);
        self.timestamp += 160;
        self.socket.send_to(&packet, self.to).unwrap();
    }

    fn press(&mut self, key: char) {
        let mut packet = [0; 16];
        let event = dtmf::Event { code: dtmf::code(key).unwrap(), end: true, volume: 10, duration: 800 };
        packet[12..].copy_from_slice(&event.to_bytes());
        self.header.write(true, 101, self.timestamp, &mut packet);
        self.socket.send_to(&packet, self.to).unwrap();
    }

    /// The middle sample of the next packet.
    fn hear(&self) -> i16 {
        let mut packet = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut packet).unwrap();
        assert_eq!(from, self.to, "media comes from where it goes to");
        g711::decode_ulaw(rtp::Packet::parse(&packet[..length]).unwrap().payload[80])
    }
}

fn engine(ports: PortRange) -> (Engine, RoomId) {
    let mut engine = Engine::start(EngineConfig { threads: 1, ports, ..EngineConfig::default() }).unwrap();
    let room = RoomId::new("standup");
    engine.open_room(&room).unwrap();
    (engine, room)
}

fn wait_for(engine: &mut Engine, mut wanted: impl FnMut(&PlaneEvent) -> bool) -> PlaneEvent {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let doorbell = engine.doorbell();
    let start = clock::now();
    loop {
        while let Some(event) = engine.poll_event() {
            if wanted(&event) {
                return event;
            }
        }
        assert!(clock::now() - start < PATIENCE, "the event did not come");
        runtime.block_on(async {
            let _ = tokio::time::timeout(PATIENCE, doorbell.notified()).await;
        });
    }
}

/// Three phones talk until each hears the two others; the engine's clock paces them.
#[test]
fn everyone_hears_the_others_over_real_sockets() {
    let (mut engine, room) = engine(PortRange::EPHEMERAL);
    let values = [1000i16, 3004, 5000].map(|value| g711::decode_ulaw(g711::encode_ulaw(value)));
    let mut phones: Vec<Phone> = values.iter().map(|_| Phone::join(&mut engine, &room, Mix::FULL)).collect();
    let all: i16 = values.iter().sum();
    let start: Instant = clock::now();
    let mut right = [false; 3];
    while right != [true; 3] {
        assert!(clock::now() - start < PATIENCE, "heard so far: {right:?}");
        for (at, phone) in phones.iter_mut().enumerate() {
            phone.say(values[at]);
            right[at] |= phone.hear() == g711::decode_ulaw(g711::encode_ulaw(all - values[at]));
        }
    }
    let mut heard = engine.stats(phones[0].leg).unwrap();
    while heard.packets_in == 0 {
        phones[0].hear();
        heard = engine.stats(phones[0].leg).unwrap();
    }
    assert_eq!(heard.strangers + heard.malformed + heard.unknown_payload, 0);
}

#[test]
fn keys_prompts_and_closing_are_told() {
    let (mut engine, room) = engine(PortRange::EPHEMERAL);
    let mut phone = Phone::join(&mut engine, &room, Mix::PARKED);
    phone.hear();
    phone.press('7');
    let told = wait_for(&mut engine, |event| matches!(event, PlaneEvent::Digit { .. }));
    assert_eq!(told, PlaneEvent::Digit { leg: phone.leg, digit: '7', held: Duration::from_millis(100) });

    let clip = Clip(vec![4000; 1600].into());
    engine.play(Target::Leg(phone.leg), Prompt::once(Sound::Clip(clip)), PlayId(9)).unwrap();
    let expected = g711::decode_ulaw(g711::encode_ulaw(4000));
    while phone.hear() != expected {}
    let told = wait_for(&mut engine, |event| matches!(event, PlaneEvent::PlayDone { .. }));
    assert_eq!(told, PlaneEvent::PlayDone { play: PlayId(9), end: PlayEnd::Finished, played: Duration::from_millis(200) });

    engine.close_leg(phone.leg);
    let PlaneEvent::Closed { leg, stats } = wait_for(&mut engine, |event| matches!(event, PlaneEvent::Closed { .. })) else {
        unreachable!()
    };
    assert_eq!(leg, phone.leg);
    assert!(stats.packets_out >= 10, "{stats:?}");
    assert!(engine.stats(phone.leg).is_none());
}

#[test]
fn a_range_that_is_used_up_says_so_and_closed_legs_give_their_ports_back() {
    // Two pairs that are free now.
    let probe = crate::media::io::pair::Pair::bind_any(LOOPBACK).unwrap();
    let first = probe.local_addr().unwrap().port();
    drop(probe);
    let (mut engine, room) = engine(PortRange { first, last: first + 1 });
    let (leg, address) = engine.open_leg(&room, LOOPBACK).unwrap();
    assert_eq!(address.port(), first);
    let refused = engine.open_leg(&room, LOOPBACK).unwrap_err();
    assert!(matches!(refused, PlaneError::Exhausted { .. }), "{refused}");
    assert_eq!(engine.free_pairs(), Some(0));
    engine.close_leg(leg);
    wait_for(&mut engine, |event| matches!(event, PlaneEvent::Closed { .. }));
    assert_eq!(engine.open_leg(&room, LOOPBACK).unwrap().1.port(), first);
}

#[test]
fn what_does_not_exist_is_named() {
    let (mut engine, room) = engine(PortRange::EPHEMERAL);
    let nowhere = RoomId::new("nowhere");
    assert!(matches!(engine.open_leg(&nowhere, LOOPBACK), Err(PlaneError::NoRoom(room)) if room == nowhere));
    assert!(matches!(engine.set_mix(LegId(77), Mix::FULL), Err(PlaneError::NoLeg(LegId(77)))));
    assert!(
        matches!(engine.open_leg(&room, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), Err(PlaneError::Io(_))),
        "an address that is not ours"
    );
}

#[test]
fn dropping_the_engine_says_good_bye() {
    let (mut engine, room) = engine(PortRange::EPHEMERAL);
    let (leg, _) = engine.open_leg(&room, LOOPBACK).unwrap();
    let pair = crate::media::io::pair::Pair::bind_any(LOOPBACK).unwrap();
    pair.reports.set_nonblocking(false).unwrap();
    pair.reports.set_read_timeout(Some(PATIENCE)).unwrap();
    engine.connect_leg(leg, LegMedia::new(pair.local_addr().unwrap(), Codec::Pcma.format())).unwrap();
    drop(engine);
    let mut packet = [0; 2048];
    let length = pair.reports.recv(&mut packet).unwrap();
    assert!(packet[..length].windows(4).any(|bytes| bytes == [0xa1, 203, 0, 2]), "{:?}", &packet[..length]);
}

#[test]
fn a_thread_that_dies_closes_its_own_legs_and_no_others() {
    let mut engine = Engine::start(EngineConfig { threads: 2, ..EngineConfig::default() }).unwrap();
    let rooms = ["one", "two"].map(RoomId::new);
    let legs = rooms.each_ref().map(|room| {
        engine.open_room(room).unwrap();
        engine.open_leg(room, LOOPBACK).unwrap().0
    });
    let thread = engine.rooms[&rooms[0]];
    assert_ne!(thread, engine.rooms[&rooms[1]], "rooms are spread");
    engine.threads[thread].send(Command::Die).unwrap();
    let told = wait_for(&mut engine, |event| matches!(event, PlaneEvent::Closed { .. }));
    assert!(matches!(told, PlaneEvent::Closed { leg, .. } if leg == legs[0]));
    assert!(engine.poll_event().is_none());
    assert!(matches!(engine.open_leg(&rooms[0], LOOPBACK), Err(PlaneError::NoRoom(_))));
    engine.open_leg(&rooms[1], LOOPBACK).unwrap();
    // A new room goes to the thread that lives.
    engine.open_room(&rooms[0]).unwrap();
    assert_ne!(engine.rooms[&rooms[0]], thread);
    assert!(engine.stats(legs[1]).is_some());
}
