//! What a service manager wants to hear: ready, alive, stopping. Silent when there is none.

use std::sync::Arc;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::seam::Clock;

/// Says that the daemon serves.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the daemon is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog that we live, as often as it wants, until `shutdown`. Returns at once when
/// no watchdog is set. Run it on the runtime that does the work, so that a stuck one is noticed.
pub async fn watchdog(clock: Arc<dyn Clock>, shutdown: CancellationToken) {
    let Some(every) = sd_notify::watchdog_enabled() else { return };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::select! {
            () = clock.sleep(every / 2) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
