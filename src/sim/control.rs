//! The control API `/_sim/…` that every simulator offers beside its own (`docs/CLI.md`).
//!
//! It is not part of any contract and has no authentication: simulators listen on loopback with
//! invented data. Faults never touch it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::fault::{FaultSpec, Faults};
use super::ledger::Ledger;

/// An edit by another user of the simulated system: `POST /_sim/edit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Object type as the system names it.
    pub object: String,
    /// Record to change; without it one is created.
    #[serde(default, deserialize_with = "text_or_number")]
    pub id: Option<String>,
    /// Fields to set, under the system's own names.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// Deletes the record instead.
    #[serde(default)]
    pub delete: bool,
    /// Merges the record into this one instead, where the system knows merging.
    #[serde(default, deserialize_with = "text_or_number")]
    pub merge_into: Option<String>,
}

impl Edit {
    /// Sets `fields` (a JSON object) on record `id`.
    pub fn update(object: &str, id: impl ToString, fields: Value) -> Self {
        Self { object: object.into(), id: Some(id.to_string()), fields: object_of(fields), ..Self::default() }
    }

    /// Creates a record with `fields` (a JSON object).
    pub fn create(object: &str, fields: Value) -> Self {
        Self { object: object.into(), fields: object_of(fields), ..Self::default() }
    }

    /// Deletes record `id`.
    pub fn delete(object: &str, id: impl ToString) -> Self {
        Self { object: object.into(), id: Some(id.to_string()), delete: true, ..Self::default() }
    }

    /// Merges record `id` into `survivor`.
    pub fn merge(object: &str, id: impl ToString, survivor: impl ToString) -> Self {
        Self {
            object: object.into(),
            id: Some(id.to_string()),
            merge_into: Some(survivor.to_string()),
            ..Self::default()
        }
    }
}

fn object_of(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(serde::de::Error::custom("id is neither text nor a number")),
    }
}

/// Why an edit was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No such object type.
    #[error("no object '{0}'")]
    UnknownObject(String),
    /// No such record, or it is deleted.
    #[error("no record '{0}'")]
    UnknownRecord(String),
    /// A field the object does not have, or a value it cannot hold.
    #[error("field '{0}' is unknown or its value cannot be held")]
    BadField(String),
    /// The system does not know merging.
    #[error("records of this system cannot be merged")]
    NoMerging,
}

/// What the control API needs of a simulator.
pub trait Simulated: Send + Sync + 'static {
    /// Its name (`ivvy`, `salesforce`, `s360`).
    fn name(&self) -> &'static str;

    /// Its ledger.
    fn ledger(&self) -> &Ledger;

    /// Its faults.
    fn faults(&self) -> &Faults;

    /// Acts as another user: new modification stamp, ledger row by `user`. Returns the record's id.
    ///
    /// # Errors
    /// When the object, record or a field does not exist.
    fn edit(&self, edit: &Edit) -> Result<String, EditError>;

    /// All live records of `object` as the system would show them; `None` for an unknown object.
    fn records(&self, object: &str) -> Option<Vec<Value>>;
}

/// The `/_sim` routes over `simulated`.
pub fn routes<S: Simulated>(simulated: Arc<S>) -> Router {
    Router::new()
        .route("/_sim/health", get(health::<S>))
        .route("/_sim/ledger", get(ledger::<S>))
        .route("/_sim/fault", post(arm::<S>).get(armed::<S>).delete(clear::<S>))
        .route("/_sim/edit", post(edit::<S>))
        .route("/_sim/records/{object}", get(records::<S>))
        .with_state(simulated)
}

async fn health<S: Simulated>(State(sim): State<Arc<S>>) -> Json<Value> {
    Json(json!({"ok": true, "system": sim.name(), "effects": sim.ledger().len()}))
}

async fn ledger<S: Simulated>(State(sim): State<Arc<S>>) -> Response {
    Json(sim.ledger().report()).into_response()
}

async fn arm<S: Simulated>(State(sim): State<Arc<S>>, Json(spec): Json<FaultSpec>) -> Response {
    match sim.faults().arm(spec) {
        Ok(()) => Json(json!({"armed": sim.faults().armed()})).into_response(),
        Err(error) => refused(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn armed<S: Simulated>(State(sim): State<Arc<S>>) -> Json<Value> {
    Json(json!({"armed": sim.faults().armed()}))
}

async fn clear<S: Simulated>(State(sim): State<Arc<S>>) -> Json<Value> {
    sim.faults().clear();
    Json(json!({"armed": []}))
}

async fn edit<S: Simulated>(State(sim): State<Arc<S>>, Json(edit): Json<Edit>) -> Response {
    match sim.edit(&edit) {
        Ok(id) => Json(json!({"id": id})).into_response(),
        Err(error @ (EditError::BadField(_) | EditError::NoMerging)) => {
            refused(StatusCode::BAD_REQUEST, &error.to_string())
        }
        Err(missing) => refused(StatusCode::NOT_FOUND, &missing.to_string()),
    }
}

async fn records<S: Simulated>(State(sim): State<Arc<S>>, Path(object): Path<String>) -> Response {
    match sim.records(&object) {
        Some(records) => Json(json!({"records": records})).into_response(),
        None => refused(StatusCode::NOT_FOUND, &EditError::UnknownObject(object).to_string()),
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message}))).into_response()
}
