//! The port: what the engine may ask of any remote system, and what each system must declare about
//! itself (`contracts/crm.md` 9).

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use crate::model::mapping::FieldDefinition;
pub use crate::model::matching::Entry;
use crate::model::{Fields, MatchKind, ModuleId, Record, RecordId, Timestamp};

/// How a remote refuses a write over a version we have not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionalWrite {
    /// Compare-and-set on an exact version.
    Strong,
    /// Compare-and-set on a stamp of one second: an edit in the same second slips through.
    OneSecond,
    /// None: we read before, write, and read after.
    VerifiedAfter,
}

/// The guarantee as shown beside force-push.
pub type Guarantee = ConditionalWrite;

impl ConditionalWrite {
    /// One phrase for the diff pane.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Strong => "conditional write: the remote refuses if it moved",
            Self::OneSecond => "one-second weak: an edit in the same second could slip through",
            Self::VerifiedAfter => "verified afterwards: the remote cannot refuse; Tandem reads before and after",
        }
    }
}

/// How a create is made safe to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdempotentCreate {
    /// Upsert by our external key.
    NativeKey,
    /// Look up by key first; the create carries the key.
    LookupFirst,
}

/// How deletions show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeleteEvidence {
    /// Deleted records come along in listings, marked [`Record::archived`], and a direct read says whether
    /// they were merged into another.
    Feed,
    /// Records stay with an archived flag; hard deletes only by set difference.
    ArchivedFlag,
    /// Only absence from a complete listing, confirmed by a direct read.
    SetDifference,
}

/// How a listing is paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// By (stamp, id): stable under change.
    Keyset,
    /// By offset: rows can shift between pages; the adapter checks an anchor and reports
    /// [`Class::Shifted`].
    Offset,
}

/// How a system turns a lead into somebody it does business with (P-05). Declared, never guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// It does not, or nothing shows it.
    #[default]
    None,
    /// The lead is closed for good and names the contact it became ([`Record::person`]).
    NewContact,
    /// The same record goes on as an opportunity, perhaps with a new contact ([`Record::person`]).
    InPlace,
    /// The same record goes on as an opportunity of the contact it was about all along. A direct read tells.
    SamePerson,
    /// The same record goes on, under its id, as a contact: a person is one record there, whichever module they
    /// are in. Nobody is both.
    SameRecord,
}

/// What a system can do for one module. Declared, never guessed by the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// How a stale write is refused.
    pub conditional_write: ConditionalWrite,
    /// How a create is proved.
    pub idempotent_create: IdempotentCreate,
    /// How listings page.
    pub listing: Listing,
    /// How deletions show.
    pub deletes: DeleteEvidence,
    /// Our key can be written onto an existing record ([`crate::model::module::IVVY_KEY`], or
    /// `external_id` on the iVvy side).
    pub stamp_key: bool,
    /// Records per page.
    pub page_size: u32,
    /// Resolution of modification stamps.
    pub stamp_resolution: Duration,
    /// Smallest safe overlap of two incremental sweeps.
    pub min_overlap: Duration,
    /// Longest time a sent write may take to become visible to a look-up: proof waits this long.
    pub settle: Duration,
    /// Calls in flight at most.
    pub max_in_flight: u32,
}

/// One page asked for. All bounds inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Only records modified at or after this.
    pub from: Option<Timestamp>,
    /// Only records modified at or before this.
    pub to: Option<Timestamp>,
    /// Where to go on: [`Page::next`] of the page before.
    pub position: Option<String>,
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Records in the remote's order. May repeat records of earlier pages.
    pub records: Vec<Record>,
    /// Opaque position of the next page; `None` at the end.
    pub next: Option<String>,
    /// Total the remote claims, for progress only.
    pub total: Option<u64>,
    /// The server's clock when it answered (`Date` header), if it told.
    pub server_time: Option<Timestamp>,
}

/// A direct read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The record.
    Found(Box<Record>),
    /// The remote says there is no such record.
    Missing,
    /// The remote answers with another id: the record was merged into that one.
    MergedInto(RecordId),
}

/// What a successful write told us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteAck {
    /// Id of the record written.
    pub id: RecordId,
    /// Whether it was created by this very call; `None` if the remote does not tell.
    pub created: Option<bool>,
}

/// What a connection test found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Product and version as the remote names itself.
    pub system: String,
    /// Server clock minus ours, in milliseconds, if it could be measured.
    pub clock_skew_ms: Option<i64>,
    /// Round trip in milliseconds.
    pub round_trip_ms: u64,
    /// Why it is not certain that the system itself answered, where its answers cannot tell.
    pub doubt: Option<String>,
    /// Nobody was asked: the system only posts to us.
    #[serde(default)]
    pub unasked: bool,
    /// Nothing is ever read from it: its records are what it told us, or what it was handed.
    #[serde(default)]
    pub unread: bool,
}

/// What a system can do for one match table. Declared, never guessed by the engine (C-09, C-17 to C-19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchSupport {
    /// All entries can be listed, staff with their e-mail (P-06).
    pub list: bool,
    /// Entries can be created. Never true for staff (P-07).
    pub create: bool,
    /// One person can be looked up by e-mail address (C-11). Never true for lead sources.
    #[serde(default)]
    pub staff_by_email: bool,
    /// What can be updated of an entry (P-09). Nothing, ever, for staff.
    #[serde(skip)]
    pub update: SourceUpdate,
    /// What it tells us, or names, of its entries belongs to its list: [`Remote::entries`] is only what it lists
    /// itself, which may be nothing.
    #[serde(default)]
    pub told: bool,
    /// And it does list nothing itself, nor finds anybody: who is not in its list may be there all the same.
    #[serde(default)]
    pub only_told: bool,
}

/// What a system lets others change of a lead source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceUpdate {
    /// Its name.
    pub name: bool,
    /// Whether it is given to new leads.
    pub active: bool,
    /// Why the rest cannot be changed, for a person, after "it cannot be changed there: "; empty if there is nothing
    /// to say.
    pub because: &'static str,
}

/// Whether a failed call may have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// Certainly not applied.
    No,
    /// Perhaps applied: must be proved, never repeated blindly.
    Maybe,
}

/// What kind of failure a remote reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// Could not be reached, or did not answer.
    Unreachable,
    /// Too many requests, or a passing write race.
    Throttled,
    /// Our own limit of calls a day for this kind of work is used up; `retry_after` says how long.
    Quota,
    /// Server error.
    Server,
    /// The values were refused; not to be retried.
    Rejected,
    /// The record moved since it was read (409, 412).
    Conflict,
    /// No such record.
    Missing,
    /// Wrong or revoked key: the account stops.
    Unauthorized,
    /// Not permitted: the module stops.
    Forbidden,
    /// The listing shifted under us: start the sweep again.
    Shifted,
    /// The answer does not make sense: malformed, too large, wrong type.
    Malformed,
    /// The remote or our configuration does not know this action, field or object.
    Unsupported,
}

/// A failed call. `message` is the remote's text, cut and free of field values as far as we can
/// tell; it is untrusted and must be sanitised before display.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{system} {action}: {message}")]
pub struct RemoteError {
    /// Which system.
    pub system: String,
    /// Which action or endpoint.
    pub action: String,
    /// What kind.
    pub class: Class,
    /// Whether it may have had an effect.
    pub sent: Sent,
    /// The remote's code (`24299`, `DUPLICATE_VALUE`), if it gave one.
    pub code: Option<String>,
    /// One sentence.
    pub message: String,
    /// Messages per field, `field: text`.
    pub details: Vec<String>,
    /// How long the remote asked us to wait.
    pub retry_after: Option<Duration>,
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// A record that is there.
    Record(&'a RecordId),
    /// One that is to be made of these fields.
    New(&'a Fields),
}

/// One remote system, seen through Tandem's field names.
///
/// Every method makes at most a bounded number of calls and never repeats a write by itself.
/// `fields` given to writes hold only fields the adapter declared writable; references hold the
/// target's id *on this side*. Implementations keep unknown fields out and unknown values raw.
pub trait Remote: Send + Sync + fmt::Debug {
    /// Short name of the system (`ivvy`, `odoo`, `salesforce`).
    fn system(&self) -> &'static str;

    /// What it can do for `module`.
    fn capabilities(&self, module: ModuleId) -> Capabilities;

    /// Which catalogue fields of `module` it can hold, custom ones included. Fields missing here are
    /// left out of plans. None at all: the system has no place for the module, and it cannot be switched on.
    fn fields(&self, module: ModuleId) -> Vec<String>;

    /// Which of those it is only given once the record stands, by a write of their own.
    fn fields_after_creation(&self, _module: ModuleId) -> &'static [&'static str] {
        &[]
    }

    /// Which of its tenants a call is made to, where each has credentials of its own: a refusal of one says nothing
    /// of the others. `None`: they are all one, or nothing tells.
    fn tenant_of(&self, _module: ModuleId, _about: About<'_>) -> Option<String> {
        None
    }

    /// Tests the connection and measures the clock skew.
    fn probe(&self) -> BoxFuture<'_, Result<Probe, RemoteError>>;

    /// Its tenants, where it has several that are asked each for itself.
    fn tenants(&self) -> Vec<String> {
        Vec::new()
    }

    /// As [`Self::probe`], of one tenant where it has several: another one's trouble is not theirs.
    fn probe_tenant<'a>(&'a self, _tenant: &'a str) -> BoxFuture<'a, Result<Probe, RemoteError>> {
        self.probe()
    }

    /// The custom fields `module` has there.
    fn definitions(&self, module: ModuleId) -> BoxFuture<'_, Result<Vec<FieldDefinition>, RemoteError>>;

    /// One page of records, archived ones included.
    fn list<'a>(&'a self, module: ModuleId, request: &'a PageRequest) -> BoxFuture<'a, Result<Page, RemoteError>>;

    /// One record, as fresh as the remote can give it.
    fn get<'a>(&'a self, module: ModuleId, id: &'a RecordId) -> BoxFuture<'a, Result<Read, RemoteError>>;

    /// Records that carry this counterpart key: our external key on a CRM, the CRM id in iVvy's
    /// `externalId`. `None` if the system cannot look up by key for this module.
    fn find_by_key<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>>;

    /// The record that a create under `key` with these fields has made, if it has: [`Remote::find_by_key`], for systems
    /// that have to know of which part of them it would be.
    ///
    /// # Errors
    /// [`Class::Rejected`] when what is there under the key is not what `fields` would create.
    fn find_made<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        _fields: &'a Fields,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        self.find_by_key(module, key)
    }

    /// Records that look exactly like what `fields` would create, fresh from the remote: how a create whose outcome
    /// is unknown is proved where no field holds our key. What is found is taken for ours only then. `None` if
    /// the system cannot look for them.
    ///
    /// # Errors
    /// [`Class::Rejected`] when it cannot be told: a person must.
    fn find_alike<'a>(
        &'a self,
        _module: ModuleId,
        _fields: &'a Fields,
    ) -> BoxFuture<'a, Result<Option<Vec<Record>>, RemoteError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Creates a record that carries `key` (our external key on a CRM; the CRM record's id on iVvy).
    fn create<'a>(
        &'a self,
        module: ModuleId,
        key: &'a str,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>>;

    /// Writes only `patch`. `expected` is the version token of the freshness read; systems with a
    /// conditional write must use it and answer [`Class::Conflict`] when the record moved.
    fn update<'a>(
        &'a self,
        module: ModuleId,
        id: &'a RecordId,
        patch: &'a Fields,
        expected: Option<&'a str>,
    ) -> BoxFuture<'a, Result<WriteAck, RemoteError>>;

    /// How it converts leads. What it converted comes along in listings or is found by a direct read, marked
    /// [`Record::converted`].
    fn conversion(&self) -> Conversion {
        Conversion::None
    }

    /// What it can do for the match table `kind`. Nothing, unless it says so.
    fn match_support(&self, _kind: MatchKind) -> MatchSupport {
        MatchSupport::default()
    }

    /// Every entry of `kind`, inactive ones included, over as many pages as it takes.
    fn entries(&self, _kind: MatchKind) -> BoxFuture<'_, Result<Vec<Entry>, RemoteError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// The people with this e-mail address, whatever its case, inactive ones included; nobody is an empty
    /// answer, never an error. Only where [`MatchSupport::staff_by_email`] is declared.
    fn find_staff<'a>(&'a self, _email: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, RemoteError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Creates a lead source of this name, one call. Only where [`MatchSupport::create`] is declared.
    fn create_lead_source<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<RecordId, RemoteError>> {
        Box::pin(std::future::ready(Err(RemoteError {
            system: self.system().to_owned(),
            action: "create a lead source".to_owned(),
            class: Class::Unsupported,
            sent: Sent::No,
            code: None,
            message: "this system creates no lead sources".to_owned(),
            details: Vec::new(),
            retry_after: None,
        })))
    }

    /// Gives the lead source `id` a name, or makes it active or inactive, or both; one call, which changes nothing
    /// else of it. `None` is left as it is. Only what [`MatchSupport::update`] declares is ever asked for.
    fn update_lead_source<'a>(
        &'a self,
        _id: &'a RecordId,
        _name: Option<&'a str>,
        _active: Option<bool>,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        Box::pin(std::future::ready(Err(RemoteError {
            system: self.system().to_owned(),
            action: "update a lead source".to_owned(),
            class: Class::Unsupported,
            sent: Sent::No,
            code: None,
            message: "this system lets no lead source be changed".to_owned(),
            details: Vec::new(),
            retry_after: None,
        })))
    }
}
