//! The session of a participant's dialog as we say it, where not all of it is the media server's.
//!
//! As long as it is, descriptions pass through untouched. With the first line of a companion the o= line becomes ours: it goes on from the
//! media server's last one, raised by one with every change (RFC 3264 §8).

use bytes::Bytes;

use crate::sdp::{Description, MAX_MEDIA, Media, Origin};

/// What we have said in a participant's dialog.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Our last description, agreed or not: a version stands for one text.
    said: Description,
    /// Our lines as last agreed.
    agreed: Vec<Media>,
}

impl Session {
    /// A session that goes on from a description of the media server; `None` when that is none.
    pub(super) fn after(description: &[u8]) -> Option<Self> {
        let said = Description::parse(description).ok()?;
        Some(Self { agreed: said.media.clone(), said })
    }

    /// A session of ours alone, without lines.
    pub(super) fn own(session_id: u64, address: String) -> Self {
        let origin = Origin { user: "-".to_owned(), session_id: (session_id >> 1).to_string(), version: 0, address };
        Self { said: Description { origin, name: "-".to_owned(), attributes: Vec::new(), media: Vec::new() }, agreed: Vec::new() }
    }

    /// Our lines as last agreed.
    pub(super) fn agreed(&self) -> &[Media] {
        &self.agreed
    }

    /// Takes the lines as agreed.
    pub(super) fn agree(&mut self, lines: Vec<Media>) {
        self.agreed = lines;
    }

    /// A description with these lines; `None` where they are too many.
    pub(super) fn describe(&mut self, lines: Vec<Media>) -> Option<Bytes> {
        if lines.len() > MAX_MEDIA {
            return None;
        }
        if self.said.media != lines || self.said.origin.version == 0 {
            self.said.origin.version = self.said.origin.version.saturating_add(1);
        }
        self.said.media = lines;
        Some(self.said.to_text().into())
    }
}

/// The lines of a description; none where it is none.
pub(super) fn lines_of(sdp: &[u8]) -> Vec<Media> {
    Description::parse(sdp).map(|d| d.media).unwrap_or_default()
}

/// A description cut to so many lines: the answer to an offer that had no more.
pub(super) fn cut(sdp: Bytes, lines: usize) -> Bytes {
    match Description::parse(&sdp) {
        Ok(mut description) if description.media.len() > lines => {
            description.media.truncate(lines);
            description.to_text().into()
        }
        _ => sdp,
    }
}

/// Whether a line of a participant means the same to the media server as the one that it knows: `ours` is what the media server said in
/// that place. Formats that it did not choose make no difference.
pub(super) fn same_to_mixer(known: &Media, line: &Media, ours: Option<&Media>) -> bool {
    let formats = line.formats == known.formats || ours.is_some_and(|ours| line.formats == ours.formats);
    let refused = known.port == 0 && line.port == 0;
    let goes_the_same = known.port == line.port
        && known.connection == line.connection
        && known.direction == line.direction
        && known.attribute("rtcp") == line.attribute("rtcp")
        && known.attribute("ptime") == line.attribute("ptime");
    known.is_kind(&line.kind) && (refused || (goes_the_same && formats))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: &str = "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n";

    fn file(port: u16) -> Media {
        Media::new("application", format!("192.0.2.9:{port}").parse().unwrap(), "TCP/TLS/fileshare", vec!["*".to_owned()])
    }

    #[test]
    fn the_version_goes_on_from_the_media_servers_and_rises_with_each_change_alone() {
        let mut session = Session::after(AUDIO.as_bytes()).unwrap();
        let version = |text: Option<Bytes>| Description::parse(&text.unwrap()).unwrap().origin.version;
        let audio = session.agreed().to_vec();
        assert_eq!(version(session.describe(audio.clone())), 3);
        let both = [audio[0].clone(), file(9)].to_vec();
        assert_eq!(version(session.describe(both.clone())), 4);
        assert_eq!(version(session.describe(both)), 4);
        assert_eq!(version(session.describe(vec![audio[0].clone(), file(9).refused()])), 5);
        assert!(session.describe(vec![file(9); MAX_MEDIA + 1]).is_none());
    }

    #[test]
    fn what_the_mixer_did_not_choose_makes_no_difference_to_it() {
        let ours = lines_of(AUDIO.as_bytes()).remove(0);
        let mut offered = ours.clone();
        offered.formats = vec!["0".to_owned(), "8".to_owned(), "101".to_owned()];
        let mut answered = ours.clone();
        assert!(same_to_mixer(&offered, &answered, Some(&ours)), "an answer that names what was chosen");
        answered.port = 4002;
        assert!(!same_to_mixer(&offered, &answered, Some(&ours)), "another port");
        answered = offered.clone();
        answered.formats.reverse();
        assert!(!same_to_mixer(&offered, &answered, Some(&ours)), "another order");
        assert!(same_to_mixer(&offered.refused(), &ours.refused(), None));
    }

    #[test]
    fn an_answer_is_cut_to_the_lines_of_its_offer() {
        let two = format!("{AUDIO}m=application 9 TCP/TLS/fileshare *\r\n");
        assert_eq!(lines_of(&cut(two.clone().into(), 1)).len(), 1);
        assert_eq!(cut(two.clone().into(), 2), Bytes::from(two));
    }
}
