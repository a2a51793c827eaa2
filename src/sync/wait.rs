//! Waiting: for a signal, a time, or the end.

use std::time::Duration;

use tokio::sync::Notify;
pub(super) use tokio_util::sync::CancellationToken as Shutdown;

use super::core::Core;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Somebody called, or the time came.
    Go,
    /// The engine is stopping.
    Shutdown,
}

/// Waits for `wake`, for `pause` to pass, or for shutdown.
pub(super) async fn until(core: &Core, wake: &Notify, pause: Duration, shutdown: &Shutdown) -> Outcome {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Outcome::Shutdown,
        () = wake.notified() => Outcome::Go,
        () = core.clock.sleep(pause) => Outcome::Go,
    }
}

/// Waits for `wake` or shutdown, however long it takes.
pub(super) async fn for_signal(wake: &Notify, shutdown: &Shutdown) -> Outcome {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Outcome::Shutdown,
        () = wake.notified() => Outcome::Go,
    }
}
