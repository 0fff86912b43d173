//! How a sender comes to know a receiver: at a place that both know, by an exchange; or by what was agreed on with another user.

use super::{
    Known, Secret, SendEvent, Terminal,
    exchange::{Exchanges, Guess},
};
use crate::channel::{
    Code, Nameplate,
    agreement::Agreed,
    client::{
        fault::ChannelError,
        relay::{Connection, RelayError},
        rendezvous::Rendezvous,
    },
    code::CodeError,
    pake::Password,
    wire::{
        Message, Role,
        answer::Allocated,
        pass::Pass,
        request::{Meet, Wanted},
        transfer::Grant,
    },
};

impl Terminal<'_> {
    /// A channel, and the password of the code that the user is shown; that of before where the relay was lost while it waited.
    pub(super) async fn show_code(&mut self, control: &mut Connection) -> Result<(Allocated, Password), ChannelError> {
        let shown = self.code.clone();
        let (allocated, code) = match (&self.sending.secret, &shown) {
            (Secret::Drawn { .. } | Secret::Chosen(_), Some(code)) => {
                (self.apply(control, Some(Wanted::This(code.nameplate()))).await?, code.clone())
            }
            (Secret::Drawn { words }, None) => {
                let allocated = self.apply(control, Some(Wanted::Any(true))).await?;
                let code = self.draw(allocated.nameplate, *words)?;
                (allocated, code)
            }
            (Secret::Chosen(code), None) => (self.apply(control, Some(Wanted::This(code.nameplate()))).await?, code.clone()),
            (Secret::Agreed(_) | Secret::Kept(_), _) => return Err(ChannelError::Protocol("several receivers come by a code".to_owned())),
        };
        let password = Password::of_code(&code);
        self.there.cancel();
        self.hear(if shown.is_some() { SendEvent::There } else { SendEvent::Code(code.clone()) }).await;
        self.code = Some(code);
        Ok((allocated, password))
    }

    /// By a code: at its nameplate, which is that of the application.
    pub(super) async fn by_code(&mut self, control: &mut Connection) -> Result<Known, ChannelError> {
        let (allocated, password) = self.show_code(control).await?;
        self.meet(control, &allocated, password).await
    }

    /// By what was agreed on with another user; the pass follows in the channel.
    pub(super) fn by_account(&mut self, control: &Connection, rendezvous: &Rendezvous) -> Result<Known, ChannelError> {
        let Agreed { transfer, pairwise, grant: Grant { number, addresses, key }, peer: _ } = rendezvous.take()?;
        let allocated = Allocated { channel: number, addresses, key, expires: 0, nameplate: None };
        let opening = self.opening(control, &allocated);
        let listening = opening.open();
        let direct = listening.as_ref().map_or_else(Vec::new, |listening| listening.addresses().to_vec());
        let serving = listening.map(|listening| listening.serve(pairwise.clone(), Role::Sender, opening.streams));
        Ok(Known { pairwise, pass: Pass { transfer, direct, ..self.pass(&allocated, None) }, serving, met: None })
    }

    fn draw(&mut self, nameplate: Option<Nameplate>, words: usize) -> Result<Code, ChannelError> {
        let nameplate = nameplate.ok_or_else(|| ChannelError::Protocol("the relay gave no nameplate".to_owned()))?;
        Code::draw(nameplate, words, &mut self.rng).map_err(|error: CodeError| ChannelError::Protocol(error.to_string()))
    }

    /// Waits at the password's place for a receiver that shows that it knows the password.
    async fn meet(&mut self, control: &mut Connection, allocated: &Allocated, password: Password) -> Result<Known, ChannelError> {
        control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Sender, wait: true }));
        let mut exchanges = Exchanges::new(password, self.opening(control, allocated));
        let pass = self.pass(allocated, None);
        loop {
            let message = tokio::select! {
                message = control.next() => message?,
                () = exchanges.out_of_time() => {
                    exchanges.call_next(control, &mut self.rng, &pass)?;
                    continue;
                }
            };
            match message {
                Message::Letter { peer, body } => match exchanges.handle_letter(control, (peer, body), &mut self.rng, &pass)? {
                    Some(Guess::Right(_, known)) => {
                        self.came = true;
                        control.tell(&Message::Spent { guess: None });
                        return Ok(*known);
                    }
                    Some(Guess::Wrong(error)) => {
                        self.came = true;
                        return Err(error.into());
                    }
                    None => {}
                },
                Message::Gone(gone) => {
                    exchanges.handle_gone(gone.peer);
                    exchanges.call_next(control, &mut self.rng, &pass)?;
                }
                Message::Met(_) => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }
}
