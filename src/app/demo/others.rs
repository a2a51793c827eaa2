//! The further accounts of `tandem demo --all`: S-360 and a CRM, iVvy and the Connector, iVvy and a CRM that takes
//! POSTed arrays. Each is an account like any other, with its own directory, socket and simulated remotes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::host::Hosted;
use super::{listen, release_first_sync, write};
use crate::cli::args::DemoAccount;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::stream::{FirstSync, StreamKind};
use crate::model::{ModuleId, StreamId, Timestamp};
use crate::remote::http::{HttpSettings, ReqwestTransport};
use crate::remote::transport::Transport;
use crate::seam::{Clock, Entropy, SystemClock};
use crate::sim::Served;
use crate::sim::connector::{self, ConnectorSim, Facade, Lead};
use crate::sim::extcrm::{self, ExtcrmSim};
use crate::sim::ivvy::{self, IvvySim};
use crate::sim::people::{Population, Sides};
use crate::sim::s360::{self, PushAuth, Receiver, S360Sim};
use crate::sim::salesforce::{self, SalesforceSim};
use crate::store::{Reads as _, StoreError};

/// People in each of these accounts: enough to look at, little beside the main one.
const PEOPLE: usize = 60;
/// Time between two runs of whoever posts.
const RHYTHM: Duration = Duration::from_secs(5);
/// Time between two calls of the Connector's.
const CALLS: Duration = Duration::from_secs(20);
/// The password and keys of the demonstration: they guard invented data on this machine.
const DEMO_SECRET: &str = "demo-of-tandem";

/// Where opportunities say what is to be booked: the field of an order, and Salesforce's.
const ASKED: [(&str, &str, salesforce::Kind); 4] = [
    ("booking", "Booking__c", salesforce::Kind::Text(40)),
    ("product", "Product__c", salesforce::Kind::Text(40)),
    ("quantity", "Quantity__c", salesforce::Kind::Double),
    ("unit_price", "Unit_Price__c", salesforce::Kind::Double),
];

/// The accounts beside iVvy and Salesforce.
pub(super) struct Others {
    accounts: Vec<(DemoAccount, Config, Hosted)>,
    /// The simulated systems, each with whose it is and its name.
    servers: Vec<(DemoAccount, &'static str, Served)>,
    tasks: Vec<JoinHandle<()>>,
    quiet: CancellationToken,
    clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
    seed: u64,
    edits_per_minute: u32,
}

impl Others {
    /// Starts them below `directory`. In each of their systems somebody makes that many edits a minute.
    pub async fn start(
        directory: &Path,
        seed: u64,
        edits_per_minute: u32,
        shutdown: &CancellationToken,
    ) -> Result<Self> {
        let mut others = Self {
            accounts: Vec::new(),
            servers: Vec::new(),
            tasks: Vec::new(),
            quiet: CancellationToken::new(),
            clock: Arc::new(SystemClock),
            transport: Arc::new(ReqwestTransport::new(&HttpSettings::default())?),
            seed,
            edits_per_minute,
        };
        let started = async {
            others.s360(&directory.join("s360"), shutdown).await?;
            others.connector(&directory.join("connector"), shutdown).await?;
            others.push(&directory.join("push"), shutdown).await
        };
        match started.await {
            Ok(()) => Ok(others),
            Err(error) => {
                // What was started must not outlive the failure, whose message is the one that counts.
                let _ = others.stop().await;
                Err(error)
            }
        }
    }

    /// The account of that name.
    pub fn hosted(&self, account: DemoAccount) -> Option<&Hosted> {
        self.accounts.iter().find(|(name, ..)| *name == account).map(|(_, _, hosted)| hosted)
    }

    /// Where each can be attached to, for scripts.
    pub fn places(&self) -> Value {
        let remotes = |account: DemoAccount| -> serde_json::Map<String, Value> {
            let own = self.servers.iter().filter(|(of, ..)| *of == account);
            own.map(|(_, system, served)| ((*system).to_owned(), served.url().into())).collect()
        };
        let place = |account: DemoAccount, config: &Config| json!({"config": config.path, "socket": config.socket, "remotes": remotes(account)});
        self.accounts
            .iter()
            .map(|(name, config, _)| (name.to_string(), place(*name, config)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Ends everything: whoever posts first, then the accounts, then the remotes.
    pub async fn stop(self) -> Result<()> {
        self.quiet.cancel();
        for task in &self.tasks {
            task.abort();
        }
        let mut ended = Ok(());
        for (_, _, hosted) in self.accounts {
            ended = ended.and(hosted.stop().await);
        }
        for (_, _, served) in self.servers {
            let closed = served.stop().await;
            let closed = closed.map_err(|error| Error::unavailable("a simulated remote ended badly").because(&error));
            ended = ended.and(closed);
        }
        ended
    }

    async fn serve(&mut self, of: DemoAccount, system: &'static str, router: axum::Router) -> Result<String> {
        let served = listen(router, None, 0).await?;
        let url = served.url();
        self.servers.push((of, system, served));
        Ok(url)
    }

    fn host(&mut self, name: DemoAccount, config: Config, shutdown: &CancellationToken) -> Result<()> {
        let hosted = Hosted::start(&config, config.secrets()?, shutdown)?;
        let releasing = release_first_sync(hosted.service.engine().clone(), Arc::clone(&self.clock));
        self.tasks.push(tokio::spawn(releasing));
        self.accounts.push((name, config, hosted));
        Ok(())
    }

    /// Two institutions with the same numbers, posting into one receiver.
    async fn s360(&mut self, directory: &Path, shutdown: &CancellationToken) -> Result<()> {
        let place = Place::new(directory)?;
        let mut settings = s360::Settings::default();
        settings.knobs.every_ms = u64::try_from(RHYTHM.as_millis()).unwrap_or(u64::MAX);
        settings.first_sync = chrono::NaiveDate::from_ymd_opt(2020, 1, 1);
        let sim = S360Sim::new(settings, Arc::clone(&self.clock), Entropy::seeded(self.seed));
        sim.load(&Population::generate(self.seed, PEOPLE, PEOPLE / 8), self.seed);
        let asked = ASKED.map(|(_, name, kind)| ("Opportunity".to_owned(), salesforce::Field::new(name, kind)));
        let crm = SalesforceSim::new(
            salesforce::Settings { custom_fields: asked.to_vec(), ..salesforce::Settings::default() },
            Arc::clone(&self.clock),
            Entropy::seeded(self.seed.wrapping_add(1)),
        );
        let url = self.serve(DemoAccount::S360, "s360", sim.router()).await?;
        let crm_url = self.serve(DemoAccount::S360, "salesforce", crm.router()).await?;
        let receiver = free_address()?;
        let key = place.secret("post.secret", &DEMO_SECRET.into())?;
        let mut institutions = serde_json::Map::new();
        for account in &sim.settings().institutions {
            let secret = place.secret(&format!("{}.secret", account.code), &account.secret)?;
            let auth = json!({"kind": "api_key", "keys": [{"file": key}]});
            let inflow = json!({"auth": auth, "every": "5s"});
            institutions.insert(
                account.code.clone(),
                json!({
                    "url": format!("{url}/{}", account.code.to_lowercase()),
                    "operator": account.operator,
                    "secret": {"file": secret},
                    "currency": "EUR",
                    "bookings": {"point_of_sales": 7, "payment_method": 3},
                    "contacts": inflow,
                    "orders": inflow,
                }),
            );
        }
        let crm_secret = place.secret("salesforce.secret", &crm.settings().client_secret)?;
        let config = place.config(&json!({
            "s360": {"partner": "TANDEM", "institutions": institutions},
            "crm": {"kind": "salesforce", "url": crm_url, "client_id": crm.settings().client_id, "secret": {"file": crm_secret}},
            "inbound": {"listen": receiver},
        }), &[ModuleId::Companies, ModuleId::Contacts, ModuleId::Orders], &ASKED.map(|(name, field, _)| (name, field)))?;
        self.host(DemoAccount::S360, config, shutdown)?;
        for code in sim.institutions() {
            self.agree_on_history(&code).await?;
            let auth = PushAuth::Apikey { header: "X-API-Key".to_owned(), value: DEMO_SECRET.into() };
            sim.set_receiver(&code, Some(Receiver { url: format!("http://{receiver}"), auth }));
            sim.first_sync(&code)
                .map_err(|error| Error::internal("the demo's first sync was refused").because(&error))?;
        }
        self.tasks.push(tokio::spawn(sim.pusher(Arc::clone(&self.transport)).run(self.quiet.clone())));
        self.tasks.push(tokio::spawn(ask_for_seats(Arc::clone(&crm), Arc::clone(&self.clock))));
        self.tasks.push(tokio::spawn(s360::Editor::new(&sim, self.edits_per_minute).run(self.quiet.clone())));
        self.tasks.push(tokio::spawn(salesforce::Editor::new(&crm, self.edits_per_minute).run(self.quiet.clone())));
        Ok(())
    }

    /// What an operator is asked for after the connection test (S-28).
    async fn agree_on_history(&self, institution: &str) -> Result<()> {
        let Some(hosted) = self.hosted(DemoAccount::S360) else { return Ok(()) };
        let at = self.clock.now();
        let institution = institution.to_owned();
        let agreed = move |tx: &mut crate::store::Tx<'_>| -> Result<(), StoreError> {
            for kind in [StreamKind::S360Contacts, StreamKind::S360Orders] {
                let stream = StreamId::new(kind, institution.clone());
                let mut state = tx.stream(&stream)?;
                state.tested_at = Some(at);
                state.first_sync = Some(FirstSync {
                    from: Timestamp::from_secs(1_577_836_800),
                    entered: "2020-01-01 UTC".to_owned(),
                    by: "demo".to_owned(),
                    at,
                });
                tx.put_stream(&stream, &state)?;
            }
            Ok(())
        };
        hosted.service.engine().store().write(agreed).await?;
        Ok(())
    }

    /// The hub takes what iVvy has, and saves a prospect with us now and then.
    async fn connector(&mut self, directory: &Path, shutdown: &CancellationToken) -> Result<()> {
        let place = Place::new(directory)?;
        let (ivvy, section) = self.ivvy(DemoAccount::Connector, &place).await?;
        let hub = ConnectorSim::new(
            connector::Settings::default(),
            Arc::clone(&self.clock),
            Entropy::seeded(self.seed.wrapping_add(2)),
        );
        let url = self.serve(DemoAccount::Connector, "connector", hub.router()).await?;
        let receiver = free_address()?;
        let key = place.secret("hub.secret", &DEMO_SECRET.into())?;
        let config = place.config(
            &json!({
                "ivvy": section,
                "crm": {
                    "kind": "connector",
                    "url": url,
                    "provider": "TANDEM",
                    "client": "client-1",
                    "club": "club-1",
                    "profile": {
                        "agreed_by": "the demonstration",
                        "agreed_on": "2026-01-31",
                        "direction": "both",
                        "entities": ["prospects", "members"],
                        "owner": true,
                        "source": true,
                        "can": {"list_sources": true, "create_source": true, "update_source": true},
                    },
                    "facade": {"auth": {"kind": "api_key", "keys": [{"file": key}]}},
                },
                "inbound": {"listen": receiver},
            }),
            &[ModuleId::Contacts, ModuleId::Leads],
            &[],
        )?;
        self.host(DemoAccount::Connector, config, shutdown)?;
        self.tasks.push(tokio::spawn(ivvy::Editor::new(&ivvy, self.edits_per_minute).run(self.quiet.clone())));
        let auth = connector::Auth::ApiKey { header: "X-API-Key".to_owned(), key: DEMO_SECRET.into() };
        let hub = hub.hub(Arc::clone(&self.transport), Facade::at(&format!("http://{receiver}"), auth));
        let (clock, people) = (Arc::clone(&self.clock), Population::generate(self.seed.wrapping_add(7), 500, 0).people);
        self.tasks.push(tokio::spawn(async move {
            for (number, person) in people.iter().enumerate() {
                let lead = Lead::prospect(&format!("hub-{number}"), &person.first_name, &person.last_name);
                // The hub tries again later by itself, and what it could not save shows in its own log.
                let _ = hub.save_prospect(&lead.with("email", &person.email)).await;
                clock.sleep(CALLS).await;
            }
        }));
        Ok(())
    }

    /// A CRM that offers two addresses and nothing else.
    async fn push(&mut self, directory: &Path, shutdown: &CancellationToken) -> Result<()> {
        let place = Place::new(directory)?;
        let (ivvy, section) = self.ivvy(DemoAccount::Push, &place).await?;
        let settings = extcrm::Settings {
            auth: extcrm::Auth::ApiKey { header: "X-API-Key".to_owned(), key: DEMO_SECRET.into() },
            ..extcrm::Settings::default()
        };
        let crm = ExtcrmSim::new(settings, Arc::clone(&self.clock), Entropy::seeded(self.seed.wrapping_add(3)));
        let url = self.serve(DemoAccount::Push, "extcrm", crm.router()).await?;
        let key = place.secret("push.secret", &DEMO_SECRET.into())?;
        let config = place.config(
            &json!({
                "ivvy": section,
                "crm": {
                    "kind": "push",
                    "contacts_url": format!("{url}/contacts"),
                    "orders_url": format!("{url}/orders"),
                    "auth": {"kind": "api_key", "keys": [{"file": key}]},
                    "every": "5s",
                },
            }),
            &[ModuleId::Companies, ModuleId::Contacts, ModuleId::QuotesAndBookings],
            &[],
        )?;
        self.host(DemoAccount::Push, config, shutdown)?;
        self.tasks.push(tokio::spawn(ivvy::Editor::new(&ivvy, self.edits_per_minute).run(self.quiet.clone())));
        Ok(())
    }

    /// An iVvy of an account's own, and the section that names it.
    async fn ivvy(&mut self, of: DemoAccount, place: &Place) -> Result<(Arc<IvvySim>, Value)> {
        let settings = ivvy::Settings { seed: self.seed, ..ivvy::Settings::default() };
        let sim = IvvySim::new(settings, Arc::clone(&self.clock), Entropy::seeded(self.seed));
        sim.load(&Sides::of_size(self.seed, PEOPLE).ivvy);
        sim.furnish(false);
        let url = self.serve(of, "ivvy", sim.router()).await?;
        let secret = place.secret("ivvy.secret", &sim.settings().secret)?;
        let section = json!({
            "url": url,
            "key": sim.settings().key,
            "secret": {"file": secret},
            "leads": {"source": 2, "type": 1, "subtype": 11, "stage": 1},
        });
        Ok((sim, section))
    }
}

/// A sales person asks S-360 for seats, once there is somebody to sell to (S-07).
async fn ask_for_seats(crm: Arc<SalesforceSim>, clock: Arc<dyn Clock>) {
    let buyer = loop {
        let contacts = crm.records("Contact").unwrap_or_default();
        if let Some(contact) = contacts.into_iter().find(|contact| contact["Ivvy_Id__c"].is_string()) {
            break contact["Id"].clone();
        }
        clock.sleep(Duration::from_millis(200)).await;
    };
    for (name, booking, seats) in [("Box for the premiere", "reservation", 4), ("Gala night", "sale", 2)] {
        let wish = json!({
            "Name": name, "StageName": "Prospecting", "CloseDate": "2027-05-01", "ContactId": buyer,
            "Booking__c": booking, "Product__c": "12", "Quantity__c": seats, "Unit_Price__c": 60.25,
        });
        // Invented for the demonstration: nobody misses it.
        let _ = crm.insert("Opportunity", wish);
    }
}

/// Where one account lives.
struct Place(PathBuf);

impl Place {
    fn new(directory: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
            Error::config(format!("the demo's directory {} cannot be made", directory.display()))
                .because(&error)
                .hint("name another with --data")
        })?;
        Ok(Self(directory.to_owned()))
    }

    fn secret(&self, name: &str, secret: &SecretString) -> Result<PathBuf> {
        let path = self.0.join(name);
        write(&path, secret.expose_secret())?;
        Ok(path)
    }

    /// Writes the configuration: `sections`, and what all accounts of the demonstration have in common.
    /// The configuration of an account with these modules on; `order_fields` are where its CRM keeps fields of orders.
    fn config(&self, sections: &Value, modules: &[ModuleId], order_fields: &[(&str, &str)]) -> Result<Config> {
        let name = self.0.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let enabled = |module: ModuleId| modules.contains(&module);
        let mut switches: serde_json::Map<String, Value> = ModuleId::ALL
            .into_iter()
            .filter(|module| module.follows().is_none())
            .map(|module| (module.to_string(), json!({"enabled": enabled(module)})))
            .collect();
        if !order_fields.is_empty() {
            switches[<&str>::from(ModuleId::Orders)]["crm_fields"] = order_fields.iter().copied().collect();
        }
        let mut whole = json!({
            "version": crate::config::VERSION,
            "account": format!("demo-{name}"),
            "environment": "demo",
            "data_dir": self.0,
            "socket": self.0.join("tandem.sock"),
            "modules": switches,
            "sync": {"interval": "5s", "rate": 2000, "settle": "2s", "overlap": "10s"},
        });
        if let (Value::Object(whole), Value::Object(sections)) = (&mut whole, sections) {
            whole.extend(sections.clone());
        }
        let text = toml::to_string(&whole)
            .map_err(|error| Error::internal("the demo's configuration cannot be written").because(&error))?;
        let path = self.0.join("tandem.toml");
        write(&path, &text)?;
        Config::load(&path)
    }
}

/// An address of this machine that nobody listens on just now.
fn free_address() -> Result<SocketAddr> {
    let bound = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound.map_err(|error| Error::unavailable("no free port on this machine").because(&error))
}

#[cfg(test)]
mod tests;
