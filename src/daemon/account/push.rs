//! A CRM that takes POSTed arrays, put together from its section.

use std::sync::Arc;

use super::{Blueprint, crm_fields, custom};
use crate::config;
use crate::error::Result;
use crate::model::{FieldMaps, Side};
use crate::remote::extcrm::{Addresses, Auth, ExtCrm, Poster, Settings};
use crate::remote::{Remote, Transport};

/// The adapter.
///
/// # Errors
/// An address or option is wrong.
pub(super) fn crm(
    blueprint: &Blueprint,
    section: &config::Push,
    maps: &FieldMaps,
    transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Remote>> {
    let config = blueprint.config();
    let settings = Settings {
        custom: custom(config, maps, |field| (field.def(), field.crm.clone())),
        renamed: crm_fields(config),
    };
    let poster = poster(blueprint, section, transport)?;
    let (shelf, clock) = (blueprint.shelf(Side::Crm), Arc::clone(blueprint.clock()));
    Ok(Arc::new(ExtCrm::new(settings, poster, shelf, blueprint.outbox(), clock)?))
}

/// Whatever posts to the two addresses.
///
/// # Errors
/// An address or credential is wrong.
pub(in crate::daemon) fn poster(
    blueprint: &Blueprint,
    section: &config::Push,
    transport: Arc<dyn Transport>,
) -> Result<Poster> {
    let secret = || blueprint.secrets().get("crm.auth[0]");
    let auth = match &section.auth {
        config::Auth::None { .. } => Auth::None,
        config::Auth::Basic { user, .. } => Auth::Basic { user: user.clone(), password: secret()? },
        config::Auth::ApiKey { header, .. } => Auth::ApiKey { header: header.clone(), key: secret()? },
    };
    let address = |url: &Option<url::Url>| url.as_ref().map(ToString::to_string);
    let addresses = Addresses { contacts: address(&section.contacts), orders: address(&section.orders), auth };
    Poster::new(&addresses, transport)
}
