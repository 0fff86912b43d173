//! Messages that a full queue did not take: they wait for room, in their order. A full queue is a burst of ours, not a dead
//! peer; only a queue that moves no message for long is one.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Arrival, SendFault};
use crate::sip::hop::{Hop, Transmit};

/// Most messages that wait in all. One more fails.
pub(super) const MAX_WAITING: usize = 65_536;

/// Most bytes that wait in all. What would exceed it fails.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a hop may take no message at all; then what waits for it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// What waits for one hop.
#[derive(Debug)]
struct Queue {
    messages: VecDeque<Bytes>,
    /// When it took a message last, or was found full.
    moved: Instant,
}

/// What waits for room.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    queues: BTreeMap<Hop, Queue>,
    messages: usize,
    bytes: usize,
    next_try: Option<Instant>,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// When [`Self::retry`] is wanted.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.next_try
    }

    /// Sends a message by `send`, or keeps it behind those that wait for the same hop.
    pub(super) fn send(
        &mut self,
        now: Instant,
        Transmit { bytes, hop }: Transmit,
        mut send: impl FnMut(&Hop, Bytes) -> Result<(), SendFault>,
        failures: &mut Vec<Arrival>,
    ) {
        if !self.queues.contains_key(&hop) {
            match send(&hop, bytes.clone()) {
                Ok(()) => return,
                Err(SendFault::Full) => {}
                Err(why) => return fail(hop, why, failures),
            }
        }
        if self.messages >= MAX_WAITING || self.bytes.saturating_add(bytes.len()) > MAX_BYTES {
            return fail(hop, SendFault::Full, failures);
        }
        self.messages += 1;
        self.bytes += bytes.len();
        let queue = self.queues.entry(hop).or_insert_with(|| Queue { messages: VecDeque::new(), moved: now });
        queue.messages.push_back(bytes);
        self.next_try.get_or_insert(now + PAUSE);
    }

    /// Sends what has room by now.
    pub(super) fn retry(&mut self, now: Instant, mut send: impl FnMut(&Hop, Bytes) -> Result<(), SendFault>, failures: &mut Vec<Arrival>) {
        let (messages, bytes) = (&mut self.messages, &mut self.bytes);
        self.queues.retain(|hop, queue| {
            let mut failed = None;
            while let Some(message) = queue.messages.front() {
                match send(hop, message.clone()) {
                    Ok(()) => queue.moved = now,
                    Err(SendFault::Full) if now.saturating_duration_since(queue.moved) < PATIENCE => break,
                    Err(why) => failed = Some(why),
                }
                *messages -= 1;
                *bytes -= message.len();
                queue.messages.pop_front();
            }
            if let Some(why) = failed {
                fail(hop.clone(), why, failures);
            }
            !queue.messages.is_empty()
        });
        self.next_try = (!self.queues.is_empty()).then(|| now + PAUSE);
    }
}

fn fail(hop: Hop, why: SendFault, failures: &mut Vec<Arrival>) {
    tracing::debug!(%hop, %why, "a message could not be sent");
    failures.push(Arrival::Failed { hop, why });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::sip::Transport;

    fn transmit(text: &'static str, port: u16) -> Transmit {
        let hop = Hop::new(Transport::Tcp, std::net::SocketAddr::from(([192, 0, 2, 1], port)));
        Transmit { bytes: Bytes::from_static(text.as_bytes()), hop }
    }

    #[test]
    fn what_a_full_queue_does_not_take_leaves_later_in_its_order() {
        let (now, mut failures, mut sent) = (clock::now(), Vec::new(), Vec::new());
        let mut backlog = Backlog::new();
        backlog.send(now, transmit("one", 1), |_, _| Err(SendFault::Full), &mut failures);
        // There is room again, but "one" was first.
        backlog.send(now, transmit("two", 1), |_, _| Ok(()), &mut failures);
        assert!(backlog.next_try().is_some());
        backlog.retry(
            now + PAUSE,
            |_, bytes| {
                sent.push(bytes);
                Ok(())
            },
            &mut failures,
        );
        assert_eq!(sent, ["one", "two"]);
        assert_eq!((failures.len(), backlog.messages, backlog.bytes, backlog.next_try()), (0, 0, 0, None));
    }

    #[test]
    fn a_hop_that_takes_nothing_for_long_fails_and_others_go_on() {
        let (now, mut failures) = (clock::now(), Vec::new());
        let mut backlog = Backlog::new();
        for port in [1, 2] {
            backlog.send(now, transmit("x", port), |_, _| Err(SendFault::Full), &mut failures);
        }
        let stuck = transmit("x", 1).hop;
        let only_two = |hop: &Hop, _| if *hop == stuck { Err(SendFault::Full) } else { Ok(()) };
        backlog.retry(now + PAUSE, only_two, &mut failures);
        assert!(failures.is_empty() && backlog.messages == 1);
        backlog.retry(now + PATIENCE, only_two, &mut failures);
        assert_eq!(failures, [Arrival::Failed { hop: stuck.clone(), why: SendFault::Full }]);
        assert_eq!(backlog.next_try(), None);
    }

    #[test]
    fn the_bound_holds() {
        let (now, mut failures) = (clock::now(), Vec::new());
        let mut backlog = Backlog::new();
        for _ in 0..=MAX_WAITING {
            backlog.send(now, transmit("x", 1), |_, _| Err(SendFault::Full), &mut failures);
        }
        assert_eq!((failures.len(), backlog.messages), (1, MAX_WAITING));
    }
}
