//! The lists that leads, tasks and companies choose from: sources, stages, types, qualities, channels,
//! purposes, industries (contract 10, 13).

use serde_json::{Value, json};

use super::super::actions::Action;
use super::super::answer::Refusal;
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Property};
use super::super::params::Form;
use super::super::row::Row;
use super::super::world::World;
use super::long_ago;

const ID: Field = Field::of("id", Kind::Id);
const COLOUR: Field = Field::text("colour").look(Look::Absent);
/// Set on entries the system brings along.
const SYSTEM: Field = Field::of("isSystem", Kind::Flag).fixed().look(Look::Absent);
const FILTERS: &[Property] = &[Property::Inferred("name"), Property::Inferred("id")];

const fn name(field: &'static str) -> Field {
    Field::of(field, Kind::Text(Form::Filled)).required()
}

pub(in super::super) static LEAD_SOURCE: Object = Object {
    name: "leadSource",
    first_id: 21,
    fields: &[&[
        ID,
        name("name"),
        Field::html("description"),
        Field::of("cost", Kind::Amount),
        Field::of("isReferral", Kind::Flag).look(Look::Bit),
        Field::of("defaultType", Kind::Whole).fixed(),
        COLOUR,
        SYSTEM,
    ]],
    filters: FILTERS,
    codes: Codes { missing: 24325, empty: None, invalid: Some(24328) },
    rules: |row, before, scene| own_entry(row, before, scene.by_user, 24326),
    ..PLAIN
};

pub(in super::super) static LEAD_STAGE: Object = Object {
    name: "leadStage",
    first_id: 21,
    fields: &[&[
        ID,
        name("name"),
        Field::of("applyTo", Kind::Code(&[1, 2])).look(Look::Absent),
        Field::of("reasons", Kind::Items).fixed(),
        COLOUR,
        SYSTEM,
    ]],
    filters: FILTERS,
    codes: Codes { missing: 24320, empty: None, invalid: Some(24323) },
    rules: |row, before, scene| own_entry(row, before, scene.by_user, 24321),
    ..PLAIN
};

pub(in super::super) static LEAD_TYPE: Object = Object {
    name: "leadType",
    first_id: 21,
    fields: &[&[ID.look(Look::Text), name("type"), Field::of("subtypes", Kind::Items).fixed()]],
    filters: FILTERS,
    codes: Codes { missing: 24381, empty: None, invalid: Some(24383) },
    ..PLAIN
};

pub(in super::super) static LEAD_QUALITY: Object = Object {
    name: "leadQuality",
    first_id: 21,
    fields: &[&[ID, name("label"), Field::of("showOnDash", Kind::Flag).look(Look::Bit)]],
    filters: FILTERS,
    codes: Codes { missing: 24304, empty: None, invalid: Some(24306) },
    ..PLAIN
};

pub(in super::super) static LEAD_CHANNEL: Object = Object {
    name: "leadChannel",
    first_id: 21,
    fields: &[&[ID, name("name"), SYSTEM]],
    filters: FILTERS,
    codes: Codes { missing: 24376, empty: None, invalid: Some(24379) },
    rules: |row, before, scene| own_entry(row, before, scene.by_user, 24377),
    ..PLAIN
};

pub(in super::super) static ACTIVITY_PURPOSE: Object = Object {
    name: "activityPurpose",
    first_id: 21,
    fields: &[&[ID, name("name"), Field::of("type", Kind::Code(&[1, 2, 3, 4])).required()]],
    codes: Codes { missing: 24300, empty: None, invalid: Some(24302) },
    ..PLAIN
};

pub(in super::super) static INDUSTRY: Object = Object {
    name: "industry",
    first_id: 21,
    fields: &[&[
        ID.look(Look::Text),
        name("name"),
        Field::of("createdDate", Kind::Created),
        Field::of("modifiedDate", Kind::Modified).look(Look::Utc),
    ]],
    filters: FILTERS,
    ..PLAIN
};

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("account", "getIndustryList", &INDUSTRY).capped(),
    Action::list("crm", "getLeadSourceList", &LEAD_SOURCE),
    Action::list("crm", "getLeadStageList", &LEAD_STAGE),
    Action::list("crm", "getLeadTypeList", &LEAD_TYPE),
    Action::list("crm", "getLeadQualityList", &LEAD_QUALITY),
    Action::list("crm", "getLeadChannelList", &LEAD_CHANNEL),
    Action::write("crm", "addOrUpdateLeadSource", &LEAD_SOURCE),
    Action::write("crm", "addOrUpdateLeadStage", &LEAD_STAGE),
    Action::write("crm", "addOrUpdateLeadType", &LEAD_TYPE),
    Action::write("crm", "addOrUpdateLeadQuality", &LEAD_QUALITY),
    Action::write("crm", "addOrUpdateLeadChannel", &LEAD_CHANNEL),
    Action::write("crm", "addOrUpdateActivityPurpose", &ACTIVITY_PURPOSE),
];

/// What the system brings along cannot be changed through the API.
fn own_entry(_: &mut Row, before: Option<&Row>, by_user: bool, code: u32) -> Result<(), Refusal> {
    match before {
        Some(before) if before.flag("isSystem") && !by_user => {
            Err(Refusal::new(400, "The entry cannot be edited").specific(code))
        }
        _ => Ok(()),
    }
}

/// Whether an entry's list (`reasons`, `subtypes`) has one of that id.
pub(super) fn offers(entry: Option<&Row>, list: &str, id: u64) -> bool {
    entry.is_some_and(|entry| entry.items(list).iter().any(|item| item["id"] == id))
}

/// The name of one of an entry's list.
pub(super) fn label(entry: Option<&Row>, list: &str, name: &str, id: Option<u64>) -> Value {
    let found = entry.and_then(|entry| entry.items(list).iter().find(|item| item["id"].as_u64() == id));
    found.map_or(Value::Null, |item| item[name].clone())
}

pub(super) fn furnish(world: &mut World) {
    let mut add = |object, row| world.seed(object, row, long_ago());
    // 1 is the referral programme; two names differ in case and spaces alone.
    for (id, name, description) in [
        (1, "Referral Program", ""),
        (2, "Website", "<p>Enquiry form</p>"),
        (3, " Trade show ", ""),
        (4, "trade show", ""),
        (5, "Partenaires & Médias", ""),
    ] {
        let source = Row::numbered(id).with("name", name).with("description", description);
        let system = if id == 1 {
            source.with("isReferral", true).with("isSystem", true).with("defaultType", 1)
        } else {
            source
        };
        add(&LEAD_SOURCE, system);
    }
    for (id, name, reasons) in [
        (1, "New", json!([])),
        (2, "Qualified", json!([])),
        (3, "Won", json!([{"id": 31, "reason": "Price"}, {"id": 32, "reason": "Location"}])),
        (4, "Lost", json!([{"id": 41, "reason": "Budget cut"}, {"id": 42, "reason": "Rejoint un concurrent"}])),
    ] {
        let stage =
            Row::numbered(id).with("name", name).with("reasons", reasons).with("applyTo", if id < 3 { 2 } else { 1 });
        add(&LEAD_STAGE, stage.with("isSystem", id == 1));
    }
    let subtypes = json!([{"id": 11, "name": "Ceremony"}, {"id": 12, "name": "Reception"}]);
    add(&LEAD_TYPE, Row::numbered(1).with("type", "Wedding").with("subtypes", subtypes));
    add(&LEAD_TYPE, Row::numbered(2).with("type", "Conference"));
    add(&LEAD_TYPE, Row::numbered(3).with("type", "Golf Day & Dinner"));
    add(&LEAD_QUALITY, Row::numbered(1).with("label", "Hot").with("showOnDash", true));
    add(&LEAD_QUALITY, Row::numbered(2).with("label", "Cold"));
    add(&LEAD_CHANNEL, Row::numbered(1).with("name", "Direct").with("isSystem", true));
    add(&LEAD_CHANNEL, Row::numbered(2).with("name", "Agence événementielle"));
    add(&ACTIVITY_PURPOSE, Row::numbered(1).with("name", "Site inspection").with("type", 2));
    add(&INDUSTRY, Row::numbered(1).with("name", "Hospitality"));
    add(&INDUSTRY, Row::numbered(2).with("name", "製造業"));
}
