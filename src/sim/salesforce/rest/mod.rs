//! The REST resources under `/services/data/vNN.0`.

mod about;
mod collections;
mod feeds;
mod query;
mod rows;

use axum::http::{Method, StatusCode};

pub use about::{identity, identity_url, versions};
pub use query::Cursors;

use super::call::{Call, Reply};
use super::error::Refusal;
use super::org::{Author, Org};
use super::write::Writer;
use crate::model::Timestamp;

/// API versions that answer.
pub const VERSIONS: std::ops::RangeInclusive<u32> = 46..=68;

/// What a resource works with during one call.
#[derive(Debug)]
pub struct Context<'a> {
    /// The call.
    pub call: &'a Call,
    /// The API version as it stands in paths, `60.0`.
    pub api: &'a str,
    /// The records.
    pub org: &'a mut Org,
    /// Open query cursors.
    pub cursors: &'a mut Cursors,
    /// Records per page when the caller asks for no less.
    pub page_size: usize,
    /// Calls made in the last 24 hours.
    pub calls_made: u64,
    /// Whom the token stands for.
    pub author: Author,
    /// Another user, who wins races.
    pub rival: Author,
    /// The org's clock.
    pub now: Timestamp,
}

impl Context<'_> {
    fn writer(&self) -> Writer {
        let allow = self.call.option("sforce-duplicate-rule-header", "allowSave") == Some("true");
        Writer { author: self.author.clone(), rival: self.rival.clone(), now: self.now, allow_duplicates: allow }
    }
}

/// The version in a path segment like `v60.0`, if it answers.
pub fn api_version(segment: &str) -> Option<&str> {
    let version = segment.strip_prefix('v')?;
    let number = version.strip_suffix(".0")?;
    let known = number.len() == 2 && number.parse().is_ok_and(|number: u32| VERSIONS.contains(&number));
    known.then_some(version)
}

/// Answers the resource at `path`, which follows the version.
///
/// # Errors
/// In Salesforce's codes; 404 for an unknown resource, 405 for a method it does not have.
pub fn dispatch(mut context: Context<'_>, path: &[&str]) -> Result<Reply, Refusal> {
    let context = &mut context;
    let method = context.call.method.clone();
    match (path, &method) {
        ([], &Method::GET) => Ok(about::resources(context)),
        (["limits"], &Method::GET) => Ok(about::limits(context)),
        (["sobjects"], &Method::GET) => Ok(about::objects(context)),
        (["query" | "queryAll"], &Method::GET) => query::start(context, path[0] == "queryAll"),
        (["query" | "queryAll", locator], &Method::GET) => query::go_on(context, locator),
        (["sobjects", object], &Method::GET) => about::object(context, object),
        (["sobjects", object], &Method::POST) => rows::create(context, object),
        (["sobjects", object, "describe"], &Method::GET) => about::describe(context, object),
        (["sobjects", object, "updated"], &Method::GET) => feeds::updated(context, object),
        (["sobjects", object, "deleted"], &Method::GET) => feeds::deleted(context, object),
        (["sobjects", object, id], &Method::GET) => rows::read(context, object, id),
        (["sobjects", object, id], &Method::PATCH) => rows::update(context, object, id),
        (["sobjects", object, id], &Method::DELETE) => rows::delete(context, object, id),
        (["sobjects", object, field, value], &Method::GET) => rows::read_by_key(context, object, field, value),
        (["sobjects", object, field, value], &Method::PATCH) => rows::upsert(context, object, field, value),
        (["sobjects", object, field, value], &Method::DELETE) => rows::delete_by_key(context, object, field, value),
        (["composite", "sobjects"], &Method::POST) => collections::create(context),
        (["composite", "sobjects"], &Method::PATCH) => collections::update(context),
        (["composite", "sobjects"], &Method::DELETE) => collections::delete(context),
        (["composite", "sobjects", object], &Method::GET) => collections::read(context, object, false),
        (["composite", "sobjects", object], &Method::POST) => collections::read(context, object, true),
        (["composite", "sobjects", object, field], &Method::PATCH) => collections::upsert(context, object, field),
        (
            []
            | ["limits" | "sobjects" | "query" | "queryAll"]
            | ["query" | "queryAll", _]
            | ["sobjects", _]
            | ["sobjects", _, _]
            | ["sobjects", _, _, _]
            | ["composite", "sobjects"]
            | ["composite", "sobjects", _]
            | ["composite", "sobjects", _, _],
            _,
        ) => {
            let text = format!("HTTP Method '{method}' not allowed");
            Err(Refusal::new("METHOD_NOT_ALLOWED", text).status(StatusCode::METHOD_NOT_ALLOWED))
        }
        _ => Err(Refusal::not_found()),
    }
}
