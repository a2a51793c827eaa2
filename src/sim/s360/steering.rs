//! The part of the control API that only this simulator has: `/_sim/s360/…`.
//!
//! | Call | What it does |
//! |---|---|
//! | `GET /_sim/s360` | institutions, streams and knobs |
//! | `POST /_sim/s360/knobs` | turns the knobs in the body |
//! | `POST /_sim/s360/receiver` | `{"institution"?, "url", "auth"?}`: where to push to; without an institution, all |
//! | `POST /_sim/s360/first_sync` | `{"institution"?}`: queues everything from the first day on |
//! | `POST /_sim/s360/run` | `{"institution"?, "stream"?}`: runs the jobs now |
//! | `GET /_sim/s360/queue` | every queue, with what was given up |
//!
//! No answer holds a secret of a receiver.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::S360Sim;
use super::pusher::Pusher;
use super::settings::{Knobs, PushAuth, Receiver, Stream};

/// What the routes work on.
#[derive(Clone)]
struct Desk {
    sim: Arc<S360Sim>,
    pusher: Option<Pusher>,
}

/// `POST …/receiver`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    institution: Option<String>,
    url: String,
    #[serde(default)]
    auth: PushAuth,
}

/// `POST …/run` and `…/first_sync`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    institution: Option<String>,
    stream: Option<Stream>,
}

pub(super) fn routes(sim: &Arc<S360Sim>, pusher: Option<Pusher>) -> Router {
    Router::new()
        .route("/_sim/s360", get(overview))
        .route("/_sim/s360/knobs", post(turn))
        .route("/_sim/s360/receiver", post(receiver))
        .route("/_sim/s360/first_sync", post(first_sync))
        .route("/_sim/s360/run", post(run))
        .route("/_sim/s360/queue", get(queues))
        .with_state(Desk { sim: Arc::clone(sim), pusher })
}

async fn overview(State(desk): State<Desk>) -> Json<Value> {
    let sim = &desk.sim;
    Json(json!({"institutions": sim.institutions(), "streams": sim.streams(), "knobs": sim.knobs()}))
}

async fn turn(State(desk): State<Desk>, Json(given): Json<Map<String, Value>>) -> Response {
    let Ok(Value::Object(mut whole)) = serde_json::to_value(desk.sim.knobs()) else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "the knobs cannot be shown");
    };
    whole.extend(given);
    match serde_json::from_value::<Knobs>(Value::Object(whole)) {
        Ok(knobs) => {
            desk.sim.set_knobs(|now| *now = knobs);
            overview(State(desk)).await.into_response()
        }
        Err(error) => refused(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn receiver(State(desk): State<Desk>, Json(address): Json<Address>) -> Response {
    let Address { institution, url, auth } = address;
    let receiver = Receiver { url, auth };
    let mut set = 0;
    for code in chosen(&desk.sim, institution.as_deref()) {
        set += usize::from(desk.sim.set_receiver(&code, Some(receiver.clone())));
    }
    done(set)
}

async fn first_sync(State(desk): State<Desk>, Json(which): Json<Chosen>) -> Response {
    let codes = chosen(&desk.sim, which.institution.as_deref());
    done(codes.iter().filter(|code| desk.sim.first_sync(code).is_ok()).count())
}

async fn run(State(desk): State<Desk>, Json(which): Json<Chosen>) -> Response {
    let Some(pusher) = desk.pusher else {
        return refused(StatusCode::NOT_FOUND, "this simulator was started without a pusher");
    };
    let streams = desk.sim.streams().iter().copied();
    let streams: Vec<Stream> = streams.filter(|stream| which.stream.is_none_or(|one| one == *stream)).collect();
    let codes = chosen(&desk.sim, which.institution.as_deref());
    // In a task of its own: a caller that hangs up must not take payloads with it.
    let running = tokio::spawn(async move {
        let mut runs = Vec::new();
        for code in codes {
            for stream in &streams {
                let run = pusher.run_once(&code, *stream).await;
                runs.push(json!({"institution": code, "stream": stream, "run": run}));
            }
        }
        runs
    });
    match running.await {
        Ok(runs) => Json(json!({"runs": runs})).into_response(),
        Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, "the run failed"),
    }
}

async fn queues(State(desk): State<Desk>) -> Json<Value> {
    let mut all = Map::new();
    for code in desk.sim.institutions() {
        let streams = desk.sim.streams().iter();
        let views = streams.map(|stream| (stream.to_string(), json!(desk.sim.queue(&code, *stream))));
        all.insert(code.clone(), Value::Object(views.collect()));
    }
    Json(Value::Object(all))
}

/// The institution named, or all.
fn chosen(sim: &S360Sim, institution: Option<&str>) -> Vec<String> {
    sim.institutions().into_iter().filter(|code| institution.is_none_or(|one| one == code)).collect()
}

fn done(count: usize) -> Response {
    match count {
        0 => refused(StatusCode::NOT_FOUND, "no such institution"),
        _ => Json(json!({"institutions": count})).into_response(),
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message}))).into_response()
}
