//! Tasks and activities (contract 13).

use serde_json::{Value, json};

use super::super::actions::Action;
use super::super::answer::Refusal;
use super::super::listing::Scope;
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Property, Scene};
use super::super::params::Form;
use super::super::row::Row;
use super::super::world::World;
use super::lead::named;

/// The codes of an owner that is not there, and of two owners.
#[derive(Clone, Copy)]
struct Owners {
    lead: u32,
    contact: u32,
    company: u32,
    several: u32,
}

const ASSIGNED: &[Field] = &[
    Field::of("assignedUserId", Kind::Link("user")),
    Field::shown("assignedUserFullName", |row, world| {
        let name = |user: &Row| json!(format!("{} {}", user.text("firstName"), user.text("lastName")));
        world.linked("user", row, "assignedUserId").map_or(Value::Null, name)
    }),
    Field::shown("assignedUserEmail", |row, world| named(row, world, "user", "assignedUserId", "email")),
];

const HEAD: &[Field] = &[
    Field::of("id", Kind::Id),
    Field::of("venueId", Kind::Link("venue")).look(Look::Text),
    Field::of("leadId", Kind::Whole),
    Field::of("name", Kind::Text(Form::Filled)).required(),
];

const STAMPS: &[Field] =
    &[Field::of("createdDate", Kind::Created).look(Look::Utc), Field::of("modifiedDate", Kind::Modified)];

/// The lists accept a filter, and no page says which.
const FILTERS: &[Property] =
    &[Property::Inferred("modifiedDate"), Property::Inferred("createdDate"), Property::Inferred("id")];

pub(in super::super) static TASK: Object = Object {
    name: "task",
    first_id: 41_001,
    fields: &[
        HEAD,
        &[
            Field::of("bookingId", Kind::Whole).fixed(),
            Field::html("description"),
            Field::of("status", Kind::Code(&[0, 1, 2, 3, 4])).look(Look::Text),
            Field::of("contactId", Kind::Parent("contact", TASK_OWNERS.contact)),
            Field::of("companyId", Kind::Parent("company", TASK_OWNERS.company)),
            Field::shown("companyContactId", company_contact),
        ],
        ASSIGNED,
        &[
            Field::of("priority", Kind::Word(&["low", "medium", "high"])),
            Field::of("endDatetime", Kind::Stamp).required(),
            Field::of("progress", Kind::Whole).fixed(),
        ],
        STAMPS,
    ],
    filters: FILTERS,
    codes: Codes { missing: 24392, empty: None, invalid: Some(24394) },
    rules: |row, before, scene| {
        if before.is_none() {
            row.default_to("status", 0);
            row.default_to("priority", "medium");
        }
        owned(TASK.codes, TASK_OWNERS, row, scene)
    },
    ..PLAIN
};

pub(in super::super) static ACTIVITY: Object = Object {
    name: "activity",
    first_id: 51_001,
    fields: &[
        HEAD,
        &[
            Field::of("subType", Kind::Code(&[1, 2, 3])).required(),
            Field::html("description").required(),
            Field::of("purposeId", Kind::Link("activityPurpose")).look(Look::Absent),
            Field::shown("purposeName", |row, world| named(row, world, "activityPurpose", "purposeId", "name")),
            Field::shown("purposeType", |row, world| {
                world.linked("activityPurpose", row, "purposeId").map_or(Value::Null, |it| it.get("type").clone())
            }),
            Field::text("location").look(Look::OrNull),
            Field::of("contactId", Kind::Parent("contact", ACTIVITY_OWNERS.contact)),
            Field::of("companyId", Kind::Parent("company", ACTIVITY_OWNERS.company)),
            Field::shown("companyContactId", company_contact),
        ],
        ASSIGNED,
        &[
            Field::of("startDatetime", Kind::Stamp),
            Field::of("endDatetime", Kind::Stamp),
            Field::of("priority", Kind::Word(&["low", "medium", "high"])).look(Look::Absent),
        ],
        STAMPS,
    ],
    filters: FILTERS,
    codes: Codes { missing: 24400, empty: None, invalid: Some(24402) },
    rules: |row, _, scene| owned(ACTIVITY.codes, ACTIVITY_OWNERS, row, scene),
    ..PLAIN
};

const TASK_OWNERS: Owners = Owners { lead: 24389, contact: 24390, company: 24391, several: 24396 };
const ACTIVITY_OWNERS: Owners = Owners { lead: 24397, contact: 24398, company: 24399, several: 24404 };

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("crm", "getTaskList", &TASK).within(Scope::optional("venueId", "venue", 23016)),
    Action::list("crm", "getActivityList", &ACTIVITY).within(Scope::optional("venueId", "venue", 23016)),
    Action::write("crm", "addOrUpdateTask", &TASK),
    Action::write("crm", "addOrUpdateActivity", &ACTIVITY),
];

/// One owner: a lead (an opportunity where a venue is named), or a contact, a company, or both of those.
fn owned(codes: Codes, owners: Owners, row: &Row, scene: &Scene<'_>) -> Result<(), Refusal> {
    if scene.by_user {
        return Ok(());
    }
    let kind = if row.get("venueId").is_null() { "lead" } else { "opportunity" };
    let person = ["contactId", "companyId"].into_iter().any(|name| row.whole(name).is_some());
    match row.whole("leadId") {
        None if person => Ok(()),
        None => Err(codes.refuse("contactId", "a contact, a company or a lead is needed")),
        Some(_) if person => {
            Err(Refusal::new(400, "It may belong to only one of contact, company and lead").specific(owners.several))
        }
        Some(lead) if scene.world.get(kind, lead).is_none() => Err(Refusal::missing(kind, owners.lead)),
        Some(_) => Ok(()),
    }
}

/// The contact again, where it stands for a company.
fn company_contact(row: &Row, _: &World) -> Value {
    if row.get("companyId").is_null() { Value::Null } else { row.get("contactId").clone() }
}
