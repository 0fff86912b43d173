//! The offer/answer machine of one dialog (RFC 3264, RFC 6337): m-lines keep their places for ever.
//!
//! One exchange at a time: an offer, ours or the peer's, then its answer. Bodies are decided by the caller, line by line;
//! the machine keeps number, order and kind of the lines, and the o= line. It knows nothing of SIP: which message
//! carries which body is the caller's matter.

use std::net::IpAddr;

use super::{Description, MAX_MEDIA, Media, Origin};

/// One dialog's session.
#[derive(Debug, Clone)]
pub struct Negotiation {
    origin: Origin,
    /// Lines of the last description that we sent, agreed or not: a version stands for one text.
    sent: Option<Vec<Media>>,
    local: Vec<Media>,
    remote: Vec<Media>,
    exchange: Exchange,
}

#[derive(Debug, Clone)]
enum Exchange {
    /// None is open.
    Idle,
    /// We offered this and wait for the answer.
    Offered(Vec<Media>),
    /// The peer offered this and waits for ours.
    Asked(Description),
}

/// What cannot be in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// Ours: another exchange is open. A peer's offer is answered 491 then.
    #[error("an offer is still open")]
    Open,
    /// Ours: there is no offer to answer, or no answer to take.
    #[error("no offer is open")]
    NotOpen,
    /// The peer's, or ours where we made the body: fewer lines than there were (RFC 3264 §8).
    #[error("a media line is missing: lines may be refused, but never go")]
    LinesMissing,
    /// The peer's, or ours: an answer with more lines than the offer.
    #[error("the answer has more media lines than the offer")]
    LinesAdded,
    /// The peer's, or ours: a line of an answer is of another kind or protocol than the offer's in that place.
    #[error("the answer has other media in the place of the offer's")]
    LinesDiffer,
    /// Ours: more than [`MAX_MEDIA`] lines.
    #[error("more than {MAX_MEDIA} media lines")]
    TooManyLines,
}

impl Negotiation {
    /// A session of ours, nothing agreed. `session_id` should be random: it tells our sessions apart.
    pub fn new(user: &str, address: IpAddr, session_id: u64) -> Self {
        Self { origin: Origin::new(user, session_id, address), sent: None, local: Vec::new(), remote: Vec::new(), exchange: Exchange::Idle }
    }

    /// Our lines as last agreed.
    pub fn local(&self) -> &[Media] {
        &self.local
    }

    /// The peer's lines as last agreed.
    pub fn remote(&self) -> &[Media] {
        &self.remote
    }

    /// The peer's offer that waits for our answer.
    pub fn asked(&self) -> Option<&Description> {
        match &self.exchange {
            Exchange::Asked(offer) => Some(offer),
            Exchange::Idle | Exchange::Offered(_) => None,
        }
    }

    /// True while our offer waits for its answer.
    pub fn is_offering(&self) -> bool {
        matches!(self.exchange, Exchange::Offered(_))
    }

    /// True when no exchange is open.
    pub fn is_idle(&self) -> bool {
        matches!(self.exchange, Exchange::Idle)
    }

    /// Opens an exchange with an offer of ours. Lines stand in their places; one that is no longer wanted has port 0, and
    /// such a place may be used again.
    ///
    /// # Errors
    /// [`NegotiationError::Open`], [`NegotiationError::LinesMissing`], [`NegotiationError::TooManyLines`].
    pub fn offer(&mut self, lines: Vec<Media>) -> Result<Description, NegotiationError> {
        self.must_be_idle()?;
        if lines.len() < self.places() {
            return Err(NegotiationError::LinesMissing);
        }
        let description = self.describe(lines)?;
        self.exchange = Exchange::Offered(description.media.clone());
        Ok(description)
    }

    /// Opens an exchange with what was last agreed, unchanged: for session refreshes and offerless re-INVITEs.
    ///
    /// # Errors
    /// [`NegotiationError::Open`].
    pub fn offer_again(&mut self) -> Result<Description, NegotiationError> {
        self.offer(self.local.clone())
    }

    /// Takes the answer to our offer. On an error nothing is agreed, and the exchange is over.
    ///
    /// # Errors
    /// [`NegotiationError::NotOpen`], or what is wrong with the peer's answer.
    pub fn answered(&mut self, answer: Description) -> Result<(), NegotiationError> {
        let Exchange::Offered(offer) = std::mem::replace(&mut self.exchange, Exchange::Idle) else {
            return Err(NegotiationError::NotOpen);
        };
        check_answer(&offer, &answer.media)?;
        // What the peer refused has ended on our side, too; and what we did not offer is not taken, whatever the answer says.
        (self.local, self.remote) = offer
            .into_iter()
            .zip(answer.media)
            .map(|(ours, theirs)| if ours.port == 0 || theirs.port == 0 { (ours.refused(), theirs.refused()) } else { (ours, theirs) })
            .unzip();
        Ok(())
    }

    /// Our offer was refused, or will never be answered: what was agreed before holds on.
    pub fn withdrawn(&mut self) {
        if self.is_offering() {
            self.exchange = Exchange::Idle;
        }
    }

    /// Takes an offer of the peer, to be answered line by line.
    ///
    /// # Errors
    /// [`NegotiationError::Open`]; [`NegotiationError::LinesMissing`]: to be answered 488.
    pub fn offered(&mut self, offer: Description) -> Result<&Description, NegotiationError> {
        self.must_be_idle()?;
        if offer.media.len() < self.places() {
            return Err(NegotiationError::LinesMissing);
        }
        self.exchange = Exchange::Asked(offer);
        self.asked().ok_or(NegotiationError::NotOpen)
    }

    /// Answers the peer's offer: for each of its lines ours, or `None` to refuse it; what is missing at the end is refused.
    /// A line that was offered with port 0 stays so.
    ///
    /// # Errors
    /// [`NegotiationError::NotOpen`]; [`NegotiationError::LinesAdded`], [`NegotiationError::LinesDiffer`] when `lines` do not
    /// fit the offer. The exchange stays open.
    pub fn answer(&mut self, lines: Vec<Option<Media>>) -> Result<Description, NegotiationError> {
        let Exchange::Asked(offer) = &self.exchange else { return Err(NegotiationError::NotOpen) };
        if lines.len() > offer.media.len() {
            return Err(NegotiationError::LinesAdded);
        }
        let ours = lines.into_iter().chain(std::iter::repeat(None));
        let remote = offer.media.clone();
        let answer: Vec<Media> =
            remote.iter().zip(ours).map(|(theirs, ours)| ours.filter(|_| theirs.port != 0).unwrap_or_else(|| theirs.refused())).collect();
        check_answer(&remote, &answer)?;
        let description = self.describe(answer)?;
        self.local.clone_from(&description.media);
        self.remote = remote;
        self.exchange = Exchange::Idle;
        Ok(description)
    }

    /// The peer's offer was refused by status: what was agreed before holds on.
    pub fn declined(&mut self) {
        if self.asked().is_some() {
            self.exchange = Exchange::Idle;
        }
    }

    fn must_be_idle(&self) -> Result<(), NegotiationError> {
        if self.is_idle() { Ok(()) } else { Err(NegotiationError::Open) }
    }

    /// Lines that have been agreed, in use or not.
    fn places(&self) -> usize {
        self.local.len()
    }

    /// A description of ours with these lines: the same o= line as before, its version raised where the lines changed.
    fn describe(&mut self, media: Vec<Media>) -> Result<Description, NegotiationError> {
        if media.len() > MAX_MEDIA {
            return Err(NegotiationError::TooManyLines);
        }
        if self.sent.as_ref().is_some_and(|sent| *sent != media) {
            self.origin.version = self.origin.version.saturating_add(1);
        }
        self.sent = Some(media.clone());
        Ok(Description { origin: self.origin.clone(), name: "-".to_owned(), attributes: Vec::new(), media })
    }
}

/// RFC 3264 §6: as many lines as the offer, of the same kind and protocol; refused ones are compared by kind only, since
/// terminals rewrite the rest of them.
fn check_answer(offer: &[Media], answer: &[Media]) -> Result<(), NegotiationError> {
    match answer.len().cmp(&offer.len()) {
        std::cmp::Ordering::Less => return Err(NegotiationError::LinesMissing),
        std::cmp::Ordering::Greater => return Err(NegotiationError::LinesAdded),
        std::cmp::Ordering::Equal => {}
    }
    for (asked, answered) in offer.iter().zip(answer) {
        if !answered.is_kind(&asked.kind) || (answered.port != 0 && !answered.is_proto(&asked.proto)) {
            return Err(NegotiationError::LinesDiffer);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Direction;

    fn line(kind: &str, port: u16) -> Media {
        Media::new(
            kind,
            format!("192.0.2.1:{port}").parse().expect("address"),
            if kind == "audio" { "RTP/AVP" } else { "TCP/TLS/fileshare" },
            vec!["0".into()],
        )
    }

    fn theirs(media: Vec<Media>) -> Description {
        Description {
            origin: Origin::new("bob", 9, "192.0.2.2".parse().expect("address")),
            name: "-".into(),
            attributes: Vec::new(),
            media,
        }
    }

    fn session() -> Negotiation {
        Negotiation::new("-", "192.0.2.1".parse().expect("address"), 42)
    }

    #[test]
    fn the_version_rises_by_one_with_each_change_and_only_then() {
        let mut n = session();
        let mut offer = |lines: Vec<Media>| {
            let sent = n.offer(lines.clone()).expect("idle");
            n.answered(theirs(lines)).expect("answered");
            (sent.origin.session_id, sent.origin.version)
        };
        let (id, first) = offer(vec![line("audio", 4000)]);
        assert_eq!(offer(vec![line("audio", 4000)]), (id.clone(), first));
        assert_eq!(offer(vec![line("audio", 4002)]), (id.clone(), first + 1));
        assert_eq!(offer(vec![Media { direction: Direction::SendOnly, ..line("audio", 4002) }]), (id, first + 2));
    }

    #[test]
    fn a_refused_offer_leaves_what_was_agreed_and_still_used_up_its_version() {
        let mut n = session();
        n.offer(vec![line("audio", 4000)]).expect("idle");
        n.answered(theirs(vec![line("audio", 5000)])).expect("answered");
        assert_eq!(n.offer(vec![line("audio", 4002)]).expect("idle").origin.version, 2);
        n.withdrawn();
        assert_eq!(n.local(), [line("audio", 4000)]);
        assert_eq!(n.offer_again().expect("idle").origin.version, 3, "another text than the last one sent");
    }

    #[test]
    fn refused_lines_keep_their_places_for_ever_and_can_be_used_again() {
        let mut n = session();
        n.offered(theirs(vec![line("audio", 5000), line("video", 5002)])).expect("offer");
        let answer = n.answer(vec![Some(line("audio", 4000))]).expect("video refused");
        assert_eq!(answer.media.iter().map(|m| (m.kind.as_str(), m.port)).collect::<Vec<_>>(), [("audio", 4000), ("video", 0)]);
        assert_eq!(n.offer(vec![line("audio", 4000)]), Err(NegotiationError::LinesMissing));
        assert!(n.offer(vec![line("audio", 4000), line("application", 9)]).is_ok(), "the place of the refused line");
        n.answered(theirs(vec![line("audio", 5000), line("application", 5010)])).expect("taken");
        assert_eq!(n.offered(theirs(vec![line("audio", 5000)])).err(), Some(NegotiationError::LinesMissing));
        assert!(n.is_idle(), "an offer that cannot be is not open");
    }

    #[test]
    fn odd_answers_are_errors_and_end_the_exchange() {
        let offer = || vec![line("audio", 4000), line("application", 4002), line("video", 0)];
        for (answer, error) in [
            (vec![line("audio", 1)], NegotiationError::LinesMissing),
            (vec![line("audio", 1), line("application", 1), line("video", 0), line("x", 0)], NegotiationError::LinesAdded),
            (vec![line("application", 1), line("audio", 1), line("video", 0)], NegotiationError::LinesDiffer),
            (
                vec![line("audio", 1), Media { proto: "TCP/x".into(), ..line("application", 1) }, line("video", 0)],
                NegotiationError::LinesDiffer,
            ),
        ] {
            let mut n = session();
            n.offer(offer()).expect("idle");
            assert_eq!(n.answered(theirs(answer)), Err(error));
            assert!(n.is_idle() && n.local().is_empty());
        }
    }

    #[test]
    fn a_line_that_was_not_offered_is_not_taken() {
        let mut n = session();
        n.offer(vec![line("audio", 4000), line("video", 0)]).expect("idle");
        n.answered(theirs(vec![line("audio", 5000), line("video", 5002)])).expect("the rest is agreed");
        assert_eq!((n.local()[1].port, n.remote()[1].port, n.remote()[0].port), (0, 0, 5000));
    }

    #[test]
    fn linphones_way_of_refusing_is_understood() {
        let mut n = session();
        n.offer(vec![line("audio", 4000), line("application", 4002)]).expect("idle");
        let refused = Media { proto: "TCP/TLS/FILESHARE".into(), formats: vec!["0".into()], ..line("application", 0) };
        n.answered(theirs(vec![line("audio", 5000), refused])).expect("proto in capitals, other formats, port 0");
        assert_eq!(n.local()[1].port, 0);
    }

    #[test]
    fn one_exchange_at_a_time() {
        let mut n = session();
        assert_eq!(n.answered(theirs(Vec::new())), Err(NegotiationError::NotOpen));
        assert_eq!(n.answer(Vec::new()), Err(NegotiationError::NotOpen));
        n.offer(Vec::new()).expect("idle");
        assert_eq!(n.offered(theirs(Vec::new())).err(), Some(NegotiationError::Open));
        n.answered(theirs(Vec::new())).expect("a session without media");
        n.offered(theirs(vec![line("audio", 0), line("audio", 5000)])).expect("idle");
        assert_eq!(n.offer(Vec::new()), Err(NegotiationError::Open));
        let answer = n.answer(vec![Some(line("audio", 4000)), Some(line("audio", 4002))]).expect("answer");
        assert_eq!(answer.media.iter().map(|m| m.port).collect::<Vec<_>>(), [0, 4002], "what was offered with port 0 stays so");
    }
}
