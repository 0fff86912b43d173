//! Closing: calls, subscriptions, conferences, the server; and what was said, as a ladder.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use super::{Stage, together};
use crate::{
    cli::{
        confctl::dialog,
        scenario::{journal::Record, ladder::Ladder},
    },
    conference::wire::control::Command,
};

/// How long subscriptions may take to end.
const PARTING: Duration = Duration::from_secs(3);

impl Stage {
    /// Ends everything: calls, subscriptions, conferences that the scenario left behind, the server.
    pub async fn close(self) -> Option<Record> {
        let Self { actors, audiences, made, addresses, servers, trace, tasks, journal, context, scenario, folder, .. } = self;
        journal.doing("leaving");
        let mut names: BTreeMap<String, String> =
            actors.values().map(|a| (a.participant.local().to_string(), a.terminal.name.to_string())).collect();
        names.extend(addresses.into_inner().unwrap_or_else(PoisonError::into_inner));
        for left in together(actors.into_values().map(|player| player.actor.leave())).await {
            if let Err(failure) = left {
                context.output.warn(failure);
            }
        }
        for audience in audiences.into_inner().unwrap_or_else(PoisonError::into_inner).into_values() {
            audience.leave();
        }
        tasks.close();
        if timeout(PARTING, tasks.wait()).await.is_err() {
            tracing::warn!("some subscriptions did not end");
        }
        let path = match servers {
            Some(servers) => {
                let path = servers.trace.clone();
                names.extend(servers.names.clone());
                servers.stop().await;
                Some(path)
            }
            None => {
                for name in made.into_inner().unwrap_or_else(PoisonError::into_inner) {
                    // One that has ended by itself is what was wanted.
                    let _ = dialog::ask(&context, Command::End { conference: name.to_string(), reason: None }, None).await;
                }
                if let Some((trace, _)) = &trace {
                    trace.flush().await;
                }
                trace.map(|(_, path)| path)
            }
        };
        let text = path.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let first: Vec<String> = scenario.terminals.iter().map(|terminal| terminal.name.to_string()).collect();
        let ladder = Ladder::read(&String::from_utf8_lossy(&text), journal.wall(), &names, &first);
        drop(folder);
        Arc::into_inner(journal).map(|journal| journal.close(ladder))
    }
}
