//! A real Odoo, as its own users reach it: past the adapter, by its JSON interface (`scripts/odoo start`, then
//! `eval "$(scripts/odoo env)"`).

use std::sync::Arc;

use serde_json::Value as Json;
use tandem::remote::http::{HttpSettings, ReqwestTransport};
use tandem::remote::transport::{Limits, Transport};

/// The server under test, and the key of its administrator.
#[derive(Clone, Debug)]
pub struct OdooServer {
    pub url: String,
    pub database: String,
    pub key: String,
    pub transport: Arc<dyn Transport>,
}

impl OdooServer {
    /// `None`, having said why, when no server is configured.
    pub fn from_env(test: &str) -> Option<Self> {
        let var = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let (Some(url), Some(database), Some(key)) = (var("ODOO_URL"), var("ODOO_DB"), var("ODOO_KEY")) else {
            assert!(var("TANDEM_ODOO").is_none(), "TANDEM_ODOO is set, but ODOO_URL, ODOO_DB or ODOO_KEY is not");
            println!("skipped {test}: no Odoo; start one with scripts/odoo start");
            return None;
        };
        let transport = Arc::new(ReqwestTransport::new(&HttpSettings::default()).unwrap());
        Some(Self { url, database, key, transport })
    }

    /// Acts on the server as a person in Odoo's own screens would.
    pub async fn call(&self, model: &str, method: &str, arguments: Json) -> Json {
        let request = http::Request::post(format!("{}/json/2/{model}/{method}", self.url))
            .header("authorization", format!("bearer {}", self.key))
            .header("x-odoo-database", &self.database)
            .header("content-type", "application/json")
            .body(arguments.to_string().into())
            .unwrap();
        let response = self.transport.send(request, Limits::default()).await.unwrap();
        assert_eq!(response.status(), 200, "{model}.{method}: {}", String::from_utf8_lossy(response.body()));
        serde_json::from_slice(response.body()).unwrap()
    }
}
