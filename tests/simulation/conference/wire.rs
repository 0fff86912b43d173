//! What must hold of every datagram, whoever sent it.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// What was seen.
#[derive(Default)]
pub struct Wire {
    /// The final answers to each request, by who answered, its Call-ID, branch and CSeq.
    finals: BTreeMap<[String; 4], String>,
    /// CSeq of the last NOTIFY of each subscription, and the version of its document.
    versions: BTreeMap<String, (u32, u32)>,
    pub complaints: Vec<String>,
}

impl Wire {
    /// Looks at a message that `from` sends; says how the transcript is to call it.
    pub fn see(&mut self, from: &str, bytes: &[u8]) -> String {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let text = String::from_utf8_lossy(bytes);
        let first = text.lines().next().unwrap_or_default();
        let cseq = header(&text, "CSeq");
        if let Some(status) = first.strip_prefix("SIP/2.0 ") {
            self.answer(from, &text, status, cseq);
        } else if first.starts_with("NOTIFY ") {
            self.notify(&text, cseq);
        }
        format!("{first} [{cseq}] {:016x}", hasher.finish())
    }

    /// No request gets two different final answers.
    fn answer(&mut self, from: &str, text: &str, status: &str, cseq: &str) {
        if status.starts_with('1') {
            return;
        }
        let branch = header(text, "Via").split("branch=").nth(1).and_then(|b| b.split(';').next()).unwrap_or_default();
        let key = [from, header(text, "Call-ID"), branch, cseq].map(str::to_owned);
        let known = self.finals.entry(key).or_insert_with(|| status.to_owned());
        if known != status {
            self.complaints.push(format!("{from} answered {cseq} with {known} and with {status}"));
        }
    }

    /// Documents of a subscription are numbered without a gap, but for a full one, which makes good for what was left out.
    fn notify(&mut self, text: &str, cseq: &str) {
        let Some(root) = text.split("<conference-info ").nth(1).and_then(|rest| rest.split('>').next()) else { return };
        let attribute = |name: &str| root.split(name).nth(1).and_then(|value| value.split('"').nth(1)).unwrap_or_default();
        let version: u32 = attribute(" version=").parse().expect("a version");
        let number: u32 = cseq.split(' ').next().and_then(|n| n.parse().ok()).expect("a CSeq");
        let call_id = header(text, "Call-ID").to_owned();
        let (last_number, last) = self.versions.get(&call_id).copied().unwrap_or_default();
        if number <= last_number {
            return; // sent again
        }
        let full = attribute(" state=") != "partial";
        if version != last + 1 && !(full && version > last) {
            self.complaints.push(format!("after version {last} came {version} in {call_id}"));
        }
        self.versions.insert(call_id, (number, version));
    }
}

/// A header as our machines write it.
fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let lines = text.split("\r\n").take_while(|line| !line.is_empty());
    let value = |line: &'a str| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).map(str::trim);
    lines.filter_map(value).next().unwrap_or_default()
}
