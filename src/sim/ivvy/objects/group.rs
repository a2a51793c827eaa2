//! Subscription groups (contract 9). Who belongs to one is kept with the contact.

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::super::actions::{Action, Context};
use super::super::answer::Refusal;
use super::super::object::{Field, Kind, Look, Object, PLAIN};
use super::super::params::Params;
use super::super::row::Row;
use super::super::world::{World, Write};
use super::contact::{CONTACT, joined};
use super::long_ago;
use crate::sim::ledger::By;

pub(in super::super) static GROUP: Object = Object {
    name: "group",
    first_id: 11,
    fields: &[&[
        Field::of("id", Kind::Id).look(Look::Text),
        Field::text("groupName"),
        Field::shown("memberCount", |row, world| {
            let key = row.id.to_string();
            json!(world.table("contact").live().filter(|contact| contact.get("groups").get(&key).is_some()).count())
        }),
        Field::text("tagColour"),
    ]],
    ..PLAIN
};

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("contact", "getSubscriptionGroupList", &GROUP).bare(),
    Action::call("contact", "addContactsToSubscriptionGroup", |params, context| change(params, context, true))
        .about(&GROUP),
    Action::call("contact", "removeContactsFromSubscriptionGroup", |params, context| change(params, context, false))
        .about(&GROUP),
];

/// Adds contacts to a group or takes them out, each for itself: a bare array says which went well.
fn change(params: &Params<'_>, context: Context<'_>, join: bool) -> Result<Value, Refusal> {
    params.require(&["contacts", "group"])?;
    if context.settings.strict_params {
        params.only(&["contacts", "group"])?;
    }
    let contacts = params.ids("contacts")?.ok_or_else(|| Refusal::required("contacts"))?;
    let group = params.whole("group")?.ok_or_else(|| Refusal::required("group"))?;
    if context.world.get("group", group).is_none() {
        return Err(Refusal::invalid("group", "group: no such group"));
    }
    let key = group.to_string();
    let mut answers = Vec::with_capacity(contacts.len());
    for id in contacts {
        let refused = context.settings.refused_by_group.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = !(join && refused.contains(&(group, id)));
        drop(refused);
        let there = context.world.get("contact", id).filter(|contact| taken && !contact.flag("isAnonymised")).cloned();
        answers.push(json!({"contactId": id, "status": there.is_some()}));
        let Some(mut contact) = there else { continue };
        let mut groups = contact.get("groups").as_object().cloned().unwrap_or_default();
        if groups.contains_key(&key) == join {
            continue;
        }
        if join {
            groups.insert(key.clone(), joined(&contact, group, context.now));
            groups.sort_keys();
        } else {
            groups.shift_remove(&key);
        }
        contact.set("groups", groups);
        let write = Write {
            by: By::Api,
            now: context.now,
            fields: vec!["groups".into()],
            silent: !context.settings.group_bumps,
        };
        context.world.commit(&CONTACT, contact, write);
    }
    Ok(Value::Array(answers))
}

pub(super) fn furnish(world: &mut World) {
    for (id, name, colour) in [(1, "Newsletter", "#3366cc"), (2, "VIP", "#cc9900"), (3, "Presse & Média", "")] {
        let group = Row::numbered(id).with("groupName", name).with("tagColour", colour);
        world.seed(&GROUP, group, long_ago());
    }
}
