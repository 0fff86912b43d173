//! Exchanges at a place, one at a time: a code has one guess, and whoever comes while it is being made waits.

use std::{
    collections::{BTreeSet, VecDeque},
    future::pending,
    time::Duration,
};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use tokio::time::{Instant, sleep_until};

use super::Known;
use crate::{
    channel::{
        Peer,
        client::{direct::Opening, fault::ChannelError, relay::Connection},
        pake::{self, Agreed, ExchangeError, Password, Step},
        wire::{Message, Role, pass::Pass},
    },
    clock,
};

/// How long one may take from its first letter to its confirmation: a way to the other end of the world and back, and some thought.
const TURN: Duration = Duration::from_secs(10);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Exchanges {
    password: Password,
    opening: Opening,
    running: Option<(Peer, pake::Sender)>,
    /// Until when it has to show what it knows.
    until: Option<Instant>,
    /// Those who had their time, and did not.
    late: BTreeSet<Peer>,
    /// First letters of those who wait, in the order in which they came. The relay lets no more than 32 be at a place, and tells of each who goes.
    waiting: VecDeque<(Peer, Bytes)>,
}

/// What came of a letter, where something did.
pub(super) enum Guess {
    /// This one knows the password, and has the pass.
    Right(Peer, Box<Known>),
    /// This one does not, and has spent it; the relay has been told.
    Wrong(ExchangeError),
}

impl Exchanges {
    pub(super) fn new(password: Password, opening: Opening) -> Self {
        Self { password, opening, running: None, until: None, late: BTreeSet::new(), waiting: VecDeque::new() }
    }

    /// A letter of somebody at the place. `pass` is for who turns out to know the password.
    pub(super) fn handle_letter(
        &mut self,
        control: &mut Connection,
        (peer, body): (Peer, Bytes),
        rng: &mut ChaCha12Rng,
        pass: &Pass,
    ) -> Result<Option<Guess>, ChannelError> {
        if self.late.contains(&peer) {
            return Ok(None);
        }
        if self.running.as_ref().is_some_and(|(at, _)| *at != peer) {
            self.keep_waiting(peer, body);
            return Ok(None);
        }
        let guess = self.go_on(control, (peer, body), rng, pass)?;
        // Whether there is room for another one now, who asks knows.
        if guess.is_none() {
            self.call_next(control, rng, pass)?;
        }
        Ok(guess)
    }

    /// A first letter, while there is no room for another one.
    pub(super) fn keep_waiting(&mut self, peer: Peer, body: Bytes) {
        let waits = self.late.contains(&peer) || self.waiting.iter().any(|(waits, _)| *waits == peer);
        if body.len() <= pake::MAX_LETTER && !waits {
            self.waiting.push_back((peer, body));
        }
    }

    /// This one has had its time.
    pub(super) fn dismiss(&mut self, peer: Peer) {
        self.late.insert(peer);
    }

    /// Whoever has waited longest has its turn, if it is anybody's.
    pub(super) fn call_next(&mut self, control: &mut Connection, rng: &mut ChaCha12Rng, pass: &Pass) -> Result<(), ChannelError> {
        while self.running.is_none()
            && let Some(next) = self.waiting.pop_front()
        {
            // A first letter is answered, and decides nothing.
            self.go_on(control, next, rng, pass)?;
        }
        Ok(())
    }

    fn go_on(
        &mut self,
        control: &mut Connection,
        (peer, body): (Peer, Bytes),
        rng: &mut ChaCha12Rng,
        pass: &Pass,
    ) -> Result<Option<Guess>, ChannelError> {
        let (_, machine) = self.running.get_or_insert_with(|| {
            self.until = Some(Instant::from_std(clock::now() + TURN));
            (peer, pake::Sender::new(&self.password))
        });
        match machine.handle_letter(&body, rng) {
            Ok(Step::Send(letter)) => control.tell(&Message::Letter { peer, body: letter.into() }),
            Ok(Step::Agreed(agreed)) => {
                let known = admit(control, (peer, agreed), &self.opening, pass.clone())?;
                self.running = None;
                return Ok(Some(Guess::Right(peer, Box::new(known))));
            }
            Err(error) if error.spends() => {
                control.tell(&Message::Spent { guess: Some(peer) });
                return Ok(Some(Guess::Wrong(error)));
            }
            // Nothing was guessed: another may come.
            Err(_) => self.running = None,
        }
        Ok(None)
    }

    /// The turn of whoever shows nothing of what it knows is over; comes to its end when that is so. Dropping the future loses nothing.
    pub(super) async fn out_of_time(&mut self) {
        match self.until.filter(|_| self.running.is_some()) {
            Some(until) => sleep_until(until).await,
            None => pending().await,
        }
        if let Some((peer, _)) = self.running.take() {
            tracing::info!(%peer, "somebody at the nameplate began, and showed nothing in time");
            self.late.insert(peer);
        }
    }

    /// Who has gone guesses no more.
    pub(super) fn handle_gone(&mut self, peer: Peer) {
        self.waiting.retain(|(waits, _)| *waits != peer);
        self.late.remove(&peer);
        self.running = self.running.take().filter(|(at, _)| *at != peer);
    }
}

/// Gives the pass to one that has shown what it knows, with a port of ours where bytes may go directly.
pub(super) fn admit(
    control: &mut Connection,
    (peer, agreed): (Peer, Agreed),
    opening: &Opening,
    pass: Pass,
) -> Result<Known, ChannelError> {
    let listening = opening.open();
    let direct = listening.as_ref().map_or_else(Vec::new, |listening| listening.addresses().to_vec());
    let pass = Pass { direct, ..pass };
    let (pairwise, letter) = agreed.letter(&pass).map_err(|error| ChannelError::Protocol(error.to_string()))?;
    control.tell(&Message::Letter { peer, body: letter.into() });
    let serving = listening.map(|listening| listening.serve(pairwise.clone(), Role::Sender, opening.streams));
    Ok(Known { pairwise, pass, serving, met: Some(peer) })
}
