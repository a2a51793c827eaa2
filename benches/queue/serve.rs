//! A daemon on the bench store: socket, sessions, engine and store are the real ones. The engine does
//! not run, so nobody is called.

use std::path::Path;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use tandem::config::{Config, Secrets};
use tandem::daemon::account::Account;
use tandem::daemon::{self, DaemonHandle, Limits, Options, Roster, Service, ServiceError};
use tandem::error::{Error, ErrorKind};
use tandem::model::{Actor, Choice, Decision, Fingerprint, ModuleId, Role, Verb};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::store::{Reads as _, StoreError};
use tandem::sync::{Ask, Engine};
use tandem::wire::{Answer, Event, Hello, ModuleStatus, PROTOCOL, Request, Row, Status};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{Outcome, data};

/// Opens the account whose store lies in `folder`.
pub fn open(folder: &Path) -> Outcome<Account> {
    let text = format!(
        r#"version = 1
account = "{}"
data_dir = "{}"

[ivvy]
url = "https://ivvy.invalid"
key = "key"
secret = {{ env = "UNUSED" }}

[crm]
kind = "odoo"
url = "https://odoo.invalid"
database = "db"
key = {{ env = "UNUSED" }}
"#,
        data::ACCOUNT,
        folder.display()
    );
    let config = Config::parse(&text, &folder.join("bench.toml"))?;
    let secrets = Secrets { ivvy: "unused".into(), crm: "unused".into() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(Account::open(&config, secrets, &clock, &Entropy::seeded(1))?)
}

/// Listens on `socket`.
pub fn listen(engine: Engine, socket: &Path) -> Outcome<DaemonHandle> {
    let (events, _) = broadcast::channel(16);
    let service = Arc::new(Answers { engine, events });
    let options = Options {
        socket: socket.to_owned(),
        group: None,
        roster: Roster::of(Default::default(), None),
        limits: Limits::default(),
        clock: Arc::new(SystemClock),
        shutdown: CancellationToken::new(),
    };
    Ok(daemon::start(service, options)?)
}

/// The approval an operator would give: iVvy's phone number wins.
pub fn approve(row: &Row) -> Ask {
    Ask {
        ver: Some(row.version),
        seen: None,
        decision: Decision {
            item: row.id,
            ver: row.version,
            seen: Fingerprint::default(),
            verb: Verb::Approve,
            choices: [("phone".to_owned(), Choice::Ivvy)].into(),
            side: None,
            until: None,
            record: None,
            reason: None,
            actor: Actor { name: "anna".to_owned(), uid: Some(0), role: Role::Admin },
            at: SystemClock.now(),
        },
    }
}

struct Answers {
    engine: Engine,
    events: broadcast::Sender<Event>,
}

impl Answers {
    fn status(&self) -> Result<Status, StoreError> {
        self.engine.store().read(|view| {
            let module = |name: ModuleId| {
                Ok(ModuleStatus {
                    name,
                    state: "running".to_owned(),
                    direction: "both".to_owned(),
                    cursor_lag_s: None,
                    next_run_s: None,
                    counts: view.counts(name)?,
                    reasons: view.reason_counts(name)?,
                    rate_per_min: 0,
                    rates: vec![0; 60],
                    progress: None,
                    guard: None,
                    last_error: None,
                })
            };
            let modules = ModuleId::ALL.into_iter().map(module).collect::<Result<_, StoreError>>()?;
            Ok(Status { account: data::ACCOUNT.to_owned(), modules, seq: view.seq()?, ..Status::default() })
        })
    }
}

impl Service for Answers {
    fn hello(&self, actor: &Actor) -> Hello {
        Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            account: data::ACCOUNT.to_owned(),
            environment: "bench".to_owned(),
            operator: actor.name.clone(),
            role: actor.role,
            crm: "odoo".to_owned(),
            guarantees: Default::default(),
            modules: self.engine.modules(),
        }
    }

    fn answer<'a>(&'a self, _actor: &'a Actor, request: Request) -> BoxFuture<'a, Result<Answer, ServiceError>> {
        async move {
            let refused = |error: StoreError| ServiceError::from(Error::from(error));
            match request {
                Request::Status => self.status().map(Answer::Status).map_err(refused),
                Request::Page(query) => {
                    let now = self.engine.now();
                    self.engine.store().read(|view| view.page_at(&query, now)).map(Answer::Rows).map_err(refused)
                }
                _ => Err(Error::new(ErrorKind::Refused, "the bench does not ask this").into()),
            }
        }
        .boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}
