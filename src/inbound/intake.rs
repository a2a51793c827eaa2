//! What becomes of one delivery: who sent it, whether it was here before, and which record it is about.
//!
//! The order matters. Nothing of a delivery is used before its envelope's signature holds, and nothing of
//! the message inside before iVvy's own does; an answer that makes SNS stop repeating is given only once
//! the delivery is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::envelope::{CONFIRMATION, Envelope, FAREWELL, NOTIFICATION, Notice};
use super::keys::{KeyPlace, KeyRing, TrustedHosts};
use super::signature::PublicKey;
use super::subject;
use crate::model::{Side, Timestamp};
use crate::remote::transport::Transport;
use crate::seam::Clock;
use crate::sync::{Engine, Taken};

/// Longest an envelope may have been under way: SNS repeats for an hour at most.
const OLDEST: Duration = Duration::from_secs(2 * 60 * 60);
/// How far a sender's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(15 * 60);
/// Time between two warnings in the log.
const WARNINGS: Duration = Duration::from_secs(60);
/// Deliveries handled at a time; with more waiting to be stored, others have to come again.
const AT_ONCE: usize = 32;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Genuine and new: it is on disk, and its record is going to be looked at if its module is on.
    Taken,
    /// Genuine, and delivered before.
    Known,
    /// Genuine, and about nothing that is kept in step.
    Unknown,
    /// A subscription, which was confirmed; or the end of one.
    Subscription,
    /// It cannot be read.
    Malformed,
    /// A signature is wrong, too old, or by somebody else.
    Forged,
    /// Too many at a time, or a key or the disk is not to be had: it must come again.
    Later,
}

impl Verdict {
    /// The HTTP status that says so to SNS, which repeats whatever is not 2xx.
    pub fn status(self) -> u16 {
        match self {
            Self::Taken | Self::Known | Self::Unknown | Self::Subscription => 200,
            Self::Malformed => 400,
            Self::Forged => 403,
            Self::Later => 503,
        }
    }
}

/// How many deliveries came since the start, and what became of them.
#[derive(Debug, Default)]
pub struct Counts {
    received: AtomicU64,
    duplicate: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    last_at: AtomicI64,
}

/// [`Counts`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Genuine notifications, those counted below among them.
    pub received: u64,
    /// Genuine ones that had been delivered before.
    pub duplicate: u64,
    /// Deliveries that were malformed or not proved genuine.
    pub refused: u64,
    /// Genuine ones about nothing that is kept in step.
    pub unknown: u64,
    /// When the last genuine one came.
    pub last_at: Option<Timestamp>,
}

impl Counts {
    /// The counts now.
    pub fn seen(&self) -> Seen {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let last_at = self.last_at.load(Ordering::Relaxed);
        Seen {
            received: of(&self.received),
            duplicate: of(&self.duplicate),
            refused: of(&self.refused),
            unknown: of(&self.unknown),
            last_at: (last_at > 0).then(|| Timestamp::from_millis(last_at)),
        }
    }

    fn count(&self, verdict: Verdict, now: Timestamp) {
        let up = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        match verdict {
            Verdict::Taken | Verdict::Known | Verdict::Unknown => {
                up(&self.received);
                self.last_at.store(now.millis(), Ordering::Relaxed);
            }
            Verdict::Malformed | Verdict::Forged => {
                up(&self.refused);
            }
            Verdict::Subscription | Verdict::Later => {}
        }
        match verdict {
            Verdict::Known => up(&self.duplicate),
            Verdict::Unknown => up(&self.unknown),
            _ => 0,
        };
    }
}

/// Takes deliveries in for one engine.
#[derive(Debug)]
pub struct Intake {
    engine: Engine,
    clock: Arc<dyn Clock>,
    keys: KeyRing,
    hosts: TrustedHosts,
    place: KeyPlace,
    counts: Arc<Counts>,
    seats: Semaphore,
    /// When a warning of what strangers send was last logged.
    warned_at: AtomicI64,
}

impl Intake {
    /// An intake for `engine` that fetches keys over `transport`.
    pub fn new(
        engine: Engine,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        hosts: TrustedHosts,
        place: KeyPlace,
    ) -> Self {
        Self {
            engine,
            keys: KeyRing::new(transport, Arc::clone(&clock)),
            clock,
            hosts,
            place,
            counts: Arc::default(),
            seats: Semaphore::new(AT_ONCE),
            warned_at: AtomicI64::new(0),
        }
    }

    /// What came so far.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Takes in one delivery. When this says that it was taken, it is on disk. May be dropped at any point:
    /// then the sender, who got no answer, delivers it again.
    pub async fn receive(&self, body: &[u8]) -> Verdict {
        let Ok(_seat) = self.seats.try_acquire() else { return Verdict::Later };
        let verdict = self.judge(body).await;
        let now = self.clock.now();
        if verdict == Verdict::Forged && self.may_warn(now) {
            let refused = self.counts.seen().refused + 1;
            tracing::warn!(refused, "notifications were refused: they are not proved to come from iVvy");
        }
        self.counts.count(verdict, now);
        verdict
    }

    /// Whoever forges decides how often; the log does not follow. The count goes on.
    fn may_warn(&self, now: Timestamp) -> bool {
        let last = self.warned_at.load(Ordering::Relaxed);
        let due = last == 0 || now.since(Timestamp::from_millis(last)) >= WARNINGS;
        due && self.warned_at.compare_exchange(last, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    async fn judge(&self, body: &[u8]) -> Verdict {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else { return Verdict::Malformed };
        let Some(at) = envelope.at() else { return Verdict::Malformed };
        if envelope.signature_version != "1" || !self.is_fresh(at, OLDEST) {
            return Verdict::Forged;
        }
        let Some(certificate) = self.hosts.admit_certificate(&envelope.signing_cert_url) else {
            return Verdict::Forged;
        };
        let Some(key) = self.keys.key(&certificate, PublicKey::of_certificate).await else { return Verdict::Later };
        if !key.verifies(&envelope.signed_text(), &envelope.signature) {
            return Verdict::Forged;
        }
        match envelope.kind.as_str() {
            NOTIFICATION => self.notification(&envelope).await,
            CONFIRMATION => self.confirm(&envelope).await,
            FAREWELL => {
                // Signed by SNS, but perhaps of somebody else's topic: it says nothing about ours for certain.
                if self.may_warn(self.clock.now()) {
                    tracing::warn!("a subscription to notifications ended; polling goes on");
                }
                Verdict::Subscription
            }
            _ => Verdict::Malformed,
        }
    }

    fn is_fresh(&self, at: Timestamp, oldest: Duration) -> bool {
        let now = self.clock.now();
        now.since(at) <= oldest && at.since(now) <= AHEAD
    }

    async fn notification(&self, envelope: &Envelope) -> Verdict {
        let Ok(notice) = serde_json::from_str::<Notice>(&envelope.message) else { return Verdict::Malformed };
        let Some(place) = self.place.address(&notice.region, &notice.signing_public_key_path) else {
            return Verdict::Forged;
        };
        // A message that is older than what we remember could be an old one in a new envelope.
        if !self.is_fresh(notice.at(), Engine::KEEP_DELIVERIES) {
            return Verdict::Forged;
        }
        let Some(key) = self.keys.key(&place, PublicKey::bare).await else { return Verdict::Later };
        if !key.verifies(&notice.signed_text(), &notice.signature) {
            return Verdict::Forged;
        }
        let Some((module, id)) = subject::record(&notice.subject, &notice.body) else { return Verdict::Unknown };
        let ids = vec![format!("txn {}", notice.txn_id), format!("sns {}", envelope.message_id)];
        match self.engine.take_delivery(ids, Some((module, Side::Ivvy, id))).await {
            Ok(Taken::New) => Verdict::Taken,
            Ok(Taken::Known) => Verdict::Known,
            Err(error) => {
                tracing::error!(%error, "a notification could not be stored");
                Verdict::Later
            }
        }
    }

    /// Says yes to a subscription: proved to come from SNS, and at an address of SNS's own.
    async fn confirm(&self, envelope: &Envelope) -> Verdict {
        let asked = envelope.subscribe_url.as_deref().and_then(|url| self.hosts.admit(url));
        let Some(url) = asked else { return Verdict::Forged };
        match self.keys.get(&url).await {
            Some(answer) if answer.status().is_success() => {
                tracing::info!("a subscription to iVvy's notifications is confirmed");
                Verdict::Subscription
            }
            _ => Verdict::Later,
        }
    }
}
