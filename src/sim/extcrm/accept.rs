//! What a payload must be: JSON, an array, few enough records, each with its id, amounts in thousandths.
//!
//! All of it is checked before anything is stored: a payload is taken whole or not at all. Nothing here
//! knows what was stored before.

use axum::http::{HeaderMap, StatusCode, header};
use data_encoding::BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use strum::{Display, EnumString};
use subtle::ConstantTimeEq as _;

/// Longest id, in characters: what `docs/PUSH.md` promises. Longer than S-360's own (contract 2.3), because the sender
/// played here sends keys of its own.
const LONGEST_ID: usize = 100;

/// One of the two URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Stream {
    /// `POST /contacts`.
    Contact,
    /// `POST /orders`.
    Order,
}

impl Stream {
    /// The path it is posted to.
    pub fn path(self) -> &'static str {
        match self {
            Self::Contact => "/contacts",
            Self::Order => "/orders",
        }
    }

    /// The field that says which record it is.
    pub fn id_field(self) -> &'static str {
        match self {
            Self::Contact => "contactNumber",
            Self::Order => "orderId",
        }
    }
}

/// How a sender must show who it is.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all. An `Authorization` header is then refused: somebody is mistaken about the set-up.
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

impl Auth {
    /// Whether `headers` prove it, in constant time.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let (name, expected) = match self {
            Self::None => return !headers.contains_key(header::AUTHORIZATION),
            Self::Basic { user, password } => {
                let pair = BASE64.encode(format!("{user}:{}", password.expose_secret()).as_bytes());
                (header::AUTHORIZATION.as_str(), format!("Basic {pair}"))
            }
            Self::ApiKey { header, key } => (header.as_str(), key.expose_secret().to_owned()),
        };
        let mut given = headers.get_all(name).iter();
        match (given.next(), given.next()) {
            (Some(one), None) => bool::from(one.as_bytes().ct_eq(expected.as_bytes())),
            _ => false,
        }
    }
}

/// One record of a payload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub id: String,
    pub content: Map<String, Value>,
}

/// A refusal: status, and why.
pub(super) type Refused = (StatusCode, &'static str);

/// The records of `body`, in order.
pub(super) fn rows(stream: Stream, body: &[u8], max_payload: usize) -> Result<Vec<Row>, Refused> {
    let bad = |why| (StatusCode::BAD_REQUEST, why);
    let parsed: Value = serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))?;
    let Value::Array(items) = parsed else { return Err(bad("the body is no array")) };
    if items.is_empty() {
        return Err(bad("the array is empty"));
    }
    if items.len() > max_payload {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "the array has too many records"));
    }
    items.into_iter().map(|item| row(stream, item)).collect()
}

fn row(stream: Stream, item: Value) -> Result<Row, Refused> {
    let bad = |why| (StatusCode::BAD_REQUEST, why);
    let Value::Object(content) = item else { return Err(bad("a record is no object")) };
    // An order may come as the result of getOrderDetails, one level deeper.
    let inner = content.get("orderDetailsData").filter(|_| stream == Stream::Order).unwrap_or(&Value::Null);
    let id = content.get(stream.id_field()).or_else(|| inner.get(stream.id_field())).and_then(Value::as_str);
    let id = id.filter(|id| !id.trim().is_empty() && id.chars().count() <= LONGEST_ID);
    let id = id.ok_or_else(|| bad("a record has no id, or one that is not a short text"))?.to_owned();
    if content.iter().any(|(name, value)| !amounts_are_whole(name, value)) {
        return Err(bad("an amount is no whole number of thousandths"));
    }
    Ok(Row { id, content })
}

/// Whether everything called an amount or a price, however deep, is a whole number.
fn amounts_are_whole(name: &str, value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().all(|(name, value)| amounts_are_whole(name, value)),
        Value::Array(items) => items.iter().all(|value| amounts_are_whole(name, value)),
        single => {
            let lower = name.to_ascii_lowercase();
            let money = lower.ends_with("amount") || lower.ends_with("price");
            // `4000.0` and `4e3` are floats to a JSON reader, whatever their value.
            !money || single.as_i64().is_some()
        }
    }
}
