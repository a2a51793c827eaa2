//! The token of a call is forged when the call leaves. Between being asked for and leaving it may wait its turn at
//! the gate for longer than S-360 takes a token (contract 2.5), so this stands behind the gate.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};

use super::settings::Operator;
use super::token;
use crate::remote::transport::{Limits, Transport, TransportError};
use crate::seam::Clock;

/// A transport that gives every call of one institution the token of this moment.
pub struct FreshToken {
    inner: Arc<dyn Transport>,
    institution: String,
    partner: String,
    operator: Operator,
    clock: Arc<dyn Clock>,
}

impl FreshToken {
    /// Calls of `operator` for `institution` over `inner`.
    pub fn new(
        inner: Arc<dyn Transport>,
        institution: &str,
        partner: &str,
        operator: Operator,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { inner, institution: institution.to_owned(), partner: partner.to_owned(), operator, clock }
    }
}

impl fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshToken").field("institution", &self.institution).finish_non_exhaustive()
    }
}

impl Transport for FreshToken {
    fn send(
        &self,
        mut request: Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        // One that does not fit a header was refused when the call was made, with the same parts.
        if let Ok(bearer) = token::bearer(&self.institution, &self.partner, &self.operator, self.clock.now()) {
            request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        }
        self.inner.send(request, limits)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::model::Timestamp;

    /// Keeps the token of the last call.
    #[derive(Debug, Default)]
    struct Wire(Mutex<Option<String>>);

    impl Transport for Wire {
        fn send(&self, request: Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
            let token = request.headers()[http::header::AUTHORIZATION].to_str().unwrap().to_owned();
            *self.0.lock().unwrap() = Some(token);
            Box::pin(std::future::ready(Ok(Response::new(Bytes::new()))))
        }
    }

    #[derive(Debug)]
    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }

        fn sleep(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn a_call_that_waited_its_turn_leaves_with_the_token_of_that_moment_s21() {
        let operator = Operator { name: "ACME_TANDEM".to_owned(), secret: "k".into() };
        let (asked, left) = (Timestamp::from_secs(1_600_695_485), Timestamp::from_secs(1_600_695_489));
        let old = token::bearer("ACME", "TANDEM", &operator, asked).unwrap();
        let new = token::bearer("ACME", "TANDEM", &operator, left).unwrap();
        assert!(new.is_sensitive() && new != old);
        let wire = Arc::new(Wire::default());
        let fresh =
            FreshToken::new(Arc::clone(&wire) as Arc<dyn Transport>, "ACME", "TANDEM", operator, Arc::new(At(left)));
        let request = Request::post("http://x/").header(http::header::AUTHORIZATION, old).body(Bytes::new()).unwrap();
        fresh.send(request, Limits::default()).await.unwrap();
        assert_eq!(wire.0.lock().unwrap().as_deref(), Some(new.to_str().unwrap()));
    }
}
