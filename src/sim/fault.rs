//! Faults: calls broken on demand or by chance, before or after their effect.
//!
//! The gate stands in front of a simulator's API router and knows nothing of its dialect; what a
//! throttled or failing answer looks like there is asked of a [`Refusal`].

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use super::Line;
use crate::seam::{Clock, Entropy};

/// What goes wrong.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, EnumString, EnumIter,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FaultKind {
    /// Too many requests; no effect.
    Throttle,
    /// A passing write race as that system reports it; no effect.
    Race,
    /// A server error before anything happened.
    ErrorBefore,
    /// The effect is committed, then a server error is answered.
    ErrorAfter,
    /// The connection closes before anything happened.
    DropBefore,
    /// The effect is committed, then the connection closes without a byte of an answer.
    DropAfter,
    /// The effect is committed, then the answer waits (default two seconds).
    Slow,
    /// Success status with an HTML page, as a proxy in maintenance answers; no effect.
    Html,
    /// The effect is committed; the answer breaks off half way.
    Truncate,
    /// Not permitted; no effect.
    Forbid,
    /// Not authenticated; no effect.
    Unauthorized,
    /// Not found, though it is there; no effect.
    NotFound,
    /// The effect is committed, then a success of another kind than the contract's is answered: another
    /// status, or another payload. What that is, each system says itself.
    OtherSuccess,
}

/// A fault as ordered: `POST /_sim/fault` and `--fault`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only calls whose `METHOD path?query` contains this text; empty means all.
    #[serde(default, rename = "match")]
    pub matching: String,
    /// How many calls it breaks. Default: one, or without end when `per_mille` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Breaks a matching call with this chance in a thousand, instead of always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_mille: Option<u16>,
    /// Delay of [`FaultKind::Slow`] in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

impl FaultSpec {
    /// Breaks the next `times` calls that contain `matching`.
    pub fn times(kind: FaultKind, matching: impl Into<String>, times: u32) -> Self {
        Self { kind, matching: matching.into(), times: Some(times), per_mille: None, ms: None }
    }

    /// Breaks every call with a chance of `per_mille` in a thousand.
    pub fn per_mille(kind: FaultKind, per_mille: u16) -> Self {
        Self { kind, matching: String::new(), times: None, per_mille: Some(per_mille), ms: None }
    }

    fn validate(self) -> Result<Self, FaultError> {
        if self.per_mille.is_some_and(|chance| chance > 1000) {
            return Err(FaultError("per_mille is larger than 1000".into()));
        }
        if self.times == Some(0) {
            return Err(FaultError("times is zero".into()));
        }
        Ok(self)
    }
}

/// A fault order that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault: {0}")]
pub struct FaultError(String);

/// `KIND[,match=TEXT][,times=N][,per_mille=N][,ms=N]`, or the JSON object.
impl FromStr for FaultSpec {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let text = text.trim();
        if text.starts_with('{') {
            let spec: Self = serde_json::from_str(text).map_err(|error| FaultError(error.to_string()))?;
            return spec.validate();
        }
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let kind = name.parse().map_err(|_| FaultError(format!("unknown kind '{name}'")))?;
        let mut spec = Self { kind, matching: String::new(), times: None, per_mille: None, ms: None };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let number = || value.parse::<u32>().map_err(|_| FaultError(format!("{name} is not a number")));
            match name {
                "match" => value.clone_into(&mut spec.matching),
                "times" => spec.times = Some(number()?),
                "per_mille" => spec.per_mille = Some(u16::try_from(number()?).unwrap_or(u16::MAX)),
                "ms" => spec.ms = Some(u64::from(number()?)),
                _ => return Err(FaultError(format!("unknown option '{name}'"))),
            }
        }
        spec.validate()
    }
}

#[derive(Debug)]
struct Armed {
    spec: FaultSpec,
    left: Option<u32>,
}

#[derive(Debug, Default)]
struct Arsenal {
    armed: Vec<Armed>,
    fired: BTreeMap<FaultKind, u64>,
}

/// The faults in wait, shared between a simulator, its control API and tests. The oldest that matches
/// a call breaks it.
#[derive(Clone, Debug)]
pub struct Faults {
    arsenal: Arc<Mutex<Arsenal>>,
    entropy: Entropy,
}

impl Faults {
    /// No faults yet; `entropy` decides those with a chance.
    pub fn new(entropy: Entropy) -> Self {
        Self { arsenal: Arc::default(), entropy }
    }

    /// Puts a fault in wait.
    ///
    /// # Errors
    /// When the order makes no sense.
    pub fn arm(&self, spec: FaultSpec) -> Result<(), FaultError> {
        let spec = spec.validate()?;
        let left = spec.times.or(if spec.per_mille.is_some() { None } else { Some(1) });
        self.lock().armed.push(Armed { spec, left });
        Ok(())
    }

    /// Removes all faults in wait. What fired stays counted.
    pub fn clear(&self) {
        self.lock().armed.clear();
    }

    /// How many calls `kind` has broken.
    pub fn fired(&self, kind: FaultKind) -> u64 {
        self.lock().fired.get(&kind).copied().unwrap_or(0)
    }

    /// The orders still in wait, oldest first.
    pub fn armed(&self) -> Vec<FaultSpec> {
        let rest = |armed: &Armed| FaultSpec { times: armed.left, ..armed.spec.clone() };
        self.lock().armed.iter().map(rest).collect()
    }

    /// The fault that breaks the call `label` (`METHOD path?query`), if any. Uses it up.
    pub fn take(&self, label: &str) -> Option<FaultSpec> {
        let mut arsenal = self.lock();
        let index = arsenal.armed.iter().position(|armed| {
            label.contains(&armed.spec.matching)
                && armed.spec.per_mille.is_none_or(|chance| self.entropy.chance(u64::from(chance), 1000))
        })?;
        let armed = &mut arsenal.armed[index];
        let spec = armed.spec.clone();
        if let Some(left) = &mut armed.left {
            *left -= 1;
            if *left == 0 {
                arsenal.armed.remove(index);
            }
        }
        *arsenal.fired.entry(spec.kind).or_default() += 1;
        Some(spec)
    }

    fn lock(&self) -> MutexGuard<'_, Arsenal> {
        self.arsenal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a system words a refusal. Asked only for `Throttle`, `Race`, `ErrorBefore`, `ErrorAfter`,
/// `Forbid`, `Unauthorized`, `NotFound` and `OtherSuccess`.
pub type Refusal = fn(FaultKind) -> Response;

/// Marks a response that never reaches the client: the connection was cut instead.
#[derive(Clone, Copy, Debug)]
pub struct Severed;

/// Puts the gate in front of `router`.
pub fn gate(router: Router, faults: Faults, clock: Arc<dyn Clock>, refusal: Refusal) -> Router {
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let (faults, clock) = (faults.clone(), Arc::clone(&clock));
        async move {
            let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
            match faults.take(&format!("{} {target}", request.method())) {
                Some(fault) => broken(fault, request, next, clock, refusal).await,
                None => next.run(request).await,
            }
        }
    }))
}

async fn broken(fault: FaultSpec, request: Request, next: Next, clock: Arc<dyn Clock>, refusal: Refusal) -> Response {
    let line = request.extensions().get::<ConnectInfo<Line>>().map(|ConnectInfo(line)| line.clone());
    match fault.kind {
        FaultKind::Throttle
        | FaultKind::Race
        | FaultKind::ErrorBefore
        | FaultKind::Forbid
        | FaultKind::Unauthorized
        | FaultKind::NotFound => refusal(fault.kind),
        FaultKind::ErrorAfter | FaultKind::OtherSuccess => {
            next.run(request).await;
            refusal(fault.kind)
        }
        FaultKind::DropBefore => severed(line),
        FaultKind::DropAfter => {
            next.run(request).await;
            severed(line)
        }
        FaultKind::Slow => {
            let response = next.run(request).await;
            clock.sleep(Duration::from_millis(fault.ms.unwrap_or(2000))).await;
            response
        }
        FaultKind::Html => {
            let page = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>";
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
        }
        FaultKind::Truncate => truncated(next.run(request).await).await,
    }
}

fn severed(line: Option<Line>) -> Response {
    if let Some(line) = line {
        line.sever();
    }
    let mut response = StatusCode::BAD_GATEWAY.into_response();
    response.extensions_mut().insert(Severed);
    response
}

/// The same answer whose body breaks off half way, under the full `Content-Length`.
async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let half = bytes.slice(..bytes.len() / 2);
    // Give way once between the half and the break, so that a server flushes the half first.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half)]).chain(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_read_from_text_and_json() {
        let text: FaultSpec = "drop_after,match=addOrUpdate,times=3".parse().unwrap();
        assert_eq!(text, FaultSpec::times(FaultKind::DropAfter, "addOrUpdate", 3));
        let json: FaultSpec = r#"{"kind":"slow","ms":50,"match":"x"}"#.parse().unwrap();
        assert_eq!((json.kind, json.ms, json.matching.as_str()), (FaultKind::Slow, Some(50), "x"));
        let chance: FaultSpec = "race,per_mille=20".parse().unwrap();
        assert_eq!(chance, FaultSpec::per_mille(FaultKind::Race, 20));
        for wrong in ["", "bang", "slow,ms=x", "slow,size=1", "race,per_mille=1001", "race,times=0", r#"{"kind":"x"}"#]
        {
            assert!(wrong.parse::<FaultSpec>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn oldest_match_fires_and_is_used_up() {
        let faults = Faults::new(Entropy::seeded(1));
        faults.arm(FaultSpec::times(FaultKind::Throttle, "getContact", 2)).unwrap();
        faults.arm(FaultSpec::times(FaultKind::Race, "", 1)).unwrap();
        assert_eq!(faults.take("POST /x").map(|spec| spec.kind), Some(FaultKind::Race));
        assert_eq!(faults.take("POST /x"), None);
        assert_eq!(faults.take("POST getContact").map(|spec| spec.kind), Some(FaultKind::Throttle));
        assert_eq!(faults.armed().len(), 1);
        faults.take("POST getContact");
        assert_eq!(faults.take("POST getContact"), None);
        assert_eq!(faults.fired(FaultKind::Throttle), 2);
    }

    #[test]
    fn chance_is_seeded_and_endless() {
        let run = |seed| {
            let faults = Faults::new(Entropy::seeded(seed));
            faults.arm(FaultSpec::per_mille(FaultKind::Throttle, 100)).unwrap();
            (0..1000).map(|_| faults.take("x").is_some()).collect::<Vec<bool>>()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
        let hits = run(5).into_iter().filter(|hit| *hit).count();
        assert!((60..150).contains(&hits), "{hits}");
    }
}
