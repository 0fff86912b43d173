//! Session descriptions.

use crate::sdp::{Description, Format, LocalAudio, Negotiation};

/// A description is read, printed and read back the same; offering it to a session of ours, or answering one with it, harms nothing.
pub fn description(data: &[u8]) {
    let Ok(description) = Description::parse(data) else { return };
    let text = description.to_text();
    let again: Description = text.parse().unwrap_or_else(|e| panic!("{e} in what was printed:\n{text}"));
    assert_eq!(again.to_text(), text, "printed and read again");
    let (Ok(rtp), Ok(ip)) = ("192.0.2.1:40000".parse(), "192.0.2.1".parse()) else { return };
    let audio = LocalAudio::new(rtp, vec![Format::new(0, "PCMU", 8000), Format::new(8, "PCMA", 8000)]);
    let mut session = Negotiation::new("-", ip, 7);
    let lines = description.media.iter().map(|line| audio.answer(line).map(|(line, _)| line)).collect();
    if session.offered(description.clone()).is_ok() {
        let answer = session.answer(lines).unwrap_or_else(|e| panic!("{e}: an answer of ours to\n{text}"));
        assert_eq!(answer.media.len(), description.media.len(), "as many lines as the offer");
    }
    let mut session = Negotiation::new("-", ip, 7);
    if session.offer(vec![audio.offer()]).is_ok() && session.answered(description).is_ok() {
        let stream = session.remote().first().and_then(|line| audio.agree(line));
        assert!(stream.is_none_or(|s| s.send.payload_type <= 127));
    }
}
