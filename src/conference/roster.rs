//! The roster of one conference: who is in it, in which state, and how `WHO` on a command line is understood (RFC 4353 §3.1's
//! "participant list").
//!
//! A table and nothing more: what happens to participants is decided in [`focus`](super::focus).

use std::{collections::BTreeMap, ops::Bound, time::SystemTime};

pub use super::wire::control::{CallState, Role};

use crate::{
    id::{GuestNumber, ParticipantId, UserName},
    sip::message::Uri,
};

/// Who a participant is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An account of ours that proved its password.
    User(UserName),
    /// Somebody who came without an account.
    Guest(GuestNumber),
}

/// How a participant came in (RFC 4575 §5.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joining {
    /// It called the conference.
    DialedIn,
    /// The conference called it.
    DialedOut,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number in this conference.
    pub id: ParticipantId,
    /// Who it is.
    pub who: Who,
    /// Display name, as it gave it.
    pub display: Option<String>,
    /// Its address of record, or the URI it was called by.
    pub uri: Uri,
    /// Its Contact, where its messages go.
    pub endpoint: Option<Uri>,
    /// Its role.
    pub role: Role,
    /// Where its call stands.
    pub state: CallState,
    /// How it came in.
    pub joining: Joining,
    /// False for a dialog without audio: it counts for nothing but itself.
    pub audio: bool,
    /// When it was connected.
    pub joined: Option<SystemTime>,
    /// True when the conference takes nothing of what it says.
    pub muted: bool,
    /// True when it is sent nothing of what the others say.
    pub deaf: bool,
    /// Gain on what it says, in dB.
    pub gain_in_db: i8,
    /// Gain on what it hears, in dB.
    pub gain_out_db: i8,
    /// True while it talks.
    pub talking: bool,
    /// Codec by its SDP name, once negotiated.
    pub codec: Option<String>,
    /// User-Agent, as it gave it.
    pub agent: Option<String>,
}

impl Entry {
    /// The name to show: display name, else the account or guest number.
    pub fn name(&self) -> String {
        self.display.clone().filter(|d| !d.trim().is_empty()).unwrap_or_else(|| self.short())
    }

    /// The account's or guest's name.
    pub fn short(&self) -> String {
        match &self.who {
            Who::User(user) => user.to_string(),
            Who::Guest(guest) => guest.to_string(),
        }
    }

    /// The account, if it has one.
    pub fn user(&self) -> Option<&UserName> {
        match &self.who {
            Who::User(user) => Some(user),
            Who::Guest(_) => None,
        }
    }

    /// Its role when it has been given none.
    pub fn plain_role(&self) -> Role {
        if self.user().is_some() { Role::Member } else { Role::Guest }
    }

    /// True when its media is, or is about to be, in the mix.
    pub fn present(&self) -> bool {
        self.audio && matches!(self.state, CallState::Connected | CallState::OnHold)
    }
}

/// Why a `WHO` names nobody. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// Nobody of that name.
    #[error("no participant {0}")]
    Nobody(String),
    /// More than one.
    #[error("{name} is ambiguous: {}", .candidates.join(", "))]
    Several {
        /// What was asked for.
        name: String,
        /// Who it may be, as `p7 (alice)`.
        candidates: Vec<String>,
    },
}

/// The participants of one conference, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    entries: BTreeMap<ParticipantId, Entry>,
    last_participant: u32,
    last_guest: u32,
}

impl Roster {
    /// The next participant's number; never given twice.
    pub fn next_id(&mut self) -> ParticipantId {
        self.last_participant += 1;
        ParticipantId(self.last_participant)
    }

    /// The next guest's number; never given twice.
    pub fn next_guest(&mut self) -> GuestNumber {
        self.last_guest += 1;
        GuestNumber(self.last_guest)
    }

    /// Puts somebody on it.
    pub fn insert(&mut self, entry: Entry) {
        self.entries.insert(entry.id, entry);
    }

    /// Strikes somebody off.
    pub fn remove(&mut self, id: ParticipantId) -> Option<Entry> {
        self.entries.remove(&id)
    }

    /// One participant.
    pub fn get(&self, id: ParticipantId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// One participant, to change.
    pub fn get_mut(&mut self, id: ParticipantId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// All, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Those who came after somebody, who may have gone; all for `None`.
    pub fn after(&self, id: Option<ParticipantId>) -> impl Iterator<Item = &Entry> {
        let start = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((start, Bound::Unbounded)).map(|(_, entry)| entry)
    }

    /// How many there are, those on their way included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them take part with audio, those on their way included.
    pub fn size(&self) -> usize {
        self.entries.values().filter(|entry| entry.audio).count()
    }

    /// True when nobody is there or on the way.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whom `WHO` means: a participant's number, an account or guest name, a URI, or a display name; without case. The
    /// first kind that matches anybody decides, so that a display name cannot stand in for an account. Of an account with one dialog with
    /// audio that one is meant, however many without it has beside.
    ///
    /// # Errors
    /// [`Unclear`] when nobody or several match.
    pub fn find(&self, who: &str) -> Result<ParticipantId, Unclear> {
        let text = who.trim();
        if let Some(id) = text.parse().ok().filter(|id| self.entries.contains_key(id)) {
            return Ok(id);
        }
        let same = |a: &str| a.eq_ignore_ascii_case(text);
        let uri = text.parse::<Uri>().ok();
        let by_uri = |e: &Entry| {
            [Some(&e.uri), e.endpoint.as_ref()].into_iter().flatten().any(|u| match (u.sip(), uri.as_ref().and_then(Uri::sip)) {
                (Some(a), Some(b)) => a.equivalent(b),
                _ => Some(u) == uri.as_ref(),
            })
        };
        let kinds: [&dyn Fn(&Entry) -> bool; 4] =
            [&|e| same(&e.short()), &by_uri, &|e| e.uri.user().is_some_and(|u| same(&u)), &|e| e.display.as_deref().is_some_and(same)];
        for kind in kinds {
            let found: Vec<&Entry> = self.entries.values().filter(|e| kind(e)).collect();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(one.id),
                several => {
                    // Of one account's dialogs those without audio stand back.
                    let one_account = several.iter().all(|e| e.user().is_some() && e.user() == several.first().and_then(|e| e.user()));
                    let mut heard = several.iter().filter(|e| e.audio);
                    if let (true, Some(one), None) = (one_account, heard.next(), heard.next()) {
                        return Ok(one.id);
                    }
                    let candidates = several.iter().map(|e| format!("{} ({} {})", e.id, e.name(), e.uri)).collect();
                    return Err(Unclear::Several { name: text.to_owned(), candidates });
                }
            }
        }
        Err(Unclear::Nobody(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(roster: &mut Roster, who: Who, display: Option<&str>, uri: &str) -> ParticipantId {
        let id = roster.next_id();
        roster.insert(Entry {
            id,
            who,
            display: display.map(str::to_owned),
            uri: uri.parse().unwrap(),
            endpoint: None,
            role: Role::Member,
            state: CallState::Connected,
            joining: Joining::DialedIn,
            audio: true,
            joined: None,
            muted: false,
            deaf: false,
            gain_in_db: 0,
            gain_out_db: 0,
            talking: false,
            codec: None,
            agent: None,
        });
        id
    }

    #[test]
    fn who_is_a_number_an_account_a_uri_or_a_name() {
        let mut roster = Roster::default();
        let bob = entry(&mut roster, Who::User("bob".parse().unwrap()), Some("Robert"), "sip:bob@example.com");
        let guest = entry(&mut roster, Who::Guest(GuestNumber(1)), Some("Ann"), "sip:ann@192.0.2.7:5070");
        for (who, id) in [("p1", bob), ("BOB", bob), ("robert", bob), ("sip:bob@example.com", bob), ("guest-1", guest), ("ann", guest)] {
            assert_eq!(roster.find(who), Ok(id), "{who}");
        }
        assert_eq!(roster.find("carol"), Err(Unclear::Nobody("carol".into())));
    }

    #[test]
    fn an_ambiguous_who_lists_the_candidates() {
        let mut roster = Roster::default();
        entry(&mut roster, Who::User("bob".parse().unwrap()), None, "sip:bob@a.example");
        entry(&mut roster, Who::User("bob".parse().unwrap()), None, "sip:bob@b.example");
        let text = roster.find("bob").unwrap_err().to_string();
        assert_eq!(text, "bob is ambiguous: p1 (bob sip:bob@a.example), p2 (bob sip:bob@b.example)");
    }

    #[test]
    fn dialogs_without_audio_stand_back_behind_the_one_with() {
        let mut roster = Roster::default();
        let alice = || Who::User("alice".parse().unwrap());
        let files = entry(&mut roster, alice(), None, "sip:alice@a.example");
        roster.get_mut(files).unwrap().audio = false;
        assert_eq!(roster.find("alice"), Ok(files), "there is no other");
        let voice = entry(&mut roster, alice(), None, "sip:alice@a.example");
        for who in ["alice", "sip:alice@a.example"] {
            assert_eq!(roster.find(who), Ok(voice), "{who}");
        }
        assert_eq!(roster.find("p1"), Ok(files), "by its number");
        entry(&mut roster, alice(), None, "sip:alice@a.example");
        assert!(roster.find("alice").is_err(), "two with audio");
    }

    #[test]
    fn a_display_name_cannot_stand_in_for_an_account() {
        let mut roster = Roster::default();
        entry(&mut roster, Who::Guest(GuestNumber(1)), Some("bob"), "sip:mallory@192.0.2.7");
        let bob = entry(&mut roster, Who::User("bob".parse().unwrap()), None, "sip:bob@example.com");
        assert_eq!(roster.find("bob"), Ok(bob));
    }
}
