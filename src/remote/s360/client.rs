//! One call to one institution: forged, sent once, judged by the `statusCode` inside its answer (contract 2.5).
//!
//! Refuses to repeat anything, and to take HTTP 200 for success. The vendor's table of status codes is not
//! public: what is not recognised refuses the record at hand and nothing more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value as Json};

use super::settings::{Institution, Operator, Settings};
use super::{SYSTEM, token};
use crate::error::Error;
use crate::model::{Fields, Timestamp, Value};
use crate::remote::exchange::{BaseUrl, Effect, clock_skew, cut, failure, unreachable, without_values};
use crate::remote::gate::{http_date, is_throttle, retry_after};
use crate::remote::transport::{Limits, Transport};
use crate::remote::{Class, RemoteError, Sent};
use crate::seam::Clock;

const JSON_TYPE: &str = "application/json";
/// A token older or younger than this is refused by S-360, in milliseconds.
const TOKEN_AGE: i64 = 1000;
/// How long we leave an institution alone that complained without saying for how long.
const BACK_OFF: Duration = Duration::from_secs(5);
/// Longest status code that is taken for one, in bytes; S-360's have 8.
const LONGEST_CODE: usize = 32;
/// The code of a refusal that is our clock's fault.
pub(super) const CLOCK_SKEW: &str = "clock_skew";

/// A method of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    module: &'static str,
    service: &'static str,
    pub(super) name: &'static str,
    effect: Effect,
}

const fn contacts(name: &'static str, effect: Effect) -> Method {
    Method { module: "tnco", service: "contactInformationPublicService/v2_21", name, effect }
}

pub(super) const GET_CONTACT: Method = contacts("getContactData", Effect::Reads);
pub(super) const SEARCH_CONTACT: Method = contacts("searchContact", Effect::Reads);
pub(super) const SAVE_PERSON: Method = contacts("saveIndividualContactData", Effect::Writes);
pub(super) const SAVE_STRUCTURE: Method = contacts("saveStructureContactData", Effect::Writes);
pub(super) const GET_ORDER: Method =
    Method { module: "tnseb", service: "externalOrderService/v1_33", name: "getOrderDetails", effect: Effect::Reads };

pub(super) const SAVE_ORDER: Method = selling("createOrUpdateOrder");
pub(super) const CLOSE_ORDER: Method = selling("createPaymentsAndCloseOrder");

const fn selling(name: &'static str) -> Method {
    Method { module: "tnseb", service: "externalOrderFacade/v1_33", name, effect: Effect::Writes }
}

/// Speaks to one institution.
#[derive(Debug)]
pub(super) struct Client {
    code: String,
    partner: String,
    operator: Operator,
    base: BaseUrl,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

/// A call that worked.
#[derive(Debug)]
pub(super) struct Answer {
    /// What it said beside the envelope.
    pub content: Map<String, Json>,
    /// Server clock minus ours in milliseconds, if the `Date` header told.
    pub skew_ms: Option<i64>,
    /// How long it took.
    pub round_trip: Duration,
}

impl Client {
    /// The client of an institution; none for one that we may not call.
    pub(super) fn of(
        settings: &Settings,
        code: &str,
        institution: &Institution,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, Error> {
        // Checked even where it is never used, so that a wrong address is not found out later.
        let base = institution.base(code)?;
        let Some(operator) = institution.operator.clone() else { return Ok(None) };
        Ok(Some(Self {
            code: code.to_owned(),
            partner: settings.partner.clone(),
            operator,
            base,
            transport: Arc::clone(&institution.transport),
            clock: Arc::clone(clock),
            limits: settings.limits,
        }))
    }

    /// Calls `method` once.
    pub(super) async fn call(&self, method: Method, body: &Json) -> Result<Answer, RemoteError> {
        let action = action(&self.code, method);
        let sent_at = self.clock.now();
        let request = self
            .request(method, body, sent_at)
            .map_err(|why| failure(SYSTEM, &action, Class::Unsupported, Sent::No, why))?;
        let response = self.transport.send(request, self.limits).await;
        let response = response.map_err(|error| unreachable(SYSTEM, &action, method.effect, &error))?;
        let received_at = self.clock.now();
        let skew_ms = http_date(response.headers()).map(|server| clock_skew(server, sent_at, received_at));
        let seen = Seen { action: &action, effect: method.effect, skew_ms, now: received_at };
        let content = seen.judge(&response).map_err(|error| without_values(error, &leaves(body)))?;
        Ok(Answer { content, skew_ms, round_trip: received_at.since(sent_at) })
    }

    fn request(&self, method: Method, body: &Json, now: Timestamp) -> Result<http::Request<Bytes>, &'static str> {
        let bearer = token::bearer(&self.code, &self.partner, &self.operator, now)?;
        let path = format!("/{}/backend-apis/{}/{}", method.module, method.service, method.name);
        http::Request::post(self.base.join(&path))
            .header(CONTENT_TYPE, JSON_TYPE)
            .header(ACCEPT, JSON_TYPE)
            .header(AUTHORIZATION, bearer)
            .body(Bytes::from(body.to_string()))
            .map_err(|_| "the request cannot be built")
    }
}

/// What an error of `method` at an institution says it was about.
pub(super) fn action(code: &str, method: Method) -> String {
    format!("{code} {}", method.name)
}

/// What is known of a call besides its answer.
struct Seen<'a> {
    action: &'a str,
    effect: Effect,
    skew_ms: Option<i64>,
    now: Timestamp,
}

impl Seen<'_> {
    fn judge(&self, response: &http::Response<Bytes>) -> Result<Map<String, Json>, RemoteError> {
        let status = response.status();
        let fail = |class, sent, message: &str| failure(SYSTEM, self.action, class, sent, message);
        match status {
            StatusCode::OK => {}
            // 509 today, 429 tomorrow (contract 2.5). Neither did anything.
            _ if is_throttle(status) => {
                let wait = retry_after(response.headers(), self.now).unwrap_or(BACK_OFF);
                let error = fail(Class::Throttled, Sent::No, "too many calls for this institution");
                return Err(RemoteError { retry_after: Some(wait), code: Some(status.as_u16().to_string()), ..error });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(self.refused(status.as_str(), "", "the token is refused"));
            }
            StatusCode::NOT_FOUND => {
                let message = "there is no such service at this address; check the institution's code and url";
                return Err(fail(Class::Unsupported, Sent::No, message));
            }
            _ if status.is_server_error() => {
                let retry_after = retry_after(response.headers(), self.now);
                let message = format!("HTTP {}", status.as_u16());
                return Err(RemoteError { retry_after, ..fail(Class::Server, self.effect.unanswered(), &message) });
            }
            _ if status.is_client_error() => {
                return Err(fail(Class::Rejected, Sent::No, &format!("HTTP {}", status.as_u16())));
            }
            _ => {
                let message = format!("HTTP {} is no answer of S-360's", status.as_u16());
                return Err(fail(Class::Malformed, self.effect.unanswered(), &message));
            }
        }
        let Ok(Json::Object(mut answer)) = serde_json::from_slice::<Json>(response.body()) else {
            return Err(fail(Class::Malformed, self.effect.unanswered(), "the answer is not a JSON object"));
        };
        let text = |name: &str| match answer.get(name) {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let (code, detail, exception) = (text("statusCode"), text("statusDetail"), text("expectedException"));
        match code.as_str() {
            "success" => {
                for envelope in ["requestId", "statusCode", "statusDetail", "statusMessage"] {
                    answer.shift_remove(envelope);
                }
                Ok(answer)
            }
            "" => Err(fail(Class::Malformed, self.effect.unanswered(), "the answer has no statusCode")),
            _ => Err(self.refused(&code, &exception, &detail)),
        }
    }

    /// A refusal that was answered: S-360's calls are transactions, so nothing was done.
    fn refused(&self, code: &str, exception: &str, detail: &str) -> RemoteError {
        let class = class_of(code, exception);
        let message = if detail.is_empty() { format!("refused: {code}") } else { cut(detail) };
        let error = failure(SYSTEM, self.action, class, Sent::No, &message);
        let error = RemoteError { code: Some(told_code(code)), ..error };
        match self.skew_ms {
            // Not the key's fault: it is tried again, and the clock is what somebody has to look at.
            Some(skew) if class == Class::Unauthorized && skew.abs() > TOKEN_AGE => RemoteError {
                class: Class::Unreachable,
                code: Some(CLOCK_SKEW.to_owned()),
                message: skewed(skew),
                ..error
            },
            _ if class == Class::Throttled => RemoteError { retry_after: Some(BACK_OFF), ..error },
            _ => error,
        }
    }
}

/// Every text and number of a body that was sent: whatever an answer quotes of it is blanked out.
fn leaves(body: &Json) -> Fields {
    fn collect(value: &Json, texts: &mut std::collections::BTreeSet<String>) {
        match value {
            Json::String(text) => drop(texts.insert(text.clone())),
            Json::Number(number) => drop(texts.insert(number.to_string())),
            Json::Array(items) => items.iter().for_each(|item| collect(item, texts)),
            Json::Object(members) => members.values().for_each(|member| collect(member, texts)),
            Json::Null | Json::Bool(_) => {}
        }
    }
    let mut texts = std::collections::BTreeSet::new();
    collect(body, &mut texts);
    Fields::from_iter([("body".to_owned(), Value::Set(texts))])
}

/// A status code as it is logged: it is remote text, and only what looks like a code is one.
fn told_code(code: &str) -> String {
    let fits =
        code.len() <= LONGEST_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if fits { code.to_owned() } else { "unreadable".to_owned() }
}

/// The sentence about a clock that is off.
pub(super) fn skewed(skew_ms: i64) -> String {
    let seconds = skew_ms.unsigned_abs().div_ceil(1000);
    let how = if skew_ms > 0 { "behind" } else { "ahead of" };
    format!("the token is refused because this machine's clock is {seconds} s {how} S-360's; set it by NTP")
}

fn class_of(code: &str, exception: &str) -> Class {
    let (code, exception) = (code.to_ascii_lowercase(), exception.to_ascii_lowercase());
    let says = |words: &[&str]| words.iter().any(|word| exception.contains(word) || code.contains(word));
    match code.as_str() {
        "401" => Class::Unauthorized,
        "403" => Class::Forbidden,
        "404" | "notfound" => Class::Missing,
        "429" | "509" | "locked" => Class::Throttled,
        "500" | "503" => Class::Server,
        _ if says(&["authentication", "token"]) => Class::Unauthorized,
        _ if says(&["accessdenied", "forbidden", "authorization"]) => Class::Forbidden,
        _ if says(&["unknownobject", "notfound"]) => Class::Missing,
        _ if says(&["lock", "concurren"]) => Class::Throttled,
        _ => Class::Rejected,
    }
}
