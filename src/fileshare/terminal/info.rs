//! Shares by INFO: S801–S812, and what is said about any share (S601–S605, S701–S705).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Instant,
};

use bytes::Bytes;

use super::{MAX_OFFERS, Order, SharingEvent, SharingTerminal};
use crate::{
    conference::client::PartCommand,
    fileshare::{
        ShareId,
        wire::{
            Failure, FailureCode,
            control::{Body, Message, ShareRequest},
        },
    },
};

/// What goes on by INFO.
#[derive(Debug, Default)]
pub(super) struct Info {
    /// Our requests to share, by their id.
    pub(super) asked: BTreeMap<String, u64>,
    /// Offers that their owner has still to accept or decline: the id of each.
    pub(super) offered: BTreeMap<ShareId, String>,
    /// Uploads that other dialogs of our account began, and that we asked to go on with.
    taking_up: BTreeSet<ShareId>,
    /// Shares in which we have a part.
    pub(super) live: BTreeSet<ShareId>,
    /// Those that are ours.
    own: BTreeSet<ShareId>,
    /// Why a line of ours was refused: said before the answer that refuses it, and of no meaning once no offer of ours is open.
    pub(super) last_refusal: Option<Failure>,
}

impl SharingTerminal {
    fn send(&mut self, now: Instant, body: &Body) {
        self.part(now, PartCommand::Info { id: body.id.clone(), body: body.to_xml().into() });
    }

    /// S801.
    pub(super) fn share_by_info(&mut self, now: Instant, order: Order) {
        let id = self.fresh_id();
        let Order { key, batch, source, plain, recipients, .. } = order;
        self.info.asked.insert(id.clone(), key);
        let message = Message::ShareRequest(ShareRequest { batch, source, plain, recipients });
        self.send(now, &Body { id, share: None, conf: None, message });
    }

    /// S807.
    pub(super) fn accept_by_info(&mut self, now: Instant, share: ShareId, id: String, source: SocketAddr) {
        self.info.live.insert(share);
        self.send(now, &Body::of_share(id, share, Message::DownloadAnswer { source }));
    }

    pub(super) fn decline_by_info(&mut self, now: Instant, share: ShareId, id: String) {
        let why = Failure::new(FailureCode::Declined, "not wanted");
        self.send(now, &Body::of_share(id, share, Message::Refusal(why)));
    }

    pub(super) fn end_by_info(&mut self, now: Instant, share: ShareId) {
        if self.info.live.remove(&share) {
            let id = self.fresh_id();
            let own = self.info.own.remove(&share);
            let text = if own { "the sharer ended the share" } else { "the member left the share" };
            self.send(now, &Body::of_share(id, share, Message::ShareEnded(Failure::new(FailureCode::Ended, text))));
            self.events.push_back(SharingEvent::Ended { share, why: None });
        }
    }

    pub(super) fn take_up(&mut self, now: Instant, share: ShareId, source: SocketAddr) {
        if self.info.taking_up.len() >= MAX_OFFERS {
            let why = Failure::new(FailureCode::Busy, "too many uploads are about to go on");
            return self.events.push_back(SharingEvent::Said { share: Some(share), message: Box::new(Message::Refusal(why)) });
        }
        self.info.taking_up.insert(share);
        self.say(now, share, Message::Reconnect { source });
    }

    pub(super) fn list(&mut self, now: Instant) {
        let id = self.fresh_id();
        self.send(now, &Body { id, share: None, conf: None, message: Message::SharesRequest });
    }

    pub(super) fn say(&mut self, now: Instant, share: ShareId, message: Message) {
        if matches!(message, Message::DownloadComplete { .. } | Message::DownloadError(_)) {
            self.info.live.remove(&share);
        }
        let id = self.fresh_id();
        self.send(now, &Body::of_share(id, share, message));
    }

    pub(super) fn on_info(&mut self, now: Instant, bytes: &Bytes) {
        let Ok(body) = Body::parse(bytes) else { return };
        let conf = body.conf;
        let asked = self.info.asked.remove(&body.id);
        let said = |share, message| SharingEvent::Said { share, message: Box::new(message) };
        match (body.message, body.share) {
            (Message::ShareAnswer(endpoint), Some(share)) => {
                if let (Some(key), Some(conf)) = (asked, conf) {
                    self.info.live.insert(share);
                    self.info.own.insert(share);
                    self.events.push_back(SharingEvent::Shared { key, share, conf, endpoint });
                }
            }
            (Message::Reconnected(endpoint), Some(share)) if conf.is_some() && self.info.taking_up.contains(&share) => {
                self.own(share);
                self.events.extend(conf.map(|conf| SharingEvent::Go { share, conf, endpoint }));
            }
            (Message::UploadComplete { bytes }, Some(share)) => {
                if self.info.taking_up.contains(&share) {
                    self.own(share);
                }
                self.events.push_back(said(Some(share), Message::UploadComplete { bytes }));
            }
            (Message::Refusal(why), share) => match asked {
                Some(key) => self.events.push_back(SharingEvent::NotShared { key, why }),
                None => {
                    if let Some(share) = share {
                        self.info.taking_up.remove(&share);
                    }
                    if self.is_offering() {
                        self.info.last_refusal = Some(why.clone());
                    }
                    self.events.push_back(said(share, Message::Refusal(why)));
                }
            },
            // Our own line asks for it, and is answered.
            (Message::DownloadOffer(_), Some(share)) if self.is_joining(share) => {}
            (Message::DownloadOffer(offer), Some(share)) => {
                if self.info.offered.len() >= MAX_OFFERS {
                    return self.decline_by_info(now, share, body.id);
                }
                self.info.offered.insert(share, body.id);
                self.events.push_back(SharingEvent::Offered { share, offer: Box::new(offer) });
            }
            (Message::DownloadGo(endpoint), Some(share)) => {
                // S811.
                self.send(now, &Body::of_share(body.id, share, Message::GoAcknowledged));
                self.events.extend(conf.map(|conf| SharingEvent::Go { share, conf, endpoint }));
            }
            (Message::ShareEnded(why), Some(share)) => {
                let known = self.info.live.remove(&share) | self.info.own.remove(&share) | self.info.offered.remove(&share).is_some();
                // A line ends by itself, before or after; this says why.
                let event = if known { SharingEvent::Ended { share, why: Some(why) } } else { said(Some(share), Message::ShareEnded(why)) };
                self.events.push_back(event);
            }
            (Message::DownloadPrepare { files }, Some(share)) => {
                // S702: its owner connects as soon as it was told where to.
                self.send(now, &Body::of_share(body.id, share, Message::DownloadReady));
                self.events.push_back(said(Some(share), Message::DownloadPrepare { files }));
            }
            (message, share) => self.events.push_back(said(share, message)),
        }
    }

    /// An upload that we asked to go on with is ours now.
    fn own(&mut self, share: ShareId) {
        self.info.taking_up.remove(&share);
        self.info.live.insert(share);
        self.info.own.insert(share);
    }

    pub(super) fn on_info_failed(&mut self, id: &str, status: u16) {
        let why = Failure::new(FailureCode::Unsupported, format!("the conference answered {status}"));
        match self.info.asked.remove(id) {
            Some(key) => self.events.push_back(SharingEvent::NotShared { key, why }),
            None => self.events.push_back(SharingEvent::Said { share: None, message: Box::new(Message::Refusal(why)) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;
    use crate::{
        clock,
        conference::{
            client::{Identity, Machine as _, ServerAddress, TerminalConfig},
            companion::Lines,
        },
        fileshare::{
            BatchId,
            terminal::{Opening, SharingCommand},
            wire::{
                control::Batch,
                line::{Line, Transport},
            },
        },
        sdp::{Direction, LocalAudio},
        sip::{
            endpoint::{Endpoint, EndpointConfig},
            message::Host,
            node::Node as _,
        },
    };

    fn terminal() -> SharingTerminal {
        let here = Ipv4Addr::LOCALHOST.into();
        let config = TerminalConfig {
            identity: Identity::guest(None, Host::Ip(here), None),
            server: ServerAddress::new("sip:192.0.2.1".parse().expect("server")),
            audio: LocalAudio::new(SocketAddr::new(here, 0), Vec::new()),
            session_id: 1,
            answer: false,
            ring: Duration::ZERO,
            part: None,
        };
        SharingTerminal::new(Endpoint::new(EndpointConfig::default(), [7; 32]), config)
    }

    fn not_shared(terminal: &mut SharingTerminal) -> Vec<u64> {
        let events = std::iter::from_fn(|| terminal.poll_event());
        events.filter_map(|event| if let SharingEvent::NotShared { key, .. } = event { Some(key) } else { None }).collect()
    }

    #[test]
    fn what_is_to_be_shared_without_a_call_is_not_shared_by_either_opening() {
        for opening in [Opening::Reinvite, Opening::Info] {
            let mut terminal = terminal();
            let batch = Batch { id: BatchId(1), entries: 1, bytes: Some(5), manifest: None, files: Vec::new() };
            let source = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 40_000);
            let order = Order { key: 7, batch, source, plain: false, opening, recipients: Vec::new() };
            terminal.handle_command(clock::now(), SharingCommand::Share(Box::new(order)));
            assert_eq!(not_shared(&mut terminal), [7], "{opening:?}");
        }
    }

    #[test]
    fn a_refusal_of_something_else_is_no_reason_for_a_line_that_is_refused_later() {
        let mut terminal = terminal();
        let source = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 40_000);
        let line = Line::terminal(Transport::Tls, source, Direction::SendOnly);
        let refusal = |text: &str| {
            let body =
                Body { id: "s-1".to_owned(), share: None, conf: None, message: Message::Refusal(Failure::new(FailureCode::Busy, text)) };
            Bytes::from(body.to_xml())
        };
        let offered = Lines::from([(1, line.to_media())]);
        let mut why = |before: Option<&str>, meanwhile: &[&str]| {
            before.into_iter().for_each(|text| terminal.on_info(clock::now(), &refusal(text)));
            terminal.beginning.push((7, line.clone()));
            meanwhile.iter().for_each(|text| terminal.on_info(clock::now(), &refusal(text)));
            terminal.on_answered(&offered, &Lines::new());
            let events = std::iter::from_fn(|| terminal.poll_event());
            events.filter_map(|event| if let SharingEvent::NotShared { why, .. } = event { Some(why.text) } else { None }).last()
        };
        let unsaid = Some("the conference did not accept the share".to_owned());
        assert_eq!(why(Some("of another matter"), &[]), unsaid);
        assert_eq!(why(None, &["the disk is full"]), Some("the disk is full".to_owned()));
        assert_eq!(why(None, &[]), unsaid, "it was told once");
    }

    #[test]
    fn a_share_that_the_conference_did_not_answer_before_the_end_of_the_call_is_not_shared() {
        let mut terminal = terminal();
        terminal.info.asked.insert("t-1".to_owned(), 7);
        terminal.on_call_ended(true);
        assert_eq!(not_shared(&mut terminal), [7]);
    }
}
