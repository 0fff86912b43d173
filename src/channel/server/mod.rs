//! The relay as it runs: sockets around the machine of [`super::relay`], and the copying of what data connections carry.
//!
//! | file | what |
//! |---|---|
//! | `actor.rs` | the one loop around the machine |
//! | `connection.rs` | a connection, until it is handed to a copying |
//! | `flow.rs` | a copying: takes connections over, tells how it goes |
//! | `pump.rs`, `fan.rs` | the bytes of a data connection, to one receiver and to several |
//! | `memory.rs` | the budget for bytes on their way, and buffers that grow in it |
//! | `meter.rs` | what was passed on, and waited for |

mod actor;
mod connection;
mod fan;
mod flow;
mod memory;
mod meter;
mod pump;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(in crate::channel) use self::connection::watch_over;
use self::{
    actor::{Actor, INPUTS, Input},
    memory::Budget,
};
use super::{
    link::Link,
    relay::{Applicant, Numbers, Relay, Settings, Standing},
    wire::proof::Challenge,
};
use crate::{clock, sip::transport::TlsStore};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long nothing is accepted after the system had no descriptor left.
const BREATH: Duration = Duration::from_millis(100);

/// Who a ticket is from. `daemon` ties it to the accounts.
pub trait Admit: Send + Sync + fmt::Debug {
    /// The applicant that a ticket names, which has to be for a connection with this challenge ([`ticket_action`](super::wire::request::ticket_action)).
    fn applicant(&self, ticket: &str, challenge: &Challenge) -> Applicant;
}

/// No ticket is good.
#[derive(Debug, Clone, Copy)]
pub struct NoTickets;

impl Admit for NoTickets {
    fn applicant(&self, _ticket: &str, _challenge: &Challenge) -> Applicant {
        Applicant::Unverified("this relay knows no accounts".to_owned())
    }
}

/// How much a relay holds and has done, readable at any time.
#[derive(Debug, Default)]
pub struct Gauges(Mutex<(Numbers, Standing, u64)>);

impl Gauges {
    /// Counters, what it holds, and bytes of memory for bytes on their way.
    pub fn read(&self) -> (Numbers, Standing, u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, relay: &Relay, budget: &Budget) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (relay.numbers().clone(), relay.standing(), budget.taken());
    }
}

/// Listeners of a relay that is not yet started.
#[derive(Debug)]
pub struct Bound(Vec<Listener>);

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    /// What terminals are shown at one that speaks TLS.
    certificates: Option<Arc<TlsStore>>,
}

impl Bound {
    /// Opens them, without TLS.
    ///
    /// # Errors
    /// This address cannot be listened on.
    pub fn open(addresses: &[SocketAddr]) -> Result<Self, (SocketAddr, io::Error)> {
        Self::open_with(addresses.iter().map(|address| (*address, None)))
    }

    /// Opens them; those that come with certificates speak TLS.
    ///
    /// # Errors
    /// This address cannot be listened on.
    pub fn open_with(listeners: impl IntoIterator<Item = (SocketAddr, Option<Arc<TlsStore>>)>) -> Result<Self, (SocketAddr, io::Error)> {
        let open = |address: SocketAddr| {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        let open = |(address, certificates)| match open(address) {
            Ok(socket) => Ok(Listener { socket, certificates }),
            Err(error) => Err((address, error)),
        };
        listeners.into_iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// What they listen on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|listener| listener.socket.local_addr().ok()).collect()
    }
}

impl Listener {
    fn link(&self, stream: TcpStream) -> Option<Link> {
        match &self.certificates {
            None => Some(Link::plain(stream)),
            // Whoever runs the relay sees to it that there is a certificate, and a reload keeps one.
            Some(certificates) => certificates.server_config().map(|config| Link::open(stream, config)),
        }
    }
}

/// A relay that runs.
#[derive(Debug)]
pub struct Running {
    inputs: mpsc::Sender<Input>,
    gauges: Arc<Gauges>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    /// Starts a relay on its listeners. `memory` is the budget in bytes for bytes on their way.
    pub fn start(bound: Bound, settings: Settings, memory: u64, admit: Arc<dyn Admit>) -> Self {
        let (inputs, arrivals) = mpsc::channel(INPUTS);
        let (tasks, stop, gauges) = (TaskTracker::new(), CancellationToken::new(), Arc::<Gauges>::default());
        let relay = Relay::new(settings, clock::seed());
        let actor = Actor::new(relay, admit, inputs.clone(), Budget::new(memory), Arc::clone(&gauges), tasks.clone());
        tasks.spawn(actor.run(arrivals, stop.clone()));
        for listener in bound.0 {
            tasks.spawn(accept(listener, inputs.clone(), stop.clone()));
        }
        Self { inputs, gauges, tasks, stop }
    }

    /// Counters.
    pub fn gauges(&self) -> Arc<Gauges> {
        Arc::clone(&self.gauges)
    }

    /// New applications are refused from now on; channels go on.
    pub async fn drain(&self) {
        // It may have ended.
        let _ = self.inputs.send(Input::Drain).await;
    }

    /// Closes everything, and waits for it.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends when it has ended, which it does not by itself.
    pub async fn ended(&self) {
        self.stop.cancelled().await;
    }
}

async fn accept(listener: Listener, inputs: mpsc::Sender<Input>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let Some(link) = listener.link(stream) else { continue };
                if inputs.send(Input::Connected { link, from }).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(BREATH).await;
            }
        }
    }
}
