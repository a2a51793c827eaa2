//! A town for the real daemon: two simulated systems in this process, so that their ledgers survive it,
//! and the program itself as a child that may be killed at any moment.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "every test binary uses another part of it")]

pub mod hands;
pub mod operator;
pub mod oracle;

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tandem::client::Client;
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::sim::ivvy::{self, IvvySim};
use tandem::sim::people::Population;
use tandem::sim::salesforce::{self, SalesforceSim};
use tandem::sim::{Served, serve};
use tandem::wire::{Answer, Request, Status};

/// Longest any condition is waited for.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The two systems, listening on loopback.
pub struct Town {
    pub ivvy: Arc<IvvySim>,
    pub crm: Arc<SalesforceSim>,
    pub ivvy_at: Served,
    pub crm_at: Served,
}

impl Town {
    pub async fn empty(seed: u64) -> Self {
        Self::with_clock(seed, Arc::new(SystemClock)).await
    }

    /// The systems' clocks may differ from ours.
    pub async fn with_clock(seed: u64, clock: Arc<dyn Clock>) -> Self {
        // Adding twice makes two: nothing but the engine's own care prevents doubles.
        let settings = ivvy::Settings {
            seed,
            order: ivvy::Order::ModifiedDesc,
            duplicate_add: ivvy::DuplicateAdd::Allow,
            ..ivvy::Settings::default()
        };
        let ivvy = IvvySim::new(settings, Arc::clone(&clock), Entropy::seeded(seed.wrapping_add(1)));
        let crm = SalesforceSim::new(
            salesforce::Settings::default(),
            Arc::clone(&clock),
            Entropy::seeded(seed.wrapping_add(2)),
        );
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let ivvy_at = serve(ivvy.router(), here).await.unwrap();
        let crm_at = serve(crm.router(), here).await.unwrap();
        Self { ivvy, crm, ivvy_at, crm_at }
    }

    /// People whose e-mail addresses are all different: seven in ten known to both systems (some with
    /// another phone number), one in ten known to both without a constant id, the rest to one only.
    pub async fn peopled(seed: u64, people: usize) -> Self {
        let town = Self::empty(seed).await;
        let mut all = Population::generate(seed, people, people / 8);
        for (index, person) in all.people.iter_mut().enumerate() {
            person.first_name = format!("First{index}");
            person.last_name = format!("Last{index}");
            person.email = format!("person{index}@example.org");
        }
        let mut known = Population { people: Vec::new(), companies: all.companies.clone() };
        for (index, person) in all.people.iter().enumerate().filter(|(index, _)| index % 10 != 8) {
            let mut twin = person.clone();
            if index % 25 == 3 {
                twin.phone = format!("+49 30 {:07}", 1_000_000 + index);
            }
            known.people.push(twin);
        }
        let (accounts, contacts) = town.crm.load_all(&known);
        let mut contacts = contacts.into_iter();
        let firms: Vec<u64> = all
            .companies
            .iter()
            .zip(&accounts)
            .map(|(firm, account)| {
                let id = town.ivvy.add_company(ivvy::Company {
                    external_id: account.clone(),
                    business_name: firm.name.clone(),
                    phone: firm.phone.clone(),
                    email: firm.email.clone(),
                    website: firm.website.clone(),
                    address: ivvy::Address {
                        lines: [firm.street.clone(), String::new(), String::new(), String::new()],
                        city: firm.city.clone(),
                        country_code: firm.country.clone(),
                        postal_code: firm.postal_code.clone(),
                        ..ivvy::Address::default()
                    },
                    ..ivvy::Company::default()
                });
                town.crm.edit("Account", account, json!({"Ivvy_Id__c": format!("company-{id}")})).unwrap();
                id
            })
            .collect();
        for (index, person) in all.people.iter().enumerate() {
            let there = if index % 10 == 8 { None } else { contacts.next() };
            if index % 10 == 9 {
                continue;
            }
            let paired = there.filter(|_| index % 10 < 7);
            let id = town.ivvy.add_contact(ivvy::Contact {
                external_id: paired.clone().unwrap_or_default(),
                first_name: person.first_name.clone(),
                last_name: person.last_name.clone(),
                email: person.email.clone(),
                phone: person.phone.clone(),
                companies: person.company.and_then(|index| firms.get(index)).copied().into_iter().collect(),
                status: 1,
                sms_status: 1,
                ..ivvy::Contact::default()
            });
            if let Some(contact) = paired {
                town.crm.edit("Contact", &contact, json!({"Ivvy_Id__c": format!("contact-{id}")})).unwrap();
            }
        }
        town
    }

    /// A configuration for this town in `directory`; `change` may spoil it.
    pub fn configure(&self, directory: &Path, change: impl FnOnce(&mut Value)) -> Home {
        let home = Home::new(directory);
        private(&directory.join("ivvy.secret"), self.ivvy.settings().secret.expose_secret());
        private(&directory.join("crm.secret"), self.crm.settings().client_secret.expose_secret());
        let mut config = json!({
            "version": tandem::config::VERSION,
            "account": "town",
            "environment": "test",
            "data_dir": home.data,
            "socket": home.socket,
            "ivvy": {
                "url": self.ivvy_at.url(),
                "key": self.ivvy.settings().key,
                "secret": { "file": directory.join("ivvy.secret") },
            },
            "crm": {
                "kind": "salesforce",
                "url": self.crm_at.url(),
                "client_id": self.crm.settings().client_id,
                "secret": { "file": directory.join("crm.secret") },
            },
            "modules": { "companies": { "enabled": true } },
            "sync": { "interval": "1s", "rate": 100_000, "settle": "1s", "overlap": "3s" },
            "guard": {
                "creates": { "count": 1_000_000, "percent": 100 },
                "updates": { "count": 1_000_000, "percent": 100 },
                "conflicts": { "count": 1_000_000, "percent": 100 },
                "emptied": { "count": 1_000_000, "percent": 100 },
                "same_value": { "count": 1_000_000, "percent": 100 },
            },
        });
        change(&mut config);
        private(&home.config, &toml::to_string(&config).unwrap());
        home
    }

    /// Effects on both sides so far.
    pub fn effects(&self) -> usize {
        self.ivvy.ledger().len() + self.crm.ledger().len()
    }
}

/// Where one account lives.
#[derive(Clone, Debug)]
pub struct Home {
    pub config: PathBuf,
    pub data: PathBuf,
    pub socket: PathBuf,
    pub log: PathBuf,
}

impl Home {
    pub fn new(directory: &Path) -> Self {
        Self {
            config: directory.join("tandem.toml"),
            data: directory.join("data"),
            socket: directory.join("run").join("tandem.sock"),
            log: directory.join("daemon.log"),
        }
    }

    pub fn store(&self) -> PathBuf {
        self.data.join("town.redb")
    }

    /// A command of the program on this account.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().unwrap())
    }

    /// Runs a command to its end without holding up the simulators.
    pub async fn run_aside(&self, arguments: &[&str]) -> Said {
        let mut command = tokio::process::Command::from(self.command(arguments));
        let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
        Said::from(ended.unwrap_or_else(|_| panic!("`tandem {}` does not end", arguments.join(" "))).unwrap())
    }

    /// Starts the daemon; what it logs is appended to the log.
    pub fn start(&self) -> Daemon {
        self.start_with(self.command(&["run"]))
    }

    pub fn start_with(&self, mut command: Command) -> Daemon {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Daemon { child: Some(child), home: self.clone() }
    }

    /// The newest lines of the log.
    pub fn tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Waits until the daemon answers.
    pub async fn client(&self) -> Client {
        let started = Instant::now();
        loop {
            match Client::connect(&self.socket).await {
                Ok(client) => return client,
                Err(error) if started.elapsed() > PATIENCE => panic!("no daemon: {error}\n{}", self.tail()),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Asks for the status until it is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let client = self.client().await;
        let started = Instant::now();
        loop {
            let Ok(Answer::Status(status)) = client.call(Request::Status).await else {
                panic!("the daemon went away while waiting: {what}\n{}", self.tail());
            };
            if wanted(&status) {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "never: {what}\n{status:#?}\n{}", self.tail());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// One sentence, its causes and one hint, without a trace of a defect; returns the sentence.
    #[track_caller]
    pub fn one_clear_sentence(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<&str> =
            self.err.lines().filter(|line| ![" INFO ", " WARN "].iter().any(|log| line.contains(log))).collect();
        let [sentence, causes @ .., hint] = lines.as_slice() else { panic!("a sentence and a hint: {self:?}") };
        assert!(sentence.starts_with("error: ") && hint.trim_start().starts_with("hint: "), "{self:?}");
        assert!(causes.iter().all(|line| line.trim_start().starts_with("caused by: ")), "{self:?}");
        assert!(!self.err.contains("panicked") && !self.err.contains("RUST_BACKTRACE"), "{self:?}");
        sentence
    }
}

/// The daemon as a child; killed when dropped.
pub struct Daemon {
    child: Option<Child>,
    home: Home,
}

impl Daemon {
    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("not ended yet")
    }

    pub fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_child(self.child());
        kill_process(pid, signal).unwrap();
    }

    /// `kill -9`. It must have been alive until then.
    pub fn kill(mut self) {
        if let Some(status) = self.child().try_wait().unwrap() {
            panic!("the daemon ended by itself with {status}\n{}", self.home.tail());
        }
        drop(self);
    }

    /// Asks for a clean end and expects it.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        let home = self.home.clone();
        let status = self.ended().await;
        assert!(status.success(), "{status}\n{}", home.tail());
        assert!(!home.socket.exists(), "the socket is still there");
        // A file that was not closed in order cannot be opened for reading alone.
        let closed = redb::Builder::new().open_read_only(home.store()).map(drop);
        assert!(closed.is_ok(), "the store was left open: {closed:?}\n{}", home.tail());
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child().try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the daemon does not end\n{}", self.home.tail());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Ended already is fine.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Writes a file only we can read.
pub fn private(path: &Path, text: &str) {
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
