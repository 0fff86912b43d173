//! What a subscriber holds: documents put together (RFC 4575 §4.6).

use super::{ConferenceInfo, Endpoint, State, User};

/// A subscriber's picture of one conference.
#[derive(Debug, Clone, Default)]
pub struct Coherent {
    info: Option<ConferenceInfo>,
}

/// What a document did to the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The picture is new.
    Updated,
    /// The document is not newer than the picture: thrown away.
    Stale,
    /// Documents are missing, or a partial one came first: thrown away; refresh the subscription to get a full one.
    Gap,
    /// The conference is over: end the subscription.
    Gone,
}

impl Coherent {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The picture; `None` before the first full document and after the end.
    pub fn info(&self) -> Option<&ConferenceInfo> {
        self.info.as_ref()
    }

    /// Forgets everything, as for a new subscription, whose versions begin anew.
    pub fn reset(&mut self) {
        self.info = None;
    }

    /// Takes the next document of the subscription.
    pub fn apply(&mut self, document: ConferenceInfo) -> Applied {
        let Some(info) = &mut self.info else {
            return match document.state {
                State::Full => {
                    self.info = Some(document);
                    Applied::Updated
                }
                State::Partial => Applied::Gap,
                State::Deleted => Applied::Gone,
            };
        };
        if document.version <= info.version {
            return Applied::Stale;
        }
        match document.state {
            State::Full => *info = document,
            State::Deleted => {
                self.info = None;
                return Applied::Gone;
            }
            State::Partial if document.version - info.version > 1 => return Applied::Gap,
            State::Partial => merge(info, document),
        }
        Applied::Updated
    }
}

fn merge(info: &mut ConferenceInfo, news: ConferenceInfo) {
    info.version = news.version;
    // These have no state of their own: they are replaced as a whole.
    info.description = news.description.or(info.description.take());
    info.conference_state = news.conference_state.or(info.conference_state.take());
    let Some(users) = news.users else { return };
    match (users.state, &mut info.users) {
        (State::Partial, Some(known)) => users.users.into_iter().for_each(|user| merge_user(&mut known.users, user)),
        (State::Deleted, known) => *known = None,
        (State::Full | State::Partial, known) => *known = Some(super::Users { state: State::Full, ..users }),
    }
}

fn merge_user(known: &mut Vec<User>, news: User) {
    let at = known.iter().position(|u| u.entity == news.entity);
    match (news.state, at.and_then(|at| known.get_mut(at))) {
        (State::Deleted, _) => known.retain(|u| u.entity != news.entity),
        (State::Full | State::Partial, None) => known.push(User { state: State::Full, ..news }),
        (State::Full, Some(user)) => *user = news,
        (State::Partial, Some(user)) => {
            user.display_text = news.display_text.or(user.display_text.take());
            if !news.roles.is_empty() {
                user.roles = news.roles;
            }
            news.endpoints.into_iter().for_each(|endpoint| merge_endpoint(&mut user.endpoints, endpoint));
        }
    }
}

fn merge_endpoint(known: &mut Vec<Endpoint>, news: Endpoint) {
    let at = known.iter().position(|e| e.entity == news.entity);
    match (news.state, at.and_then(|at| known.get_mut(at))) {
        (State::Deleted, _) => known.retain(|e| e.entity != news.entity),
        (State::Full | State::Partial, None) => known.push(Endpoint { state: State::Full, ..news }),
        (State::Full, Some(endpoint)) => *endpoint = news,
        (State::Partial, Some(endpoint)) => {
            endpoint.display_text = news.display_text.or(endpoint.display_text.take());
            endpoint.referred = news.referred.or(endpoint.referred.take());
            endpoint.status = news.status.or(endpoint.status);
            endpoint.joining_method = news.joining_method.or(endpoint.joining_method);
            endpoint.joining_info = news.joining_info.or(endpoint.joining_info.take());
            endpoint.disconnection_method = news.disconnection_method.or(endpoint.disconnection_method);
            endpoint.disconnection_info = news.disconnection_info.or(endpoint.disconnection_info.take());
            endpoint.extension = news.extension.or(endpoint.extension.take());
            for media in news.media {
                match endpoint.media.iter_mut().find(|m| m.id == media.id) {
                    Some(old) => *old = media,
                    None => endpoint.media.push(media),
                }
            }
        }
    }
}
