//! The InTouch Connector as a CRM (`contracts/connector_s360.md` 1): its *prospects* are our leads, its *members*
//! our contacts. Other modules have no place there.
//!
//! What is particular about it:
//!
//! * It cannot be listed. What it saves with us (`inbound::connector`) and what was read or written here lies
//!   on the shelf, and [`Remote::list`] pages that.
//! * Records are addressed by *our* id (`recordID`), never by the UUID it answers. A save creates or updates, and
//!   is the whole record: a change is laid over what is there.
//! * A person is one record, whichever module they are in: a prospect becomes a member under the same id
//!   ([`Conversion::SameRecord`]).
//! * It never creates staff, and a lead without a matched owner or source is sent without the element (C-13, C-24).
//! * What may be called at all was agreed ([`Agreed`]): where it only saves with us, no path here reaches the
//!   transport.

#![allow(clippy::result_large_err, reason = "RemoteError is the port's type, and an error ends a network call anyway")]

mod person;
mod sources;
mod wire;
pub mod xml;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use self::person::fields_of;
pub use self::person::{Elements, HUB, Kept, kept_id, member_type};
use self::wire::Wire;
use super::exchange::{clock_skew, failure, without_values};
use super::port::{Entry, MatchSupport};
use super::shelf::Shelf;
use super::transport::{Limits, Transport};
use super::{
    Capabilities, Class, ConditionalWrite, Conversion, DeleteEvidence, FieldDefinition, IdempotentCreate, Listing,
    Page, PageRequest, Probe, Read, Remote, RemoteError, Sent, WriteAck,
};
use crate::error::Error;
use crate::model::{Fields, MatchKind, ModuleId, Record, RecordId, Shelved, Side, Timestamp};
use crate::seam::Clock;

pub(crate) const SYSTEM: &str = "connector";
/// Records per page of the shelf.
const PAGE_SIZE: u32 = 200;
/// Whose record is asked for to test the connection: nobody's.
const NOBODY: &str = "tandem-connection-test";

/// What was agreed with the Connector, as far as calling it goes (C-04 to C-09, C-17 to C-19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each was agreed or not")]
pub struct Agreed {
    /// We may save records there.
    pub sends: bool,
    /// It saves records with us.
    pub receives: bool,
    /// Prospects take part.
    pub prospects: bool,
    /// Members take part.
    pub members: bool,
    /// Prospects come with their owner.
    pub owner: bool,
    /// Prospects come with their lead source.
    pub source: bool,
    /// All its staff can be listed.
    pub list_staff: bool,
    /// One of its staff can be looked up by e-mail.
    pub staff_by_email: bool,
    /// All its lead sources can be listed.
    pub list_sources: bool,
    /// Lead sources can be created there.
    pub create_source: bool,
    /// Lead sources can be hidden there, and shown again.
    pub update_source: bool,
}

/// How the Connector is reached, and as whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Scheme, host and port.
    pub base_url: String,
    /// Version in the path (`2011-11`).
    pub version: String,
    /// Our name there.
    pub provider: String,
    /// The client of all records.
    pub client: String,
    /// Its club.
    pub club: String,
    /// What was agreed.
    pub agreed: Agreed,
    /// Names of the elements the contract does not tell.
    pub elements: Elements,
    /// Longest time until a save shows in a read.
    pub settle: Duration,
    /// Bounds of one exchange.
    pub limits: Limits,
}

/// The Connector, for one club.
#[derive(Debug)]
pub struct Connector {
    wire: Wire,
    agreed: Agreed,
    elements: Elements,
    settle: Duration,
    shelf: Arc<dyn Shelf>,
    clock: Arc<dyn Clock>,
}

impl Connector {
    /// An adapter that reads what it was told from `shelf`. Makes no call.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::error::ErrorKind::Config) when the address is neither https nor this machine, or
    /// the version cannot stand in a path.
    pub fn new(
        settings: Settings,
        transport: Arc<dyn Transport>,
        shelf: Arc<dyn Shelf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        settings.elements.check()?;
        let wire = Wire::new(&settings, transport, Arc::clone(&clock))?;
        let Settings { agreed, elements, settle, .. } = settings;
        Ok(Self { wire, agreed, elements, settle, shelf, clock })
    }

    /// Whether `module` has a place, given what was agreed.
    fn has(&self, module: ModuleId) -> bool {
        match module {
            ModuleId::Leads => self.agreed.prospects,
            ModuleId::Contacts => self.agreed.members,
            _ => false,
        }
    }

    fn place(&self, module: ModuleId) -> Result<(), RemoteError> {
        if self.has(module) {
            return Ok(());
        }
        Err(failure(
            SYSTEM,
            &module.to_string(),
            Class::Unsupported,
            Sent::No,
            "this was not agreed with the Connector",
        ))
    }

    /// Refuses every write where none was agreed (C-05).
    fn may_send(&self, action: &str) -> Result<(), RemoteError> {
        if self.agreed.sends {
            return Ok(());
        }
        let why = "it was agreed that the Connector only saves records here: nothing is ever written there";
        Err(failure(SYSTEM, action, Class::Unsupported, Sent::No, why))
    }

    /// Why it is not certain that the Connector stands at its address, where a test met nothing but "not found": that
    /// is said of an absent record too. A list that was agreed on tells; where none was, nothing does (contract
    /// 1.3, 1.5).
    async fn doubt(&self) -> Result<Option<String>, RemoteError> {
        let Agreed { owner, source, list_staff, list_sources, .. } = self.agreed;
        let mut asked = vec![self.wire.address("user")];
        for (listed, resource) in [(source && list_sources, "leadsource"), (owner && list_staff, "staff")] {
            if !listed {
                continue;
            }
            if self.wire.ping(resource, &[]).await?.known {
                return Ok(None);
            }
            asked.push(self.wire.address(resource));
        }
        let why = format!("nothing but \"not found\" came from {}", asked.join(", "));
        if asked.len() > 1 {
            return Err(failure(SYSTEM, "test the connection", Class::Unsupported, Sent::No, &why));
        }
        Ok(Some(why))
    }

    fn shelved(&self, module: ModuleId, id: &RecordId) -> Result<Option<(Kept, Shelved)>, RemoteError> {
        let row = self.shelf.get(module, id).map_err(|why| disk("read", &why))?;
        row.filter(|row| !row.gone).map(|row| Ok((kept(&row)?, row))).transpose()
    }

    fn record(&self, module: ModuleId, id: &RecordId, kept: &Kept, at: Timestamp) -> Record {
        kept.record(module, id, at, &self.elements)
    }

    /// The person as they stand there, if there is one: by a direct read where we may call, and what they were
    /// last told to be where the Connector knows them by an id of its own only.
    async fn current(&self, id: &RecordId) -> Result<Option<Kept>, RemoteError> {
        if self.agreed.sends
            && let Some(mut user) = self.wire.user(id).await?
        {
            for module in [ModuleId::Contacts, ModuleId::Leads] {
                // An answer from before what it told us itself: it never goes back.
                if let Some((known, _)) = self.shelved(module, id)?
                    && user.is_older_than(&known)
                {
                    user = known;
                }
            }
            return Ok(Some(user));
        }
        for module in [ModuleId::Contacts, ModuleId::Leads] {
            if let Some((kept, _)) = self.shelved(module, id)?
                && (kept.told || !self.agreed.sends)
            {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// The record. A member is no lead we do not know, unless it is asked for by the key of a lead of ours.
    async fn read(&self, module: ModuleId, id: &RecordId, by_key: bool) -> Result<Option<Record>, RemoteError> {
        self.place(module)?;
        if !self.agreed.sends {
            return Ok(self.shelved(module, id)?.map(|(kept, row)| self.record(module, id, &kept, row.at)));
        }
        // Before the call, so that a save of the Connector's that comes meanwhile is not undone by its answer.
        let (known_at, before) = (self.known_at(module, id)?, self.shelved(module, id)?);
        let Some(mut user) = self.current(id).await? else { return Ok(None) };
        if let Some((known, _)) = &before {
            user.uuid = user.uuid.or_else(|| known.uuid.clone());
            user.told |= known.told;
        }
        match (module, user.is_member()) {
            // A prospect who became a member, perhaps under somebody else's hands.
            (ModuleId::Leads, true) if before.is_none() && !by_key => return Ok(None),
            (ModuleId::Leads, true) => user.converted = true,
            (ModuleId::Leads, false) => user.converted = false,
            (_, false) => return Ok(None),
            (_, true) => {}
        }
        if let Some(at) = self.put(module, id, &user, known_at).await? {
            return Ok(Some(self.record(module, id, &user, at)));
        }
        // Saved with us while we asked: that is newer.
        Ok(self.shelved(module, id)?.map(|(kept, row)| self.record(module, id, &kept, row.at)))
    }

    /// Puts the person on the shelf, unless the row there is no longer that of `known_at`.
    async fn put(
        &self,
        module: ModuleId,
        id: &RecordId,
        kept: &Kept,
        known_at: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, RemoteError> {
        let read = |why: String| disk("read", &why);
        let there = self.shelf.get(module, id).map_err(read)?;
        // So that a save in which the Connector names the person by its own id finds them (contract 1.2).
        let mut key = kept.uuid.as_deref().map(|uuid| self.wire.hubs_name(uuid));
        if there.is_some_and(|row| row.key.is_some()) {
            key = None;
        }
        if let Some(name) = &key
            && self.shelf.by_key(module, name).map_err(read)?.is_some_and(|bearer| bearer.id != *id)
        {
            key = None;
        }
        let row = Shelved {
            module,
            side: Side::Crm,
            id: id.clone(),
            key,
            at: self.clock.now(),
            gone: false,
            body: kept.body(),
        };
        self.shelf.put_if(row, known_at).await.map_err(|why| disk("keep", &why))
    }

    /// Lays `patch` over the person (`fields` of `module`) and saves the whole of it. `known_at`: the time of the
    /// shelf's row before the person was read.
    async fn save(
        &self,
        module: ModuleId,
        id: &RecordId,
        current: Kept,
        patch: &Fields,
        known_at: Option<Timestamp>,
    ) -> Result<(), RemoteError> {
        let action = format!("save {}", module.singular());
        let mut user = current;
        user.lay(module, patch, &self.elements)
            .map_err(|why| failure(SYSTEM, &action, Class::Rejected, Sent::No, &why))?;
        // The whole person goes there, so any value of theirs may come back in an error (I33).
        let saved = self.wire.save_user(&action, id, &user, &self.elements).await;
        user.uuid = Some(saved.map_err(|error| without_values(error, &user.values_sent()))?);
        // It is saved there: what the disk says about our copy must not look as if it were not.
        if let Err(error) = self.put(module, id, &user, known_at).await {
            tracing::warn!(%error, "what was saved with the Connector could not be put on the shelf");
        }
        Ok(())
    }

    /// When the shelf was last told of a record.
    fn known_at(&self, module: ModuleId, id: &RecordId) -> Result<Option<Timestamp>, RemoteError> {
        Ok(self.shelf.get(module, id).map_err(|why| disk("read", &why))?.map(|row| row.at))
    }

    async fn page(&self, module: ModuleId, request: &PageRequest) -> Result<Page, RemoteError> {
        self.place(module)?;
        let after = match request.position.as_deref().map(str::parse::<i64>) {
            None => None,
            Some(Ok(millis)) => Some(Timestamp::from_millis(millis)),
            Some(Err(_)) => {
                return Err(failure(SYSTEM, "list", Class::Malformed, Sent::No, "a position that is none"));
            }
        };
        let limit = PAGE_SIZE as usize;
        let rows = self.shelf.page(module, request.from, after, limit).map_err(|why| disk("list", &why))?;
        let next = rows.last().filter(|_| rows.len() == limit).map(|last| last.at.millis().to_string());
        let within = |row: &&Shelved| !row.gone && request.to.is_none_or(|to| row.at <= to);
        let records = rows.iter().filter(within).map(|row| Ok(self.record(module, &row.id, &kept(row)?, row.at)));
        Ok(Page { records: records.collect::<Result<_, RemoteError>>()?, next, ..Page::default() })
    }
}

fn kept(row: &Shelved) -> Result<Kept, RemoteError> {
    Kept::read(&row.body).ok_or_else(|| disk("read", "a record on the shelf cannot be read"))
}

/// Our own disk failed: nothing was asked of the Connector.
fn disk(action: &str, why: &str) -> RemoteError {
    failure(SYSTEM, action, Class::Server, Sent::No, why)
}

impl Remote for Connector {
    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn capabilities(&self, _module: ModuleId) -> Capabilities {
        Capabilities {
            conditional_write: ConditionalWrite::VerifiedAfter,
            idempotent_create: IdempotentCreate::NativeKey,
            listing: Listing::Keyset,
            // There is no deletion, only `userStatus` INACTIVE (contract 1.3).
            deletes: DeleteEvidence::ArchivedFlag,
            stamp_key: false,
            page_size: PAGE_SIZE,
            stamp_resolution: Duration::from_millis(1),
            min_overlap: Duration::from_secs(1),
            settle: self.settle,
            max_in_flight: 4,
        }
    }

    fn fields(&self, module: ModuleId) -> Vec<String> {
        if self.has(module) { fields_of(module, &self.elements) } else { Vec::new() }
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>> {
        Box::pin(async move {
            if !self.agreed.sends {
                let system = "InTouch Connector, which only saves records here".to_owned();
                return Ok(Probe { system, unasked: true, unread: true, ..Probe::default() });
            }
            let sent = self.clock.now();
            let pinged = self.wire.ping("user", &[("recordID", NOBODY)]).await?;
            let received = self.clock.now();
            Ok(Probe {
                system: "InTouch Connector".to_owned(),
                clock_skew_ms: pinged.server_time.map(|server| clock_skew(server, sent, received)),
                round_trip_ms: u64::try_from(received.since(sent).as_millis()).unwrap_or(u64::MAX),
                doubt: if pinged.known { None } else { self.doubt().await? },
                ..Probe::default()
            })
        })
    }

    fn definitions(&self, _module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>> {
        Box::pin(self.page(module, request))
    }

    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>> {
        Box::pin(async move {
            let found = self.read(module, id, false).await?;
            Ok(found.map_or(Read::Missing, |record| Read::Found(Box::new(record))))
        })
    }

    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(async move {
            let found = self.read(module, &RecordId::from(key), true).await?;
            Ok(Some(found.into_iter().collect()))
        })
    }

    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move {
            self.place(module)?;
            self.may_send("create")?;
            let id = RecordId::from(key);
            let known_at = self.known_at(module, &id)?;
            // A prospect who becomes a member keeps everything else that is known of them.
            let mut person = self.current(&id).await?.unwrap_or_default();
            // Nobody is made a prospect again by a lead that comes late.
            if module == ModuleId::Leads && person.is_member() {
                return Err(failure(SYSTEM, "create", Class::Conflict, Sent::No, "the person is a member there"));
            }
            person.make(module);
            let saved = self.save(module, &id, person, fields, known_at).await;
            saved.map_err(|error| without_values(error, fields))?;
            Ok(WriteAck { id, created: None })
        })
    }

    /// The Connector has no conditional write: `expected` is compared with what a read shows just before.
    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>> {
        Box::pin(async move {
            self.place(module)?;
            self.may_send("update")?;
            let known_at = self.known_at(module, id)?;
            let gone = |class, why| Err(failure(SYSTEM, "update", class, Sent::No, why));
            let Some(current) = self.current(id).await? else {
                return gone(Class::Missing, "there is no such person");
            };
            match (module, current.is_member()) {
                (ModuleId::Leads, true) => return gone(Class::Conflict, "the prospect has become a member"),
                (ModuleId::Contacts, false) => return gone(Class::Missing, "the person is no member"),
                _ => {}
            }
            if expected.is_some_and(|expected| expected != current.version()) {
                return gone(Class::Conflict, "the person has changed meanwhile");
            }
            let saved = self.save(module, id, current, patch, known_at).await;
            saved.map_err(|error| without_values(error, patch))?;
            Ok(WriteAck { id: id.clone(), created: Some(false) })
        })
    }

    fn conversion(&self) -> Conversion {
        Conversion::SameRecord
    }

    fn match_support(&self, kind: MatchKind) -> MatchSupport {
        self.support(kind)
    }

    fn entries(&self, kind: MatchKind) -> BoxFuture<'_, Result<Vec<Entry>, RemoteError>> {
        Box::pin(self.all_entries(kind))
    }

    fn find_staff<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, RemoteError>> {
        Box::pin(self.staff_with(email))
    }

    fn update_lead_source<'a>(
        &'a self,
        id: &'a RecordId,
        name: Option<&'a str>,
        active: Option<bool>,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        Box::pin(async move {
            match (name, active) {
                (None, Some(active)) => self.show_source(id, active).await,
                // Never asked for: only `active` is declared.
                _ => Err(failure(
                    SYSTEM,
                    "update a lead source",
                    Class::Unsupported,
                    Sent::No,
                    "names are fixed once they are saved",
                )),
            }
        })
    }

    fn create_lead_source<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<RecordId, RemoteError>> {
        Box::pin(async move {
            let written = Fields::from([("name".to_owned(), name.into())]);
            self.new_source(name).await.map_err(|error| without_values(error, &written))
        })
    }
}
