//! The further accounts of the demonstration, as `--all` starts them: each works, on its own configuration, over HTTP.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::model::{Reason, Side, State};

/// Longest time until everything there is to see is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one simulated system holds of `object`, as its control API says.
async fn records(places: &Value, account: DemoAccount, system: &str, object: &str) -> usize {
    let url = places[account.to_string()]["remotes"][system].as_str().unwrap().to_owned();
    let address = url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /_sim/records/{object} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{system} {object}: {answer}");
    match serde_json::from_str(body).unwrap() {
        Value::Array(rows) => rows.len(),
        rows => rows["records"].as_array().unwrap().len(),
    }
}

/// What waits for a person or failed, account by account: how many, why, and what was said last.
fn stuck(others: &Others) -> Vec<String> {
    let mut stuck = Vec::new();
    for (name, _, hosted) in &others.accounts {
        let engine = hosted.service.engine();
        for module in engine.modules().into_iter().map(|def| def.id) {
            for state in [State::Held, State::Dead, State::Unknown, State::Retry] {
                let items = engine.store().read(|view| {
                    let ids = view.in_state(module, state, None, 500)?;
                    ids.into_iter().map(|id| view.item(id)).collect::<std::result::Result<Vec<_>, _>>()
                });
                for item in items.unwrap().into_iter().flatten() {
                    // A first sync that nobody has released yet is on its way.
                    if state == State::Held && !item.reasons.contains(Reason::Validation) {
                        continue;
                    }
                    stuck.push(format!("{name} {module} {state}: {:?} {:?}", item.reasons, item.error));
                }
            }
            for side in Side::BOTH {
                if engine.polling(module, side).failures > 0 {
                    stuck.push(format!("{name} {module} {side}: {:?}", engine.last_error(module)));
                }
            }
        }
    }
    stuck
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_further_account_writes_to_its_crm_and_nothing_is_held_for_validation() {
    let directory = tempfile::tempdir().unwrap();
    let shutdown = CancellationToken::new();
    let others = Others::start(directory.path(), 42, 0, &shutdown).await.unwrap();
    let places = others.places();
    let (began, mut seen) = (Instant::now(), Vec::new());
    for (account, system, object, at_least) in [
        (DemoAccount::S360, "salesforce", "Account", 10),
        (DemoAccount::S360, "salesforce", "Contact", 40),
        (DemoAccount::S360, "salesforce", "Opportunity", 10),
        (DemoAccount::Connector, "connector", "user", 50),
        (DemoAccount::Push, "extcrm", "contact", 50),
        (DemoAccount::Push, "extcrm", "order", 1),
    ] {
        loop {
            let there = records(&places, account, system, object).await;
            if there >= at_least {
                seen.push(format!("{system} {object} {there} {:?}", began.elapsed()));
                break;
            }
            let stuck = stuck(&others);
            // Whoever is held now stays so: waiting for the rest would only hide it.
            assert!(
                stuck.is_empty() && began.elapsed() < PATIENCE,
                "{account}: {there} of {at_least} {object} in {system}; {} stuck, first {:?}; {seen:?}",
                stuck.len(),
                stuck.first()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // Whom the Connector saved with us is a lead in iVvy. Ours are known there by a name of ours.
    let connector = others.hosted(DemoAccount::Connector).unwrap().service.engine();
    let theirs = || {
        let links = connector.store().read(|view| view.links(ModuleId::Leads, None, 500)).unwrap();
        links.iter().any(|link| !link.crm.as_str().starts_with("lead-"))
    };
    while !theirs() {
        assert!(began.elapsed() < PATIENCE, "nobody the Connector saved is in iVvy; {:?} {seen:?}", stuck(&others));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stuck(&others), Vec::<String>::new(), "{seen:?}");
    println!("{seen:?}");
    others.stop().await.unwrap();
}
