//! That what was broken off is given up: told to the other end, where it waits to go on with it.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    again::Resume,
    relay::{Connection, RelayError, Relays},
};
use crate::channel::{
    pake::Password,
    wire::{Message, Reason, Role, request::Meet},
};

/// Tells the other end of a transfer, where it waits to go on with it, that there is nothing to wait for. `role`: ours. `patience`: how long a
/// relay may take. True where the other end was there.
pub async fn call_off(relays: &Relays, resume: &Resume, role: Role, patience: Duration) -> bool {
    let relays = relays.with_names(resume.relays.clone());
    let Ok(mut control) = Connection::open(&relays, patience).await else { return false };
    let place = Password::of_resume(&resume.secret).place();
    control.tell(&Message::Meet(Meet { place, role, wait: true }));
    let met = timeout(patience, met(&mut control)).await;
    let there = matches!(met, Ok(Ok(())));
    control.say_farewell(Reason::Cancelled, patience).await;
    there
}

/// Who waits there is told of at once.
async fn met(control: &mut Connection) -> Result<(), RelayError> {
    loop {
        if let Message::Met(_) = control.next().await? {
            return Ok(());
        }
    }
}
