//! The two addresses: one POST each, and what counts as an answer. Follows no redirect, repeats nothing, reads no
//! answer's body, and never shows a credential.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use secrecy::{ExposeSecret as _, SecretString};

use super::SYSTEM;
use crate::error::Error;
use crate::model::{StreamKind, Timestamp};
use crate::remote::exchange::{BaseUrl, Effect, failure, unreachable};
use crate::remote::gate::http_date;
use crate::remote::transport::{Limits, Transport, TransportError};
use crate::remote::{Class, RemoteError, Sent};

/// Bounds of one exchange: whoever takes longer to answer has not answered. Status and headers decide:
/// a body, however large or broken off, says nothing.
const LIMITS: Limits = Limits { total: Duration::from_secs(10), max_body: 0 };

/// How we prove who we are.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// HTTP Basic.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// A header with a key in it.
    ApiKey {
        /// Its name.
        header: String,
        /// The key.
        key: SecretString,
    },
}

/// Where to post, and as whom.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Takes contacts and companies.
    pub contacts: Option<String>,
    /// Takes orders.
    pub orders: Option<String>,
    /// How we prove who we are.
    pub auth: Auth,
}

/// What was answered to whoever asked for the head of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The server's clock, if it told.
    pub server_time: Option<Timestamp>,
    /// Its status: neither 401 nor 403.
    status: u16,
}

impl Reached {
    /// Why that proves no more than that somebody is there: nothing obliges a server to look at the credentials of a
    /// `HEAD`, nor one that answers it to take a `POST`. Only a first post that is answered 200 proves both.
    pub fn doubt(self) -> String {
        let what = match self.status {
            404 | 410 => "there may be nothing at this address",
            _ => "the credentials may not have been looked at",
        };
        format!("answered {} to a HEAD, so {what}", self.status)
    }
}

/// Posts payloads. Cheap to clone.
#[derive(Clone)]
pub struct Poster {
    transport: Arc<dyn Transport>,
    contacts: Option<Uri>,
    orders: Option<Uri>,
    auth: Option<(HeaderName, HeaderValue)>,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = (self.contacts.is_some(), self.orders.is_some());
        f.debug_struct("Poster").field("contacts_and_orders", &streams).finish_non_exhaustive()
    }
}

impl Poster {
    /// Posts to `addresses`. Calls nobody.
    ///
    /// # Errors
    /// An address is neither https nor this machine, or a credential cannot be put into a header.
    pub fn new(addresses: &Addresses, transport: Arc<dyn Transport>) -> Result<Self, Error> {
        let uri = |setting: &str, text: &Option<String>| -> Result<Option<Uri>, Error> {
            let Some(text) = text else { return Ok(None) };
            BaseUrl::parse(setting, text)?;
            let uri = text.trim().parse();
            uri.map(Some).map_err(|error| Error::config(format!("{setting} is not a web address")).because(&error))
        };
        Ok(Self {
            transport,
            contacts: uri("crm.contacts_url", &addresses.contacts)?,
            orders: uri("crm.orders_url", &addresses.orders)?,
            auth: credential(&addresses.auth)?,
        })
    }

    fn address(&self, stream: StreamKind) -> Option<&Uri> {
        match stream {
            StreamKind::PushContacts => self.contacts.as_ref(),
            StreamKind::PushOrders => self.orders.as_ref(),
            _ => None,
        }
    }

    /// Whether there is an address for `stream`.
    pub fn serves(&self, stream: StreamKind) -> bool {
        self.address(stream).is_some()
    }

    /// Posts one payload.
    ///
    /// # Errors
    /// One sentence of ours, if the answer was anything but 200.
    pub async fn post(&self, stream: StreamKind, payload: Bytes) -> Result<(), String> {
        let address = self.address(stream).ok_or("there is no address for this stream")?;
        let request = self.request(Method::POST, address, payload).map_err(|error| error.message)?;
        match self.transport.send(request, LIMITS).await {
            Ok(answer) if answer.status() == StatusCode::OK => Ok(()),
            Ok(answer) => Err(format!("answered {} instead of 200", answer.status().as_u16())),
            Err(error) => Err(said(&error)),
        }
    }

    /// Asks for the head of an address, which changes nothing: whatever is answered, somebody is there. Whether
    /// they would take a post of ours is another matter, see `Reached::doubt`.
    ///
    /// # Errors
    /// Nobody answers, or says that we are not who we should be.
    pub async fn reach(&self, stream: StreamKind) -> Result<Reached, RemoteError> {
        let action = format!("reach {stream}");
        let address = self.address(stream).ok_or_else(|| {
            failure(SYSTEM, &action, Class::Unsupported, Sent::No, "there is no address for this stream")
        })?;
        let request = self.request(Method::HEAD, address, Bytes::new())?;
        let answer = self.transport.send(request, LIMITS).await;
        let answer = answer.map_err(|error| unreachable(SYSTEM, &action, Effect::Reads, &error))?;
        let class = match answer.status() {
            StatusCode::UNAUTHORIZED => Class::Unauthorized,
            StatusCode::FORBIDDEN => Class::Forbidden,
            status => return Ok(Reached { server_time: http_date(answer.headers()), status: status.as_u16() }),
        };
        let message = format!("answered {}", answer.status().as_u16());
        Err(failure(SYSTEM, &action, class, Sent::No, &message))
    }

    fn request(&self, method: Method, address: &Uri, body: Bytes) -> Result<http::Request<Bytes>, RemoteError> {
        let mut request = http::Request::builder().method(method).uri(address.clone());
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = &self.auth {
            request = request.header(name.clone(), value.clone());
        }
        // Invariant: address and headers were checked when this was made.
        request.body(body).map_err(|_| failure(SYSTEM, "post", Class::Unsupported, Sent::No, "no request can be made"))
    }
}

/// Why there is no usable answer, in our words. The lower layer's may name the address.
fn said(error: &TransportError) -> String {
    match error {
        TransportError::NotSent(_) => "could not be reached".to_owned(),
        TransportError::Held { why, .. } => why.clone(),
        TransportError::Unknown(_) => "gave no answer within 10 s, or broke it off".to_owned(),
        TransportError::TooLarge(_) => "the answer is too large; an empty one is enough".to_owned(),
    }
}

fn credential(auth: &Auth) -> Result<Option<(HeaderName, HeaderValue)>, Error> {
    let (name, text) = match auth {
        Auth::None => return Ok(None),
        Auth::Basic { user, password } => {
            let pair = BASE64.encode(format!("{user}:{}", password.expose_secret()).as_bytes());
            (header::AUTHORIZATION, format!("Basic {pair}"))
        }
        Auth::ApiKey { header, key } => {
            let name = HeaderName::from_bytes(header.as_bytes())
                .map_err(|_| Error::config("crm.auth.header is not the name of a header"))?;
            (name, key.expose_secret().to_owned())
        }
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        Error::config("the key of crm.auth holds characters that no header can hold")
            .hint("letters, digits and signs on one line")
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::BoxFuture;

    use super::*;

    /// Answers with what it is told, and keeps what it was sent.
    #[derive(Debug)]
    struct Canned(Mutex<Vec<http::Request<Bytes>>>, Result<u16, TransportError>);

    impl Transport for Canned {
        fn send(
            &self,
            request: http::Request<Bytes>,
            limits: Limits,
        ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
            assert_eq!(limits.max_body, 0, "status and headers decide (S-14)");
            self.0.lock().unwrap().push(request);
            let answer =
                self.1.clone().map(|status| http::Response::builder().status(status).body(Bytes::new()).unwrap());
            Box::pin(std::future::ready(answer))
        }
    }

    fn poster(auth: Auth, answer: Result<u16, TransportError>) -> (Arc<Canned>, Poster) {
        let canned = Arc::new(Canned(Mutex::default(), answer));
        let contacts = Some("https://crm.test/take/contacts/".to_owned());
        let addresses = Addresses { contacts, orders: None, auth };
        (Arc::clone(&canned), Poster::new(&addresses, canned).unwrap())
    }

    #[tokio::test]
    async fn exactly_200_is_success_s14() {
        for status in [200, 201, 202, 204, 206, 301, 304, 400, 401, 413, 429, 500, 503] {
            let (_, poster) = poster(Auth::None, Ok(status));
            let posted = poster.post(StreamKind::PushContacts, Bytes::from_static(b"[]")).await;
            let expected = if status == 200 { Ok(()) } else { Err(format!("answered {status} instead of 200")) };
            assert_eq!(posted, expected);
        }
        for error in [
            TransportError::NotSent("crm.test".to_owned()),
            TransportError::Unknown("crm.test".to_owned()),
            TransportError::TooLarge(1),
        ] {
            let (_, poster) = poster(Auth::None, Err(error));
            let said = poster.post(StreamKind::PushContacts, Bytes::new()).await.unwrap_err();
            assert!(!said.contains("crm.test"), "{said}");
            assert!(poster.post(StreamKind::PushOrders, Bytes::new()).await.is_err(), "no address for these");
        }
    }

    #[tokio::test]
    async fn credentials_are_sent_and_never_shown_s18() {
        let secret = || SecretString::from("hush hush");
        let basic = Auth::Basic { user: "tandem".to_owned(), password: secret() };
        let key = Auth::ApiKey { header: "X-Secret-Key".to_owned(), key: secret() };
        for (auth, name, value) in [
            (basic, "authorization", format!("Basic {}", BASE64.encode(b"tandem:hush hush"))),
            (key, "x-secret-key", "hush hush".to_owned()),
        ] {
            let (canned, poster) = poster(auth, Ok(200));
            poster.post(StreamKind::PushContacts, Bytes::from_static(b"[{}]")).await.unwrap();
            let sent = canned.0.lock().unwrap().remove(0);
            assert_eq!(sent.headers()[name], value.as_str());
            assert_eq!(sent.headers()["content-type"], "application/json");
            assert_eq!((sent.uri().path(), sent.body().as_ref()), ("/take/contacts/", b"[{}]".as_slice()));
            assert!(!format!("{sent:?} {poster:?}").contains(&value));
        }
        let (canned, poster) = poster(Auth::None, Ok(401));
        assert_eq!(poster.reach(StreamKind::PushContacts).await.unwrap_err().class, Class::Unauthorized);
        let sent = canned.0.lock().unwrap().remove(0);
        assert_eq!((sent.method(), sent.headers().len()), (&Method::HEAD, 0));
    }

    #[tokio::test]
    async fn an_answer_to_a_head_proves_nobody_s18() {
        for (status, why) in [
            (200, "answered 200 to a HEAD, so the credentials may not have been looked at"),
            (405, "answered 405 to a HEAD, so the credentials may not have been looked at"),
            (404, "answered 404 to a HEAD, so there may be nothing at this address"),
        ] {
            let (_, poster) = poster(Auth::None, Ok(status));
            assert_eq!(poster.reach(StreamKind::PushContacts).await.unwrap().doubt(), why);
        }
    }

    #[test]
    fn only_https_or_this_machine_s18() {
        for bad in ["http://crm.test/contacts", "ftp://crm.test", "https://me:pw@crm.test/contacts"] {
            let addresses = Addresses { contacts: None, orders: Some(bad.to_owned()), auth: Auth::None };
            let (canned, _) = poster(Auth::None, Ok(200));
            assert!(Poster::new(&addresses, canned).is_err(), "{bad}");
        }
        let auth = Auth::ApiKey { header: "X-Key".to_owned(), key: SecretString::from("a\nb") };
        let (canned, _) = poster(Auth::None, Ok(200));
        let error = Poster::new(&Addresses { contacts: None, orders: None, auth }, canned).unwrap_err();
        assert!(!format!("{error:?}").contains("a\nb"));
    }
}
