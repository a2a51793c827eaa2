//! The Connector's adapter against scripted answers: what is sent, byte by byte, and what an answer means
//! (`contracts/connector_s360.md` 1.3 to 1.6).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail loudly")]

#[path = "../src/remote/shelf/memory.rs"]
mod memory;
mod scripted;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Response;
use memory::Rows;
use scripted::{Reply, Scripted, lost};
use tandem::model::matching::Entry;
use tandem::model::{Fields, MatchKind, ModuleId, Record, RecordId, Shelved, StreamId, StreamState, Timestamp, Value};
use tandem::remote::connector::{Agreed, Connector, Elements, Kept, Settings};
use tandem::remote::shelf::Shelf;
use tandem::remote::transport::Limits;
use tandem::remote::{Class, PageRequest, Read, Remote, RemoteError, Sent};
use tandem::seam::SystemClock;
// The rows are shared with the library's unit tests and speak of `crate::…`.
use tandem::model;

/// A shelf in memory, whose clock is a counter.
#[derive(Debug, Default)]
struct Memory {
    rows: Rows,
    /// Told by somebody else the moment the adapter has looked.
    meanwhile: Mutex<Option<Shelved>>,
}

impl Shelf for Memory {
    fn page(
        &self,
        module: ModuleId,
        from: Option<Timestamp>,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Shelved>, String> {
        Ok(self.rows.page(module, from, after, limit))
    }

    fn get(&self, module: ModuleId, id: &RecordId) -> Result<Option<Shelved>, String> {
        let there = self.rows.get(module, id);
        if let Some(row) = self.meanwhile.lock().unwrap().take() {
            self.rows.put(row);
        }
        Ok(there)
    }

    fn by_key(&self, module: ModuleId, key: &str) -> Result<Option<Shelved>, String> {
        Ok(self.rows.by_key(module, key))
    }

    fn stream(&self, _: &StreamId) -> Result<StreamState, String> {
        Ok(StreamState::default())
    }

    fn put(&self, row: Shelved) -> BoxFuture<'_, Result<Timestamp, String>> {
        let at = Timestamp::from_secs(self.rows.count() as i64 + 1);
        self.rows.put(Shelved { at, ..row });
        Box::pin(std::future::ready(Ok(at)))
    }
}

fn everything() -> Agreed {
    Agreed {
        sends: true,
        receives: false,
        prospects: true,
        members: true,
        owner: true,
        source: true,
        list_staff: true,
        staff_by_email: true,
        list_sources: true,
        create_source: true,
        update_source: true,
    }
}

struct Bench {
    connector: Connector,
    script: Arc<Scripted>,
    shelf: Arc<Memory>,
}

fn bench_with(agreed: Agreed, shelf: Memory, replies: impl IntoIterator<Item = Reply>) -> Bench {
    let settings = Settings {
        base_url: "https://qa.intouch.example".to_owned(),
        version: "2011-11".to_owned(),
        provider: "R&D".to_owned(),
        client: "client 1".to_owned(),
        club: "club/1".to_owned(),
        agreed,
        elements: Elements { owner: Some("leadOwnerID".into()), source: Some("leadSourceID".into()) },
        settle: Duration::from_secs(1),
        limits: Limits::default(),
    };
    let (script, shelf) = (Arc::new(Scripted::new(replies)), Arc::new(shelf));
    let connector = Connector::new(settings, script.clone(), shelf.clone(), Arc::new(SystemClock)).unwrap();
    Bench { connector, script, shelf }
}

fn bench(replies: impl IntoIterator<Item = Reply>) -> Bench {
    bench_with(everything(), Memory::default(), replies)
}

fn xml(status: u16, body: &str) -> Reply {
    Ok(Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap())
}

fn uuid() -> Reply {
    xml(200, "<response xmlns=\"http://www.intouchfollowup.com/api/2011-11\"><uuid>u-1</uuid></response>")
}

fn user(record: &str, info: &str) -> Reply {
    xml(
        200,
        &format!(
            "<user><providerInfo><identifier>R&amp;D</identifier><clientID>client 1</clientID><clubID>club/1</clubID>\
             <recordID>{record}</recordID></providerInfo><extraProviderIDs><inTouchID>9</inTouchID></extraProviderIDs>\
             <userInfo>{info}<modifiedBy>INTOUCH</modifiedBy><createdDate>2012-04-10T04:11:07.023Z</createdDate>\
             </userInfo></user>"
        ),
    )
}

fn missing() -> Reply {
    xml(404, "<error><reason>UNKNOWN</reason></error>")
}

fn fields(values: &[(&str, &str)]) -> Fields {
    values.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))).collect()
}

const MIA: [(&str, &str); 3] = [("first_name", "Mia <x>"), ("last_name", "O'Hara"), ("email", "mia@x.example")];

fn found(read: Read) -> Record {
    match read {
        Read::Found(record) => *record,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_save_has_the_contracts_elements_in_order_and_the_uuid_is_kept_and_never_an_address_p15() {
    let b = bench([missing(), uuid(), user("lead-7", "<firstname>Mia</firstname><userType>PROSPECT</userType>")]);
    let mut lead = fields(&MIA);
    lead.extend(fields(&[("owner", "S/1"), ("phone", "+41 44 1"), ("company_name", "R&D")]));
    lead.insert("source".to_owned(), Value::Null);
    let ack = b.connector.create(ModuleId::Leads, "lead-7", &lead).await.unwrap();
    assert_eq!(ack.id.as_str(), "lead-7", "our id, not its UUID");
    found(b.connector.get(ModuleId::Leads, &ack.id).await.unwrap());
    let sent = b.script.finish();
    assert_eq!((sent[1].method.as_str(), sent[1].path.as_str()), ("POST", "/connector/api/2011-11/user"));
    assert_eq!(sent[1].header("content-type"), "application/xml; charset=utf-8");
    assert_eq!(
        sent[1].text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><user><providerInfo><identifier>R&amp;D</identifier>\
         <clientID>client 1</clientID><clubID>club/1</clubID><recordID>lead-7</recordID></providerInfo><userInfo>\
         <firstname>Mia &lt;x&gt;</firstname><lastname>O&apos;Hara</lastname><userStatus>ACTIVE</userStatus>\
         <userType>PROSPECT</userType><mobile>+41 44 1</mobile><email>mia@x.example</email><company>R&amp;D</company>\
         <leadOwnerID>S/1</leadOwnerID></userInfo></user>"
    );
    assert!(sent[2].path.contains("recordID=lead-7") && !sent[2].path.contains("u-1"));
    let kept = b.shelf.get(ModuleId::Leads, &"lead-7".into()).unwrap().unwrap();
    assert_eq!(Kept::read(&kept.body).unwrap().uuid.as_deref(), Some("u-1"));
}

#[tokio::test]
async fn ids_are_opaque_and_encoded_in_an_address_p16() {
    let b = bench([user("a b/c&amp;d=é?", "<firstname>Mia</firstname><userType>MEMBER</userType>")]);
    let id = RecordId::from("a b/c&d=é?");
    assert_eq!(found(b.connector.get(ModuleId::Contacts, &id).await.unwrap()).id, id);
    let sent = b.script.finish();
    let query = "/connector/api/2011-11/user provider=R&D client_id=client 1 club_id=club/1 recordID=a b/c&d=é?";
    assert_eq!(sent[0].path, query);
}

#[tokio::test]
async fn a_missing_person_is_404_or_a_success_about_something_else() {
    for reply in [
        missing(),
        xml(200, "<status><state>OK</state></status>"),
        xml(200, "<user><providerInfo/></user>"),
        user("somebody-else", "<firstname>Mia</firstname><userType>MEMBER</userType>"),
        // A prospect is no contact, yet.
        user("contact-7", "<firstname>Mia</firstname><userType>PROSPECT</userType>"),
    ] {
        let b = bench([reply]);
        let id = RecordId::from("contact-7");
        assert_eq!(b.connector.get(ModuleId::Contacts, &id).await.unwrap(), Read::Missing);
        b.script.finish();
    }
}

#[tokio::test]
async fn a_prospect_who_became_a_member_is_a_converted_lead_of_the_same_id_p05() {
    let info = "<firstname>Mia</firstname><lastname>X</lastname><userType>MEMBER</userType>";
    let b = bench([missing(), uuid(), user("lead-7", info), user("lead-7", info), user("lead-7", info)]);
    b.connector.create(ModuleId::Leads, "lead-7", &fields(&MIA)).await.unwrap();
    let id = RecordId::from("lead-7");
    let lead = found(b.connector.get(ModuleId::Leads, &id).await.unwrap());
    assert_eq!((lead.converted, lead.person.as_ref(), lead.author.as_deref()), (true, Some(&id), Some("INTOUCH")));
    assert!(!found(b.connector.get(ModuleId::Contacts, &id).await.unwrap()).converted);
    let refused = b.connector.update(ModuleId::Leads, &id, &fields(&[("phone", "1")]), None).await.unwrap_err();
    assert_eq!((refused.class, refused.sent), (Class::Conflict, Sent::No));
    b.script.finish();
}

const MEMBER: &str = "<firstname>Mia</firstname><lastname>X</lastname><userType>MEMBER</userType>";

#[tokio::test]
async fn a_lead_that_comes_late_makes_no_member_a_prospect_again_p05() {
    let b = bench([user("lead-7", MEMBER), user("lead-7", MEMBER), user("lead-7", MEMBER)]);
    let id = RecordId::from("lead-7");
    let refused = b.connector.create(ModuleId::Leads, "lead-7", &fields(&MIA)).await.unwrap_err();
    assert_eq!((refused.class, refused.sent), (Class::Conflict, Sent::No));
    assert_eq!(b.connector.get(ModuleId::Leads, &id).await.unwrap(), Read::Missing, "no lead of anybody's, yet");
    let known = b.connector.find_by_key(ModuleId::Leads, "lead-7").await.unwrap().unwrap();
    assert_eq!(
        known.iter().map(|lead| (lead.converted, lead.person.as_ref())).collect::<Vec<_>>(),
        [(true, Some(&id))]
    );
    assert!(b.script.finish().iter().all(|call| call.method == "GET"));
}

#[tokio::test]
async fn a_change_of_somebody_elses_since_the_read_is_not_overwritten_i8() {
    let info = |last: &str, more: &str| {
        format!("<firstname>Mia</firstname><lastname>{last}</lastname><userType>MEMBER</userType>{more}")
    };
    let b = bench([
        user("contact-7", &info("X", "<mobile>1</mobile>")),
        user("contact-7", &info("Married", "<mobile>1</mobile>")),
        user("contact-7", &info("X", "<mobile>1</mobile><modifiedDate>2012-04-10T04:11:07.023Z</modifiedDate>")),
        uuid(),
    ]);
    let id = RecordId::from("contact-7");
    let read = found(b.connector.get(ModuleId::Contacts, &id).await.unwrap());
    assert!(read.version.is_some());
    let patch = fields(&[("phone", "2")]);
    let update = || b.connector.update(ModuleId::Contacts, &id, &patch, read.version.as_deref());
    let refused = update().await.unwrap_err();
    assert_eq!((refused.class, refused.sent), (Class::Conflict, Sent::No));
    update().await.unwrap();
    let sent = b.script.finish();
    assert_eq!(sent.iter().filter(|call| call.method == "POST").count(), 1);
}

/// A row the hub's save left on the shelf.
fn told_row(module: ModuleId, id: &str, values: &[(&str, &str)], second: i64) -> Shelved {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let kept = Kept { values, told: true, ..Kept::default() };
    Shelved {
        module,
        side: tandem::model::Side::Crm,
        id: id.into(),
        key: Some("hub's".to_owned()),
        at: Timestamp::from_secs(second),
        gone: false,
        body: kept.body(),
    }
}

#[tokio::test]
async fn an_answer_older_than_a_save_of_the_hubs_never_replaces_it() {
    let saved = |name: &str, date: &str| {
        let values = [("firstname", name), ("lastname", "X"), ("userType", "MEMBER"), ("modifiedDate", date)];
        told_row(ModuleId::Contacts, "c-1", &values, 99)
    };
    let answer = |date: &str| user("c-1", &format!("{MEMBER}<modifiedDate>{date}</modifiedDate>"));
    let (early, late) = ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z");
    let id = RecordId::from("c-1");
    let name = async |b: &Bench| {
        let read = found(b.connector.get(ModuleId::Contacts, &id).await.unwrap());
        let kept = b.shelf.get(ModuleId::Contacts, &id).unwrap().unwrap();
        assert_eq!(Value::text(Kept::read(&kept.body).unwrap().value("firstname")), read.fields["first_name"]);
        read.fields["first_name"].clone()
    };
    // It saved with us while we asked.
    let b = bench([answer(late)]);
    *b.shelf.meanwhile.lock().unwrap() = Some(saved("Newer", early));
    assert_eq!(name(&b).await, Value::text("Newer"));
    // Its API answers with what was before.
    let b = bench([answer(early)]);
    b.shelf.rows.put(saved("Newer", late));
    assert_eq!(name(&b).await, Value::text("Newer"));
    // And what is newer counts.
    let b = bench([answer(late)]);
    b.shelf.rows.put(saved("Older", early));
    assert_eq!(name(&b).await, Value::text("Mia"));
}

#[tokio::test]
async fn a_person_of_a_type_nobody_knows_is_an_error_and_never_missing() {
    for unknown in ["<userType>VISITOR</userType>", ""] {
        let b = bench([user("lead-7", &format!("<firstname>Mia</firstname>{unknown}"))]);
        let error = b.connector.get(ModuleId::Leads, &"lead-7".into()).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Malformed, Sent::No), "{unknown}");
    }
}

#[tokio::test]
async fn an_error_shows_no_value_of_the_person_not_even_one_we_did_not_change_i33() {
    let info = format!("{MEMBER}<mobile>+41 44 555 77</mobile><email>mia@x.example</email>");
    let refusal = "<error><reason>VALIDATION</reason><message>mia@x.example has +41 44 555 77</message></error>";
    let b = bench([user("contact-7", &info), xml(400, refusal)]);
    let patch = fields(&[("last_name", "Y")]);
    let error = b.connector.update(ModuleId::Contacts, &"contact-7".into(), &patch, None).await.unwrap_err();
    assert_eq!(error.message, "… has …");
}

#[tokio::test]
async fn the_uuid_is_a_name_the_hub_may_use_and_another_name_of_its_own_stays_p15() {
    let b = bench([missing(), uuid(), missing(), uuid()]);
    for key in ["contact-7", "contact-8"] {
        b.connector.create(ModuleId::Contacts, key, &fields(&MIA)).await.unwrap();
    }
    let name = tandem::remote::connector::kept_id("INTOUCH", "client 1", "club/1", "u-1");
    let bearer = b.shelf.by_key(ModuleId::Contacts, &name).unwrap().unwrap();
    assert_eq!(bearer.id.as_str(), "contact-7", "a UUID it answers twice names the first");
    let b = bench([user("c-1", MEMBER), uuid()]);
    b.shelf.rows.put(told_row(ModuleId::Contacts, "c-1", &[("firstname", "Mia"), ("userType", "MEMBER")], 1));
    b.connector.update(ModuleId::Contacts, &"c-1".into(), &fields(&[("phone", "1")]), None).await.unwrap();
    assert!(b.shelf.by_key(ModuleId::Contacts, &name).unwrap().is_none());
}

#[tokio::test]
async fn a_change_is_laid_over_the_whole_record_with_what_nobody_knows_p01() {
    let info = "<firstname>Mia</firstname><lastname>X</lastname><userStatus>INACTIVE</userStatus>\
                <userType>EX_MEMBER</userType><homePhone>044</homePhone><trialStart>2026-01-01</trialStart>";
    let b = bench([user("contact-7", info), uuid()]);
    let patch = fields(&[("last_name", "Y"), ("phone", "055"), ("email", "")]);
    b.connector.update(ModuleId::Contacts, &"contact-7".into(), &patch, None).await.unwrap();
    let sent = b.script.finish().pop().unwrap().text;
    for part in [
        "<lastname>Y</lastname>",
        "<userStatus>INACTIVE</userStatus><userType>EX_MEMBER</userType>",
        "<homePhone>055</homePhone>",
        "<trialStart>2026-01-01</trialStart>",
    ] {
        assert!(sent.contains(part), "{part} in {sent}");
    }
    assert!(!sent.contains("modifiedBy") && !sent.contains("createdDate") && !sent.contains("email"), "{sent}");
}

#[tokio::test]
async fn errors_are_for_good_or_may_pass_and_say_whether_they_may_have_been_applied() {
    let body = |reason: &str| {
        format!(
            "<any:wrapper xmlns:any=\"urn:x\"><any:deep><any:reason>{reason}</any:reason><any:errorUUID>e-9\
             </any:errorUUID><any:message>Mia &lt;x&gt; is wrong\n\tat com.example.X</any:message></any:deep>\
             </any:wrapper>"
        )
    };
    let save = async |reply: Reply| -> RemoteError {
        let b = bench([missing(), reply]);
        let error = b.connector.create(ModuleId::Leads, "lead-7", &fields(&MIA)).await.unwrap_err();
        b.script.finish();
        error
    };
    let refused = save(xml(400, &body("VALIDATION"))).await;
    assert_eq!((refused.class, refused.sent), (Class::Rejected, Sent::No));
    assert_eq!(
        (refused.code.as_deref(), refused.details.as_slice()),
        (Some("VALIDATION"), &["errorUUID: e-9".to_owned()][..])
    );
    assert_eq!(refused.message, "… is wrong", "the first line, without what we sent (I33)");
    for (reply, class, sent) in [
        (xml(400, &body("DATABASE")), Class::Server, Sent::Maybe),
        (xml(400, &body("UNKNOWN")), Class::Server, Sent::Maybe),
        (xml(500, &body("DATABASE")), Class::Server, Sent::Maybe),
        (xml(502, "<html><body>Bad gateway<br></html>"), Class::Server, Sent::Maybe),
        (xml(403, &body("VALIDATION")), Class::Forbidden, Sent::No),
        (xml(429, ""), Class::Throttled, Sent::No),
        (xml(200, "<response/>"), Class::Malformed, Sent::Maybe),
        (
            xml(200, "<!DOCTYPE a [<!ENTITY x \"u\">]><response><uuid>&x;</uuid></response>"),
            Class::Malformed,
            Sent::Maybe,
        ),
        (lost(), Class::Unreachable, Sent::Maybe),
    ] {
        let shown = format!("{reply:?}");
        let error = save(reply).await;
        assert_eq!((error.class, error.sent), (class, sent), "{shown}");
    }
    // A read did nothing, whatever came of it.
    for reply in [
        xml(500, &body("UNKNOWN")),
        lost(),
        xml(200, "<!DOCTYPE a SYSTEM \"http://192.0.2.1/a.dtd\"><user/>"),
        xml(200, "<user>&undeclared;</user>"),
        xml(200, &format!("<user>{}</user>", " ".repeat(5_000_000))),
    ] {
        let b = bench([reply]);
        let error = b.connector.get(ModuleId::Leads, &"lead-7".into()).await.unwrap_err();
        assert_eq!(error.sent, Sent::No);
        assert!(error.message.len() < 400);
    }
}

/// "Not found" is said of an absent record as of a wrong address. In the Connector's words it is the former; a list that
/// was agreed on tells, too; and where nothing can tell, that is said with the address.
#[tokio::test]
async fn a_wrong_address_is_told_from_an_absent_record_as_far_as_that_can_be_told_p13() {
    let page = || xml(404, "<html><body>Not Found<br></body></html>");
    let nothing = || Agreed { list_staff: false, list_sources: false, ..everything() };
    let test = async |agreed: Agreed, replies: Vec<Reply>| {
        let b = bench_with(agreed, Memory::default(), replies);
        let probe = b.connector.probe().await;
        b.script.finish();
        probe
    };
    let certain = [
        (nothing(), vec![missing()]),
        (nothing(), vec![xml(404, "<x><errorUUID>e-1</errorUUID></x>")]),
        (nothing(), vec![xml(200, "<status><state>OK</state></status>")]),
        (everything(), vec![page(), xml(200, "<leadSources/>")]),
        (everything(), vec![xml(404, ""), page(), xml(200, "<staffList/>")]),
        // A list that is not there after all, by the Connector's own word.
        (everything(), vec![page(), missing()]),
    ];
    for (agreed, replies) in certain {
        let shown = format!("{replies:?}");
        assert_eq!(test(agreed, replies).await.unwrap().doubt, None, "{shown}");
    }
    let at = |resource: &str| format!("https://qa.intouch.example/connector/api/2011-11/{resource}");
    for reply in [page(), xml(404, "")] {
        let doubt = test(nothing(), vec![reply]).await.unwrap().doubt.unwrap();
        assert_eq!(doubt, format!("nothing but \"not found\" came from {}", at("user")), "whose records is not said");
    }
    let error = test(everything(), vec![page(), page(), page()]).await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No));
    let asked = format!("{}, {}, {}", at("user"), at("leadsource"), at("staff"));
    assert!(error.message.ends_with(&format!("came from {asked}")), "{error}");
    // Owners are no part of what was agreed: nobody asks for staff.
    let error = test(Agreed { owner: false, ..everything() }, vec![page(), page()]).await.unwrap_err();
    assert_eq!(error.class, Class::Unsupported);
    for (reply, class) in [
        (xml(200, "<html><body>Welcome</body></html>"), Class::Unsupported),
        (xml(200, "Welcome<br>"), Class::Malformed),
        (xml(500, ""), Class::Server),
        (xml(403, ""), Class::Forbidden),
    ] {
        assert_eq!(test(everything(), vec![reply]).await.unwrap_err().class, class);
    }
}

/// A save makes whom it does not find, so "not found" is about its address, and nobody is taken for gone.
#[tokio::test]
async fn a_save_that_finds_nothing_is_a_wrong_address_and_no_missing_person_p13() {
    for replies in [
        vec![missing(), xml(404, "")],
        vec![user("lead-7", "<firstname>Mia</firstname><userType>PROSPECT</userType>"), xml(404, "")],
    ] {
        let b = bench(replies);
        let error = match b.connector.create(ModuleId::Leads, "lead-7", &fields(&MIA)).await {
            Err(error) => error,
            Ok(acknowledged) => panic!("{acknowledged:?}"),
        };
        assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No));
        assert_eq!(error.message, "https://qa.intouch.example/connector/api/2011-11/user answered 404");
        b.script.finish();
    }
}

#[tokio::test]
async fn what_xml_cannot_carry_and_nobody_without_a_name_is_refused_before_any_save() {
    for wrong in [("last_name", "a\u{1b}[2J"), ("last_name", " "), ("description", "no place"), ("email", "\u{0}")] {
        let b = bench([missing()]);
        let mut lead = fields(&MIA);
        lead.extend(fields(&[wrong]));
        let error = b.connector.create(ModuleId::Leads, "lead-7", &lead).await.unwrap_err();
        assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No), "{wrong:?}");
        assert_eq!(b.script.finish().len(), 1, "a read, and no save");
    }
}

#[tokio::test]
async fn where_it_only_saves_with_us_no_path_reaches_the_transport_c05() {
    let agreed = Agreed { sends: false, receives: true, ..everything() };
    let b = bench_with(agreed, Memory::default(), []);
    let kept = Kept {
        values: [("firstname", "Mia"), ("userType", "PROSPECT"), ("leadOwnerID", "7")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        told: true,
        ..Kept::default()
    };
    let row = Shelved {
        module: ModuleId::Leads,
        side: tandem::model::Side::Crm,
        id: "c-1".into(),
        key: None,
        at: Timestamp::default(),
        gone: false,
        body: kept.body(),
    };
    b.shelf.put(row).await.unwrap();
    let page = b.connector.list(ModuleId::Leads, &PageRequest::default()).await.unwrap();
    assert_eq!(page.records[0].fields["owner"], Value::text("7"));
    assert_eq!(found(b.connector.get(ModuleId::Leads, &"c-1".into()).await.unwrap()), page.records[0]);
    assert_eq!(b.connector.find_by_key(ModuleId::Leads, "lead-7").await.unwrap(), Some(Vec::new()));
    b.connector.probe().await.unwrap();
    for error in [
        b.connector.create(ModuleId::Leads, "lead-7", &fields(&MIA)).await.unwrap_err(),
        b.connector.update(ModuleId::Leads, &"c-1".into(), &fields(&MIA), None).await.unwrap_err(),
        b.connector.create_lead_source("Fair").await.map(drop).map(|()| page_ack()).unwrap_err(),
        b.connector.find_staff("ada@x.example").await.map(|_| page_ack()).unwrap_err(),
    ] {
        assert_eq!((error.class, error.sent), (Class::Unsupported, Sent::No));
    }
    // What it has told is its list, which others keep.
    assert_eq!(b.connector.entries(MatchKind::LeadSource).await.unwrap(), []);
    assert!(b.connector.match_support(MatchKind::LeadSource).told);
    assert_eq!(b.script.finish().len(), 0);
}

fn page_ack() -> tandem::remote::WriteAck {
    tandem::remote::WriteAck { id: "".into(), created: None }
}

fn entry(id: &str, name: &str, email: Option<&str>) -> Entry {
    Entry { id: id.into(), name: name.to_owned(), email: email.map(str::to_owned), active: true }
}

#[tokio::test]
async fn what_was_agreed_on_decides_which_lists_and_calls_there_are_c09_c17_c19() {
    let support = |agreed: Agreed, kind| bench_with(agreed, Memory::default(), []).connector.match_support(kind);
    let nothing = Agreed { owner: false, source: false, ..everything() };
    assert_eq!(support(nothing, MatchKind::Staff), tandem::remote::MatchSupport::default());
    assert_eq!(support(nothing, MatchKind::LeadSource), tandem::remote::MatchSupport::default());
    let no_lists = Agreed { list_staff: false, list_sources: false, ..everything() };
    assert!(!support(no_lists, MatchKind::Staff).list && !support(no_lists, MatchKind::Staff).create);
    let sources = support(no_lists, MatchKind::LeadSource);
    assert!(sources.create && !sources.list, "our side is the master");
    let b = bench_with(Agreed { members: false, ..everything() }, Memory::default(), []);
    assert_eq!(b.connector.fields(ModuleId::Contacts), Vec::<String>::new());
    assert!(b.connector.fields(ModuleId::Leads).contains(&"owner".to_owned()));
    let error = b.connector.create(ModuleId::Contacts, "contact-7", &fields(&MIA)).await.unwrap_err();
    assert_eq!(error.class, Class::Unsupported);
}

#[tokio::test]
async fn lists_are_read_and_what_is_no_list_is_as_good_as_none_c09_c18() {
    let row = |id: &str, body: &str| {
        format!("<providerInfo><identifier>R</identifier><recordID>{id}</recordID></providerInfo>{body}")
    };
    let source = row("FACEBOOK", "<leadInfo><name>R&amp;D</name><active>false</active></leadInfo>");
    let person =
        row("1111", "<userInfo><firstname>Ada</firstname><lastname>B</lastname><email>A@x.example</email></userInfo>");
    let b = bench([
        xml(200, &format!("<leadSources><leadSource>{source}</leadSource></leadSources>")),
        xml(200, "<leadSources/>"),
        xml(200, "<status>OK</status>"),
        missing(),
        xml(200, &format!("<staff>{person}</staff>")),
        missing(),
    ]);
    let sources = b.connector.entries(MatchKind::LeadSource);
    assert_eq!(sources.await.unwrap(), [Entry { active: false, ..entry("FACEBOOK", "R&D", None) }]);
    assert_eq!(b.connector.entries(MatchKind::LeadSource).await.unwrap(), []);
    for kind in [MatchKind::LeadSource, MatchKind::Staff] {
        assert_eq!(b.connector.entries(kind).await.unwrap_err().class, Class::Unsupported);
    }
    let found = b.connector.find_staff("a@x.example").await.unwrap();
    assert_eq!(found, [entry("1111", "Ada B", Some("A@x.example"))]);
    assert_eq!(b.connector.find_staff("b@x.example").await.unwrap(), [], "nobody is an answer");
    b.script.finish();
}

#[tokio::test]
async fn a_lead_source_is_saved_as_the_contract_says_under_an_id_that_follows_from_its_name_p15() {
    let b = bench([uuid(), uuid()]);
    let id = b.connector.create_lead_source(" R&D <x> ").await.unwrap();
    assert_eq!(b.connector.create_lead_source("r&d <X>").await.unwrap(), id, "the same one, whoever repeats it");
    let sent = b.script.finish();
    assert_eq!(sent[0].path, "/connector/api/2011-11/leadsource");
    let body = format!(
        "<leadSource><providerInfo><identifier>R&amp;D</identifier><clientID>client 1</clientID><clubID>club/1</clubID>\
         <recordID>{id}</recordID></providerInfo><leadInfo><name>R&amp;D &lt;x&gt;</name><active>true</active></leadInfo>\
         </leadSource>"
    );
    assert!(sent[0].text.ends_with(&body), "{}", sent[0].text);
    let b = bench([]);
    let error = b.connector.create_lead_source(" ").await.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
}

#[test]
fn plain_http_and_names_that_are_none_are_refused() {
    let with = |base: &str, version: &str, owner: &str| {
        let settings = Settings {
            base_url: base.to_owned(),
            version: version.to_owned(),
            provider: "P".to_owned(),
            client: "C".to_owned(),
            club: "1".to_owned(),
            agreed: everything(),
            elements: Elements { owner: Some(owner.to_owned()), source: Some("leadSourceID".into()) },
            settle: Duration::ZERO,
            limits: Limits::default(),
        };
        let script = Arc::new(Scripted::new([]));
        Connector::new(settings, script, Arc::new(Memory::default()), Arc::new(SystemClock)).map(drop)
    };
    assert!(with("https://hub.example", "2011-11", "leadOwnerID").is_ok());
    assert!(with("http://127.0.0.1:1", "2012-01", "owner_1").is_ok());
    for (base, version, owner) in [
        ("http://hub.example", "2011-11", "leadOwnerID"),
        ("https://hub.example", "../admin", "leadOwnerID"),
        ("https://hub.example", "", "leadOwnerID"),
        ("https://hub.example", "2011-11", "a b"),
        ("https://hub.example", "2011-11", "email"),
        ("https://hub.example", "2011-11", "leadSourceID"),
        ("https://hub.example", "2011-11", ""),
    ] {
        assert!(with(base, version, owner).is_err(), "{base} {version} {owner}");
    }
}
