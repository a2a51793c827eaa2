//! What can go wrong around the daemon, with the real program: one clear sentence, a hint, the documented
//! exit code, and nothing lost once the cause is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "a test that must be left out says why")]

mod kill_support;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kill_support::operator::{Operator, drain};
use kill_support::{Home, PATIENCE, Said, Town, private};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use redb::{ReadableDatabase as _, TableDefinition};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tandem::model::{ModuleId, Timestamp};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::control::Edit;
use tandem::sim::fault::{FaultKind, FaultSpec};
use tandem::sim::serve;
use tandem::wire::{Answer, Request, Status};

const PEOPLE: usize = 40;

/// Releases both guards and waits until the two systems agree.
async fn get_in_step(home: &Home, town: &Town) {
    drain(home, town, &mut Operator::new(Entropy::seeded(1)), 0).await;
}

/// Somebody changes a phone number in iVvy; true once Salesforce has it.
struct Change {
    crm_id: String,
    phone: String,
}

impl Change {
    fn make(town: &Town, number: usize) -> Self {
        let paired: Vec<_> = town.ivvy.contacts().into_iter().filter(|one| !one.external_id.is_empty()).collect();
        // Not the first ones: some of them are in conflict from the start.
        let contact = &paired[paired.len() - 1 - number % (paired.len() / 2)];
        let phone = format!("+61 3 9000 {number:04}");
        town.ivvy.edit(&Edit::update("contact", contact.id, json!({ "phone": phone }))).unwrap();
        Self { crm_id: contact.external_id.clone(), phone }
    }

    fn arrived(&self, town: &Town) -> bool {
        let contacts = town.crm.records("Contact").unwrap();
        contacts.iter().any(|contact| contact["Id"] == self.crm_id && contact["Phone"] == self.phone)
    }
}

fn all(status: &Status, state: &str) -> bool {
    status.modules.iter().all(|module| module.state == state)
}

fn remote<'a>(status: &'a Status, name: &str) -> &'a tandem::wire::RemoteStatus {
    status.remotes.iter().find(|remote| remote.name == name).unwrap()
}

async fn doctor_is_content(home: &Home) {
    let doctor = home.run_aside(&["doctor"]).await;
    assert_eq!((doctor.code, doctor.out.trim()), (Some(0), "everything fits"), "{doctor:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_field_map_or_filter_is_a_dry_run_first() {
    let town = Town::peopled(15, PEOPLE).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let daemon = home.start();
    get_in_step(&home, &town).await;
    daemon.stop().await;
    let daemon = home.start();
    let same = home.until("both modules run again", |status| status.modules.len() == 2).await;
    assert!(same.modules.iter().all(|module| module.guard.is_none()), "{same:?}");
    daemon.stop().await;

    town.configure(directory.path(), |config| config["sync"]["first_sync"] = json!("2020-01-01"));
    let daemon = home.start();
    let status = home.until("the guards hold", |status| status.modules.iter().all(|one| one.guard.is_some())).await;
    assert!(status.modules.iter().all(|one| one.guard.as_ref().unwrap().contains("filter changed")), "{status:?}");
    let change = Change::make(&town, 0);
    let before = town.effects();
    home.until("the change is held", |status| {
        status.modules.iter().any(|module| module.reasons.contains_key(&tandem::model::Reason::Guard))
    })
    .await;
    assert_eq!(town.effects(), before, "nothing was written");
    get_in_step(&home, &town).await;
    assert!(change.arrived(&town));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_configuration_is_one_sentence_and_exit_2() {
    type Spoil = fn(&mut Value);
    let town = Town::empty(1).await;
    let cases: [(&str, Spoil); 14] = [
        ("version", |config| config["version"] = json!(2)),
        ("intervall", |config| config["sync"]["intervall"] = json!("5s")),
        ("is not a duration", |config| config["sync"]["interval"] = json!("soon")),
        ("rate", |config| config["sync"]["rate"] = json!(0)),
        ("key", |config| config["ivvy"]["key"] = json!(" ")),
        ("API key", |config| config["ivvy"]["key"] = json!("a key with blanks")),
        ("API version", |config| config["crm"]["api_version"] = json!("newest")),
        ("not encrypted", |config| config["ivvy"]["url"] = json!("http://ivvy.example")),
        ("a secret is not written here", |config| config["crm"]["secret"] = json!("hunter2")),
        ("secret file", |config| config["ivvy"]["secret"] = json!({ "file": "/nonexistent/secret" })),
        ("client_id", |config| drop(config["crm"].as_object_mut().unwrap().remove("client_id"))),
        ("account", |config| config["account"] = json!("Not A Name")),
        ("socket", |config| config["socket"] = json!(format!("/tmp/{}/s", "x".repeat(120)))),
        ("writable by everyone", |config| config["socket"] = json!("/tmp/tandem.sock")),
    ];
    for (named, spoil) in cases {
        let directory = tempfile::tempdir().unwrap();
        let home = town.configure(directory.path(), spoil);
        let said = home.run_aside(&["run"]).await;
        let sentence = said.one_clear_sentence(2);
        assert!(sentence.contains(named), "{named}: {said:?}");
        assert!(!said.err.contains("hunter2"), "{said:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    std::fs::set_permissions(directory.path().join("crm.secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(home.run_aside(&["run"]).await.one_clear_sentence(2).contains("open to others"));
    private(&home.config, "this is = not [toml");
    assert!(home.run_aside(&["run"]).await.one_clear_sentence(2).contains("tandem.toml"));
    std::fs::remove_file(&home.config).unwrap();
    assert!(home.run_aside(&["run"]).await.one_clear_sentence(2).contains("cannot be read"));
    assert!(!home.data.exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_stops_the_modules_and_the_right_one_goes_on() {
    type Spoil = fn(&Path, &mut Value);
    let cases: [(&str, Spoil); 3] = [
        ("ivvy", |_, config| config["ivvy"]["key"] = json!("nobodys-key")),
        ("ivvy", |directory, _| private(&directory.join("ivvy.secret"), "not the secret")),
        ("salesforce", |directory, _| private(&directory.join("crm.secret"), "not the secret")),
    ];
    for (number, (system, spoil)) in cases.into_iter().enumerate() {
        let town = Town::peopled(7, PEOPLE).await;
        let directory = tempfile::tempdir().unwrap();
        let before = town.effects();
        let home = town.configure(directory.path(), |config| spoil(directory.path(), config));
        let daemon = home.start();
        let status = home.until("both modules stopped", |status| all(status, "stopped")).await;
        assert!(status.modules.iter().all(|one| one.last_error.as_ref().is_some_and(|error| error.contains(system))));

        let said = home.run_aside(&["status"]).await;
        assert!(said.code == Some(1) && said.out.contains("stopped") && said.out.contains(system), "{said:?}");
        for said in [home.run_aside(&["check"]).await, {
            // The same words without a daemon.
            let elsewhere = directory.path().join("nobody.sock");
            home.run_aside(&["check", "--socket", elsewhere.to_str().unwrap()]).await
        }] {
            assert_eq!(said.code, Some(1), "{said:?}");
            let failed = format!("{system}: connection: check the key and its secret");
            assert!(said.out.contains("FAIL") && said.out.contains(&failed), "{said:?}");
            assert!(!said.out.contains("not the secret"), "{said:?}");
        }
        assert_eq!(town.effects(), before, "nothing was written");
        daemon.stop().await;

        town.configure(directory.path(), |_| {});
        let daemon = home.start();
        get_in_step(&home, &town).await;
        let change = Change::make(&town, number);
        home.until("the change arrived", |_| change.arrived(&town)).await;
        daemon.stop().await;
        doctor_is_content(&home).await;
    }
}

/// The key is refused in mid-life and accepted again later: nothing is lost and nobody restarts anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_works_again_goes_on_after_resume() {
    let town = Town::peopled(8, PEOPLE).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let daemon = home.start();
    get_in_step(&home, &town).await;
    for kind in [FaultKind::Unauthorized, FaultKind::Forbid] {
        town.ivvy.faults().arm(FaultSpec::per_mille(kind, 1000)).unwrap();
        home.until("stopped", |status| all(status, "stopped")).await;
        let change = Change::make(&town, kind as usize);
        town.ivvy.faults().clear();
        let said = home.run_aside(&["resume"]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let status = home.until("the change arrived", |_| change.arrived(&town)).await;
        assert!(!status.modules.iter().any(|module| module.state == "stopped"), "{status:?}");
    }
    get_in_step(&home, &town).await;
    daemon.stop().await;
    doctor_is_content(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_remote_opens_the_breaker_and_comes_back_by_itself() {
    let mut town = Town::peopled(9, PEOPLE).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let daemon = home.start();
    get_in_step(&home, &town).await;
    let address = town.crm_at.addr;
    let gone =
        std::mem::replace(&mut town.crm_at, serve(axum::Router::new(), ([127, 0, 0, 1], 0).into()).await.unwrap());
    gone.stop().await.unwrap();
    let change = Change::make(&town, 1);
    let status = home.until("the breaker opens", |status| remote(status, "salesforce").breaker == "open").await;
    assert!(remote(&status, "salesforce").last_error.is_some());
    let status = home.until("the modules fail", |status| all(status, "failing")).await;
    assert!(status.modules.iter().all(|module| module.last_error.is_some()), "{status:?}");
    let said = home.run_aside(&["status"]).await;
    assert!(said.code == Some(1) && said.out.contains("failing") && said.out.contains("open"), "{said:?}");
    let said = home.run_aside(&["check"]).await;
    assert!(said.code == Some(1) && said.out.contains("check the address and the network"), "{said:?}");

    town.crm_at = serve(town.crm.router(), address).await.unwrap();
    home.until("the change arrived", |_| change.arrived(&town)).await;
    let closed = |status: &Status| remote(status, "salesforce").breaker == "closed" && !all(status, "failing");
    home.until("the breaker closes", closed).await;
    get_in_step(&home, &town).await;
    daemon.stop().await;
    doctor_is_content(&home).await;
}

/// A clock that is off by a fixed time.
#[derive(Debug)]
struct Off(i64);

impl Clock for Off {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().millis() + self.0)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

/// iVvy answers 23005 to a date that is more than five minutes off; the call is signed again by its clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_minutes_of_clock_skew_are_signed_around() {
    for minutes in [10, -10] {
        let town = Town::with_clock(10, Arc::new(Off(minutes * 60_000))).await;
        let contact = json!({ "firstName": "Ada", "lastName": "Early", "email": "ada@example.org" });
        town.ivvy.edit(&Edit::create("contact", contact)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let home = town.configure(directory.path(), |_| {});
        let daemon = home.start();
        get_in_step(&home, &town).await;
        let contacts = town.crm.records("Contact").unwrap();
        assert!(contacts.len() == 1 && contacts[0]["Email"] == "ada@example.org", "{contacts:?}");
        let said = home.run_aside(&["check"]).await;
        assert!(said.code == Some(1) && said.out.contains("ivvy: clock"), "it is told: {said:?}");
        daemon.stop().await;
    }
}

/// A small file system of its own, unmounted at the end.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None`, with the reason printed, where this machine does not let us mount.
    fn mount(at: &'a Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={megabytes}m,mode=0700");
        match Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output() {
            Ok(output) if output.status.success() => Some(Self(at)),
            Ok(output) => {
                eprintln!("left out: cannot mount here: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                eprintln!("left out: no `mount` here: {error}");
                None
            }
        }
    }

    /// Takes all the space there is left.
    fn fill(&self) {
        use std::io::Write as _;
        let mut ballast = std::fs::File::create(self.0.join("ballast")).unwrap();
        for size in [1024 * 1024, 4096] {
            let block = vec![1; size];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: a daemon of a failed test may still be there.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_daemon_with_4_and_loses_nothing() {
    let town = Town::peopled(11, PEOPLE).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let Some(disk) = SmallDisk::mount(&home.data, 24) else { return };

    // Not even room to make a store.
    disk.fill();
    let said = home.run_aside(&["run"]).await;
    assert!(said.one_clear_sentence(4).contains("the disk that holds the store is full"), "{said:?}");
    disk.free();

    let daemon = home.start();
    get_in_step(&home, &town).await;
    disk.fill();
    // Pages that were freed inside the file can be written again, so some changes still find room: each
    // one leaves audit behind, and sooner or later there is none.
    let client = home.client().await;
    let mut changes = BTreeMap::new();
    let full = async {
        for number in 0.. {
            let change = Change::make(&town, number);
            changes.insert(change.crm_id.clone(), change);
            if tokio::time::timeout(Duration::from_millis(20), client.closed()).await.is_ok() {
                return;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, full).await;
    assert!(found.is_ok(), "the disk never got full\n{}", home.tail());
    assert_eq!(daemon.ended().await.code(), Some(4), "{}", home.tail());
    let log = std::fs::read_to_string(&home.log).unwrap();
    let end: Vec<&str> = log.lines().rev().take(2).collect();
    assert!(end[1].starts_with("error: the disk that holds the store is full"), "{log}");
    assert!(end[0].contains("hint: free some space and start again"), "{log}");
    assert!(!home.socket.exists());

    // Still full: the same sentence, or it starts and ends with it; never a defect.
    let said = home.run_aside(&["run"]).await;
    assert!(said.one_clear_sentence(4).contains("full"), "{said:?}");

    disk.free();
    let daemon = home.start();
    get_in_step(&home, &town).await;
    assert!(changes.values().all(|change| change.arrived(&town)));
    daemon.stop().await;
    doctor_is_content(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_is_turned_away_by_store_and_by_socket() {
    let town = Town::empty(12).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let daemon = home.start();
    home.client().await;
    let said = home.run_aside(&["run"]).await;
    assert!(said.one_clear_sentence(4).contains("in use by another process"), "{said:?}");
    let elsewhere = directory.path().join("run").join("other.sock");
    let said = home.run_aside(&["run", "--socket", elsewhere.to_str().unwrap()]).await;
    assert!(said.one_clear_sentence(4).contains("in use by another process"), "{said:?}");
    let other = directory.path().join("other");
    let said = home.run_aside(&["run", "--data", other.to_str().unwrap()]).await;
    assert!(said.one_clear_sentence(4).contains("a daemon is already running"), "{said:?}");
    // The first one has not noticed.
    assert_eq!(home.run_aside(&["doctor"]).await.code, Some(0));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_newer_or_none_is_refused_and_left_as_it_is() {
    let meta: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
    let town = Town::empty(13).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let no_store = home.run_aside(&["doctor"]).await;
    assert!(no_store.one_clear_sentence(2).contains("there is no store"), "{no_store:?}");
    assert!(!home.data.exists(), "looking makes nothing");
    let daemon = home.start();
    home.client().await;
    daemon.stop().await;
    let good = std::fs::read(home.store()).unwrap();

    let newer = tandem::store::SCHEMA + 1;
    let db = redb::Database::open(home.store()).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(meta).unwrap().insert(&b"schema"[..], &newer.to_be_bytes()[..]).unwrap();
    txn.commit().unwrap();
    drop(db);
    for arguments in [&["run"][..], &["doctor"], &["doctor", "--rebuild"]] {
        let said = home.run_aside(arguments).await;
        assert!(said.one_clear_sentence(2).contains(&format!("format {newer}")), "{said:?}");
    }

    let foreign = directory.path().join("foreign.redb");
    let table: TableDefinition<'_, u64, u64> = TableDefinition::new("somebody's");
    let db = redb::Database::create(&foreign).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(table).unwrap().insert(1, 2).unwrap();
    txn.commit().unwrap();
    drop(db);
    let strangers = [
        ("text", b"Dear diary, today nothing was in step.\n".to_vec()),
        ("empty", Vec::new()),
        ("zeroes", vec![0; 1 << 20]),
        ("another program's", std::fs::read(&foreign).unwrap()),
    ];
    for (what, bytes) in strangers {
        std::fs::write(home.store(), &bytes).unwrap();
        for command in ["run", "doctor"] {
            let said = home.run_aside(&[command]).await;
            assert!(said.one_clear_sentence(2).contains("is not a Tandem store"), "{what}: {said:?}");
        }
        assert_eq!(std::fs::read(home.store()).unwrap(), bytes, "{what}: it was touched");
    }

    // Ours, but cut short.
    for length in [good.len() / 2, good.len() - 4096] {
        std::fs::write(home.store(), &good[..length]).unwrap();
        for command in ["run", "doctor"] {
            let said = home.run_aside(&[command]).await;
            assert!(said.one_clear_sentence(70).contains("the store is damaged"), "{length}: {said:?}");
        }
    }

    std::fs::write(home.store(), &good).unwrap();
    let said = home.run_aside(&["run", "--account", "other"]).await;
    assert!(said.one_clear_sentence(2).contains("is the configuration of"), "{said:?}");
    doctor_is_content(&home).await;
    let db = redb::Database::open(home.store()).unwrap();
    assert!(db.begin_read().unwrap().open_table(meta).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_in_the_middle_of_work_is_a_clean_end() {
    let town = Town::peopled(14, 120).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let before = town.effects();
    // Answers dawdle, so that the signal falls into writes under way.
    for faults in [town.ivvy.faults(), town.crm.faults()] {
        faults.arm(FaultSpec { ms: Some(300), ..FaultSpec::per_mille(FaultKind::Slow, 100) }).unwrap();
    }
    let daemon = home.start();
    let client = home.client().await;
    let module = ModuleId::Contacts;
    let planned = |status: &Status| status.modules.iter().any(|one| one.name == module && !one.reasons.is_empty());
    home.until("planned", planned).await;
    let Ok(Answer::Guard(plan)) = client.call(Request::GuardPlan { module }).await else { panic!("no plan") };
    // More may be planned by now, then this is refused; everything held is read again until it fits.
    let mut held = plan.held;
    while client
        .call(Request::GuardRelease { module, sample: None, expect: held, plan: None, note: None })
        .await
        .is_err()
    {
        let Ok(Answer::Guard(plan)) = client.call(Request::GuardPlan { module }).await else { panic!("no plan") };
        held = plan.held;
    }
    home.until("it writes", |_| town.effects() > before + 5).await;
    daemon.stop().await;
    // No write under way without its intent (I4), and nothing left half done.
    doctor_is_content(&home).await;

    town.ivvy.faults().clear();
    town.crm.faults().clear();
    let daemon = home.start();
    get_in_step(&home, &town).await;
    daemon.stop().await;
    doctor_is_content(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_left_by_kill_9_is_replaced_and_clients_are_told_meanwhile() {
    let town = Town::empty(15).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let no_daemon = |said: Said| {
        assert!(said.one_clear_sentence(4).contains("no daemon answers"), "{said:?}");
        assert!(said.err.contains("tandem run"), "{said:?}");
    };
    no_daemon(home.run_aside(&["status"]).await);
    let daemon = home.start();
    home.client().await;
    daemon.kill();
    assert!(home.socket.exists(), "nobody was left to remove it");
    no_daemon(home.run_aside(&["status"]).await);
    let daemon = home.start();
    home.client().await;
    let said = home.run_aside(&["status"]).await;
    assert!(said.out.contains("contacts"), "{said:?}");
    daemon.stop().await;
}

/// The console on a terminal of its own.
struct Console {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    output: std::sync::mpsc::Receiver<Vec<u8>>,
    screen: vt100::Parser,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Console {
    fn open(home: &Home) -> Self {
        let size = PtySize { rows: 24, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(["console", "--config", home.config.to_str().unwrap()]);
        command.env("TERM", "xterm-256color");
        command.env("XDG_STATE_HOME", home.config.parent().unwrap());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 8_192];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let screen = vt100::Parser::new(24.try_into().unwrap(), 100.try_into().unwrap(), 0);
        Self { child, output, screen, _master: pair.master }
    }

    fn until(&mut self, what: &str, reached: impl Fn(&vt100::Screen) -> bool) {
        while !reached(self.screen.screen()) {
            match self.output.recv_timeout(Duration::from_secs(60)) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(_) => panic!("never: {what}\n{}", self.screen.screen().contents()),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_console_outlives_its_daemon_and_leaves_cleanly_on_sighup() {
    let town = Town::empty(16).await;
    let directory = tempfile::tempdir().unwrap();
    let home = town.configure(directory.path(), |_| {});
    let daemon = home.start();
    home.client().await;
    let mut console = Console::open(&home);
    let shows = |text: &'static str| move |screen: &vt100::Screen| screen.contents().contains(text);
    console.until("the dashboard", shows("Contacts"));
    daemon.kill();
    console.until("that the daemon is gone", shows("NO CONNECTION"));
    let daemon = home.start();
    console.until("that it is back", |screen| !screen.contents().contains("NO CONNECTION"));
    let pid = Pid::from_raw(i32::try_from(console.child.process_id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    console.until("the terminal as it was", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    assert!(console.child.wait().unwrap().success());
    // The daemon does not mind.
    assert!(home.run_aside(&["status"]).await.out.contains("contacts"));
    daemon.stop().await;
}
