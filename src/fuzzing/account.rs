//! Tickets.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::account::{Audience, SigningKey, Ticket};

/// A ticket: as a text that somebody made up, and as bytes that were signed, whatever they say. What is read has one form only.
pub fn ticket(data: &[u8]) {
    let key = SigningKey::from_seed(&[7; 32]);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(Ticket::verify(text, &key.public(), Audience::Relay, now).is_err(), "a signature is not guessed");
    }
    let text = URL_SAFE_NO_PAD.encode([data, &key.sign(b"confkit ticket v1", data).0].concat());
    if let Ok(ticket) = Ticket::verify(&text, &key.public(), Audience::Relay, now) {
        assert_eq!(ticket.sign(&key).expect("what was read is signed").reveal(), text);
    }
}
