//! The same account through its socket, with two consoles, and through the command line (acceptance D).

use std::collections::BTreeMap;

use tandem::client::Client;
use tandem::error::ErrorKind;
use tandem::model::{Choice, Item, ItemId, ModuleId, Reason, State, Verb};
use tandem::wire::{Answer, Decide, Request};

use super::population::Shape;
use super::socket::Daemon;
use super::world::{Setup, World};

fn approve(item: &Item, choice: Choice) -> Request {
    Request::Decide(Decide {
        item: item.id,
        ver: Some(item.ver),
        seen: Some(item.seen),
        verb: Verb::Approve,
        choices: BTreeMap::from([("phone".to_owned(), choice)]),
        side: None,
        until: None,
        record: None,
        reason: None,
    })
}

async fn look(client: &Client, id: ItemId) -> Item {
    match client.call(Request::Item { id }).await.unwrap() {
        Answer::Item(view) => view.item,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_consoles_and_the_command_line_see_one_truth_and_stale_is_five_i35() {
    let world = World::in_step(Setup::salesforce(Shape::pairs(4))).await;
    let daemon = Daemon::over(&world);
    let (one, two) = (daemon.console().await, daemon.console().await);
    let run = |args: &[&str]| daemon.run(args);

    // Both look, both decide, one is faster.
    let pair = world.take();
    let id = world.quarrel(&pair, "phone", "+61 2 5556 1111", "+61 2 5556 2222").await.id;
    let (seen, also_seen) = (look(&one, id).await, look(&two, id).await);
    assert_eq!(seen, also_seen);
    one.call(approve(&seen, Choice::Ivvy)).await.unwrap();
    let late = two.call(approve(&also_seen, Choice::Crm)).await.unwrap_err();
    assert_eq!(late.error.kind, ErrorKind::Stale, "{late:?}");
    let current = late.current.expect("the row as it is now");
    assert!(current.ver > seen.ver && current.decided_by == Some(one.hello().operator.clone()), "{current:?}");
    world.idle().await;
    assert_eq!(world.crm.read(ModuleId::Contacts, &pair.crm).await["phone"], "+61 2 5556 1111");

    // The command line, told the version it looked at, is as late as the second console.
    let number = id.to_string();
    let version = seen.ver.to_string();
    let late = run(&["queue", "approve", &number, "--version", &version, "--field", "phone=crm"]);
    assert_eq!(late.status.code(), Some(5), "{late:?}");
    let message = String::from_utf8(late.stderr).unwrap();
    assert!(message.contains(&one.hello().operator), "who was faster: {message}");

    // A record that moved and was seen to move is five as well; what is there now is not.
    let item = world.quarrel(&pair, "phone", "+61 2 5556 3333", "+61 2 5556 4444").await;
    world.crm.edit(ModuleId::Contacts, &pair.crm, &[("first_name", "Later")]).await;
    world.settle().await;
    let (number, old) = (item.id.to_string(), item.ver.to_string());
    let late = run(&["queue", "approve", &number, "--version", &old, "--field", "phone=crm"]);
    assert_eq!(late.status.code(), Some(5), "{late:?}");
    assert_eq!(world.held(&pair, Reason::Conflict).decided_by, item.decided_by, "nothing was decided");
    let now = world.held(&pair, Reason::Conflict).ver.to_string();
    let done = run(&["queue", "approve", &number, "--version", &now, "--field", "phone=crm"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    world.idle().await;
    assert_eq!(world.ivvy.read(ModuleId::Contacts, &pair.ivvy)["phone"], "+61 2 5556 4444");
    assert_eq!(world.item(item.id).state, State::Done);

    drop((one, two));
    daemon.end().await;
    world.end().await;
}
