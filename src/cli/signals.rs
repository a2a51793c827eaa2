//! Signals → cancellation. The first one asks for a clean end, the second takes it.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// What `128 + SIGTERM` is, for whoever looks at the exit code after a second signal.
const KILLED: i32 = 143;

/// Cancelled by SIGTERM or SIGINT: for what runs without a terminal of its own.
pub(super) fn shutdown() -> Result<CancellationToken> {
    on(&[SignalKind::terminate(), SignalKind::interrupt()])
}

/// Cancelled by SIGTERM or SIGHUP: on a console, Ctrl-C is a key.
pub(super) fn end_of_session() -> Result<CancellationToken> {
    on(&[SignalKind::terminate(), SignalKind::hangup()])
}

fn on(kinds: &[SignalKind]) -> Result<CancellationToken> {
    let token = CancellationToken::new();
    for kind in kinds {
        let mut arrivals = signal(*kind)
            .map_err(|error| Error::unavailable("signals cannot be received").because(&error).hint("out of files?"))?;
        let token = token.clone();
        tokio::spawn(async move {
            while arrivals.recv().await.is_some() {
                if token.is_cancelled() {
                    std::process::exit(KILLED);
                }
                token.cancel();
            }
        });
    }
    Ok(token)
}
