//! The simulator against its contract, over its router.

mod access;
mod campaigns;
mod collections;
mod feeds;
mod leads;
mod query;
mod rows;
mod sales;

use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::remote::transport::{Limits, Transport as _};
use crate::seam::TokioClock;
use crate::sim::inprocess::InProcess;

/// Where the org's clock starts.
const START: &str = "2026-11-21T08:00:00.400Z";
const V60: &str = "/services/data/v60.0";

/// An org and a logged-in caller.
struct Desk {
    sim: Arc<SalesforceSim>,
    token: String,
}

/// An answer, read.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Status and first error code.
    fn refused(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()[0]["errorCode"].as_str().unwrap().to_owned())
    }
}

impl Desk {
    async fn open(settings: Settings) -> Self {
        let clock = TokioClock::starting_at(START.parse().unwrap());
        let sim = SalesforceSim::new(settings, Arc::new(clock), Entropy::seeded(7));
        let mut desk = Self { sim, token: String::new() };
        desk.log_in().await;
        desk
    }

    async fn standard() -> Self {
        Self::open(Settings::default()).await
    }

    async fn log_in(&mut self) {
        let Settings { client_id, client_secret, .. } = self.sim.settings().clone();
        let secret = client_secret.expose_secret();
        let form = format!("grant_type=client_credentials&client_id={client_id}&client_secret={secret}");
        let answer = self.post_form(&form, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        self.token = answer.json()["access_token"].as_str().unwrap().to_owned();
    }

    async fn post_form(&self, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post("http://org.example/services/oauth2/token")
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Bytes::from(form.to_owned())).unwrap()).await
    }

    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let target = if path.starts_with("/services") { path.to_owned() } else { format!("{V60}{path}") };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://org.example{target}"))
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| Bytes::from(body.to_string()));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        self.send(request.body(body.unwrap_or_default()).unwrap()).await
    }

    async fn send(&self, request: Request<Bytes>) -> Answer {
        let transport = InProcess { router: self.sim.router() };
        let (parts, body) = transport.send(request, Limits::default()).await.unwrap().into_parts();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, &[], Some(body)).await
    }

    async fn query(&self, soql: &str) -> Answer {
        self.get(&format!("/query?{}", encoded("q", soql))).await
    }

    /// The `Name`s a query answers, in order.
    async fn names(&self, condition: &str) -> Vec<String> {
        let answer = self.query(&format!("SELECT Name FROM Contact {condition}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{condition}: {}", answer.text);
        let records = answer.json()["records"].as_array().unwrap().clone();
        records.iter().map(|record| record["Name"].as_str().unwrap().to_owned()).collect()
    }

    async fn contact(&self, body: Value) -> String {
        self.create("Contact", body).await
    }

    /// Creates a record and returns its id.
    async fn create(&self, object: &str, body: Value) -> String {
        let answer = self.post(&format!("/sobjects/{object}"), body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Status and first error code of a refused creation.
    async fn refusal(&self, object: &str, body: Value) -> (u16, String) {
        self.post(&format!("/sobjects/{object}"), body).await.refused()
    }

    /// Status and first error code of a refused change.
    async fn change_refusal(&self, object: &str, id: &str, body: Value) -> (u16, String) {
        self.patch(&format!("/sobjects/{object}/{id}"), body).await.refused()
    }

    async fn read(&self, object: &str, id: &str) -> Value {
        self.get(&format!("/sobjects/{object}/{id}")).await.json()
    }

    /// How many records a condition admits.
    async fn count(&self, object: &str, condition: &str) -> u64 {
        let answer = self.query(&format!("SELECT COUNT() FROM {object} WHERE {condition}")).await;
        answer.json()["totalSize"].as_u64().unwrap_or_else(|| panic!("{}", answer.text))
    }
}

fn encoded(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

async fn advance(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}
