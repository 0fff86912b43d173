//! RTCP (RFC 3550 §6): a report about every five seconds, what the peer reports, and the good-bye.
//!
//! A session here is one peer and us, so the interval is the minimum of §6.2 with its randomisation, never longer. Packets are written by the `rtcp` crate
//! and read by its `Unmarshal` after a walk of our own has checked the compound and picked the kinds that are of use; the crate is not let near the rest.
//! Out of scope: feedback for video, extended reports (RFC 3611).

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use rtcp::{
    goodbye::Goodbye,
    header::PacketType,
    packet::Packet,
    receiver_report::ReceiverReport,
    reception_report::ReceptionReport,
    sender_report::SenderReport,
    source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem},
};
use webrtc_util::marshal::Unmarshal;

use super::source::Source;

/// Mean time between reports (RFC 3550 §6.2, the recommended minimum); each is drawn from half of it to one and a half.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// Most packets of one compound that are looked at; the rest are ignored.
pub const MAX_PACKETS: usize = 16;
/// Seconds from 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// What we have sent, for a sender report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Our source.
    pub ssrc: u32,
    /// RTP time stamp of this moment.
    pub timestamp: u32,
    /// Packets sent so far.
    pub packets: u64,
    /// Payload bytes sent so far.
    pub octets: u64,
}

/// What the peer has told of our stream.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Told {
    /// Share of packets lost in its last interval, 0 to 1.
    pub loss: Option<f32>,
    /// Jitter.
    pub jitter: Option<Duration>,
    /// Round trip.
    pub round_trip: Option<Duration>,
}

/// Why a datagram is not RTCP. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with a report (A.2), its lengths do not add up, or a report is cut off.
    #[error("not a compound packet that begins with a report")]
    Compound,
}

/// What a compound brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// The peer said good-bye for this source.
    pub bye: Option<u32>,
}

/// The reports between one peer and us.
#[derive(Debug)]
pub struct Session {
    cname: String,
    clock_rate: u32,
    rng: ChaCha12Rng,
    /// A moment on both clocks.
    moment: (Instant, SystemTime),
    due: Instant,
    packets_reported: u64,
    /// Middle bits of the last sender report's NTP time, and when it came.
    last_report: Option<(u32, Instant)>,
    told: Told,
}

impl Session {
    /// A session from `now` on, which is `wall` on the clock that people read.
    pub fn new(now: Instant, wall: SystemTime, clock_rate: u32, mut rng: ChaCha12Rng) -> Self {
        // RFC 7022 §4.2: a short-term persistent name that tells nothing of the host.
        let cname = format!("{:016x}{:08x}", rng.random::<u64>(), rng.random::<u32>());
        let mut session =
            Self { cname, clock_rate, rng, moment: (now, wall), due: now, packets_reported: 0, last_report: None, told: Told::default() };
        // The first report comes after half the interval (§6.2).
        session.due = now + session.interval() / 2;
        session
    }

    /// What the peer told of our stream.
    pub fn told(&self) -> Told {
        self.told
    }

    /// When the next report is due.
    pub fn next_timeout(&self) -> Instant {
        self.due
    }

    /// The report to send now: a sender report when we sent since the last one, else a receiver report; with what we received from the peer's source.
    pub fn report(&mut self, now: Instant, sent: Sent, source: Option<&mut Source>) -> Bytes {
        self.due = now + self.interval();
        let reports: Vec<_> = source.filter(|source| source.is_valid()).map(|source| self.reception(now, source)).into_iter().collect();
        let first: Box<dyn Packet + Send + Sync> = if sent.packets > self.packets_reported {
            Box::new(SenderReport {
                ssrc: sent.ssrc,
                ntp_time: self.ntp(now),
                rtp_time: sent.timestamp,
                packet_count: sent.packets as u32,
                octet_count: sent.octets as u32,
                reports,
                profile_extensions: Bytes::new(),
            })
        } else {
            Box::new(ReceiverReport { ssrc: sent.ssrc, reports, profile_extensions: Bytes::new() })
        };
        self.packets_reported = sent.packets;
        marshal(&[first, self.description(sent.ssrc)])
    }

    /// The last report, with the good-bye (§6.6).
    pub fn goodbye(&mut self, sent: Sent) -> Bytes {
        let empty = ReceiverReport { ssrc: sent.ssrc, reports: Vec::new(), profile_extensions: Bytes::new() };
        marshal(&[Box::new(empty), self.description(sent.ssrc), Box::new(Goodbye { sources: vec![sent.ssrc], reason: Bytes::new() })])
    }

    /// Takes a compound that came from the peer's host.
    ///
    /// # Errors
    /// [`Malformed`]; what stood before the fault has been taken.
    pub fn receive(&mut self, now: Instant, our_ssrc: u32, datagram: &[u8]) -> Result<Received, Malformed> {
        let mut received = Received::default();
        let mut rest = datagram;
        for place in 0..MAX_PACKETS {
            let Some((header, _)) = rest.split_first_chunk::<4>() else { break };
            let length = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
            let kind = PacketType::from(header[1]);
            let opens = matches!(kind, PacketType::SenderReport | PacketType::ReceiverReport);
            if header[0] >> 6 != 2 || (place == 0 && (!opens || header[0] & 0x20 != 0)) {
                return Err(Malformed::Compound);
            }
            let (mut packet, behind) = rest.split_at_checked(length).ok_or(Malformed::Compound)?;
            rest = behind;
            match kind {
                PacketType::SenderReport => {
                    let report = SenderReport::unmarshal(&mut packet).map_err(|_| Malformed::Compound)?;
                    self.last_report = Some(((report.ntp_time >> 16) as u32, now));
                    self.take(now, our_ssrc, &report.reports);
                }
                PacketType::ReceiverReport => {
                    let report = ReceiverReport::unmarshal(&mut packet).map_err(|_| Malformed::Compound)?;
                    self.take(now, our_ssrc, &report.reports);
                }
                PacketType::Goodbye => {
                    let bye = Goodbye::unmarshal(&mut packet).map_err(|_| Malformed::Compound)?;
                    received.bye = bye.sources.first().copied();
                }
                PacketType::SourceDescription
                | PacketType::ApplicationDefined
                | PacketType::TransportSpecificFeedback
                | PacketType::PayloadSpecificFeedback
                | PacketType::ExtendedReport
                | PacketType::Unsupported => {}
            }
        }
        if rest.len() == datagram.len() { Err(Malformed::Compound) } else { Ok(received) }
    }

    fn take(&mut self, now: Instant, our_ssrc: u32, reports: &[ReceptionReport]) {
        let Some(report) = reports.iter().find(|report| report.ssrc == our_ssrc) else { return };
        self.told.loss = Some(f32::from(report.fraction_lost) / 256.0);
        self.told.jitter = Some(Duration::from_secs_f64(f64::from(report.jitter) / f64::from(self.clock_rate)));
        if report.last_sender_report != 0 {
            let units = ((self.ntp(now) >> 16) as u32).wrapping_sub(report.last_sender_report).wrapping_sub(report.delay);
            // A peer whose clock runs a little fast may make it negative: then it is below what can be measured.
            let units = (units as i32).max(0);
            self.told.round_trip = Some(Duration::from_secs_f64(f64::from(units) / 65536.0));
        }
    }

    fn reception(&self, now: Instant, source: &mut Source) -> ReceptionReport {
        let (last_sender_report, delay) = self.last_report.map_or((0, 0), |(middle, came)| {
            let since = now.saturating_duration_since(came).as_secs_f64() * 65536.0;
            (middle, since as u32)
        });
        ReceptionReport {
            ssrc: source.ssrc(),
            fraction_lost: source.fraction_lost(),
            // 24 bits, signed in the RFC; the crate takes them unsigned, and less than nothing lost is shown as nothing.
            total_lost: source.lost().clamp(0, 0x7f_ffff) as u32,
            last_sequence_number: source.highest_extended(),
            jitter: source.jitter_units(),
            last_sender_report,
            delay,
        }
    }

    fn description(&self, ssrc: u32) -> Box<dyn Packet + Send + Sync> {
        let name = SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: Bytes::copy_from_slice(self.cname.as_bytes()) };
        Box::new(SourceDescription { chunks: vec![SourceDescriptionChunk { source: ssrc, items: vec![name] }] })
    }

    fn interval(&mut self) -> Duration {
        INTERVAL.mul_f64(self.rng.random_range(0.5..1.5))
    }

    /// NTP time: seconds since 1900 in the upper half, their fraction in the lower.
    fn ntp(&self, now: Instant) -> u64 {
        let since = self.moment.1.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + now.saturating_duration_since(self.moment.0);
        ((since.as_secs().wrapping_add(NTP_EPOCH)) << 32) | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000)
    }
}

fn marshal(packets: &[Box<dyn Packet + Send + Sync>]) -> Bytes {
    // Fails only where a list or text is too long, and ours are short.
    rtcp::packet::marshal(packets).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;
    use crate::media::source::Verdict;

    fn session(now: Instant, seed: u8) -> Session {
        Session::new(now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), 8000, ChaCha12Rng::from_seed([seed; 32]))
    }

    fn sent(ssrc: u32, packets: u64) -> Sent {
        Sent { ssrc, timestamp: 4711, packets, octets: packets * 160 }
    }

    #[test]
    fn two_sides_learn_loss_jitter_and_round_trip_from_each_other() {
        let start = crate::clock::now();
        let (mut ours, mut theirs) = (session(start, 1), session(start, 2));
        let mut source = Source::new(1, 0, 8000, true, start);
        for sequence in (0..100).filter(|sequence| sequence % 10 != 5) {
            assert!(matches!(source.receive(sequence), Verdict::Valid(_)));
        }
        let at = |ms| start + Duration::from_millis(ms);
        let report = ours.report(at(1000), sent(1, 100), None);
        theirs.receive(at(1030), 2, &report).unwrap();
        let report = theirs.report(at(1500), sent(2, 0), Some(&mut source));
        ours.receive(at(1540), 1, &report).unwrap();
        let told = ours.told();
        assert!((told.loss.unwrap() - 0.1).abs() < 0.01);
        assert!((told.round_trip.unwrap().as_secs_f64() - 0.070).abs() < 0.001, "{told:?}");
        assert_eq!(told.jitter, Some(Duration::ZERO));
    }

    #[test]
    fn reports_are_due_every_two_and_a_half_to_seven_and_a_half_seconds() {
        let start = crate::clock::now();
        let mut session = session(start, 3);
        let mut now = session.next_timeout();
        assert!((1250..=3750).contains(&(now - start).as_millis()));
        let mut all = Vec::new();
        for packets in 0..100 {
            session.report(now, sent(1, packets), None);
            all.push((session.next_timeout() - now).as_millis());
            now = session.next_timeout();
        }
        assert!(all.iter().all(|ms| (2500..=7500).contains(ms)));
        assert!(all.iter().max().unwrap() - all.iter().min().unwrap() > 4000, "they are spread");
    }

    #[test]
    fn a_sender_reports_as_one_only_while_it_sends() {
        let start = crate::clock::now();
        let mut session = session(start, 4);
        let kinds: Vec<u8> = [10, 20, 20, 30].map(|packets| session.report(start, sent(9, packets), None)[1]).into();
        assert_eq!(kinds, [200, 200, 201, 200]);
        let bye = session.goodbye(sent(9, 30));
        let mut other = self::session(start, 5);
        assert_eq!(other.receive(start, 1, &bye), Ok(Received { bye: Some(9) }));
    }

    #[test]
    fn what_is_no_compound_is_refused_and_unknown_kinds_are_passed_over() {
        let start = crate::clock::now();
        let mut session = session(start, 6);
        let empty_report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let cases: [(&str, Vec<u8>, bool); 10] = [
            ("nothing", vec![], false),
            ("three bytes", vec![0x80, 201, 0], false),
            ("an empty report", empty_report.to_vec(), true),
            ("version 1", [&[0x40, 201, 0, 1], &empty_report[4..]].concat(), false),
            ("a description first", vec![0x80, 202, 0, 0], false),
            ("a first packet with padding", [&[0xa0, 201, 0, 1], &empty_report[4..]].concat(), false),
            ("a report longer than the datagram", vec![0x81, 201, 0, 7, 0, 0, 0, 9], false),
            ("a report whose count is too high", vec![0x9f, 201, 0, 1, 0, 0, 0, 9], false),
            ("an extended report of garbage behind it", [&empty_report[..], &[0x80, 207, 0, 1, 0xff, 0xff, 0xff, 0xff]].concat(), true),
            ("feedback of garbage behind it", [&empty_report[..], &[0x8f, 205, 0, 1, 0xff, 0xff, 0xff, 0xff]].concat(), true),
        ];
        for (what, bytes, fine) in cases {
            assert_eq!(session.receive(start, 1, &bytes).is_ok(), fine, "{what}");
        }
    }

    #[test]
    fn a_long_chain_of_packets_is_cut_off() {
        let start = crate::clock::now();
        let mut session = session(start, 7);
        let chain = [0x80, 201, 0, 1, 0, 0, 0, 9].repeat(200);
        assert!(session.receive(start, 1, &chain).is_ok());
    }
}
