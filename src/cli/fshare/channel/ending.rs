//! What it means that two users did not come to a channel, or that they are not who they were.

use super::signed::Signed;
use crate::{
    account::PublicKey,
    channel::{
        client::Identities,
        identity::{Contact, words},
        invite::Ending,
        terminal::TransferEvent,
        wire::transfer::DeclineReason,
    },
    cli::{ExitCode, Failure, output::safe_line},
    id::UserName,
};

/// The failure of an offer to `peer`, or of one. Nothing where they have agreed, or where we have given up.
pub fn failure(ending: &Ending, peer: &UserName, signed: &Signed) -> Option<Failure> {
    let failure = |code, what: &str, text: &str| {
        let text = safe_line(text);
        let more = if text.is_empty() { String::new() } else { format!(": {text}") };
        Failure::new(code, format!("{peer} {what}{more}"))
    };
    Some(match ending {
        Ending::Agreed { .. } => return None,
        Ending::Cancelled { ours: true, .. } => Failure::silent(ExitCode::Interrupted),
        Ending::Cancelled { ours: false, text } => failure(ExitCode::Declined, "gave up", text),
        Ending::Declined { reason, text } => match reason {
            DeclineReason::Refused | DeclineReason::Other => failure(ExitCode::Declined, "did not accept it", text),
            DeclineReason::Busy => failure(ExitCode::Declined, "is busy with another transfer", text),
            DeclineReason::NoAnswer => failure(ExitCode::Unreachable, "does not answer", text),
            DeclineReason::NoChannel => failure(ExitCode::Unreachable, "could not get a channel from the relay", text),
            DeclineReason::Identity => {
                let own = signed.contact(&signed.own.user).map_or_else(|_| signed.own.user.to_string(), |own| own.to_string());
                failure(ExitCode::Denied, "refused: your identity is not the one known there", "").hint(format!(
                    "if your identity is new (another machine, a lost file), {peer} must remove the line of {own} from known-identities; then compare the \
                     words: use --verify at both ends"
                ))
            }
        },
        Ending::Offline => failure(ExitCode::Unreachable, "is not waiting for files at the moment (480)", "")
            .hint(format!("the other side has to run: fshare recv --from {}", signed.own.user)),
        Ending::Unreachable { status: 404 } => Failure::new(ExitCode::NotFound, format!("there is no user {peer} (404)")),
        Ending::Unreachable { status: 486 } => failure(ExitCode::Declined, "is busy with another transfer (486)", ""),
        Ending::Unreachable { status: status @ (401 | 403 | 407) } => {
            Failure::new(ExitCode::Denied, format!("the server refused to pass it on to {peer} ({status})"))
        }
        Ending::Unreachable { status: 408 } => failure(ExitCode::Unreachable, "does not answer (408)", ""),
        Ending::Unreachable { status } => Failure::new(ExitCode::Unreachable, format!("it did not reach {peer} ({status})")),
        Ending::NoAnswer => failure(ExitCode::Unreachable, "does not answer", ""),
        Ending::NoChannel { text } => Failure::new(ExitCode::Unreachable, format!("could not open a channel: {}", safe_line(text))),
        Ending::Changed { known, shown } => match signed.contact(peer) {
            Ok(contact) => changed(&contact, known, shown, signed),
            Err(failure) => failure,
        },
        Ending::Forged(why) => Failure::new(ExitCode::Unverified, format!("a message claiming to be from {peer} is not genuine: {why}"))
            .hint("someone between you and the other side is altering messages: the server, or someone in front of it"),
    })
}

/// That the other side has called it off, by what came through the server: its text. Nothing does so once both are in the channel. The message is
/// signed by nobody, and from then on the relay says who has left, and why.
pub fn taken_back(event: TransferEvent, both_in_channel: bool) -> Option<String> {
    match event {
        TransferEvent::TakenBack(text) if !both_in_channel => Some(text),
        _ => None,
    }
}

/// What the other side is told where we do not come into the channel. By which proxy we go, and where our files are, is nobody else's matter.
pub fn told(failure: &Failure) -> String {
    match failure.code {
        ExitCode::Unverified => failure.message.clone(),
        ExitCode::Unreachable | ExitCode::Denied | ExitCode::Conflict | ExitCode::NotFound => "it could not enter the channel".to_owned(),
        _ => "it failed on its side".to_owned(),
    }
}

/// Another identity than the pinned one.
fn changed(contact: &Contact, known: &PublicKey, shown: &PublicKey, signed: &Signed) -> Failure {
    let file = signed.identities.known_file();
    let mut failure = Failure::new(
        ExitCode::Denied,
        format!("THE IDENTITY OF {contact} HAS CHANGED: someone may be posing as {contact}, or intercepting; nothing was sent or accepted"),
    );
    failure.details = vec![format!("known: {}", words(contact, known)), format!("shown: {}", words(contact, shown))];
    failure.hint(format!(
        "ask {contact}, but not through this server, whether the identity is new, and for its words (--verify shows them); only if they match the \
         words shown, remove the line of {contact} from {}",
        file.display()
    ))
}

/// Another realm than the pinned one.
pub fn moved(server: &str, known: &str, named: &str, identities: &Identities) -> Failure {
    let mut failure = Failure::new(
        ExitCode::Denied,
        format!("THE REALM OF {} HAS CHANGED: someone may be posing as the server; nothing was sent or accepted", safe_line(server)),
    );
    failure.details = vec![format!("known: {}", safe_line(known)), format!("named: {}", safe_line(named))];
    failure.hint(format!(
        "ask whoever runs the server, but not through it, whether its realm is new; only if it is, remove the line of {} from {}: all its users \
         are then new to you, so compare their words (--verify)",
        safe_line(server),
        identities.realms_file().display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_ends_nothing_that_is_on_its_way() {
        let called_off = || TransferEvent::TakenBack("enough".to_owned());
        assert_eq!(taken_back(called_off(), false), Some("enough".to_owned()));
        assert_eq!(taken_back(called_off(), true), None);
        assert_eq!(taken_back(TransferEvent::Left, false), None);
    }
}
