//! The shell of the application server: the one loop over its transports, and the task that stores what it wants stored.

use std::{sync::Arc, time::Instant};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::node::{ApplicationServer, Command, Effect};
use crate::{
    conference::focus::{StoreOperation, Stored},
    id::UserName,
    sip::{
        Transmit,
        message::SipUri,
        node::{Arrival, Node, drive},
        registrar::{Aor, Saved},
        transport::Transports,
    },
    store::{ConferenceRecord, ContactRecord, Store, StoreError},
};

/// Commands that wait for the server. Their senders wait when it is full.
const COMMANDS: usize = 1024;
/// Effects that wait for the store. What does not fit waits in the machine, which bounds it.
const EFFECTS: usize = 256;

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// What it can be told.
    pub commands: Sender<Command>,
}

/// Runs `server` until it has finished or `token` is cancelled; then nobody takes commands any more. What it still had to send is then handed to the transports; the caller shuts
/// those down.
pub fn run(
    server: ApplicationServer,
    transports: Transports,
    arrivals: Receiver<Arrival>,
    store: Arc<dyn Store>,
    tasks: &TaskTracker,
    token: CancellationToken,
) -> Running {
    let (commands, orders) = mpsc::channel(COMMANDS);
    let (effects, wanted) = mpsc::channel(EFFECTS);
    let answers = commands.downgrade();
    tasks.spawn(async move {
        keep(wanted, store, answers).await;
    });
    tasks.spawn(async move {
        drive(Wired { server, effects, waiting: None }, transports, arrivals, orders, token).await;
    });
    Running { commands }
}

/// The server with the way to its store.
struct Wired {
    server: ApplicationServer,
    effects: Sender<Effect>,
    waiting: Option<Effect>,
}

impl Wired {
    fn pass_on(&mut self) {
        while let Some(effect) = self.waiting.take().or_else(|| self.server.poll_effect()) {
            if let Err(mpsc::error::TrySendError::Full(effect)) = self.effects.try_send(effect) {
                // The store's next answer comes through here again.
                self.waiting = Some(effect);
                return;
            }
        }
    }
}

impl Node for Wired {
    type Command = Command;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        self.server.handle_arrival(now, arrival);
        self.pass_on();
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        self.server.handle_command(now, command);
        self.pass_on();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
        self.pass_on();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.server.next_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.server.poll_transmit()
    }

    fn finished(&self) -> bool {
        self.server.finished()
    }
}

/// Stores what the server wants stored, one after the other, and tells it. Ends with the server.
async fn keep(mut wanted: Receiver<Effect>, store: Arc<dyn Store>, answers: mpsc::WeakSender<Command>) {
    while let Some(effect) = wanted.recv().await {
        let answer = match effect {
            Effect::Store { save, operation } => {
                let outcome = match define(store.as_ref(), operation).await {
                    Ok(revision) => Stored::Done(revision),
                    Err(StoreError::Exists { .. }) => Stored::Exists,
                    Err(why) => Stored::Failed(why.to_string()),
                };
                Command::Stored { save, outcome }
            }
            Effect::StoreContacts { save, aor, contacts } => {
                let outcome = contacts_of(store.as_ref(), &aor, contacts).await;
                Command::ContactsStored { save, outcome }
            }
        };
        // A weak sender does not keep the server's inbox open.
        let Some(answers) = answers.upgrade() else { return };
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

async fn define(store: &dyn Store, operation: StoreOperation) -> Result<u64, StoreError> {
    match operation {
        StoreOperation::Add(record) => store.add_conference(&record).await.map(|()| 1),
        StoreOperation::Replace(record) => store.replace_conference(&record).await,
        StoreOperation::Delete(name) => match store.delete_conference(&name).await {
            // Gone already is as good.
            Ok(()) | Err(StoreError::Missing { .. }) => Ok(0),
            Err(why) => Err(why),
        },
    }
}

/// What a store has for a server to begin with.
#[derive(Debug, Default)]
pub struct Kept {
    /// Registered contacts.
    pub contacts: Vec<Saved>,
    /// Definitions of conferences.
    pub conferences: Vec<ConferenceRecord>,
}

/// Reads what the store has.
///
/// # Errors
/// The store cannot be read. A contact that no longer is one is left out.
pub async fn load(store: &dyn Store) -> Result<Kept, StoreError> {
    let contacts = store.contacts().await?.into_iter().filter_map(|record| {
        let aor = Aor::of_uri(&SipUri::new(Some(record.user.as_str()), record.domain.parse().ok()?, None)).ok()?;
        let ContactRecord { contact, q, expires, call_id, cseq, hop, path, .. } = record;
        Some(Saved { aor, contact, q, expires, call_id, cseq, hop, path })
    });
    Ok(Kept { contacts: contacts.collect(), conferences: store.conferences().await? })
}

async fn contacts_of(store: &dyn Store, aor: &Aor, contacts: Vec<Saved>) -> Result<(), String> {
    let user: UserName = aor.user().parse().map_err(|e: crate::id::IdError| e.to_string())?;
    let records: Vec<ContactRecord> = contacts
        .into_iter()
        .map(|saved| ContactRecord {
            user: user.clone(),
            domain: saved.aor.domain().to_owned(),
            contact: saved.contact,
            q: saved.q,
            expires: saved.expires,
            call_id: saved.call_id,
            cseq: saved.cseq,
            hop: saved.hop,
            path: saved.path,
        })
        .collect();
    store.replace_contacts(&user, aor.domain(), &records).await.map_err(|e| e.to_string())
}
