//! Byte streams between roles of one process: the same bytes, framing and limits as TCP, without a socket.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::DuplexStream,
    sync::mpsc::{self, Receiver, Sender},
};

use crate::sip::node::SendFault;

/// Bytes on their way in one direction of a stream; the writer then waits.
const STREAM_BYTES: usize = 64 * 1024;

/// Streams that wait to be accepted by a role. One more fails as [`SendFault::Full`].
const BACKLOG: usize = 64;

/// The meeting place of the roles of one process; clones are the same place. A role that is registered by
/// [`TransportConfig::local`](super::TransportConfig::local) is reached as `<role>.invalid` by [`Hop::local`](crate::sip::Hop::local).
#[derive(Debug, Clone, Default)]
pub struct LocalHub {
    roles: Arc<Mutex<BTreeMap<String, Sender<Visit>>>>,
}

/// A stream that a role opened to another.
#[derive(Debug)]
pub(super) struct Visit {
    /// The role that opened it.
    pub(super) from: String,
    pub(super) stream: DuplexStream,
}

/// A role's place; dropping it takes the role off the hub.
#[derive(Debug)]
pub(super) struct LocalListener {
    hub: LocalHub,
    role: String,
    visits: Receiver<Visit>,
}

impl LocalHub {
    /// A place where nobody is yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The roles that are here, sorted.
    pub fn roles(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Takes a role's place; `None` when it is taken.
    pub(super) fn register(&self, role: &str) -> Option<LocalListener> {
        let mut roles = self.lock();
        if roles.get(role).is_some_and(|visits| !visits.is_closed()) {
            return None;
        }
        let (sender, visits) = mpsc::channel(BACKLOG);
        roles.insert(role.to_owned(), sender);
        Some(LocalListener { hub: self.clone(), role: role.to_owned(), visits })
    }

    /// Opens a stream from the role `from` to the host `<role>.invalid`. What else runs in this process may so speak SIP to a
    /// role without transports of its own; the role believes the name `from`.
    ///
    /// # Errors
    /// [`SendFault::NoSuchRole`], or [`SendFault::Full`] when the role accepts none at present.
    pub fn connect(&self, from: &str, host: &str) -> Result<DuplexStream, SendFault> {
        let role = host.strip_suffix(".invalid").ok_or(SendFault::NoSuchRole)?;
        let visits = self.lock().get(role).cloned().ok_or(SendFault::NoSuchRole)?;
        let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
        visits.try_send(Visit { from: from.to_owned(), stream: theirs }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendFault::Full,
            mpsc::error::TrySendError::Closed(_) => SendFault::NoSuchRole,
        })?;
        Ok(ours)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Sender<Visit>>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalListener {
    pub(super) async fn accept(&mut self) -> Option<Visit> {
        self.visits.recv().await
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        self.visits.close();
        let mut roles = self.hub.lock();
        // Nobody can have taken the place meanwhile but by finding it closed.
        if roles.get(&self.role).is_some_and(Sender::is_closed) {
            roles.remove(&self.role);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_role_has_one_place_until_it_leaves() {
        let hub = LocalHub::new();
        assert_eq!(hub.connect("as", "ms.invalid").err(), Some(SendFault::NoSuchRole));
        let mut ms = hub.register("ms").expect("free");
        assert!(hub.register("ms").is_none(), "taken");
        let _stream = hub.connect("as", "ms.invalid").expect("the role is there");
        assert_eq!(ms.accept().await.map(|visit| visit.from).as_deref(), Some("as"));
        assert_eq!(hub.connect("as", "ms.example").err(), Some(SendFault::NoSuchRole), "roles are not hosts");
        drop(ms);
        assert!(hub.roles().is_empty());
        assert!(hub.register("ms").is_some(), "free again");
    }

    #[test]
    fn a_role_that_does_not_accept_is_full_at_last() {
        let hub = LocalHub::new();
        let _ms = hub.register("ms").expect("free");
        for _ in 0..BACKLOG {
            hub.connect("as", "ms.invalid").expect("room in the backlog");
        }
        assert_eq!(hub.connect("as", "ms.invalid").err(), Some(SendFault::Full));
    }
}
