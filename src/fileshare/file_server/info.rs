//! INFO: XML requests in a dialog (S601–S605, S701–S705). The INFO is answered 200 at once; what comes of the request follows in an INFO
//! of our own with its id.

use std::time::Instant;

use super::{config::RETRY_AFTER, node::FileServer, plane::DataPlane, share::within, space::Full};
use crate::{
    conference::wire::multipart,
    fileshare::{
        BatchId, ConfId,
        wire::{
            Failure, FailureCode,
            control::{Batch, Body, CONTENT_TYPE, FileFacts, INFO_PACKAGE, MAX_MEMBERS, MemberState, Message, Status},
            proof::Role,
        },
    },
    sip::{
        endpoint::{Call, Incoming, warning},
        message::Request,
    },
};

impl<P: DataPlane> FileServer<P> {
    pub(super) fn on_info(&mut self, now: Instant, incoming: Incoming, call: Call, info: &Request) {
        let respond = |server: &mut Self, status, headers| server.endpoint.respond(now, incoming, status, headers, None);
        if info.headers.get("Info-Package").is_some_and(|package| !package.trim().eq_ignore_ascii_case(INFO_PACKAGE)) {
            return respond(self, 469, vec![("Recv-Info".to_owned(), INFO_PACKAGE.to_owned())]);
        }
        if info.body.is_empty() {
            return respond(self, 200, Vec::new());
        }
        if multipart::media_type(info.headers.get("Content-Type").unwrap_or_default()) != CONTENT_TYPE {
            return respond(self, 415, vec![("Accept".to_owned(), CONTENT_TYPE.to_owned())]);
        }
        match Body::parse(&info.body) {
            Ok(body) => {
                respond(self, 200, Vec::new());
                self.on_body(now, call, &body);
            }
            Err(error) => match error.refusal() {
                Some(refusal) => {
                    respond(self, 200, Vec::new());
                    self.send(now, call, refusal);
                }
                None => respond(self, 400, vec![warning(&error.to_string())]),
            },
        }
    }

    fn on_body(&mut self, now: Instant, call: Call, body: &Body) {
        let Some(session) = self.sessions.get(&call) else { return };
        let (conf, role) = (session.conf.clone(), session.role);
        let refuse = |code, why: &str| Message::Refusal(Failure::new(code, why));
        if body.conf.as_ref().is_some_and(|named| *named != conf) {
            return self.send(now, call, body.answer(refuse(FailureCode::NotFound, "this dialog is of another data conference")));
        }
        let alive = self.shares.contains_key(&conf);
        let answer = match &body.message {
            Message::StatusRequest => return self.send_status(now, call, body),
            // Answers to what we told; there is nothing to do about them.
            Message::Done | Message::Refusal(_) | Message::GoAcknowledged => return,
            _ if !alive => refuse(FailureCode::Ended, "the share has ended"),
            Message::UploadRequest { files } if role == Role::Upload => self.upload_request(&conf, files),
            Message::DownloadRequest if role == Role::Download => Message::DownloadReady,
            Message::DownloadComplete { bytes } if role == Role::Download => {
                if let Some(session) = self.sessions.get_mut(&call) {
                    session.bytes = Some(*bytes);
                }
                self.finish_member(now, call, MemberState::Complete, None);
                Message::Done
            }
            Message::DownloadError(why) if role == Role::Download => {
                self.finish_member(now, call, MemberState::Failed, Some(why.clone()));
                Message::Done
            }
            Message::Reconnect { source } => {
                if source.port() == 0 || source.ip().is_unspecified() {
                    refuse(FailureCode::Usage, "nobody can connect from that address")
                } else {
                    self.reconnect(now, call, *source);
                    match self.endpoint_of(now, call) {
                        Ok(endpoint) => Message::Reconnected(endpoint),
                        Err(why) => refuse(FailureCode::Busy, &why),
                    }
                }
            }
            Message::Limits(limits) => {
                self.plane.set_limits(&conf, *limits);
                Message::Done
            }
            Message::UploadRequest { .. } | Message::DownloadRequest | Message::DownloadComplete { .. } | Message::DownloadError(_) => {
                refuse(FailureCode::Conflict, "the member of this dialog goes the other way")
            }
            Message::ShareRequest(_)
            | Message::ShareAnswer(_)
            | Message::DownloadOffer(_)
            | Message::DownloadAnswer { .. }
            | Message::DownloadGo(_)
            | Message::UploadReady
            | Message::UploadNotReady { .. }
            | Message::UploadComplete { .. }
            | Message::DownloadPrepare { .. }
            | Message::DownloadReady
            | Message::ShareComplete { .. }
            | Message::ShareEnded(_)
            | Message::ShareSuspended
            | Message::Reconnected(_)
            | Message::SharesRequest
            | Message::Shares { .. }
            | Message::Status(_) => refuse(FailureCode::Unsupported, "a file server is not asked this"),
        };
        self.send(now, call, body.answer(answer));
    }

    /// S602, S603: whether the upload may begin.
    fn upload_request(&self, conf: &ConfId, files: &[FileFacts]) -> Message {
        let bytes = files.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.size.unwrap_or(0))).unwrap_or(u64::MAX);
        if let Err(failure) = within(&self.config.limits, files.len(), Some(bytes)) {
            return Message::Refusal(failure);
        }
        let not_ready = |reason: String| Message::UploadNotReady { retry_seconds: RETRY_AFTER, reason: Some(reason) };
        if self.draining {
            return not_ready("the file server is being stopped".to_owned());
        }
        match self.plane.would_take(conf, bytes) {
            Ok(()) => Message::UploadReady,
            Err(full @ Full::Lists) => not_ready(full.to_string()),
            // Other shares may go on for hours: nobody waits for them.
            Err(full @ (Full::Disk | Full::Shares | Full::Batch)) => Message::Refusal(full.into()),
        }
    }

    fn send_status(&mut self, now: Instant, call: Call, body: &Body) {
        let Some(status) = self.status_of(call, |role| role == Role::Download) else {
            return self.send(now, call, body.answer(Message::Refusal(Failure::new(FailureCode::Ended, "the share has ended"))));
        };
        for part in body.answer(Message::Status(status)).split(MAX_MEMBERS) {
            self.send(now, call, part);
        }
    }

    /// How the data conference of a dialog stands; `None` when it has ended.
    pub(super) fn status_of(&self, call: Call, counts: impl Fn(Role) -> bool) -> Option<Status> {
        let session = self.sessions.get(&call)?;
        let share = self.shares.get(&session.conf)?;
        let progress = self.plane.progress(&session.conf);
        let batch = share.batch.clone().unwrap_or(Batch {
            id: progress.batch.unwrap_or(BatchId(0)),
            entries: progress.entries,
            bytes: None,
            manifest: None,
            files: Vec::new(),
        });
        let members = share.members.iter().filter_map(|call| self.sessions.get(call)).filter(|member| counts(member.role));
        Some(Status {
            batch: Batch { bytes: batch.bytes.or(progress.bytes), ..batch },
            uploaded: progress.durable,
            complete: share.complete.is_some(),
            members: members.map(|member| member.report(self.plane.received(&member.conf, member.member))).collect(),
            more: false,
        })
    }
}
