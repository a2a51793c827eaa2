//! The socket file: private, single, and taken over only from the dead.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod shell;

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::sync::Arc;

use shell::{Fake, make_directory, options, place, start};
use tandem::client::Client;
use tandem::daemon::{self, Service};
use tandem::error::ErrorKind;
use tandem::model::Role;
use tandem::wire::Request;

fn service(fake: &Arc<Fake>) -> Arc<dyn Service> {
    Arc::clone(fake) as Arc<dyn Service>
}

#[tokio::test]
async fn socket_and_directory_are_private_and_go_away_with_the_daemon() {
    let place = place();
    let socket = place.directory.path().join("run/tandem/t.sock");
    let handle = start(&Fake::new(), &socket, Role::Admin);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    handle.shutdown().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_second_daemon_is_refused_while_the_first_lives() {
    let place = place();
    let fake = Fake::new();
    let first = start(&fake, &place.socket, Role::Admin);
    let error = daemon::start(service(&fake), options(&place.socket, Role::Admin)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("already running"), "{error}");
    assert!(error.message.contains(&format!("process {}", std::process::id())), "{error}");
    assert!(Client::connect(&place.socket).await.is_ok(), "the first one is unharmed");
    first.shutdown().await;
    start(&fake, &place.socket, Role::Admin).shutdown().await;
}

#[tokio::test]
async fn a_socket_left_by_the_dead_is_taken_over() {
    let place = place();
    drop(std::os::unix::net::UnixListener::bind(&place.socket).unwrap());
    assert!(std::fs::metadata(&place.socket).unwrap().file_type().is_socket(), "left behind");
    let handle = start(&Fake::new(), &place.socket, Role::Admin);
    assert!(Client::connect(&place.socket).await.is_ok());
    handle.shutdown().await;
}

#[tokio::test]
async fn a_live_listener_without_our_lock_is_not_thrown_out() {
    let place = place();
    let _alive = std::os::unix::net::UnixListener::bind(&place.socket).unwrap();
    let error = daemon::start(service(&Fake::new()), options(&place.socket, Role::Admin)).unwrap_err();
    assert!(error.message.contains("already running"), "{error}");
    assert!(place.socket.exists());
}

#[tokio::test]
async fn what_is_not_a_socket_is_never_removed() {
    let place = place();
    std::fs::write(&place.socket, "precious").unwrap();
    let error = daemon::start(service(&Fake::new()), options(&place.socket, Role::Admin)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(std::fs::read_to_string(&place.socket).unwrap(), "precious");
}

#[tokio::test]
async fn unsafe_and_impossible_places_are_refused() {
    let place = place();
    let open = place.directory.path().join("open");
    make_directory(&open, 0o777);
    let error = daemon::start(service(&Fake::new()), options(&open.join("t.sock"), Role::Admin)).unwrap_err();
    assert!(error.message.contains("writable by everyone"), "{error}");
    let long = place.directory.path().join("x".repeat(120));
    let error = daemon::start(service(&Fake::new()), options(&long, Role::Admin)).unwrap_err();
    assert!(error.message.contains("longer than"), "{error}");
    let mut grouped = options(&place.socket, Role::Admin);
    grouped.group = Some("no-such-group-anywhere".to_owned());
    let error = daemon::start(service(&Fake::new()), grouped).unwrap_err();
    assert!(error.message.contains("no group"), "{error}");
}

#[tokio::test]
async fn no_daemon_is_an_unavailable_error_with_a_hint() {
    let place = place();
    let error = Client::connect(&place.socket).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.hint.unwrap().contains("tandem run"));
}

#[tokio::test]
async fn a_console_in_the_same_process_takes_the_same_path() {
    let place = place();
    let fake = Fake::new();
    let handle = start(&fake, &place.socket, Role::Viewer);
    let client = Client::over(handle.embed().unwrap()).await.unwrap();
    assert_eq!((client.hello().operator.as_str(), client.hello().role), ("tess", Role::Viewer));
    assert!(client.call(Request::Status).await.is_ok());
    let refused = client.call(Request::Shutdown).await.unwrap_err();
    assert_eq!(refused.error.kind, ErrorKind::Permission, "roles hold in process, too");
    handle.shutdown().await;
    client.closed().await;
}
