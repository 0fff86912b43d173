//! INFO: MSCML requests in a dialog, and keys (RFC 5022 §5, §6, §7). The INFO is answered 200 at once; what comes of the
//! request follows in an INFO of our own (steps S307, S308).

use std::time::{Duration, Instant};

use super::{
    collect::MAX_BUFFERED,
    node::MediaServer,
    plane::{LegId, MediaPlane},
    session::{Kind, Session},
};
use crate::{
    conference::wire::{
        mscml::{self, Body, ConfigureLeg, LegType, MscmlError, Request, Response, Verb},
        multipart,
    },
    sip::{
        endpoint::{Call, Incoming, warning},
        message,
    },
};

impl<P: MediaPlane> MediaServer<P> {
    pub(super) fn on_info(&mut self, now: Instant, incoming: Incoming, call: Call, info: &message::Request) {
        let respond = |server: &mut Self, status, headers| server.endpoint.respond(now, incoming, status, headers, None);
        if info.body.is_empty() {
            return respond(self, 200, Vec::new());
        }
        let content_type = info.headers.get("Content-Type").unwrap_or_default();
        if multipart::media_type(content_type) != mscml::CONTENT_TYPE {
            return respond(self, 415, vec![("Accept".to_owned(), mscml::CONTENT_TYPE.to_owned())]);
        }
        match Body::parse(&info.body) {
            Ok(Body::Request(request)) => {
                respond(self, 200, Vec::new());
                self.on_mscml(now, call, request);
            }
            // Nothing was asked of the other side that it could respond to or notify us of.
            Ok(Body::Response(_) | Body::Notification(_)) => respond(self, 200, Vec::new()),
            Err(MscmlError::Refused(response)) => {
                respond(self, 200, Vec::new());
                self.tell(now, call, Body::Response(*response));
            }
            Err(why) => respond(self, 400, vec![warning(&why.to_string())]),
        }
    }

    fn on_mscml(&mut self, now: Instant, call: Call, request: Request) {
        let response = match &request.verb {
            Verb::ConfigureConference(configure) => self.configure_conference(now, call, &request, configure),
            Verb::ConfigureLeg(configure) => self.configure_leg(call, &request, configure),
            Verb::Stop => {
                // What is stopped is answered before the stop itself.
                self.stop_ivr(now, call);
                request.response(200, "OK")
            }
            Verb::PlayCollect(_) if self.sessions.get(&call).is_some_and(|s| matches!(s.kind, Kind::Control)) => {
                request.response(400, "digits are collected on a participant's leg")
            }
            Verb::Play(_) | Verb::PlayCollect(_) => return self.start_ivr(now, call, request),
        };
        self.tell(now, call, Body::Response(response));
    }

    fn configure_leg(&mut self, call: Call, request: &Request, configure: &ConfigureLeg) -> Response {
        let Some(session) = self.sessions.get(&call) else { return request.response(500, "the dialog is gone") };
        let Some(leg) = session.leg() else { return request.response(400, "a control leg has no media to configure") };
        let (before, media, id) = (leg.settings, leg.media, session.conference.clone());
        let settings = match before.with(configure) {
            Ok(settings) => settings,
            Err((code, text)) => return request.response(code, text),
        };
        let starts_to_talk = before.leg_type == LegType::Listener && settings.leg_type == LegType::Talker;
        if starts_to_talk && !self.may_talk(&id) {
            return request.response(486, "as many talkers as were reserved are there");
        }
        if let Err(error) = self.plane.set_mix(media, settings.mix()) {
            return request.response(500, error.to_string());
        }
        if let Some(leg) = self.sessions.get_mut(&call).and_then(Session::leg_mut) {
            leg.settings = settings;
            configure.keypress.into_iter().for_each(|report| leg.keys.subscribe(report));
        }
        if let Some(conference) = self.conferences.get_mut(&id) {
            conference.count_talker(Some(before.leg_type), Some(settings.leg_type));
        }
        request.response(200, "OK")
    }

    /// A key of a participant: for its collection, now or to come, and for whoever subscribed to keys.
    pub(super) fn on_digit(&mut self, now: Instant, media: LegId, digit: char, held: Duration) {
        let Some(call) = self.by_media.get(&media).copied() else { return };
        let Some(leg) = self.sessions.get_mut(&call).and_then(Session::leg_mut) else { return };
        if leg.buffer.len() >= MAX_BUFFERED {
            leg.buffer.pop_front();
        }
        leg.buffer.push_back(digit);
        for notification in leg.keys.press(now, digit, held) {
            self.tell(now, call, Body::Notification(notification));
        }
        self.collect_key(now, call);
    }
}
