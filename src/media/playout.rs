//! From packets to frames: the playout buffer, decoding, concealment, and the joining of frames where the delay is cut.
//!
//! Every tick gives exactly one frame of 20 ms. Its samples are decoded into a ring of the last frames, from which concealment draws, and lent to the mixer
//! from there: in the usual case (one packet, one frame) nothing is copied.

use super::{
    codec::{Codec, TICK_MS},
    jitter::{Arrival, Counters, JitterBuffer, Next},
    plc::Concealer,
};

/// Frames in the ring: enough for the memory of the concealment beside the frame that is being written.
const FRAMES: usize = 4;
/// Blending where two frames are joined, in milliseconds.
const JOIN_MS: usize = 5;

/// One frame as heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// 20 ms of samples.
    pub samples: &'a [i16],
    /// False when all of it is silence by our own making: nothing was received.
    pub audible: bool,
    /// Samples of it that concealment made.
    pub concealed: usize,
}

/// The receiving end of one stream of audio.
#[derive(Debug)]
pub struct Playout {
    jitter: JitterBuffer,
    concealer: Concealer,
    frame: usize,
    /// The last frames; the newest begins at `at`.
    ring: Vec<i16>,
    at: usize,
    /// Decoded and not yet played: the rest of a packet longer than a frame.
    rest: Vec<i16>,
    rest_at: usize,
    /// The sender said with this packet that it pauses: nothing is concealed until it speaks again.
    paused: Option<i64>,
    joined: Vec<i16>,
}

impl Playout {
    /// For a codec's rates.
    pub fn new(codec: Codec) -> Self {
        let frame = (codec.sample_rate() * TICK_MS / 1000) as usize;
        Self {
            jitter: JitterBuffer::new(codec.clock_rate()),
            concealer: Concealer::new(codec.sample_rate()),
            frame,
            ring: vec![0; FRAMES * frame],
            at: 0,
            rest: Vec::new(),
            rest_at: 0,
            paused: None,
            joined: Vec::new(),
        }
    }

    /// Takes a packet of audio.
    pub fn push(&mut self, arrival: Arrival<'_>) {
        if self.paused.is_some_and(|paused| arrival.sequence > paused) {
            self.paused = None;
        }
        self.jitter.push(arrival, self.rest.len() - self.rest_at);
    }

    /// The sender pauses knowingly from this packet on (comfort noise, or a telephone-event in place of audio): what is missing then is silence, not loss.
    pub fn pause(&mut self, sequence: i64) {
        self.paused = self.paused.max(Some(sequence));
    }

    /// Another stream begins.
    pub fn reset(&mut self) {
        self.jitter.reset();
        self.rest.clear();
        self.rest_at = 0;
        self.paused = None;
    }

    /// What happened to packets.
    pub fn counters(&self) -> Counters {
        self.jitter.counters()
    }

    /// Audio that waits, in samples.
    pub fn buffered(&self) -> usize {
        self.jitter.buffered() as usize + self.rest.len() - self.rest_at
    }

    /// The frame of this tick.
    pub fn pull(&mut self) -> Frame<'_> {
        self.at = (self.at + self.frame) % self.ring.len();
        self.jitter.begin();
        let (mut audible, mut concealed) = self.fill();
        if self.jitter.slip_due() && concealed == 0 {
            (audible, concealed) = self.join();
        }
        Frame { samples: &self.ring[self.at..self.at + self.frame], audible, concealed }
    }

    /// The frame that [`Playout::pull`] gave last.
    pub fn frame(&self) -> &[i16] {
        &self.ring[self.at..self.at + self.frame]
    }

    /// Fills the newest frame of the ring.
    fn fill(&mut self) -> (bool, usize) {
        let (mut filled, mut audible, mut concealed) = (0, false, 0);
        while filled < self.frame {
            let range = self.at + filled..self.at + self.frame;
            if self.rest_at < self.rest.len() {
                let count = range.len().min(self.rest.len() - self.rest_at);
                self.ring[range][..count].copy_from_slice(&self.rest[self.rest_at..self.rest_at + count]);
                self.rest_at += count;
                filled += count;
                audible = true;
                continue;
            }
            match self.jitter.next(range.len()) {
                Next::Audio { codec, payload, skip } => {
                    let count = codec.samples_in(payload);
                    if skip == 0 && count <= range.len() {
                        let samples = &mut self.ring[range][..count];
                        codec.decode(payload, samples);
                        self.concealer.resume(samples);
                        filled += count;
                    } else {
                        self.rest.clear();
                        self.rest.resize(count, 0);
                        codec.decode(payload, &mut self.rest);
                        self.rest_at = skip.min(count);
                        self.concealer.resume(&mut self.rest[self.rest_at..]);
                    }
                    audible = true;
                }
                Next::Pause(count) => {
                    let count = count.min(range.len());
                    self.ring[range][..count].fill(0);
                    self.concealer.forget();
                    filled += count;
                }
                Next::Lost(count) => {
                    let count = count.min(range.len());
                    concealed += self.conceal(filled, count);
                    filled += count;
                }
                Next::Nothing => {
                    let count = range.len();
                    concealed += self.conceal(filled, count);
                    filled += count;
                }
            }
        }
        (audible || concealed > 0, concealed)
    }

    /// Conceals `count` samples of the newest frame, the first `filled` of which are there; tells how many of them are more than silence.
    fn conceal(&mut self, filled: usize, count: usize) -> usize {
        let start = self.at + filled;
        if self.paused.is_some() {
            self.concealer.forget();
        }
        if self.paused.is_some() || self.concealer.is_exhausted() {
            self.ring[start..start + count].fill(0);
            return 0;
        }
        let mut made = std::mem::take(&mut self.joined);
        made.resize(count, 0);
        let (newer, older) = self.ring.split_at(start);
        // What stands behind the frame being written is the oldest; the frame itself is not yet past.
        let past = older.iter().skip(self.frame - filled).chain(newer).copied();
        self.concealer.conceal(past, &mut made);
        self.ring[start..start + count].copy_from_slice(&made);
        let heard = made.iter().any(|&sample| sample != 0);
        self.joined = made;
        if heard { count } else { 0 }
    }

    /// Cuts one frame: takes a second one and joins the two where they are most alike.
    fn join(&mut self) -> (bool, usize) {
        let mut both = Vec::with_capacity(2 * self.frame);
        both.extend_from_slice(self.frame());
        let (audible, concealed) = self.fill();
        both.extend_from_slice(self.frame());
        let blend = self.frame * JOIN_MS / TICK_MS as usize;
        let unlike = |at: usize| -> u64 {
            both[at..at + blend].iter().zip(&both[at + self.frame..]).map(|(&one, &other)| u64::from(one.abs_diff(other))).sum()
        };
        let at = (0..self.frame - blend).min_by_key(|&at| unlike(at)).unwrap_or(0);
        let out = &mut self.ring[self.at..self.at + self.frame];
        for (into, sample) in out.iter_mut().enumerate() {
            *sample = match into.checked_sub(at) {
                None => both[into],
                Some(behind) if behind < blend => {
                    let weight = (behind + 1) as i32;
                    let (one, other) = (i32::from(both[into]), i32::from(both[into + self.frame]));
                    ((one * (blend as i32 + 1 - weight) + other * weight) / (blend as i32 + 1)) as i16
                }
                Some(_) => both[into + self.frame],
            };
        }
        self.jitter.slipped();
        (audible, concealed)
    }
}

#[cfg(test)]
mod tests;
