//! Exchanges at a place, one at a time: a code has one guess, and whoever comes while it is being made waits.

use rand_chacha::ChaCha12Rng;

use super::Known;
use crate::channel::{
    Peer,
    client::{direct::Opening, fault::ChannelError, relay::Connection},
    pake::{self, ExchangeError, Password, Step},
    wire::{Message, pass::Pass},
};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Exchanges {
    password: Password,
    opening: Opening,
    running: Option<(Peer, pake::Sender)>,
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
        Self { password, opening, running: None }
    }

    /// A letter of somebody at the place. `pass` is for who turns out to know the password.
    pub(super) fn handle_letter(
        &mut self,
        control: &mut Connection,
        (peer, body): (Peer, &[u8]),
        rng: &mut ChaCha12Rng,
        pass: &Pass,
    ) -> Result<Option<Guess>, ChannelError> {
        let (at, machine) = self.running.get_or_insert_with(|| (peer, pake::Sender::new(&self.password)));
        if *at != peer {
            return Ok(None);
        }
        match machine.handle_letter(body, rng) {
            Ok(Step::Send(letter)) => control.tell(&Message::Letter { peer, body: letter.into() }),
            Ok(Step::Agreed(agreed)) => {
                let listening = self.opening.open()?;
                let direct = listening.as_ref().map_or_else(Vec::new, |listening| listening.addresses().to_vec());
                let pass = Pass { direct, ..pass.clone() };
                let (pairwise, letter) = agreed.letter(&pass).map_err(|error| ChannelError::Protocol(error.to_string()))?;
                control.tell(&Message::Letter { peer, body: letter.into() });
                self.running = None;
                let serving = listening.map(|listening| listening.serve(pairwise.clone(), self.opening.streams));
                return Ok(Some(Guess::Right(peer, Box::new(Known { pairwise, pass, serving }))));
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

    /// Who has gone guesses no more.
    pub(super) fn handle_gone(&mut self, peer: Peer) {
        self.running = self.running.take().filter(|(at, _)| *at != peer);
    }
}
