//! Between the command line and a terminal's audio: microphones, and what was heard.

use std::fs::File;

use crate::{
    cli::{
        ExitCode, Failure, OrFail as _,
        confctl::events::{Frequency, Heard},
        values::Microphone,
    },
    conference::client::media::{Mic, Report},
    media::Clip,
};

/// Level of a tone as microphone, in dB relative to a full-scale sine: ten of them can be mixed without clipping.
pub const TONE_DBFS: f32 = -20.0;

/// A microphone as media knows it; a WAV file is read as a whole.
///
/// # Errors
/// There is no such file (exit code 4); it cannot be read, or holds no sound (exit code 2).
pub fn microphone(wanted: &Microphone) -> Result<Mic, Failure> {
    Ok(match wanted {
        Microphone::Silence => Mic::Silence,
        Microphone::Tone(frequency) => Mic::Tone { frequency: *frequency, level_dbfs: TONE_DBFS },
        Microphone::File(path) => {
            let failed = || format!("read {}", path.display());
            let file = File::open(path).map_err(|error| Failure::unreadable(path, &error))?;
            Mic::Clip { clip: Clip::from_wav(std::io::BufReader::new(file)).or_fail(ExitCode::Usage, failed())?, repeat: false }
        }
    })
}

/// What was heard, as it is printed.
pub fn heard(report: &Report, seconds: f64) -> Heard {
    let stats = &report.stats;
    let tenths = |level: f32| (f64::from(level) * 10.0).round() / 10.0;
    let milliseconds = |time: std::time::Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    Heard {
        seconds: (seconds * 1000.0).round() / 1000.0,
        packets_received: stats.packets_in,
        packets_sent: stats.packets_out,
        packets_lost: stats.lost,
        jitter_ms: milliseconds(stats.jitter),
        concealed_ms: milliseconds(stats.concealed),
        level_dbfs: report.whole.level_dbfs.map(tenths),
        frequencies: report
            .whole
            .strongest
            .iter()
            .map(|peak| Frequency { hz: tenths(peak.frequency), level_dbfs: tenths(peak.level_dbfs) })
            .collect(),
    }
}
