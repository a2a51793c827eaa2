//! What is posted to one account: the receiver that takes it, as the configuration asks for it, and the
//! subscription that makes iVvy's notifications come.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::account::{Account, elements};
use secrecy::SecretString;

use crate::config::{self, Auth, CrmSystem, Entity, Inbound, Origin, S360};
use crate::error::Result;
use crate::inbound::connector::{Desk, Terms, routes};
use crate::inbound::s360::{S360Intake, Stream};
use crate::inbound::{Counts, Guard, Intake, KeyPlace, Receiver, Routes, TrustedHosts, notification_routes};
use crate::model::StreamId;
use crate::remote::Class;
use crate::remote::http::{HttpSettings, ReqwestTransport};
use crate::remote::ivvy::Ivvy;
use crate::seam::Clock;

/// Time between two attempts at subscribing, at first; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// And at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Posts being received.
#[derive(Debug)]
pub struct Notifications {
    receiver: Receiver,
    counts: Arc<Counts>,
    posts: Option<S360Intake>,
    subscribing: Option<JoinHandle<()>>,
}

impl Notifications {
    /// Listens as `inbound` says, for whatever the account's configuration has posted to us; what comes before the
    /// engine runs waits on disk. Tells nobody yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound, or the HTTP client cannot be built.
    pub fn listen(inbound: &Inbound, account: &Account, clock: &Arc<dyn Clock>) -> Result<Self> {
        let config = account.blueprint.config();
        let mut routes = Routes::new();
        let mut counts = Arc::default();
        let mut posts = None;
        match &config.origin {
            Origin::Ivvy(_) => {
                let intake = Arc::new(ivvy_intake(inbound, account, clock)?);
                counts = intake.counts();
                routes = routes.merge(notification_routes(intake, Arc::clone(clock)));
            }
            Origin::S360(s360) => {
                let intake =
                    S360Intake::start(account.engine.clone(), streams(s360, account, clock)?, Arc::clone(clock))?;
                routes = routes.merge(intake.routes());
                posts = Some(intake);
            }
        }
        if let CrmSystem::Connector(section) = &config.crm.system
            && let Some(facade) = &section.facade
        {
            routes = routes.merge(connector_routes(section, facade, account, clock)?);
        }
        let receiver = Receiver::listen(routes, inbound.listen, Arc::clone(clock))?;
        tracing::info!(listen = %receiver.addr(), "receiving what is posted to us");
        Ok(Self { receiver, counts, posts, subscribing: None })
    }

    /// Where it listens.
    pub fn addr(&self) -> std::net::SocketAddr {
        self.receiver.addr()
    }

    /// Subscribes as soon as iVvy answers. This writes to iVvy, so it is only for whoever holds the account's
    /// store and socket.
    pub fn subscribe(&mut self, url: Url, ivvy: Arc<Ivvy>, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
        self.subscribing = Some(tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = subscribe(&ivvy, &url, clock.as_ref()) => {}
            }
        }));
    }

    /// What came so far.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Takes no more, and lets what is under way finish. The subscription stays: iVvy repeats for a while,
    /// and polling finds the rest.
    pub async fn stop(self) {
        if let Some(subscribing) = self.subscribing {
            subscribing.abort();
        }
        if let Some(posts) = &self.posts {
            posts.pause(true);
        }
        self.receiver.stop().await;
        if let Some(posts) = self.posts {
            posts.stop().await;
        }
    }
}

/// What S-360 posts to us, stream by stream.
fn streams(s360: &S360, account: &Account, clock: &Arc<dyn Clock>) -> Result<Vec<Stream>> {
    let mut streams = Vec::new();
    for (code, institution) in &s360.institutions {
        for (kind, name, inflow) in institution.inflows() {
            let id = StreamId::new(kind, code);
            let secrets = account.blueprint.secrets().list(&format!("s360.institutions.{code}.{name}.auth"));
            let guard = guard(id.to_string(), &inflow.auth, &secrets, clock)?;
            let operator = institution.operator.is_some();
            streams.push(Stream { id, rhythm: inflow.rhythm(), guard, operator });
        }
    }
    Ok(streams)
}

fn ivvy_intake(inbound: &Inbound, account: &Account, clock: &Arc<dyn Clock>) -> Result<Intake> {
    let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default())?);
    let hosts = TrustedHosts { extra: inbound.sns_hosts.clone() };
    let place = inbound.key_url.clone().map_or(KeyPlace::Published, KeyPlace::Below);
    Ok(Intake::new(account.engine.clone(), transport, Arc::clone(clock), hosts, place))
}

/// The facade that the Connector calls (P-01 to P-12), as its section agrees it.
///
/// # Errors
/// The name of the header it proves itself with is none.
pub fn connector_routes(
    section: &config::Connector,
    facade: &config::Facade,
    account: &Account,
    clock: &Arc<dyn Clock>,
) -> Result<Routes> {
    let key = "crm.facade.auth";
    let secrets = account.blueprint.secrets().list(key);
    let guard = guard("connector".to_owned(), &facade.auth, &secrets, clock)?;
    let (profile, offers) = (&section.profile, facade.offers);
    let terms = Terms {
        provider: section.provider.clone(),
        client: section.client.clone(),
        club: section.club.clone(),
        prospects: profile.entities.contains(&Entity::Prospects),
        members: profile.entities.contains(&Entity::Members),
        elements: elements(section),
        list_staff: offers.list_staff,
        staff_by_email: offers.staff_by_email,
        list_sources: offers.list_sources,
        create_source: offers.create_source,
        update_source: offers.update_source,
    };
    let desk = Desk::new(account.engine.clone(), guard, terms, Arc::clone(clock));
    Ok(routes(Arc::new(desk)))
}

/// The guard before `name`, as its section puts it.
///
/// # Errors
/// The name of the header is none.
pub(super) fn guard(name: String, auth: &Auth, secrets: &[SecretString], clock: &Arc<dyn Clock>) -> Result<Guard> {
    let clock = Arc::clone(clock);
    match auth {
        Auth::None { .. } => Ok(Guard::open(name, clock)),
        Auth::Basic { user, .. } => Ok(Guard::basic(name, user, secrets, clock)),
        Auth::ApiKey { header, .. } => Guard::key(name, header, secrets, clock),
    }
}

/// Asks until iVvy takes it, or says that it never will. Without it polling goes on as ever.
async fn subscribe(ivvy: &Ivvy, url: &Url, clock: &dyn Clock) {
    let mut pause = FIRST_PAUSE;
    loop {
        match ivvy.subscribe(url).await {
            Ok(()) => return tracing::info!("subscribed to iVvy's notifications"),
            Err(error) if matches!(error.class, Class::Forbidden | Class::Rejected | Class::Unsupported) => {
                return tracing::warn!(%error, "iVvy refuses the subscription; polling goes on");
            }
            Err(error) => tracing::warn!(%error, "not subscribed to notifications yet"),
        }
        clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
