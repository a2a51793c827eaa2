//! One exchange of the hub with a provider's facade: how a call is written and its answer read.
//!
//! The facade's dialect is the provider's own (contract 1.1: the hub adapts), here XML below
//! `/connector/v1` with the vocabulary of contract 1.4. An answer is believed only when it holds what was
//! asked for: a 200 without an id is no success.

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use data_encoding::BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded;

use super::super::xml::{Element, XmlError};
use crate::remote::transport::TransportError;

/// Where the facade's calls lie, below its address.
const BASE: &str = "/connector/v1";

/// How the hub shows who it is.
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
    /// A header.
    ApiKey {
        /// Its name.
        header: String,
        /// Its value.
        key: SecretString,
    },
}

/// What the hub's adapter for this provider may call (contract 1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `GET /staff`. Without it there is no staff sync at all, unless by email.
    pub staff_list: bool,
    /// `GET /staff?email=`, used instead of the list.
    pub staff_by_email: bool,
    /// `GET /leadsources`.
    pub source_list: bool,
    /// `POST /leadsources`.
    pub source_create: bool,
    /// Whether [`Hub::send_lead`](super::Hub::send_lead) uses the separate create and update calls.
    pub separate_calls: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { staff_list: true, staff_by_email: false, source_list: true, source_create: true, separate_calls: false }
    }
}

/// The provider's facade as the hub's adapter is configured for it.
#[derive(Clone, Debug)]
pub struct Facade {
    /// Scheme, host and port, without a trailing slash; a path before `/connector/v1` may follow.
    pub url: String,
    /// Credentials.
    pub auth: Auth,
    /// What may be called.
    pub can: Capabilities,
    /// Whether bodies carry `extraProviderIDs/ourID` once the hub knows the facade's id of the person.
    pub sends_our_id: bool,
}

impl Facade {
    /// A facade at `url` that offers everything.
    pub fn at(url: &str, auth: Auth) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url, auth, can: Capabilities::default(), sends_our_id: false }
    }

    /// The request of a call.
    pub(super) fn request(&self, method: &Method, target: &str, body: Bytes) -> Result<http::Request<Bytes>, HubError> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{BASE}{target}", self.url));
        if !body.is_empty() {
            request = request.header("Content-Type", "application/xml; charset=utf-8");
        }
        request = match &self.auth {
            Auth::None => request,
            Auth::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose_secret());
                request.header("Authorization", format!("Basic {}", BASE64.encode(pair.as_bytes())))
            }
            Auth::ApiKey { header, key } => request.header(header, key.expose_secret()),
        };
        request.body(body).map_err(|_| HubError::Malformed("the facade's address or credentials make no request"))
    }
}

/// `/staff?email=…`, encoded.
pub(super) fn with_email(email: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("email", email).finish();
    format!("/staff?{query}")
}

/// One path segment, encoded: ids are opaque and may hold slashes and blanks.
pub(super) fn segment(id: &str) -> String {
    let mut url = url::Url::parse("http://x/").ok();
    let encoded = url.as_mut().and_then(|url| {
        url.path_segments_mut().ok()?.clear().push(id);
        Some(url.path().trim_start_matches('/').to_owned())
    });
    encoded.unwrap_or_default()
}

/// Why a call of the hub got no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// The hub cannot write this text as XML.
    #[error(transparent)]
    Unwritable(#[from] XmlError),
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The facade refused.
    #[error("refused with {status} {reason}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// `reason`, empty when the body had none.
        reason: String,
        /// `errorUUID`, empty when the body had none.
        error_uuid: String,
        /// `message`, empty when the body had none.
        message: String,
    },
    /// The facade answered success, but not with what it must answer; or the call cannot be made.
    #[error("the answer is not what the agreement says: {0}")]
    Malformed(&'static str),
    /// The adapter was not given this call.
    #[error("the facade does not offer this call")]
    NotOffered,
}

impl HubError {
    /// The status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// One of the facade's staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteStaff {
    /// The facade's id.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Address; empty when they have none.
    pub email: String,
    /// Whether they still work there.
    pub active: bool,
}

/// One of the facade's lead sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSource {
    /// The facade's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it can be chosen.
    pub active: bool,
}

/// Reads an answer: the tree of a 200, or the refusal.
pub(super) fn read(answer: &http::Response<Bytes>) -> Result<Element, HubError> {
    let root = Element::read(answer.body(), &["staffList", "leadSources"]);
    if answer.status() == StatusCode::OK {
        return root.map_err(|_| HubError::Malformed("a 200 without an XML document"));
    }
    let root = root.ok().filter(|root| root.name == "error").unwrap_or_default();
    let text = |name: &str| root.text_of(name).unwrap_or_default().to_owned();
    Err(HubError::Refused {
        status: answer.status().as_u16(),
        reason: text("reason"),
        error_uuid: text("errorUUID"),
        message: text("message"),
    })
}

/// The id of `<response><id>…</id></response>`: what every save must answer (contract 1.7).
pub(super) fn id(root: &Element) -> Result<String, HubError> {
    let id = root.text_of("id").filter(|id| root.name == "response" && !id.trim().is_empty());
    id.map(str::to_owned).ok_or(HubError::Malformed("a save was answered without an id"))
}

/// The staff of a list, all of whom must have an id.
pub(super) fn staff(root: &Element) -> Result<Vec<RemoteStaff>, HubError> {
    rows(root, "staffList", "staff")?
        .map(|row| {
            let text = |name: &str| row.text_of(name).unwrap_or_default().to_owned();
            let email = row.text_of("email").ok_or(HubError::Malformed("staff without an email element"))?.to_owned();
            let (id, active) = (row_id(row)?, active(row)?);
            Ok(RemoteStaff { id, first_name: text("firstname"), last_name: text("lastname"), email, active })
        })
        .collect()
}

/// The lead sources of a list, all of which must have an id and a name.
pub(super) fn sources(root: &Element) -> Result<Vec<RemoteSource>, HubError> {
    rows(root, "leadSources", "leadSource")?
        .map(|row| {
            let name = row.text_of("name").ok_or(HubError::Malformed("a lead source without a name"))?.to_owned();
            Ok(RemoteSource { id: row_id(row)?, name, active: active(row)? })
        })
        .collect()
}

fn rows<'r>(root: &'r Element, list: &str, row: &str) -> Result<std::slice::Iter<'r, Element>, HubError> {
    if root.name != list || root.children.iter().any(|child| child.name != row) {
        return Err(HubError::Malformed("a list of another kind"));
    }
    Ok(root.children.iter())
}

fn row_id(row: &Element) -> Result<String, HubError> {
    let id = row.text_of("id").filter(|id| !id.trim().is_empty());
    id.map(str::to_owned).ok_or(HubError::Malformed("a row without an id"))
}

fn active(row: &Element) -> Result<bool, HubError> {
    match row.text_of("active") {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => Err(HubError::Malformed("a row that is neither active nor inactive")),
    }
}
