//! How a sender comes to know a receiver: at a place that both know, by an exchange.

use super::{
    Known, Secret, SendEvent, Terminal,
    exchange::{Exchanges, Guess},
};
use crate::channel::{
    Code, Nameplate,
    client::{
        fault::ChannelError,
        relay::{Connection, RelayError},
    },
    code::CodeError,
    pake::Password,
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
        self.meet(control, &allocated, password).await
    }

    fn draw(&mut self, nameplate: Option<Nameplate>, words: usize) -> Result<Code, ChannelError> {
        let nameplate = nameplate.ok_or_else(|| ChannelError::Protocol("the relay gave no nameplate".to_owned()))?;
        Code::draw(nameplate, words, &mut self.rng).map_err(|error: CodeError| ChannelError::Protocol(error.to_string()))
    }

    /// Waits at the password's place for a receiver that shows that it knows the password.
    async fn meet(&mut self, control: &mut Connection, allocated: &Allocated, password: Password) -> Result<Known, ChannelError> {
        control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Sender, wait: true }));
        let mut exchanges = Exchanges::new(password);
        let pass = self.pass(allocated);
        loop {
            match control.next().await? {
                Message::Letter { peer, body } => match exchanges.handle_letter(control, (peer, &body), &mut self.rng, &pass)? {
                    Some(Guess::Right(_, known)) => {
                        control.tell(&Message::Spent { guess: None });
                        return Ok(*known);
                    }
                    Some(Guess::Wrong(error)) => return Err(error.into()),
                    None => {}
                },
                Message::Gone(gone) => exchanges.handle_gone(gone.peer),
                Message::Met(_) => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }
}
