//! Names to addresses: literals and `localhost` at once, others by the system's resolver, a bounded number at a time.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::TransportLimits;
use crate::{clock, sip::node::SendFault};

/// How long an answer of the resolver is used; it tells no time to live.
const LIFE: Duration = Duration::from_secs(30);

/// Names remembered. At the bound all that are not being asked for are forgotten.
const MAX_NAMES: usize = 1024;

/// Addresses used of one name.
const MAX_ADDRESSES: usize = 8;

type Answer = Result<Vec<SocketAddr>, SendFault>;

#[derive(Debug)]
pub(super) struct Names {
    table: Mutex<BTreeMap<(String, u16), Entry>>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    limit: Duration,
}

#[derive(Debug)]
enum Entry {
    Asking(watch::Receiver<Option<Answer>>),
    Known { addresses: Vec<SocketAddr>, until: Instant },
}

impl Names {
    pub(super) fn new(limits: &TransportLimits) -> Self {
        Self {
            table: Mutex::default(),
            running: Arc::new(Semaphore::new(limits.lookups)),
            waiting: Arc::new(Semaphore::new(limits.waiting_for_names)),
            limit: limits.lookup,
        }
    }

    /// The addresses where they are known without asking; never empty.
    pub(super) fn known(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        literal(host, port).or_else(|| match self.lock().get(&(host.to_owned(), port))? {
            Entry::Known { addresses, until } if *until > clock::now() => Some(addresses.clone()),
            Entry::Known { .. } | Entry::Asking(_) => None,
        })
    }

    /// The right to wait for a look-up.
    pub(super) fn wait(&self) -> Result<OwnedSemaphorePermit, SendFault> {
        self.waiting.clone().try_acquire_owned().map_err(|_| SendFault::Full)
    }

    /// The addresses of a name, never empty. Who asks for a name that is being asked for waits for that answer.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> Answer {
        if let Some(addresses) = self.known(host, port) {
            return Ok(addresses);
        }
        loop {
            match self.join(host, port) {
                Ok(mut asked) => {
                    // The asker may be gone before it has told: then somebody else asks anew.
                    if let Ok(answer) = asked.wait_for(Option::is_some).await {
                        return answer.clone().unwrap_or(Err(SendFault::NoSuchHost));
                    }
                }
                Err(tell) => {
                    let answer = self.ask(host, port).await;
                    self.note(host, port, &answer);
                    tell.send_replace(Some(answer.clone()));
                    return answer;
                }
            }
        }
    }

    /// Takes an address that proved dead from a name's answer, so that the next message tries another; with the last the name
    /// is asked for anew.
    pub(super) fn distrust(&self, address: SocketAddr) {
        self.lock().retain(|_, entry| {
            let Entry::Known { addresses, .. } = entry else { return true };
            addresses.retain(|a| *a != address);
            !addresses.is_empty()
        });
    }

    fn join(&self, host: &str, port: u16) -> Result<watch::Receiver<Option<Answer>>, watch::Sender<Option<Answer>>> {
        let mut table = self.lock();
        let name = (host.to_owned(), port);
        match table.get(&name) {
            Some(Entry::Asking(asked)) if asked.has_changed().is_ok() || asked.borrow().is_some() => return Ok(asked.clone()),
            Some(Entry::Asking(_) | Entry::Known { .. }) | None => {}
        }
        if table.len() >= MAX_NAMES {
            table.retain(|_, entry| matches!(entry, Entry::Asking(asked) if asked.has_changed().is_ok()));
        }
        let (tell, asked) = watch::channel(None);
        table.insert(name, Entry::Asking(asked));
        Err(tell)
    }

    async fn ask(&self, host: &str, port: u16) -> Answer {
        let Ok(running) = self.running.clone().acquire_owned().await else { return Err(SendFault::NoSuchHost) };
        let name = host.to_owned();
        // The thread cannot be stopped: when the time is over it is left to end by itself, holding its permit, so that
        // resolvers that hang are never more than the bound.
        let asked = tokio::task::spawn_blocking(move || {
            let _running = running;
            (name.as_str(), port).to_socket_addrs().map(|all| all.take(MAX_ADDRESSES).collect::<Vec<_>>())
        });
        match tokio::time::timeout(self.limit, asked).await {
            Ok(Ok(Ok(addresses))) if !addresses.is_empty() => Ok(addresses),
            _ => Err(SendFault::NoSuchHost),
        }
    }

    fn note(&self, host: &str, port: u16, answer: &Answer) {
        let mut table = self.lock();
        match answer {
            Ok(addresses) => {
                table.insert((host.to_owned(), port), Entry::Known { addresses: addresses.clone(), until: clock::now() + LIFE })
            }
            Err(_) => table.remove(&(host.to_owned(), port)),
        };
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, u16), Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Addresses that need no look-up: literals, brackets around IPv6 tolerated, and `localhost` (RFC 6761 §6.3).
fn literal(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(ip) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Some(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.trim_end_matches('.');
    let local = host.eq_ignore_ascii_case("localhost") || host.len() > 10 && host.to_ascii_lowercase().ends_with(".localhost");
    local.then(|| vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&TransportLimits::default())
    }

    #[test]
    fn literals_and_localhost_need_no_resolver() {
        let known = |host: &str| names().known(host, 5060).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        assert_eq!(known("192.0.2.7").as_deref(), Some("192.0.2.7:5060"));
        assert_eq!(known("[2001:db8::1]").as_deref(), Some("[2001:db8::1]:5060"));
        assert_eq!(known("2001:db8::1").as_deref(), Some("[2001:db8::1]:5060"));
        assert_eq!(known("LocalHost.").as_deref(), Some("127.0.0.1:5060 [::1]:5060"));
        assert_eq!(known("as.localhost").as_deref(), Some("127.0.0.1:5060 [::1]:5060"));
        assert_eq!(known("notlocalhost"), None);
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_is_unknown() {
        // RFC 6761 §6.4: no resolver knows a name below `invalid`.
        let names = names();
        let (one, two) = tokio::join!(names.resolve("nobody.invalid", 5060), names.resolve("nobody.invalid", 5060));
        assert_eq!((one, two), (Err(SendFault::NoSuchHost), Err(SendFault::NoSuchHost)));
        assert!(names.lock().is_empty(), "failures are not remembered");
    }

    #[tokio::test]
    async fn an_asker_that_is_gone_is_replaced() {
        let names = names();
        let tell = names.join("nobody.invalid", 5060).expect_err("the first asks");
        let wait = names.resolve("nobody.invalid", 5060);
        tokio::pin!(wait);
        assert!(futures_poll_once(wait.as_mut()).await.is_none(), "the second waits");
        drop(tell);
        assert_eq!(wait.await, Err(SendFault::NoSuchHost), "and asks by itself at last");
    }

    /// Polls once; `None` when it waits.
    async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|cx| match std::pin::Pin::new(&mut future).poll(cx) {
            std::task::Poll::Ready(out) => std::task::Poll::Ready(Some(out)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }

    #[test]
    fn a_dead_address_gives_way_to_the_next() {
        let names = names();
        let (one, two) = (SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 2], 5060)));
        names.note("a.example", 5060, &Ok(vec![one, two]));
        names.distrust(one);
        assert_eq!(names.known("a.example", 5060), Some(vec![two]));
        names.distrust(two);
        assert_eq!(names.known("a.example", 5060), None, "asked for anew");
    }

    #[test]
    fn waiting_is_bounded() {
        let names = Names::new(&TransportLimits { waiting_for_names: 1, ..TransportLimits::default() });
        let _one = names.wait().expect("room");
        assert_eq!(names.wait().err(), Some(SendFault::Full));
    }
}
