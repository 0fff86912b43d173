//! How a sender comes to know a receiver: at a place that both know, by an exchange.

use super::{Known, Secret, SendEvent, Terminal};
use crate::channel::{
    Code, Nameplate, Peer,
    client::{
        fault::ChannelError,
        relay::{Connection, RelayError},
    },
    code::CodeError,
    pake::{self, Password, Step},
    wire::{
        Message, Role,
        answer::Allocated,
        request::{Meet, Wanted},
    },
};

impl Terminal<'_> {
    /// By a code: at its nameplate, which is that of the application.
    pub(super) async fn by_code(&mut self, control: &mut Connection) -> Result<Known, ChannelError> {
        let nameplate = match &self.sending.secret {
            Secret::Drawn { .. } => Wanted::Any(true),
            Secret::Chosen(code) => Wanted::This(code.nameplate()),
        };
        let allocated = self.apply(control, Some(nameplate)).await?;
        let code = match &self.sending.secret {
            Secret::Drawn { words } => self.draw(allocated.nameplate, *words)?,
            Secret::Chosen(code) => code.clone(),
        };
        let password = Password::of_code(&code);
        self.hear(SendEvent::Code(code)).await;
        self.meet(control, &allocated, &password).await
    }

    fn draw(&mut self, nameplate: Option<Nameplate>, words: usize) -> Result<Code, ChannelError> {
        let nameplate = nameplate.ok_or_else(|| ChannelError::Protocol("the relay gave no nameplate".to_owned()))?;
        Code::draw(nameplate, words, &mut self.rng).map_err(|error: CodeError| ChannelError::Protocol(error.to_string()))
    }

    /// Waits at the password's place for a receiver that shows that it knows the password.
    async fn meet(&mut self, control: &mut Connection, allocated: &Allocated, password: &Password) -> Result<Known, ChannelError> {
        control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Sender, wait: true }));
        // One at a time: a code has one guess, and whoever comes while it is being made waits.
        let mut exchange: Option<(Peer, pake::Sender)> = None;
        loop {
            match control.next().await? {
                Message::Letter { peer, body } => {
                    let (at, machine) = exchange.get_or_insert_with(|| (peer, pake::Sender::new(password)));
                    if *at != peer {
                        continue;
                    }
                    match machine.handle_letter(&body, &mut self.rng) {
                        Ok(Step::Send(letter)) => control.tell(&Message::Letter { peer, body: letter.into() }),
                        Ok(Step::Agreed(agreed)) => {
                            let pass = self.pass(allocated);
                            let (pairwise, letter) = agreed.letter(&pass).map_err(|error| ChannelError::Protocol(error.to_string()))?;
                            control.tell(&Message::Letter { peer, body: letter.into() });
                            control.tell(&Message::Spent { guess: None });
                            return Ok(Known { pairwise, pass });
                        }
                        Err(error) if error.spends() => {
                            control.tell(&Message::Spent { guess: Some(peer) });
                            return Err(error.into());
                        }
                        // Nothing was guessed: another may come.
                        Err(_) => exchange = None,
                    }
                }
                Message::Gone(gone) => exchange = exchange.filter(|(at, _)| *at != gone.peer),
                Message::Met(_) => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }
}
