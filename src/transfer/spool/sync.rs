//! The task that moves the durable mark, while bytes go on being written.

use std::{sync::Arc, time::Duration};

use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{Shared, SpoolOptions, disk};

/// Syncs after so many bytes or so long, until the spool is gone, or syncing fails: then the stream has failed.
pub(super) async fn keep_durable(shared: Arc<Shared>, options: SpoolOptions, stop: CancellationToken) {
    let (bytes, interval) = (options.sync_bytes.max(1), options.sync_interval);
    let mut watch = shared.state.subscribe();
    loop {
        let turn = async {
            next_mark(&shared, &mut watch, bytes, interval).await;
            match options.syncs.clone() {
                // It is never closed.
                Some(syncs) => syncs.acquire_owned().await.ok(),
                None => None,
            }
        };
        let permit = tokio::select! {
            () = stop.cancelled() => return,
            permit = turn => permit,
        };
        // What came while the turn was waited for is synced with it.
        let mark = watch.borrow().written;
        let ours = Arc::clone(&shared);
        // What was written before the call is durable after it; what comes meanwhile is the next round's.
        let synced = disk::blocking(move || disk::sync(&ours.file, &ours.path)).await;
        drop(permit);
        match synced {
            Ok(()) => shared.state.send_modify(|state| state.durable = state.durable.max(mark)),
            Err(error) => {
                shared.end_with(error);
                return;
            }
        }
    }
}

/// Waits until it is time to sync.
async fn next_mark(shared: &Shared, watch: &mut tokio::sync::watch::Receiver<super::SpoolState>, bytes: u64, interval: Duration) {
    // The sender of the state is in `shared`: it cannot be gone.
    let _ = watch.wait_for(|state| state.written > state.durable).await;
    tokio::select! {
        () = time::sleep(interval) => {}
        () = shared.hurry.notified() => {}
        _ = watch.wait_for(|state| state.written - state.durable >= bytes) => {}
    }
}
