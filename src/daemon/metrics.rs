//! Metrics in the text format of Prometheus (version 0.0.4).
//!
//! Nothing is registered: whoever has numbers is asked for them when a page is made, so that there is one place where each number is kept.

use std::{collections::BTreeMap, fmt::Write as _, pin::Pin};

/// Content type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A page of metrics that is being made: whatever order numbers come in, those of one name stand together.
#[derive(Debug, Default)]
pub struct Page(BTreeMap<&'static str, Family>);

/// The numbers of one name.
#[derive(Debug)]
struct Family {
    kind: Kind,
    help: &'static str,
    lines: String,
}

/// Somebody who has numbers.
pub trait Numbers: Send + Sync {
    /// Adds them to a page.
    fn collect<'a>(&'a self, page: &'a mut Page) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

impl Page {
    /// Adds a number without labels.
    pub fn number(&mut self, kind: Kind, name: &'static str, help: &'static str, value: impl Into<Number>) {
        self.labelled(kind, name, help, &[], value);
    }

    /// Adds a number with labels.
    pub fn labelled(&mut self, kind: Kind, name: &'static str, help: &'static str, labels: &[(&str, &str)], value: impl Into<Number>) {
        let lines = &mut self.0.entry(name).or_insert(Family { kind, help, lines: String::new() }).lines;
        lines.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(lines, "{}{label}=\"{text}\"", if at == 0 { "{" } else { "," });
        }
        let _ = writeln!(lines, "{} {}", if labels.is_empty() { "" } else { "}" }, value.into().0);
    }

    /// The page.
    pub fn into_text(self) -> String {
        let mut text = String::new();
        for (name, Family { kind, help, lines }) in self.0 {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // Help is ours: no line end, no backslash.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}");
        }
        text
    }
}

/// A number as it is printed: whole numbers exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

macro_rules! number {
    ($($ty:ty),*) => { $(
        impl From<$ty> for Number {
            fn from(value: $ty) -> Self {
                Self(value.to_string())
            }
        }
    )* };
}

number!(u32, u64, usize, f64);

/// What this process uses, as far as `/proc` tells.
pub fn process(page: &mut Page) {
    if let Some(pages) = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()) {
        let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok());
        let bytes = pages.saturating_mul(size.unwrap_or(4096));
        page.number(Kind::Gauge, "process_resident_memory_bytes", "Memory in use.", bytes);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        page.number(Kind::Gauge, "process_open_fds", "Open file descriptors.", entries.count());
    }
    if let Ok(usage) = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF) {
        let seconds = |time: nix::sys::time::TimeVal| {
            f64::from(i32::try_from(time.tv_sec()).unwrap_or(i32::MAX)) + f64::from(i32::try_from(time.tv_usec()).unwrap_or(0)) / 1e6
        };
        let used = seconds(usage.user_time()) + seconds(usage.system_time());
        page.number(Kind::Counter, "process_cpu_seconds_total", "Processor time used.", used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_one_name_stand_together_and_labels_are_escaped() {
        let mut page = Page::default();
        page.labelled(Kind::Gauge, "b", "Now.", &[("role", "as"), ("x", "q\"\\\n")], 1.5);
        page.number(Kind::Counter, "a_total", "How many there were.", 7_u64);
        page.labelled(Kind::Gauge, "b", "Now.", &[("role", "ms")], 0_usize);
        assert_eq!(
            page.into_text(),
            "# HELP a_total How many there were.\n# TYPE a_total counter\na_total 7\n\
             # HELP b Now.\n# TYPE b gauge\nb{role=\"as\",x=\"q\\\"\\\\\\n\"} 1.5\nb{role=\"ms\"} 0\n"
        );
    }

    #[test]
    fn a_process_uses_memory_and_descriptors() {
        let mut page = Page::default();
        process(&mut page);
        let text = page.into_text();
        let number = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
            line.split(' ').nth(1).and_then(|number| number.parse::<f64>().ok()).expect("a number")
        };
        assert!(number("process_resident_memory_bytes") > 1e6 && number("process_open_fds") >= 3.0);
    }
}
