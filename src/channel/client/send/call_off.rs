//! That what was broken off is given up: told to a receiver that waits to go on with it.

use std::time::Duration;

use tokio::time::timeout;

use crate::channel::{
    client::{
        again::Resume,
        relay::{Connection, RelayError, Relays},
    },
    pake::Password,
    wire::{Message, Reason, Role, request::Meet},
};

/// Tells the receiver of a transfer, where it waits to go on with it, that there is nothing to wait for. `patience`: how long a relay may take.
/// True where it was there.
pub async fn call_off(relays: &Relays, resume: &Resume, patience: Duration) -> bool {
    let relays = relays.with_names(resume.relays.clone());
    let Ok(mut control) = Connection::open(&relays, patience).await else { return false };
    let place = Password::of_resume(&resume.secret).place();
    control.tell(&Message::Meet(Meet { place, role: Role::Sender, wait: true }));
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
