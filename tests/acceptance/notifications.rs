//! iVvy tells of a change by itself, and the record is read at once; polling stays the truth (N-07).
//!
//! Every delivery is a real HTTP request with real signatures, from the simulated iVvy to a real receiver.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tandem::config::Inbound;
use tandem::daemon::notifications::Notifications;
use tandem::inbound::{Counts, Intake, KeyPlace, PATH, Receiver, Seen, TrustedHosts, notification_routes};
use tandem::model::{ModuleId, Side};
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::seam::{Clock, SystemClock};
use tandem::sim::control::Edit;
use tandem::sim::ivvy::notices::{Courier, KEYS, Weather, sign};
use tandem::store::Reads as _;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::population::{Known, Shape};
use super::world::{Setup, World, changes};

const CONTACTS: ModuleId = ModuleId::Contacts;

/// A receiver, and the simulated SNS that delivers to it.
struct Post {
    courier: Courier,
    receiver: Receiver,
    counts: Arc<Counts>,
    url: String,
}

impl Post {
    /// Listens, subscribes, and lets the handshake happen.
    async fn begin(world: &World, weather: Weather) -> Self {
        let post = Self::listening(world, weather);
        world.account.ivvy.as_ref().unwrap().subscribe(&Url::parse(&post.url).unwrap()).await.unwrap();
        let round = post.courier.deliver().await.unwrap();
        assert_eq!((round.accepted, round.refused, round.happened), (3, 0, 0), "contacts, companies and venues ask");
        assert_eq!(post.seen(), Seen::default(), "a handshake is no notification");
        post
    }

    fn listening(world: &World, weather: Weather) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let own = world.ivvy_url();
        let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
        let hosts = TrustedHosts { extra: [own.trim_start_matches("http://").to_owned()].into() };
        let place = KeyPlace::Below(Url::parse(&format!("{own}{KEYS}")).unwrap());
        let (engine, over) = (world.engine.clone(), Arc::clone(&transport));
        let intake = Arc::new(Intake::new(engine, over, Arc::clone(&clock), hosts, place));
        let counts = intake.counts();
        let receiver =
            Receiver::listen(notification_routes(intake, Arc::clone(&clock)), ([127, 0, 0, 1], 0).into(), clock)
                .unwrap();
        let url = format!("http://{}{PATH}", receiver.addr());
        Self { courier: Courier::new(&world.ivvy.0, &own, transport, weather), receiver, counts, url }
    }

    fn seen(&self) -> Seen {
        Seen { last_at: None, ..self.counts.seen() }
    }

    /// The one envelope that waits.
    fn envelope(&self) -> Json {
        let (_, packed) = self.courier.pack().unwrap();
        assert_eq!(packed.len(), 1);
        serde_json::from_str(&packed[0].1).unwrap()
    }

    async fn status(&self, envelope: &Json) -> u16 {
        self.courier.post(&self.url, &envelope.to_string()).await.unwrap().as_u16()
    }
}

/// The envelope with this in it, signed by SNS as it is now.
fn resigned(envelope: &Json, change: impl FnOnce(&mut Json)) -> Json {
    let mut envelope = envelope.clone();
    change(&mut envelope);
    let names = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"];
    let text: String = names.iter().map(|name| format!("{name}\n{}\n", envelope[name].as_str().unwrap())).collect();
    envelope["Signature"] = json!(sign(&text).unwrap());
    envelope
}

/// The envelope with this in the message inside, which iVvy has not signed.
fn tampered(envelope: &Json, change: impl FnOnce(&mut Json)) -> Json {
    resigned(envelope, |envelope| {
        let mut message: Json = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
        change(&mut message);
        envelope["Message"] = json!(message.to_string());
    })
}

/// The phone numbers of every linked contact, on both sides.
async fn phones(world: &World) -> Vec<(String, String, String)> {
    let (ivvy, crm) = (world.ivvy.all(CONTACTS), world.crm.all(CONTACTS).await);
    let phone = |row: Option<&super::hand::Plain>| row.and_then(|row| row.get("phone")).cloned().unwrap_or_default();
    let pairs = world.pairs(CONTACTS).into_iter();
    pairs.map(|pair| (pair.ivvy.clone(), phone(ivvy.get(&pair.ivvy)), phone(crm.get(&pair.crm)))).collect()
}

/// A change arrives without a sweep, once, however often it is delivered; a deletion and a newcomer too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_brings_one_change_at_once_however_often_it_comes_n07() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(4))).await;
    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5550 0001")]);
    let post = Post::begin(&world, Weather::default()).await;
    assert_eq!(post.courier.deliver().await.unwrap().happened, 0, "nothing is told before the handshake");

    let (pages, effects) = (world.calls(Side::Ivvy).pages, world.effects(Side::Crm).len());
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5550 0002")]);
    let envelope = post.envelope();
    let again = resigned(&envelope, |envelope| envelope["MessageId"] = json!("another-envelope"));
    for delivery in [&envelope, &envelope, &again] {
        assert_eq!(post.status(delivery).await, 200);
    }
    world.idle().await;
    assert_eq!(post.seen(), Seen { received: 3, duplicate: 2, ..Seen::default() });
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], "+61 2 5550 0002");
    assert_eq!(world.effects(Side::Crm).len(), effects + 1, "one effect");

    let nora =
        world.ivvy.insert(CONTACTS, &[("first_name", "Nora"), ("last_name", "North"), ("email", "n@example.org")]);
    assert_eq!(post.courier.deliver().await.unwrap().accepted, 1);
    world.idle().await;
    assert!(world.pair_of(CONTACTS, Side::Ivvy, &nora).is_some(), "a newcomer is there at once");

    // Linking them, Tandem wrote her counterpart's id into iVvy, and is told of it like anybody: V-20.
    let wrote = Side::BOTH.map(|side| world.effects(side).len());
    assert_eq!(post.courier.deliver().await.unwrap().accepted, 1, "our own write comes back");
    world.idle().await;
    assert_eq!(Side::BOTH.map(|side| world.effects(side).len()), wrote, "and ends there");

    let gone = world.take();
    world.ivvy.0.edit(&Edit::delete("contact", &gone.ivvy)).unwrap();
    assert_eq!(post.courier.deliver().await.unwrap().accepted, 1);
    world.idle().await;
    let known = world.engine.store().read(|view| view.observation(CONTACTS, Side::Ivvy, &gone.ivvy.as_str().into()));
    assert!(known.unwrap().unwrap().absent, "a deletion is proved by reading, and known");
    assert_eq!(world.calls(Side::Ivvy).pages, pages, "all of it without a sweep");
    post.receiver.stop().await;
    world.end().await;
}

/// As the daemon does it, from its configuration: it listens, subscribes by itself, and stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_listens_subscribes_and_stops_n07() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(2))).await;
    let own = world.ivvy_url();
    // A port that was free a moment ago.
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{listen}{PATH}");
    let inbound = Inbound {
        listen,
        exposed: false,
        public_url: Some(Url::parse(&url).unwrap()),
        sns_hosts: [own.trim_start_matches("http://").to_owned()].into(),
        key_url: Some(Url::parse(&format!("{own}{KEYS}")).unwrap()),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut notifications = Notifications::listen(&inbound, &world.account, &clock).unwrap();
    let address = inbound.public_url.clone().unwrap();
    notifications.subscribe(address, world.account.ivvy.clone().unwrap(), clock, CancellationToken::new());
    let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
    let courier = Courier::new(&world.ivvy.0, &own, transport, Weather::default());
    world.until("subscribed", async || courier.deliver().await.unwrap().accepted == 3).await;
    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5550 0005")]);
    assert_eq!(courier.deliver().await.unwrap().accepted, 1);
    world.idle().await;
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], "+61 2 5550 0005");
    let counts = notifications.counts().seen();
    assert!(counts.received == 1 && counts.last_at.is_some(), "{counts:?}");
    notifications.stop().await;
    assert_eq!(courier.post(&url, "{}").await, None, "nobody listens any more");
    world.end().await;
}

/// What is not proved to come from iVvy through SNS is refused, counted, and leaves no trace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_stale_and_unreadable_deliveries_are_refused_and_counted_n07() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(2))).await;
    let post = Post::begin(&world, Weather::default()).await;
    let pair = world.take();
    world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", "+61 2 5550 0003")]);
    let good = post.envelope();
    let outer = |name: &str, value: &str| {
        let mut forged = good.clone();
        forged[name] = json!(value);
        forged
    };
    let message = good["Message"].as_str().unwrap();
    let forged = [
        ("outer text", outer("Message", &message.replace("+61 2 5550 0003", "+61 2 5550 6666"))),
        ("outer signature", outer("Signature", &sign("something else").unwrap())),
        ("no signature", outer("Signature", "")),
        ("other signer", outer("SigningCertURL", "https://evil.s3.amazonaws.com/certificate.pem")),
        ("version", outer("SignatureVersion", "2")),
        ("stale", resigned(&good, |envelope| envelope["Timestamp"] = json!("2026-01-01T00:00:00.000Z"))),
        ("future", resigned(&good, |envelope| envelope["Timestamp"] = json!("2999-01-01T00:00:00.000Z"))),
        ("inner body", tampered(&good, |message| message["Body"] = json!("{\"data\":{\"id\":1}}"))),
        ("inner subject", tampered(&good, |message| message["Subject"] = json!("ContactDeleted"))),
        ("inner age", tampered(&good, |message| message["Timestamp"] = json!(1_700_000_000))),
        ("inner key", tampered(&good, |message| message["SigningPublicKeyPath"] = json!("/../other.pem"))),
    ];
    let reads = world.calls(Side::Ivvy).reads;
    for (what, delivery) in &forged {
        assert_eq!(post.status(delivery).await, 403, "{what}");
    }
    // A subscription somewhere else: SNS may have signed it, but we go to its own hosts only.
    let elsewhere = {
        let mut asked = json!({
            "Type": "SubscriptionConfirmation", "MessageId": "m", "Token": "t", "TopicArn": "arn", "Message": "hi",
            "SubscribeURL": "https://evil.example/?confirm", "Timestamp": good["Timestamp"], "SignatureVersion": "1",
            "SigningCertURL": good["SigningCertURL"],
        });
        let names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];
        let text: String = names.iter().map(|name| format!("{name}\n{}\n", asked[name].as_str().unwrap())).collect();
        asked["Signature"] = json!(sign(&text).unwrap());
        asked
    };
    assert_eq!(post.status(&elsewhere).await, 403);
    assert_eq!(post.status(&json!({"Type": "Notification"})).await, 400);
    assert_eq!(post.status(&json!("x".repeat(1024 * 1024))).await, 413);
    let refused = forged.len() as u64 + 2;
    assert_eq!(post.seen(), Seen { refused, ..Seen::default() });
    world.idle().await;
    assert_eq!(world.calls(Side::Ivvy).reads, reads, "nobody was sent to look");

    // A key that cannot be fetched proves nothing, either way: it has to come again.
    let keyless = tampered(&good, |message| message["SigningPublicKeyPath"] = json!("/gone.pem"));
    assert_eq!(post.status(&keyless).await, 503);
    // The genuine one is none the worse for all that.
    assert_eq!(post.status(&good).await, 200);
    world.idle().await;
    assert_eq!(world.crm.read(CONTACTS, &pair.crm).await["phone"], "+61 2 5550 0003");

    // Genuine, and about something nobody keeps in step: data, not an error.
    let stranger = tampered(&good, |message| {
        message["Subject"] = json!("ContactNoteAdded");
        let digest = message["Body"].as_str().unwrap();
        let digest = data_encoding::HEXLOWER.encode(&<sha1::Sha1 as sha1::Digest>::digest(digest.as_bytes()));
        let part = |name: &str| message[name].to_string().trim_matches('"').to_owned();
        let text = ["TxnId", "Region", "Timestamp", "AccountId", "Subject"].map(part).join(":");
        message["Signature"] = json!(sign(&format!("{text}:{digest}").to_lowercase()).unwrap());
    });
    assert_eq!(post.status(&stranger).await, 200);
    assert_eq!(post.seen(), Seen { received: 2, unknown: 1, refused, ..Seen::default() });
    post.receiver.stop().await;
    world.end().await;
}

/// The process dies after it has stored a delivery and before anything came of it, the answer is lost, and
/// SNS repeats: nothing is lost, and there is one effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_whose_answer_was_lost_in_a_crash_has_one_effect_n07() {
    let setup = Setup::salesforce(Shape::pairs(2));
    let known = Known::of(setup.shape, setup.seed);
    let mut world = World::prepare(setup, known.clone()).await;
    world.ivvy.0.load(&known.ivvy);
    world.crm.load(&known.crm).await;
    // No engine runs: whatever is taken is only on disk, as after a kill.
    let post = Post::begin(&world, Weather::default()).await;
    let id = world.ivvy.all(CONTACTS).into_keys().next().unwrap();
    world.ivvy.edit(CONTACTS, &id, &[("phone", "+61 2 5550 0004")]);
    let envelope = post.envelope();
    assert_eq!(post.status(&envelope).await, 200);
    let Post { receiver, courier, .. } = post;
    receiver.stop().await;
    drop(courier);
    let waiting = || world.engine.store().read(|view| view.nudges(None, 10)).unwrap().len();
    assert_eq!(waiting(), 1);

    let after = Post::listening(&world, Weather::default());
    assert_eq!(after.status(&envelope).await, 200, "the same again, to a receiver that remembers nothing itself");
    assert_eq!(after.seen(), Seen { received: 1, duplicate: 1, ..Seen::default() });
    assert_eq!(waiting(), 1);
    world.start();
    world.first_plan().await;
    assert_eq!(world.engine.store().read(|view| view.nudges(None, 10)).unwrap(), [], "looked at, once");
    let seen = world.engine.store().read(|view| view.observation(CONTACTS, Side::Ivvy, &id.as_str().into())).unwrap();
    assert_eq!(seen.unwrap().record.fields["phone"].to_string(), "+61 2 5550 0004");
    after.receiver.stop().await;
    world.end().await;
}

/// A thousand notifications in any order, a third of them twice, a tenth never: what is delivered arrives
/// without a sweep, and one sweep brings the rest and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_notifications_end_where_polling_ends_n07() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(300))).await;
    let post = Post::begin(&world, Weather { lost: 100, doubled: 333, shuffled: true }).await;
    let pages = world.calls(Side::Ivvy).pages;
    let pairs = world.pairs(CONTACTS);
    assert_eq!(pairs.len(), 300);
    // Two hundred change once, a hundred eight times.
    for turn in 0..8 {
        for (index, pair) in pairs.iter().enumerate().filter(|(index, _)| turn == 0 || *index < 100) {
            world.ivvy.edit(CONTACTS, &pair.ivvy, &[("phone", &format!("+61 2 555{turn} {index:04}"))]);
        }
    }
    let round = post.courier.deliver().await.unwrap();
    assert_eq!((round.happened, round.refused), (1000, 0));
    assert!((50..200).contains(&round.lost), "{round:?}");
    world.idle().await;
    let seen = post.seen();
    assert_eq!((seen.received, seen.refused, seen.unknown), (round.accepted as u64, 0, 0));
    assert_eq!(seen.received - seen.duplicate, (1000 - round.lost) as u64, "each counts once");
    assert!(seen.duplicate > 200, "{seen:?}");
    assert_eq!(world.calls(Side::Ivvy).pages, pages, "nothing was swept");

    let late: BTreeSet<String> =
        phones(&world).await.into_iter().filter(|(_, ivvy, crm)| ivvy != crm).map(|(id, ..)| id).collect();
    assert!(!late.is_empty() && late.len() <= round.lost, "some of the lost are missed: {}", late.len());
    let before = world.everything().await;
    world.settle().await;
    assert!(phones(&world).await.iter().all(|(_, ivvy, crm)| ivvy == crm), "polling finds the rest");
    let crm: BTreeSet<String> =
        pairs.iter().filter(|pair| late.contains(&pair.ivvy)).map(|pair| pair.crm.clone()).collect();
    let brought = changes(&before, &world.everything().await);
    assert_eq!(brought.len(), late.len(), "and nothing else: {brought:?}");
    assert!(brought.iter().all(|(side, id, field, _)| *side == Side::Crm && crm.contains(id) && field == "phone"));
    post.receiver.stop().await;
    world.end().await;
}
