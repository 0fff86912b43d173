//! PINs: shown in a body part beside the offer, or typed as DTMF that the media server collects (RFC 5022 §6.4).

use super::{
    Cx, Focus,
    conference::{MscmlAsked, Stage},
};
use crate::{
    account::{Pin, SealedPin},
    conference::wire::{
        control::{self, Body as Control},
        mscml::{PlayCollect, Prompt, PromptItem, Time, Verb},
        multipart,
    },
    id::{ConferenceName, ParticipantId},
    sip::{endpoint::Reason, message::Request},
};

/// What the media server plays while it collects: its own name for a short tone.
const PIN_PROMPT: &str = "tone:pin";

impl Focus {
    /// Whether an INVITE shows a PIN, and the right one; `None` when it shows none.
    pub(super) fn check_shown_pin(&self, name: &ConferenceName, request: &Request) -> Option<bool> {
        let parts = multipart::bodies(request.headers.get("Content-Type").unwrap_or_default(), &request.body).ok()?;
        let part = parts.iter().find(|p| p.media_type() == control::CONTENT_TYPE)?;
        match Control::parse(&part.bytes) {
            Ok(Control::Join(join)) => Some(self.is_pin(name, join.pin?.reveal())),
            _ => None,
        }
    }

    /// True when the digits are the conference's PIN.
    fn is_pin(&self, name: &ConferenceName, digits: &str) -> bool {
        let sealed = self.conferences.get(name).and_then(|c| c.record.pin.clone());
        let (Some(sealed), Ok(pin)) = (sealed, digits.parse::<Pin>()) else { return false };
        SealedPin(sealed).verify(&self.key, name, &pin).unwrap_or(false)
    }

    /// Asks for the PIN on the parked leg.
    pub(super) fn collect_pin(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        member.stage = Stage::EnteringPin;
        let collect = PlayCollect {
            prompt: Prompt { items: vec![PromptItem::Audio { url: PIN_PROMPT.to_owned() }], ..Prompt::default() },
            clear_digits: true,
            max_digits: u8::try_from(crate::account::MAX_PIN).ok(),
            first_digit: Time::After(std::time::Duration::from_secs(15)),
            inter_digit: Time::After(std::time::Duration::from_secs(4)),
            mask_digits: true,
            ..PlayCollect::default()
        };
        if !self.ask_leg(cx, name, id, Verb::PlayCollect(collect), MscmlAsked::Pin(id)) {
            self.fail(cx, name, id, 503, &Reason::sip(503, "media server lost the leg"));
        }
    }

    /// What was typed.
    pub(super) fn on_pin_collected(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, digits: &str) {
        let right = self.is_pin(name, digits) || self.conferences.get(name).is_some_and(|c| c.record.pin.is_none());
        let tries = self.config.pin_tries;
        let Some(member) = self.conferences.get_mut(name).and_then(|c| c.members.get_mut(&id)) else { return };
        if right {
            member.pin = None;
            return self.join(cx, name, id);
        }
        let Some(entry) = member.pin.as_mut() else { return };
        entry.wrong += 1;
        if entry.wrong >= tries {
            tracing::info!(conference = %name, participant = %id, "no right PIN");
            return self.fail(cx, name, id, 403, &Reason::sip(403, "the PIN is wrong"));
        }
        self.collect_pin(cx, name, id);
    }
}
