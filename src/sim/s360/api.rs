//! The public API (contract 2.5): REST-RPC, POST only, one transaction per call.
//!
//! Real institutions have a host each, `https://<inst>.ws.secutix.com/…`; that host is understood, and on
//! loopback the institution is the first segment of the path instead: `/acme/tnco/…`, in lower case.
//!
//! Known from the contract: modules, `contactInformationPublicService` with `getContactData`,
//! `searchContact` and `saveIndividualContactData`, `ExternalOrderService` with `getOrderDetails`,
//! `ExternalOrderFacade` with `createPaymentsAndCloseOrder` and `abandonMovements`, the login call. Our own choice:
//! `saveStructureContactData` on the same service, `createOrUpdateOrder` as name of the facade's main method, the
//! criterion `{"criteria": {"email": …}}`, the members `contactData`, `contacts` and `orderDetailsData` in answers, all
//! status codes but `success`. A service may begin with a small or a capital letter.
//!
//! It refuses whatever is not named here: parameters, methods, versions, content types.

use std::time::Duration;

use axum::http::{StatusCode, header, request};
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use super::answer::{Refusal, over_limit, respond, success};
use super::contact::{Detail, Kind};
use super::order::{Closing, Named, Saved};
use super::shape::{Holds, Member, may, must, read, whole_numbers};
use super::token;
use super::world::{Author, World};
use super::{S360Sim, skewed};
use crate::model::Timestamp;
use crate::sim::ledger::By;

const MINUTE: Duration = Duration::from_secs(60);
/// Largest page of a search.
const PAGE: usize = 100;

/// Hosts of institutions, after their code.
const DOMAINS: &[&str] = &["ws.secutix.com", "demo-ws.secutix.com", "pp-ws.secutix.com"];
const MODULES: &[&str] = &["tnco", "tnseb", "tnci", "tnai"];

/// What a call can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Login,
    GetContact,
    SearchContact,
    SaveIndividual,
    SaveStructure,
    GetOrder,
    SaveOrder,
    CloseOrder,
    AbandonOrder,
}

impl Method {
    /// The method behind a path without its institution.
    fn find(path: &[&str]) -> Option<Self> {
        let [module, "backend-apis", rest @ ..] = path else { return None };
        let (service, version, method) = match rest {
            ["v1", "auth"] => return (*module == "tnai").then_some(Self::Login),
            [service, version, method] => (*service, *version, *method),
            _ => return None,
        };
        let mut letters = service.chars();
        let first = letters.next()?.to_ascii_lowercase();
        match (*module, format!("{first}{}", letters.as_str()).as_str(), version, method) {
            ("tnco", "contactInformationPublicService", "v2_21", method) => match method {
                "getContactData" => Some(Self::GetContact),
                "searchContact" => Some(Self::SearchContact),
                "saveIndividualContactData" => Some(Self::SaveIndividual),
                "saveStructureContactData" => Some(Self::SaveStructure),
                _ => None,
            },
            ("tnseb", "externalOrderService", "v1_33", "getOrderDetails") => Some(Self::GetOrder),
            ("tnseb", "externalOrderFacade", "v1_33", method) => match method {
                "createOrUpdateOrder" => Some(Self::SaveOrder),
                "createPaymentsAndCloseOrder" => Some(Self::CloseOrder),
                "abandonMovements" => Some(Self::AbandonOrder),
                _ => None,
            },
            _ => None,
        }
    }

    fn run(self, world: &mut World, code: &str, given: &Map<String, Value>, now: Timestamp) -> Outcome {
        let author = Author { by: By::Api, at: now };
        let names = || given.keys().cloned().collect();
        match self {
            // Answered before anybody is asked for a token.
            Self::Login => Ok(Map::new()),
            Self::GetContact => get_contact(world, code, given),
            Self::SearchContact => search_contact(world, code, given),
            Self::SaveIndividual => save_contact(world, code, Kind::Individual, given, author),
            Self::SaveStructure => save_contact(world, code, Kind::Structure, given, author),
            Self::GetOrder => {
                world.order(code, &Named::read(given)?).map(|order| one("orderDetailsData", order.show()))
            }
            Self::SaveOrder => {
                let id = world.save_order(code, &Saved::read(given)?, author, names())?;
                let order = world.order(code, &Named::Id(id))?;
                let mut answer = one("orderId", json!(id));
                answer.extend(one("orderState", order.show()["orderState"].clone()));
                Ok(answer)
            }
            Self::CloseOrder => {
                let order = world.close_order(code, &Closing::read(given)?, author)?;
                Ok(one("orderDetailsData", order.show()))
            }
            Self::AbandonOrder => {
                let order = world.abandon_order(code, &Named::read(given)?, author)?;
                Ok(one("orderDetailsData", order.show()))
            }
        }
    }
}

type Outcome = Result<Map<String, Value>, Refusal>;

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

/// Answers one call.
pub(super) fn answer(sim: &S360Sim, parts: &request::Parts, body: &[u8]) -> Response {
    let segments: Vec<&str> = parts.uri.path().trim_start_matches('/').split('/').collect();
    let (institution, path) = match segments.as_slice() {
        [module, ..] if MODULES.contains(module) => (institution_of_host(parts), segments.as_slice()),
        [institution, path @ ..] => (Some((*institution).to_owned()), path),
        [] => (None, segments.as_slice()),
    };
    let (Some(institution), Some(method)) = (institution, Method::find(path)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Codes are small in addresses and capital everywhere else.
    if institution.chars().any(|letter| letter.is_ascii_uppercase()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let code = institution.to_ascii_uppercase();
    if parts.method != http::Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response();
    }
    let now = sim.clock.now();
    let mut world = sim.world();
    if !world.institutions.contains_key(&code) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !admit(&mut world, &code, now) {
        return over_limit(world.knobs.over_limit, world.knobs.retry_after);
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let request = HEXLOWER.encode(&sim.entropy.next().to_be_bytes());
    let Ok(Value::Object(given)) = serde_json::from_slice::<Value>(body) else {
        return (StatusCode::BAD_REQUEST, "the body is no JSON object").into_response();
    };
    let outcome = match method {
        Method::Login => login(sim, &mut world, &code, &given, now),
        _ => authorise(&mut world, &code, parts, now).and_then(|()| {
            if !given.values().all(whole_numbers) {
                return Err(Refusal::parameter("a number has a fraction or more than 64 bits"));
            }
            method.run(&mut world, &code, &given, now)
        }),
    };
    match outcome {
        Ok(content) => respond(StatusCode::OK, &success(&request, content)),
        Err(refusal) => {
            let http = world.knobs.http_401 && refusal.code == "401";
            respond(if http { StatusCode::UNAUTHORIZED } else { StatusCode::OK }, &refusal.body(&request))
        }
    }
}

fn institution_of_host(parts: &request::Parts) -> Option<String> {
    let host = parts.headers.get(header::HOST)?.to_str().ok()?;
    let (institution, domain) = host.split(':').next()?.split_once('.')?;
    DOMAINS.contains(&domain).then(|| institution.to_owned())
}

/// Counts a call. False when there were too many in the last minute; such a call is not counted.
fn admit(world: &mut World, code: &str, now: Timestamp) -> bool {
    let most = world.knobs.calls_per_minute;
    let Ok(institution) = world.institution(code) else { return false };
    while institution.calls.front().is_some_and(|call| now.since(*call) >= MINUTE) {
        institution.calls.pop_front();
    }
    let free = institution.calls.len() < most;
    if free {
        institution.calls.push_back(now);
    }
    free
}

/// Whether the call carries a token of this institution.
fn authorise(world: &mut World, code: &str, parts: &request::Parts, now: Timestamp) -> Result<(), Refusal> {
    let (skew, unit) = (world.knobs.skew_ms, world.knobs.token_unit);
    let institution = world.institution(code)?;
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| Refusal::token("there is no bearer token"))?;
    match institution.sessions.get(token) {
        Some(until) if now < *until => Ok(()),
        Some(_) => Err(Refusal::token("the token is expired")),
        None => token::check(token, &institution.account, skewed(now, skew), unit),
    }
}

/// The login call: `{operator, partner, secret}` for a token.
fn login(sim: &S360Sim, world: &mut World, code: &str, given: &Map<String, Value>, now: Timestamp) -> Outcome {
    const SHAPE: &[Member] =
        &[must("operator", Holds::Text(100)), must("partner", Holds::Text(100)), must("secret", Holds::Text(200))];
    let given = read(given, SHAPE)?;
    let life = Duration::from_millis(world.knobs.session_ms);
    let institution = world.institution(code)?;
    let account = &institution.account;
    let same = |name: &str, wanted: &str| {
        given[name].as_str().is_some_and(|text| bool::from(text.as_bytes().ct_eq(wanted.as_bytes())))
    };
    let known = same("operator", &account.operator) & same("partner", &account.partner);
    if !(known & same("secret", account.secret.expose_secret())) {
        return Err(Refusal::token("operator, partner or secret is wrong"));
    }
    let token: String = (0..4).map(|_| HEXLOWER.encode(&sim.entropy.next().to_be_bytes())).collect();
    institution.sessions.retain(|_, until| now < until.plus(life));
    institution.sessions.insert(token.clone(), now.plus(life));
    Ok(one("token", json!(token)))
}

/// `getContactData`.
fn get_contact(world: &mut World, code: &str, given: &Map<String, Value>) -> Outcome {
    let given = read(given, &[must("contactNumber", Holds::Text(20)), must("details", Holds::Any)])?;
    let wrong = || Refusal::parameter("'details' is no list of known details");
    let details = given["details"].as_array().filter(|list| !list.is_empty()).ok_or_else(wrong)?;
    let parse = |detail: &Value| detail.as_str().and_then(|name| name.parse().ok());
    let details: Vec<Detail> = details.iter().map(parse).collect::<Option<_>>().ok_or_else(wrong)?;
    let number = given["contactNumber"].as_str().unwrap_or_default();
    match world.institution(code)?.contacts.get(number) {
        Some(contact) => Ok(one("contactData", contact.show(&details))),
        None => Err(Refusal::missing(format!("contact {number} does not exist"))),
    }
}

/// `searchContact` by email, compared without case. Many contacts may share one.
fn search_contact(world: &mut World, code: &str, given: &Map<String, Value>) -> Outcome {
    const SHAPE: &[Member] =
        &[must("criteria", Holds::Any), may("minIndex", Holds::Whole), may("nbMaxResults", Holds::Whole)];
    let given = read(given, SHAPE)?;
    let criteria = given["criteria"].as_object().ok_or_else(|| Refusal::parameter("'criteria' is no object"))?;
    let criteria = read(criteria, &[must("email", Holds::Text(200))])?;
    let email = criteria["email"].as_str().unwrap_or_default().to_lowercase();
    let number = |name: &str, default: usize| match given.get(name) {
        None => Ok(default),
        Some(value) => value
            .as_u64()
            .and_then(|value| usize::try_from(value).ok())
            .ok_or_else(|| Refusal::value(format!("'{name}' is negative"))),
    };
    let (from, most) = (number("minIndex", 0)?, number("nbMaxResults", PAGE)?);
    if most == 0 || most > PAGE {
        return Err(Refusal::value(format!("'nbMaxResults' is not in 1..={PAGE}")));
    }
    let contacts = world.institution(code)?.contacts.values();
    let found = contacts.filter(|contact| contact.emails().any(|known| known.to_lowercase() == email));
    let page: Vec<Value> =
        found.skip(from).take(most).map(|contact| contact.show(&[Detail::General, Detail::ComMeans])).collect();
    Ok(one("contacts", Value::Array(page)))
}

/// `saveIndividualContactData` and `saveStructureContactData`: without a `contactNumber` a contact is made.
fn save_contact(world: &mut World, code: &str, kind: Kind, given: &Map<String, Value>, author: Author) -> Outcome {
    let mut given = given.clone();
    let number = match given.shift_remove("contactNumber") {
        None => None,
        Some(Value::String(number)) => Some(number),
        Some(_) => return Err(Refusal::parameter("'contactNumber' is no text")),
    };
    let number = world.save_contact(code, number.as_deref(), kind, &given, author)?;
    let id = world.institution(code)?.contacts.get(&number).map(|contact| contact.whole()["contactId"].clone());
    let mut answer = one("contactNumber", json!(number));
    answer.extend(one("contactId", id.unwrap_or_default()));
    Ok(answer)
}
