//! That what was broken off is given up: told to the other end, where it waits to go on with it.

use std::time::Duration;

use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    again::Resume,
    relay::{Connection, RelayError, Relays},
};
use crate::channel::{
    pake::Password,
    wire::{Message, Reason, Role, request::Meet},
};

/// Tells the other end of a transfer, at whichever relay it waits to go on with it, that there is nothing to wait for. `relays`: how they are reached.
/// `role`: ours. `patience`: how long each of the connection, the answer and the farewell may take. `stop`: nobody waits for it any more. True where
/// the other end was there.
pub async fn call_off(relays: &Relays, resume: &Resume, role: Role, patience: Duration, stop: &CancellationToken) -> bool {
    // Dropping it ends what is in it.
    let mut telling = JoinSet::new();
    for relay in &resume.relays {
        telling.spawn(tell(relays.with_names(vec![relay.clone()]), resume.clone(), role, patience));
    }
    let told = async {
        let mut there = false;
        while let Some(told) = telling.join_next().await {
            there |= told.unwrap_or(false);
        }
        there
    };
    tokio::select! {
        there = told => there,
        () = stop.cancelled() => false,
    }
}

async fn tell(relays: Relays, resume: Resume, role: Role, patience: Duration) -> bool {
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha12Rng;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{
        channel::{keys::ResumeSecret, wire::pass::TransferId},
        clock,
    };

    #[tokio::test]
    async fn who_is_told_to_stop_waits_no_longer_for_a_relay_that_says_nothing() {
        let patience = Duration::from_secs(60);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let relay = listener.local_addr().expect("an address").to_string();
        let mut rng = ChaCha12Rng::from_seed([7; 32]);
        let resume = Resume {
            transfer: TransferId::random(&mut rng),
            secret: ResumeSecret::random(&mut rng),
            relays: vec![relay.clone()],
            anywhere: false,
            proxy: None,
        };
        let (relays, stop, begun) = (Relays::from(vec![relay]), CancellationToken::new(), clock::now());
        let there = tokio::join!(call_off(&relays, &resume, Role::Sender, patience, &stop), async {
            let accepted = listener.accept().await.expect("it comes");
            stop.cancel();
            accepted
        });
        assert!(!there.0 && begun.elapsed() < patience / 2, "{:?}", begun.elapsed());
    }
}
