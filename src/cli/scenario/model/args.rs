//! What the verbs take.

use std::time::Duration;

use super::value::{Applying, Decibel, Given, Keys, Name, Via};
use crate::{
    account::Preset,
    channel::wire::transfer::Applies,
    conference::wire::control,
    config::{
        Count, Kind, Setting, Span, Text,
        schema::{item, section},
    },
    id::ConferenceName,
    sip::message::SipUri,
};

/// All of them, for the words that a file may hold.
pub(super) fn kinds() -> [Kind; 16] {
    [
        Create::kind(),
        Join::kind(),
        Invite::kind(),
        Members::kind(),
        Volume::kind(),
        Kick::kind(),
        OfConference::kind(),
        OfTerminal::kind(),
        Pin::kind(),
        Message::kind(),
        Dtmf::kind(),
        Wait::kind(),
        Share::kind(),
        Download::kind(),
        Unshare::kind(),
        Send::kind(),
    ]
}

item! {
    /// `create`; in short, the conference.
    pub struct Create {
        /// Conference.
        conference: Option<ConferenceName> = None,
        /// Title.
        title: Option<Text> = None,
        /// PIN to enter with.
        pin: Option<Text> = None,
        /// Whether callers without an account may enter.
        guests: Option<bool> = None,
        /// Most participants.
        max: Option<Count<1, 10_000>> = None,
        /// Who may share files without a grant.
        share: Option<Preset> = None,
        /// Who receives what is shared without a grant.
        receive: Option<Preset> = None,
        /// Ends after this time.
        ttl: Option<Span<1000, 86_400_000>> = None,
    }
}

item! {
    /// `join`; in short, the terminal.
    pub struct Join {
        /// Who.
        terminal: Name,
        /// Conference.
        conference: Option<ConferenceName> = None,
        /// Where to call instead of a conference of the server.
        uri: Option<SipUri> = None,
        /// PIN to show.
        pin: Option<Text> = None,
    }
}

item! {
    /// `invite`; in short, whom.
    pub struct Invite {
        /// Whom: terminals, users or URIs.
        who: Vec<Text>,
        /// Conference.
        conference: Option<ConferenceName> = None,
    }
}

item! {
    /// `mute`, `unmute`, `deaf`, `undeaf`; in short, whom.
    pub struct Members {
        /// Whom: a terminal, a user, a participant id, a URI, or `all`.
        who: Text,
        /// Conference.
        conference: Option<ConferenceName> = None,
    }
}

item! {
    /// `volume`.
    pub struct Volume {
        /// Whom.
        who: Text,
        /// How much, in decibels.
        gain: Decibel,
        /// True: what it hears. Otherwise: what others hear of it.
        hears: bool = false,
        /// Conference.
        conference: Option<ConferenceName> = None,
    }
}

item! {
    /// `kick`; in short, whom.
    pub struct Kick {
        /// Whom.
        who: Text,
        /// Why: they are told.
        reason: Option<Text> = None,
        /// Conference.
        conference: Option<ConferenceName> = None,
    }
}

section! {
    /// `lock`, `unlock`, `end`; in short, the conference.
    pub struct OfConference {
        /// Conference.
        conference: Option<ConferenceName> = None,
    }
}

item! {
    /// `hold`, `unhold`, `leave`; in short, the terminal.
    pub struct OfTerminal {
        /// Who.
        terminal: Name,
    }
}

item! {
    /// `pin`; in short, the PIN or `clear`.
    pub struct Pin {
        /// The new PIN, or `clear`.
        pin: Text,
        /// Conference.
        conference: Option<ConferenceName> = None,
    }
}

item! {
    /// `message`.
    pub struct Message {
        /// To whom: a terminal, a user or a URI.
        to: Text,
        /// What.
        text: Text,
    }
}

item! {
    /// `dtmf`.
    pub struct Dtmf {
        /// Who.
        terminal: Name,
        /// Which keys.
        keys: Keys,
    }
}

item! {
    /// `wait`; in short, how long.
    pub struct Wait {
        /// How long.
        time: Span<1, 3_600_000>,
    }
}

item! {
    /// `share`.
    pub struct Share {
        /// Who.
        terminal: Name,
        /// Files and folders: those that are made at the start, by their names, or others of the scenario's folder.
        paths: Vec<Given>,
        /// How it is opened.
        via: Via = Via::default(),
        /// Who may receive: terminals, users, participant ids or URIs; without any, everybody who has the right.
        to: Vec<Text> = Vec::new(),
    }
}

item! {
    /// `download`.
    pub struct Download {
        /// Who.
        terminal: Name,
        /// Name of a file of the share, or of the share.
        file: Text,
        /// How long it may take.
        within: Span<1, 3_600_000> = Span::of_millis(60_000),
    }
}

item! {
    /// `unshare`.
    pub struct Unshare {
        /// Who: the sharer ends the share, anybody else leaves it.
        terminal: Name,
        /// Name of a file of the share, or of the share.
        file: Text,
    }
}

item! {
    /// `send`.
    pub struct Send {
        /// Who.
        terminal: Name,
        /// Files and folders, as those of `share`.
        paths: Vec<Given>,
        /// To which terminal.
        to: Name,
        /// Which side applies to the relay.
        applies: Applying = Applying(Applies::Receiver),
        /// How long it may take.
        within: Span<1, 3_600_000> = Span::of_millis(60_000),
    }
}

impl Wait {
    /// How long.
    pub fn time(&self) -> Duration {
        self.time.get()
    }
}

impl Pin {
    /// The PIN to set; `None` clears it.
    ///
    /// # Errors
    /// It is neither `clear` nor a PIN.
    pub fn wanted(&self) -> Result<Option<control::Pin>, control::PinError> {
        if self.pin.0 == "clear" { Ok(None) } else { self.pin.0.parse().map(Some) }
    }
}
