//! Verdicts: what was expected and what was found, from measurements alone.

mod heard;
mod people;

pub use heard::{heard, sounds};
pub use people::{fits, name_of, names};

use super::model::Packets;
use crate::{config::Count, media::LegStats};

/// What was found, beside what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// They agree.
    pub passed: bool,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub got: String,
}

impl Finding {
    /// Something that is equal, or is not.
    pub fn same(expected: String, got: String) -> Self {
        Self { passed: expected == got, expected, got }
    }
}

/// The packets of a terminal.
pub fn packets(wanted: &Packets, stats: &LegStats) -> Finding {
    let Packets { received, sent, lost, .. } = wanted;
    let at_least = |count: u64, least: Option<u32>| least.is_none_or(|least| count >= u64::from(least));
    let (received, sent, lost) = (received.map(Count::get), sent.map(Count::get), lost.map(Count::get));
    let parts = [
        received.map(|least| (format!("{least} packets received at least"), format!("{} received", stats.packets_in))),
        sent.map(|least| (format!("{least} packets sent at least"), format!("{} sent", stats.packets_out))),
        lost.map(|most| (format!("{most} packets lost at most"), format!("{} lost", stats.lost))),
    ];
    let (expected, got): (Vec<_>, Vec<_>) = parts.into_iter().flatten().unzip();
    Finding {
        passed: at_least(stats.packets_in, received)
            && at_least(stats.packets_out, sent)
            && lost.is_none_or(|most| stats.lost <= i64::from(most)),
        expected: expected.join(", "),
        got: got.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_against_each_bound_that_is_given() {
        let stats = LegStats { packets_in: 100, packets_out: 90, lost: 2, ..LegStats::default() };
        let wanted = |received, sent, lost| Packets {
            terminal: "alice".parse().unwrap(),
            received: Option::map(received, Count::of),
            sent: Option::map(sent, Count::of),
            lost: Option::map(lost, Count::of),
        };
        for (wanted, passed) in [
            (wanted(Some(100), Some(90), Some(2)), true),
            (wanted(Some(101), None, None), false),
            (wanted(None, Some(91), None), false),
            (wanted(None, None, Some(1)), false),
        ] {
            let finding = packets(&wanted, &stats);
            assert_eq!(finding.passed, passed, "{finding:?}");
        }
        let finding = packets(&wanted(Some(101), None, Some(1)), &stats);
        assert_eq!(
            (finding.expected.as_str(), finding.got.as_str()),
            ("101 packets received at least, 1 packets lost at most", "100 received, 2 lost")
        );
    }
}
