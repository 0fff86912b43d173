//! What was measured beside what is wanted.

use std::time::{Duration, Instant};

/// One transfer.
pub struct Row {
    what: &'static str,
    began: Instant,
    /// When bytes began to come, where that is known.
    pub first: Option<Instant>,
    ended: Instant,
    /// Processor time of the sender, of the receiver, of what is between.
    cpu: [Duration; 3],
    /// Bytes that the relay has counted.
    pub carried: Option<u64>,
    load: String,
}

impl Row {
    pub fn new(what: &'static str, began: Instant, ended: Instant, cpu: [Duration; 3], load: String) -> Self {
        Self { what, began, first: None, ended, cpu, carried: None, load }
    }

    fn seconds(&self) -> f64 {
        self.ended.saturating_duration_since(self.began).as_secs_f64()
    }

    fn sum(&self) -> f64 {
        self.cpu.iter().map(Duration::as_secs_f64).sum()
    }

    fn relay(&self) -> f64 {
        self.cpu[2].as_secs_f64()
    }

    pub fn print(&self, run: usize, gibibytes: f64) {
        let [sender, receiver, relay] = self.cpu.map(|cpu| cpu.as_secs_f64() / gibibytes);
        let first = self.first.map(|first| gibibytes / self.ended.saturating_duration_since(first).as_secs_f64());
        let first = first.map_or_else(String::new, |rate| format!("{rate:.2}"));
        println!(
            "| {run} | {} | {:.2} | {first} | {sender:.2} | {receiver:.2} | {relay:.2} | {:.2} | {} |",
            self.what,
            gibibytes / self.seconds(),
            sender + receiver + relay,
            self.load
        );
    }
}

/// A bound, and the better one that is hoped for.
pub enum Wanted {
    AtLeast(f64, Option<f64>),
    AtMost(f64, Option<f64>),
    /// Nothing: what the machine allows, beside which the lines above and below are read.
    Floor,
}

/// A line of the table of targets: the median of several runs, and whether it is kept.
pub fn line(what: &str, wanted: &Wanted, found: &[f64], unit: &str) {
    let mut found = found.to_vec();
    found.sort_by(f64::total_cmp);
    let Some((least, most)) = found.first().zip(found.last()) else { return };
    let median = found[found.len() / 2];
    let bound = |word: &str, must: f64, goal: Option<f64>| {
        let goal = goal.map_or_else(String::new, |goal| format!(" (goal {goal})"));
        format!("{word} {must}{unit}{goal}")
    };
    let (wanted, kept) = match *wanted {
        Wanted::AtLeast(must, goal) => (bound("at least", must, goal), if median >= must { "kept" } else { "NOT kept" }),
        Wanted::AtMost(must, goal) => (bound("at most", must, goal), if median <= must { "kept" } else { "NOT kept" }),
        Wanted::Floor => ("a floor".to_owned(), ""),
    };
    println!("| {what} | {wanted} | {} | {} to {} | {kept} |", short(median), short(*least), short(*most));
}

fn short(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// What stands above lines of targets.
pub fn heading() {
    println!("\n| target | wanted | median | lowest to highest | |");
    println!("|---|---|---|---|---|");
}

/// Ratios within each run, as the machine is not the same from one minute to the next.
pub fn told(runs: &[Vec<Row>], gibibytes: f64) {
    let each = |value: &dyn Fn(&[Row]) -> Option<f64>| -> Vec<f64> { runs.iter().filter_map(|run| value(run)).collect() };
    // How much faster the first is, and how much more its relay takes.
    let faster = |one: &str, other: &str| each(&|run| Some(row(run, other)?.seconds() / row(run, one)?.seconds()));
    let dearer = |one: &str, other: &str| each(&|run| Some(row(run, one)?.relay() / row(run, other)?.relay()));
    heading();
    let ours = "fshare and relayd";
    line("`fshare` to the bare sealed pipeline, GiB/s", &Wanted::AtLeast(0.7, Some(0.95)), &faster(ours, "bare sealed pipeline"), "");
    line("`fshare` to wormhole-rs, GiB/s", &Wanted::AtLeast(5.0, None), &faster(ours, "wormhole-rs"), "");
    // Croc's defaults reach 0.53 GiB/s where the bare sealed pipeline reaches 1.43; twice that is wanted.
    let croc = Wanted::AtLeast(2.0, None);
    let times: Vec<f64> = faster(ours, "bare sealed pipeline").iter().map(|ratio| ratio * 1.43 / 0.53).collect();
    line("`fshare` to croc's defaults, by what croc was to that pipeline elsewhere", &croc, &times, "");
    let sum = each(&|run| Some(row(run, ours)?.sum() / gibibytes));
    line("`fshare send`, `relayd`, `fshare recv` together, CPU s per GiB", &Wanted::AtMost(1.8, Some(1.3)), &sum, "");
    let cost = Wanted::AtMost(1.3, Some(1.05));
    line("`relayd` to the bare relay, no files, CPU", &cost, &dearer("relayd, no files", "bare relay, no files"), "");
    line("`relayd` to the bare relay, sealed files, CPU", &cost, &dearer(ours, "bare sealed pipeline"), "");
    line(
        "bytes through `relayd` to loopback TCP, GiB/s",
        &Wanted::AtLeast(0.6, Some(0.78)),
        &faster("relayd, no files", "loopback TCP"),
        "",
    );
    line("the bare relay to loopback TCP, GiB/s", &Wanted::Floor, &faster("bare relay, no files", "loopback TCP"), "");
    let bare = faster("relayd, no files", "bare relay, no files");
    line("`relayd` to the bare relay, no files, GiB/s", &Wanted::AtLeast(0.95, None), &bare, "");
    println!();
}

fn row<'a>(run: &'a [Row], what: &str) -> Option<&'a Row> {
    run.iter().find(|row| row.what == what)
}
