//! The adapter against scripted answers, and (`account`) against the simulated account. Every request that
//! reaches the script is checked like iVvy checks it: method, digest, signature.

mod account;
mod answers;
mod attendees;
mod bookings;
mod clocks;
mod emails;
mod events;
mod groups;
mod hostile;
mod leads;
mod match_tables;
mod paging;
mod reads;
mod registrations;
mod rules;
mod writes;

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::model::{FieldKind, Timestamp, Value};
use crate::remote::TransportError;
use crate::seam::TokioClock;

const SECRET: &str = "My Secret";
/// One scripted answer.
#[derive(Clone, Debug)]
enum Reply {
    Body(u16, Vec<(&'static str, String)>, Vec<u8>),
    Fails(TransportError),
}

fn ok(json: Json) -> Reply {
    status(200, json)
}

fn status(code: u16, json: Json) -> Reply {
    Reply::Body(code, Vec::new(), json.to_string().into_bytes())
}

fn raw(code: u16, body: &str) -> Reply {
    Reply::Body(code, Vec::new(), body.as_bytes().to_vec())
}

fn dated(code: u16, date: &str, json: Json) -> Reply {
    Reply::Body(code, vec![("date", date.to_owned())], json.to_string().into_bytes())
}

/// A request as the script saw it.
#[derive(Clone, Debug)]
struct Seen {
    action: String,
    date: String,
    body: Json,
}

#[derive(Debug, Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<Seen>>,
}

impl Script {
    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn bodies(&self) -> Vec<Json> {
        self.seen().into_iter().map(|seen| seen.body).collect()
    }
}

impl Transport for Script {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        self.seen.lock().unwrap().push(verified(&request));
        let reply = self.replies.lock().unwrap().pop_front().expect("one more call than scripted");
        Box::pin(std::future::ready(match reply {
            Reply::Fails(error) => Err(error),
            Reply::Body(status, headers, body) => {
                let builder =
                    headers.into_iter().fold(http::Response::builder().status(status), |builder, (name, value)| {
                        builder.header(name, value)
                    });
                Ok(builder.body(Bytes::from(body)).unwrap())
            }
        }))
    }
}

fn verified(request: &http::Request<Bytes>) -> Seen {
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(header("content-type"), "application/json");
    let md5 = sign::content_md5(request.body());
    assert_eq!(header("content-md5"), md5);
    let target = request.uri().path_and_query().unwrap().as_str();
    let line = format!("post{md5}application/json{target}1.0ivvydate={}", header("ivvy-date")).to_lowercase();
    let expected = sign::signature(&SECRET.into(), &line);
    assert_eq!(header("x-api-authorization"), format!("IWS key-1:{expected}"));
    assert!(request.headers()["x-api-authorization"].is_sensitive());
    assert!(!request.headers().contains_key("date"));
    Seen {
        action: target.to_owned(),
        date: header("ivvy-date").to_owned(),
        body: serde_json::from_slice(request.body()).unwrap(),
    }
}

fn custom_fields() -> BTreeMap<ModuleId, Vec<FieldDef>> {
    BTreeMap::from([
        (
            ModuleId::Contacts,
            vec![
                FieldDef::new("custom.12", "Diet", FieldKind::Text),
                FieldDef::new("custom.13", "Interests", FieldKind::Choices),
            ],
        ),
        (ModuleId::Companies, vec![FieldDef::new("custom.40", "Tier", FieldKind::Choice)]),
    ])
}

fn settings(base_url: &str) -> Settings {
    Settings {
        base_url: base_url.parse().unwrap(),
        key: "key-1".into(),
        secret: SECRET.into(),
        custom_fields: custom_fields(),
        left_out: BTreeSet::new(),
        lead_defaults: None,
        rules: Rules::default(),
        groups: Groups::default(),
        settle: Duration::from_secs(10),
        limits: Limits::default(),
    }
}

/// The adapter over a script. Call inside a tokio runtime.
fn ivvy(replies: impl IntoIterator<Item = Reply>) -> (Ivvy, Arc<Script>) {
    with_groups(replies, Groups::default())
}

/// The same with subscription groups.
fn with_groups(replies: impl IntoIterator<Item = Reply>, groups: Groups) -> (Ivvy, Arc<Script>) {
    let script = Arc::new(Script { replies: Mutex::new(replies.into_iter().collect()), ..Script::default() });
    let clock = Arc::new(TokioClock::starting_at(now()));
    let settings = Settings { groups, ..settings("https://api.ap-southeast-2.ivvy.com") };
    let ivvy = Ivvy::new(settings, script.clone(), clock).unwrap();
    (ivvy, script)
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_795_000_000)
}

fn fields(pairs: &[(&str, Value)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[tokio::test]
async fn base_urls_are_https_or_loopback_without_user_info() {
    let make = |url: &str| Ivvy::new(settings(url), Arc::new(Script::default()), Arc::new(crate::seam::SystemClock));
    for good in ["https://api.us-west-2.ivvy.com", "http://127.0.0.1:8080", "http://localhost/ivvy/", "http://[::1]/"] {
        assert!(make(good).is_ok(), "{good}");
    }
    for bad in [
        "http://api.us-west-2.ivvy.com",
        "https://user@api.us-west-2.ivvy.com",
        "https://:pw@api.us-west-2.ivvy.com",
        "ftp://localhost",
        "https://api.us-west-2.ivvy.com/?x=1",
        "unix:/run/ivvy",
    ] {
        assert_eq!(make(bad).unwrap_err().kind, crate::error::ErrorKind::Config, "{bad}");
    }
    for key in ["", "a b", "a:b", "a\nb"] {
        let settings = Settings { key: key.into(), ..settings("https://api.us-west-2.ivvy.com") };
        let made = Ivvy::new(settings, Arc::new(Script::default()), Arc::new(crate::seam::SystemClock));
        assert!(made.is_err(), "{key:?}");
    }
}

#[tokio::test]
async fn neither_key_nor_secret_shows_in_debug_output_i33() {
    let (ivvy, _) = ivvy([]);
    let text = format!("{ivvy:?} {:?}", settings("https://api.ap-southeast-2.ivvy.com"));
    assert!(!text.contains("key-1") && !text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn a_path_prefix_is_part_of_what_is_signed() {
    let script = Arc::new(Script::default());
    script.replies.lock().unwrap().push_back(ok(json!({"ack": ""})));
    let clock = Arc::new(TokioClock::starting_at(now()));
    let ivvy = Ivvy::new(settings("http://localhost:9/sim/"), script.clone(), clock).unwrap();
    ivvy.probe().await.unwrap();
    assert_eq!(script.seen()[0].action, "/sim/api/1.0/test?action=ping");
}

#[tokio::test]
async fn it_declares_what_it_can_do() {
    let (ivvy, _) = ivvy([]);
    let can = ivvy.capabilities(ModuleId::Contacts);
    assert_eq!(can.conditional_write, ConditionalWrite::VerifiedAfter);
    assert_eq!((can.page_size, can.max_in_flight, can.settle), (100, 2, Duration::from_secs(10)));
    let expected = ["first_name", "last_name", "email", "phone", "company", "external_id", "custom.12", "custom.13"];
    assert_eq!(ivvy.fields(ModuleId::Contacts), expected);
    let expected = [
        "name",
        "phone",
        "email",
        "website",
        "street",
        "city",
        "postal_code",
        "country",
        "parent",
        "external_id",
        "custom.40",
    ];
    assert_eq!(ivvy.fields(ModuleId::Companies), expected);
}
