//! A transport that answers from a script and remembers what was asked.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::Value as Json;
use tandem::remote::transport::{Limits, Transport, TransportError};

/// One scripted answer.
pub type Reply = Result<Response<Bytes>, TransportError>;

/// One request as it was sent.
#[derive(Debug)]
#[allow(dead_code, reason = "not every test binary looks at every part")]
pub struct Sent {
    pub method: String,
    /// Path and query, decoded.
    pub path: String,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Sent {
    /// The body as JSON.
    #[allow(dead_code, reason = "not every test binary speaks JSON")]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap()
    }

    /// A header's text, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Answers in order; a call beyond the script fails the test.
#[derive(Debug)]
pub struct Scripted {
    replies: Mutex<VecDeque<Reply>>,
    sent: Mutex<Vec<Sent>>,
}

impl Scripted {
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { replies: Mutex::new(replies.into_iter().collect()), sent: Mutex::default() }
    }

    /// Everything sent, after making sure that the whole script was used.
    pub fn finish(&self) -> Vec<Sent> {
        assert_eq!(self.replies.lock().unwrap().len(), 0, "answers nobody asked for");
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

impl Transport for Scripted {
    fn send(&self, request: Request<Bytes>, _limits: Limits) -> BoxFuture<'_, Reply> {
        let uri = url::Url::parse(&request.uri().to_string()).unwrap();
        let query: String = uri.query_pairs().map(|(name, value)| format!(" {name}={value}")).collect();
        let text = String::from_utf8(request.body().to_vec()).unwrap();
        let path = format!("{}{query}", uri.path());
        let reply = self.replies.lock().unwrap().pop_front();
        let reply = reply.unwrap_or_else(|| panic!("not in the script: {} {path} {text}", request.method()));
        let method = request.method().to_string();
        self.sent.lock().unwrap().push(Sent { method, path, headers: request.headers().clone(), text });
        Box::pin(async move { reply })
    }
}

/// An answer with a JSON body.
#[allow(dead_code, reason = "not every test binary speaks JSON")]
pub fn reply(status: u16, body: &Json) -> Reply {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Ok(Response::builder().status(status).header("date", "Sat, 21 Nov 2026 09:00:00 GMT").body(body).unwrap())
}

/// An answer that never came.
#[allow(dead_code, reason = "not every test binary loses answers")]
pub fn lost() -> Reply {
    Err(TransportError::Unknown("reset by peer".to_owned()))
}
