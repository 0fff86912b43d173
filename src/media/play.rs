//! Playing a prompt: sound after sound, as often as asked, into a mix.

use std::time::Duration;

use super::{
    level::Gain,
    prompt::{Clip, MAX_SOUNDS, PlayId, Prompt, Sound},
    tone::{self, Generator},
};

/// A prompt that is being played.
#[derive(Debug)]
pub struct Playing {
    play: PlayId,
    sounds: Vec<Sound>,
    /// Rounds still to come after this one; `None` for ever.
    left: Option<u32>,
    gain: Gain,
    next: usize,
    current: Current,
    played: u64,
    over: bool,
}

#[derive(Debug)]
enum Current {
    Nothing,
    Tone(Generator),
    Clip(Clip, usize),
    Pause(usize),
}

impl Playing {
    /// From its beginning. A prompt without a sample in it is over at once.
    pub fn new(play: PlayId, prompt: Prompt) -> Self {
        let mut sounds = prompt.sounds;
        sounds.truncate(MAX_SOUNDS);
        let empty = !sounds.iter().any(|sound| match sound {
            Sound::Tone(tone) => tone::samples(tone.duration, Clip::RATE) > 0,
            Sound::Clip(clip) => !clip.0.is_empty(),
            Sound::Pause(duration) => tone::samples(*duration, Clip::RATE) > 0,
        });
        Self {
            play,
            sounds,
            left: prompt.times.checked_sub(1),
            gain: Gain::from_db(prompt.gain_db),
            next: 0,
            current: Current::Nothing,
            played: 0,
            over: empty,
        }
    }

    /// Which playing this is.
    pub fn play(&self) -> PlayId {
        self.play
    }

    /// How much was played.
    pub fn played(&self) -> Duration {
        Duration::from_secs_f64(self.played as f64 / f64::from(Clip::RATE))
    }

    /// True when everything was played.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Adds the next samples to a mix, as many as it has or as are left.
    pub fn add_to(&mut self, mix: &mut [i32]) {
        let mut at = 0;
        while let Some(rest) = mix.get_mut(at..)
            && !rest.is_empty()
            && !self.over
        {
            let count = self.current.add(rest, self.gain);
            if count == 0 {
                self.step();
            }
            at += count;
            self.played += count as u64;
        }
        // What ends with this frame ends now, not a frame later.
        while !self.over && self.current.is_spent() {
            self.step();
        }
    }

    fn step(&mut self) {
        if self.next >= self.sounds.len() {
            match &mut self.left {
                Some(0) => {
                    self.over = true;
                    return;
                }
                Some(left) => *left -= 1,
                None => {}
            }
            self.next = 0;
        }
        self.current = match self.sounds.get(self.next) {
            Some(Sound::Tone(tone)) => Current::Tone(Generator::new(tone, Clip::RATE)),
            Some(Sound::Clip(clip)) => Current::Clip(clip.clone(), 0),
            Some(Sound::Pause(duration)) => Current::Pause(tone::samples(*duration, Clip::RATE)),
            None => Current::Nothing,
        };
        self.next += 1;
    }
}

impl Current {
    /// Adds what it has; tells how much that was.
    fn add(&mut self, mix: &mut [i32], gain: Gain) -> usize {
        let put = |mix: &mut [i32], samples: &mut dyn Iterator<Item = i16>| {
            mix.iter_mut().zip(samples).map(|(sum, sample)| *sum += (f32::from(sample) * gain.factor()) as i32).count()
        };
        match self {
            Self::Nothing => 0,
            Self::Tone(generator) => put(mix, generator),
            Self::Clip(clip, at) => {
                let count = put(mix, &mut clip.0.iter().skip(*at).copied());
                *at += count;
                count
            }
            Self::Pause(left) => {
                let count = mix.len().min(*left);
                *left -= count;
                count
            }
        }
    }

    fn is_spent(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Tone(generator) => generator.is_spent(),
            Self::Clip(clip, at) => *at >= clip.0.len(),
            Self::Pause(left) => *left == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(samples: &[i16]) -> Sound {
        Sound::Clip(Clip(samples.into()))
    }

    fn play_all(prompt: Prompt) -> (Vec<i32>, Playing) {
        let mut playing = Playing::new(PlayId(1), prompt);
        let mut heard = Vec::new();
        while !playing.is_over() && heard.len() < 1600 {
            let mut frame = [0; 16];
            playing.add_to(&mut frame);
            heard.extend(frame);
        }
        (heard, playing)
    }

    #[test]
    fn sounds_follow_each_other_without_a_gap_and_are_repeated() {
        let prompt = Prompt { sounds: vec![clip(&[1, 2, 3]), Sound::Pause(Duration::from_micros(250)), clip(&[4])], times: 3, gain_db: 0 };
        let (heard, playing) = play_all(prompt);
        assert_eq!(heard[..18], [1, 2, 3, 0, 0, 4, 1, 2, 3, 0, 0, 4, 1, 2, 3, 0, 0, 4]);
        assert_eq!(playing.played(), Duration::from_micros(18 * 125));
    }

    #[test]
    fn a_prompt_that_fills_its_last_frame_is_over_with_it() {
        let mut playing = Playing::new(PlayId(1), Prompt::once(clip(&[5; 16])));
        playing.add_to(&mut [0; 16]);
        assert!(playing.is_over());
    }

    #[test]
    fn it_is_added_to_what_is_there_at_its_gain() {
        let mut playing = Playing::new(PlayId(1), Prompt { gain_db: -20, ..Prompt::once(clip(&[1000; 4])) });
        let mut mix = [50; 4];
        playing.add_to(&mut mix);
        assert_eq!(mix, [150; 4]);
    }

    #[test]
    fn a_prompt_for_ever_goes_on_and_an_empty_one_is_over() {
        let (heard, playing) = play_all(Prompt { times: 0, ..Prompt::once(clip(&[9])) });
        assert!(heard.iter().all(|&sample| sample == 9) && !playing.is_over());
        let nothing = Prompt { sounds: vec![clip(&[]), Sound::Pause(Duration::ZERO)], times: 0, gain_db: 0 };
        assert!(Playing::new(PlayId(1), nothing).is_over());
    }
}
