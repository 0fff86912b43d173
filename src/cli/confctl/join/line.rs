//! The one line that a terminal shows while somebody takes part.

use tokio::time::timeout;

use super::{Args, PARTING};
use crate::{
    cli::{
        Failure,
        confctl::{dialog, picture},
        output::Progress,
        settings::Context,
        values::Room,
    },
    clock,
    conference::client::{Identity, Participant, Phone, Session, Watch, WatchCommand, WatchEvent},
    id::ConferenceName,
    sip::endpoint::EndpointConfig,
};

/// The room, how loud it is, who talks.
pub(super) struct Line {
    progress: Progress,
    room: String,
    /// Only where somebody sees it.
    watch: Option<Session<Watch>>,
    talkers: Vec<String>,
    seen: bool,
}

impl Line {
    pub(super) async fn new(args: &Args, context: &Context, identity: Identity, focus: bool) -> Self {
        let room = args.room.to_string();
        let seen = context.output.is_lively();
        let watch = match &args.room {
            Room::Name(name) if seen && focus => watch(context, &identity, name).await.ok(),
            Room::Name(_) | Room::Uri(_) => None,
        };
        Self { progress: context.output.spinner(&room), room, watch, talkers: Vec::new(), seen }
    }

    pub(super) fn is_seen(&self) -> bool {
        self.seen
    }

    /// Learns who talks; waits for ever where nobody tells.
    pub(super) async fn follow(&mut self) {
        let told = match &mut self.watch {
            Some(session) => session.next().await,
            None => std::future::pending().await,
        };
        match told {
            Some(WatchEvent::News { picture, .. }) => {
                let talking = picture::roster(&picture).into_values().filter(|participant| participant.talking);
                self.talkers = talking.map(|p| p.name.or(p.user).unwrap_or(p.uri)).collect();
            }
            // Without who talks the line still tells the rest.
            Some(WatchEvent::Gone | WatchEvent::Failed(_) | WatchEvent::Ended) | None => self.watch = None,
        }
    }

    pub(super) async fn draw<M: Phone>(&self, participant: &Participant<M>) {
        let Ok(report) = participant.report().await else { return };
        let level = report.recent.level_dbfs.map_or_else(|| "silence".to_owned(), |level| format!("{level:.0} dBFS"));
        let talkers = if self.talkers.is_empty() { String::new() } else { format!(", talking: {}", self.talkers.join(", ")) };
        self.progress.says(&format!("{}: hearing {level}{talkers}", self.room));
    }

    pub(super) async fn close(self) {
        if let Some(mut session) = self.watch {
            session.tell(WatchCommand::Leave).await;
            let _ = timeout(PARTING, async { while session.next().await.is_some() {} }).await;
        }
    }
}

async fn watch(context: &Context, identity: &Identity, name: &ConferenceName) -> Result<Session<Watch>, Failure> {
    let transports = dialog::transports(context).await?;
    let endpoint = transports.endpoint(EndpointConfig::default());
    Ok(transports.run(Watch::new(clock::now(), endpoint, identity, &dialog::server(context), name)))
}
