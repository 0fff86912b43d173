//! One room: its sum, and what of it is the same for several.

use crate::media::{
    Codec, RoomId,
    limiter::{Limiter, Ramp},
    play::Playing,
};

#[derive(Debug)]
pub(super) struct Room {
    pub id: RoomId,
    /// Slots of its legs, in the order in which they came.
    pub members: Vec<usize>,
    pub prompts: Vec<Playing>,
    /// The sum of this tick.
    pub sum: Vec<i32>,
    /// How the sum is turned down this tick.
    pub ramp: Option<Ramp>,
    limiter: Limiter,
    /// The whole sum, encoded, for everyone who is no part of it; one per codec, made when first asked for.
    plain: [Vec<u8>; Codec::ALL.len()],
    /// The set of talkers may have changed since it was told.
    pub talkers_changed: bool,
    /// The tick of the last report.
    pub talkers_told: u64,
    pub talkers: Vec<usize>,
}

impl Room {
    pub fn new(id: RoomId, frame: usize) -> Self {
        Self {
            id,
            members: Vec::new(),
            prompts: Vec::new(),
            sum: vec![0; frame],
            ramp: None,
            limiter: Limiter::new(),
            plain: Default::default(),
            talkers_changed: false,
            talkers_told: 0,
            talkers: Vec::new(),
        }
    }

    /// A new tick.
    pub fn begin(&mut self) {
        self.sum.fill(0);
        self.plain.iter_mut().for_each(Vec::clear);
    }

    /// Adds what a leg says.
    pub fn add(&mut self, samples: &[i16]) {
        for (sum, &sample) in self.sum.iter_mut().zip(samples) {
            *sum += i32::from(sample);
        }
    }

    /// The sum is whole.
    pub fn finish(&mut self) {
        self.ramp = self.limiter.judge(&self.sum);
    }

    /// The whole sum in a codec, turned down and encoded once a tick. `sum` and `frame` are working space.
    pub fn plain(&mut self, codec: Codec, sum: &mut Vec<i32>, frame: &mut Vec<i16>) -> &[u8] {
        let place = Codec::ALL.iter().position(|&known| known == codec).unwrap_or(0);
        let plain = &mut self.plain[place];
        if plain.is_empty() {
            let samples = match self.ramp {
                Some(ramp) => {
                    sum.clone_from(&self.sum);
                    ramp.apply(sum);
                    &*sum
                }
                None => &self.sum,
            };
            clip(samples, frame);
            plain.resize(frame.len(), 0);
            codec.encode(frame, plain);
        }
        plain
    }
}

/// Sums to samples, saturating.
pub(super) fn clip(sum: &[i32], frame: &mut Vec<i16>) {
    frame.clear();
    frame.extend(sum.iter().map(|&sample| sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16));
}

/// What each leg says this tick, after its gain, in one block by slots: it is read again when all others have spoken, and then in order.
#[derive(Debug)]
pub(super) struct Said {
    frame: usize,
    samples: Vec<i16>,
}

impl Said {
    pub fn new(frame: usize) -> Self {
        Self { frame, samples: Vec::new() }
    }

    /// Keeps what a leg says.
    pub fn keep(&mut self, slot: usize, samples: &[i16]) -> &mut [i16] {
        let range = slot * self.frame..(slot + 1) * self.frame;
        if self.samples.len() < range.end {
            self.samples.resize(range.end, 0);
        }
        let kept = &mut self.samples[range];
        kept.copy_from_slice(samples);
        kept
    }

    /// What a leg said that was kept this tick.
    pub fn of(&self, slot: usize) -> &[i16] {
        self.samples.get(slot * self.frame..(slot + 1) * self.frame).unwrap_or_default()
    }
}
