//! The production transport: reqwest over rustls with the *ring* provider.
//!
//! It makes one attempt and tells truthfully how far that attempt came; it refuses to repeat a
//! request, to follow a redirect, to pick up a proxy from the environment, or to speak plain HTTP
//! to another machine. What each failure proves was measured with a fault server
//! (`design/reliability.md` 1.5): the *phase* decides, never reqwest's own flags alone, because a
//! truncated body reports itself as a decode error although the request has been acted upon.

mod reach;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use url::Url;

use self::reach::GuardedResolver;
pub(crate) use self::reach::is_loopback;
use super::transport::{Limits, Transport, TransportError};
use crate::error::Error;

/// Longest piece of a lower layer's error text that is passed on, in characters.
const LONGEST_CAUSE: usize = 160;

/// How a [`ReqwestTransport`] connects.
#[derive(Clone)]
pub struct HttpSettings {
    /// Time for name look-up, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Certificates (PEM, one or more) trusted besides the system's: a company's own authority, or a
    /// test server's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Proxy for every request that does not go to this machine. `None`: no proxy, whatever the
    /// environment says.
    pub proxy: Option<Url>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(5), extra_ca_pem: None, proxy: None }
    }
}

impl fmt::Debug for HttpSettings {
    /// A proxy's URL may hold a password, so only its presence shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("connect_timeout", &self.connect_timeout)
            .field("extra_ca", &self.extra_ca_pem.is_some())
            .field("proxy", &self.proxy.is_some())
            .finish()
    }
}

/// [`Transport`] over real sockets. Cheap to clone; clones share the connection pool.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport").finish_non_exhaustive()
    }
}

impl ReqwestTransport {
    /// Builds the client.
    ///
    /// Servers are verified against the system's certificate store plus
    /// [`HttpSettings::extra_ca_pem`]. A machine without any store still gets a transport — the
    /// simulators on loopback need none — but every `https` call then fails as
    /// [`TransportError::NotSent`].
    ///
    /// # Errors
    /// A configuration error if the PEM or the proxy cannot be used.
    pub fn new(settings: &HttpSettings) -> Result<Self, Error> {
        // rustls takes its cryptography from a process-wide slot. Losing the race for it only means
        // that somebody else has filled it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let extra = match &settings.extra_ca_pem {
            None => Vec::new(),
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| unusable("the extra CA certificate cannot be read", error))?,
        };
        if settings.extra_ca_pem.is_some() && extra.is_empty() {
            return Err(Error::config("the extra CA file holds no PEM certificate"));
        }
        let trusting_nobody = extra.is_empty();
        let client = match base(settings)?.tls_certs_merge(extra).build() {
            Ok(client) => client,
            Err(_) if trusting_nobody => base(settings)?
                .tls_certs_only([])
                .build()
                .map_err(|error| unusable("the HTTP client cannot be built", error))?,
            Err(error) => return Err(unusable("the HTTP client cannot be built", error)),
        };
        Ok(Self { client })
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let (parts, body) = request.into_parts();
        let url = reach::permitted(&parts.uri)?;
        let request = self.client.request(parts.method, url).headers(parts.headers).timeout(limits.total).body(body);
        let mut response = request.send().await.map_err(failed_to_send)?;

        // A length that is announced too large need not be read to be refused.
        let reads = limits.max_body > 0;
        if reads && response.content_length().is_some_and(|length| length > limits.max_body as u64) {
            return Err(TransportError::TooLarge(limits.max_body));
        }
        let mut whole = BytesMut::new();
        while reads && let Some(chunk) = response.chunk().await.map_err(broke_off)? {
            // Chunks arrive decompressed, so this also stops a compression bomb.
            if whole.len().saturating_add(chunk.len()) > limits.max_body {
                return Err(TransportError::TooLarge(limits.max_body));
            }
            whole.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(whole.freeze());
        *answer.status_mut() = response.status();
        *answer.version_mut() = response.version();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

impl Transport for ReqwestTransport {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(self.exchange(request, limits))
    }
}

/// Everything but the certificates. `retry::never` silences reqwest's own repetition; hyper may
/// still hand a request to a second connection when a pooled one turns out closed *before* its
/// first byte was written, which no server can notice.
fn base(settings: &HttpSettings) -> Result<reqwest::ClientBuilder, Error> {
    let builder = reqwest::Client::builder()
        .connect_timeout(settings.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .dns_resolver(GuardedResolver)
        .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    let Some(url) = &settings.proxy else { return Ok(builder) };
    let proxy = reqwest::Proxy::all(url.clone())
        .map_err(|error| unusable("the proxy cannot be used", error))?
        .no_proxy(reqwest::NoProxy::from_string("localhost,127.0.0.0/8,::1"));
    Ok(builder.proxy(proxy))
}

fn unusable(what: &str, error: reqwest::Error) -> Error {
    Error::config(what).because(&error.without_url())
}

/// Before the head of the answer: only a failed connection proves that nothing left.
fn failed_to_send(error: reqwest::Error) -> TransportError {
    if error.is_builder() || error.is_connect() {
        return TransportError::NotSent(cause("could not connect", error));
    }
    TransportError::Unknown(cause("no answer came", error))
}

/// After the head of the answer: the server has worked on the request, whatever the flags say.
fn broke_off(error: reqwest::Error) -> TransportError {
    TransportError::Unknown(cause("the answer broke off", error))
}

/// `what`, with the innermost cause. The layers in between only repeat each other, and the
/// outermost carries the URL, whose query must not be shown.
fn cause(what: &str, error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("{what}: time-out");
    }
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text: String = innermost.to_string().chars().filter(|c| !c.is_control()).take(LONGEST_CAUSE).collect();
    format!("{what}: {text}")
}
