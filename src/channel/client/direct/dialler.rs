//! Who calls: every address that the other end named, side by side, and the first that proves to be it.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{Tried, addresses::order, interfaces};
use crate::{
    channel::{
        client::race::{Attempt, Race},
        keys::Pairwise,
        server::watch_over,
        wire::{
            Proof, Role,
            direct::{Call, Claim, HELLO, Hello},
            frame::PREFACE,
            proof::{Challenge, LENGTH},
        },
    },
    clock,
};

/// Between two addresses: with 16 of them the last one begins while there is time left for it.
const STEP: Duration = Duration::from_millis(40);
/// How long all of it may take where there is another way.
const WITHIN: Duration = Duration::from_secs(1);
/// How long the further connections may take, to an address that has answered.
const FURTHER: Duration = Duration::from_secs(2);

/// Why there is no direct way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unreached(pub Vec<Tried>);

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(tried) = self;
        if tried.is_empty() {
            return f.write_str("it named no address that this machine can try");
        }
        f.write_str("tried ")?;
        for (at, Tried { address, why }) in tried.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{address} ({why})")?;
        }
        Ok(())
    }
}

/// A direct way that is looked for while a person decides. Dropping it ends that.
#[derive(Debug)]
pub(in crate::channel::client) struct Dialling {
    key: Key,
    way: JoinSet<Result<(SocketAddr, TcpStream), Unreached>>,
    /// What came of it, once that is known.
    first: Option<Result<(SocketAddr, TcpStream), Unreached>>,
}

/// What we prove, and as whom.
type Key = (Arc<Pairwise>, Role);

impl Dialling {
    /// Begins to try what the other end has named, for a second; where nothing else will do (`patience`), for longer. We are `own`; `here` says that we reach the relay by loopback.
    pub(in crate::channel::client) fn begin(
        offered: &[SocketAddr],
        pairwise: Pairwise,
        own: Role,
        patience: Option<Duration>,
        here: bool,
    ) -> Self {
        let key = (Arc::new(pairwise), own);
        let until = Instant::from_std(clock::now()) + patience.unwrap_or(WITHIN);
        let attempts: Vec<Attempt<_, _>> = order(offered, &interfaces::own(), here)
            .into_iter()
            .map(|address| {
                let call = call(address, 0, key.clone(), until);
                let attempt: Attempt<(SocketAddr, TcpStream), Tried> = Box::pin(async move { call.await.map(|stream| (address, stream)) });
                attempt
            })
            .collect();
        let race = Race::new(attempts, STEP).first();
        let mut way = JoinSet::new();
        way.spawn(async move { race.await.map_err(Unreached) });
        Self { key, way, first: None }
    }

    /// Whether the other end was found, once that is known. Dropping the future loses nothing.
    pub(in crate::channel::client) async fn reached(&mut self) -> bool {
        self.first().await.is_ok()
    }

    async fn first(&mut self) -> &Result<(SocketAddr, TcpStream), Unreached> {
        if self.first.is_none() {
            self.first = self.way.join_next().await.and_then(Result::ok);
        }
        // Only a runtime that goes down ends it without a word.
        self.first.get_or_insert_with(|| Err(Unreached::default()))
    }

    /// All data connections, in the order of their indices.
    ///
    /// # Errors
    /// There is no direct way, or not for so many connections.
    pub(in crate::channel::client) async fn settle(mut self, streams: u8) -> Result<Vec<TcpStream>, Unreached> {
        self.first().await;
        let (address, first) = self.first.take().unwrap_or_else(|| Err(Unreached::default()))?;
        let until = Instant::from_std(clock::now()) + FURTHER;
        let mut calling = JoinSet::new();
        for stream in 1..streams {
            let call = call(address, stream, self.key.clone(), until);
            calling.spawn(async move { call.await.map(|connection| (stream, connection)) });
        }
        let mut all = vec![(0, first)];
        while let Some(called) = calling.join_next().await {
            let called = called.map_err(|_| Unreached::default())?;
            all.push(called.map_err(|tried| Unreached(vec![tried]))?);
        }
        all.sort_by_key(|(stream, _)| *stream);
        Ok(all.into_iter().map(|(_, connection)| connection).collect())
    }
}

/// One data connection.
async fn call(address: SocketAddr, stream: u8, key: Key, until: Instant) -> Result<TcpStream, Tried> {
    let tried = |why: String| Tried { address, why };
    match timeout_at(until, prove(address, stream, &key)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(Miss::Io(error))) => Err(tried(match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "refused".to_owned(),
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => "closed without an answer".to_owned(),
            _ => error.to_string(),
        })),
        Ok(Err(Miss::Stranger)) => Err(tried("someone else answered".to_owned())),
        Err(_) => Err(tried("no answer".to_owned())),
    }
}

enum Miss {
    Io(std::io::Error),
    /// Whoever is there does not speak this protocol, or has not our key.
    Stranger,
}

impl From<std::io::Error> for Miss {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

async fn prove(address: SocketAddr, index: u8, (pairwise, own): &Key) -> Result<TcpStream, Miss> {
    let mut stream = TcpStream::connect(address).await?;
    watch_over(&stream)?;
    stream.write_all(&PREFACE).await?;
    let mut hello = [0; HELLO];
    stream.read_exact(&mut hello).await?;
    let hello = Hello::read(&hello).ok_or(Miss::Stranger)?;
    let challenge: Challenge = ChaCha12Rng::from_seed(clock::seed()).random();
    let call = Call { caller: *own, hello: hello.challenge, claim: challenge, stream: index };
    let proof = pairwise.prove(&call, *own);
    stream.write_all(&Claim { stream: index, challenge, proof }.write()).await?;
    let mut answer = [0; LENGTH];
    stream.read_exact(&mut answer).await?;
    let proven = pairwise.verify(&call, own.other(), &Proof::from_bytes(answer));
    if proven { Ok(stream) } else { Err(Miss::Stranger) }
}
