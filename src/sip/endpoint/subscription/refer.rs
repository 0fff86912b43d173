//! What a REFER implies (RFC 3515): a subscription to how the referral goes, unless the referrer declines it (RFC 4488).

use std::time::Instant;

use super::{
    super::{Endpoint, Incoming, Refused, Subscription, screen::dress},
    EventName,
};
use crate::sip::message::Method;

/// Seconds that the subscription of a referral lasts without being refreshed.
const REFER_EXPIRES: u32 = 300;

impl Endpoint {
    /// Answers a REFER 202 and makes the subscription that it implies (RFC 3515 §2.4.4): `notify` it of `message/sipfrag` bodies,
    /// the first at once. `None` when the referrer wants none (`Refer-Sub: false`, RFC 4488).
    ///
    /// # Errors
    /// [`Refused::Full`] at the bound on subscriptions (the REFER has been answered 503); [`Refused::State`] when `incoming` is
    /// no REFER that waits.
    pub fn accept_refer(&mut self, now: Instant, incoming: Incoming) -> Result<Option<Subscription>, Refused> {
        if self.incoming.get(&incoming.0).is_none_or(|waiting| waiting.request.method != Method::Refer) {
            return Err(Refused::State);
        }
        let waiting = self.take_incoming(incoming).ok_or(Refused::State)?;
        let declined = waiting
            .request
            .headers
            .get("Refer-Sub")
            .is_some_and(|value| value.split(';').next().is_some_and(|value| value.trim().eq_ignore_ascii_case("false")));
        if declined {
            let mut response = self.answer_to(&waiting, 202).with_header("Refer-Sub", "false");
            let contact = waiting.dialog.and_then(|dialog| self.dialogs.get(dialog)).map(|entry| entry.dialog.contact().clone());
            let contact = contact.unwrap_or_else(|| self.contact(waiting.request.uri.user().as_deref(), waiting.from.transport));
            dress(&waiting.request, &mut response, Some(&contact));
            self.layer.respond(now, &waiting.key, response);
            self.settle(now);
            return Ok(None);
        }
        let before = waiting.dialog.and_then(|dialog| self.dialogs.get(dialog)).map_or(0, |entry| entry.refers);
        // From the second REFER of a dialog on, the NOTIFYs have to name theirs (§2.4.6).
        let id = waiting.request.cseq().filter(|_| before > 0).map(|cseq| cseq.seq.to_string());
        let event = EventName { package: "refer".to_owned(), id };
        let subscription = self.install(now, &waiting, event, REFER_EXPIRES, 202)?;
        let dialog = self.subscriptions.get(&subscription.0).and_then(|usage| usage.dialog);
        if let Some(entry) = dialog.and_then(|dialog| self.dialogs.get_mut(dialog)) {
            entry.refers += 1;
        }
        self.settle(now);
        Ok(Some(subscription))
    }
}
