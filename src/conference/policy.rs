//! Who may come in and who may command: decisions about one conference, from facts alone.

use std::time::Duration;

use crate::{
    conference::wire::control::{Command, ErrorCode, Failure},
    id::UserName,
    sip::endpoint::warning,
};

/// What decides whether somebody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The caller has proved an account, or comes through a gateway of ours.
    pub authenticated: bool,
    /// The caller made the conference, or is an administrator: neither lock nor size nor PIN keeps it out.
    pub privileged: bool,
    /// Callers without an account are let in.
    pub guests: bool,
    /// Nobody further is let in.
    pub locked: bool,
    /// Those who are in or on their way.
    pub participants: usize,
    /// Most of them.
    pub max: u32,
    /// The server takes no new calls.
    pub draining: bool,
}

/// Why somebody is not let in. The status is for the INVITE; the text stands in its Warning (RFC 3261 §20.43).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// 503.
    #[error("the server is stopping")]
    Draining,
    /// 403.
    #[error("the conference takes no guests")]
    Guest,
    /// 403.
    #[error("the conference is locked")]
    Locked,
    /// 486, as RFC 5022 §5.2 has it for a full mixer.
    #[error("the conference is full")]
    Full,
    /// 403.
    #[error("the PIN is wrong")]
    Pin,
}

/// How the Warning begins that tells whoever guesses why it is not listened to for a while.
pub const TOO_MANY_WRONG: &str = "too many wrong";

/// The answer to whoever has guessed too often: status and header fields. `what` are the secrets that it guessed.
pub fn barred(what: &str, wait: Duration) -> (u16, Vec<(String, String)>) {
    // Rounded up: whoever comes back then is listened to.
    let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1).to_string();
    (503, vec![("Retry-After".to_owned(), seconds), warning(&format!("{TOO_MANY_WRONG} {what}"))])
}

impl Denied {
    /// Status of the response.
    pub fn status(self) -> u16 {
        match self {
            Self::Draining => 503,
            Self::Guest | Self::Locked | Self::Pin => 403,
            Self::Full => 486,
        }
    }

    /// Header fields of the response.
    pub fn headers(self) -> Vec<(String, String)> {
        let mut headers = vec![warning(&self.to_string())];
        if self == Self::Draining {
            headers.push(("Retry-After".to_owned(), "30".to_owned()));
        }
        headers
    }
}

impl Admission {
    /// Lets in, or says why not. The PIN is asked for afterwards.
    ///
    /// # Errors
    /// The first rule that keeps the caller out.
    pub fn decide(self) -> Result<(), Denied> {
        if self.draining {
            Err(Denied::Draining)
        } else if !self.authenticated && !self.guests {
            Err(Denied::Guest)
        } else if self.privileged {
            Ok(())
        } else if self.locked {
            Err(Denied::Locked)
        } else if self.participants >= usize::try_from(self.max).unwrap_or(usize::MAX) {
            Err(Denied::Full)
        } else {
            Ok(())
        }
    }
}

/// Somebody who commands, as seen from one conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commander<'a> {
    /// Account.
    pub user: &'a UserName,
    /// An administrator may do everything.
    pub admin: bool,
    /// Made the conference.
    pub creator: bool,
    /// Is its chair at present.
    pub chair: bool,
    /// Takes part in it.
    pub member: bool,
}

impl Commander<'_> {
    /// May this command be given? Looking is everyone's with an account; changing is the creator's, the chair's and the
    /// administrators'.
    ///
    /// # Errors
    /// A failure of code `forbidden`.
    pub fn may(self, command: &Command) -> Result<(), Failure> {
        let allowed = match command {
            Command::Create(_) | Command::List | Command::Show { .. } | Command::Status | Command::Ticket { .. } => true,
            Command::End { .. }
            | Command::Invite { .. }
            | Command::Kick { .. }
            | Command::Mute { .. }
            | Command::Deaf { .. }
            | Command::Volume { .. }
            | Command::Lock { .. }
            | Command::Pin { .. }
            | Command::Role { .. }
            | Command::Grant { .. } => self.admin || self.creator || self.chair,
        };
        if allowed {
            return Ok(());
        }
        let text = format!("{} is neither the creator nor the chair of the conference, nor an administrator", self.user);
        Err(Failure { code: ErrorCode::Forbidden, text, candidates: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Admission =
        Admission { authenticated: true, privileged: false, guests: true, locked: false, participants: 0, max: 2, draining: false };

    #[test]
    fn whoever_waits_as_long_as_it_is_told_is_listened_to() {
        for (wait, told) in [(0, "1"), (1_000, "1"), (1_001, "2"), (7_900, "8")] {
            let (_, headers) = barred("PINs", Duration::from_millis(wait));
            assert_eq!(headers.first().map(|(_, value)| value.as_str()), Some(told), "{wait} ms");
        }
    }

    #[test]
    fn each_rule_keeps_its_callers_out() {
        for (admission, verdict) in [
            (OPEN, Ok(())),
            (Admission { draining: true, ..OPEN }, Err(Denied::Draining)),
            (Admission { authenticated: false, ..OPEN }, Ok(())),
            (Admission { authenticated: false, guests: false, ..OPEN }, Err(Denied::Guest)),
            (Admission { locked: true, ..OPEN }, Err(Denied::Locked)),
            (Admission { participants: 1, ..OPEN }, Ok(())),
            (Admission { participants: 2, ..OPEN }, Err(Denied::Full)),
            (Admission { participants: 2, locked: true, privileged: true, ..OPEN }, Ok(())),
        ] {
            assert_eq!(admission.decide(), verdict, "{admission:?}");
        }
    }

    #[test]
    fn only_those_in_charge_change_a_conference() {
        let user = "ann".parse().unwrap();
        let nobody = Commander { user: &user, admin: false, creator: false, chair: false, member: true };
        let end = Command::End { conference: "standup".into(), reason: None };
        assert_eq!(nobody.may(&end).unwrap_err().code, ErrorCode::Forbidden);
        assert!(nobody.may(&Command::List).is_ok());
        for one in [Commander { admin: true, ..nobody }, Commander { creator: true, ..nobody }, Commander { chair: true, ..nobody }] {
            assert!(one.may(&end).is_ok());
        }
    }
}
