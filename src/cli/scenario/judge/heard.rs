//! Who was heard: the spectrum of a stretch of a recording against the tones that must and must not be in it.

use super::Finding;
use crate::{
    cli::scenario::model::{Heard, Scenario, Sound},
    media::{
        level::{dbfs, energy},
        spectrum::Spectrum,
    },
};

/// A peak this near to a tone is the tone: bins are 2 Hz wide, and G.711 shifts nothing.
const SAME_HZ: f32 = 8.0;
/// Peaks that are looked at for what should not be there.
const PEAKS: usize = 16;

/// What a recording is compared with, in hertz, each with the name of whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Sounds {
    /// Must be there.
    pub present: Vec<(String, f32)>,
    /// Must not be there.
    pub absent: Vec<(String, f32)>,
    /// Nothing else may be there.
    pub only: bool,
    /// Nothing at all may be there.
    pub silence: bool,
    /// As loud as this is heard, in dBFS.
    pub above: f32,
    /// No louder than this is not heard, in dBFS.
    pub below: f32,
}

/// What an expectation means in a scenario: names become tones, and `only` excludes the tones of all the others.
pub fn sounds(scenario: &Scenario, wanted: &Heard) -> Sounds {
    let named = |hz: f32| scenario.tones().find(|(_, tone)| (tone - hz).abs() < SAME_HZ).map(|(name, _)| name.to_string());
    let resolve = |sound: &Sound| match sound {
        Sound::Tone(hz) => Some((named(hz.0).unwrap_or_default(), hz.0)),
        Sound::Of(name) => scenario.tones().find(|(of, _)| *of == name).map(|(of, hz)| (of.to_string(), hz)),
    };
    let all = |sounds: &[Sound]| sounds.iter().filter_map(resolve).collect::<Vec<_>>();
    let mut present = all(wanted.only.as_deref().unwrap_or_default());
    present.extend(all(&wanted.present));
    let mut absent = all(&wanted.absent);
    if wanted.only.is_some() {
        let others = scenario.tones().filter(|(_, tone)| present.iter().chain(&absent).all(|(_, hz)| (tone - hz).abs() >= SAME_HZ));
        let others: Vec<_> = others.map(|(name, hz)| (name.to_string(), hz)).collect();
        absent.extend(others);
    }
    Sounds { present, absent, only: wanted.only.is_some(), silence: wanted.silence, above: wanted.above.0, below: wanted.below.0 }
}

/// Compares a stretch of a recording; the levels that were found at each tone, in dBFS, in the order of those present and those absent.
pub fn heard(wanted: &Sounds, samples: &[i16], rate: u32) -> (Finding, Vec<f32>) {
    let spectrum = Spectrum::of(samples, rate);
    let level = dbfs(energy(samples), samples.len());
    let tones = || wanted.present.iter().chain(&wanted.absent);
    let levels: Vec<f32> = tones().map(|(_, hz)| spectrum.level_at(*hz)).collect();
    let (present, absent) = levels.split_at(wanted.present.len());
    let others: Vec<_> = spectrum
        .strongest(PEAKS)
        .into_iter()
        .filter(|peak| peak.level_dbfs >= wanted.above && tones().all(|(_, hz)| (peak.frequency - hz).abs() >= SAME_HZ))
        .collect();
    let silent = level.is_none_or(|level| level <= wanted.below);
    let passed = !samples.is_empty()
        && present.iter().all(|level| *level >= wanted.above)
        && absent.iter().all(|level| *level <= wanted.below)
        && (!wanted.only || others.is_empty())
        && (!wanted.silence || silent);

    let mut got: Vec<String> = tones().zip(&levels).map(|(tone, level)| format!("{} {level:.0} dBFS", shown(tone))).collect();
    if wanted.only {
        got.extend(others.iter().map(|peak| format!("{:.0} Hz {:.0} dBFS", peak.frequency, peak.level_dbfs)));
    }
    if wanted.silence {
        got.push(level.map_or_else(|| "silence".to_owned(), |level| format!("{level:.0} dBFS")));
    }
    if samples.is_empty() {
        got = vec!["no audio".to_owned()];
    }
    (Finding { passed, expected: expected(wanted), got: got.join(", ") }, levels)
}

fn expected(wanted: &Sounds) -> String {
    let list = |tones: &[(String, f32)]| tones.iter().map(shown).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if wanted.only && wanted.present.is_empty() {
        parts.push("no tone".to_owned());
    } else if !wanted.present.is_empty() {
        parts.push(format!("{}{}", if wanted.only { "only " } else { "" }, list(&wanted.present)));
    }
    if !wanted.absent.is_empty() {
        parts.push(format!("not {}", list(&wanted.absent)));
    }
    if wanted.silence {
        parts.push("silence".to_owned());
    }
    format!("hears {}", parts.join(", "))
}

fn shown((name, hz): &(String, f32)) -> String {
    if name.is_empty() { format!("{hz} Hz") } else { format!("{name} ({hz} Hz)") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{g711, tone::Generator};

    const RATE: u32 = 8000;

    /// Two seconds of tones at −20 dBFS, as G.711 leaves them.
    fn recording(tones: &[f32]) -> Vec<i16> {
        let mut samples = vec![0i16; 2 * RATE as usize];
        for hz in tones {
            samples.iter_mut().zip(Generator::endless(*hz, -20.0, RATE)).for_each(|(sum, sample)| *sum += sample);
        }
        samples.into_iter().map(|sample| g711::decode_ulaw(g711::encode_ulaw(sample))).collect()
    }

    fn scenario() -> Scenario {
        let text = "terminals:\n- {name: alice, microphone: 'tone:440'}\n- {name: bob, microphone: 'tone:620'}\n- {name: carol, microphone: 'tone:880'}\nsteps: []\n";
        Scenario::parse("x.yaml".as_ref(), text, &[]).unwrap()
    }

    fn judged(expectation: &str, tones: &[f32]) -> Finding {
        let text = format!(
            "conference: demo\nterminals:\n- {{name: alice, microphone: 'tone:440'}}\n- {{name: bob, microphone: 'tone:620'}}\n\
             - {{name: carol, microphone: 'tone:880'}}\nsteps:\n- expect: {{heard: {{terminal: alice, {expectation}}}}}\n"
        );
        let scenario = Scenario::parse("x.yaml".as_ref(), &text, &[]).unwrap();
        let crate::cli::scenario::model::Action::Expect(expect) = &scenario.steps[0].action else { panic!("an expectation") };
        let crate::cli::scenario::model::Expected::Heard(wanted) = &expect.what else { panic!("of what is heard") };
        heard(&sounds(&scenario, wanted), &recording(tones), RATE).0
    }

    #[test]
    fn only_means_these_and_none_of_the_others_and_nothing_else() {
        for (expectation, tones, passed) in [
            ("only: [bob, carol]", &[620.0, 880.0][..], true),
            ("only: [620, 880]", &[620.0, 880.0], true),
            ("only: [bob, carol]", &[620.0], false),
            ("only: [bob, carol]", &[440.0, 620.0, 880.0], false),
            ("only: [bob, carol]", &[620.0, 880.0, 1500.0], false),
            ("only: []", &[], true),
            ("only: []", &[700.0], false),
            ("present: [bob]", &[620.0, 1500.0], true),
            ("absent: [carol]", &[620.0], true),
            ("absent: [620]", &[620.0], false),
            ("silence: yes", &[], true),
            ("silence: yes", &[500.0], false),
        ] {
            let finding = judged(expectation, tones);
            assert_eq!(finding.passed, passed, "{expectation} of {tones:?}: {finding:?}");
        }
    }

    #[test]
    fn a_failure_says_what_was_expected_and_what_was_there() {
        let finding = judged("only: [bob, carol]", &[880.0]);
        assert_eq!(finding.expected, "hears only bob (620 Hz), carol (880 Hz), not alice (440 Hz)");
        let got = finding.got.split(", ").collect::<Vec<_>>();
        assert!(got[0].starts_with("bob (620 Hz) -") && got[1] == "carol (880 Hz) -20 dBFS", "{got:?}");
    }

    #[test]
    fn what_is_neither_loud_nor_soft_enough_is_no_answer_either_way() {
        let wanted = |present: bool| {
            let tone = vec![("bob".to_owned(), 620.0)];
            let (present, absent) = if present { (tone, Vec::new()) } else { (Vec::new(), tone) };
            Sounds { present, absent, only: false, silence: false, above: -35.0, below: -50.0 }
        };
        let samples: Vec<i16> = Generator::endless(620.0, -42.0, RATE).take(16_000).collect();
        assert!(!heard(&wanted(true), &samples, RATE).0.passed);
        assert!(!heard(&wanted(false), &samples, RATE).0.passed);
    }

    #[test]
    fn without_a_recording_nothing_holds() {
        let wanted = sounds(&scenario(), &Heard { silence: true, ..everything_absent() });
        let (finding, _) = heard(&wanted, &[], RATE);
        assert_eq!((finding.passed, finding.got.as_str()), (false, "no audio"));
    }

    fn everything_absent() -> Heard {
        Heard {
            terminal: "alice".parse().unwrap(),
            only: None,
            present: Vec::new(),
            absent: Vec::new(),
            silence: false,
            over: crate::config::Span::of_millis(1000),
            above: crate::cli::scenario::model::Level(-35.0),
            below: crate::cli::scenario::model::Level(-50.0),
        }
    }
}
