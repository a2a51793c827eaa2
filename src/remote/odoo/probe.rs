//! Testing the connection, and asking which fields there are.

use serde_json::{Map, Value as Json, json};

use super::Odoo;
use super::place::Place;
use super::wire::{arguments, malformed};
use crate::model::FieldKind;
use crate::remote::exchange::{self, Effect};
use crate::remote::{Class, FieldDefinition, Probe, RemoteError};

impl Odoo {
    /// The fields that could be mapped.
    pub(super) async fn describe(&self, place: &Place) -> Result<Vec<FieldDefinition>, RemoteError> {
        let halves = self.half_fields(place).await?;
        let question = arguments([("attributes", json!(["string", "type", "readonly", "selection", "store"]))]);
        let answer = self.wire.call(place.model, "fields_get", question, Effect::Reads).await?;
        let all = answer.body.as_object().ok_or_else(|| malformed(&place.action("fields_get"), "not an object"))?;
        Ok(all
            .iter()
            .filter(|(name, field)| field["store"] == true && !place.maps(name, halves))
            .map(|(name, field)| definition(name, field))
            // What cannot be synced is only worth showing where somebody made the field on purpose.
            .filter(|definition| definition.kind.is_some() || definition.name.starts_with("x_"))
            .collect())
    }

    /// Tests address, key and database.
    pub(super) async fn ping(&self) -> Result<Probe, RemoteError> {
        let sent = self.clock.now();
        let answer = self.wire.version().await.map_err(|error| match error.class {
            Class::Unsupported => {
                RemoteError { message: "this is not an Odoo server of version 19 or later".to_owned(), ..error }
            }
            _ => error,
        })?;
        let received = self.clock.now();
        let version =
            answer.body["version"].as_str().ok_or_else(|| malformed("version", "no version in the answer"))?;
        // The version is public; this proves the key and the database name.
        self.wire.call("res.users", "context_get", Map::new(), Effect::Reads).await?;
        Ok(Probe {
            system: exchange::cut(&format!("Odoo {version}")),
            clock_skew_ms: answer.server_time.map(|server| exchange::clock_skew(server, sent, received)),
            round_trip_ms: u64::try_from(received.since(sent).as_millis()).unwrap_or(u64::MAX),
            ..Probe::default()
        })
    }
}

/// One entry of `fields_get`.
fn definition(name: &str, field: &Json) -> FieldDefinition {
    let kind = match field["type"].as_str().unwrap_or_default() {
        "char" => Some(FieldKind::Text),
        "text" => Some(FieldKind::LongText),
        "integer" => Some(FieldKind::Int),
        "boolean" => Some(FieldKind::Bool),
        "date" => Some(FieldKind::Date),
        "selection" => Some(FieldKind::Choice),
        _ => None,
    };
    let options = field["selection"].as_array().into_iter().flatten();
    FieldDefinition {
        name: name.to_owned(),
        title: field["string"].as_str().unwrap_or(name).to_owned(),
        kind,
        writable: field["readonly"] != true,
        options: options
            .filter_map(|option| Some((option.get(0)?.as_str()?.to_owned(), option.get(1)?.as_str()?.to_owned())))
            .collect(),
    }
}
