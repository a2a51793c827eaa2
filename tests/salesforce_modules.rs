//! The Salesforce adapter against the simulated org, module by module: what is written comes back, twice
//! is once, and what Salesforce would not take is refused (`contracts/crm.md` 3).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tandem::model::module::IVVY_KEY;
use tandem::model::{Fields, MatchKind, ModuleId, Record, RecordId, Value};
use tandem::remote::salesforce::{Salesforce, Settings};
use tandem::remote::{Class, PageRequest, Read, Remote, RemoteError, Sent};
use tandem::seam::{Clock, Entropy, TokioClock};
use tandem::sim::inprocess::InProcess;
use tandem::sim::ledger::Op;
use tandem::sim::salesforce::{self, SalesforceSim};

/// Catalogue fields that only custom fields can hold, with those of the simulated org.
const EXTRA: &[(ModuleId, &str, &str)] = &[
    (ModuleId::Leads, "name", "Ivvy_Name__c"),
    (ModuleId::Events, "code", "Ivvy_Code__c"),
    (ModuleId::Events, "website", "Ivvy_Website__c"),
    (ModuleId::Events, "starts_at", "Ivvy_Starts__c"),
    (ModuleId::Events, "ends_at", "Ivvy_Ends__c"),
    (ModuleId::Attendees, "invited", "Ivvy_Invited__c"),
    (ModuleId::Registrations, "status", "Ivvy_Status__c"),
    (ModuleId::Registrations, "exhibitor", "Ivvy_Exhibitor__c"),
    (ModuleId::Registrations, "paid", "Ivvy_Paid__c"),
    (ModuleId::QuotesAndBookings, "code", "Ivvy_Code__c"),
    (ModuleId::QuotesAndBookings, "status", "Ivvy_Status__c"),
    (ModuleId::QuotesAndBookings, "outstanding", "Ivvy_Outstanding__c"),
    (ModuleId::QuotesAndBookings, "currency", "Ivvy_Currency__c"),
    (ModuleId::QuotesAndBookings, "starts_at", "Ivvy_Starts__c"),
    (ModuleId::QuotesAndBookings, "ends_at", "Ivvy_Ends__c"),
    (ModuleId::QuotesAndBookings, "confidential", "Ivvy_Confidential__c"),
    (ModuleId::Orders, "kind", "Ivvy_Kind__c"),
    (ModuleId::Orders, "status", "Ivvy_Status__c"),
    (ModuleId::Orders, "currency", "Ivvy_Currency__c"),
    (ModuleId::Orders, "created_at", "Ivvy_Created__c"),
    (ModuleId::ContactEmails, "from", "Ivvy_From__c"),
    (ModuleId::ContactEmails, "to", "Ivvy_To__c"),
    (ModuleId::ContactEmails, "sent_at", "Ivvy_Sent__c"),
];

struct Org {
    sim: Arc<SalesforceSim>,
    clock: Arc<dyn Clock>,
    crm: Salesforce,
    contact: String,
    company: String,
    event: String,
}

impl Org {
    /// An org with a company, a contact and an event in it, and an adapter with every extra field.
    async fn open() -> Self {
        Self::with(|settings| {
            let extra = EXTRA.iter().map(|(module, name, field)| ((*module, (*name).to_owned()), (*field).to_owned()));
            settings.extra_fields = extra.collect();
            settings.email_field = Some("Email__c".to_owned());
        })
        .await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
        let sim = SalesforceSim::new(salesforce::Settings::default(), Arc::clone(&clock), Entropy::seeded(7));
        let crm = adapter(&sim, &clock, change);
        let company = sim.insert("Account", json!({"Name": "Harbour"})).unwrap();
        let contact = sim.insert("Contact", json!({"LastName": "Lovelace", "AccountId": company})).unwrap();
        let event = sim.insert("Campaign", json!({"Name": "Gala", "Ivvy_Id__c": "event-99"})).unwrap();
        Self { sim, clock, crm, contact, company, event }
    }

    /// A record of `module` with every field there is.
    fn whole(&self, module: ModuleId) -> Fields {
        let (contact, company, event) = (self.contact.as_str(), self.company.as_str(), self.event.as_str());
        let texts: &[(&str, &str)] = match module {
            ModuleId::Companies => &[
                ("name", "Harbour Events"),
                ("phone", "+61 2 5550 1234"),
                ("email", "hello@harbour.example"),
                ("website", "https://harbour.example"),
                ("street", "1 Quay"),
                ("city", "Łódź"),
                ("postal_code", "0200"),
                ("country", "AU"),
                ("parent", company),
            ],
            ModuleId::Contacts => &[
                ("first_name", "Ada"),
                ("last_name", "King"),
                ("email", "ada@harbour.example"),
                ("phone", "1"),
                ("company", company),
            ],
            ModuleId::Leads => &[
                ("name", "Spring wedding"),
                ("first_name", "Bea"),
                ("last_name", "Braun"),
                ("email", "bea@harbour.example"),
                ("phone", "2"),
                ("company_name", "Braun & Co"),
                ("description", "120 guests\nby the water"),
                ("source", "Trade Show"),
            ],
            ModuleId::Events => &[
                ("name", "Summer gala"),
                ("code", "SG26"),
                ("status", "launched"),
                ("starts_at", "2026-12-01T09:00:00Z"),
                ("ends_at", "2026-12-02T01:30:00Z"),
                ("website", "https://gala.example"),
            ],
            ModuleId::Attendees => &[("event", event), ("contact", contact), ("status", "session_attended")],
            ModuleId::Registrations => &[
                ("name", "Gala, Ada King"),
                ("contact", contact),
                ("event", event),
                ("status", "completed"),
                ("stage", "won"),
                ("amount", "1234.50"),
                ("paid", "0.10"),
                ("close_date", "2026-11-30"),
            ],
            ModuleId::QuotesAndBookings => &[
                ("name", "Wedding Braun"),
                ("code", "B-17"),
                ("contact", contact),
                ("company", company),
                ("status", "tentative"),
                ("stage", "tentative"),
                ("amount", "9999999999999.99"),
                ("outstanding", "-12.00"),
                ("currency", "AUD"),
                ("starts_at", "2027-02-01T10:00:00Z"),
                ("ends_at", "2027-02-01T23:00:00Z"),
                ("close_date", "2027-02-01"),
            ],
            ModuleId::Orders => &[
                ("name", "Refund 9007199254740993"),
                ("contact", contact),
                ("company", company),
                ("kind", "refund"),
                ("status", "closed"),
                ("stage", "won"),
                ("amount", "-120.50"),
                ("currency", "EUR"),
                ("created_at", "2026-11-20T22:15:00Z"),
                ("close_date", "2026-11-21"),
                ("lines", "2 x Gala, stalls: 60.25 each"),
            ],
            ModuleId::ContactEmails => &[
                ("contact", contact),
                ("subject", "Your booking"),
                ("from", "sales@venue.example"),
                ("to", "ada@harbour.example"),
                ("sent_at", "2026-11-20T22:15:00Z"),
                ("body", "Dear Ada"),
            ],
        };
        let mut fields: Fields = texts.iter().map(|(name, text)| ((*name).to_owned(), Value::text(*text))).collect();
        let flag = match module {
            ModuleId::Attendees => Some("invited"),
            ModuleId::Registrations => Some("exhibitor"),
            ModuleId::QuotesAndBookings => Some("confidential"),
            _ => None,
        };
        fields.extend(flag.map(|name| (name.to_owned(), Value::Bool(true))));
        if module == ModuleId::Leads {
            fields.insert("owner".to_owned(), Value::text(self.user(true)));
        }
        fields
    }

    fn user(&self, active: bool) -> String {
        let users = self.sim.records("User").unwrap();
        users.iter().find(|user| user["IsActive"] == active).unwrap()["Id"].as_str().unwrap().to_owned()
    }

    async fn create(&self, module: ModuleId, key: &str) -> RecordId {
        self.crm.create(module, key, &self.whole(module)).await.unwrap().id
    }

    async fn read(&self, module: ModuleId, id: &RecordId) -> Record {
        match self.crm.get(module, id).await.unwrap() {
            Read::Found(record) => *record,
            other => panic!("{module}: {other:?}"),
        }
    }

    async fn refused(&self, module: ModuleId, key: &str, fields: &Fields) -> RemoteError {
        self.crm.create(module, key, fields).await.unwrap_err()
    }

    /// The record as the org holds it.
    fn row(&self, object: &str, id: &RecordId) -> Json {
        let rows = self.sim.records(object).unwrap();
        rows.into_iter().find(|row| row["Id"] == id.as_str()).unwrap_or_else(|| panic!("no {object} {id}"))
    }
}

fn adapter(sim: &Arc<SalesforceSim>, clock: &Arc<dyn Clock>, change: impl FnOnce(&mut Settings)) -> Salesforce {
    let salesforce::Settings { client_id, client_secret, .. } = sim.settings().clone();
    let mut settings = Settings::new("http://127.0.0.1:8080", client_id, client_secret);
    change(&mut settings);
    let transport = Arc::new(InProcess { router: sim.router() });
    Salesforce::new(settings, transport, Arc::clone(clock)).unwrap()
}

fn one(name: &str, value: impl Into<Value>) -> Fields {
    Fields::from([(name.to_owned(), value.into())])
}

fn object(module: ModuleId) -> &'static str {
    match module {
        ModuleId::Companies => "Account",
        ModuleId::Contacts => "Contact",
        ModuleId::Leads => "Lead",
        ModuleId::Events => "Campaign",
        ModuleId::Attendees => "CampaignMember",
        ModuleId::Registrations | ModuleId::QuotesAndBookings | ModuleId::Orders => "Opportunity",
        ModuleId::ContactEmails => "Task",
    }
}

fn key(module: ModuleId) -> String {
    format!("{}-12", module.singular())
}

async fn advance(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn every_field_of_every_module_comes_back_as_it_was_written() {
    let org = Org::open().await;
    for module in ModuleId::ALL {
        let id = org.create(module, &key(module)).await;
        let record = org.read(module, &id).await;
        let mut written = org.whole(module);
        written.insert(IVVY_KEY.to_owned(), Value::text(key(module)));
        assert_eq!(record.fields, written, "{module}");
        let held = org.crm.fields(module);
        assert!(written.keys().all(|name| held.contains(name)) && held.len() == written.len(), "{module}: {held:?}");
        let catalogue = module.def();
        assert!(held.iter().all(|name| catalogue.field(name).is_some()), "{module}");
        assert!(record.version.is_some() && record.modified.is_some() && !record.archived);
    }
}

#[tokio::test(start_paused = true)]
async fn creating_twice_is_one_record_in_every_module_i1() {
    let org = Org::open().await;
    for module in ModuleId::ALL {
        let (key, fields) = (key(module), org.whole(module));
        let first = org.crm.create(module, &key, &fields).await.unwrap();
        let second = org.crm.create(module, &key, &fields).await.unwrap();
        assert_eq!((first.created, second.created), (Some(true), Some(false)), "{module}");
        assert_eq!(first.id, second.id, "{module}");
        assert_eq!(org.sim.ledger().creations(object(module), &key), 1, "{module}");
        let found = org.crm.find_by_key(module, &key).await.unwrap().unwrap();
        assert_eq!(found.iter().map(|record| &record.id).collect::<Vec<_>>(), [&first.id], "{module}");
        assert_eq!(org.read(module, &first.id).await.fields, found[0].fields, "{module}");
    }
    // Once more over the older answer, which does not name the record.
    org.sim.set_knobs(|knobs| knobs.upsert_answers_204 = true);
    for module in [ModuleId::Attendees, ModuleId::Registrations, ModuleId::ContactEmails] {
        let again = org.crm.create(module, &key(module), &org.whole(module)).await.unwrap();
        assert_eq!(again.created, Some(false), "{module}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_module_takes_a_change_and_refuses_one_over_a_moved_record_i7() {
    let org = Org::open().await;
    for (module, name, value, theirs) in [
        (ModuleId::Companies, "city", "Bogotá", json!({"Phone": "9"})),
        (ModuleId::Contacts, "phone", "3", json!({"FirstName": "Augusta"})),
        (ModuleId::Leads, "description", "90 guests", json!({"Phone": "9"})),
        (ModuleId::Events, "status", "closed", json!({"Name": "Theirs"})),
        (ModuleId::Attendees, "status", "no_show", json!({"Status": "Invited"})),
        (ModuleId::Registrations, "amount", "1300.00", json!({"Name": "Theirs"})),
        (ModuleId::QuotesAndBookings, "stage", "lost", json!({"Name": "Theirs"})),
        (ModuleId::Orders, "stage", "lost", json!({"Name": "Theirs"})),
        (ModuleId::ContactEmails, "subject", "Re: Your booking", json!({"Status": "Deferred"})),
    ] {
        let id = org.create(module, &key(module)).await;
        let seen = org.read(module, &id).await;
        advance(2).await;
        let ack = org.crm.update(module, &id, &one(name, value), seen.version.as_deref()).await.unwrap();
        assert_eq!((&ack.id, ack.created), (&id, Some(false)));
        let now = org.read(module, &id).await;
        assert_eq!(now.fields[name], Value::text(value), "{module}");
        assert!(now.modified > seen.modified, "{module}");
        let others = |record: &Record| record.fields.clone().into_iter().filter(|(of, _)| of != name).collect();
        let (before, after): (Fields, Fields) = (others(&seen), others(&now));
        assert_eq!(before, after, "{module}: nothing else moved");

        advance(2).await;
        org.sim.edit(object(module), id.as_str(), theirs).unwrap();
        let error = org.crm.update(module, &id, &one(name, value), now.version.as_deref()).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Conflict, Sent::No), "{module}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_once_is_refused_later_before_anything_is_sent() {
    let org = Org::open().await;
    for (module, name) in [
        (ModuleId::Attendees, "event"),
        (ModuleId::Attendees, "contact"),
        (ModuleId::Registrations, "contact"),
        (ModuleId::QuotesAndBookings, "contact"),
        (ModuleId::Orders, "contact"),
    ] {
        let id = org.create(module, &key(module)).await;
        let calls = org.sim.calls_made();
        let error = org.crm.update(module, &id, &one(name, org.contact.as_str()), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{module}");
        assert!(error.details[0].starts_with(&format!("{name}: ")) && error.message.contains("creates"), "{error:?}");
        assert_eq!(org.sim.calls_made(), calls, "{module}");
    }
}

#[tokio::test(start_paused = true)]
async fn words_without_a_value_are_refused_not_guessed() {
    let org = Org::open().await;
    for (module, name, word) in [
        (ModuleId::Events, "status", "status 9"),
        (ModuleId::Attendees, "status", "response 5"),
        (ModuleId::Registrations, "stage", "status 9"),
        (ModuleId::QuotesAndBookings, "stage", "Closed Won"),
        (ModuleId::QuotesAndBookings, "amount", "a lot"),
        (ModuleId::QuotesAndBookings, "close_date", "tomorrow"),
        (ModuleId::Orders, "stage", "confirmed"),
        // The org keeps cents: a thousandth, or more than a double holds, is refused and never rounded (S-25).
        (ModuleId::Orders, "amount", "4.005"),
        (ModuleId::Orders, "amount", "9223372036854775.807"),
    ] {
        let mut fields = org.whole(module);
        fields.insert(name.to_owned(), Value::text(word));
        let calls = org.sim.calls_made();
        let error = org.refused(module, &key(module), &fields).await;
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{module} {word}");
        assert!(error.details[0].starts_with(&format!("{name}: ")), "{error:?}");
        assert_eq!(org.sim.calls_made(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn values_the_org_does_not_know_are_refused_by_it_and_read_as_they_are() {
    let org = Org::with(|settings| {
        settings.stages.insert("won".to_owned(), "Signed".to_owned());
        settings.member_statuses.insert("attended".to_owned(), "Was there".to_owned());
    })
    .await;
    let fields = |module| {
        let held = org.crm.fields(module);
        org.whole(module).into_iter().filter(|(name, _)| held.contains(name)).collect::<Fields>()
    };
    let won = org.refused(ModuleId::Registrations, "registration-1", &fields(ModuleId::Registrations)).await;
    assert_eq!((won.class, won.sent), (Class::Rejected, Sent::No));
    assert_eq!(won.code.as_deref(), Some("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"));
    assert!(won.details[0].starts_with("stage: "), "{won:?}");
    let mut attendee = fields(ModuleId::Attendees);
    attendee.insert("status".to_owned(), Value::text("attended"));
    assert_eq!(org.refused(ModuleId::Attendees, "attendee-1", &attendee).await.class, Class::Rejected);

    let strange = json!({"Name": "A", "StageName": "Closed Won", "CloseDate": "2026-12-01", "Ivvy_Id__c": "booking-1"});
    let id = RecordId::from(org.sim.insert("Opportunity", strange).unwrap());
    let record = org.read(ModuleId::QuotesAndBookings, &id).await;
    assert_eq!(record.fields["stage"], Value::text("Closed Won"));
    assert_eq!(record.fields["amount"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn references_to_nothing_are_refused() {
    let org = Org::open().await;
    for (module, name, id) in [
        (ModuleId::Attendees, "event", "701000000000001AAA"),
        (ModuleId::Registrations, "event", "701000000000001AAA"),
        (ModuleId::QuotesAndBookings, "company", "001000000000001AAA"),
        (ModuleId::Orders, "company", "001000000000001AAA"),
        (ModuleId::ContactEmails, "contact", "003000000000001AAA"),
        (ModuleId::ContactEmails, "contact", "001000000000001AAA"),
    ] {
        let mut fields = org.whole(module);
        fields.insert(name.to_owned(), Value::text(id));
        let error = org.refused(module, &key(module), &fields).await;
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{module} {name}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_way_modules_show_only_what_carries_our_key() {
    let org = Org::open().await;
    let by_hand = json!({"Name": "By hand", "StageName": "Prospecting", "CloseDate": "2026-12-01"});
    org.sim.insert("Opportunity", by_hand).unwrap();
    org.sim.insert("Campaign", json!({"Name": "By hand"})).unwrap();
    org.sim.insert("Lead", json!({"LastName": "By hand", "Company": "C"})).unwrap();
    let listed = async |module| org.crm.list(module, &PageRequest::default()).await.unwrap().records.len();
    assert_eq!(listed(ModuleId::Registrations).await, 0);
    assert_eq!(listed(ModuleId::Events).await, 1, "the event of the world carries a key");
    assert_eq!(listed(ModuleId::Leads).await, 1, "leads go both ways");
    org.create(ModuleId::Registrations, "registration-12").await;
    assert_eq!(listed(ModuleId::Registrations).await, 1);
}

#[tokio::test(start_paused = true)]
async fn listings_page_from_a_stamp_and_bring_deleted_records_along_i12() {
    let org = Org::open().await;
    for serial in 0..450 {
        let fields = json!({"Name": format!("Event {serial}"), "Ivvy_Id__c": format!("event-{serial:03}")});
        if serial % 100 == 0 {
            advance(1).await;
        }
        org.sim.insert("Campaign", fields).unwrap();
    }
    let mut request = PageRequest { from: Some("2026-11-21T08:00:01Z".parse().unwrap()), ..PageRequest::default() };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = org.crm.list(ModuleId::Events, &request).await.unwrap();
        pages += 1;
        seen.extend(page.records.into_iter().map(|record| (record.modified.unwrap(), record.id)));
        request.position = page.next;
        if request.position.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (450, 3));
    assert!(seen.is_sorted());

    advance(60).await;
    let modules =
        [ModuleId::Attendees, ModuleId::QuotesAndBookings, ModuleId::Orders, ModuleId::Leads, ModuleId::Events];
    for module in modules {
        let id = org.create(module, &format!("{}-new", module.singular())).await;
        advance(1).await;
        let since = PageRequest { from: Some(org.clock.now()), ..PageRequest::default() };
        assert!(org.crm.list(module, &since).await.unwrap().records.is_empty(), "{module}");
        org.sim.delete(object(module), id.as_str()).unwrap();
        let page = org.crm.list(module, &since).await.unwrap();
        let [gone] = page.records.as_slice() else { panic!("{module}: {page:?}") };
        assert!(gone.archived && gone.id == id, "{module}");
        assert_eq!(org.crm.get(module, &id).await.unwrap(), Read::Missing, "{module}");
        let change = one("name", "X");
        let error = org.crm.update(module, &id, &change, None).await.unwrap_err();
        assert!(matches!(error.class, Class::Missing | Class::Unsupported), "{module}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_made_by_hand_becomes_ours_and_one_with_another_key_does_not() {
    let org = Org::open().await;
    let by_hand = json!({"CampaignId": org.event, "ContactId": org.contact, "Status": "Invited"});
    let member = org.sim.insert("CampaignMember", by_hand).unwrap();
    let ack = org.crm.create(ModuleId::Attendees, "attendee-1-2", &org.whole(ModuleId::Attendees)).await.unwrap();
    assert_eq!((ack.id.as_str(), ack.created), (member.as_str(), Some(false)));
    let row = org.row("CampaignMember", &ack.id);
    assert_eq!((&row["Status"], &row["Ivvy_Id__c"]), (&json!("Session attended"), &json!("attendee-1-2")));

    let error = org.refused(ModuleId::Attendees, "attendee-1-3", &org.whole(ModuleId::Attendees)).await;
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert_eq!(error.details, [format!("possible match: {member}")]);
    assert_eq!(org.sim.ledger().count("CampaignMember", Op::Create), 0, "the only creation was by hand");
}

#[tokio::test(start_paused = true)]
async fn a_race_for_the_same_member_is_left_to_be_proved() {
    let org = Org::open().await;
    org.sim.set_knobs(|knobs| knobs.upsert_races = 1);
    let error = org.refused(ModuleId::Attendees, "attendee-1-2", &org.whole(ModuleId::Attendees)).await;
    assert_eq!((error.class, error.sent), (Class::Conflict, Sent::Maybe));
    assert_eq!(org.crm.find_by_key(ModuleId::Attendees, "attendee-1-2").await.unwrap().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_shows_its_days_where_it_has_its_moments() {
    let org = Org::open().await;
    let id = org.create(ModuleId::Events, "event-12").await;
    let row = org.row("Campaign", &id);
    assert_eq!((&row["StartDate"], &row["EndDate"]), (&json!("2026-12-01"), &json!("2026-12-02")));
    let error = org.crm.update(ModuleId::Events, &id, &one("starts_at", "soon"), None).await.unwrap_err();
    assert_eq!(error.class, Class::Rejected);

    let plain = Org::with(|_| {}).await;
    assert_eq!(plain.crm.fields(ModuleId::Events), ["name", "status", IVVY_KEY]);
    let error = plain.refused(ModuleId::Events, "event-12", &one("starts_at", "2026-12-01T09:00:00Z")).await;
    assert_eq!(error.class, Class::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn an_opportunity_has_its_contact_as_primary_role() {
    let org = Org::open().await;
    let id = org.create(ModuleId::Registrations, "registration-12").await;
    let roles = org.sim.records("OpportunityContactRole").unwrap();
    assert_eq!(roles.len(), 1);
    assert_eq!((&roles[0]["OpportunityId"], &roles[0]["IsPrimary"]), (&json!(id.as_str()), &json!(true)));
    assert_eq!(org.row("Opportunity", &id)["Amount"].to_string(), "1234.5");
    let mut nobody = org.whole(ModuleId::Registrations);
    nobody.insert("contact".to_owned(), Value::Null);
    let ack = org.crm.create(ModuleId::Registrations, "registration-13", &nobody).await.unwrap();
    assert_eq!(org.read(ModuleId::Registrations, &ack.id).await.fields["contact"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_e_mail_is_a_completed_task_with_the_text_of_its_page() {
    let org = Org::open().await;
    let mut fields = org.whole(ModuleId::ContactEmails);
    let page = "<html><style>p{}</style><p>Dear Ada,</p><p>your <b>booking</b> &amp; more</p></html>";
    fields.insert("body".to_owned(), Value::text(page));
    let ack = org.crm.create(ModuleId::ContactEmails, "email-7", &fields).await.unwrap();
    let row = org.row("Task", &ack.id);
    assert_eq!((&row["Status"], &row["TaskSubtype"]), (&json!("Completed"), &json!("Email")));
    assert_eq!((&row["WhoId"], &row["ActivityDate"]), (&json!(org.contact), &json!("2026-11-20")));
    let text = row["Description"].as_str().unwrap();
    assert!(text.contains("Dear Ada,") && text.contains("your booking & more") && !text.contains('<'), "{text}");
    fields.insert("body".to_owned(), Value::text("<div>x ".repeat(100_000)));
    let huge = org.crm.create(ModuleId::ContactEmails, "email-8", &fields).await.unwrap();
    assert_eq!(org.row("Task", &huge.id)["Description"].as_str().unwrap().chars().count(), 32_000);

    let plain = Org::with(|_| {}).await;
    assert_eq!(plain.crm.fields(ModuleId::ContactEmails), ["contact", "subject", "sent_at", "body", IVVY_KEY]);
    let held = plain.crm.fields(ModuleId::ContactEmails);
    let fields = plain.whole(ModuleId::ContactEmails).into_iter().filter(|(name, _)| held.contains(name)).collect();
    let ack = plain.crm.create(ModuleId::ContactEmails, "email-7", &fields).await.unwrap();
    assert_eq!(plain.row("Task", &ack.id)["ActivityDate"], "2026-11-20");
    let record = plain.read(ModuleId::ContactEmails, &ack.id).await;
    assert!(!record.fields.contains_key("sent_at"), "a day is no moment: absent, which is no change (I27)");
}

#[tokio::test(start_paused = true)]
async fn a_lead_without_company_or_owner_invents_neither() {
    let org = Org::open().await;
    for (key, company) in [("lead-1", Some(Value::Null)), ("lead-2", Some(Value::text(""))), ("lead-3", None)] {
        let mut fields = org.whole(ModuleId::Leads);
        fields.remove("company_name");
        fields.extend(company.map(|company| ("company_name".to_owned(), company)));
        fields.insert("owner".to_owned(), Value::Null);
        fields.insert("source".to_owned(), Value::Null);
        let ack = org.crm.create(ModuleId::Leads, key, &fields).await.unwrap();
        let row = org.row("Lead", &ack.id);
        assert_eq!((&row["Company"], &row["LeadSource"]), (&json!("[not provided]"), &Json::Null));
        assert_eq!(row["OwnerId"], row["CreatedById"], "Salesforce's own choice, not ours");
        assert_eq!(org.read(ModuleId::Leads, &ack.id).await.fields["company_name"], Value::Null);
    }
    let id = org.create(ModuleId::Leads, "lead-4").await;
    org.crm.update(ModuleId::Leads, &id, &one("company_name", Value::Null), None).await.unwrap();
    assert_eq!(org.row("Lead", &id)["Company"], "[not provided]");
    for owner in [Value::Null, Value::text(org.user(false))] {
        let error = org.crm.update(ModuleId::Leads, &id, &one("owner", owner), None).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
        assert!(error.details[0].starts_with("owner: "), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_converted_lead_is_still_read_and_refuses_changes() {
    let org = Org::open().await;
    let id = org.create(ModuleId::Leads, "lead-12").await;
    org.sim.convert_lead(id.as_str(), true).unwrap();
    assert!(!org.read(ModuleId::Leads, &id).await.archived);
    let error = org.crm.update(ModuleId::Leads, &id, &one("description", "x"), None).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Conflict, Sent::No), "another record than the one expected");
    assert_eq!(error.code.as_deref(), Some("CANNOT_UPDATE_CONVERTED_LEAD"));
}

#[tokio::test(start_paused = true)]
async fn staff_and_lead_sources_are_listed_and_never_made_c08_c16() {
    let org = Org::open().await;
    for kind in MatchKind::ALL {
        let support = org.crm.match_support(kind);
        assert!(support.list && !support.create);
    }
    let staff = org.crm.entries(MatchKind::Staff).await.unwrap();
    assert_eq!(staff.len(), org.sim.records("User").unwrap().len());
    let brien = staff.iter().find(|user| user.name == "Siobhan O'Brien").unwrap();
    assert_eq!((brien.email.as_deref(), brien.active), (Some("siobhan.obrien@venue.example"), true));
    assert!(staff.iter().any(|user| !user.active), "those who left stay known");

    let sources = org.crm.entries(MatchKind::LeadSource).await.unwrap();
    let source = |name: &str| sources.iter().find(|source| source.name == name).unwrap();
    assert_eq!((source("Trade Show").id.as_str(), source("Trade Show").active), ("Trade Show", true));
    assert!(!source("Fax").active);
    let error = org.crm.create_lead_source("Carrier pigeon").await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No));
}

#[tokio::test(start_paused = true)]
async fn settings_that_could_not_be_read_back_are_refused() {
    let org = Org::open().await;
    let refuse = |change: fn(&mut Settings)| {
        let salesforce::Settings { client_id, client_secret, .. } = org.sim.settings().clone();
        let mut settings = Settings::new("http://127.0.0.1:8080", client_id, client_secret);
        change(&mut settings);
        let transport = Arc::new(InProcess { router: org.sim.router() });
        Salesforce::new(settings, transport, Arc::clone(&org.clock)).unwrap_err().to_string()
    };
    let extra = |module, name: &str, field: &str| BTreeMap::from([((module, name.to_owned()), field.to_owned())]);
    assert!(refuse(|settings| drop(settings.stages.remove("won"))).contains("stages"));
    assert!(refuse(|settings| drop(settings.stages.insert("won".into(), "Closed Lost".into()))).contains("same"));
    assert!(refuse(|settings| drop(settings.member_statuses.insert("late".into(), "Late".into()))).contains("member"));
    assert!(refuse(|settings| drop(settings.event_statuses.insert("draft".into(), " ".into()))).contains("event"));
    let with = |extra: BTreeMap<(ModuleId, String), String>| {
        let salesforce::Settings { client_id, client_secret, .. } = org.sim.settings().clone();
        let mut settings = Settings::new("http://127.0.0.1:8080", client_id, client_secret);
        settings.extra_fields = extra;
        let transport = Arc::new(InProcess { router: org.sim.router() });
        Salesforce::new(settings, transport, Arc::clone(&org.clock))
    };
    assert!(with(extra(ModuleId::Events, "code", "Ivvy_Code__c")).is_ok());
    let mut clash = extra(ModuleId::Events, "code", "StartDate");
    assert!(with(clash.clone()).is_ok(), "odd, but nothing else is there");
    clash.extend(extra(ModuleId::Events, "starts_at", "Starts__c"));
    assert!(with(clash).is_err());
    for (module, name, field) in [
        (ModuleId::Events, "name", "Title__c"),
        (ModuleId::Events, "rooms", "Rooms__c"),
        (ModuleId::Events, "code", "Name"),
        (ModuleId::Events, "code", "Ivvy_Id__c"),
        (ModuleId::Events, "code", "Code__c FROM User"),
    ] {
        assert!(with(extra(module, name, field)).is_err(), "{name} {field}");
    }
}
