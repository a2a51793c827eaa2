//! The hub as a caller, against a facade that is nothing but a notebook.

use std::sync::Mutex;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;

use super::*;
use crate::sim::connector::hub::HubError;

/// What the facade says to every call, and what it was asked.
#[derive(Debug, Default)]
struct Notebook {
    /// Staff rows as (id, email).
    staff: Vec<(&'static str, &'static str)>,
    /// Source rows as (id, name).
    sources: Vec<(String, String)>,
    /// Answered to the next call instead of the right thing.
    instead: Option<(u16, &'static str)>,
    asked: Vec<(String, Option<Element>)>,
    authorized: Vec<String>,
}

struct Desk {
    bench: Bench,
    notebook: Arc<Mutex<Notebook>>,
}

impl Desk {
    fn open(notebook: Notebook) -> Self {
        Self { bench: Bench::new(Settings::default()), notebook: Arc::new(Mutex::new(notebook)) }
    }

    fn hub(&self, change: impl FnOnce(&mut Facade)) -> Hub {
        let router = Router::new().fallback(facade).with_state(Arc::clone(&self.notebook));
        let mut facade = Facade::at("http://facade.test/", Auth::None);
        change(&mut facade);
        self.bench.sim.hub(Arc::new(InProcess { router }), facade)
    }

    fn asked(&self) -> Vec<String> {
        self.notebook.lock().unwrap().asked.iter().map(|(call, _)| call.clone()).collect()
    }

    /// The body of the last call.
    fn body(&self) -> Element {
        self.notebook.lock().unwrap().asked.last().unwrap().1.clone().unwrap()
    }

    fn info(&self) -> Element {
        self.body().child("userInfo").unwrap().clone()
    }
}

async fn facade(State(notebook): State<Arc<Mutex<Notebook>>>, request: Request) -> Response {
    let call = format!("{} {}", request.method(), request.uri());
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let root = Element::read(&body, &[]).ok();
    let mut notebook = notebook.lock().unwrap();
    for name in ["authorization", "x-key"] {
        notebook.authorized.extend(parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned()));
    }
    let call = call.replace("http://facade.test/connector/v1", "");
    notebook.asked.push((call.clone(), root.clone()));
    if let Some((status, body)) = notebook.instead.take() {
        return (StatusCode::from_u16(status).unwrap(), body).into_response();
    }
    let row = |name: &str, pairs: &[(&str, &str)]| {
        Element::parent(name, pairs.iter().map(|(name, text)| Element::leaf(name, *text)))
    };
    let answer = match call.as_str() {
        "GET /leadsources" => {
            let rows = notebook.sources.iter();
            Element::parent(
                "leadSources",
                rows.map(|(id, name)| row("leadSource", &[("id", id), ("name", name), ("active", "true")])),
            )
        }
        call if call.starts_with("GET /staff") => {
            let rows = notebook.staff.iter();
            Element::parent(
                "staffList",
                rows.map(|(id, email)| row("staff", &[("id", id), ("email", email), ("active", "true")])),
            )
        }
        "POST /leadsources" => {
            let name = root.unwrap().child("leadInfo").unwrap().text_of("name").unwrap().to_owned();
            let id = format!("new-{}", notebook.sources.len());
            notebook.sources.push((id.clone(), name));
            row("response", &[("id", &id)])
        }
        _ => {
            let root = root.unwrap();
            row(
                "response",
                &[("id", &format!("ours-{}", root.child("providerInfo").unwrap().text_of("recordID").unwrap()))],
            )
        }
    };
    xml_response(StatusCode::OK, &answer)
}

fn lead() -> Lead {
    Lead::prospect("H-1", "R&D <x>", "田中").with("email", "ann@x.example")
}

#[tokio::test]
async fn saves_go_where_they_belong_and_a_replay_is_the_same_bytes_p01_p02() {
    let desk = Desk::open(Notebook::default());
    let hub = desk.hub(|_| {});
    assert_eq!(hub.save_prospect(&lead()).await.unwrap(), "ours-H-1");
    let body = desk.body();
    assert_eq!(body.name, "user");
    let provider = body.child("providerInfo").unwrap();
    let ids = ["identifier", "clientID", "clubID", "recordID"].map(|name| provider.text_of(name).unwrap());
    assert_eq!(ids, ["INTOUCH", "client-1", "club-1", "H-1"]);
    let info = desk.info();
    assert_eq!((info.text_of("firstname"), info.text_of("userType")), (Some("R&D <x>"), Some("PROSPECT")));
    assert!(info.child("leadOwnerID").is_none() && info.child("leadSourceID").is_none());
    assert_eq!(hub.replay().await.unwrap(), "ours-H-1");
    let sent = hub.sent();
    assert_eq!((&sent[0].body, &sent[0].target, sent[1].status), (&sent[1].body, &sent[1].target, Some(200)));

    hub.save_member(&lead().as_member().inactive()).await.unwrap();
    let info = desk.info();
    assert_eq!((info.text_of("userStatus"), info.text_of("userType")), (Some("INACTIVE"), Some("MEMBER")));
    hub.create_prospect(&lead()).await.unwrap();
    hub.update_prospect(&lead()).await.unwrap();
    hub.create_member(&lead().as_member()).await.unwrap();
    hub.update_member(&lead().as_member()).await.unwrap();
    hub.update_lead_source("a/b c", "Q-1", "Facebook", false).await.unwrap();
    let expected = [
        "POST /prospects",
        "POST /prospects",
        "POST /members",
        "POST /prospects/create",
        "POST /prospects/update",
        "POST /members/create",
        "POST /members/update",
        "POST /leadsources/a%2Fb%20c",
    ];
    assert_eq!(desk.asked(), expected);
    assert_eq!(desk.body().child("leadInfo").unwrap().text_of("active"), Some("false"));
}

#[tokio::test]
async fn an_answer_without_an_id_is_no_success_p02() {
    let desk = Desk::open(Notebook::default());
    let hub = desk.hub(|_| {});
    for wrong in [
        "",
        "OK",
        "<response/>",
        "<response><id> </id></response>",
        "<response><uuid>1</uuid></response>",
        "<id>1</id>",
        "<!DOCTYPE html><html></html>",
    ] {
        desk.notebook.lock().unwrap().instead = Some((200, wrong));
        assert!(matches!(hub.save_prospect(&lead()).await, Err(HubError::Malformed(_))), "{wrong}");
        assert_eq!(hub.known("H-1"), None);
    }
    for status in [201, 204, 400, 401, 404, 413, 503] {
        let body = "<error><reason>VALIDATION</reason><errorUUID>e-1</errorUUID><message>no</message></error>";
        desk.notebook.lock().unwrap().instead = Some((status, body));
        let refusal = hub.save_prospect(&lead()).await.unwrap_err();
        assert_eq!(refusal.status(), Some(status));
        assert!(refusal.to_string().contains("VALIDATION"), "{refusal}");
    }
    let unwritable = hub.save_prospect(&lead().with("company", "\u{1b}")).await;
    assert!(matches!(unwritable, Err(HubError::Unwritable(_))));
    assert_eq!(desk.asked().len(), 14, "nothing was sent of it");
}

#[tokio::test]
async fn owners_are_found_by_email_or_left_out_and_never_created_c10_c12_c13_p07() {
    let staff = vec![("u1", "Maya@Club.example "), ("u2", "two@club.example"), ("u3", "TWO@club.example"), ("u4", "")];
    let desk = Desk::open(Notebook { staff, ..Notebook::default() });
    let hub = desk.hub(|_| {});
    assert_eq!(hub.look_up_staff("new@club.example").await.unwrap(), Found::Nobody);
    assert_eq!(hub.look_up_staff("two@club.example").await.unwrap(), Found::Several);
    assert_eq!(hub.look_up_staff(" ").await.unwrap(), Found::Nobody);
    hub.send_lead(&lead(), Some("new@club.example"), None).await.unwrap();
    assert!(desk.info().child("leadOwnerID").is_none(), "absent, not empty");
    hub.send_lead(&lead(), Some(" MAYA@club.example"), None).await.unwrap();
    assert_eq!(desk.info().text_of("leadOwnerID"), Some("u1"));
    // A link stays, and costs no further call.
    desk.notebook.lock().unwrap().staff.clear();
    let calls = desk.asked().len();
    assert_eq!(hub.look_up_staff("maya@club.example").await.unwrap(), Found::Linked("u1".into()));
    assert_eq!(desk.asked().len(), calls);
    // Who is added later is found by the next look-up.
    desk.notebook.lock().unwrap().staff.push(("u5", "new@club.example"));
    assert_eq!(hub.look_up_staff("new@club.example").await.unwrap().id(), Some("u5"));
    assert!(desk.asked().iter().all(|call| !call.starts_with("POST /staff")));

    let by_email = desk.hub(|facade| facade.can.staff_by_email = true);
    by_email.look_up_staff("a+b@club.example").await.unwrap();
    assert_eq!(desk.asked().last().unwrap(), "GET /staff?email=a%2Bb%40club.example");
    desk.notebook.lock().unwrap().instead = Some((404, ""));
    assert_eq!(by_email.look_up_staff("x@club.example").await.unwrap(), Found::Nobody);
    desk.notebook.lock().unwrap().instead = Some((503, ""));
    assert_eq!(
        by_email.look_up_staff("x@club.example").await.unwrap_err().status(),
        Some(503),
        "an error is no answer"
    );

    let without = desk.hub(|facade| facade.can.staff_list = false);
    let calls = desk.asked().len();
    assert_eq!(without.look_up_staff("new@club.example").await.unwrap(), Found::Unsupported);
    assert_eq!(desk.asked().len(), calls);
}

#[tokio::test]
async fn sources_match_without_regard_to_case_and_are_created_where_that_is_offered_c21_c23_c24() {
    let sources =
        vec![("s1".to_owned(), "FACEBOOK".to_owned()), ("s2".into(), "Expo".into()), ("s3".into(), "expo".into())];
    let desk = Desk::open(Notebook { sources, ..Notebook::default() });
    let hub = desk.hub(|_| {});
    hub.send_lead(&lead(), None, Some(("Q-1", "Facebook"))).await.unwrap();
    assert_eq!(desk.info().text_of("leadSourceID"), Some("s1"));
    assert_eq!(hub.look_up_source("Q-2", "EXPO").await.unwrap(), Found::Several);
    hub.send_lead(&lead(), None, Some(("Q-3", "Face book"))).await.unwrap();
    assert_eq!(desk.info().text_of("leadSourceID"), Some("new-3"));
    hub.send_lead(&lead(), None, Some(("Q-3", "face BOOK"))).await.unwrap();
    assert_eq!(desk.asked().iter().filter(|call| *call == "POST /leadsources").count(), 1, "created once");

    let list_only = desk.hub(|facade| facade.can.source_create = false);
    list_only.send_lead(&lead(), None, Some(("Q-4", "Radio"))).await.unwrap();
    assert!(desk.info().child("leadSourceID").is_none());

    // No list but a create call: the hub is the master.
    let master = desk.hub(|facade| facade.can.source_list = false);
    let calls = desk.asked().len();
    assert_eq!(master.look_up_source("Q-1", "Facebook").await.unwrap(), Found::Created("new-4".into()));
    assert_eq!(desk.asked()[calls..], ["POST /leadsources"]);
    let neither = desk.hub(|facade| (facade.can.source_list, facade.can.source_create) = (false, false));
    assert_eq!(neither.look_up_source("Q-1", "Facebook").await.unwrap(), Found::Unsupported);
}

#[tokio::test]
async fn a_known_prospect_becomes_a_member_by_one_call_or_by_two_p05() {
    let desk = Desk::open(Notebook::default());
    let separate = desk.hub(|facade| (facade.can.separate_calls, facade.sends_our_id) = (true, true));
    separate.send_lead(&lead(), None, None).await.unwrap();
    assert!(desk.body().child("extraProviderIDs").is_none(), "not known yet");
    separate.send_lead(&lead(), None, None).await.unwrap();
    assert_eq!(desk.body().child("extraProviderIDs").unwrap().text_of("ourID"), Some("ours-H-1"));
    separate.send_lead(&lead().as_member(), None, None).await.unwrap();
    assert_eq!(desk.asked(), ["POST /prospects/create", "POST /prospects/update", "POST /members/update"]);
    let hub = desk.hub(|_| {});
    let former = Lead { user_type: UserType::ExMember, ..lead() };
    hub.send_lead(&former, None, None).await.unwrap();
    assert_eq!(desk.asked().last().unwrap(), "POST /members");
    assert_eq!(desk.info().text_of("userType"), Some("EX_MEMBER"));
    // Receivers must cope with an empty owner: it can be sent, but only on purpose.
    hub.save_prospect(&Lead { owner: Some(String::new()), ..lead() }).await.unwrap();
    assert_eq!(desk.info().text_of("leadOwnerID"), Some(""));
}

#[tokio::test]
async fn credentials_are_shown_as_agreed_and_never_printed() {
    let desk = Desk::open(Notebook::default());
    let basic = Auth::Basic { user: "hub".into(), password: SecretString::from("se:cret") };
    let key = Auth::ApiKey { header: "X-Key".into(), key: SecretString::from("k-1") };
    for auth in [basic, key] {
        let hub = desk.hub(|facade| facade.auth = auth);
        hub.list_staff().await.unwrap();
        let printed = format!("{hub:?}");
        assert!(!printed.contains("se:cret") && !printed.contains("k-1"), "{printed}");
    }
    assert_eq!(desk.notebook.lock().unwrap().authorized, ["Basic aHViOnNlOmNyZXQ=", "k-1"]);
}

#[tokio::test]
async fn lists_whose_rows_lack_what_they_must_have_are_no_lists_p06() {
    let desk = Desk::open(Notebook::default());
    let hub = desk.hub(|_| {});
    for wrong in [
        "<staffList><staff><email>a@b.example</email><active>true</active></staff></staffList>",
        "<staffList><staff><id>1</id><active>true</active></staff></staffList>",
        "<staffList><staff><id>1</id><email></email><active>yes</active></staff></staffList>",
        "<leadSources></leadSources>",
        "<staffList><user><id>1</id></user></staffList>",
    ] {
        desk.notebook.lock().unwrap().instead = Some((200, wrong));
        assert!(matches!(hub.list_staff().await, Err(HubError::Malformed(_))), "{wrong}");
    }
    let fine = "<staffList><staff><id>1</id><email></email><active>false</active></staff></staffList>";
    desk.notebook.lock().unwrap().instead = Some((200, fine));
    let all = hub.list_staff().await.unwrap();
    assert_eq!((all[0].id.as_str(), all[0].email.as_str(), all[0].active), ("1", "", false));
    desk.notebook.lock().unwrap().instead =
        Some((200, "<leadSources><leadSource><id>1</id><active>true</active></leadSource></leadSources>"));
    assert!(matches!(hub.list_lead_sources().await, Err(HubError::Malformed(_))));
}
