//! Notifications: what the account tells its subscribers, through a simulated SNS (contract 15).
//!
//! Both signatures are real, made with one fixed key pair and certificate (`notices/`). They were made for
//! this simulator with openssl, are published with the source, and prove nothing anywhere else.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use futures::{StreamExt as _, stream};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::IvvySim;
use super::actions::{Action, Context};
use super::answer::Refusal;
use super::params::Params;
use crate::error::{Error, Result};
use crate::model::Timestamp;
use crate::remote::transport::{Limits, Transport};
use crate::sim::ledger::{By, Op};

const KEY: &str = include_str!("notices/key.pem");
const CERTIFICATE: &str = include_str!("notices/certificate.pem");
const PUBLIC: &str = include_str!("notices/public.pem");

/// Where the certificate of the simulated SNS lies, below the simulator's own address.
const CERTIFICATE_PATH: &str = "/_sns/certificate.pem";
/// What a subscriber goes to in order to say yes.
const CONFIRM_PATH: &str = "/_sns/confirm";
/// Where iVvy's own key lies, below [`KEYS`].
const KEY_PATH: &str = "/ivvy-1.pem";

/// What iVvy's keys are below, seen from the simulator's own address.
pub const KEYS: &str = "/_keys";

const REGION: &str = "ap-southeast-2";
/// Notifications under way at a time.
const AT_ONCE: usize = 8;
/// Attempts in all: SNS repeats three times (contract 15).
const ATTEMPTS: u32 = 4;

/// DigestInfo of SHA-1, as PKCS#1 v1.5 puts it before the digest.
const SHA1_PREFIX: [u8; 15] =
    [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

/// Groups that can be subscribed to: what they are called, and the objects they tell of.
const GROUPS: &[(&str, &[(&str, &str)])] = &[
    ("companies", &[("company", "Company")]),
    ("contacts", &[("contact", "Contact")]),
    ("crm", &[("opportunity", "Opportunity"), ("task", "CrmEventTask"), ("activity", "CrmEventActivity")]),
    ("payments", &[]),
    ("venues", &[("booking", "Booking")]),
    ("ari", &[]),
    ("events", &[]),
];

pub(super) const ACTIONS: &[Action] = &[Action::call("account", "subscribeToNotifications", subscribe)];

/// One thing that happened.
#[derive(Clone, Debug)]
struct Happening {
    group: &'static str,
    at: Timestamp,
    subject: String,
    body: Value,
    by_api: bool,
}

/// Who wants to be told, and what they have not been told yet.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// By group.
    endpoints: BTreeMap<&'static str, Endpoint>,
    waiting: Vec<Happening>,
    /// Ids given out.
    count: u64,
}

#[derive(Clone, Debug)]
struct Endpoint {
    url: String,
    token: String,
    asked: bool,
    confirmed: bool,
}

impl Notices {
    /// Group and subject of changes of an object, if anybody wants to know of them.
    fn wanted(&self, object: &str) -> Option<(&'static str, &'static str)> {
        let found = GROUPS.iter().find_map(|(group, objects)| {
            objects.iter().find(|(name, _)| *name == object).map(|(_, subject)| (*group, *subject))
        });
        found.filter(|(group, _)| self.endpoints.get(group).is_some_and(|endpoint| endpoint.confirmed))
    }

    /// Whether anybody wants to know of changes of an object.
    pub(super) fn wants(&self, object: &str) -> bool {
        self.wanted(object).is_some()
    }

    /// Takes note of a change, if anybody wants to know.
    pub(super) fn tell(&mut self, object: &str, op: Op, id: u64, by: By, now: Timestamp, data: Value) {
        let Some((group, subject)) = self.wanted(object) else { return };
        let (what, body) = match op {
            Op::Create => ("Added", json!({"data": data})),
            Op::Delete => ("Deleted", json!({format!("{object}Id"): id})),
            _ => ("Updated", json!({"data": data, "previousData": {}})),
        };
        let subject = format!("{subject}{what}");
        self.waiting.push(Happening { group, at: now, subject, body, by_api: by == By::Api });
    }

    /// Takes out what waits. With it come the subscribers, some of whom are still to be asked, and a number
    /// after which ids are free.
    fn take(&mut self) -> (BTreeMap<&'static str, Endpoint>, Vec<Happening>, u64) {
        let (endpoints, waiting) = (self.endpoints.clone(), std::mem::take(&mut self.waiting));
        self.endpoints.values_mut().for_each(|endpoint| endpoint.asked = true);
        let from = self.count;
        // Never more than a question for each, and three ids for what happened.
        self.count += (endpoints.len() + 3 * waiting.len()) as u64;
        (endpoints, waiting, from)
    }
}

fn unique(kind: &str, number: u64) -> String {
    HEXLOWER.encode(&Sha1::digest(format!("{kind}{number}").as_bytes())[..16])
}

/// `account/subscribeToNotifications`.
fn subscribe(params: &Params<'_>, context: Context<'_>) -> std::result::Result<Value, Refusal> {
    let names: Vec<String> = GROUPS.iter().map(|(group, _)| format!("{group}Endpoint")).collect();
    params.only(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut answer = Map::new();
    for ((group, _), name) in GROUPS.iter().zip(&names) {
        let url = params.get(name).and_then(Value::as_str);
        let notices = &mut context.world.notices;
        if let Some(url) = url {
            let known = notices.endpoints.get(group).is_some_and(|endpoint| endpoint.url == url);
            if !known {
                notices.count += 1;
                let token = unique("token", notices.count);
                let endpoint = Endpoint { url: url.to_owned(), token, asked: false, confirmed: false };
                notices.endpoints.insert(group, endpoint);
            }
        }
        answer.insert(format!("{group}Success"), json!(url.is_some()));
        answer.insert(format!("{group}TopicId"), json!(url.map(|_| topic(group))));
    }
    Ok(Value::Object(answer))
}

fn topic(group: &str) -> String {
    format!("arn:aws:sns:{REGION}:000000000000:{group}")
}

/// The simulated SNS beside the API: certificate, key and confirmation.
pub(super) fn routes(sim: Arc<IvvySim>) -> Router {
    Router::new()
        .route(CERTIFICATE_PATH, get(|| async { CERTIFICATE }))
        .route(&format!("{KEYS}{KEY_PATH}"), get(|| async { PUBLIC }))
        .route(CONFIRM_PATH, get(confirm))
        .with_state(sim)
}

async fn confirm(State(sim): State<Arc<IvvySim>>, Query(query): Query<BTreeMap<String, String>>) -> StatusCode {
    let mut world = sim.world();
    let token = query.get("token");
    match world.notices.endpoints.values_mut().find(|endpoint| Some(&endpoint.token) == token) {
        Some(endpoint) => {
            endpoint.confirmed = true;
            StatusCode::OK
        }
        None => StatusCode::FORBIDDEN,
    }
}

/// How badly deliveries go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Of a thousand, how many never arrive.
    pub lost: u64,
    /// Of a thousand, how many arrive twice: the same envelope, or the same message in another one.
    pub doubled: u64,
    /// Whether they arrive in any order.
    pub shuffled: bool,
}

/// What became of one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Things that happened.
    pub happened: usize,
    /// Envelopes that were accepted.
    pub accepted: usize,
    /// Envelopes that were lost on purpose.
    pub lost: usize,
    /// Envelopes that were refused, or given up.
    pub refused: usize,
}

/// The simulated SNS: carries what happened to whoever subscribed.
#[derive(Debug)]
pub struct Courier {
    sim: Arc<IvvySim>,
    transport: Arc<dyn Transport>,
    own: String,
    weather: Weather,
}

impl Courier {
    /// A courier of `sim`, which is reached at `own` (without a trailing slash), who goes by `transport`.
    pub fn new(sim: &Arc<IvvySim>, own: &str, transport: Arc<dyn Transport>, weather: Weather) -> Self {
        Self { sim: Arc::clone(sim), transport, own: own.to_owned(), weather }
    }

    /// The envelopes of everything that waits, signed and in the order they would leave, each with its
    /// address; the first are questions whether a subscription is wanted. They are the caller's to deliver.
    ///
    /// # Errors
    /// Only a defect: the key cannot be used.
    pub fn pack(&self) -> Result<(Round, Vec<(String, String)>)> {
        let now = self.sim.clock.now();
        let (endpoints, happened, mut number) = self.sim.world().notices.take();
        let mut id = |kind: &str| {
            number += 1;
            unique(kind, number)
        };
        let mut packed = Vec::new();
        for (group, endpoint) in endpoints.iter().filter(|(_, endpoint)| !endpoint.asked) {
            packed.push((endpoint.url.clone(), self.question(group, &endpoint.token, &id("sns"), now)?));
        }
        let mut round = Round { happened: happened.len(), ..Round::default() };
        let mut letters = Vec::new();
        for one in happened {
            let Some(url) = endpoints.get(one.group).map(|endpoint| endpoint.url.clone()) else { continue };
            if self.sim.entropy.chance(self.weather.lost, 1000) {
                round.lost += 1;
                continue;
            }
            let message = self.message(&one, &id("txn"))?;
            let envelope = self.envelope(one.group, &message, &id("sns"), now)?;
            if self.sim.entropy.chance(self.weather.doubled, 1000) {
                let again = match self.sim.entropy.chance(1, 2) {
                    true => envelope.clone(),
                    false => self.envelope(one.group, &message, &id("sns"), now)?,
                };
                letters.push((url.clone(), again));
            }
            letters.push((url, envelope));
        }
        if self.weather.shuffled {
            for at in (1..letters.len()).rev() {
                let other = usize::try_from(self.sim.entropy.below(at as u64 + 1)).unwrap_or(0);
                letters.swap(at, other);
            }
        }
        packed.extend(letters);
        Ok((round, packed))
    }

    /// Delivers everything that waits, each up to four times until it is accepted.
    ///
    /// # Errors
    /// As [`Courier::pack`].
    pub async fn deliver(&self) -> Result<Round> {
        let (mut round, packed) = self.pack()?;
        let posts = stream::iter(packed).map(|(url, envelope)| async move {
            for _ in 0..ATTEMPTS {
                if self.post(&url, &envelope).await.is_some_and(|status| status.is_success()) {
                    return true;
                }
            }
            false
        });
        let outcomes: Vec<bool> = posts.buffer_unordered(AT_ONCE).collect().await;
        round.accepted = outcomes.iter().filter(|accepted| **accepted).count();
        round.refused = outcomes.len() - round.accepted;
        Ok(round)
    }

    /// Posts one envelope once, as SNS does; nothing when there is no answer.
    pub async fn post(&self, url: &str, envelope: &str) -> Option<StatusCode> {
        let request = http::Request::post(url).header("Content-Type", "text/plain; charset=UTF-8");
        let request = request.body(Bytes::from(envelope.to_owned())).ok()?;
        self.transport.send(request, Limits::default()).await.ok().map(|answer| answer.status())
    }

    fn message(&self, one: &Happening, txn: &str) -> Result<String> {
        let (body, at) = (one.body.to_string(), one.at.millis().div_euclid(1000));
        let digest = HEXLOWER.encode(&Sha1::digest(body.as_bytes()));
        let text = format!("{txn}:{REGION}:{at}:14:{}:{digest}", one.subject).to_lowercase();
        let source = one.by_api.then(|| json!({"key": self.sim.settings.key}).to_string());
        Ok(json!({
            "TxnId": txn, "Region": REGION, "Timestamp": at, "AccountId": "14", "Subject": one.subject,
            "Body": body, "SourceType": u8::from(one.by_api), "SourceInfo": source,
            "Signature": sign(&text)?, "SigningPublicKeyPath": KEY_PATH,
        })
        .to_string())
    }

    fn envelope(&self, group: &str, message: &str, id: &str, now: Timestamp) -> Result<String> {
        let (at, topic) = (stamp(now), topic(group));
        let text =
            format!("Message\n{message}\nMessageId\n{id}\nTimestamp\n{at}\nTopicArn\n{topic}\nType\nNotification\n");
        Ok(json!({
            "Type": "Notification", "MessageId": id, "TopicArn": topic, "Message": message, "Timestamp": at,
            "SignatureVersion": "1", "Signature": sign(&text)?,
            "SigningCertURL": format!("{}{CERTIFICATE_PATH}", self.own),
            "UnsubscribeURL": format!("{}/_sns/unsubscribe", self.own),
        })
        .to_string())
    }

    fn question(&self, group: &str, token: &str, id: &str, now: Timestamp) -> Result<String> {
        let (at, topic) = (stamp(now), topic(group));
        let url = format!("{}{CONFIRM_PATH}?token={token}", self.own);
        let message = format!("You have chosen to subscribe to the topic {topic}.");
        let text = format!(
            "Message\n{message}\nMessageId\n{id}\nSubscribeURL\n{url}\nTimestamp\n{at}\nToken\n{token}\nTopicArn\n{topic}\nType\nSubscriptionConfirmation\n"
        );
        Ok(json!({
            "Type": "SubscriptionConfirmation", "MessageId": id, "Token": token, "TopicArn": topic,
            "Message": message, "SubscribeURL": url, "Timestamp": at, "SignatureVersion": "1",
            "Signature": sign(&text)?, "SigningCertURL": format!("{}{CERTIFICATE_PATH}", self.own),
        })
        .to_string())
    }
}

fn stamp(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The signature of `text`, Base64. Both signers have the same key here.
pub fn sign(text: &str) -> Result<String> {
    static READ: OnceLock<Option<RsaPrivateKey>> = OnceLock::new();
    let key = READ.get_or_init(|| RsaPrivateKey::from_pkcs8_pem(KEY).ok());
    let scheme = Pkcs1v15Sign { hash_len: Some(20), prefix: SHA1_PREFIX.into() };
    let signed = key.as_ref().and_then(|key| key.sign(scheme, &Sha1::digest(text.as_bytes())).ok());
    let signed = signed.ok_or_else(|| Error::internal("the simulator's key cannot sign"))?;
    Ok(BASE64.encode(&signed))
}
