//! The hub as a caller: it plays InTouch against a provider's facade (contract 1.7 and 1.8).
//!
//! Single calls do what they say and check the answer. On top of them [`Hub::send_lead`],
//! [`Hub::look_up_staff`] and [`Hub::look_up_source`] behave as the hub does: staff match on email, sources on
//! name without regard to case, what does not match is left out of the lead. It never creates staff, and it
//! repeats nothing unless told to.

mod facade;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::Method;
use bytes::Bytes;
use strum::Display;

pub use facade::{Auth, Capabilities, Facade, HubError, RemoteSource, RemoteStaff};

use facade::{id, read, segment, sources, staff, with_email};

use super::ConnectorSim;
use super::xml::Element;
use crate::model::Timestamp;
use crate::remote::transport::{Limits, Transport};

/// `userStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Status {
    /// ACTIVE.
    #[default]
    Active,
    /// INACTIVE: what the hub has instead of a deletion.
    Inactive,
}

/// `userType` of those the hub sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum UserType {
    /// PROSPECT.
    #[default]
    Prospect,
    /// MEMBER.
    Member,
    /// EX_MEMBER.
    ExMember,
}

/// A person as the hub sends them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// The hub's id of the person: `recordID`.
    pub record_id: String,
    /// `firstname`.
    pub first_name: String,
    /// `lastname`.
    pub last_name: String,
    /// `userStatus`.
    pub status: Status,
    /// `userType`.
    pub user_type: UserType,
    /// Other elements of `userInfo`, by name, in order.
    pub rest: Vec<(String, String)>,
    /// The facade's id of the owner. `None` sends no element, `Some("")` an empty one.
    pub owner: Option<String>,
    /// The facade's id of the lead source; as [`Lead::owner`].
    pub source: Option<String>,
}

impl Lead {
    /// An active prospect with nothing but a name.
    pub fn prospect(record_id: &str, first_name: &str, last_name: &str) -> Self {
        let (record_id, first_name, last_name) = (record_id.into(), first_name.into(), last_name.into());
        Self { record_id, first_name, last_name, ..Self::default() }
    }

    /// The same with another element of `userInfo`.
    pub fn with(mut self, element: &str, text: &str) -> Self {
        self.rest.push((element.to_owned(), text.to_owned()));
        self
    }

    /// The same person as a member.
    pub fn as_member(self) -> Self {
        Self { user_type: UserType::Member, ..self }
    }

    /// The same person, inactive.
    pub fn inactive(self) -> Self {
        Self { status: Status::Inactive, ..self }
    }
}

/// What a look-up came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Exactly one: the facade's id.
    Linked(String),
    /// Created just now: the facade's id. Only sources.
    Created(String),
    /// None.
    Nobody,
    /// Several: as good as none.
    Several,
    /// The facade offers no call to look with.
    Unsupported,
}

impl Found {
    /// The facade's id, if there is exactly one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Linked(id) | Self::Created(id) => Some(id),
            _ => None,
        }
    }
}

/// A call the hub made, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The simulator's clock when it was sent.
    pub at: Timestamp,
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query below the facade's `/connector/v1`.
    pub target: String,
    /// The bytes sent.
    pub body: Bytes,
    /// The status answered; none when no answer came.
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
struct Links {
    /// Email, folded, to the facade's id. Cannot be undone (contract 1.8).
    staff: BTreeMap<String, String>,
    /// Name, folded, to the facade's id.
    sources: BTreeMap<String, String>,
    /// The hub's id of a person to the facade's.
    people: BTreeMap<String, String>,
    sent: Vec<Sent>,
}

/// The hub, calling one facade.
#[derive(Debug)]
pub struct Hub {
    sim: Arc<ConnectorSim>,
    transport: Arc<dyn Transport>,
    facade: Facade,
    links: Mutex<Links>,
}

impl Hub {
    pub(super) fn new(sim: Arc<ConnectorSim>, transport: Arc<dyn Transport>, facade: Facade) -> Self {
        Self { sim, transport, facade, links: Mutex::default() }
    }

    /// Every call so far, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.links().sent.clone()
    }

    /// The facade's id of a person, as it last answered.
    pub fn known(&self, record_id: &str) -> Option<String> {
        self.links().people.get(record_id).cloned()
    }

    /// `POST /prospects`: creates or updates. Returns the facade's id.
    ///
    /// # Errors
    /// When there is no usable answer; a success without an id is none.
    pub async fn save_prospect(&self, lead: &Lead) -> Result<String, HubError> {
        self.post_person("/prospects", lead).await
    }

    /// `POST /members`: creates or updates. Returns the facade's id.
    ///
    /// # Errors
    /// As [`Hub::save_prospect`].
    pub async fn save_member(&self, lead: &Lead) -> Result<String, HubError> {
        self.post_person("/members", lead).await
    }

    /// `POST /prospects/create`.
    ///
    /// # Errors
    /// As [`Hub::save_prospect`].
    pub async fn create_prospect(&self, lead: &Lead) -> Result<String, HubError> {
        self.post_person("/prospects/create", lead).await
    }

    /// `POST /prospects/update`.
    ///
    /// # Errors
    /// As [`Hub::save_prospect`]; a facade refuses a person it does not know.
    pub async fn update_prospect(&self, lead: &Lead) -> Result<String, HubError> {
        self.post_person("/prospects/update", lead).await
    }

    /// `POST /members/create`.
    ///
    /// # Errors
    /// As [`Hub::save_prospect`].
    pub async fn create_member(&self, lead: &Lead) -> Result<String, HubError> {
        self.post_person("/members/create", lead).await
    }

    /// `POST /members/update`.
    ///
    /// # Errors
    /// As [`Hub::update_prospect`].
    pub async fn update_member(&self, lead: &Lead) -> Result<String, HubError> {
        self.post_person("/members/update", lead).await
    }

    /// Sends the last save of a person once more, byte by byte. Returns the id answered now.
    ///
    /// # Errors
    /// As [`Hub::save_prospect`]; [`HubError::Malformed`] when there was no save yet.
    pub async fn replay(&self) -> Result<String, HubError> {
        let person = |sent: &&Sent| sent.method == "POST" && !sent.target.starts_with("/leadsources");
        let last = self.links().sent.iter().rev().find(person).cloned();
        let last = last.ok_or(HubError::Malformed("nothing was saved yet"))?;
        id(&self.call(&Method::POST, &last.target, last.body).await?)
    }

    /// `POST` of any bytes, for what no hub should send.
    ///
    /// # Errors
    /// As [`Hub::save_prospect`].
    pub async fn post_raw(&self, target: &str, body: Bytes) -> Result<String, HubError> {
        id(&self.call(&Method::POST, target, body).await?)
    }

    /// `GET /staff`.
    ///
    /// # Errors
    /// When there is no usable answer, or a row has no id or no email element.
    pub async fn list_staff(&self) -> Result<Vec<RemoteStaff>, HubError> {
        staff(&self.call(&Method::GET, "/staff", Bytes::new()).await?)
    }

    /// `GET /staff?email=`: those of this address. A 404 is nobody.
    ///
    /// # Errors
    /// As [`Hub::list_staff`].
    pub async fn staff_by_email(&self, email: &str) -> Result<Vec<RemoteStaff>, HubError> {
        match self.call(&Method::GET, &with_email(email), Bytes::new()).await {
            Err(HubError::Refused { status: 404, .. }) => Ok(Vec::new()),
            answer => staff(&answer?),
        }
    }

    /// `GET /leadsources`.
    ///
    /// # Errors
    /// When there is no usable answer, or a row has no id or name.
    pub async fn list_lead_sources(&self) -> Result<Vec<RemoteSource>, HubError> {
        sources(&self.call(&Method::GET, "/leadsources", Bytes::new()).await?)
    }

    /// `POST /leadsources`: the hub's source `record_id`. Returns the facade's id.
    ///
    /// # Errors
    /// As [`Hub::save_prospect`].
    pub async fn create_lead_source(&self, record_id: &str, name: &str, active: bool) -> Result<String, HubError> {
        let body = self.source_body(record_id, name, active).document()?;
        id(&self.call(&Method::POST, "/leadsources", body.into()).await?)
    }

    /// `POST /leadsources/{id}`, where `remote` is the facade's id.
    ///
    /// # Errors
    /// As [`Hub::save_prospect`].
    pub async fn update_lead_source(
        &self,
        remote: &str,
        record_id: &str,
        name: &str,
        active: bool,
    ) -> Result<String, HubError> {
        let body = self.source_body(record_id, name, active).document()?;
        id(&self.call(&Method::POST, &format!("/leadsources/{}", segment(remote)), body.into()).await?)
    }

    /// A staff member was saved in InTouch: looks for them on the other side, by email. A link, once made,
    /// stays; saving again is how people get a new look-up.
    ///
    /// # Errors
    /// When the look-up itself failed, which is not the same as nobody.
    pub async fn look_up_staff(&self, email: &str) -> Result<Found, HubError> {
        let folded = folded_email(email);
        if let Some(id) = self.links().staff.get(&folded) {
            return Ok(Found::Linked(id.clone()));
        }
        let everybody = match self.facade.can {
            Capabilities { staff_by_email: true, .. } => self.staff_by_email(email.trim()).await?,
            Capabilities { staff_list: true, .. } => self.list_staff().await?,
            _ => return Ok(Found::Unsupported),
        };
        let ids = everybody.into_iter().filter(|one| !folded.is_empty() && folded_email(&one.email) == folded);
        let found = one_of(ids.map(|one| one.id));
        if let Found::Linked(id) = &found {
            self.links().staff.insert(folded, id.clone());
        }
        Ok(found)
    }

    /// A lead source of InTouch: looks for it by name without regard to case, and creates it when it is
    /// missing and that is offered. Without a list the hub is the master and creates what it has no id of.
    ///
    /// # Errors
    /// When a call failed.
    pub async fn look_up_source(&self, record_id: &str, name: &str) -> Result<Found, HubError> {
        let folded = name.trim().to_lowercase();
        if let Some(id) = self.links().sources.get(&folded) {
            return Ok(Found::Linked(id.clone()));
        }
        let found = if self.facade.can.source_list {
            let all = self.list_lead_sources().await?.into_iter();
            one_of(all.filter(|one| one.name.trim().to_lowercase() == folded).map(|one| one.id))
        } else if self.facade.can.source_create {
            Found::Nobody
        } else {
            Found::Unsupported
        };
        let found = match found {
            Found::Nobody if self.facade.can.source_create => {
                Found::Created(self.create_lead_source(record_id, name, true).await?)
            }
            other => other,
        };
        if let Some(id) = found.id() {
            self.links().sources.insert(folded, id.to_owned());
        }
        Ok(found)
    }

    /// Saves a lead as the hub does: with the owner of this email and the source of this name where they
    /// are found, and without where they are not. Looks up nothing whose name is not given. Returns the
    /// facade's id.
    ///
    /// # Errors
    /// When a look-up or the save failed.
    pub async fn send_lead(
        &self,
        lead: &Lead,
        owner_email: Option<&str>,
        source: Option<(&str, &str)>,
    ) -> Result<String, HubError> {
        let mut lead = lead.clone();
        if let Some(email) = owner_email {
            lead.owner = self.look_up_staff(email).await?.id().map(str::to_owned);
        }
        if let Some((record_id, name)) = source {
            lead.source = self.look_up_source(record_id, name).await?.id().map(str::to_owned);
        }
        let known = self.known(&lead.record_id).is_some();
        match (lead.user_type, self.facade.can.separate_calls) {
            (UserType::Prospect, false) => self.save_prospect(&lead).await,
            (_, false) => self.save_member(&lead).await,
            (UserType::Prospect, true) if known => self.update_prospect(&lead).await,
            (UserType::Prospect, true) => self.create_prospect(&lead).await,
            (_, true) if known => self.update_member(&lead).await,
            (_, true) => self.create_member(&lead).await,
        }
    }

    async fn post_person(&self, target: &str, lead: &Lead) -> Result<String, HubError> {
        let body = self.person_body(lead).document()?;
        let answered = id(&self.call(&Method::POST, target, body.into()).await?)?;
        self.links().people.insert(lead.record_id.clone(), answered.clone());
        Ok(answered)
    }

    async fn call(&self, method: &Method, target: &str, body: Bytes) -> Result<Element, HubError> {
        let request = self.facade.request(method, target, body.clone())?;
        let at = self.sim.clock.now();
        let answer = self.transport.send(request, Limits::default()).await;
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        self.links().sent.push(Sent { at, method: method.to_string(), target: target.to_owned(), body, status });
        read(&answer?)
    }

    fn provider_info(&self, record_id: &str) -> Element {
        let key = self.sim.key(record_id);
        let ids = [
            // The hub speaks for itself here: the identifier names whose record it is.
            ("identifier", super::IN_TOUCH),
            ("clientID", &key.client),
            ("clubID", &key.club),
            ("recordID", record_id),
        ];
        Element::parent("providerInfo", ids.map(|(name, text)| Element::leaf(name, text)))
    }

    fn person_body(&self, lead: &Lead) -> Element {
        let mut parts = vec![self.provider_info(&lead.record_id)];
        if let Some(id) = self.known(&lead.record_id).filter(|_| self.facade.sends_our_id) {
            parts.push(Element::parent("extraProviderIDs", [Element::leaf("ourID", id)]));
        }
        let mut info = vec![
            Element::leaf("firstname", lead.first_name.as_str()),
            Element::leaf("lastname", lead.last_name.as_str()),
            Element::leaf("userStatus", lead.status.to_string()),
            Element::leaf("userType", lead.user_type.to_string()),
        ];
        info.extend(lead.rest.iter().map(|(name, text)| Element::leaf(name, text.as_str())));
        let settings = self.sim.settings();
        let links = [(&settings.owner_element, &lead.owner), (&settings.source_element, &lead.source)];
        for (name, id) in links {
            info.extend(id.as_ref().map(|id| Element::leaf(name, id.as_str())));
        }
        parts.push(Element::parent("userInfo", info));
        Element::parent("user", parts)
    }

    fn source_body(&self, record_id: &str, name: &str, active: bool) -> Element {
        let info = [Element::leaf("name", name), Element::leaf("active", if active { "true" } else { "false" })];
        Element::parent("leadSource", [self.provider_info(record_id), Element::parent("leadInfo", info)])
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn one_of(mut ids: impl Iterator<Item = String>) -> Found {
    match (ids.next(), ids.next()) {
        (None, _) => Found::Nobody,
        (Some(only), None) => Found::Linked(only),
        _ => Found::Several,
    }
}

/// Trimmed and without regard to ASCII case (contract 1.8, our reading).
fn folded_email(email: &str) -> String {
    email.trim().to_ascii_lowercase()
}
