//! The lines of one dialog: what is offered and answered in which place.

use std::collections::BTreeSet;

use super::{
    FileSharing,
    roster::{Answering, Attendee, MAX_LIVE, Slot, Stage},
};
use crate::{
    conference::companion::{CompanionCx, Lines, Seat, Wish},
    fileshare::{
        ShareId,
        wire::{
            Failure, FailureCode,
            control::{Body, MemberState, Message},
            line::{Line, Spelling},
        },
    },
    sdp::{Direction, Media},
};

/// What becomes of an offered line.
enum Verdict {
    /// It is answered so.
    Now(Media),
    /// The file server's answer is awaited.
    Later,
    /// Port 0.
    Refused,
}

impl FileSharing {
    /// A participant offers lines: new ones, changed ones, and those that stay.
    pub(super) fn on_offered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lines: &Lines) {
        let Some(attendee) = self.attendee(seat) else {
            return self.wishes.push_back(Wish::Answer { seat: seat.clone(), lines: Lines::new() });
        };
        attendee.offering.clear();
        attendee.answering = Some(Answering::default());
        for (place, media) in lines {
            let verdict = self.judge(cx, seat, *place, media);
            let Some(answering) = self.attendee(seat).and_then(|a| a.answering.as_mut()) else { return };
            match verdict {
                Verdict::Now(media) => {
                    answering.lines.insert(*place, media);
                }
                Verdict::Later => {
                    answering.open.insert(*place);
                }
                Verdict::Refused => {}
            }
        }
        self.answer_if_ready(seat);
    }

    /// Gives the answer once there is one for each line.
    pub(super) fn answer_if_ready(&mut self, seat: &Seat) {
        let Some(attendee) = self.attendee(seat) else { return };
        if let Some(answering) = attendee.answering.take_if(|a| a.open.is_empty()) {
            let dirty = attendee.is_dirty();
            self.wishes.push_back(Wish::Answer { seat: seat.clone(), lines: answering.lines });
            if dirty {
                self.wish_offer(seat);
            }
        }
    }

    /// The answer to one line of an offer is there: a line of ours, or nothing to refuse it.
    pub(super) fn answer_line(&mut self, seat: &Seat, place: usize, line: Option<Line>) {
        let Some(attendee) = self.attendee(seat) else { return };
        match (line, attendee.slots.get_mut(&place)) {
            (Some(line), Some(slot)) => {
                let media = line.to_media();
                (slot.ours, slot.stage) = (line, Stage::Up);
                if let Some(answering) = attendee.answering.as_mut() {
                    answering.lines.insert(place, media);
                }
            }
            (_, Some(slot)) => *slot = Slot::free(&slot.ours),
            (_, None) => {}
        }
        if let Some(answering) = attendee.answering.as_mut() {
            answering.open.remove(&place);
        }
        self.answer_if_ready(seat);
    }

    fn judge(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, place: usize, media: &Media) -> Verdict {
        let line = match Line::read(media) {
            Ok(Some(line)) => line,
            Ok(None) => return Verdict::Refused,
            Err(why) => {
                self.explain(cx, seat, None, &Failure::new(FailureCode::Usage, why.to_string()));
                return Verdict::Refused;
            }
        };
        let Some(attendee) = self.attendee(seat) else { return Verdict::Refused };
        let stage = attendee.slots.get(&place).map(|slot| (slot.share, slot.stage));
        match stage {
            Some((Some(share), Stage::Proposed)) => {
                // Ours was never agreed: the participant was quicker, and its line stands there now.
                attendee.slots.remove(&place);
                attendee.waiting.push_front(share);
                self.wish_offer(seat);
                self.judge_new(cx, seat, place, line)
            }
            Some((Some(share), Stage::Up | Stage::Going | Stage::Asking)) if line.is_refused() => {
                self.close_line(cx, seat, place, share);
                Verdict::Refused
            }
            Some((Some(share), Stage::Up | Stage::Going)) => self.judge_known(cx, seat, place, share, &line),
            Some((Some(_), Stage::Asking)) => Verdict::Refused,
            Some((Some(_), Stage::Over)) => {
                self.free(seat, place);
                Verdict::Refused
            }
            Some((None, _)) | None if line.is_refused() => Verdict::Refused,
            Some((None, _)) | None => self.judge_new(cx, seat, place, line),
        }
    }

    /// A line that stands: unchanged, or from another port (the terminal will connect anew).
    fn judge_known(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, place: usize, share: ShareId, line: &Line) -> Verdict {
        let known = self.rooms.get(&seat.conference).and_then(|r| r.shares.get(&share)?.members.get(&seat.participant)?.source);
        match line.source() {
            Ok(source) if Some(source) != known => match self.declare(cx, seat, share, place, line, source) {
                Ok(()) => Verdict::Later,
                Err(why) => {
                    self.explain(cx, seat, Some(share), &why);
                    // Port 0 would end it.
                    match self.attendee(seat).and_then(|a| a.slots.get(&place)).filter(|_| why.code == FailureCode::Busy) {
                        Some(slot) => Verdict::Now(slot.media()),
                        None => {
                            self.close_line(cx, seat, place, share);
                            Verdict::Refused
                        }
                    }
                }
            },
            _ => match self.attendee(seat).and_then(|a| a.slots.get(&place)) {
                Some(slot) => Verdict::Now(slot.media()),
                None => Verdict::Refused,
            },
        }
    }

    /// A line in a place where none stands: somebody shares, or joins a share.
    fn judge_new(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, place: usize, line: Line) -> Verdict {
        if line.is_refused() {
            return Verdict::Refused;
        }
        let begun = match (line.direction, line.spelling) {
            (Direction::SendOnly, _) | (Direction::SendRecv, Spelling::Seed) => self.begin_by_line(cx, seat, place, line),
            (Direction::RecvOnly, _) => self.join_by_line(cx, seat, place, line),
            (Direction::SendRecv | Direction::Inactive, _) => {
                Err(Failure::new(FailureCode::Usage, "a share's line is sendonly (to share) or recvonly (to receive)"))
            }
        };
        match begun {
            Ok(()) => Verdict::Later,
            Err(why) => {
                tracing::info!(%seat, why = why.text, "file-share line refused");
                self.explain(cx, seat, None, &why);
                Verdict::Refused
            }
        }
    }

    /// The participant took its offer back: what it asked for anew is given up.
    pub(super) fn on_taken_back(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat) {
        let Some(answering) = self.attendee(seat).and_then(|a| a.answering.take()) else { return };
        for place in answering.open {
            let slot = self.attendee(seat).and_then(|a| a.slots.get(&place)).map(|slot| (slot.share, slot.stage));
            if let Some((Some(share), Stage::Asking)) = slot {
                self.close_line(cx, seat, place, share);
            }
        }
    }

    /// The lines to offer now.
    pub(super) fn lines_to_offer(&mut self, seat: &Seat, session: &[Media]) -> Lines {
        let Some(room) = self.rooms.get_mut(&seat.conference) else { return Lines::new() };
        let Some(attendee) = room.attendees.get_mut(&seat.participant) else { return Lines::new() };
        let ended: BTreeSet<usize> = session.iter().enumerate().filter(|(_, m)| m.port == 0).map(|(at, _)| at).collect();
        while attendee.live() < MAX_LIVE
            && let Some(id) = attendee.waiting.pop_front()
        {
            let Some(line) = room.shares.get(&id).filter(|s| s.wants(seat.participant)).and_then(|share| share.offer(id)) else { continue };
            let free = attendee.slots.iter().find(|(at, slot)| slot.share.is_none() && ended.contains(at)).map(|(at, _)| *at);
            let behind = attendee.slots.keys().next_back().map_or(session.len(), |last| (last + 1).max(session.len()));
            attendee.slots.insert(free.unwrap_or(behind), Slot { share: Some(id), ours: line, stage: Stage::Proposed });
        }
        let mut lines = Lines::new();
        for (place, slot) in &attendee.slots {
            let media = slot.media();
            let said = session.get(*place).is_some_and(|m| *m == media || (m.port == 0 && media.port == 0));
            // A line that never came up needs no end.
            let needless = slot.stage == Stage::Over && *place >= session.len();
            if !said && !needless && slot.stage != Stage::Asking {
                lines.insert(*place, media);
            }
        }
        attendee.offering.clone_from(&lines);
        lines
    }

    /// S407, S411: the answer to our offer.
    pub(super) fn on_answered(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, lines: &Lines) {
        let Some(attendee) = self.attendee(seat) else { return };
        let offered = std::mem::take(&mut attendee.offering);
        for (place, said) in offered {
            let Some(slot) = self.attendee(seat).and_then(|a| a.slots.get_mut(&place)).filter(|slot| slot.media() == said) else {
                continue;
            };
            let theirs = lines.get(&place).filter(|m| m.port != 0);
            match (slot.stage, slot.share, theirs) {
                (Stage::Proposed, Some(share), Some(theirs)) => {
                    slot.stage = Stage::Asking;
                    self.on_wanted(cx, seat, share, place, theirs);
                }
                (Stage::Proposed, Some(share), None) => self.on_declined_line(cx, seat, place, share),
                (Stage::Going, Some(share), Some(_)) => {
                    slot.stage = Stage::Up;
                    self.on_going(cx, seat, share);
                }
                (Stage::Going | Stage::Up, Some(share), None) => self.close_line(cx, seat, place, share),
                (Stage::Over, ..) => self.free(seat, place),
                (Stage::Asking | Stage::Up, ..) | (Stage::Proposed | Stage::Going, None, _) => {}
            }
        }
        if self.attendee(seat).is_some_and(|a| a.is_dirty()) {
            self.wish_offer(seat);
        }
    }

    /// Our offer was refused as a whole: what it was to begin does not begin.
    pub(super) fn on_refused(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, status: u16) {
        let Some(attendee) = self.attendee(seat) else { return };
        let offered = std::mem::take(&mut attendee.offering);
        let why = Failure::new(FailureCode::Failed, format!("the terminal refused the change of the session ({status})"));
        for place in offered.into_keys() {
            let Some(attendee) = self.attendee(seat) else { return };
            let Some(slot) = attendee.slots.get_mut(&place) else { continue };
            match (slot.stage, slot.share) {
                (Stage::Proposed, Some(_)) if status == 487 => {
                    // It hangs up with our offer unanswered; its BYE is on the way.
                    attendee.slots.remove(&place);
                }
                (Stage::Proposed, Some(share)) => {
                    attendee.slots.remove(&place);
                    self.member_ends(cx, seat, share, MemberState::NotTakingPart, Some(why.clone()));
                }
                (Stage::Going, Some(share)) => self.member_ends(cx, seat, share, MemberState::Failed, Some(why.clone())),
                // The terminal keeps a line that is dead to us; the next offer says so.
                (Stage::Over | Stage::Asking | Stage::Up, _) | (Stage::Proposed | Stage::Going, None) => {}
            }
        }
    }

    /// S407 with port 0: this dialog is not asked again until it offers a line itself.
    fn on_declined_line(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, place: usize, share: ShareId) {
        let state = if self.is_announced(cx, seat) { MemberState::Declined } else { MemberState::NotTakingPart };
        self.free(seat, place);
        let Some(attendee) = self.attendee(seat) else { return };
        attendee.refuses = true;
        let waiting = std::mem::take(&mut attendee.waiting);
        for share in [share].into_iter().chain(waiting) {
            self.member_ends(cx, seat, share, state, None);
        }
    }

    /// A place is free; the participant knows.
    pub(super) fn free(&mut self, seat: &Seat, place: usize) {
        if let Some(slot) = self.attendee(seat).and_then(|a| a.slots.get_mut(&place)) {
            *slot = Slot::free(&slot.ours);
        }
    }

    /// The line of a share in a dialog is to end: at once, or with the next offer.
    pub(super) fn end_line(&mut self, seat: &Seat, share: ShareId, at_once: bool) {
        let Some(attendee) = self.attendee(seat) else { return };
        attendee.waiting.retain(|waiting| *waiting != share);
        let Some(place) = attendee.place_of(share) else { return };
        let open = attendee.answering.as_ref().is_some_and(|a| a.open.contains(&place));
        if open {
            // The participant offered it and waits for the answer: port 0.
            return self.answer_line(seat, place, None);
        }
        let Some(slot) = attendee.slots.get_mut(&place) else { return };
        if slot.stage == Stage::Proposed && !attendee.offering.contains_key(&place) {
            attendee.slots.remove(&place);
            return;
        }
        (slot.ours, slot.stage) = (slot.ours.ended(), Stage::Over);
        if at_once || !attendee.waiting.is_empty() {
            self.wish_offer(seat);
        }
    }

    /// True where a terminal said that it takes our INFOs (RFC 6086).
    pub(super) fn is_announced(&mut self, cx: &CompanionCx<'_>, seat: &Seat) -> bool {
        let Some(call) = self.attendee(seat).map(|a| a.person.call) else { return false };
        let packages = cx.endpoint.call_peer(call).and_then(|peer| peer.recv_info).unwrap_or_default();
        packages.iter().any(|package| package.eq_ignore_ascii_case(super::control::INFO_PACKAGE))
    }

    /// Tells a terminal why its line was refused, if it can be told.
    pub(super) fn explain(&mut self, cx: &mut CompanionCx<'_>, seat: &Seat, share: Option<ShareId>, why: &Failure) {
        let id = self.fresh_id();
        self.tell_terminal(cx, seat, Body { id, share, conf: None, message: Message::Refusal(why.clone()) });
    }
}

impl Attendee {
    /// True where something waits to be offered.
    fn is_dirty(&self) -> bool {
        let room = !self.waiting.is_empty() && self.live() < MAX_LIVE;
        room || self.slots.values().any(|slot| match slot.stage {
            Stage::Proposed | Stage::Going => true,
            Stage::Over => slot.share.is_some() && !self.waiting.is_empty(),
            Stage::Asking | Stage::Up => false,
        })
    }
}
