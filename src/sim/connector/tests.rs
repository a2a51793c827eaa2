//! The simulated Connector against its contract: what it takes, what it refuses, what it remembers.

mod hub;
mod knobs;
mod saves;
mod strictness;

use std::sync::Arc;

use bytes::Bytes;

use super::xml::Element;
use super::*;
use crate::model::Timestamp;
use crate::remote::transport::{Limits, TransportError};
use crate::seam::TokioClock;
use crate::sim::inprocess::InProcess;

/// A simulator, and a way to call it.
struct Bench {
    sim: Arc<ConnectorSim>,
    transport: InProcess,
    clock: TokioClock,
}

impl Bench {
    /// With one of staff (`S-1`) and two sources (`Q-1`, and `Q-9` of the system).
    fn new(settings: Settings) -> Self {
        let clock = TokioClock::starting_at(Timestamp::from_millis(1_334_031_067_023));
        let sim = ConnectorSim::new(settings, Arc::new(clock.clone()), Entropy::seeded(7));
        sim.add_staff("S-1", "Maya", "Okafor", "maya@club.example");
        sim.add_source("Q-1", "Facebook", true, false);
        sim.add_source("Q-9", "Import", true, true);
        let transport = InProcess { router: sim.router() };
        Self { sim, transport, clock }
    }

    async fn send(&self, request: http::Request<Bytes>) -> Result<(u16, String), TransportError> {
        let answer = self.transport.send(request, Limits::default()).await?;
        Ok((answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap()))
    }

    async fn post(&self, resource: &str, body: impl Into<Bytes>) -> (u16, Element) {
        let request = http::Request::post(format!("http://sim.test{BASE}{resource}"));
        let request = request.header("Content-Type", "application/xml; charset=utf-8").body(body.into()).unwrap();
        let (status, text) = self.send(request).await.unwrap();
        (status, Element::read(text.as_bytes(), &[]).unwrap())
    }

    async fn get(&self, target: &str) -> (u16, Element) {
        let request = http::Request::get(format!("http://sim.test{BASE}{target}")).body(Bytes::new()).unwrap();
        let (status, text) = self.send(request).await.unwrap();
        (status, Element::read(text.as_bytes(), &["leadSources", "staffList"]).unwrap())
    }
}

/// Body of a save of user `id`, with these elements in `userInfo`.
fn user(id: &str, info: &[(&str, &str)]) -> Element {
    wrapped("user", "userInfo", id, info)
}

/// Body of a save of lead source `id`.
fn source(id: &str, name: &str, active: &str) -> Element {
    wrapped("leadSource", "leadInfo", id, &[("name", name), ("active", active)])
}

fn wrapped(wrapper: &str, body: &str, id: &str, info: &[(&str, &str)]) -> Element {
    let leaves =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, text)| Element::leaf(name, *text)).collect::<Vec<_>>();
    let ids = [("identifier", "TANDEM"), ("clientID", "client-1"), ("clubID", "club-1"), ("recordID", id)];
    Element::parent(wrapper, [Element::parent("providerInfo", leaves(&ids)), Element::parent(body, leaves(info))])
}

const ANN: &[(&str, &str)] =
    &[("firstname", "Ann"), ("lastname", "Lee"), ("userStatus", "ACTIVE"), ("userType", "PROSPECT")];

/// [`ANN`] with other elements, which replace hers of the same name.
fn ann<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = ANN.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name)).copied();
    kept.chain(more.iter().copied()).collect()
}

fn bytes(element: &Element) -> Vec<u8> {
    element.document().unwrap()
}

/// One user as the hub shows it.
fn target_of(id: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("provider", "TANDEM"), ("client_id", "client-1"), ("club_id", "club-1"), ("recordID", id)])
        .finish();
    format!("user?{query}")
}
