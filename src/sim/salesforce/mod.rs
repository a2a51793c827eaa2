//! A simulated Salesforce org: OAuth, the REST API with SOQL, and the failures of both.
//!
//! Written from `contracts/crm.md` 3 and 8 and from what jsforce and simple-salesforce put on the
//! wire. Where the contract leaves something open it takes the reading that is harder on a client.
//! It has no SOAP, no Bulk API, no triggers, no permissions per field.

mod auth;
mod body;
mod call;
mod command;
mod editor;
mod error;
mod id;
mod load;
mod org;
mod rest;
mod rules;
mod schema;
mod soql;
mod stamp;
mod view;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use secrecy::SecretString;
use serde_json::Value;

pub use command::run_salesforce;
pub use editor::Editor;
pub use load::Converted;
pub use org::{DuplicateRule, Knobs};
pub use schema::{Access, Field, Kind};

use auth::{Issuer, Sessions, invalid_session};
use call::{Call, Reply, respond};
use error::Refusal;
use id::SfId;
use org::{Author, Org};
use rest::{Context, Cursors};
use schema::Schema;
use write::Writer;

use super::control::{self, Edit, EditError, Simulated};
use super::fault::{FaultKind, Faults, gate};
use super::ledger::{By, Ledger};
use crate::model::Timestamp;
use crate::seam::{Clock, Entropy};

/// The API version `_sim` shows records under.
const SHOWN_AS: &str = "60.0";
/// Calls are counted over this time.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How an org is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Consumer key of the connected app.
    pub client_id: String,
    /// Consumer secret of the connected app.
    pub client_secret: SecretString,
    /// User name of the integration user, whose id API writes are stamped with.
    pub user: String,
    /// Records per query page; Salesforce has 2000. Tests make it small.
    pub page_size: usize,
    /// Whether `Ivvy_Id__c` was ticked "Unique". Without, upserts can meet several records (300).
    pub unique_key: bool,
    /// Custom fields beside the built-in ones, each with its object. One of the same name replaces.
    pub custom_fields: Vec<(String, Field)>,
    /// Behaviours in force from the start.
    pub knobs: Knobs,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: "3MVG9.tandem.simulated.connected.app".to_owned(),
            client_secret: SecretString::from("5A1E5F0RCE51MULATED"),
            user: "tandem.integration@events.example".to_owned(),
            page_size: 2000,
            unique_key: true,
            custom_fields: Vec::new(),
            knobs: Knobs::default(),
        }
    }
}

#[derive(Debug)]
struct Inside {
    org: Org,
    sessions: Sessions,
    cursors: Cursors,
    /// Minute → authenticated calls in it.
    calls: BTreeMap<i64, u64>,
}

/// The simulated org.
pub struct SalesforceSim {
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    ledger: Ledger,
    faults: Faults,
    integration: SfId,
    colleagues: Vec<SfId>,
    inside: Mutex<Inside>,
}

impl fmt::Debug for SalesforceSim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceSim").field("effects", &self.ledger.len()).finish_non_exhaustive()
    }
}

impl SalesforceSim {
    /// An org with its users and no other records. Time comes from `clock`; tokens, authors of edits
    /// and chancy faults from `entropy`.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, entropy: Entropy) -> Arc<Self> {
        let schema = Schema::new(&settings.custom_fields, settings.unique_key);
        let mut org = Org::new(schema, settings.knobs.clone());
        let (integration, colleagues) = load::users(&mut org, &settings.user, clock.now());
        let inside = Inside { org, sessions: Sessions::default(), cursors: Cursors::default(), calls: BTreeMap::new() };
        Arc::new(Self {
            settings,
            clock,
            faults: Faults::new(entropy.clone()),
            entropy,
            ledger: Ledger::new(),
            integration,
            colleagues,
            inside: Mutex::new(inside),
        })
    }

    /// The API behind the fault gate, and the control API.
    pub fn router(self: &Arc<Self>) -> Router {
        let api = Router::new().fallback(any(answer)).with_state(Arc::clone(self));
        let gated = gate(api, self.faults.clone(), Arc::clone(&self.clock), refusal);
        control::routes(Arc::clone(self)).fallback_service(gated)
    }

    /// The credentials and page size this org was set up with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every accepted effect.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The faults in wait.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Changes behaviours of the running org.
    pub fn set_knobs(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.lock().org.knobs);
    }

    /// Ends every session: the next calls answer 401 until their callers log in again.
    pub fn expire_sessions(&self) {
        self.lock().sessions.expire();
    }

    /// API calls counted in the last 24 hours.
    pub fn calls_made(&self) -> u64 {
        self.lock().calls_in_a_day(self.clock.now())
    }

    /// Creates a record as another user would. Returns its id.
    ///
    /// # Errors
    /// When the object does not exist or its rules refuse the fields.
    pub fn insert(&self, object: &str, fields: Value) -> Result<String, EditError> {
        self.edit_as_user(&Edit::create(object, fields))
    }

    /// Changes a record as another user would.
    ///
    /// # Errors
    /// When the object or record does not exist or its rules refuse the fields.
    pub fn edit(&self, object: &str, id: &str, fields: Value) -> Result<(), EditError> {
        self.edit_as_user(&Edit::update(object, id, fields)).map(|_| ())
    }

    /// Deletes a record as another user would.
    ///
    /// # Errors
    /// When the object or record does not exist.
    pub fn delete(&self, object: &str, id: &str) -> Result<(), EditError> {
        self.edit_as_user(&Edit::delete(object, id)).map(|_| ())
    }

    /// Merges `loser` into `master` as another user would.
    ///
    /// # Errors
    /// When the object or one of the records does not exist.
    pub fn merge(&self, object: &str, master: &str, loser: &str) -> Result<(), EditError> {
        self.edit_as_user(&Edit::merge(object, loser, master)).map(drop)
    }

    /// All living records of an object with every field, as they are committed.
    pub fn records(&self, object: &str) -> Option<Vec<Value>> {
        let inside = self.lock();
        let object = inside.org.schema.object(object)?.name;
        let now = self.clock.now();
        let living = inside.org.all_committed(object).filter(|(_, version)| !version.deleted);
        let view = |(id, version)| view::View { org: &inside.org, object, id, version, now }.whole(SHOWN_AS);
        Some(living.map(view).collect())
    }

    fn edit_as_user(&self, edit: &Edit) -> Result<String, EditError> {
        let writer = self.colleague();
        let mut inside = self.lock();
        let object = inside.org.schema.object(&edit.object).map(|object| object.name);
        let object = object.ok_or_else(|| EditError::UnknownObject(edit.object.clone()))?;
        let done = match &edit.id {
            None => writer.create(&mut inside.org, object, &edit.fields),
            Some(text) => {
                let parse = |text: &String| SfId::parse(text).ok_or_else(|| EditError::UnknownRecord(text.clone()));
                let (id, master) = (parse(text)?, edit.merge_into.as_ref().map(parse).transpose()?);
                match master {
                    Some(master) if master == id => return Err(EditError::UnknownRecord(text.clone())),
                    Some(master) => writer.merge(&mut inside.org, object, &master, &id),
                    None if edit.delete => writer.delete(&mut inside.org, object, &id),
                    None => writer.update(&mut inside.org, object, &id, &edit.fields),
                }
                .map(|()| id)
            }
        };
        inside.org.commit(&self.ledger, writer.now);
        done.map(|id| id.to_string()).map_err(|refusal| edit_error(&refusal, object, edit.id.as_deref()))
    }

    /// One of the other users, about to write.
    fn colleague(&self) -> Writer {
        let index = usize::try_from(self.entropy.below(self.colleagues.len() as u64)).unwrap_or(0);
        let user = self.colleagues.get(index).unwrap_or(&self.integration).clone();
        let author = Author { user, by: By::User };
        // People may save in spite of a duplicate alert.
        Writer { rival: author.clone(), author, now: self.clock.now(), allow_duplicates: true }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, call: &Call, now: Timestamp) -> (Reply, Option<String>) {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        let mut inside = self.lock();
        let post = call.method == Method::POST;
        match path.as_slice() {
            ["services", "oauth2", "token"] if post => {
                let life = inside.org.knobs.session_life;
                let issuer =
                    Issuer { settings: &self.settings, user: &self.integration, life, entropy: &self.entropy, now };
                return (inside.sessions.grant(call, &issuer), None);
            }
            ["services", "data"] if call.method == Method::GET => return (rest::versions(), None),
            _ => {}
        }
        if let Err(refusal) = inside.sessions.check(call, now) {
            return (refusal.into(), None);
        }
        let most = inside.org.knobs.daily_calls;
        if inside.calls_in_a_day(now) >= most {
            let text = "TotalRequests Limit exceeded.";
            let refusal = Refusal::new("REQUEST_LIMIT_EXCEEDED", text).status(StatusCode::FORBIDDEN);
            return (refusal.into(), Some(format!("api-usage={most}/{most}")));
        }
        *inside.calls.entry(now.millis() / 60_000).or_default() += 1;
        let calls_made = inside.calls_in_a_day(now);
        let usage = Some(format!("api-usage={calls_made}/{most}"));
        let outcome = match path.as_slice() {
            ["services", "oauth2", "userinfo"] | ["id", auth::ORGANISATION, _] => {
                Ok(rest::identity(&inside.org, &self.integration, &call.base_url()))
            }
            ["services", "data", version, rest @ ..] => match rest::api_version(version) {
                None => Err(Refusal::not_found()),
                Some(api) => {
                    let Inside { org, cursors, .. } = &mut *inside;
                    let context = Context {
                        call,
                        api,
                        org,
                        cursors,
                        page_size: self.settings.page_size.max(1),
                        calls_made,
                        author: Author { user: self.integration.clone(), by: By::Api },
                        rival: Author {
                            user: self.colleagues.first().unwrap_or(&self.integration).clone(),
                            by: By::User,
                        },
                        now,
                    };
                    rest::dispatch(context, rest)
                }
            },
            _ => Err(Refusal::not_found()),
        };
        inside.org.commit(&self.ledger, now);
        (outcome.unwrap_or_else(Reply::from), usage)
    }
}

impl Inside {
    fn calls_in_a_day(&mut self, now: Timestamp) -> u64 {
        let from = now.minus(DAY).millis() / 60_000;
        self.calls = self.calls.split_off(&(from + 1));
        self.calls.values().sum()
    }
}

impl Simulated for SalesforceSim {
    fn name(&self) -> &'static str {
        "salesforce"
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    fn edit(&self, edit: &Edit) -> Result<String, EditError> {
        self.edit_as_user(edit)
    }

    fn records(&self, object: &str) -> Option<Vec<Value>> {
        Self::records(self, object)
    }
}

async fn answer(State(sim): State<Arc<SalesforceSim>>, request: Request) -> Response {
    let now = sim.clock.now();
    let pretty = request.headers().get("x-prettyprint").is_some_and(|value| value == "1");
    let (reply, usage) = match Call::read(request).await {
        Ok(call) => sim.handle(&call, now),
        Err(refusal) => (refusal.into(), None),
    };
    let mut response = respond(reply, pretty);
    if let Some(Ok(usage)) = usage.map(|usage| HeaderValue::from_str(&usage)) {
        response.headers_mut().insert("sforce-limit-info", usage);
    }
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now.sort_key()));
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// Faults in this system's words.
fn refusal(kind: FaultKind) -> Response {
    let refusal = match kind {
        FaultKind::Throttle => {
            let text = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";
            Refusal::new("REQUEST_LIMIT_EXCEEDED", text).status(StatusCode::FORBIDDEN)
        }
        FaultKind::Race => Refusal::new("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
        FaultKind::Forbid => {
            let text = "insufficient access rights on object id";
            Refusal::new("INSUFFICIENT_ACCESS_OR_READONLY", text).status(StatusCode::FORBIDDEN)
        }
        FaultKind::Unauthorized => invalid_session(),
        _ => Refusal::new(
            "UNKNOWN_EXCEPTION",
            "An unexpected error occurred. Please include this ErrorId if you contact support",
        )
        .status(StatusCode::INTERNAL_SERVER_ERROR),
    };
    respond(refusal.into(), false)
}

fn edit_error(refusal: &Refusal, object: &str, id: Option<&str>) -> EditError {
    let reason = refusal.reasons.first();
    match reason.map_or("", |reason| reason.code) {
        "NOT_FOUND" | "ENTITY_IS_DELETED" => EditError::UnknownRecord(id.unwrap_or_default().to_owned()),
        "INSUFFICIENT_ACCESS_OR_READONLY" => EditError::UnknownObject(object.to_owned()),
        code => {
            let fields = reason.map(|reason| reason.fields.join(", ")).unwrap_or_default();
            EditError::BadField(if fields.is_empty() { code.to_owned() } else { fields })
        }
    }
}

#[cfg(test)]
mod tests;
