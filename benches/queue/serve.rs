//! A daemon on the bench store: socket, sessions, engine and store are the real ones. The engine does
//! not run, so nobody is called.

use std::path::Path;
use std::sync::Arc;

use tandem::config::{Config, Secrets};
use tandem::daemon::account::Account;
use tandem::daemon::service::AccountService;
use tandem::daemon::{self, DaemonHandle, Limits, Options, Roster};
use tandem::model::{Choice, Verb};
use tandem::seam::{Clock, Entropy, SystemClock};
use tandem::wire::{Decide, Row};
use tokio_util::sync::CancellationToken;

use crate::{Outcome, data};

/// Serves the account whose store lies in `folder`.
pub fn open(folder: &Path) -> Outcome<Arc<AccountService>> {
    let text = format!(
        r#"version = 1
account = "{}"
data_dir = "{}"

[ivvy]
url = "https://ivvy.invalid"
key = "key"
secret = {{ env = "UNUSED" }}

[modules.companies]
enabled = true

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
    let secrets = Secrets::default().with("ivvy.secret", "unused".into()).with("crm.secret", "unused".into());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let account = Account::open(&config, secrets, &clock, &Entropy::seeded(1))?;
    Ok(Arc::new(AccountService::new(account, data::ACCOUNT, "bench")))
}

/// Listens on `socket`.
pub fn listen(service: Arc<AccountService>, socket: &Path) -> Outcome<DaemonHandle> {
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
pub fn approve(row: &Row) -> Decide {
    Decide {
        item: row.id,
        ver: Some(row.version),
        seen: None,
        verb: Verb::Approve,
        choices: [("phone".to_owned(), Choice::Ivvy)].into(),
        side: None,
        until: None,
        record: None,
        reason: None,
    }
}
