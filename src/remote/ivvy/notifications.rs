//! Subscribing to notifications (`contracts/ivvy.md` 15). What they say is received elsewhere and only ever
//! makes the engine look; events and leads have none.

use serde_json::{Map, Value as Json};
use url::Url;

use super::action::Action;
use super::{Ivvy, malformed};
use crate::remote::RemoteError;

const SUBSCRIBE: Action = Action::write("account", "subscribeToNotifications");

/// Groups with subjects of our modules.
const GROUPS: [&str; 3] = ["companies", "contacts", "venues"];

impl Ivvy {
    /// Asks iVvy to send notifications of contacts, companies and bookings to `url`. The same again is
    /// harmless. Nothing is sent before SNS has asked at `url` whether they are wanted.
    ///
    /// # Errors
    /// Only keys of the account's primary user, or of no user, may: others are
    /// [`Forbidden`](crate::remote::Class::Forbidden). A group that iVvy did not take is
    /// [`Malformed`](crate::remote::Class::Malformed).
    pub async fn subscribe(&self, url: &Url) -> Result<(), RemoteError> {
        let endpoint = |group: &&str| (format!("{group}Endpoint"), Json::from(url.as_str()));
        let body: Map<String, Json> = GROUPS.iter().map(endpoint).collect();
        let answer = self.client.call(&SUBSCRIBE, &Json::Object(body)).await?;
        let taken = |group: &str| answer.json.get(format!("{group}Success")).is_some_and(|success| success == true);
        match GROUPS.into_iter().all(taken) {
            true => Ok(()),
            false => Err(malformed(&SUBSCRIBE, "not every subscription was taken")),
        }
    }
}
