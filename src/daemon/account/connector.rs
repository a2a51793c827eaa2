//! The Connector as the CRM, put together from its section.

use std::sync::Arc;
use std::time::Duration;

use super::{Blueprint, in_section};
use crate::config::{self, Entity};
use crate::error::Result;
use crate::model::Side;
use crate::remote::connector::{Agreed, Connector, Elements, Settings};
use crate::remote::transport::Limits;
use crate::remote::{Remote, Transport};

/// The element that holds a prospect's owner, unless InTouch said otherwise: the contract does not tell.
const OWNER_ELEMENT: &str = "leadOwnerID";
/// The one that holds its lead source.
const SOURCE_ELEMENT: &str = "leadSourceID";

/// The adapter.
///
/// # Errors
/// An address or option is wrong.
pub(super) fn crm(
    blueprint: &Blueprint,
    section: &config::Connector,
    transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Remote>> {
    let config = &blueprint.config;
    let settings = Settings {
        base_url: config.crm.url.to_string(),
        version: section.version.clone(),
        provider: section.provider.clone(),
        client: section.client.clone(),
        club: section.club.clone(),
        agreed: agreed(&section.profile),
        elements: elements(section),
        settle: config.sync.settle.unwrap_or(Duration::from_secs(10)),
        limits: Limits::default(),
    };
    let adapter = Connector::new(settings, transport, blueprint.shelf(Side::Crm), Arc::clone(&blueprint.clock));
    Ok(Arc::new(adapter.map_err(|error| in_section("crm", config, error))?))
}

/// Names of the elements for owner and source, as far as they were agreed on (C-07).
pub(in crate::daemon) fn elements(section: &config::Connector) -> Elements {
    let name = |on: bool, name: &Option<String>, usual: &str| on.then(|| name.clone().unwrap_or_else(|| usual.into()));
    Elements {
        owner: name(section.profile.owner, &section.owner_element, OWNER_ELEMENT),
        source: name(section.profile.source, &section.source_element, SOURCE_ELEMENT),
    }
}

fn agreed(profile: &config::Profile) -> Agreed {
    Agreed {
        sends: profile.direction.sends(),
        receives: profile.direction.receives(),
        prospects: profile.entities.contains(&Entity::Prospects),
        members: profile.entities.contains(&Entity::Members),
        owner: profile.owner,
        source: profile.source,
        list_staff: profile.can.list_staff,
        staff_by_email: profile.can.staff_by_email,
        list_sources: profile.can.list_sources,
        create_source: profile.can.create_source,
        update_source: profile.can.update_source,
    }
}
