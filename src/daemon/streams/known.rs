//! Which streams an account has, as its configuration puts them, and what `check` says about that.
//!
//! Asks nobody and reads no store; no secret gets this far, only how many there are.

use crate::config::{Auth, Config, CrmSystem, Entity, Inflow, Origin};
use crate::model::{Health, ModuleId, Rhythm, Side, StreamId, StreamKind, StreamState, Timestamp};
use crate::wire::{CheckRow, StreamAuth};

/// What the configuration says about a stream.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub id: StreamId,
    pub title: &'static str,
    pub auth: StreamAuth,
    pub secrets: u32,
    pub place: String,
    pub operator: bool,
    pub rhythm: Option<Rhythm>,
    pub modules: Vec<ModuleId>,
}

impl Known {
    /// The side its records are of.
    pub fn side(&self) -> Side {
        match self.id.kind {
            StreamKind::S360Contacts | StreamKind::S360Orders | StreamKind::S360Access => Side::Ivvy,
            _ => Side::Crm,
        }
    }

    /// S-29 speaks of contacts and orders.
    pub fn needs_first_sync(&self) -> bool {
        matches!(self.id.kind, StreamKind::S360Contacts | StreamKind::S360Orders)
    }

    /// How it is doing `now`.
    pub fn health(&self, state: &StreamState, now: Timestamp) -> Health {
        let health = match &self.rhythm {
            Some(rhythm) => state.health(now, rhythm),
            None => Health { possible_loss: state.possible_loss.is_some(), ..Health::default() },
        };
        let inbound = self.id.kind.is_inbound();
        Health {
            waits_for_first_sync: self.needs_first_sync() && state.first_sync.is_none(),
            // A sender that has nothing to say is quiet; we know whether we have.
            silent: health.silent && inbound,
            backlog_likely: health.backlog_likely && inbound,
            ..health
        }
    }
}

fn auth_of(auth: &Auth) -> (StreamAuth, u32) {
    let kind = match auth {
        Auth::None { .. } => StreamAuth::None,
        Auth::Basic { .. } => StreamAuth::Basic,
        Auth::ApiKey { .. } => StreamAuth::ApiKey,
    };
    (kind, u32::try_from(auth.secrets().len()).unwrap_or(u32::MAX))
}

/// One way of posting: its stream, its part of the address, its title, its section, its modules.
type Flow<'a> = (StreamKind, &'a str, &'static str, &'a Option<Inflow>, &'a [ModuleId]);

/// Every stream of a configuration, in its order.
pub(super) fn known(config: &Config) -> Vec<Known> {
    let mut all = Vec::new();
    let on = |modules: &[ModuleId]| -> Vec<ModuleId> {
        modules.iter().copied().filter(|module| config.modules.enabled(*module)).collect()
    };
    if let Origin::S360(s360) = &config.origin {
        for (code, institution) in &s360.institutions {
            let inflows: [Flow<'_>; 3] = [
                (
                    StreamKind::S360Contacts,
                    "contacts",
                    "S-360 contacts",
                    &institution.contacts,
                    &[ModuleId::Companies, ModuleId::Contacts],
                ),
                (StreamKind::S360Orders, "orders", "S-360 orders", &institution.orders, &[ModuleId::Orders]),
                (StreamKind::S360Access, "access", "S-360 access checks", &institution.access, &[]),
            ];
            for (kind, path, title, inflow, modules) in inflows {
                let Some(inflow) = inflow else { continue };
                let (auth, secrets) = auth_of(&inflow.auth);
                let rhythm = inflow.rhythm();
                all.push(Known {
                    id: StreamId::new(kind, code),
                    title,
                    auth,
                    secrets,
                    place: format!("/s360/{path}/{code}"),
                    operator: institution.operator.is_some(),
                    rhythm: Some(rhythm),
                    modules: on(modules),
                });
            }
        }
    }
    match &config.crm.system {
        CrmSystem::Connector(connector) => {
            let Some(facade) = &connector.facade else { return all };
            let (auth, secrets) = auth_of(&facade.auth);
            let stream = |kind, title, modules: &[ModuleId]| Known {
                id: StreamId::new(kind, &connector.club),
                title,
                auth,
                secrets,
                place: "/connector/v1/".to_owned(),
                operator: connector.profile.direction.sends(),
                rhythm: None,
                modules: on(modules),
            };
            let people = [ModuleId::Leads, ModuleId::Contacts];
            all.push(stream(StreamKind::ConnectorPeople, "Connector people", &people));
            // Without sources in the profile none is ever taken, whatever is offered.
            if connector.profile.source && (facade.offers.create_source || facade.offers.update_source) {
                all.push(stream(StreamKind::ConnectorSources, "Connector lead sources", &[]));
            }
        }
        CrmSystem::Push(push) => {
            let (auth, secrets) = auth_of(&push.auth);
            let rhythm =
                Rhythm { every: push.every, per_run: push.per_run, per_payload: push.per_payload, tries: push.tries };
            let orders = [ModuleId::Registrations, ModuleId::QuotesAndBookings, ModuleId::Orders];
            let streams: [(StreamKind, &'static str, &Option<url::Url>, &[ModuleId]); 2] = [
                (
                    StreamKind::PushContacts,
                    "Pushed contacts",
                    &push.contacts,
                    &[ModuleId::Companies, ModuleId::Contacts],
                ),
                (StreamKind::PushOrders, "Pushed orders", &push.orders, &orders),
            ];
            for (kind, title, url, modules) in streams {
                let Some(url) = url else { continue };
                all.push(Known {
                    id: StreamId::new(kind, ""),
                    title,
                    auth,
                    secrets,
                    place: url.to_string(),
                    operator: true,
                    rhythm: Some(rhythm),
                    modules: on(modules),
                });
            }
        }
        CrmSystem::Odoo { .. } | CrmSystem::Salesforce { .. } => {}
    }
    all
}

/// What `check` says about streams from the configuration alone, with what the store adds where there is one.
pub(crate) fn check(config: &Config, state: impl Fn(&StreamId) -> Option<StreamState>) -> Vec<CheckRow> {
    let mut rows = Vec::new();
    if let Origin::S360(s360) = &config.origin {
        for (code, institution) in &s360.institutions {
            let streams = [
                ("contacts", institution.contacts.is_some()),
                ("orders", institution.orders.is_some()),
                ("access", institution.access.is_some()),
            ];
            let named: Vec<&str> = streams.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
            let streams = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
            let way = match &institution.operator {
                Some(operator) => format!("read and written as operator {operator}"),
                None => "receive-only: nothing is ever written to S-360 or read from it".to_owned(),
            };
            rows.push(fine(format!("s360: institution {code}"), format!("{streams} posted to us; {way}")));
            if let Some(bookings) = &institution.bookings {
                let paid = match bookings.payment_method {
                    Some(method) => format!("sales are paid with method {method}"),
                    None => "nothing is sold: no method of payment".to_owned(),
                };
                let found = format!("at point of sale {}, each approved by a person; {paid}", bookings.point_of_sales);
                rows.push(fine(format!("s360: bookings of {code}"), found));
            }
        }
    }
    if let CrmSystem::Connector(connector) = &config.crm.system {
        let profile = &connector.profile;
        let entities: Vec<String> = profile.entities.iter().map(ToString::to_string).collect();
        let mut off = Vec::new();
        for (on, what) in [(profile.owner, "owners"), (profile.source, "lead sources")] {
            if !on {
                off.push(what.to_owned());
            }
        }
        let all = [(Entity::Prospects, "prospects"), (Entity::Members, "members")];
        off.extend(all.iter().filter(|(which, _)| !profile.entities.contains(which)).map(|(_, w)| (*w).to_owned()));
        if !profile.direction.sends() {
            off.push("writing to the Connector".to_owned());
        }
        if !profile.direction.receives() {
            off.push("receiving from the Connector".to_owned());
        }
        let off = if off.is_empty() { "nothing".to_owned() } else { off.join(", ") };
        rows.push(fine(
            "connector: agreed profile".to_owned(),
            format!(
                "{} with {}, by {} on {}; switched off: {off}",
                profile.direction,
                entities.join(" and "),
                profile.agreed_by,
                profile.agreed_on
            ),
        ));
        let can = &profile.can;
        let calls = [
            (can.list_staff, "list staff"),
            (can.staff_by_email, "find staff by e-mail"),
            (can.list_sources, "list lead sources"),
            (can.create_source, "create lead sources"),
            (can.update_source, "update lead sources"),
        ];
        let calls: Vec<&str> = calls.iter().filter(|(can, _)| *can).map(|(_, what)| *what).collect();
        let found = if calls.is_empty() { "none of the optional calls".to_owned() } else { calls.join(", ") };
        rows.push(fine("connector: declared abilities".to_owned(), found));
    }
    for known in known(config) {
        let way = if known.id.kind.is_inbound() { "comes in at" } else { "goes to" };
        let rotating = if known.secrets > 1 { ", two secrets valid" } else { "" };
        let unprotected = known.id.kind.is_inbound() && known.auth == StreamAuth::None;
        let auth = if unprotected { "UNPROTECTED".to_owned() } else { format!("{}{rotating}", known.auth) };
        let state = state(&known.id);
        let missing = known.needs_first_sync() && state.as_ref().is_some_and(|state| state.first_sync.is_none());
        // A daemon that never ran has nothing to be blamed for.
        let fresh = known.needs_first_sync() && state.is_none();
        let date = match state.and_then(|state| state.first_sync) {
            Some(first) => format!("; from {} on", first.entered),
            None if fresh => "; its first-sync date is to be set once the daemon runs".to_owned(),
            None if missing => "; first-sync date missing: nothing is taken over".to_owned(),
            None => String::new(),
        };
        rows.push(CheckRow {
            what: format!("stream {}", known.id),
            ok: !missing,
            found: format!("{way} {}; auth {auth}{date}", known.place),
            hint: match (missing || fresh, unprotected) {
                (true, _) => {
                    let id = &known.id;
                    Some(format!("tandem streams test {id}, then tandem streams first-sync {id} DATE --zone ZONE"))
                }
                (false, true) => {
                    Some("anybody who reaches the address is believed: use \"basic\" or \"api_key\"".into())
                }
                (false, false) => None,
            },
        });
    }
    rows
}

fn fine(what: String, found: String) -> CheckRow {
    CheckRow { what, ok: true, found, hint: None }
}
