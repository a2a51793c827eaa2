//! The addresses S-360 posts to, and what it is answered: 200 once everything is on disk, and never otherwise.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, post};

use super::decode::{self, LARGEST, Unusable};
use super::take::take;
use super::{Desk, Inner, Nothing};
use crate::inbound::receiver::{Routes, Unread, in_time, whole_body};
use crate::model::{StreamId, StreamKind};

/// Longest a sender waits for an answer, from the first byte on (contract 3).
const PATIENCE: Duration = Duration::from_secs(10);
/// What a sender that has to come again is told to wait, in seconds.
const COME_AGAIN: &str = "60";

/// What became of a post that was admitted.
pub(super) enum Answer {
    Taken,
    Refused(StatusCode, &'static str),
    Later(&'static str),
}

/// One address per stream and institution.
pub(super) fn routes(inner: Arc<Inner>) -> Routes {
    Router::new()
        .route("/s360/contacts/{institution}", stream(StreamKind::S360Contacts))
        .route("/s360/orders/{institution}", stream(StreamKind::S360Orders))
        .route("/s360/access/{institution}", stream(StreamKind::S360Access))
        .with_state(inner)
}

fn stream(kind: StreamKind) -> MethodRouter<Arc<Inner>> {
    post(
        move |State(inner): State<Arc<Inner>>,
              institution: Result<Path<String>, PathRejection>,
              headers: HeaderMap,
              body: Body| async move {
            let id = institution.ok().map(|Path(institution)| StreamId::new(kind, institution));
            receive(&inner, id, &headers, body).await
        },
    )
}

/// One post, from its first byte to the answer.
async fn receive(inner: &Arc<Inner>, id: Option<StreamId>, headers: &HeaderMap, body: Body) -> Response {
    // An institution that is not ours and a stream that is not set up are the same to whoever asks.
    let Some((id, desk)) = id.as_ref().and_then(|id| inner.desks.get_key_value(id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Err(refused) = desk.stream.guard.admit(headers) {
        inner.came_to_nothing(desk, Nothing::Stranger, "its sender did not prove who it is");
        return refused.into_response();
    }
    let answer = in_time(inner.clock.as_ref(), PATIENCE, admitted(inner, id, body)).await;
    answered(inner, desk, answer.unwrap_or(Answer::Later("it could not be stored in time")))
}

fn answered(inner: &Inner, desk: &Desk, answer: Answer) -> Response {
    match answer {
        Answer::Taken => StatusCode::OK.into_response(),
        Answer::Refused(status, why) => {
            inner.came_to_nothing(desk, Nothing::Refused, why);
            (status, why).into_response()
        }
        Answer::Later(why) => {
            inner.came_to_nothing(desk, Nothing::Unstored, why);
            let mut response = (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(COME_AGAIN));
            response
        }
    }
}

pub(super) async fn admitted(inner: &Arc<Inner>, id: &StreamId, body: Body) -> Answer {
    // Invariant: the semaphore is never closed.
    let Ok(seat) = Arc::clone(&inner.seats).acquire_owned().await else {
        return Answer::Later("nothing is taken any more");
    };
    let body = match whole_body(body, LARGEST).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => {
            return Answer::Refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 8 MiB");
        }
        Err(Unread::Broken) => return Answer::Refused(StatusCode::BAD_REQUEST, "the body ends too early"),
    };
    if inner.paused.load(Ordering::Relaxed) {
        inner.failed(id, &body);
        return Answer::Later("nothing is taken at the moment");
    }
    // In a task of its own: what was begun is finished whether the sender still waits or not.
    let (shared, id) = (Arc::clone(inner), id.clone());
    inner
        .work
        .spawn(async move {
            // Kept until the body is gone, so that a slow store does not fill the memory.
            let _seat = seat;
            let answer = store(&shared, &id, body.clone()).await;
            if !matches!(answer, Answer::Taken) {
                shared.failed(&id, &body);
            }
            answer
        })
        .await
        .unwrap_or(Answer::Later("it could not be read"))
}

async fn store(inner: &Inner, id: &StreamId, body: Bytes) -> Answer {
    let stream = id.clone();
    // Eight megabytes of JSON take a while.
    let batch = tokio::task::spawn_blocking(move || decode::batch(&stream, &body)).await;
    let batch = match batch {
        Ok(Ok(batch)) => batch,
        Ok(Err(Unusable { too_large, why })) => {
            let status = if too_large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
            return Answer::Refused(status, why);
        }
        Err(_) => return Answer::Later("it could not be read"),
    };
    match take(inner, id, batch).await {
        Ok(_) => Answer::Taken,
        Err(error) => {
            tracing::error!(stream = %id, %error, "a post could not be stored");
            Answer::Later("it could not be stored")
        }
    }
}
