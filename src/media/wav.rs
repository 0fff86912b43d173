//! WAV files, through `hound`: reading prompts and microphones, writing what is heard.
//!
//! Out of scope: opening files (shells do), compressed audio.

use std::io::{Read, Seek, Write};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::{prompt::Clip, resample::resample};

/// Longest clip, in seconds; a longer file is refused.
pub const MAX_SECONDS: u32 = 1800;
/// Rates that are taken, in hertz.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Why a file gives no clip. The fault of whoever made it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// Not WAV, cut off, or unreadable.
    #[error("not a readable WAV file: {0}")]
    Format(#[from] hound::Error),
    /// A rate that we do not convert.
    #[error("a sample rate of {0} Hz is not between 4000 and 192000")]
    Rate(u32),
    /// Too long to be held in memory.
    #[error("longer than {MAX_SECONDS} seconds")]
    TooLong,
}

impl Clip {
    /// Reads a WAV file: 8 to 32 bits or float, any number of channels (mixed to one), any usual rate.
    ///
    /// # Errors
    /// [`WavError`].
    pub fn from_wav(file: impl Read) -> Result<Self, WavError> {
        let mut reader = WavReader::new(file)?;
        let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
        if !RATES.contains(&sample_rate) {
            return Err(WavError::Rate(sample_rate));
        }
        if reader.duration() / sample_rate >= MAX_SECONDS {
            return Err(WavError::TooLong);
        }
        let samples: Vec<i16> = match sample_format {
            SampleFormat::Int => {
                let down = u32::from(bits_per_sample.saturating_sub(16));
                let up = u32::from(16u16.saturating_sub(bits_per_sample));
                mono(reader.samples::<i32>().map(|sample| sample.map(|sample| (sample >> down) << up)), channels)?
            }
            SampleFormat::Float => mono(reader.samples::<f32>().map(|sample| sample.map(|sample| (sample * 32767.0) as i32)), channels)?,
        };
        Ok(Self(resample(&samples, sample_rate, Self::RATE).into()))
    }
}

fn mono(samples: impl Iterator<Item = hound::Result<i32>>, channels: u16) -> hound::Result<Vec<i16>> {
    let channels = usize::from(channels.max(1));
    let mut out = Vec::new();
    let (mut sum, mut count) = (0i64, 0);
    for sample in samples {
        sum += i64::from(sample?);
        count += 1;
        if count == channels {
            out.push((sum / channels as i64).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16);
            (sum, count) = (0, 0);
        }
    }
    Ok(out)
}

/// Writes a recording as it comes. The header is brought up to date every second, so that the file is whole up to there even if the process is killed.
pub struct Recorder<W: Write + Seek> {
    writer: WavWriter<W>,
    rate: u32,
    unwritten: u32,
}

impl<W: Write + Seek> Recorder<W> {
    /// A recording at a rate in hertz, 16 bits, one channel. Its header is written at once.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(writer: W, rate: u32) -> Result<Self, hound::Error> {
        let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::new(writer, spec)?;
        writer.flush()?;
        Ok(Self { writer, rate, unwritten: 0 })
    }

    /// Adds samples.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), hound::Error> {
        for &sample in samples {
            self.writer.write_sample(sample)?;
        }
        self.unwritten += samples.len() as u32;
        if self.unwritten >= self.rate {
            self.unwritten = 0;
            self.writer.flush()?;
        }
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(self) -> Result<(), hound::Error> {
        self.writer.finalize()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::spectrum::Spectrum;

    fn wav<S: hound::Sample + Copy>(spec: WavSpec, samples: &[S]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
        WavSpec { channels, sample_rate, bits_per_sample, sample_format }
    }

    #[test]
    fn eight_kilohertz_are_taken_as_they_are() {
        let samples: Vec<i16> = (0..500).map(|i| i * 60 - 15_000).collect();
        let clip = Clip::from_wav(&wav(spec(1, 8000, 16, SampleFormat::Int), &samples)[..]).unwrap();
        assert_eq!(clip.0[..], samples[..]);
    }

    #[test]
    fn other_rates_widths_and_channels_become_one_clip() {
        let sine =
            |rate: u32, scale: f64| (0..rate).map(move |i| (f64::from(i) * 500.0 * std::f64::consts::TAU / f64::from(rate)).sin() * scale);
        let files = [
            ("16 kHz", wav(spec(1, 16000, 16, SampleFormat::Int), &sine(16000, 16384.0).map(|x| x as i16).collect::<Vec<_>>())),
            ("48 kHz, two channels, 24 bits", {
                let both: Vec<i32> = sine(48000, 4_194_304.0).flat_map(|x| [x as i32, x as i32]).collect();
                wav(spec(2, 48000, 24, SampleFormat::Int), &both)
            }),
            ("8 bits", wav(spec(1, 8000, 8, SampleFormat::Int), &sine(8000, 64.0).map(|x| x as i8).collect::<Vec<_>>())),
            ("float", wav(spec(1, 44100, 32, SampleFormat::Float), &sine(44100, 0.5).map(|x| x as f32).collect::<Vec<_>>())),
        ];
        for (what, file) in files {
            let clip = Clip::from_wav(&file[..]).unwrap();
            assert_eq!(clip.0.len(), 8000, "{what}");
            let peak = Spectrum::of(&clip.0, 8000).strongest(1)[0];
            assert!((peak.frequency - 500.0).abs() < 1.0 && (peak.level_dbfs + 6.0).abs() < 0.3, "{what}: {peak:?}");
        }
    }

    #[test]
    fn what_is_no_wav_is_refused() {
        assert!(matches!(Clip::from_wav(&b"RIFF....WAVE nothing"[..]), Err(WavError::Format(_))));
        assert!(matches!(Clip::from_wav(&wav(spec(1, 400_000, 16, SampleFormat::Int), &[0i16])[..]), Err(WavError::Rate(400_000))));
        let cut = wav(spec(1, 8000, 16, SampleFormat::Int), &[5i16; 100]);
        assert!(matches!(Clip::from_wav(&cut[..100]), Err(WavError::Format(_))));
    }

    #[test]
    fn a_recording_that_is_never_finished_is_whole_to_its_last_second() {
        let mut bytes = Cursor::new(Vec::new());
        let mut recorder = Recorder::new(&mut bytes, 8000).unwrap();
        for _ in 0..120 {
            recorder.write(&[77; 160]).unwrap();
        }
        // Killed here: nothing is finished, nothing is dropped.
        std::mem::forget(recorder);
        let clip = Clip::from_wav(&bytes.into_inner()[..]).unwrap();
        assert_eq!(clip.0.len(), 16_000);
        assert!(clip.0.iter().all(|&sample| sample == 77));
    }
}
