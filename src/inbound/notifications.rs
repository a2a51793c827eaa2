//! Where iVvy's notifications are posted to (N-07). What they mean is the intake's business.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use super::intake::{Intake, Verdict};
use super::receiver::{Routes, Unread, in_time, whole_body};
use crate::seam::Clock;

/// The one path there is.
pub const PATH: &str = "/ivvy/notifications";

/// Largest body read. SNS sends 256 kB at most.
const LARGEST: usize = 1024 * 1024;
/// SNS gives up after fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(14);

#[derive(Clone)]
struct Desk {
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
}

/// The route for `intake`.
pub fn notification_routes(intake: Arc<Intake>, clock: Arc<dyn Clock>) -> Routes {
    Router::new().route(PATH, post(deliver)).with_state(Desk { intake, clock })
}

/// One delivery, from its first byte to the verdict.
async fn deliver(State(desk): State<Desk>, body: Body) -> StatusCode {
    // Invariant: every verdict's status is one of HTTP's.
    let status = |verdict: Verdict| StatusCode::from_u16(verdict.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let handled = async {
        match whole_body(body, LARGEST).await {
            Ok(body) => status(desk.intake.receive(&body).await),
            Err(Unread::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Err(Unread::Broken) => StatusCode::BAD_REQUEST,
        }
    };
    in_time(desk.clock.as_ref(), PATIENCE, handled).await.unwrap_or_else(|| status(Verdict::Later))
}
