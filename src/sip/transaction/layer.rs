//! The transactions of one endpoint: which message goes to which machine.

use std::{collections::VecDeque, time::Instant};

use super::{
    ClientKey, Limits, SendError, ServerKey, Timers, TransactionEvent, Transmit,
    invite_client::InviteClient,
    invite_server::InviteServer,
    non_invite_client::NonInviteClient,
    non_invite_server::NonInviteServer,
    overload,
    source::{response_hop, stamp_source},
    table::{Context, Machine, Queues, Table},
};
use crate::sip::{
    hop::Hop,
    message::{Message, Method, Request, Response},
};

/// The state in which only copies of the request are waited for, or the ACK of a refusal.
const COMPLETED: &str = "Completed";

/// All transactions of one endpoint.
#[derive(Debug)]
pub struct TransactionLayer {
    timers: Timers,
    limits: Limits,
    clients: Table<ClientKey, Client>,
    servers: Table<ServerKey, Server>,
    /// Server transactions that got their final response, in that order; some may have ended since. They make room at the bound.
    answered: VecDeque<ServerKey>,
    queues: Queues,
}

#[derive(Debug)]
enum Client {
    Invite(InviteClient),
    NonInvite(NonInviteClient),
}

#[derive(Debug)]
enum Server {
    Invite(InviteServer),
    NonInvite(NonInviteServer),
}

impl TransactionLayer {
    /// An empty layer.
    pub fn new(timers: Timers, limits: Limits) -> Self {
        Self { timers, limits, clients: Table::new(), servers: Table::new(), answered: VecDeque::new(), queues: Queues::default() }
    }

    /// The values of the timers.
    pub fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Begins a client transaction and sends its request. The caller has put a top Via with a fresh branch on it, except on a CANCEL, which
    /// takes the branch of its INVITE (§9.1). An ACK to a 2xx is no transaction and does not come this way.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then.
    pub fn send(&mut self, now: Instant, request: Request, hop: Hop) -> Result<ClientKey, SendError> {
        let key = ClientKey::of_request(&request).ok_or(SendError::Unfit)?;
        if request.method == Method::Ack || request.cseq().is_none() || self.clients.get(&key).is_some() {
            return Err(SendError::Unfit);
        }
        if self.clients.len() >= self.limits.clients {
            return Err(SendError::Full);
        }
        let mut cx = Context { now, timers: &self.timers, queues: &mut self.queues };
        let client = if request.method == Method::Invite {
            Client::Invite(InviteClient::begin(&mut cx, key.clone(), request, hop))
        } else {
            Client::NonInvite(NonInviteClient::begin(&mut cx, key.clone(), request, hop))
        };
        self.clients.insert(key.clone(), client);
        Ok(key)
    }

    /// Answers a request. 1xx as often as wanted, then one final response; in the Accepted state of an INVITE the 2xx may be given again, for
    /// its retransmission is the caller's. What no state allows any more is discarded (RFC 6026 §8.3).
    pub fn respond(&mut self, now: Instant, key: &ServerKey, response: Response) {
        self.with_server(now, key, |server, cx| server.respond(cx, response, true));
        self.note_answered(key);
    }

    /// Answers an INVITE with a 300–699 that timer G does not repeat and whose missing ACK nobody is told of: for challenges and other
    /// refusals to senders who have not proved anything, so that they cannot make us send more than they do (§26.3.2.4). It goes out again
    /// when the INVITE comes again, and clients repeat it as long as they have heard nothing: so give no 1xx before. For other methods the
    /// same as [`respond`](Self::respond).
    pub fn respond_once(&mut self, now: Instant, key: &ServerKey, response: Response) {
        self.with_server(now, key, |server, cx| server.respond(cx, response, false));
        self.note_answered(key);
    }

    /// Takes a message that came in. Without the headers that matching needs it is dropped; the front-end has answered such a message.
    pub fn receive(&mut self, now: Instant, message: Message, from: Hop) {
        match message {
            Message::Request(ack) if ack.method == Method::Ack => self.receive_ack(now, ack, from),
            Message::Request(request) => self.receive_request(now, request, from),
            Message::Response(response) => self.receive_response(now, response, from),
        }
    }

    /// The INVITE that a CANCEL asks to cancel (§9.2), in whatever state it is; `None` asks for a 481.
    pub fn matching_invite(&self, cancel: &Request) -> Option<ServerKey> {
        ServerKey::of_cancelled(cancel).filter(|key| self.servers.get(key).is_some())
    }

    /// Ends a client transaction without another event than [`TransactionEvent::ClientEnded`]: 64·T1 after a CANCEL that no final response
    /// followed (§9.1), or when the caller has lost interest for another reason.
    pub fn abandon(&mut self, now: Instant, key: &ClientKey) {
        self.with_client(now, key, |client, _| client.abandon());
    }

    /// A message could not be sent to a hop, or the connection `hop.flow` is gone. Concerns the transactions that send to this connection,
    /// or, where it names none, to this address.
    pub fn handle_transport_error(&mut self, now: Instant, hop: &Hop) {
        for key in self.clients.sending_to(hop) {
            self.with_client(now, &key, Machine::handle_transport_error);
        }
        for key in self.servers.sending_to(hop) {
            self.with_server(now, &key, Machine::handle_transport_error);
        }
    }

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.clients.due(now) {
            self.with_client(now, &key, |_, _| ());
        }
        while let Some(key) = self.servers.due(now) {
            self.with_server(now, &key, |_, _| ());
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.clients.next_timeout().into_iter().chain(self.servers.next_timeout()).min()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.queues.transmits.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<TransactionEvent> {
        self.queues.events.pop_front()
    }

    /// Client transactions in the table.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Server transactions in the table.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The state of a client transaction by the RFC's name; `Terminated` when it is not in the table.
    pub fn client_state(&self, key: &ClientKey) -> &'static str {
        self.clients.get(key).map_or("Terminated", Machine::state)
    }

    /// The state of a server transaction by the RFC's name; `Terminated` when it is not in the table.
    pub fn server_state(&self, key: &ServerKey) -> &'static str {
        self.servers.get(key).map_or("Terminated", Machine::state)
    }

    fn receive_request(&mut self, now: Instant, mut request: Request, from: Hop) {
        let Some(key) = ServerKey::of(&request) else { return };
        if self.with_server(now, &key, Server::handle_repeated_request).is_some() {
            return;
        }
        stamp_source(&mut request, &from);
        let Some(via) = request.via() else { return };
        if self.servers.len() >= self.limits.servers && !self.make_room() {
            let response = overload::unavailable(&request, self.limits.retry_after);
            self.queues.transmits.push_back(Transmit { message: Message::Response(response), hop: response_hop(&via, &from) });
            return;
        }
        let cx = Context { now, timers: &self.timers, queues: &mut self.queues };
        let server = if request.method == Method::Invite {
            Server::Invite(InviteServer::begin(&cx, key.clone(), &request, &via, &from))
        } else {
            Server::NonInvite(NonInviteServer::begin(key.clone(), &via, &from))
        };
        self.servers.insert(key.clone(), server);
        self.queues.events.push_back(TransactionEvent::Request { key, request, from });
    }

    /// Remembers a transaction that is there for copies of its request only.
    fn note_answered(&mut self, key: &ServerKey) {
        if self.servers.get(key).is_some_and(|server| server.state() == COMPLETED) && self.answered.back() != Some(key) {
            self.answered.push_back(key.clone());
        }
        // None of them lives longer than 64·T1, so the front is never old for long.
        while self.answered.len() > self.limits.servers || self.answered.front().is_some_and(|oldest| self.servers.get(oldest).is_none()) {
            self.answered.pop_front();
        }
    }

    /// Ends the transaction whose final response was sent longest ago; false when all still wait for theirs.
    fn make_room(&mut self) -> bool {
        while let Some(key) = self.answered.pop_front() {
            if self.servers.get(&key).is_some_and(|server| server.state() == COMPLETED) && self.servers.remove(&key) {
                self.queues.events.push_back(TransactionEvent::ServerEnded { key });
                return true;
            }
        }
        false
    }

    fn receive_ack(&mut self, now: Instant, ack: Request, from: Hop) {
        let Some(lowest) = ServerKey::of_acknowledged(&ack) else { return };
        let for_user = match self.acknowledged(&ack, lowest) {
            Some(key) => self.with_server(now, &key, |server, cx| server.handle_ack(cx)).unwrap_or(false),
            None => !overload::acknowledges_unavailable(&ack),
        };
        if for_user {
            self.queues.events.push_back(TransactionEvent::Ack { request: ack, from });
        }
    }

    fn receive_response(&mut self, now: Instant, response: Response, from: Hop) {
        let Some(key) = ClientKey::of_response(&response) else { return };
        if self.clients.get(&key).is_some() {
            self.with_client(now, &key, |client, cx| client.handle_response(cx, response, from));
        } else if *key.method() == Method::Invite && (200..300).contains(&response.status) {
            self.queues.events.push_back(TransactionEvent::StrayResponse { response, from });
        }
    }

    /// The INVITE that an ACK belongs to. By RFC 2543's rules its To tag must be the one of our response.
    fn acknowledged(&self, ack: &Request, lowest: ServerKey) -> Option<ServerKey> {
        if !lowest.needs_to_tag() {
            return self.servers.get(&lowest).map(|_| lowest);
        }
        let to = ack.to()?;
        self.servers
            .range(lowest.clone()..)
            .take_while(|(key, _)| key.same_but_for_to_tag(&lowest))
            .find(|(_, server)| server.answer_tag().zip(to.tag()).is_some_and(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs)))
            .map(|(key, _)| key.clone())
    }

    /// Lets a client machine act. `None` without such a machine.
    fn with_client<T>(&mut self, now: Instant, key: &ClientKey, act: impl FnOnce(&mut Client, &mut Context<'_>) -> T) -> Option<T> {
        let mut cx = Context { now, timers: &self.timers, queues: &mut self.queues };
        let (outcome, ended) = self.clients.with(key, &mut cx, act)?;
        if ended {
            cx.tell(TransactionEvent::ClientEnded { key: key.clone() });
        }
        Some(outcome)
    }

    /// Lets a server machine act. `None` without such a machine.
    fn with_server<T>(&mut self, now: Instant, key: &ServerKey, act: impl FnOnce(&mut Server, &mut Context<'_>) -> T) -> Option<T> {
        let mut cx = Context { now, timers: &self.timers, queues: &mut self.queues };
        let (outcome, ended) = self.servers.with(key, &mut cx, act)?;
        if ended {
            cx.tell(TransactionEvent::ServerEnded { key: key.clone() });
        }
        Some(outcome)
    }
}

impl Client {
    fn handle_response(&mut self, cx: &mut Context<'_>, response: Response, from: Hop) {
        match self {
            Self::Invite(machine) => machine.handle_response(cx, response, from),
            Self::NonInvite(machine) => machine.handle_response(cx, response, from),
        }
    }

    fn abandon(&mut self) {
        match self {
            Self::Invite(machine) => machine.abandon(),
            Self::NonInvite(machine) => machine.abandon(),
        }
    }
}

impl Server {
    fn handle_repeated_request(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Invite(machine) => machine.handle_repeated_request(cx),
            Self::NonInvite(machine) => machine.handle_repeated_request(cx),
        }
    }

    fn handle_ack(&mut self, cx: &Context<'_>) -> bool {
        match self {
            Self::Invite(machine) => machine.handle_ack(cx),
            Self::NonInvite(_) => false,
        }
    }

    fn answer_tag(&self) -> Option<&str> {
        match self {
            Self::Invite(machine) => machine.answer_tag(),
            Self::NonInvite(_) => None,
        }
    }

    fn respond(&mut self, cx: &mut Context<'_>, response: Response, insistent: bool) {
        match self {
            Self::Invite(machine) => machine.respond(cx, response, insistent),
            Self::NonInvite(machine) => machine.respond(cx, response),
        }
    }
}

/// A machine is whichever of the two it is.
macro_rules! either_machine {
    ($side:ty) => {
        impl Machine for $side {
            fn handle_timeout(&mut self, cx: &mut Context<'_>) {
                match self {
                    Self::Invite(machine) => machine.handle_timeout(cx),
                    Self::NonInvite(machine) => machine.handle_timeout(cx),
                }
            }

            fn handle_transport_error(&mut self, cx: &mut Context<'_>) {
                match self {
                    Self::Invite(machine) => machine.handle_transport_error(cx),
                    Self::NonInvite(machine) => machine.handle_transport_error(cx),
                }
            }

            fn next_timeout(&self) -> Option<Instant> {
                match self {
                    Self::Invite(machine) => machine.next_timeout(),
                    Self::NonInvite(machine) => machine.next_timeout(),
                }
            }

            fn hop(&self) -> &Hop {
                match self {
                    Self::Invite(machine) => machine.hop(),
                    Self::NonInvite(machine) => machine.hop(),
                }
            }

            fn state(&self) -> &'static str {
                match self {
                    Self::Invite(machine) => machine.state(),
                    Self::NonInvite(machine) => machine.state(),
                }
            }

            fn ended(&self) -> bool {
                match self {
                    Self::Invite(machine) => machine.ended(),
                    Self::NonInvite(machine) => machine.ended(),
                }
            }
        }
    };
}

either_machine!(Client);
either_machine!(Server);
