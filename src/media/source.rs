//! What a receiver keeps of one synchronization source: RFC 3550 A.1 (which packets are valid), A.3 (loss), A.8 (jitter).

use std::time::{Duration, Instant};

/// Packets in sequence before an untrusted source is believed (A.1).
pub const MIN_SEQUENTIAL: u16 = 2;
/// A jump ahead of at least this much is taken for a restart, not for loss (A.1).
pub const MAX_DROPOUT: u16 = 3000;
/// A packet this far behind is a late one, further behind it is a restart (A.1).
pub const MAX_MISORDER: u16 = 100;
/// A transit time that changes by more than this between two packets is a jump of a clock, not jitter.
const MAX_TRANSIT_STEP: Duration = Duration::from_secs(3);

/// What a packet's sequence number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Valid, with its extended sequence number.
    Valid(i64),
    /// Valid, and the first of a new run of numbers: whatever was queued belongs to the old one.
    Restarted(i64),
    /// Not to be used: the source is on probation, or the number jumped (a second one in its row will be believed).
    Doubtful,
}

/// One source.
#[derive(Debug, Clone)]
pub struct Source {
    ssrc: u32,
    clock_rate: u32,
    probation: u16,
    highest: u16,
    /// Upper part of the extended number; restarts begin a turn of their own, so that numbers never repeat.
    cycles: i64,
    base: i64,
    /// The number that would confirm a jump.
    awaited: Option<u16>,
    received: i64,
    expected_prior: i64,
    received_prior: i64,
    lost_before: i64,
    epoch: Instant,
    transit: Option<u32>,
    /// Sixteen times the jitter, in clock units.
    jitter: u32,
}

impl Source {
    /// A source first heard by this packet. `trusted`: its address is the one that signalling gave, so the first packet counts already (and must be given to
    /// [`Source::receive`] next, like every other).
    pub fn new(ssrc: u32, sequence: u16, clock_rate: u32, trusted: bool, now: Instant) -> Self {
        Self {
            ssrc,
            clock_rate,
            probation: if trusted { 0 } else { MIN_SEQUENTIAL },
            highest: sequence.wrapping_sub(1),
            cycles: 0,
            base: i64::from(sequence),
            awaited: None,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            lost_before: 0,
            epoch: now,
            transit: None,
            jitter: 0,
        }
        .counted_from(sequence)
    }

    /// The identifier.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// True once its packets are valid.
    pub fn is_valid(&self) -> bool {
        self.probation == 0
    }

    /// Takes a packet's sequence number (A.1).
    pub fn receive(&mut self, sequence: u16) -> Verdict {
        let ahead = sequence.wrapping_sub(self.highest);
        if self.probation > 0 {
            self.probation = if ahead == 1 { self.probation - 1 } else { MIN_SEQUENTIAL - 1 };
            self.highest = sequence;
            if self.probation > 0 {
                return Verdict::Doubtful;
            }
            *self = self.clone().counted_from(sequence);
            self.highest = sequence;
            self.received = 1;
            return Verdict::Valid(self.cycles + i64::from(sequence));
        }
        if ahead < MAX_DROPOUT {
            if sequence < self.highest {
                self.cycles += 1 << 16;
            }
            self.highest = sequence;
        } else if ahead <= u16::MAX - MAX_MISORDER {
            if self.awaited != Some(sequence) {
                self.awaited = Some(sequence.wrapping_add(1));
                return Verdict::Doubtful;
            }
            self.lost_before += self.expected() - self.received;
            self.cycles += 2 << 16;
            *self = self.clone().counted_from(sequence);
            self.highest = sequence;
            self.received = 1;
            self.transit = None;
            return Verdict::Restarted(self.cycles + i64::from(sequence));
        } else {
            self.received += 1;
            let turn = if sequence > self.highest { self.cycles - (1 << 16) } else { self.cycles };
            return Verdict::Valid(turn + i64::from(sequence));
        }
        self.received += 1;
        Verdict::Valid(self.cycles + i64::from(sequence))
    }

    /// Takes a valid packet's time stamp and arrival (A.8). Not for packets whose time stamp does not follow their sending, such as telephone-events.
    pub fn measure(&mut self, timestamp: u32, arrival: Instant) {
        let elapsed = arrival.saturating_duration_since(self.epoch);
        let units = elapsed.as_secs().wrapping_mul(u64::from(self.clock_rate))
            + u64::from(elapsed.subsec_nanos()) * u64::from(self.clock_rate) / 1_000_000_000;
        let transit = (units as u32).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let step = (transit.wrapping_sub(before) as i32).unsigned_abs();
            if u64::from(step) <= MAX_TRANSIT_STEP.as_secs() * u64::from(self.clock_rate) {
                self.jitter = (self.jitter + step).saturating_sub((self.jitter + 8) >> 4);
            }
        }
    }

    /// Highest extended sequence number, as a report carries it.
    pub fn highest_extended(&self) -> u32 {
        (self.cycles as u32).wrapping_add(u32::from(self.highest))
    }

    /// Packets expected less packets received, over all runs of the source.
    pub fn lost(&self) -> i64 {
        self.lost_before + self.expected() - self.received
    }

    /// Interarrival jitter in clock units.
    pub fn jitter_units(&self) -> u32 {
        self.jitter >> 4
    }

    /// Interarrival jitter.
    pub fn jitter(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.jitter) / 16.0 / f64::from(self.clock_rate))
    }

    /// Share of packets lost since the last call, in 256ths (A.3).
    pub fn fraction_lost(&mut self) -> u8 {
        let (expected, received) = (self.expected() - self.expected_prior, self.received - self.received_prior);
        self.expected_prior += expected;
        self.received_prior += received;
        let lost = expected - received;
        if expected <= 0 || lost <= 0 { 0 } else { (lost * 256 / expected).min(255) as u8 }
    }

    fn expected(&self) -> i64 {
        self.cycles + i64::from(self.highest) - self.base + 1
    }

    fn counted_from(mut self, sequence: u16) -> Self {
        self.base = self.cycles + i64::from(sequence);
        // The number before the first may lie in the turn before.
        if sequence == 0 && self.highest == u16::MAX {
            self.base += 1 << 16;
        }
        self.awaited = None;
        self.received = 0;
        self.expected_prior = 0;
        self.received_prior = 0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(sequence: u16) -> Source {
        Source::new(7, sequence, 8000, true, crate::clock::now())
    }

    #[test]
    fn a_trusted_source_counts_from_its_first_packet_and_a_stranger_from_its_second_in_a_row() {
        let mut source = trusted(500);
        assert_eq!(source.receive(500), Verdict::Valid(500));
        let mut source = Source::new(7, 500, 8000, false, crate::clock::now());
        assert_eq!(source.receive(500), Verdict::Doubtful);
        assert_eq!(source.receive(900), Verdict::Doubtful);
        assert!(!source.is_valid());
        assert_eq!(source.receive(901), Verdict::Valid(901));
        assert!(source.is_valid());
        assert_eq!(source.lost(), 0);
    }

    #[test]
    fn numbers_go_on_growing_when_the_counter_wraps() {
        let mut source = trusted(65534);
        let verdicts: Vec<_> = [65534, 65535, 0, 1, 65535, 2].map(|sequence| source.receive(sequence)).into();
        assert_eq!(verdicts, [65534, 65535, 65536, 65537, 65535, 65538].map(Verdict::Valid));
        assert_eq!(source.highest_extended(), 65538);
        assert_eq!(source.lost(), -1, "one came twice");
    }

    #[test]
    fn a_first_number_of_zero_is_not_a_turn_of_loss() {
        let mut source = trusted(0);
        source.receive(0);
        source.receive(1);
        assert_eq!(source.lost(), 0);
    }

    #[test]
    fn what_is_missing_is_counted_and_its_share_reported_once() {
        let mut source = trusted(1);
        for sequence in (1..=100).filter(|sequence| sequence % 4 != 0) {
            source.receive(sequence);
        }
        assert_eq!(source.lost(), 24, "the hundredth is not known to be missing");
        assert_eq!(source.fraction_lost(), (24 * 256 / 99) as u8);
        assert_eq!(source.fraction_lost(), 0);
    }

    #[test]
    fn a_jump_is_believed_when_a_second_packet_confirms_it() {
        let mut source = trusted(10);
        source.receive(10);
        assert_eq!(source.receive(30000), Verdict::Doubtful);
        assert_eq!(source.receive(11), Verdict::Valid(11));
        assert_eq!(source.receive(40000), Verdict::Doubtful);
        assert!(matches!(source.receive(40001), Verdict::Restarted(number) if number > 65536));
        assert!(matches!(source.receive(40002), Verdict::Valid(_)));
        assert_eq!(source.lost(), 0, "the jump is no loss");
    }

    #[test]
    fn jitter_is_the_smoothed_difference_of_transit_times() {
        let start = crate::clock::now();
        let mut source = Source::new(7, 0, 8000, true, start);
        for packet in 0..400u32 {
            // Every other packet is 5 ms late: the transit time changes by 40 units each time.
            let late = if packet % 2 == 0 { 0 } else { 5 };
            source.measure(packet * 160, start + Duration::from_millis(u64::from(packet) * 20 + late));
        }
        assert!((39..=40).contains(&source.jitter_units()), "{}", source.jitter_units());
        // A clock that jumps by an hour is not jitter.
        source.measure(400 * 160 + 8000 * 3600, start + Duration::from_secs(8));
        assert!(source.jitter() < Duration::from_millis(6));
    }
}
