//! SIGHUP: the configuration, the certificates and the accounts are read again.

use super::{App, lifecycle};
use crate::config::{Effective, Loaded, Path, load};

/// The keys whose change takes effect at once; that of any other at the next start.
const AT_ONCE: [&str; 4] = ["conference", "log", "stop", "tls"];

/// Reads everything again. What is wrong is logged, and the old stays in force.
pub(super) async fn reload(app: &mut App) {
    tracing::info!("reloading");
    lifecycle::reloading();
    match load(&app.options.sources) {
        Ok(Loaded { config, layers }) => {
            let (now, later) = changes(&app.layers.effective(&app.config), &layers.effective(&config));
            for key in &later {
                tracing::warn!(%key, "this change takes effect at the next start");
            }
            for key in &now {
                tracing::info!(%key, "changed");
            }
            // What runs is what was started, but for what takes effect at once.
            app.config.conference = config.conference;
            app.config.log = config.log;
            app.config.tls = config.tls;
            app.config.stop = config.stop;
            app.layers = layers;
            if let Some(log) = app.options.log {
                log(&app.config.log);
            }
            app.roles.take_config(&app.config).await;
        }
        Err(error) => tracing::error!(%error, "the configuration cannot be used; the old one stays"),
    }
    match app.certificates.reload(&app.config) {
        Ok(()) => tracing::info!("read the certificates"),
        Err(error) => tracing::error!(%error, "the certificates cannot be used; the old ones stay"),
    }
    match app.accounts.refresh().await {
        Ok(()) => tracing::info!(accounts = app.accounts.current().accounts().count(), "read the accounts"),
        Err(error) => tracing::error!(%error, "the accounts cannot be read; the old ones stay"),
    }
    lifecycle::reloaded();
}

/// The keys whose values differ: those that take effect at once, and the others.
fn changes(old: &[Effective], new: &[Effective]) -> (Vec<Path>, Vec<Path>) {
    let changed = new.iter().filter(|value| old.iter().find(|other| other.key == value.key).is_none_or(|other| other.value != value.value));
    changed.map(|value| value.key.clone()).partition(|key| AT_ONCE.iter().any(|prefix| Path::of_keys(prefix).covers(key)))
}
