//! Attached clients: roles, bad frames, slowness, company, and the end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod shell;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shell::{Fake, audit_row, options, place, start, until};
use tandem::client::{Client, Link, Reconnecting, Settings};
use tandem::daemon::{self, Limits, Service};
use tandem::error::ErrorKind;
use tandem::model::{ItemId, ModuleId, Role, Seq, Verb};
use tandem::seam::{Entropy, SystemClock};
use tandem::wire::{
    Answer, AuditQuery, Decide, Event, MAX_FRAME, PROTOCOL, PageQuery, PreviewAs, PreviewQuery, Request,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

fn decide(verb: Verb) -> Request {
    Request::Decide(decision(verb))
}

fn decision(verb: Verb) -> Decide {
    Decide {
        item: ItemId(1),
        ver: None,
        seen: None,
        verb,
        choices: Default::default(),
        side: None,
        until: None,
        record: None,
        reason: None,
    }
}

fn preview() -> Request {
    let field = "email".to_owned();
    Request::Preview(PreviewQuery { item: ItemId(1), field, of: None, mode: PreviewAs::Text, from: 0, stream: None })
}

/// Every request, and the least role that may make it: written out once more, so that a change of
/// the daemon's table is a change of this one.
fn matrix() -> Vec<(Request, Role)> {
    let module = ModuleId::Contacts;
    let page = PageQuery { filter: Default::default(), anchor: Default::default(), limit: 5 };
    let mut rows = vec![
        (Request::Status, Role::Viewer),
        (Request::Page(page), Role::Viewer),
        (Request::Item { id: ItemId(1) }, Role::Viewer),
        (preview(), Role::Viewer),
        (Request::Audit(AuditQuery { limit: 5, ..AuditQuery::default() }), Role::Viewer),
        (Request::AuditVerify, Role::Viewer),
        (Request::GuardPlan { module }, Role::Viewer),
        (Request::Watch, Role::Viewer),
        (Request::Sync { module: None, full: false }, Role::Triage),
        (Request::Check, Role::Triage),
        (Request::Doctor { rebuild: false }, Role::Triage),
        (Request::DecideMany { decisions: vec![decision(Verb::Skip)] }, Role::Triage),
        (Request::DecideMany { decisions: vec![decision(Verb::Skip), decision(Verb::Force)] }, Role::Force),
        (Request::Doctor { rebuild: true }, Role::Admin),
        (Request::Pause { module: None }, Role::Admin),
        (Request::Resume { module: None }, Role::Admin),
        (Request::GuardRelease { module, sample: None, expect: 5, plan: None, note: None }, Role::Admin),
        (Request::GuardDiscard { module, expect: 5 }, Role::Admin),
        (Request::MatchRefresh { kind: None, accept: false }, Role::Triage),
        (Request::MatchRefresh { kind: None, accept: true }, Role::Admin),
        (Request::Shutdown, Role::Admin),
    ];
    for verb in <Verb as strum::IntoEnumIterator>::iter() {
        let least = if matches!(verb, Verb::Force | Verb::Resend) { Role::Force } else { Role::Triage };
        rows.push((decide(verb), least));
    }
    rows
}

#[tokio::test]
async fn every_request_is_checked_against_every_role() {
    for role in [Role::Viewer, Role::Triage, Role::Force, Role::Admin] {
        for (request, least) in matrix() {
            let place = place();
            let fake = Fake::new();
            let handle = start(&fake, &place.socket, role);
            let client = Client::connect(&place.socket).await.unwrap();
            assert_eq!((client.hello().operator.as_str(), client.hello().role), ("tess", role));
            let result = client.call(request.clone()).await;
            if role >= least {
                assert!(result.is_ok(), "{role} may {request:?}: {result:?}");
            } else {
                assert_eq!(result.unwrap_err().error.kind, ErrorKind::Permission, "{role} may not {request:?}");
                assert!(fake.asked().is_empty(), "a refused request never reaches the engine");
            }
            handle.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_full_house_turns_the_next_client_away_with_a_reason() {
    let place = place();
    let mut options = options(&place.socket, Role::Admin);
    options.roster = daemon::Roster::of(Default::default(), None);
    options.limits = Limits { clients: 1, ..Limits::default() };
    let handle = daemon::start(Fake::new() as Arc<dyn Service>, options).unwrap();
    let first = Client::connect(&place.socket).await.unwrap();
    assert_eq!(first.hello().role, Role::Admin, "the owner is admin unless named");
    let error = Client::connect(&place.socket).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("attached already"), "{error}");
    drop(first);
    until("the seat is free again", || handle.clients() == 0).await;
    assert!(Client::connect(&place.socket).await.is_ok());
    handle.shutdown().await;
}

#[tokio::test]
async fn two_clients_work_side_by_side_and_one_of_them_is_faster() {
    let place = place();
    let fake = Fake::new();
    let handle = start(&fake, &place.socket, Role::Triage);
    let (ada, ben) = (Client::connect(&place.socket).await.unwrap(), Client::connect(&place.socket).await.unwrap());
    let with_version = |ver| Request::Decide(Decide { ver: Some(ver), ..decision(Verb::Skip) });
    assert!(ada.call(with_version(3)).await.is_ok());
    let stale = ben.call(with_version(3)).await.unwrap_err();
    assert_eq!(stale.error.kind, ErrorKind::Stale);
    assert_eq!(stale.current.unwrap().ver, 4, "the loser sees the new row");
    let Answer::Status(status) = ben.call(Request::Status).await.unwrap() else { panic!("another answer") };
    assert_eq!(status.daemon.clients, 2);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_slow_answer_does_not_hold_up_the_others() {
    let place = place();
    let fake = Fake::new();
    fake.gated.store(true, Ordering::SeqCst);
    let handle = start(&fake, &place.socket, Role::Triage);
    let client = Client::connect(&place.socket).await.unwrap();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.call(Request::Check).await }
    });
    until("the slow call is under way", || fake.asked().contains(&Request::Check)).await;
    assert!(client.call(Request::Status).await.is_ok(), "answered while the other waits");
    assert!(!slow.is_finished());
    fake.gate.notify_one();
    assert!(slow.await.unwrap().is_ok());
    handle.shutdown().await;
}

async fn raw(socket: &std::path::Path) -> BufReader<UnixStream> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await.unwrap());
    let mut hello = String::new();
    stream.read_line(&mut hello).await.unwrap();
    assert!(hello.contains(&format!("\"protocol\":{PROTOCOL}")), "{hello}");
    stream
}

async fn exchange(stream: &mut BufReader<UnixStream>, line: &str) -> String {
    stream.write_all(line.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_line(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn malformed_frames_are_named_and_survived() {
    let place = place();
    let handle = start(&Fake::new(), &place.socket, Role::Admin);
    let mut stream = raw(&place.socket).await;
    let reply = exchange(&mut stream, "{\"id\":1,\"ask\":\"make_coffee\"}\n").await;
    assert!(reply.contains("\"id\":1") && reply.contains("unknown request `make_coffee`"), "{reply}");
    let reply = exchange(&mut stream, "this is not JSON: hunter2\n").await;
    assert!(reply.contains("cannot be read") && !reply.contains("hunter2"), "{reply}");
    let reply = exchange(&mut stream, "{\"id\":2,\"ask\":\"item\",\"item\":\"x\"}\n").await;
    assert!(reply.contains("\"id\":2") && reply.contains("cannot be read"), "{reply}");
    let reply = exchange(&mut stream, "{\"id\":3,\"ask\":\"status\"}\n").await;
    assert!(reply.contains("\"frame\":\"reply\""), "still served: {reply}");
    handle.shutdown().await;
}

#[tokio::test]
async fn an_oversized_frame_ends_that_session_only() {
    let place = place();
    let handle = start(&Fake::new(), &place.socket, Role::Admin);
    let mut greedy = raw(&place.socket).await;
    let (read, mut write) = tokio::io::split(greedy.get_mut());
    let flood = async move {
        let chunk = vec![b'x'; 64 * 1024];
        for _ in 0..(2 * MAX_FRAME / chunk.len()) {
            if write.write_all(&chunk).await.is_err() {
                break; // thrown out already
            }
        }
    };
    let mut answers = String::new();
    let mut read = BufReader::new(read);
    let listen = async { read.read_to_string(&mut answers).await };
    let _ = tokio::join!(flood, listen);
    assert!(answers.contains("longer than"), "{answers}");
    assert!(Client::connect(&place.socket).await.unwrap().call(Request::Status).await.is_ok());
    handle.shutdown().await;
}

#[tokio::test]
async fn calls_sent_before_hanging_up_are_still_answered() {
    let place = place();
    let handle = start(&Fake::new(), &place.socket, Role::Admin);
    let mut stream = raw(&place.socket).await;
    stream.write_all(b"{\"id\":1,\"ask\":\"status\"}\n{\"id\":2,\"ask\":\"check\"}\n").await.unwrap();
    stream.get_mut().shutdown().await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.lines().count(), 2, "{answers}");
    handle.shutdown().await;
}

fn changed(seq: u64) -> Event {
    Event::Changed { seq: Seq(seq), items: vec![ItemId(seq)], overflow: false }
}

#[tokio::test]
async fn events_flow_only_to_those_who_watch() {
    let place = place();
    let fake = Fake::new();
    let handle = start(&fake, &place.socket, Role::Viewer);
    let (watcher, other) =
        (Client::connect(&place.socket).await.unwrap(), Client::connect(&place.socket).await.unwrap());
    let (mut seen, mut unseen) = (watcher.events(), other.events());
    watcher.call(Request::Watch).await.unwrap();
    fake.events.send(changed(5)).unwrap();
    fake.events.send(Event::Audit(audit_row(6))).unwrap();
    assert_eq!(seen.next().await, Some(changed(5)));
    assert_eq!(seen.next().await, Some(Event::Audit(audit_row(6))));
    handle.shutdown().await;
    assert!(matches!(unseen.next().await, Some(Event::Bye { .. })), "everybody hears the goodbye");
    assert_eq!(unseen.next().await, None);
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_events_and_then_its_seat() {
    let place = place();
    let fake = Fake::new();
    let mut options = options(&place.socket, Role::Viewer);
    options.limits = Limits { outbound: 2, patience: Duration::from_millis(300), ..Limits::default() };
    let handle = daemon::start(Arc::clone(&fake) as Arc<dyn Service>, options).unwrap();
    let mut sleeper = raw(&place.socket).await;
    let reply = exchange(&mut sleeper, "{\"id\":1,\"ask\":\"watch\"}\n").await;
    assert!(reply.contains("watching"), "{reply}");
    let healthy = Client::connect(&place.socket).await.unwrap();
    let mut events = healthy.events();
    healthy.call(Request::Watch).await.unwrap();
    // Enough to fill the kernel's buffer of one who does not read.
    let many: Vec<ItemId> = (0..200).map(|n| ItemId(u64::MAX - n)).collect();
    let mut seq = 0;
    let mut healthy_saw = 0;
    while handle.clients() == 2 {
        seq += 1;
        assert!(seq < 100_000, "the sleeper is never dropped");
        fake.events.send(Event::Changed { seq: Seq(seq), items: many.clone(), overflow: false }).unwrap();
        if let Some(Event::Changed { seq, .. }) = events.next().await {
            assert!(seq.0 >= healthy_saw, "events never run backwards");
            healthy_saw = seq.0;
        }
    }
    assert_eq!(handle.clients(), 1, "the sleeper was dropped, the other one was not");
    let mut rest = String::new();
    let _ = sleeper.read_to_string(&mut rest).await; // what was in the buffer, then the end
    assert!(rest.lines().count() < usize::try_from(seq).unwrap(), "it did not get every event");
    assert!(healthy.call(Request::Status).await.is_ok());
    handle.shutdown().await;
}

#[tokio::test]
async fn a_full_queue_melts_events_into_one() {
    // In process, so that the size of the pipe is ours: 64 KiB, one event fills a good part of it.
    let place = place();
    let fake = Fake::new();
    let mut options = options(&place.socket, Role::Viewer);
    options.limits = Limits { outbound: 2, ..Limits::default() };
    let handle = daemon::start(Arc::clone(&fake) as Arc<dyn Service>, options).unwrap();
    let mut stream = BufReader::new(handle.embed().unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    stream.write_all(b"{\"id\":1,\"ask\":\"watch\"}\n").await.unwrap();
    line.clear();
    stream.read_line(&mut line).await.unwrap();
    let many: Vec<ItemId> = (0..2000).map(|n| ItemId(u64::MAX - n)).collect();
    for seq in 1..=30 {
        fake.events.send(Event::Changed { seq: Seq(seq), items: many.clone(), overflow: false }).unwrap();
        tokio::task::yield_now().await;
    }
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(seq, _)| *seq < 30) {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        let frame: serde_json::Value = serde_json::from_str(&line).unwrap();
        seen.push((frame["seq"].as_u64().unwrap(), frame["overflow"].as_bool().unwrap()));
    }
    assert!(seen.len() < 30, "some were melted: {seen:?}");
    assert!(seen.iter().any(|(_, overflow)| *overflow), "and the client was told: {seen:?}");
    assert!(seen.is_sorted_by_key(|(seq, _)| *seq), "{seen:?}");
    handle.shutdown().await;
}

#[tokio::test]
async fn shutdown_lets_running_calls_finish_and_says_goodbye() {
    let place = place();
    let fake = Fake::new();
    fake.gated.store(true, Ordering::SeqCst);
    let handle = start(&fake, &place.socket, Role::Admin);
    let client = Client::connect(&place.socket).await.unwrap();
    let mut events = client.events();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.call(Request::Check).await }
    });
    until("the slow call is under way", || fake.asked().contains(&Request::Check)).await;
    assert!(client.call(Request::Shutdown).await.is_ok());
    fake.gate.notify_one();
    assert!(slow.await.unwrap().is_ok(), "the running call was answered");
    assert!(matches!(events.next().await, Some(Event::Bye { .. })));
    handle.stopped().await;
    assert!(!place.socket.exists());
    assert_eq!(client.call(Request::Status).await.unwrap_err().error.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn another_protocol_is_refused_by_number() {
    let place = place();
    let listener = tokio::net::UnixListener::bind(&place.socket).unwrap();
    let other = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"{\"frame\":\"hello\",\"protocol\":99,\"version\":\"9.0.0\",\"new\":true}\n").await.unwrap();
    });
    let error = Client::connect(&place.socket).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.message.contains("protocol 99") && error.message.contains("9.0.0"), "{error}");
    other.await.unwrap();
}

#[tokio::test]
async fn a_console_comes_back_when_the_daemon_does() {
    let place = place();
    let fake = Fake::new();
    let first = start(&fake, &place.socket, Role::Viewer);
    let socket = place.socket.clone();
    let settings = Settings {
        first: Duration::from_millis(5),
        longest: Duration::from_millis(20),
        ..Settings::new(Arc::new(SystemClock), Entropy::seeded(1))
    };
    let connect = move || -> futures::future::BoxFuture<'static, tandem::error::Result<Client>> {
        let socket = socket.clone();
        Box::pin(async move { Client::connect(&socket).await })
    };
    let (console, mut links) = Reconnecting::start(connect, settings).await.unwrap();
    assert!(matches!(links.next().await, Some(Link::Connected(_))));
    fake.events.send(changed(5)).unwrap();
    assert_eq!(links.next().await, Some(Link::Event(changed(5))));
    first.shutdown().await;
    let Some(Link::Disconnected { error, .. }) = links.next().await else { panic!("not told") };
    assert!(error.message.contains("shutting down"), "{error}");
    assert_eq!(console.call(Request::Status).await.unwrap_err().error.kind, ErrorKind::Unavailable);

    let second = start(&fake, &place.socket, Role::Admin);
    let hello = loop {
        match links.next().await {
            Some(Link::Connected(hello)) => break hello,
            Some(Link::Disconnected { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(hello.role, Role::Admin, "the new greeting counts");
    assert!(console.call(Request::Status).await.is_ok());
    fake.events.send(changed(6)).unwrap();
    assert_eq!(links.next().await, Some(Link::Event(changed(6))), "watching again without being asked");
    second.shutdown().await;
}
