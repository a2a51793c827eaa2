//! The hub's API at `/connector/api/2011-11` (contract 1.3): saves and fetches, each noted.
//!
//! There is no authentication (contract 1.6), no delete, and no list of users.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};

use super::ConnectorSim;
use super::call::{Call, Recorded, xml_response};
use super::error::{Reason, Refusal};
use super::settings::{Missing, Offered, Settings};
use super::shape::{Key, Resource, Save};
use super::world::{Fresh, Record};
use super::xml::Element;
use crate::model::Timestamp;
use crate::sim::ledger::{By, NewEffect, Op};

/// Below this path lie the resources. The date is the API's version.
pub const BASE: &str = "/connector/api/2011-11/";

/// What an answer says that is none.
pub(super) fn other_payload() -> Element {
    Element::parent("status", [Element::leaf("state", "OK"), Element::leaf("note", "nothing to see <here>")])
}

/// Answers one call and keeps a note of it.
pub(super) async fn answer(State(sim): State<Arc<ConnectorSim>>, request: Request) -> Response {
    let call = Call::read(request, BASE).await;
    let at = sim.clock.now();
    let document = if call.method == Method::POST { Some(call.document()) } else { None };
    let elements = match &document {
        Some(Ok(root)) => root.leaves(),
        _ => Vec::new(),
    };
    let outcome = match (call.resource, document) {
        (None, _) => Err(Refusal::not_found()),
        (Some(resource), Some(document)) => document.and_then(|root| sim.save(resource, &root, at)),
        (Some(resource), None) if call.method == Method::GET => sim.fetch(resource, &call),
        (Some(_), None) => {
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Reason::Unknown, "this call is GET or POST"))
        }
    };
    let (status, reason) = match &outcome {
        Ok(_) => (StatusCode::OK, None),
        Err(refusal) => (refusal.status, Some(refusal.reason.to_string())),
    };
    sim.world().note(Recorded {
        seq: 0,
        at,
        method: call.method.to_string(),
        target: call.target.clone(),
        resource: call.resource,
        elements,
        status: status.as_u16(),
        reason,
    });
    match outcome {
        // Nothing of the hub's is there, so it is not the hub that says so.
        Err(_) if call.resource.is_none() => no_page(),
        Ok(body) => xml_response(status, &body),
        Err(refusal) => refusal.into_response(&sim.uuid()),
    }
}

/// What a web server says of an address where nothing is.
fn no_page() -> Response {
    (StatusCode::NOT_FOUND, Html("<html><head><title>404</title></head><body>Not Found<br></body></html>"))
        .into_response()
}

impl ConnectorSim {
    fn save(&self, resource: Resource, root: &Element, now: Timestamp) -> Result<Element, Refusal> {
        let settings = self.settings();
        let save = Save::read(root, resource, &settings)?;
        let fields = save.values.keys().cloned().collect();
        let fresh = Fresh { uuid: self.uuid(), in_touch_id: self.uuid() };
        let mut world = self.world();
        world.admits(resource, &save, &settings)?;
        let (record, new) = world.save(resource, save, &settings.provider, now, &settings, fresh);
        self.ledger.record(NewEffect {
            at: now,
            by: By::Api,
            op: if new { Op::Create } else { Op::Update },
            object: &resource.to_string(),
            id: record.uuid.clone(),
            external_id: Some(record.key.record.clone()),
            content: &record.content(),
            fields,
        });
        Ok(Element::parent("response", [Element::leaf("uuid", record.uuid)]).in_namespace())
    }

    fn fetch(&self, resource: Resource, call: &Call) -> Result<Element, Refusal> {
        let settings = self.settings();
        let names: &[&str] = match resource {
            Resource::User => &["provider", "client_id", "club_id", "recordID"],
            Resource::Staff => &["provider", "client_id", "club_id", "recordID", "email"],
            Resource::LeadSource => &["provider", "client_id", "club_id", "identifier"],
        };
        let query = call.parameters(names)?;
        let value = |name: &str| query.get(name).copied().filter(|value| !value.is_empty());
        let needed = |name: &str| value(name).ok_or_else(|| Refusal::validation(format!("{name} is missing")));
        let provider = needed("provider")?;
        let world = self.world();
        if let Some(id) = value("identifier") {
            let found: Vec<&Record> = world
                .records
                .values()
                .filter(|record| {
                    record.resource == resource
                        && record.key.record == id
                        && value("client_id").is_none_or(|client| client == record.key.client)
                        && value("club_id").is_none_or(|club| club == record.key.club)
                })
                .collect();
            if provider != settings.provider {
                return Err(unknown_tenant());
            }
            return offered(settings.source_one, || match found.as_slice() {
                [] => missing(&settings),
                [one] => Ok(shown(one, &settings)),
                _ => Err(Refusal::validation("several clubs have a source of this id")),
            });
        }
        let key = Key {
            identifier: provider.to_owned(),
            client: needed("client_id")?.to_owned(),
            club: needed("club_id")?.to_owned(),
            record: value("recordID").unwrap_or_default().to_owned(),
        };
        let known = settings.clients.get(&key.client).is_some_and(|clubs| clubs.contains(&key.club));
        if !known || provider != settings.provider {
            return Err(unknown_tenant());
        }
        let all = |name: &str| {
            Ok(Element::parent(name, world.of_club(resource, &key).map(|record| shown(record, &settings)))
                .in_namespace())
        };
        match (resource, value("email")) {
            (Resource::LeadSource, _) => offered(settings.source_list, || all("leadSources")),
            (Resource::Staff, Some(_)) if !settings.staff_by_email || !key.record.is_empty() => {
                Err(Refusal::not_found())
            }
            (Resource::Staff, Some(email)) => {
                let same = |record: &&Record| record.value("email").eq_ignore_ascii_case(email.trim());
                let found: Vec<&Record> = world.of_club(resource, &key).filter(same).collect();
                match found.as_slice() {
                    [one] => Ok(shown(one, &settings)),
                    _ => missing(&settings),
                }
            }
            (Resource::Staff, None) if key.record.is_empty() && settings.staff_list => all("staffList"),
            (Resource::Staff, None) if key.record.is_empty() => Err(Refusal::not_found()),
            _ => {
                needed("recordID")?;
                world.records.get(&(resource, key)).map_or_else(|| missing(&settings), |one| Ok(shown(one, &settings)))
            }
        }
    }
}

fn unknown_tenant() -> Refusal {
    Refusal { status: StatusCode::FORBIDDEN, ..Refusal::validation("unknown provider, client or club") }
}

fn offered(offered: Offered, works: impl FnOnce() -> Result<Element, Refusal>) -> Result<Element, Refusal> {
    match offered {
        Offered::Works => works(),
        Offered::NotFound => Err(Refusal::not_found()),
        Offered::OtherPayload => Ok(other_payload()),
    }
}

fn missing(settings: &Settings) -> Result<Element, Refusal> {
    match settings.missing {
        Missing::NotFound => Err(Refusal::not_found()),
        Missing::OtherPayload => Ok(other_payload()),
    }
}

/// A record as it is fetched: with what only the hub writes.
fn shown(record: &Record, settings: &Settings) -> Element {
    let key = &record.key;
    let ids =
        [("identifier", &key.identifier), ("clientID", &key.client), ("clubID", &key.club), ("recordID", &key.record)];
    let mut parts = vec![Element::parent("providerInfo", ids.map(|(name, id)| Element::leaf(name, id.as_str())))];
    let stamps = [
        ("createdBy", record.created_by.clone()),
        ("createdDate", stamp(record.created_at)),
        ("modifiedBy", record.modified_by.clone()),
        ("modifiedDate", stamp(record.modified_at)),
    ];
    if settings.shows_in_touch_id {
        let own = [Element::leaf("inTouchID", record.in_touch_id.as_str())];
        parts.push(Element::parent("extraProviderIDs", own));
    }
    let values = record.values.iter().map(|(name, value)| Element::leaf(name, value.as_str()));
    let stamps = stamps.map(|(name, value)| Element::leaf(name, value));
    parts.push(Element::parent(record.resource.body(), values.chain(stamps)));
    Element::parent(record.resource.wrapper(settings), parts)
}

/// `2012-04-10T04:11:07.023Z`.
fn stamp(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
