//! Several receivers of one batch: they come one after the other by the code, and get the same chunks when all are there. Whoever is lost on the
//! way is gone on with apart, as a receiver of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Fared, Known, Progress, SendEvent, Terminal,
    exchange::{Exchanges, Guess},
    session::offer,
    upload::By,
};
use crate::{
    channel::{
        Peer,
        attempt::Ending,
        client::{
            again::Resume,
            direct::{Opening, over, soon},
            fault::ChannelError,
            outlet::{Gone, Sent},
            relay::{Connection, RelayError},
            sealed::Sealed,
            seat::Door,
        },
        keys::ResumeSecret,
        pake::Password,
        session::{Group, GroupAction, Parted},
        wire::{
            Message, Reason, Role,
            answer::Met,
            letter::{Failed, FailedCode, Letter, Way},
            pass::Pass,
            request::Meet,
        },
    },
    clock,
    transfer::Trailer,
};

/// How long one that knows the code may take to enter the channel, in times of [`Sending::patience`](super::Sending::patience): it is connected.
const ENTERING: u32 = 3;
/// Events of a receiver that is gone on with apart, until they are passed on.
const EVENTS: usize = 4;

/// See the [module](self).
pub(super) struct Gathering<'a, 'b> {
    terminal: &'a mut Terminal<'b>,
    stop: &'a CancellationToken,
    door: Door,
    /// What they have in common.
    pass: Pass,
    exchanges: Exchanges,
    /// Nobody else comes: enough have, or a wrong guess has spent the code.
    closed: bool,
    wanted: usize,
    /// Those who know the code and have not entered the channel yet, by their numbers at the place, and until when they may.
    coming: BTreeMap<Peer, (Instant, Known)>,
    /// Those who have not in time: another may have their place. The relay lets no more than 32 be at a place at once.
    late: BTreeMap<Peer, Known>,
    seated: BTreeMap<Peer, Seated>,
    group: Group,
    limit: watch::Sender<u64>,
    /// Dropping it ends what is in it.
    uploading: JoinSet<Result<(Sent, Trailer), ChannelError>>,
    /// Those who were lost and are looked for, each by its number.
    apart: JoinSet<(usize, Result<Sent, ChannelError>)>,
    /// A data connection broke: until then the reasons may come by the relay.
    broken: Option<(Instant, ChannelError)>,
    sent: Option<Sent>,
    /// The numbers of those who keep nothing for another process.
    once: BTreeSet<usize>,
    done: usize,
    /// The fewest files that one of those has left as they were there.
    skipped: Option<u32>,
    failed: Option<ChannelError>,
}

struct Seated {
    /// From 1 on, in the order in which they entered.
    number: usize,
    resume: Resume,
    sealed: Sealed,
}

impl<'a, 'b> Gathering<'a, 'b> {
    /// Goes to the place of the password, and into the channel of the pass.
    pub(super) fn open(
        terminal: &'a mut Terminal<'b>,
        control: &mut Connection,
        password: Password,
        (pass, opening): (Pass, Opening),
        stop: &'a CancellationToken,
    ) -> Self {
        control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Sender, wait: true }));
        // Before anybody else does, so that of each who comes it is told who it was at the place.
        let door = Door { channel: pass.channel, key: pass.key.clone(), role: Role::Sender };
        door.enter(control);
        let manifest = terminal.sending.source.manifest();
        let json = Bytes::from(manifest.to_json());
        let wanted = usize::from(terminal.sending.receivers.get());
        let group = Group::new(offer(terminal.sending, manifest, &json), json, wanted);
        Self {
            stop,
            door,
            pass,
            exchanges: Exchanges::new(password, opening),
            closed: false,
            wanted,
            coming: BTreeMap::new(),
            late: BTreeMap::new(),
            seated: BTreeMap::new(),
            limit: watch::Sender::new(0),
            group,
            uploading: JoinSet::new(),
            apart: JoinSet::new(),
            broken: None,
            sent: None,
            once: BTreeSet::new(),
            done: 0,
            skipped: None,
            failed: None,
            terminal,
        }
    }

    /// Waits for them, offers the batch to each, and sends it to those who want it.
    pub(super) async fn run(mut self, control: &mut Connection) -> Result<Sent, ChannelError> {
        'together: loop {
            while let Some(action) = self.group.poll_action() {
                match action {
                    GroupAction::Tell { seat, letter } => {
                        control.until_room().await?;
                        self.tell(control, seat, &letter)?;
                    }
                    GroupAction::Begin { from, seats, packed } => {
                        self.terminal.begun.cancel();
                        self.terminal.hear(SendEvent::Begun { from, way: Way::Relay, once: false }).await;
                        self.mind_those_who_keep_nothing().await;
                        self.limit.send_replace(self.group.limit());
                        let by = By::Relay { relay: control.here().clone(), door: self.door.clone(), seats };
                        self.uploading.spawn(self.terminal.upload(by, &self.pass, from, packed, self.limit.subscribe()));
                    }
                    GroupAction::Ended { seat, how } => self.handle_end(seat, how).await,
                    GroupAction::Over => break 'together,
                }
            }
            tokio::select! {
                message = control.next() => match message {
                    Ok(message) => self.handle_message(control, message).await?,
                    // Each of them is looked for apart.
                    Err(error) if self.terminal.begun.is_cancelled() && error_passes(&error) => self.handle_lost(),
                    Err(error) => return Err(error.into()),
                },
                Some(done) = self.uploading.join_next() => {
                    self.handle_upload(control, done.unwrap_or(Err(ChannelError::Stopped))).await?;
                }
                () = self.exchanges.out_of_time(), if !self.closed => self.call_next(control)?,
                peer = overdue(&self.coming) => self.handle_overdue(control, peer).await?,
                error = over(&mut self.broken) => {
                    tracing::info!(%error, "those who are there are looked for apart");
                    self.handle_lost();
                }
                Some(ended) = self.apart.join_next() => if let Ok((number, how)) = ended {
                    self.handle_end_apart(number, how).await;
                }
            }
        }
        self.uploading.abort_all();
        // Whether the last of our letters gets there changes nothing.
        let _ = control.flush().await;
        while let Some(ended) = self.apart.join_next().await {
            if let Ok((number, how)) = ended {
                self.handle_end_apart(number, how).await;
            }
        }
        match (self.failed, self.sent) {
            (None, Some(sent)) => Ok(Sent { skipped: self.skipped.unwrap_or(0), ..sent }),
            (None, None) => Err(ChannelError::Stopped),
            (Some(why), _) => Err(ChannelError::Some { done: self.done, of: self.wanted, why: Box::new(why) }),
        }
    }

    /// The relay is lost, and with it all who were there.
    fn handle_lost(&mut self) {
        for seat in self.seated.keys() {
            self.group.handle_gone(*seat, Reason::Broken);
        }
        self.group.expect(0);
    }

    async fn handle_message(&mut self, control: &mut Connection, message: Message) -> Result<(), ChannelError> {
        match message {
            Message::Letter { peer, body } if peer.is_receivers_seat() => self.handle_letter(peer, &body),
            Message::Letter { peer, body } if !self.closed && self.is_full() => self.exchanges.keep_waiting(peer, body),
            Message::Letter { peer, body } if !self.closed => {
                // What one goes on by after a break is nobody else's.
                let pass = Pass { resume: ResumeSecret::random(&mut self.terminal.rng), ..self.pass.clone() };
                let guess = self.exchanges.handle_letter(control, (peer, body), &mut self.terminal.rng, &pass)?;
                self.handle_guess(control, guess).await?;
            }
            Message::Met(Met { peer, was: Some(was) }) => self.seat(control, peer, was).await?,
            Message::Pace(pace) if self.seated.contains_key(&pace.seat) => {
                self.terminal.hear(SendEvent::Pace(Duration::from_millis(pace.waiting.into()))).await;
            }
            Message::Gone(gone) => {
                self.exchanges.handle_gone(gone.peer);
                self.late.remove(&gone.peer);
                self.group.handle_gone(gone.peer, gone.reason);
                if self.coming.remove(&gone.peer).is_some() {
                    self.mind_expected()?;
                }
                self.call_next(control)?;
                self.mind_limit();
            }
            Message::Letter { .. } | Message::Pace(_) | Message::Met(_) | Message::Entered(_) => {}
            other => return Err(RelayError::unexpected(&other).into()),
        }
        Ok(())
    }

    fn handle_letter(&mut self, seat: Peer, body: &[u8]) {
        let Some(seated) = self.seated.get_mut(&seat) else { return };
        match seated.sealed.open(body) {
            Ok(letter) => self.group.handle_letter(seat, letter),
            Err(error) => self.group.handle_fault(seat, ChannelError::from(error).told()),
        }
        self.mind_limit();
    }

    async fn handle_guess(&mut self, control: &mut Connection, guess: Option<Guess>) -> Result<(), ChannelError> {
        self.terminal.came |= guess.is_some();
        match guess {
            Some(Guess::Right(peer, known)) => {
                let until = Instant::from_std(clock::now()) + self.terminal.sending.patience.saturating_mul(ENTERING);
                self.coming.insert(peer, (until, *known));
                self.call_next(control)?;
            }
            Some(Guess::Wrong(error)) => {
                self.closed = true;
                self.failed = Some(error.into());
                self.terminal.hear(SendEvent::Guessed { receivers: self.coming.len() + self.seated.len() }).await;
                self.mind_expected()?;
            }
            None => {}
        }
        Ok(())
    }

    /// As many know the code as are wanted, in the channel or on their way to it.
    fn is_full(&self) -> bool {
        self.coming.len() + self.seated.len() >= self.wanted
    }

    /// Whoever has waited longest for its turn has it, while another one may come.
    fn call_next(&mut self, control: &mut Connection) -> Result<(), ChannelError> {
        if self.closed || self.is_full() {
            return Ok(());
        }
        self.exchanges.call_next(control, &mut self.terminal.rng, &self.pass)
    }

    /// One that knows the code has not entered the channel in time, and would hold up all others: another may have its place.
    async fn handle_overdue(&mut self, control: &mut Connection, peer: Peer) -> Result<(), ChannelError> {
        let Some((_, known)) = self.coming.remove(&peer) else { return Ok(()) };
        tracing::info!(%peer, "somebody knew the code, and did not come into the channel in time");
        self.exchanges.dismiss(peer);
        self.late.insert(peer, known);
        self.terminal.hear(SendEvent::Missed { open: !self.closed }).await;
        self.mind_expected()?;
        self.call_next(control)
    }

    /// Who knows the code has entered the channel. Once all have, the code is good for nobody any more.
    async fn seat(&mut self, control: &mut Connection, seat: Peer, was: Peer) -> Result<(), ChannelError> {
        if let Some(known) = self.late.remove(&was) {
            let mut sealed = Sealed::new(&known.pairwise, known.pass.transfer, Role::Sender);
            let failed = Failed::new(FailedCode::Cancelled, "it has come into the channel too late".to_owned());
            let body = sealed.seal(&Letter::Failed(failed)).map_err(|error| ChannelError::Protocol(error.to_string()))?;
            control.tell(&Message::Letter { peer: seat, body });
            return Ok(());
        }
        let Some((_, known)) = self.coming.remove(&was) else { return Ok(()) };
        let (number, sealed) = (self.seated.len() + 1, Sealed::new(&known.pairwise, known.pass.transfer, Role::Sender));
        let resume = Resume::of(&known.pass, control, &self.terminal.sending.relays);
        self.seated.insert(seat, Seated { number, resume: resume.clone(), sealed });
        self.group.handle_joined(seat);
        if self.seated.len() == self.wanted && !self.closed {
            self.closed = true;
            control.tell(&Message::Spent { guess: None });
        }
        self.tell_of(number, Fared::Joined(resume)).await;
        Ok(())
    }

    /// Once nobody else comes, those who are there are all.
    fn mind_expected(&mut self) -> Result<(), ChannelError> {
        if self.closed {
            let expected = self.coming.len() + self.seated.len();
            self.group.expect(expected);
            if expected == 0 {
                return Err(self.failed.take().unwrap_or(ChannelError::Gone(Reason::Broken)));
            }
        }
        Ok(())
    }

    /// How far chunks may go, and what need not be kept for anybody.
    fn mind_limit(&mut self) {
        self.terminal.progress.received.fetch_max(self.group.received(), Ordering::Relaxed);
        self.terminal.progress.durable.fetch_max(self.group.durable(), Ordering::Relaxed);
        self.terminal.sending.source.acknowledge(self.group.durable());
        self.limit.send_replace(self.group.limit());
    }

    /// What they get is gone with them; where all are such, nothing can be promised to anybody.
    async fn mind_those_who_keep_nothing(&mut self) {
        let such = self.seated.iter().filter(|(seat, _)| self.group.keeps_nothing(**seat)).map(|(_, seated)| seated.number);
        self.once.extend(such);
        self.terminal.once.store(self.once.len() == self.seated.len(), Ordering::Relaxed);
        for number in &self.once {
            self.tell_of(*number, Fared::Once).await;
        }
    }

    async fn handle_end(&mut self, seat: Peer, how: Result<(), Parted>) {
        self.mind_limit();
        let Some(number) = self.seated.get(&seat).map(|seated| seated.number) else { return };
        if self.group.keeps_nothing(seat) {
            self.once.insert(number);
        }
        let how = how.map_err(|parted| match parted {
            Parted::Failure(failure) => ChannelError::of(failure),
            Parted::Gone(reason) => ChannelError::Gone(reason),
        });
        match how {
            Err(error) if self.is_worth_a_search(&error) => {
                self.look_for(seat);
                self.tell_of(number, Fared::Broken(error.to_string())).await;
            }
            how => self.settle(number, how.map(|()| self.group.skipped(seat))).await,
        }
    }

    /// What comes of standard input is read for all at once, or not at all.
    fn is_worth_a_search(&self, error: &ChannelError) -> bool {
        let sending = self.terminal.sending;
        let again = sending.source.manifest().total().is_some() && !sending.comeback.is_zero() && self.terminal.begun.is_cancelled();
        again && matches!(error.ending(), Ending::Passing { .. })
    }

    /// Goes on with one that was lost, beside the others.
    fn look_for(&mut self, seat: Peer) {
        let (sending, stop) = (self.terminal.sending, self.stop.clone());
        let Some(seated) = self.seated.get(&seat) else { return };
        let (number, resume) = (seated.number, seated.resume.clone());
        let alone = sending.for_one(resume);
        let events = self.terminal.events.clone();
        // How far it is, is its own; what goes over the wire is that of all.
        let wire = Arc::clone(&self.terminal.progress.gone.wire);
        self.apart.spawn(async move {
            let progress = Progress { gone: Gone { wire, ..Gone::default() }, ..Progress::default() };
            let (give, mut told) = mpsc::channel(EVENTS);
            let mut sent = std::pin::pin!(super::to_one(&alone, &give, &progress, &stop));
            loop {
                tokio::select! {
                    ended = &mut sent => return (number, ended),
                    Some(event) = told.recv() => if let SendEvent::Begun { from, .. } = event {
                        // Whoever does not want to hear has dropped the other end.
                        let _ = events.send(SendEvent::Receiver { receiver: number, how: Fared::Back { from } }).await;
                    }
                }
            }
        });
    }

    async fn handle_end_apart(&mut self, number: usize, how: Result<Sent, ChannelError>) {
        self.sent = self.sent.or(how.as_ref().ok().copied());
        self.settle(number, how.map(|sent| sent.skipped)).await;
    }

    /// One is through with it.
    async fn settle(&mut self, number: usize, how: Result<u32, ChannelError>) {
        match how {
            Ok(skipped) => {
                self.done += 1;
                self.skipped = Some(self.skipped.map_or(skipped, |fewest| fewest.min(skipped)));
                self.tell_of(number, Fared::Done { skipped }).await;
            }
            Err(error) => {
                self.tell_of(
                    number,
                    Fared::Failed { why: error.to_string(), resumable: error.is_resumable() && !self.once.contains(&number) },
                )
                .await;
                // What can be gone on with says more to whoever reads the exit code.
                if self.failed.as_ref().is_none_or(|failed| error.is_resumable() && !failed.is_resumable()) {
                    self.failed = Some(error);
                }
            }
        }
    }

    async fn handle_upload(&mut self, control: &mut Connection, done: Result<(Sent, Trailer), ChannelError>) -> Result<(), ChannelError> {
        match done {
            Ok((done, trailer)) => {
                self.sent = Some(done);
                self.group.handle_sent(done.end, done.chunks, &trailer);
            }
            // That receivers are gone is told by the relay, with the reason. Who is not gets no more chunks all the same, and is looked for.
            Err(error @ (ChannelError::Broken(_) | ChannelError::Relay(_))) => self.broken = Some(soon(error)),
            Err(error) => {
                self.group.handle_failure(&error.told());
                while let Some(action) = self.group.poll_action() {
                    if let GroupAction::Tell { seat, letter } = action {
                        self.tell(control, seat, &letter)?;
                    }
                }
                control.flush().await?;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn tell_of(&self, receiver: usize, how: Fared) {
        self.terminal.hear(SendEvent::Receiver { receiver, how }).await;
    }

    fn tell(&mut self, control: &mut Connection, seat: Peer, letter: &Letter) -> Result<(), ChannelError> {
        let Some(seated) = self.seated.get_mut(&seat) else { return Ok(()) };
        let body = seated.sealed.seal(letter).map_err(|error| ChannelError::Protocol(error.to_string()))?;
        control.tell(&Message::Letter { peer: seat, body });
        Ok(())
    }
}

/// Whoever has not come in its time; never where all have time.
async fn overdue(coming: &BTreeMap<Peer, (Instant, Known)>) -> Peer {
    match coming.iter().min_by_key(|(_, (until, _))| *until) {
        Some((peer, (until, _))) => {
            sleep_until(*until).await;
            *peer
        }
        None => pending().await,
    }
}

fn error_passes(error: &RelayError) -> bool {
    !matches!(error, RelayError::Refused(_))
}
