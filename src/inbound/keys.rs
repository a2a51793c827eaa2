//! Where keys come from, and which addresses a message may send us to at all.
//!
//! A message names the place of the key that proves it. Whoever could choose that place could prove
//! anything; so the place must be one that only the sender can write to, not just any under its domain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::signature::PublicKey;
use crate::model::Timestamp;
use crate::remote::transport::{Limits, Transport};
use crate::seam::Clock;

/// Attempts at fetching a key, a second apart (`contracts/ivvy.md` 15).
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
/// A certificate is 2 kB.
const LIMITS: Limits = Limits { total: Duration::from_secs(5), max_body: 64 * 1024 };
/// Keys kept. There are two or three at a time; more means somebody plays.
const KEPT: usize = 32;
/// How long an address without a key is not asked again, and how many of those are remembered.
const BARREN: Duration = Duration::from_secs(60);
const MOST_BARREN: usize = 256;
/// Longest path of a key.
const LONGEST_PATH: usize = 200;

/// Hosts that SNS certificates are fetched from and subscriptions confirmed at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedHosts {
    /// `host` or `host:port` trusted besides `sns.<region>.amazonaws.com`: a simulator's. The transport
    /// sees to it that what is not on this machine is spoken to over `https` only.
    pub extra: BTreeSet<String>,
}

impl TrustedHosts {
    /// The address, if it is one to go to. SNS's own hosts only, not the whole of amazonaws.com: everybody
    /// may put a file there.
    pub(super) fn admit(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let clean = url.username().is_empty() && url.password().is_none();
        let amazon = url.scheme() == "https" && url.port().is_none() && is_sns(host);
        (clean && (amazon || self.extra.contains(&authority))).then_some(url)
    }

    /// As [`TrustedHosts::admit`], for the address of a certificate: a plain file. A query would let a stranger
    /// name the same one in endless ways, each fetched anew.
    pub(super) fn admit_certificate(&self, text: &str) -> Option<Url> {
        let url = self.admit(text)?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.path().len() <= LONGEST_PATH;
        (plain && url.path().ends_with(".pem")).then_some(url)
    }
}

/// `sns.<region>.amazonaws.com`, or the same in China.
fn is_sns(host: &str) -> bool {
    let region = host
        .strip_prefix("sns.")
        .and_then(|rest| rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn")));
    region.is_some_and(is_region)
}

fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Where iVvy publishes the keys it signs with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyPlace {
    /// In S3, in the region a message names (`contracts/ivvy.md` 15).
    #[default]
    Published,
    /// Below this address instead: a simulator's.
    Below(Url),
}

impl KeyPlace {
    /// The address of a key, if region and path are what they can be.
    pub(super) fn address(&self, region: &str, path: &str) -> Option<Url> {
        let proper = path.len() <= LONGEST_PATH
            && path.starts_with('/')
            && !path.contains("..")
            && !path.contains("//")
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        if !proper || !is_region(region) {
            return None;
        }
        let base = match self {
            Self::Below(base) => base.as_str().trim_end_matches('/').to_owned(),
            Self::Published if region == "stage" => {
                "https://s3-ap-southeast-2.amazonaws.com/notifications.stageau.ap-southeast-2.ivvy.com".to_owned()
            }
            Self::Published => format!("https://s3-{region}.amazonaws.com/accountnotifications.{region}.ivvy.com"),
        };
        Url::parse(&format!("{base}{path}")).ok()
    }
}

/// Keys fetched once and kept.
#[derive(Debug)]
pub(super) struct KeyRing {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    kept: Mutex<BTreeMap<String, Arc<PublicKey>>>,
    /// Addresses that had no key, and when they were asked.
    barren: Mutex<BTreeMap<String, Timestamp>>,
}

impl KeyRing {
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self { transport, clock, kept: Mutex::default(), barren: Mutex::default() }
    }

    /// The key at an address, read by `read`. Nothing when it cannot be had now.
    pub async fn key(&self, at: &Url, read: fn(&[u8]) -> Option<PublicKey>) -> Option<Arc<PublicKey>> {
        let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(at.as_str()).cloned();
        if known.is_some() {
            return known;
        }
        if self.is_barren(at) {
            return None;
        }
        let Some(key) = self.fetch(at).await.and_then(|found| read(&found)) else {
            self.mark_barren(at);
            return None;
        };
        let key = Arc::new(key);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(at.to_string(), Arc::clone(&key));
        Some(key)
    }

    /// Strangers may name addresses as fast as they can post: each is asked once in a while only.
    fn is_barren(&self, at: &Url) -> bool {
        let barren = self.barren.lock().unwrap_or_else(PoisonError::into_inner);
        barren.get(at.as_str()).is_some_and(|asked| self.clock.now().since(*asked) < BARREN)
    }

    fn mark_barren(&self, at: &Url) {
        let now = self.clock.now();
        let mut barren = self.barren.lock().unwrap_or_else(PoisonError::into_inner);
        barren.retain(|_, asked| now.since(*asked) < BARREN);
        if barren.len() < MOST_BARREN {
            barren.insert(at.to_string(), now);
        }
    }

    /// Fetches an address; repeated when the far end does not answer or is in trouble.
    async fn fetch(&self, at: &Url) -> Option<Bytes> {
        for attempt in 1..=ATTEMPTS {
            match self.get(at).await {
                Some(answer) if answer.status().is_success() => return Some(answer.into_body()),
                Some(answer) if answer.status().is_client_error() => break,
                _ if attempt < ATTEMPTS => self.clock.sleep(PAUSE).await,
                _ => {}
            }
        }
        tracing::warn!(host = at.host_str().unwrap_or_default(), "a key that signs notifications cannot be fetched");
        None
    }

    /// One GET, whatever is answered.
    pub async fn get(&self, at: &Url) -> Option<http::Response<Bytes>> {
        let request = http::Request::get(at.as_str()).body(Bytes::new()).ok()?;
        self.transport.send(request, LIMITS).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sns_itself_is_gone_to_n07() {
        let hosts = TrustedHosts { extra: ["127.0.0.1:4100".to_owned()].into() };
        for good in [
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/x.pem",
            "http://127.0.0.1:4100/x.pem",
        ] {
            assert!(hosts.admit(good).is_some(), "{good}");
        }
        for bad in [
            "http://sns.us-west-2.amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com.evil.example/x.pem",
            "https://evilsns.us-west-2.amazonaws.com/x.pem",
            "https://evil.s3.amazonaws.com/x.pem",
            "https://sns.evil.s3.amazonaws.com/x.pem",
            "https://amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com:8443/x.pem",
            "https://sns.us-west-2.amazonaws.com@evil.example/x.pem",
            "https://user@sns.us-west-2.amazonaws.com/x.pem",
            "http://127.0.0.1:4101/x.pem",
            "file:///etc/passwd",
            "",
        ] {
            assert!(hosts.admit(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_certificate_has_one_address_n07() {
        let hosts = TrustedHosts::default();
        let sns = "https://sns.us-west-2.amazonaws.com";
        assert!(hosts.admit_certificate(&format!("{sns}/SimpleNotificationService-0.pem")).is_some());
        for other in ["/x.pem?n=1", "/x.pem#n", "/x", "/?x.pem", &format!("/{}.pem", "x".repeat(200))] {
            assert!(hosts.admit_certificate(&format!("{sns}{other}")).is_none(), "{other}");
        }
    }

    #[test]
    fn keys_lie_in_ivvys_buckets_and_nowhere_else_n07() {
        let at = |region, path| KeyPlace::Published.address(region, path).map(String::from);
        assert_eq!(
            at("us-west-2", "/keys/1.pem").unwrap(),
            "https://s3-us-west-2.amazonaws.com/accountnotifications.us-west-2.ivvy.com/keys/1.pem"
        );
        assert_eq!(
            at("stage", "/1.pem").unwrap(),
            "https://s3-ap-southeast-2.amazonaws.com/notifications.stageau.ap-southeast-2.ivvy.com/1.pem"
        );
        for (region, path) in [
            ("us-west-2", "/../evil/1.pem"),
            ("us-west-2", "/%2e%2e/evil/1.pem"),
            ("us-west-2", "@evil.example/1.pem"),
            ("us-west-2", ""),
            ("us-west-2", "/1.pem?x"),
            ("x.evil.example/", "/1.pem"),
            ("", "/1.pem"),
            ("US", "/1.pem"),
        ] {
            assert_eq!(at(region, path), None, "{region} {path}");
        }
        let below = KeyPlace::Below(Url::parse("http://127.0.0.1:9/_keys/").unwrap());
        assert_eq!(below.address("stage", "/1.pem").unwrap().as_str(), "http://127.0.0.1:9/_keys/1.pem");
    }
}
