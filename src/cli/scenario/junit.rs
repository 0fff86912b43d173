//! The report that CI systems read: JUnit's XML, a test case for each step and each expectation.

use std::fmt::Write as _;

use super::{
    html::escaped,
    journal::{Record, Verdict},
};

/// The report of a run.
pub fn report(record: &Record) -> String {
    let (passed, failed) = record.counts();
    let title = escaped(&record.title);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(xml, "<testsuites>");
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{title}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\" time=\"{:.3}\">",
        passed + failed,
        record.seconds
    );
    for entry in &record.entries {
        let by = entry.terminal.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        let name = escaped(&format!("{}. {by}{}", entry.number, entry.what));
        let head = format!("<testcase classname=\"{title}\" name=\"{name}\" time=\"{:.3}\"", entry.took_ms as f64 / 1000.0);
        let told = match &entry.verdict {
            Verdict::Undone(why) => Some((why.clone(), String::new())),
            Verdict::Found(finding) if !finding.passed => {
                let text = format!("expected {}\ngot      {}", finding.expected, finding.got);
                Some((format!("expected {}, got {}", finding.expected, finding.got), text))
            }
            Verdict::Done | Verdict::Found(_) => None,
        };
        let _ = match told {
            None => writeln!(xml, "    {head}/>"),
            Some((message, text)) => {
                let kind = if matches!(entry.verdict, Verdict::Found(_)) { "expectation" } else { "step" };
                writeln!(
                    xml,
                    "    {head}>\n      <failure type=\"{kind}\" message=\"{}\">{}</failure>\n    </testcase>",
                    escaped(&message),
                    escaped(&text)
                )
            }
        };
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::scenario::html::tests::record;

    #[test]
    fn every_step_is_a_test_case_and_every_failure_says_expected_and_got() {
        assert_eq!(
            report(&record()),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  \
             <testsuite name=\"Who &amp; whom\" tests=\"3\" failures=\"2\" errors=\"0\" skipped=\"0\" time=\"4.500\">\n    \
             <testcase classname=\"Who &amp; whom\" name=\"1. alice: join demo\" time=\"0.012\"/>\n    \
             <testcase classname=\"Who &amp; whom\" name=\"2. kick &lt;bob&gt;\" time=\"0.100\">\n      \
             <failure type=\"step\" message=\"ended with 4 (no &quot;bob&quot;), expected 0\"></failure>\n    </testcase>\n    \
             <testcase classname=\"Who &amp; whom\" name=\"3. alice: hears bob\" time=\"1.000\">\n      \
             <failure type=\"expectation\" message=\"expected bob (620 Hz), got bob (620 Hz) -90 dBFS\">expected bob (620 Hz)\n\
             got      bob (620 Hz) -90 dBFS</failure>\n    </testcase>\n  </testsuite>\n</testsuites>\n"
        );
        assert!(roxmltree::Document::parse(&report(&record())).is_ok());
    }
}
