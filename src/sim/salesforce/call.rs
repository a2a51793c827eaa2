//! One HTTP call as this system reads it, and its answer as it writes it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::error::Refusal;

/// Bodies beyond this are refused; the real limit differs per resource.
const MAX_BODY: usize = 6 * 1024 * 1024;
/// Longest request target, in bytes.
const MAX_TARGET: usize = 16_384;

/// A call, decoded.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// The path between slashes, decoded; a trailing slash is gone.
    pub path: Vec<String>,
    /// Query parameters in order, `+` read as a blank.
    pub query: Vec<(String, String)>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Call {
    /// Reads `request`.
    ///
    /// # Errors
    /// 414 for an overlong target, 413 for an overlong body, 404 for a path that is not UTF-8.
    pub async fn read(request: Request) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        if target.len() > MAX_TARGET {
            return Err(Refusal::new("URI_TOO_LONG", "The URI is too long").status(StatusCode::URI_TOO_LONG));
        }
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
            Refusal::new("REQUEST_TOO_LARGE", "The request body is too large").status(StatusCode::PAYLOAD_TOO_LARGE)
        })?;
        let segments = parts.uri.path().trim_start_matches('/').trim_end_matches('/').split('/');
        let path = segments.map(decode).collect::<Option<_>>().ok_or_else(Refusal::not_found)?;
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        Ok(Self { method: parts.method, path, query, headers: parts.headers, body })
    }

    /// The text of a header; `None` also when it is not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first query parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `option` of a header written as `a=1; b=2`.
    pub fn option(&self, name: &str, option: &str) -> Option<&str> {
        let pairs = self.header(name)?.split([';', ',']);
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| key.trim().eq_ignore_ascii_case(option).then(|| value.trim()))
    }

    /// The body as a JSON object.
    ///
    /// # Errors
    /// 415 without a JSON content type, 400 for anything but one object.
    pub fn object(&self) -> Result<Map<String, Value>, Refusal> {
        let kind = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let text = format!("Content type '{kind}' is not supported. Use 'application/json'.");
            return Err(Refusal::new("UNSUPPORTED_MEDIA_TYPE", text).status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(body)) => Ok(body),
            Ok(_) => Err(Refusal::json("The HTTP entity body must be a JSON object")),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(Refusal::json(format!("Unexpected content at [line:{line}, column:{column}]")))
            }
        }
    }

    /// Scheme and authority under which the caller reached us.
    pub fn base_url(&self) -> String {
        let scheme = self.header("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
        format!("{scheme}://{}", self.header(header::HOST.as_str()).unwrap_or("localhost"))
    }
}

/// Percent-decodes one path segment; a `+` stands for itself.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body, if it has one.
    pub body: Option<Value>,
}

impl Reply {
    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body) }
    }

    /// 204.
    pub fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None }
    }

    /// Another status with a body.
    pub fn with(status: StatusCode, body: Value) -> Self {
        Self { status, body: Some(body) }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::with(refusal.status, refusal.body())
    }
}

/// The answer on the wire; `pretty` as `X-PrettyPrint: 1` asks.
pub fn respond(reply: Reply, pretty: bool) -> Response {
    let text = reply.body.map(|body| if pretty { format!("{body:#}") } else { body.to_string() });
    let mut response = Response::new(text.as_ref().map_or_else(Body::empty, |text| Body::from(text.clone())));
    *response.status_mut() = reply.status;
    if text.is_some() {
        let json = HeaderValue::from_static("application/json;charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache,must-revalidate,max-age=0,no-store,private"));
    response
}
