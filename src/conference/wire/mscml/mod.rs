//! Media Server Control Markup Language (RFC 5022): `application/mediaservercontrol+xml`.
//!
//! Read and written: `configure_conference`, `configure_leg`, `play`, `playcollect`, `stop`, their responses, and the
//! active-talker and keypress notifications. What the RFC has besides (`playrecord`, `managecontent`, fax, personalised
//! mixes, grammars, signals) is recognised and refused with a response of code 501; what it has not, with 400.
//! What MSCML has no word for travels in an element of ours inside `configure_leg`: [`LegExtension`].

mod element;
mod notification;
mod request;
mod response;

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use super::XmlError;

/// Content type of these bodies.
pub const CONTENT_TYPE: &str = "application/mediaservercontrol+xml";
/// XML namespace of our extension element; MSCML itself has none.
pub const EXTENSION_NAMESPACE: &str = "urn:confkit:mscml:1";
/// Longest id, in bytes. Longer ones are refused.
pub const MAX_ID: usize = 256;
/// Most prompts in one request. More are refused.
pub const MAX_PROMPTS: usize = 32;
/// Most talkers in one notification that is read; more are refused.
pub const MAX_TALKERS: usize = 1024;
/// Most digits that one `playcollect` gathers; `maxdigits` above it counts as it.
pub const MAX_DIGITS: u8 = 64;

/// Any MSCML body: exactly one of these (RFC 5022 §4.1).
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// What a client asks.
    Request(Request),
    /// What came of it.
    Response(Response),
    /// What a client subscribed to.
    Notification(Notification),
}

/// A request (§5, §6).
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Made by the client, unique in the dialog, echoed in the response.
    pub id: Option<String>,
    /// What to do.
    pub verb: Verb,
}

/// What a client can ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// §5.2, on the control leg.
    ConfigureConference(ConfigureConference),
    /// §5.3, on a participant's leg.
    ConfigureLeg(ConfigureLeg),
    /// §6.3.
    Play(Play),
    /// §6.4.
    PlayCollect(PlayCollect),
    /// §6.6.
    Stop,
}

/// §5.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigureConference {
    /// Most legs that may talk; required to establish the control leg.
    pub reserved_talkers: Option<u32>,
    /// Keep what playing to the whole conference needs.
    pub reserve_conf_media: bool,
    /// Report active talkers (§5.7); `None` changes nothing.
    pub talkers: Option<TalkerReports>,
}

/// A subscription to active talkers (§5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkerReports {
    /// True subscribes, false ends it.
    pub report: bool,
    /// Least time between two reports.
    pub interval: Time,
}

/// §5.3. In a leg's INVITE an absent value is the RFC's default; in an INFO it changes nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigureLeg {
    /// Talker (default) or listener.
    pub leg_type: Option<LegType>,
    /// Its place in the mix; default full.
    pub mix_mode: Option<MixMode>,
    /// Keep DTMF out of the mix; default yes.
    pub dtmf_clamp: Option<bool>,
    /// Keep call-progress tones out of the mix; default yes.
    pub tone_clamp: Option<bool>,
    /// Gain on what the leg sends.
    pub input_gain: Option<Gain>,
    /// Gain on what the leg gets.
    pub output_gain: Option<Gain>,
    /// Keypress reports (§7.1).
    pub keypress: Option<KeypressReport>,
    /// What MSCML has no word for.
    pub extension: LegExtension,
}

/// Ours: `<leg xmlns="urn:confkit:mscml:1" deaf="…" pinned="…"/>` inside `configure_leg`. Absent values change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LegExtension {
    /// The leg hears nothing of the conference, prompts excepted.
    pub deaf: Option<bool>,
    /// The leg is always among those heard and shown, whoever else talks.
    pub pinned: Option<bool>,
}

/// §5.3 `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LegType {
    /// May be heard.
    #[default]
    Talker,
    /// Only hears.
    Listener,
}

/// §5.3 `mixmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MixMode {
    /// In the mix.
    #[default]
    Full,
    /// Hears, is not heard.
    Mute,
    /// Cut off from the conference, for prompts.
    Parked,
    /// In the mix whoever else talks.
    Preferred,
    /// Personalised mixes; refused with 501.
    Private,
}

/// §5.3 `inputgain`, `outputgain`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gain {
    /// A fixed gain in dB.
    Fixed {
        /// dB; the server caps what it cannot do.
        level_db: f32,
    },
    /// Automatic gain control; its levels in dB are the server's when absent.
    Auto {
        /// Level to start with, dB.
        start_db: Option<f32>,
        /// Level to reach, dB.
        target_db: Option<f32>,
        /// Level below which nothing is raised, dB.
        silence_db: Option<f32>,
    },
}

/// §7.1 `report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeypressReport {
    /// Each key.
    Standard,
    /// Keys held for more than a second, or pressed twice within two.
    Long,
    /// Both kinds.
    Both,
    /// None: ends the subscription.
    None,
}

/// §6.3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Play {
    /// What to play.
    pub prompt: Prompt,
}

/// §6.1.1. The deprecated `prompturl` reads as a prompt of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// In order; empty for a request without content.
    pub items: Vec<PromptItem>,
    /// Where to begin in the first round.
    pub offset: Duration,
    /// Rounds; `None` is endless, 0 plays nothing.
    pub repeat: Option<u32>,
    /// Pause between rounds.
    pub delay: Duration,
    /// Longest time for everything.
    pub duration: Time,
    /// Gain in dB.
    pub gain_db: f32,
    /// Give up at the first item that cannot be had.
    pub stop_on_error: bool,
}

/// One item of a prompt (§6.1.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptItem {
    /// A file, by its URL with the base URL in front.
    Audio {
        /// URL.
        url: String,
    },
    /// Something spoken.
    Variable {
        /// Major type, such as `dig`.
        kind: String,
        /// Minor type, such as `ndn`.
        subtype: Option<String>,
        /// What to speak.
        value: String,
    },
}

/// §6.4.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayCollect {
    /// What to play before or while collecting.
    pub prompt: Prompt,
    /// Forget what was typed before.
    pub clear_digits: bool,
    /// A key ends the prompt.
    pub barge: bool,
    /// Most digits; `None` collects up to [`MAX_DIGITS`] until a key or a timer ends it.
    pub max_digits: Option<u8>,
    /// Wait for the first digit.
    pub first_digit: Time,
    /// Wait for each further digit.
    pub inter_digit: Time,
    /// Wait for the return key behind the last digit.
    pub extra_digit: Time,
    /// Ends the collection and throws the digits away.
    pub escape_key: Option<char>,
    /// Ends the collection and returns the digits.
    pub return_key: Option<char>,
    /// Keep the digits out of logs and traces.
    pub mask_digits: bool,
}

/// §4.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// At once.
    Immediate,
    /// After this.
    After(Duration),
    /// Never.
    Infinite,
}

/// §10.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The request's id.
    pub id: Option<String>,
    /// Element name of the request.
    pub request: String,
    /// 2xx done, 4xx the client's fault, 5xx the server's.
    pub code: u16,
    /// For people.
    pub text: String,
    /// Why something that took time is over.
    pub reason: Option<Reason>,
    /// What was typed, for `playcollect`.
    pub digits: Option<String>,
    /// How long was played, for `play` and `playcollect`.
    pub play_duration: Option<Duration>,
    /// Where in the sequence it ended.
    pub play_offset: Option<Duration>,
    /// What could not be had.
    pub error: Option<ErrorInfo>,
}

/// §10.4, §10.5 `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A stop, another request or a changed session.
    Stopped,
    /// The end of the prompt.
    Eof,
    /// As many digits as asked for.
    Match,
    /// A timer ran out.
    Timeout,
    /// The return key.
    ReturnKey,
    /// The escape key.
    EscapeKey,
}

/// §10.4.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorInfo {
    /// Status of whoever held the content.
    pub code: u16,
    /// Its phrase.
    pub text: String,
    /// URL.
    pub context: String,
}

/// What a client subscribed to (§5.7, §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// Who is in the mix now.
    Conference {
        /// The conference's id, as in `sip:conf=<id>@ms`.
        unique_id: String,
        /// Number of talkers.
        num_talkers: u32,
        /// Call-IDs of the talkers' legs.
        talkers: Vec<String>,
    },
    /// A key (§7.1).
    Keypress {
        /// `0`–`9`, `A`–`D`, `#`, `*`.
        digit: char,
        /// A long press or a double one.
        long: bool,
        /// How it was found.
        method: KeypressMethod,
        /// Since the key before; zero for the first.
        since_last: Duration,
    },
}

/// §7.1 `method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeypressMethod {
    /// One press.
    Standard,
    /// Held for more than a second.
    Long,
    /// Twice within two seconds.
    Double,
}

/// Why a body cannot be used. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MscmlError {
    /// Not XML within the limits, or not MSCML: nothing that a response could name. Answered 400 by SIP.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML, but no `MediaServerControl` with one request, response or notification.
    #[error("the body is no MediaServerControl document: {0}")]
    OtherDocument(&'static str),
    /// A request that is refused: the response to send (RFC 5022 §10.1: the INFO itself is answered 200).
    #[error("{} refused: {}", .0.request, .0.text)]
    Refused(Box<Response>),
}

impl Body {
    /// Reads an MSCML body.
    ///
    /// # Errors
    /// [`MscmlError`] says whether SIP or an MSCML response tells the sender.
    pub fn parse(bytes: &[u8]) -> Result<Self, MscmlError> {
        element::body(bytes)
    }

    /// The body as XML.
    pub fn to_xml(&self) -> String {
        element::to_xml(self)
    }
}

impl Request {
    /// A request without an id.
    pub fn new(verb: Verb) -> Self {
        Self { id: None, verb }
    }

    /// The same request with an id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The request's element name, which its response repeats.
    pub fn name(&self) -> &'static str {
        match self.verb {
            Verb::ConfigureConference(_) => "configure_conference",
            Verb::ConfigureLeg(_) => "configure_leg",
            Verb::Play(_) => "play",
            Verb::PlayCollect(_) => "playcollect",
            Verb::Stop => "stop",
        }
    }

    /// A response to this request.
    pub fn response(&self, code: u16, text: impl Into<String>) -> Response {
        Response::new(self.id.clone(), self.name(), code, text)
    }
}

impl Response {
    /// A response with the base attributes (§10.2).
    pub fn new(id: Option<String>, request: impl Into<String>, code: u16, text: impl Into<String>) -> Self {
        Self {
            id,
            request: request.into(),
            code,
            text: text.into(),
            reason: None,
            digits: None,
            play_duration: None,
            play_offset: None,
            error: None,
        }
    }

    /// True for 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

impl Default for ConfigureConference {
    fn default() -> Self {
        Self { reserved_talkers: None, reserve_conf_media: true, talkers: None }
    }
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            offset: Duration::ZERO,
            repeat: Some(1),
            delay: Duration::ZERO,
            duration: Time::Infinite,
            gain_db: 0.0,
            stop_on_error: false,
        }
    }
}

impl Default for PlayCollect {
    fn default() -> Self {
        Self {
            prompt: Prompt::default(),
            clear_digits: false,
            barge: true,
            max_digits: None,
            first_digit: Time::After(Duration::from_secs(5)),
            inter_digit: Time::After(Duration::from_secs(2)),
            extra_digit: Time::After(Duration::from_secs(1)),
            escape_key: Some('*'),
            return_key: Some('#'),
            mask_digits: false,
        }
    }
}

impl Time {
    /// The time as a length; `None` for never.
    pub fn length(self) -> Option<Duration> {
        match self {
            Self::Immediate => Some(Duration::ZERO),
            Self::After(length) => Some(length),
            Self::Infinite => None,
        }
    }
}

words!(LegType { Talker = "talker", Listener = "listener" });
words!(MixMode { Full = "full", Mute = "mute", Parked = "parked", Preferred = "preferred", Private = "private" });
words!(KeypressReport { Standard = "standard", Long = "long", Both = "both", None = "none" });
words!(KeypressMethod { Standard = "standard", Long = "long", Double = "double" });
words!(Reason {
    Stopped = "stopped",
    Eof = "EOF",
    Match = "match",
    Timeout = "timeout",
    ReturnKey = "returnkey",
    EscapeKey = "escapekey",
});

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immediate => f.write_str("immediate"),
            Self::Infinite => f.write_str("infinite"),
            Self::After(length) => write!(f, "{}ms", length.as_millis()),
        }
    }
}
