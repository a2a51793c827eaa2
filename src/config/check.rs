//! Checks that look at more than one key. Each says what is wrong and what to do about it.

use std::collections::BTreeSet;

use super::schema::CrmTable;
use super::{Crm, CrmKind, CrmSystem, Ivvy, Module, Modules, Origin, S360, Wrong, streams};
use crate::model::mapping::Fault;
use crate::model::module::GROUPS;
use crate::model::{CustomField, FieldKind, ModuleId};

/// A rule about a field there is not would keep everything out, or nothing.
pub(super) fn only(module: ModuleId, section: &Module) -> Result<(), Wrong> {
    let def = module.def();
    match section.only.keys().find(|name| def.field(name).is_none()) {
        None => Ok(()),
        Some(name) => Err((
            format!("modules.{module}.only: {module} has no field `{name}`"),
            "a field of the module, with the values that are carried over: only = { status = [\"completed\"] }",
        )),
    }
}

/// Groups belong to contacts, each has a name of its own, and Salesforce must be told where they go (V-18).
pub(super) fn groups(module: ModuleId, section: &Module, crm: CrmKind) -> Result<(), Wrong> {
    let Module { groups, mirror_group_removals, crm_fields, .. } = section;
    if module != ModuleId::Contacts && (!groups.is_empty() || *mirror_group_removals) {
        return Err((
            format!("modules.{module}: only contacts are in subscription groups"),
            "move the table to [modules.contacts.groups]",
        ));
    }
    if module != ModuleId::Contacts {
        return Ok(());
    }
    let field = crm_fields.contains_key(GROUPS);
    if groups.is_empty() {
        return match (mirror_group_removals, field) {
            (true, _) => Err((
                "modules.contacts.mirror_group_removals is set, but no group is kept in step".to_owned(),
                "name them: [modules.contacts.groups] with 11 = \"Newsletter\", iVvy's number and the CRM's name",
            )),
            (_, true) => Err((
                "modules.contacts.crm_fields.groups is set, but no group is kept in step".to_owned(),
                "name them: [modules.contacts.groups] with 11 = \"Newsletter\", iVvy's number and the CRM's name",
            )),
            _ => Ok(()),
        };
    }
    if crm == CrmKind::Salesforce && !field {
        return Err((
            "modules.contacts.groups: Salesforce has no field for them of its own".to_owned(),
            "make a multi-select picklist with these names and say which: crm_fields = { groups = \"Groups__c\" }",
        ));
    }
    let mut taken = BTreeSet::new();
    for (number, name) in groups {
        if name.is_empty() || crm == CrmKind::Salesforce && name.contains(';') {
            return Err((
                format!("modules.contacts.groups: `{name}` cannot be the name of group {number}"),
                "the CRM's name of the group: a tag in Odoo, a picklist value (without `;`) in Salesforce",
            ));
        }
        if !taken.insert(name.to_lowercase()) {
            return Err((
                format!("modules.contacts.groups: `{name}` is the name of two groups"),
                "give every group a name of its own",
            ));
        }
    }
    Ok(())
}

/// A module whose records cannot exist without those of another one needs that one switched on, and one
/// that obeys another's switch has none of its own (V-61).
pub(super) fn needs(module: ModuleId, modules: &Modules) -> Result<(), Wrong> {
    let def = module.def();
    let needed = def.fields.iter().find_map(|field| match field.kind {
        FieldKind::Reference(other) if field.required_on.is_some() && !modules.enabled(other) => Some(other),
        _ => None,
    });
    match needed {
        None => Ok(()),
        Some(other) => Err((
            format!("modules.{module} is enabled, but its records belong to {other}, which is not"),
            "enable that module too, or switch this one off",
        )),
    }
}

pub(super) fn origin(ivvy: Option<Ivvy>, s360: Option<S360>) -> Result<Origin, Wrong> {
    match (ivvy, s360) {
        (Some(ivvy), None) if ivvy.key.trim().is_empty() => {
            Err(("ivvy.key is empty".to_owned(), "the API key from iVvy's integration settings"))
        }
        (Some(ivvy), None) => Ok(Origin::Ivvy(ivvy)),
        (None, Some(s360)) => streams::check_s360(&s360).map(|()| Origin::S360(s360)),
        (None, None) => Err((
            "neither [ivvy] nor [s360] says where records come from".to_owned(),
            "one of the two: the annotated example docs/tandem.example.toml shows every key",
        )),
        (Some(_), Some(_)) => Err((
            "both [ivvy] and [s360] are there".to_owned(),
            "an account has one origin: make two accounts, with a file each",
        )),
    }
}

pub(super) fn crm(mut table: CrmTable) -> Result<Crm, Wrong> {
    let kind = table.kind;
    let missing =
        |key: &str, hint: &'static str| (format!("crm: `{key}` is missing, which kind = \"{kind}\" needs"), hint);
    let surplus = |key: &str| {
        (format!("crm: `{key}` means nothing for kind = \"{kind}\""), "remove the key, or correct the kind")
    };
    if let Some(scope) = &table.key_scope
        && (scope.is_empty() || !scope.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'))
    {
        return Err((
            format!("crm.key_scope: `{scope}` cannot be part of a key"),
            "letters, digits, - and _; leave it out unless several accounts share one CRM",
        ));
    }
    let keys = table.stream_keys();
    let foreign = [(CrmKind::Connector, keys.of_connector().to_vec()), (CrmKind::Push, keys.of_push().to_vec())];
    let mut others = foreign.iter().filter(|(of, _)| *of != kind).flat_map(|(_, keys)| keys);
    if let Some((key, _)) = others.find(|(_, given)| *given) {
        return Err(surplus(key));
    }
    if matches!(kind, CrmKind::Connector | CrmKind::Push) {
        let own = [
            ("database", table.database.is_some()),
            ("key", table.key.is_some()),
            ("client_id", table.client_id.is_some()),
            ("secret", table.secret.is_some()),
            ("api_version", table.api_version.is_some()),
            ("events", table.events.is_some()),
            ("attendee_status", table.attendee_status.is_some()),
            ("stages", !table.stages.is_empty()),
            ("event_statuses", !table.event_statuses.is_empty()),
            ("member_statuses", !table.member_statuses.is_empty()),
        ];
        // What is posted keeps the rhythm agreed, which is bounded already.
        let calls = ("daily_calls", kind == CrmKind::Push && table.daily_calls.is_some());
        if let Some((key, _)) = own.into_iter().chain([calls]).find(|(_, given)| *given) {
            return Err(surplus(key));
        }
    }
    let (given, pushed) = (table.url.take(), keys.contacts_url.clone().or_else(|| keys.orders_url.clone()));
    let url = match (kind, given) {
        (CrmKind::Push, Some(_)) => return Err(surplus("url")),
        (CrmKind::Push, None) => pushed,
        (_, url) => url,
    };
    let url = url.ok_or_else(|| match kind {
        CrmKind::Push => missing("contacts_url", "the address that takes arrays of contacts"),
        _ => missing("url", "the base address of the CRM"),
    })?;
    let system = match kind {
        // With the service's path in it twice every person would be "not found", which is no error there.
        CrmKind::Connector if url.path().contains("/connector/api") => {
            return Err((
                "crm.url holds the path of the Connector's service, which is added to it".to_owned(),
                "the address before /connector/api: url = \"https://connector.example.com\"",
            ));
        }
        CrmKind::Connector => CrmSystem::Connector(Box::new(keys.connector()?)),
        CrmKind::Push => CrmSystem::Push(Box::new(keys.push()?)),
        CrmKind::Odoo => {
            for (key, given) in [
                ("client_id", table.client_id.is_some()),
                ("secret", table.secret.is_some()),
                ("api_version", table.api_version.is_some()),
                ("event_statuses", !table.event_statuses.is_empty()),
                ("member_statuses", !table.member_statuses.is_empty()),
            ] {
                if given {
                    return Err(surplus(key));
                }
            }
            CrmSystem::Odoo {
                database: table
                    .database
                    .ok_or_else(|| missing("database", "the Odoo database, for example \"prod\""))?,
                key: table.key.ok_or_else(|| missing("key", "where the Odoo API key is: { file = \"…\" }"))?,
                events: table.events,
                attendee_status: table.attendee_status,
                stages: table.stages,
            }
        }
        CrmKind::Salesforce => {
            for (key, given) in [
                ("database", table.database.is_some()),
                ("key", table.key.is_some()),
                ("events", table.events.is_some()),
                ("attendee_status", table.attendee_status.is_some()),
            ] {
                if given {
                    return Err(surplus(key));
                }
            }
            CrmSystem::Salesforce {
                client_id: table.client_id.ok_or_else(|| missing("client_id", "the connected app's consumer key"))?,
                secret: table.secret.ok_or_else(|| missing("secret", "where its secret is: { file = \"…\" }"))?,
                api_version: table.api_version,
                words: [table.stages, table.event_statuses, table.member_statuses],
            }
        }
    };
    Ok(Crm { url, key_scope: table.key_scope, daily_calls: table.daily_calls, system })
}

pub(super) fn fields(module: ModuleId, fields: &[CustomField]) -> Result<(), Fault> {
    for (index, field) in fields.iter().enumerate() {
        let at = format!("modules.{module}.fields[{index}]");
        if let Some((wrong, hint)) = field.fault(module) {
            return Err((format!("{at}: {wrong}"), hint));
        }
        if let Some(twice) = fields[..index].iter().find_map(|earlier| field.clashes_with(earlier)) {
            return Err((format!("{at}: {twice} is used twice"), "map every field once"));
        }
    }
    Ok(())
}
