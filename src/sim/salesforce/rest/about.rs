//! What the org says of itself: versions, resources, objects, limits, the user behind a token.

use serde_json::{Map, Value, json};

use super::{Context, VERSIONS};
use crate::sim::salesforce::auth::ORGANISATION;
use crate::sim::salesforce::call::Reply;
use crate::sim::salesforce::error::Refusal;
use crate::sim::salesforce::id::SfId;
use crate::sim::salesforce::org::Org;

/// `GET /services/data`: needs no token.
pub fn versions() -> Reply {
    let version = |number: u32| {
        // Three releases a year; 46 was Summer '19.
        let season = ["Summer", "Winter", "Spring"][usize::try_from((number - 46) % 3).unwrap_or(0)];
        let year = 19 + (number - 46).div_ceil(3);
        let label = format!("{season} '{year}");
        json!({ "label": label, "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0") })
    };
    Reply::ok(VERSIONS.map(version).collect())
}

/// `GET /services/oauth2/userinfo` and the `id` address of a token.
pub fn identity(org: &Org, user: &SfId, base_url: &str) -> Reply {
    let field = |name: &str| org.committed("User", user).and_then(|version| version.fields.get(name)).cloned();
    Reply::ok(json!({
        "id": identity_url(base_url, user),
        "user_id": user.as_str(),
        "organization_id": ORGANISATION,
        "username": field("Username"),
        "preferred_username": field("Username"),
        "email": field("Email"),
        "display_name": field("LastName"),
        "active": true,
    }))
}

/// The address of a user's identity, which also tells a caller who it is.
pub fn identity_url(base_url: &str, user: &SfId) -> String {
    format!("{base_url}/id/{ORGANISATION}/{user}")
}

/// `GET /services/data/vNN.0`.
pub(super) fn resources(context: &Context<'_>) -> Reply {
    let names = ["sobjects", "query", "queryAll", "limits", "composite"];
    let entry = |name: &str| (name.to_owned(), json!(format!("/services/data/v{}/{name}", context.api)));
    let mut resources: Map<String, Value> = names.into_iter().map(entry).collect();
    resources.insert("identity".to_owned(), json!(identity_url(&context.call.base_url(), &context.author.user)));
    Reply::ok(Value::Object(resources))
}

/// `GET /limits`.
pub(super) fn limits(context: &Context<'_>) -> Reply {
    let most = context.org.knobs.daily_calls;
    Reply::ok(json!({
        "DailyApiRequests": { "Max": most, "Remaining": most.saturating_sub(context.calls_made) },
        "DataStorageMB": { "Max": 1024, "Remaining": 1000 },
    }))
}

/// `GET /sobjects`.
pub(super) fn objects(context: &Context<'_>) -> Reply {
    let objects: Vec<Value> = context.org.schema.objects().iter().map(|object| object.summary(context.api)).collect();
    Reply::ok(json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects }))
}

/// `GET /sobjects/{object}`.
pub(super) fn object(context: &Context<'_>, name: &str) -> Result<Reply, Refusal> {
    let object = context.org.schema.object(name).ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(json!({ "objectDescribe": object.summary(context.api), "recentItems": [] })))
}

/// `GET /sobjects/{object}/describe`.
pub(super) fn describe(context: &Context<'_>, name: &str) -> Result<Reply, Refusal> {
    let object = context.org.schema.object(name).ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(object.describe(context.api)))
}
