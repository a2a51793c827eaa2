//! What people may do about what we post: dead payloads, and runs that are asked for. The CRM is not there.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::{OutboxCounts, PostEnd, PostTry, PushRun, StreamKind};

const CONTACTS: StreamKind = StreamKind::PushContacts;

struct Posting {
    world: World,
    sender: Arc<Sender>,
}

impl Posting {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let ivvy = "version = 1\n[ivvy]\nurl = \"http://127.0.0.1:9\"\nkey = \"k\"\nsecret = { env = \"I\" }\n";
        let push = PUSH.replace("https://crm.example.com", "http://127.0.0.1:9");
        let mut ours = config(&[ivvy, &push, "every = \"1h\"\n"]);
        ours.data_dir = place.path().to_owned();
        let secret = || SecretString::from("hunter2".to_owned());
        let secrets = Secrets::default().with("ivvy.secret", secret()).with("crm.auth[0]", secret());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let account = Account::open(&ours, secrets, &clock, &Entropy::seeded(1)).unwrap();
        let sender = Arc::new(Sender::of(&account).unwrap().unwrap());
        let streams = Streams::of(&ours, clock);
        Self { world: World { streams, engine: account.engine, _place: place }, sender }
    }

    async fn act(&self, stream: &str, verb: StreamVerb) -> Result<String, Error> {
        let World { streams, engine, .. } = &self.world;
        match streams.act(engine, Some(&self.sender), &actor(), &stream.parse().unwrap(), verb).await {
            Ok(Answer::Done { message }) => Ok(message),
            Ok(other) => panic!("{other:?}"),
            Err(failed) => Err(failed.error),
        }
    }

    /// Has a record told as `version` of it.
    async fn hand_over(&self, id: &str, version: &str) {
        let row = Shelved {
            module: ModuleId::Contacts,
            side: Side::Crm,
            id: id.into(),
            key: None,
            at: Timestamp::EPOCH,
            gone: false,
            body: format!("{{\"contactNumber\":\"{id}\",\"v\":\"{version}\"}}"),
        };
        let now = self.world.engine.now();
        let handed = move |tx: &mut Tx<'_>| tx.hand_over(CONTACTS, &row, &row.body, None, now).map(drop);
        self.world.engine.store().write(handed).await.unwrap();
    }

    /// A payload that was given up, with this record and whatever waits.
    async fn dead(&self, id: &str) -> u64 {
        self.hand_over(id, "a").await;
        let now = self.world.engine.now();
        let died = move |tx: &mut Tx<'_>| {
            let post = tx.freeze(CONTACTS, 50, now)?.unwrap();
            let tried = PostTry { run: now, at: now, tries: 1, end: PostEnd::Failed("answered 500".to_owned()) };
            tx.settle_post(CONTACTS, post.number, &tried)?;
            Ok(post.number)
        };
        self.world.engine.store().write(died).await.unwrap()
    }

    fn counts(&self) -> OutboxCounts {
        self.world.engine.store().read(|view| view.outbox_counts(CONTACTS)).unwrap()
    }
}

#[tokio::test]
async fn a_dead_post_is_shown_revived_or_dropped_by_a_person_with_a_trace_s17() {
    let posting = Posting::new();
    let (first, second) = (posting.dead("contact-1").await, posting.dead("contact-2").await);
    let row = posting.world.row("push_contacts");
    assert_eq!((row.dead, row.pending, row.unfinished), (2, 0, 0));
    let items = posting.world.streams.items(&posting.world.engine, &row.id, None, 9);
    let Ok(Answer::StreamItems(page)) = items else { panic!() };
    assert_eq!(page.items.iter().map(|item| item.number).collect::<Vec<_>>(), [first, second]);
    assert_eq!(page.items[0].why, "1 record, 1 try: answered 500");

    let told = posting.act("push_contacts", StreamVerb::Revive { number: first }).await.unwrap();
    assert_eq!(told, format!("post {first} goes again at the next run"));
    let told = posting.act("push_contacts", StreamVerb::Drop { number: second }).await.unwrap();
    assert_eq!(told, format!("post {second} is dropped: its records go again when they change"));
    let counts = posting.counts();
    assert_eq!((counts.dead, counts.unfinished, counts.pending), (0, 1, 0));
    assert_eq!(
        posting.world.audited(),
        [
            format!("ada: drop payload {second} of push_contacts with 1 records"),
            format!("ada: revive payload {first} of push_contacts")
        ]
    );
    // Neither is dead any more, nor is one of another stream.
    for (stream, verb) in [
        ("push_contacts", StreamVerb::Revive { number: first }),
        ("push_contacts", StreamVerb::Drop { number: second }),
        ("push_orders", StreamVerb::Drop { number: first }),
    ] {
        let refused = posting.act(stream, verb).await.unwrap_err();
        assert!(refused.message.contains("there is no dead post") && refused.hint.is_some(), "{refused}");
    }
    // What comes in has no posts, whatever its number.
    let world = World::new();
    world.set_aside("s360_contacts/ACME", "{}").await;
    for verb in [StreamVerb::Revive { number: 1 }, StreamVerb::Drop { number: 1 }] {
        assert!(world.act("s360_contacts/ACME", verb).await.unwrap_err().message.contains("no dead post"));
    }
    assert_eq!(world.row("s360_contacts/ACME").aside, 1);
}

/// What was told anew since a post was given up is not told again from it.
#[tokio::test]
async fn of_a_dead_post_only_what_is_still_the_newest_goes_again_s17() {
    let posting = Posting::new();
    posting.hand_over("contact-1", "a").await;
    let both = posting.dead("contact-2").await;
    let alone = posting.dead("contact-3").await;
    for id in ["contact-1", "contact-3"] {
        posting.hand_over(id, "b").await;
    }
    let told = posting.act("push_contacts", StreamVerb::Revive { number: both }).await.unwrap();
    assert_eq!(told, format!("1 records of post {both} go again; of the others there is newer news"));
    let told = posting.act("push_contacts", StreamVerb::Revive { number: alone }).await.unwrap();
    assert_eq!(told, format!("post {alone} is let go: of all its records there is newer news"));
    let counts = posting.counts();
    assert_eq!((counts.dead, counts.unfinished, counts.pending), (0, 0, 3), "each once, as it is now");
}

#[tokio::test]
async fn a_run_that_is_asked_for_starts_at_once_and_not_in_its_time_s09() {
    let posting = Posting::new();
    let mut changes = posting.world.engine.store().changes();
    let now = posting.world.engine.now();
    let run = PushRun { started_at: now, last_at: now, posts: 1, records: 1 };
    posting.world.put("push_contacts", StreamState { run: Some(run), ..StreamState::default() }).await;
    posting.hand_over("contact-1", "a").await;
    let (sender, stop) = (Arc::clone(&posting.sender), CancellationToken::new());
    let until = stop.clone();
    let running = tokio::spawn(async move { sender.run(&until).await });
    assert_eq!(posting.counts().pending, 1, "the next run is in an hour");
    let told = posting.act("push_contacts", StreamVerb::RunNow).await.unwrap();
    assert_eq!(told, "the run starts now");
    let tried = async {
        while posting.counts().unfinished == 0 {
            changes.recv().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), tried).await.unwrap();
    assert!(posting.world.audited().contains(&"ada: stream push_contacts: run now".to_owned()));
    stop.cancel();
    running.await.unwrap();
}

/// Nothing is read from where we post, and its sender is us.
#[tokio::test]
async fn what_we_post_cannot_be_read_again_and_the_reason_is_that_s17() {
    let posting = Posting::new();
    let refused = posting.act("push_contacts", StreamVerb::Reconcile).await.unwrap_err();
    assert!(
        refused.message.contains("we post there") && refused.hint.unwrap().contains("--dead"),
        "{}",
        refused.message
    );
}

/// A table that nothing uses says so before anything is looked for in it; an entry that is not there is no empty list.
#[tokio::test]
async fn a_match_table_out_of_use_and_an_entry_that_is_not_there_are_said() {
    let world = World::new();
    let entry = || crate::wire::MatchEntry {
        kind: crate::model::MatchKind::Staff,
        side: crate::model::Side::Ivvy,
        id: "101".into(),
    };
    let (pair, other) = (crate::wire::MatchVerb::Pair, Some("2".into()));
    let paired = crate::daemon::matching::decide(&world.engine, &actor(), entry(), pair, other).await;
    let listed = crate::daemon::matching::options(&world.engine, &entry(), "");
    for refused in [paired.unwrap_err().error, listed.unwrap_err().error] {
        assert!(refused.message.contains("not in use"), "{}", refused.message);
    }
}
