//! One leg: both halves of its media, its place in the mix, its prompts.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::Event;
use crate::media::{
    LegId, LegMedia, LegStats, Mix,
    inbound::Inbound,
    level::{self, Gain},
    outbound::Outbound,
    play::Playing,
    rtcp,
    talker::Detector,
};

#[derive(Debug)]
pub(super) struct Leg {
    pub id: LegId,
    /// Index of its room.
    pub room: usize,
    pub connected: Option<Connected>,
    pub mix: Mix,
    pub gain_in: Gain,
    pub gain_out: Gain,
    pub detector: Detector,
    pub prompts: Vec<Playing>,
    /// It is part of the sum of this tick.
    pub contributes: bool,
    pub energy: u64,
    /// [`Event::Silent`] was told.
    pub silent: bool,
    /// It is closed with the end of this tick.
    pub closing: bool,
}

/// The media of a leg, once it was negotiated.
#[derive(Debug)]
pub(super) struct Connected {
    pub media: Box<LegMedia>,
    /// What [`LegMedia::direction`] says of our sending.
    pub sends: bool,
    pub inbound: Inbound,
    pub outbound: Outbound,
    /// Apart, for it is seldom looked at.
    pub reports: Box<rtcp::Session>,
    /// Where reports came from, where that is believed.
    reports_from: Option<SocketAddr>,
    malformed_reports: u64,
    stranger_reports: u64,
    /// Since when RTP is waited for.
    pub awaited_since: Instant,
}

impl Leg {
    pub fn new(id: LegId, room: usize, frame: usize) -> Self {
        Self {
            id,
            room,
            connected: None,
            mix: Mix::PARKED,
            gain_in: Gain::UNITY,
            gain_out: Gain::UNITY,
            detector: Detector::new(frame),
            prompts: Vec::new(),
            contributes: false,
            energy: 0,
            silent: false,
            closing: false,
        }
    }

    /// True where others may hear it.
    pub fn is_heard(&self) -> bool {
        self.mix.joined && !self.mix.mute && !self.closing
    }

    /// True where it hears the others.
    pub fn hears(&self) -> bool {
        self.mix.joined && !self.mix.deaf
    }

    pub fn stats(&self) -> LegStats {
        let mut stats = LegStats::default();
        if let Some(connected) = &self.connected {
            connected.count_into(&mut stats);
            stats.level_dbfs = level::dbfs(self.energy, connected.media.format.codec.frame());
        }
        stats
    }

    /// The slow duties: digits without an end, silence.
    pub fn do_chores(&mut self, now: Instant, silent_after: Duration, events: &mut impl Extend<Event>) {
        let Some(connected) = &mut self.connected else { return };
        let digit = connected.inbound.handle_timeout(now);
        events.extend(digit.map(|digit| Event::Digit { leg: self.id, digit: digit.key, held: digit.held }));
        let heard = connected.inbound.last_rtp().map_or(connected.awaited_since, |heard| heard.max(connected.awaited_since));
        let silent = connected.media.direction.receives() && now.saturating_duration_since(heard) >= silent_after;
        if silent != self.silent {
            self.silent = silent;
            events.extend([if silent { Event::Silent { leg: self.id } } else { Event::Audible { leg: self.id } }]);
        }
    }
}

impl Connected {
    pub fn new(media: LegMedia, inbound: Inbound, outbound: Outbound, reports: rtcp::Session, now: Instant) -> Self {
        Self {
            sends: media.direction.sends(),
            media: Box::new(media),
            inbound,
            outbound,
            reports: Box::new(reports),
            reports_from: None,
            malformed_reports: 0,
            stranger_reports: 0,
            awaited_since: now,
        }
    }

    pub fn renegotiate(&mut self, media: LegMedia, now: Instant) {
        self.inbound.renegotiate(&media);
        self.outbound.renegotiate(&media);
        if media.direction.receives() && !self.media.direction.receives() {
            self.awaited_since = now;
        }
        self.sends = media.direction.sends();
        *self.media = media;
    }

    pub fn receive_report(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if !self.inbound.is_peer_host(from) {
            self.stranger_reports += 1;
            return;
        }
        match self.reports.receive(now, self.outbound.sent().ssrc, datagram) {
            Ok(_) if self.media.latch => self.reports_from = Some(from),
            Ok(_) => {}
            Err(rtcp::Malformed::Compound) => self.malformed_reports += 1,
        }
    }

    /// Where reports go: where the peer's came from, else where signalling said, else the port above the media.
    pub fn reports_to(&self) -> Option<SocketAddr> {
        let media = self.inbound.remote()?;
        if let Some(from) = self.reports_from.filter(|&from| self.inbound.is_peer_host(from)) {
            return Some(from);
        }
        match self.media.remote_rtcp {
            Some(remote) if media == self.media.remote_rtp => Some(remote),
            _ => Some(SocketAddr::new(media.ip(), media.port().checked_add(1)?)),
        }
    }

    fn count_into(&self, stats: &mut LegStats) {
        self.inbound.count_into(stats);
        let (sent, told) = (self.outbound.sent(), self.reports.told());
        stats.packets_out = sent.packets;
        stats.octets_out = sent.octets;
        stats.remote_loss = told.loss;
        stats.remote_jitter = told.jitter;
        stats.round_trip = told.round_trip;
        stats.malformed += self.malformed_reports;
        stats.strangers += self.stranger_reports;
    }
}
