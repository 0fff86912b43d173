//! PINs: shown in a body part beside the offer, or typed as DTMF that the media server collects (RFC 5022 §6.4).

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use super::{
    Cx, Focus,
    conference::{MscmlAsked, Stage},
};
use crate::{
    account::{BackoffLimits, Pin, SealedPin, Verdict},
    conference::wire::{
        control::{self, AdmissionState, Body as Control, INFO_PACKAGE},
        mscml::{self, PlayCollect, Prompt, PromptItem, Time, Verb},
        multipart,
    },
    id::{ConferenceName, ParticipantId},
    sip::{
        Hop,
        endpoint::{Body, Call, Reason},
        message::{Method, Request},
    },
};

/// What the media server plays while it collects: its own name for a short tone.
const PIN_PROMPT: &str = "tone:pin";

/// How much guessing of PINs is borne: more than of passwords, since many people may mistype at one conference or call by one
/// gateway.
pub(super) const GUESSES: BackoffLimits = BackoffLimits {
    free: 10,
    first: Duration::from_secs(1),
    address_max: Duration::from_secs(5 * 60),
    account_max: Duration::from_secs(30),
    forget: Duration::from_secs(3600),
    table: 10_000,
};

/// The address that wrong PINs are counted for.
pub(super) fn address_of(from: &Hop) -> IpAddr {
    from.socket().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// How long the first digit may take.
const FIRST_DIGIT: Duration = Duration::from_secs(15);

/// How long any later digit may take.
const INTER_DIGIT: Duration = Duration::from_secs(4);

/// How long the prompt may take.
const PROMPT: Duration = Duration::from_secs(5);

/// The longest entry that the media server's own timers let happen.
pub(super) const LONGEST_ENTRY: Duration =
    PROMPT.saturating_add(FIRST_DIGIT).saturating_add(INTER_DIGIT.saturating_mul(crate::account::MAX_PIN as u32));

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

    /// How long nobody at an address may try a PIN of a conference, because too many were wrong.
    pub(super) fn pin_wait(&self, now: Instant, from: IpAddr, name: &ConferenceName) -> Option<Duration> {
        match self.guesses.check(now, from, Some(name)) {
            Verdict::Allowed => None,
            Verdict::Wait(wait) => Some(wait),
        }
    }

    /// A PIN was tried.
    pub(super) fn count_pin(&mut self, now: Instant, from: IpAddr, name: &ConferenceName, right: bool) {
        if right {
            self.guesses.handle_success(now, from, name);
        } else {
            self.guesses.handle_failure(now, from, Some(name));
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
            first_digit: Time::After(FIRST_DIGIT),
            inter_digit: Time::After(INTER_DIGIT),
            mask_digits: true,
            ..PlayCollect::default()
        };
        if !self.ask_leg(cx, name, id, Verb::PlayCollect(collect), MscmlAsked::Pin(id)) {
            self.fail(cx, name, id, 503, &Reason::sip(503, "media server lost the leg"));
        }
    }

    /// What was typed.
    pub(super) fn on_pin_collected(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId, response: &mscml::Response) {
        if !response.is_success() {
            return self.fail(cx, name, id, 503, &Reason::sip(503, &format!("media server: {}", response.text)));
        }
        let digits = response.digits.as_deref().unwrap_or("");
        let Some(conference) = self.conferences.get(name) else { return };
        let Some(from) = conference.members.get(&id).and_then(|m| m.pin).map(|entry| entry.from) else { return };
        let wanted = conference.record.pin.is_some();
        // Many calls at once give no more tries than one after the other.
        if wanted && self.pin_wait(cx.now, from, name).is_some() {
            tracing::info!(conference = %name, participant = %id, %from, "too many wrong PINs");
            return self.fail(cx, name, id, 503, &Reason::sip(503, "too many wrong PINs"));
        }
        let right = !wanted || self.is_pin(name, digits);
        if wanted && !digits.is_empty() {
            self.count_pin(cx.now, from, name, right);
        }
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
            let why = if digits.is_empty() { "no PIN was typed" } else { "the PIN is wrong" };
            return self.fail(cx, name, id, 403, &Reason::sip(403, why));
        }
        self.collect_pin(cx, name, id);
    }
}

/// Tells a caller who was asked for the PIN that it is in, if it takes such words (RFC 6086).
pub(super) fn tell_admitted(cx: &mut Cx<'_>, call: Call) {
    let takes = |packages: &Vec<String>| packages.iter().any(|package| package == INFO_PACKAGE);
    if !cx.endpoint.call_peer(call).and_then(|peer| peer.recv_info).is_some_and(|packages| takes(&packages)) {
        return;
    }
    let headers = vec![("Info-Package".to_owned(), INFO_PACKAGE.to_owned()), ("Content-Disposition".to_owned(), "Info-Package".to_owned())];
    let body = Body::new(control::CONTENT_TYPE, Control::Admission(AdmissionState::In).to_xml());
    // A call that is being left needs no word.
    let _ = cx.endpoint.request(cx.now, call, Method::Info, headers, Some(body));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        account::{KEY_LEN, SealKey},
        conference::focus::FocusConfig,
    };

    #[test]
    fn wrong_pins_make_their_address_wait_and_a_right_one_frees_it_for_its_conference_alone() {
        let now = crate::clock::now();
        let mut focus = Focus::new(now, FocusConfig::default(), Arc::new(SealKey::new(&[7; KEY_LEN])), [0; 32], []);
        let name = |text: &str| text.parse::<ConferenceName>().expect("name");
        let (board, other, guesser) = (name("board"), name("other"), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..GUESSES.free {
            focus.count_pin(now, guesser, &board, false);
        }
        assert_eq!(focus.pin_wait(now, guesser, &board), None, "people mistype");
        focus.count_pin(now, guesser, &board, false);
        assert_eq!(focus.pin_wait(now, guesser, &board), Some(GUESSES.first));
        assert_eq!(focus.pin_wait(now, guesser, &other), Some(GUESSES.first), "nor may it guess elsewhere");
        assert_eq!(focus.pin_wait(now + GUESSES.first, guesser, &board), None);
        focus.count_pin(now, guesser, &other, true);
        assert_eq!(focus.pin_wait(now, guesser, &other), None, "who knows the PIN comes in");
        assert_eq!(focus.pin_wait(now, guesser, &board), Some(GUESSES.first), "and bought no guesses with it");
    }
}
