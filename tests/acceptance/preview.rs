//! A body of megabytes in a real store, through the real socket: every answer fits its frame, the whole
//! is read part by part, and the version that was seen can be decided (V-33).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tandem::client::Client;
use tandem::error::ErrorKind;
use tandem::model::{
    Actor, AuditEvent, FieldPlan, Fingerprint, Item, ItemId, Kind, ModuleId, PairKey, Plan, Reason, Reasons, Side,
    State, Value, Verb, Verdict, Why,
};
use tandem::seam::{Clock as _, SystemClock};
use tandem::store::Note;
use tandem::wire::{Anchor, Answer, Decide, Filter, PageQuery, Preview, PreviewAs, PreviewQuery, Request};

use super::population::Shape;
use super::socket::Daemon;
use super::world::{Setup, World};

/// An e-mail that waits for a person.
fn email(id: ItemId, body: &str) -> Item {
    let row = |field: &str, text: &str| FieldPlan {
        field: field.to_owned(),
        base_ivvy: None,
        base_crm: None,
        ivvy: Some(Value::text(text)),
        crm: None,
        verdict: Verdict::ToCrm,
        why: Why::Create,
        merged: None,
        choice: None,
        moved: false,
    };
    let fields = vec![row("subject", "Your booking"), row("body", body)];
    let pair = PairKey::Lone(Side::Ivvy, "990001".into());
    Item {
        state: State::Held,
        reasons: Reasons::one(Reason::Conflict),
        ver: 1,
        seen: Fingerprint::of(&fields),
        title: "Your booking".to_owned(),
        plan: Plan { fields, summary: "1 e-mail".to_owned(), mapping_version: 1, ..Plan::default() },
        ..Item::new(id, ModuleId::ContactEmails, pair, Kind::Create, SystemClock.now())
    }
}

async fn put(world: &World, body: String) -> Item {
    let write = move |tx: &mut tandem::store::Tx<'_>| {
        let item = email(tx.new_item_id()?, &body);
        let what = AuditEvent::Planned { state: State::Held, summary: "1 e-mail".to_owned() };
        let note = Note { at: SystemClock.now(), actor: Actor::engine(), module: None, item: None, link: None, what };
        tx.put_item(&item, note)?;
        Ok(item)
    };
    world.engine.store().write(write).await.unwrap()
}

async fn part(client: &Client, query: &PreviewQuery) -> Preview {
    match client.call(Request::Preview(query.clone())).await.unwrap() {
        Answer::Preview(part) => part,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_five_megabytes_fits_every_answer_and_is_read_in_parts_v33() {
    let setup = Setup::salesforce(Shape::pairs(2)).also(&[ModuleId::ContactEmails]);
    let world = World::in_step(setup).await;
    let body: String = (0..90_000)
        .map(|n| {
            format!(
                "<p class=\"MsoNormal\">Paragraph <b>{n}</b> \u{1b}[31m <a href='https://a.example/{n}'>x</a></p>\n"
            )
        })
        .collect();
    assert!(body.len() > 5 * 1024 * 1024);
    let stored = put(&world, body.clone()).await;

    let daemon = Daemon::over(&world);
    let client = daemon.console().await;

    // Rows of the queue never carry values.
    let filter = Filter { module: Some(ModuleId::ContactEmails), ..Filter::default() };
    let page = Request::Page(PageQuery { filter, anchor: Anchor::Start, limit: 50 });
    let Answer::Rows(rows) = client.call(page).await.unwrap() else { panic!("another answer") };
    assert_eq!(rows.rows.len(), 1);
    assert!(serde_json::to_string(&rows).unwrap().len() < 2_000);

    // The item is shown with the body cut, under the version and the fingerprint of the whole.
    let Answer::Item(view) = client.call(Request::Item { id: stored.id }).await.unwrap() else {
        panic!("another answer")
    };
    assert_eq!((view.item.ver, view.item.seen), (stored.ver, stored.seen));
    assert_eq!(view.cut, BTreeMap::from([("body".to_owned(), body.len() as u64)]));
    assert!(serde_json::to_string(&view).unwrap().len() < 32 * 1024);
    assert_eq!(world.item(stored.id).plan, stored.plan, "the store keeps all of it");

    // Part by part, each bounded and quick, the whole of it comes out.
    let mut slowest = Duration::ZERO;
    for mode in [PreviewAs::Text, PreviewAs::Html, PreviewAs::Links] {
        let mut query =
            PreviewQuery { item: stored.id, field: "body".to_owned(), of: None, mode, from: 0, stream: None };
        let mut all = String::new();
        loop {
            let started = Instant::now();
            let part = part(&client, &query).await;
            slowest = slowest.max(started.elapsed());
            assert!(part.text.len() <= tandem::text::MOST_PAGE);
            assert_eq!((part.ver, part.total_bytes), (stored.ver, body.len() as u64));
            all += &part.text;
            match part.next {
                Some(next) => query.from = next,
                None => break,
            }
            // Laid out unoptimised the middle takes a while; `text::pages` proves it for itself.
            if mode == PreviewAs::Text && all.len() > 500_000 {
                query.from = body.len() as u64 - 1_000;
                all += &self::part(&client, &query).await.text;
                break;
            }
        }
        match mode {
            PreviewAs::Html => assert_eq!(all, body),
            PreviewAs::Links => assert_eq!(all.lines().count(), 90_000),
            PreviewAs::Text => {
                assert!(all.starts_with("Paragraph 0 ") && all.contains("Paragraph 89999 "));
                assert!(!all.contains("MsoNormal") && !all.contains("https"));
            }
        }
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?} for one part, unoptimised");

    // Decided on exactly what was seen; a late one gets the item cut, too.
    let skip = Decide {
        item: stored.id,
        ver: Some(view.item.ver),
        seen: Some(view.item.seen),
        verb: Verb::Skip,
        choices: BTreeMap::new(),
        side: None,
        until: None,
        record: None,
        reason: None,
    };
    let Answer::Decided(skipped) = client.call(Request::Decide(skip.clone())).await.unwrap() else {
        panic!("another answer")
    };
    assert_eq!(skipped.state, State::Skipped);
    let late = client.call(Request::Decide(skip)).await.unwrap_err();
    assert_eq!(late.error.kind, ErrorKind::Stale);
    assert_eq!(late.current.unwrap().state, State::Skipped);
    assert_eq!(world.item(stored.id).plan.field("body"), stored.plan.field("body"), "a decision loses nothing of it");

    drop(client);
    daemon.end().await;
    world.end().await;
}
