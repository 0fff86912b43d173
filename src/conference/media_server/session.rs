//! What the media server keeps of one dialog, and of one conference.

use std::collections::{BTreeSet, VecDeque};

use super::{
    ivr::Ivr,
    keypress::Keypresses,
    outbox::Outbox,
    plane::{LegId, Mix},
    talkers::Talkers,
};
use crate::{
    conference::wire::mscml::{ConfigureLeg, Gain, LegType, MixMode},
    id::ConferenceId,
    sdp::{LocalAudio, Negotiation},
    sip::endpoint::Call,
};

/// One dialog with the application server.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) conference: ConferenceId,
    /// Names the leg in reports of talkers.
    pub(super) call_id: String,
    pub(super) outbox: Outbox,
    pub(super) ivr: Option<Ivr>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// The control leg of its conference (RFC 5022 §5.1).
    Control,
    /// A participant's leg.
    Leg(Box<Leg>),
}

/// A participant's leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) media: LegId,
    pub(super) audio: LocalAudio,
    pub(super) negotiation: Negotiation,
    /// Which of the m-lines is ours; the others are refused.
    pub(super) place: usize,
    pub(super) settings: LegSettings,
    pub(super) keys: Keypresses,
    /// Keys that no collection has taken yet (§6.4.1).
    pub(super) buffer: VecDeque<char>,
}

/// One mix.
#[derive(Debug)]
pub(super) struct Conference {
    /// `None` for a conference that its first leg made (RFC 4240 §5): it lives as long as it has legs.
    pub(super) control: Option<Call>,
    /// Most legs that may talk.
    pub(super) reserved_talkers: Option<u32>,
    pub(super) legs: BTreeSet<Call>,
    /// Those of the legs that may talk.
    talker_legs: u32,
    pub(super) talkers: Talkers<Call>,
    /// Its control leg is gone and its legs are going: newcomers get 486 (RFC 5022 §5.4).
    pub(super) closing: bool,
}

/// What `configure_leg` has set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LegSettings {
    pub(super) leg_type: LegType,
    mix_mode: MixMode,
    gain_in_db: i8,
    gain_out_db: i8,
    deaf: bool,
}

/// Why a `configure_leg` is refused: code and text of the response.
pub(super) type Refused = (u16, &'static str);

impl Conference {
    pub(super) fn new(control: Option<Call>, reserved_talkers: Option<u32>) -> Self {
        Self { control, reserved_talkers, legs: BTreeSet::new(), talker_legs: 0, talkers: Talkers::new(), closing: false }
    }
}

impl Conference {
    /// Whether one more leg may talk (RFC 5022 §5.2).
    pub(super) fn has_room_for_a_talker(&self) -> bool {
        self.reserved_talkers.is_none_or(|most| self.talker_legs < most)
    }

    /// A leg came (from `None`), went (to `None`) or changed its type.
    pub(super) fn count_talker(&mut self, from: Option<LegType>, to: Option<LegType>) {
        let talks = |leg_type| u32::from(leg_type == Some(LegType::Talker));
        self.talker_legs = (self.talker_legs + talks(to)).saturating_sub(talks(from));
    }
}

impl Session {
    pub(super) fn leg(&self) -> Option<&Leg> {
        match &self.kind {
            Kind::Control => None,
            Kind::Leg(leg) => Some(leg),
        }
    }

    pub(super) fn leg_mut(&mut self) -> Option<&mut Leg> {
        match &mut self.kind {
            Kind::Control => None,
            Kind::Leg(leg) => Some(leg),
        }
    }
}

impl LegSettings {
    /// The settings with a request's values in them; what it does not name stays.
    ///
    /// # Errors
    /// What the plane cannot do.
    pub(super) fn with(mut self, request: &ConfigureLeg) -> Result<Self, Refused> {
        let gain = |gain: Option<Gain>, old: i8| match gain {
            None => Ok(old),
            // The plane caps what it cannot do, silently as §5.3 allows.
            Some(Gain::Fixed { level_db }) => Ok(level_db.round().clamp(-127.0, 127.0) as i8),
            Some(Gain::Auto { .. }) => Err((501, "automatic gain control is not implemented")),
        };
        self.gain_in_db = gain(request.input_gain, self.gain_in_db)?;
        self.gain_out_db = gain(request.output_gain, self.gain_out_db)?;
        self.leg_type = request.leg_type.unwrap_or(self.leg_type);
        self.mix_mode = request.mix_mode.unwrap_or(self.mix_mode);
        self.deaf = request.extension.deaf.unwrap_or(self.deaf);
        // DTMF travels as telephone-events and never was in the mix; call-progress tones are left in. With audio alone every
        // talker is heard, so that preferred and pinned legs have nothing to be preferred to.
        Ok(self)
    }

    /// The leg's place in the mix.
    pub(super) fn mix(self) -> Mix {
        Mix {
            joined: match self.mix_mode {
                MixMode::Full | MixMode::Mute | MixMode::Preferred => true,
                MixMode::Parked | MixMode::Private => false,
            },
            mute: self.mix_mode == MixMode::Mute || self.leg_type == LegType::Listener,
            deaf: self.deaf,
            gain_in_db: self.gain_in_db,
            gain_out_db: self.gain_out_db,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conference::wire::mscml::LegExtension;

    fn set(settings: LegSettings, request: &ConfigureLeg) -> LegSettings {
        settings.with(request).expect("possible")
    }

    #[test]
    fn requests_change_only_what_they_name() {
        let parked = set(LegSettings::default(), &ConfigureLeg { mix_mode: Some(MixMode::Parked), ..ConfigureLeg::default() });
        assert_eq!(parked.mix(), Mix::PARKED);
        let deaf = LegExtension { deaf: Some(true), pinned: None };
        let deaf =
            set(parked, &ConfigureLeg { extension: deaf, input_gain: Some(Gain::Fixed { level_db: -6.4 }), ..ConfigureLeg::default() });
        let full = set(deaf, &ConfigureLeg { mix_mode: Some(MixMode::Full), ..ConfigureLeg::default() });
        assert_eq!(full.mix(), Mix { deaf: true, gain_in_db: -6, ..Mix::FULL });
        let listener = set(LegSettings::default(), &ConfigureLeg { leg_type: Some(LegType::Listener), ..ConfigureLeg::default() });
        assert_eq!(listener.mix(), Mix { mute: true, ..Mix::FULL });
    }

    #[test]
    fn what_the_plane_cannot_do_is_refused() {
        let auto = Gain::Auto { start_db: None, target_db: None, silence_db: None };
        let refused = LegSettings::default().with(&ConfigureLeg { output_gain: Some(auto), ..ConfigureLeg::default() });
        assert_eq!(refused.map_err(|(code, _)| code), Err(501));
    }
}
