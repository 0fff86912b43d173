//! Whether bytes come directly: we call the sender, and where that has not got through by the time we know what is offered, the sender calls us, too.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    channel::{
        client::direct::{Dialling, Opening, Serving, Unreached, Ways},
        keys::Pairwise,
        wire::{Role, letter::Way, pass::Pass},
    },
    clock,
};

/// How long we try before a sender that calls is told where to: on a network of our own that is enough, and the sender learns no address of ours.
const FIRST: Duration = Duration::from_millis(100);
/// How long the sender may take to say what came of its calls, for which it has a second, where there is another way.
const CALLED: Duration = Duration::from_millis(1500);

/// Both tries. Dropping them ends them.
#[derive(Debug)]
pub(super) struct Reaching {
    pairwise: Pairwise,
    began: Instant,
    /// How long each may take where nothing else will do.
    patience: Option<Duration>,
    ours: Option<Dialling>,
    /// Or why there are none.
    theirs: Result<Theirs, &'static str>,
}

/// The sender's, who has been told where.
#[derive(Debug)]
struct Theirs {
    serving: Serving,
    told: Told,
    until: Instant,
}

/// What the sender says of them.
type Told = oneshot::Receiver<Result<(), String>>;
/// Where that is put.
pub(super) type Tell = oneshot::Sender<Result<(), String>>;

impl Reaching {
    /// Begins to call a sender with this pass. `patience` is for where nothing but `ways` will do.
    pub(super) fn begin(pass: &Pass, pairwise: Pairwise, ways: Ways, patience: Duration, here: bool) -> Self {
        let patience = (!ways.may_be_relayed()).then_some(patience);
        let calls = ways.may_be_direct() && !pass.direct.is_empty();
        let ours = calls.then(|| Dialling::begin(&pass.direct, pairwise.clone(), Role::Receiver, patience, here));
        Self { pairwise, began: clock::now().into(), patience, ours, theirs: Err("it calls nobody") }
    }

    /// Opens a port for a sender that calls, unless we get through to it first: its addresses, and where to put what the sender says of them.
    pub(super) async fn open(&mut self, opening: &Opening) -> Option<(Vec<SocketAddr>, Tell)> {
        if let Some(dialling) = &mut self.ours
            && timeout_at(self.began + FIRST, dialling.reached()).await.unwrap_or(false)
        {
            return None;
        }
        let Some(listening) = opening.open() else {
            self.theirs = Err("there is no address here that it could call");
            return None;
        };
        let addresses = listening.addresses().to_vec();
        let (tell, told) = oneshot::channel();
        let until = Instant::from_std(clock::now()) + self.patience.unwrap_or(CALLED);
        let serving = listening.serve(self.pairwise.clone(), Role::Receiver, opening.streams);
        self.theirs = Ok(Theirs { serving, told, until });
        Some((addresses, tell))
    }

    /// All data connections, and who has made them, as soon as one of the two tries has come to something.
    ///
    /// # Errors
    /// Why neither has, in words.
    pub(super) async fn settle(self, streams: u8) -> Result<(Way, Vec<TcpStream>), String> {
        let Self { ours, theirs, .. } = self;
        let (mut we, mut they) = (String::new(), String::new());
        let calling = async {
            let settled = match ours {
                Some(dialling) => dialling.settle(streams).await,
                None => Err(Unreached::default()),
            };
            settled.map_err(|unreached| we = unreached.to_string())
        };
        let called = async {
            let come = match theirs {
                Ok(theirs) => theirs.come().await.map_err(|why| format!("called from there: {why}")),
                Err(why) => Err(why.to_owned()),
            };
            come.map_err(|why| they = why)
        };
        tokio::select! {
            biased;
            Ok(connections) = calling => return Ok((Way::Direct, connections)),
            Ok(connections) = called => return Ok((Way::Called, connections)),
            else => {}
        }
        Err(format!("{we}; {they}"))
    }
}

impl Theirs {
    /// The data connections, once the sender has said that they are there.
    async fn come(self) -> Result<Vec<TcpStream>, String> {
        let Self { serving, told, until } = self;
        match timeout_at(until, told).await {
            Ok(Ok(told)) => told?,
            Ok(Err(_)) | Err(_) => return Err("no answer".to_owned()),
        }
        serving.take().await.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
