//! One conference: its definition, its roster, the calls behind each participant, and the state of its mix.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use bytes::Bytes;

use super::{command::JobId, session::Session};
use crate::{
    account::Rights,
    conference::{companion::Lines, roster::Roster, wire::mscml},
    id::{ParticipantId, UserName},
    sdp::Media,
    sip::{Hop, endpoint::Call, message::Uri},
    store::ConferenceRecord,
};

/// Most MSCML requests of one conference that wait for their response. More are refused to whoever wants them.
pub(super) const MAX_ASKED: usize = 4096;

/// Most changes that wait for somebody to come in. More are refused to whoever wants them.
const MAX_LATER: usize = 16;

/// One conference.
#[derive(Debug)]
pub(super) struct Conference {
    /// What is, or would be, stored.
    pub(super) record: ConferenceRecord,
    /// True when the store holds it: made by `create`.
    pub(super) stored: bool,
    /// True while a change of the definition is on its way to the store.
    pub(super) saving: bool,
    /// Who is in it.
    pub(super) roster: Roster,
    /// Who was given the chair.
    pub(super) given_chair: Option<ParticipantId>,
    /// The calls behind the roster's entries.
    pub(super) members: BTreeMap<ParticipantId, Member>,
    /// The mix.
    pub(super) mix: Mix,
    /// What the media server calls the mix: `conf=<room>`.
    pub(super) room: String,
    /// MSCML requests without a response, by their id.
    pub(super) asked: BTreeMap<String, MscmlAsked>,
}

/// The mix at a media server; it lives as long as its control leg (RFC 5022 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mix {
    /// Nobody needs one.
    Down,
    /// The control leg's INVITE is under way.
    Opening { call: Call, server: usize },
    /// It mixes.
    Up { call: Call, server: usize },
}

/// What an MSCML request was for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MscmlAsked {
    /// `configure_conference` in the control leg's INVITE.
    Open,
    /// `configure_leg` in a leg's INVITE: parked.
    Park(ParticipantId),
    /// S307 or S313: from parked to full.
    Join(ParticipantId),
    /// A PIN by DTMF.
    Pin(ParticipantId),
    /// Mute, deaf, volume.
    Change { id: ParticipantId, change: Change, job: JobId },
}

/// A change of a member's place in the mix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// Whether the conference hears it.
    Muted(bool),
    /// Whether it hears the conference.
    Deaf(bool),
    /// Gain in dB on what it says.
    GainIn(i8),
    /// Gain in dB on what it hears.
    GainOut(i8),
}

/// The calls behind one roster entry.
#[derive(Debug)]
pub(super) struct Member {
    /// Its own dialog.
    pub(super) call: Call,
    /// Its dialog with the media server.
    pub(super) leg: Option<Call>,
    /// Call-ID of that dialog, by which active-talker reports name it.
    pub(super) leg_call_id: Option<String>,
    /// How far it has come.
    pub(super) stage: Stage,
    /// Its last session description that the media server knows.
    pub(super) sdp: Bytes,
    /// The media server's last session description that it knows.
    pub(super) answer: Bytes,
    /// True when its INVITE, or the re-INVITE under way, carried no offer: its ACK will carry the answer.
    pub(super) offerless: bool,
    /// Its re-INVITE on the way to the media server.
    pub(super) changing: Option<Changing>,
    /// What we say in its dialog, once that is not the media server's alone.
    pub(super) session: Option<Session>,
    /// Our companion knows it.
    pub(super) seated: bool,
    /// PIN entry, when the conference wants one and it showed none.
    pub(super) pin: Option<PinEntry>,
    /// It was told with the answer that it is not in yet, and is told when it is.
    pub(super) waits: bool,
    /// What waits for it to come in.
    pub(super) job: Option<(JobId, usize)>,
    /// Changes asked for while it comes in, in the order in which they were.
    pub(super) later: Vec<(Change, JobId)>,
    /// Contacts to try when the one being called fails.
    pub(super) others: VecDeque<(Uri, Hop)>,
}

/// A change of a session on the way to the media server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changing {
    /// The participant's re-INVITE waits for the media server's answer to this offer; an empty one asks for an offer.
    Passing(Bytes),
    /// The participant took it back meanwhile.
    TakenBack(Bytes),
    /// What was before is being told the media server again.
    Restoring,
    /// The participant's offer waits for the parts of its answer.
    Composing(Box<Composing>),
    /// Our offer of these lines waits for the participant's answer.
    Offering(Vec<Media>),
    /// What the participant answered to an offer of ours is being told the media server.
    Telling(Bytes),
}

/// An offer that is answered in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Composing {
    /// The offer.
    pub(super) sdp: Bytes,
    /// Its lines.
    pub(super) offer: Vec<Media>,
    /// The media server's part is awaited; else nothing changes for it.
    pub(super) mixing: bool,
    /// The companion's part, once there.
    pub(super) lines: Option<Lines>,
}

/// How far a participant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Called in; the mix is being opened.
    AwaitingMix,
    /// S302: its leg is being set up.
    InvitingLeg,
    /// S305: answered, the ACK is awaited.
    Answering,
    /// It types the PIN.
    EnteringPin,
    /// S307 or S313: from parked to full.
    Joining,
    /// In the mix.
    In,
    /// S309: it is being called.
    Calling,
    /// S310: it answered; the mix is being opened.
    AnsweredAwaitingMix,
    /// S311: it answered; its leg is being set up.
    Bridging,
}

/// A PIN being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PinEntry {
    /// Wrong ones so far.
    pub(super) wrong: u32,
    /// Where it is typed.
    pub(super) from: IpAddr,
}

impl Conference {
    /// What it says of rights itself. That it can be read was seen to when it was written.
    pub(super) fn rights(&self) -> Rights {
        self.record.rights.parse().unwrap_or_else(|why| {
            tracing::error!(conference = %self.record.name, %why, "the stored rights cannot be read");
            Rights::default()
        })
    }

    pub(super) fn new(record: ConferenceRecord, stored: bool) -> Self {
        Self {
            room: record.name.to_string(),
            record,
            stored,
            saving: false,
            roster: Roster::default(),
            given_chair: None,
            members: BTreeMap::new(),
            mix: Mix::Down,
            asked: BTreeMap::new(),
        }
    }

    /// True when `user` made it.
    pub(super) fn is_creator(&self, user: &UserName) -> bool {
        self.record.creator.as_ref() == Some(user)
    }

    /// Most who may be in it.
    pub(super) fn max(&self, otherwise: u32) -> u32 {
        self.record.max_participants.unwrap_or(otherwise)
    }

    /// True while the media server is asked to change this member's place in the mix.
    pub(super) fn is_changing(&self, member: ParticipantId) -> bool {
        self.asked.values().any(|asked| matches!(asked, MscmlAsked::Change { id, .. } if *id == member))
    }

    /// The member whose leg has this Call-ID.
    pub(super) fn by_leg_call_id(&self, call_id: &str) -> Option<ParticipantId> {
        self.members.iter().find(|(_, m)| m.leg_call_id.as_deref() == Some(call_id)).map(|(id, _)| *id)
    }
}

impl Member {
    /// True when it takes changes that wait until it is in, which is but a moment away: it has answered, or was answered, and need not show a PIN.
    pub(super) fn takes_later(&self) -> bool {
        let coming = matches!(self.stage, Stage::Answering | Stage::Bridging | Stage::Joining);
        coming && self.pin.is_none() && self.later.len() < MAX_LATER
    }
}

impl Mix {
    /// The control leg and the server, once or almost up.
    pub(super) fn control(self) -> Option<(Call, usize)> {
        match self {
            Self::Down => None,
            Self::Opening { call, server } | Self::Up { call, server } => Some((call, server)),
        }
    }
}

impl Change {
    /// The request that makes the change. Mute is a mix mode (RFC 5022 §5.5); deaf has no word there and travels in our
    /// extension.
    pub(super) fn request(self) -> mscml::ConfigureLeg {
        let mut leg = mscml::ConfigureLeg::default();
        match self {
            Self::Muted(on) => leg.mix_mode = Some(if on { mscml::MixMode::Mute } else { mscml::MixMode::Full }),
            Self::Deaf(on) => leg.extension.deaf = Some(on),
            Self::GainIn(db) => leg.input_gain = Some(mscml::Gain::Fixed { level_db: f32::from(db) }),
            Self::GainOut(db) => leg.output_gain = Some(mscml::Gain::Fixed { level_db: f32::from(db) }),
        }
        leg
    }
}
