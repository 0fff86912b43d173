//! The second half of a tick: what everyone hears, encoded and sent.

use std::{net::SocketAddr, time::Instant};

use super::{
    CHORE_TICKS, Mixer, Slot,
    hear::take_over,
    leg::Leg,
    room::{Room, clip},
};
use crate::media::PlayEnd;

/// Which of a leg's two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// RTP.
    Media,
    /// RTCP.
    Reports,
}

/// A packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Which leg sends it.
    pub slot: Slot,
    /// From which port.
    pub port: Port,
    /// Where to.
    pub to: SocketAddr,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// How far the packets of this tick have been taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    slot: usize,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, Default)]
enum Stage {
    /// The frame of this tick is still to be made.
    #[default]
    Frame,
    /// What else is ready, where packets are not as long as ticks.
    More,
    /// A report, when it is due.
    Report,
}

/// Where a packet goes from and to, and how long it is.
type Made = (Port, SocketAddr, usize);

impl Mixer {
    /// The next packet of this tick. When there is none left, the legs that were told to close are gone.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Outgoing<'_>> {
        while self.cursor.slot < self.legs.len() {
            let slot = self.cursor.slot;
            let made = match self.cursor.stage {
                Stage::Frame => {
                    self.cursor.stage = Stage::More;
                    self.speak_to(slot)
                }
                Stage::More => {
                    let more = self.more(slot);
                    if more.is_none() {
                        self.cursor.stage = Stage::Report;
                    }
                    more
                }
                Stage::Report => {
                    self.cursor = Cursor { slot: slot + 1, stage: Stage::Frame };
                    self.report(slot, now)
                }
            };
            if let Some((port, to, length)) = made {
                return Some(Outgoing { slot: Slot(slot), port, to, bytes: &self.packet[..length] });
            }
        }
        self.remove_closed();
        None
    }

    /// The frame of this tick for one leg: a packet, or something to wait for.
    fn speak_to(&mut self, slot: usize) -> Option<Made> {
        let Self { legs, rooms, said, packet, sum, frame, .. } = self;
        let leg = legs.get_mut(slot)?.as_mut().filter(|leg| !leg.closing)?;
        let room = rooms.get_mut(leg.room)?.as_mut()?;
        let of_its_own = !leg.hears() || leg.contributes || !leg.gain_out.is_unity() || !leg.prompts.is_empty();
        if of_its_own {
            compose(leg, room, leg.contributes.then(|| said.of(slot)), sum);
        }
        let over = take_over(&mut leg.prompts);
        let made = leg.connected.as_mut().and_then(|connected| {
            let outbound = &mut connected.outbound;
            let Some(to) = connected.inbound.remote().filter(|_| connected.sends) else {
                outbound.skip();
                return None;
            };
            let codec = outbound.format().codec;
            let encode = |payload: &mut [u8]| {
                if of_its_own {
                    clip(sum, frame);
                    codec.encode(frame, payload);
                } else {
                    payload.copy_from_slice(room.plain(codec, sum, frame));
                }
            };
            if outbound.takes_frames() {
                return Some((Port::Media, to, outbound.write_frame(packet, encode)));
            }
            outbound.push(encode);
            None
        });
        for prompt in over {
            self.play_ended(&prompt, PlayEnd::Finished);
        }
        made
    }

    fn more(&mut self, slot: usize) -> Option<Made> {
        let connected = self.legs.get_mut(slot)?.as_mut()?.connected.as_mut()?;
        let length = connected.outbound.poll_packet(&mut self.packet)?;
        Some((Port::Media, connected.inbound.remote()?, length))
    }

    /// A report or a good-bye, when it is due.
    fn report(&mut self, slot: usize, now: Instant) -> Option<Made> {
        let look = (self.ticks + slot as u64).is_multiple_of(CHORE_TICKS);
        let leg = self.legs.get_mut(slot)?.as_mut().filter(|leg| look || leg.closing)?;
        let connected = leg.connected.as_mut()?;
        let to = connected.reports_to()?;
        let sent = connected.outbound.sent();
        let report = if leg.closing {
            connected.reports.goodbye(sent)
        } else if connected.reports.next_timeout() <= now {
            connected.reports.report(now, sent, connected.inbound.source())
        } else {
            return None;
        };
        self.packet.get_mut(..report.len())?.copy_from_slice(&report);
        Some((Port::Reports, to, report.len()))
    }

    fn remove_closed(&mut self) {
        if !std::mem::take(&mut self.closing) {
            return;
        }
        for slot in 0..self.legs.len() {
            if self.legs[slot].as_ref().is_some_and(|leg| leg.closing) {
                self.remove_leg(slot);
            }
        }
    }
}

/// What one leg hears, where it is not what everyone hears: the sum less its own, turned down with the room and by its gain, and its prompts.
fn compose(leg: &mut Leg, room: &Room, own: Option<&[i16]>, sum: &mut Vec<i32>) {
    sum.clear();
    if leg.hears() {
        match own {
            Some(own) => sum.extend(room.sum.iter().zip(own).map(|(sum, &own)| sum - i32::from(own))),
            None => sum.extend_from_slice(&room.sum),
        }
        if let Some(ramp) = room.ramp {
            ramp.apply(sum);
        }
        if !leg.gain_out.is_unity() {
            leg.gain_out.apply_to_sum(sum);
        }
    } else {
        sum.resize(room.sum.len(), 0);
    }
    for prompt in &mut leg.prompts {
        prompt.add_to(sum);
    }
}
