//! Shares by the lines of the session: S401, S404, S406, S407, S410, S411, and port 0 either way.

use std::{collections::BTreeMap, net::SocketAddr, time::Instant};

use super::{Order, SharingEvent, SharingTerminal};
use crate::{
    conference::{client::PartCommand, companion::Lines},
    fileshare::{
        ConfId, ShareId,
        wire::{
            Failure, FailureCode,
            control::{Batch, DownloadOffer, Endpoint},
            line::{Line, Spelling, Transport},
        },
    },
    sdp::{Direction, Media},
};

/// A place of the session.
#[derive(Debug)]
pub(super) struct Slot {
    /// The share; `None` where the place is free.
    pub(super) share: Option<ShareId>,
    /// Our line.
    ours: Line,
    /// Where to download was told.
    told: bool,
    /// An offer of ours that changes our line is not answered.
    asked: bool,
}

/// An offer of the other side, as far as it is answered.
#[derive(Debug, Default)]
pub(super) struct Answering {
    lines: Lines,
    /// Shares that their owner has still to accept or decline: the place of each, and how its line is written there.
    open: BTreeMap<ShareId, (usize, Spelling)>,
}

impl SharingTerminal {
    fn place_of(&self, share: ShareId) -> Option<usize> {
        self.slots.iter().find(|(_, slot)| slot.share == Some(share)).map(|(at, _)| *at)
    }

    /// S401.
    pub(super) fn share_by_line(&mut self, now: Instant, order: Order) {
        let transport = if order.plain { Transport::Tcp } else { Transport::Tls };
        let line = Line {
            transfer_id: Some(format!("{:016x}", order.batch.id.0)),
            batch: Some(order.batch),
            recipients: order.recipients,
            ..Line::terminal(transport, order.source, Direction::SendOnly)
        };
        self.beginning.push((order.key, line.clone()));
        self.part(now, PartCommand::Offer(vec![(None, line.to_media())]));
    }

    /// S407, or a line of our own for a share that was not offered, or another port than before.
    pub(super) fn receive_by_line(&mut self, now: Instant, share: ShareId, source: SocketAddr, transport: Transport) {
        let line = Line { share: Some(share), ..Line::terminal(transport, source, Direction::RecvOnly) };
        if let Some((place, spelling)) = self.open(share) {
            // Answered in kind.
            let line = Line { spelling, ..line };
            self.slots.insert(place, Slot { share: Some(share), ours: line.clone(), told: false, asked: false });
            return self.answer_line(now, share, place, Some(line.to_media()));
        }
        match self.place_of(share) {
            Some(place) => {
                if let Some(slot) = self.slots.get_mut(&place) {
                    let same =
                        Line { spelling: slot.ours.spelling, direction: slot.ours.direction, batch: slot.ours.batch.clone(), ..line };
                    (slot.ours, slot.told, slot.asked) = (same, false, true);
                    let media = slot.ours.to_media();
                    self.part(now, PartCommand::Offer(vec![(Some(place), media)]));
                }
            }
            None => {
                self.joining.push((share, line.clone()));
                self.part(now, PartCommand::Offer(vec![(None, line.to_media())]));
            }
        }
    }

    pub(super) fn decline_by_line(&mut self, now: Instant, share: ShareId) {
        if let Some((place, _)) = self.open(share) {
            self.answer_line(now, share, place, None);
        }
    }

    /// The place of a share that waits for its answer.
    fn open(&self, share: ShareId) -> Option<(usize, Spelling)> {
        self.answering.as_ref()?.open.get(&share).copied()
    }

    /// Port 0. False where the share has no line.
    pub(super) fn end_by_line(&mut self, now: Instant, share: ShareId) -> bool {
        let Some(place) = self.place_of(share) else { return false };
        if let Some(slot) = self.slots.get_mut(&place) {
            (slot.ours, slot.asked) = (slot.ours.ended(), true);
            let media = slot.ours.to_media();
            self.part(now, PartCommand::Offer(vec![(Some(place), media)]));
        }
        true
    }

    /// One of the lines that wait is answered; the whole, with the last.
    fn answer_line(&mut self, now: Instant, share: ShareId, place: usize, line: Option<Media>) {
        let Some(answering) = self.answering.as_mut() else { return };
        answering.open.remove(&share);
        if let Some(line) = line {
            answering.lines.insert(place, line);
        }
        self.answer_if_ready(now);
    }

    fn answer_if_ready(&mut self, now: Instant) {
        if let Some(answering) = self.answering.take_if(|a| a.open.is_empty()) {
            self.part(now, PartCommand::Answer(answering.lines));
        }
    }

    /// S406, S410, or port 0.
    pub(super) fn on_offered(&mut self, now: Instant, lines: &Lines) {
        let mut answering = Answering::default();
        let mut crossed = Vec::new();
        for (place, media) in lines {
            let known = self.slots.get(place).and_then(|slot| slot.share);
            let line = Line::read(media).ok().flatten().filter(|line| !line.is_refused());
            match (known, line) {
                (Some(share), None) => {
                    self.slots.remove(place);
                    self.events.push_back(SharingEvent::Ended { share, why: None });
                }
                (Some(share), Some(line)) if line.share.is_none_or(|named| named == share) => {
                    let Some(slot) = self.slots.get_mut(place) else { continue };
                    answering.lines.insert(*place, slot.ours.to_media());
                    if let Some((conf, endpoint)) = way(&line)
                        && !std::mem::replace(&mut slot.told, true)
                    {
                        self.events.push_back(SharingEvent::Go { share, conf, endpoint });
                    }
                }
                (_, None) => {}
                (_, Some(line)) => {
                    if let Some((share, offer)) = offered(&line) {
                        if self.is_joining(share) {
                            crossed.push(share);
                        } else {
                            self.events.push_back(SharingEvent::Offered { share, offer: Box::new(offer) });
                        }
                        answering.open.insert(share, (*place, line.spelling));
                    }
                }
            }
        }
        self.answering = Some(answering);
        for share in crossed {
            self.answer_by_joining(now, share);
        }
        self.answer_if_ready(now);
    }

    /// The conference offers what a line of ours asks for, and was quicker: that line becomes the answer. Whoever wants the share has said so
    /// already, and to decline would be told to its sharer.
    fn answer_by_joining(&mut self, now: Instant, share: ShareId) {
        let Some(at) = self.joining.iter().position(|(joined, _)| *joined == share) else { return };
        let (_, line) = self.joining.remove(at);
        self.part(now, PartCommand::Withdraw(line.to_media()));
        if let Ok(source) = line.source() {
            self.receive_by_line(now, share, source, line.transport);
        }
    }

    /// Whether a line of ours asks for a share, and has no answer.
    pub(super) fn is_joining(&self, share: ShareId) -> bool {
        self.joining.iter().any(|(joined, _)| *joined == share)
    }

    pub(super) fn on_taken_back(&mut self) {
        for share in self.answering.take().into_iter().flat_map(|a| a.open.into_keys()) {
            self.events.push_back(SharingEvent::Ended { share, why: None });
        }
    }

    /// S404, or the answer to another line of ours.
    pub(super) fn on_answered(&mut self, offered: &Lines, answered: &Lines) {
        for (place, ours) in offered {
            let theirs = answered.get(place).and_then(|m| Line::read(m).ok().flatten()).filter(|line| !line.is_refused());
            let begun = self.beginning.iter().position(|(_, line)| line.to_media() == *ours).map(|at| self.beginning.remove(at));
            if let Some((key, line)) = begun {
                self.on_share_answered(*place, key, line, theirs);
                continue;
            }
            let joined = self.joining.iter().position(|(_, line)| line.to_media() == *ours).map(|at| self.joining.remove(at));
            let (share, line) = match (joined, self.slots.get(place)) {
                (Some(joined), _) => joined,
                (None, Some(Slot { share: Some(share), ours, .. })) => (*share, ours.clone()),
                (None, _) => continue,
            };
            match theirs.as_ref().and_then(way) {
                Some((conf, endpoint)) if !line.is_refused() => {
                    self.slots.insert(*place, Slot { share: Some(share), ours: line, told: true, asked: false });
                    self.events.push_back(SharingEvent::Go { share, conf, endpoint });
                }
                _ => {
                    self.slots.remove(place);
                    self.events.push_back(SharingEvent::Ended { share, why: self.info.last_refusal.take() });
                }
            }
        }
        self.forget_refusal();
    }

    /// Whether an offer of ours waits for its answer.
    pub(super) fn is_offering(&self) -> bool {
        !self.beginning.is_empty() || !self.joining.is_empty() || self.slots.values().any(|slot| slot.asked)
    }

    /// What was refused before is no reason for what is refused later.
    fn forget_refusal(&mut self) {
        if !self.is_offering() {
            self.info.last_refusal = None;
        }
    }

    fn on_share_answered(&mut self, place: usize, key: u64, line: Line, theirs: Option<Line>) {
        let usable = theirs.and_then(|theirs| Some((theirs.share?, way(&theirs)?)));
        match usable {
            Some((share, (conf, endpoint))) => {
                self.slots.insert(place, Slot { share: Some(share), ours: line, told: true, asked: false });
                self.events.push_back(SharingEvent::Shared { key, share, conf, endpoint });
            }
            None => {
                let why = self.info.last_refusal.take();
                let why = why.unwrap_or_else(|| Failure::new(FailureCode::Failed, "the conference did not accept the share"));
                self.events.push_back(SharingEvent::NotShared { key, why });
            }
        }
    }

    /// Our offer was refused as a whole.
    pub(super) fn on_refused(&mut self, why: &Failure) {
        for (key, _) in std::mem::take(&mut self.beginning) {
            self.events.push_back(SharingEvent::NotShared { key, why: why.clone() });
        }
        for (share, _) in std::mem::take(&mut self.joining) {
            self.events.push_back(SharingEvent::Ended { share, why: Some(why.clone()) });
        }
        self.slots.values_mut().for_each(|slot| slot.asked = false);
        self.forget_refusal();
    }
}

/// What a line offers.
fn offered(line: &Line) -> Option<(ShareId, DownloadOffer)> {
    let address = SocketAddr::new(line.ip?, line.port);
    let unknown = || Batch { id: crate::fileshare::BatchId(0), entries: 0, bytes: None, manifest: None, files: Vec::new() };
    let batch = line.batch.clone().unwrap_or_else(unknown);
    Some((line.share?, DownloadOffer { from: String::new(), batch, address, fingerprint: line.fingerprint }))
}

/// Which data conference it is, and where to connect (S404, S410).
fn way(line: &Line) -> Option<(ConfId, Endpoint)> {
    Some((line.conf.clone()?, line.endpoint().ok()?))
}
