//! Leads, and the opportunities a venue makes of them (contract 9, 12, 13).

use serde_json::{Map, Value, json};

use super::super::actions::{Action, Context};
use super::super::answer::{Refusal, loose_text, plain};
use super::super::listing::Scope;
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Property, Scene};
use super::super::params::{Form, Params, whole};
use super::super::row::Row;
use super::super::world::{World, Write};
use super::super::write::{self, Prepared};
use super::choices::{label, offers};
use super::company::COMPANY;
use super::contact::CONTACT;
use super::links;
use crate::sim::ledger::By;

const HEAD: &[Field] = &[
    Field::of("id", Kind::Id),
    Field::of("name", Kind::Text(Form::Filled)).required(),
    Field::html("description"),
    Field::of("ownerUserId", Kind::Link("user")).look(Look::Absent),
    Field::shown("ownerUser", |row, world| world.linked("user", row, "ownerUserId").map_or(Value::Null, Row::person)),
    Field::of("companyId", Kind::Link("company")).look(Look::Absent),
    Field::of("companyLeadContactId", Kind::Link("contact")).look(Look::Absent),
    Field::of("contactId", Kind::Link("contact")).look(Look::Absent),
    Field::shown("contact", |row, world| world.linked("contact", row, "contactId").map_or(Value::Null, Row::person)),
    Field::shown("company", show_company),
    Field::of("currentBookingId", Kind::Whole).fixed(),
    Field::of("qualityId", Kind::Link("leadQuality")).look(Look::Text),
    Field::shown("quality", |row, world| named(row, world, "leadQuality", "qualityId", "label")),
];

const TAIL: &[Field] = &[
    Field::shown("stageName", |row, world| named(row, world, "leadStage", "stageId", "name")),
    Field::of("stageReasonId", Kind::Whole),
    Field::shown("stageReasonName", |row, world| {
        label(world.linked("leadStage", row, "stageId"), "reasons", "reason", row.whole("stageReasonId"))
    }),
    Field::of("adminStatusChangedDate", Kind::Stamp).fixed(),
    Field::of("typeId", Kind::Link("leadType")).required(),
    Field::shown("type", |row, world| named(row, world, "leadType", "typeId", "type")),
    Field::of("subtypeId", Kind::Whole),
    Field::of("sourceId", Kind::Link("leadSource")).required().look(Look::Text),
    Field::shown("sourceName", |row, world| named(row, world, "leadSource", "sourceId", "name")),
    Field::of("channelId", Kind::Link("leadChannel")),
    Field::shown("channelName", |row, world| named(row, world, "leadChannel", "channelId", "name")),
    Field::of("industryId", Kind::Link("industry")).look(Look::Absent),
    Field::of("customFields", Kind::Own(take_custom, |_, _| Value::Null)).look(Look::Absent),
    Field::shown("leadBccEmail", |row, _| json!(format!("lead-{}@bcc.ivvy.example", row.id))),
    Field::of("lostToCompetition", Kind::Flag).look(Look::Bit),
    Field::of("createdDate", Kind::Created).look(Look::Utc),
    Field::of("modifiedDate", Kind::Modified),
];

pub(in super::super) static LEAD: Object = Object {
    name: "lead",
    first_id: 7_001,
    fields: &[
        HEAD,
        &[Field::of("stageId", Kind::Link("leadStage")).required()],
        TAIL,
        &[Field::of("closedDate", Kind::Date).fixed()],
    ],
    filters: FILTERS,
    codes: Codes { missing: 24216, empty: Some(24215), invalid: Some(24218) },
    rules: |row, before, scene| rules(&LEAD, row, before, scene),
    ..PLAIN
};

pub(in super::super) static OPPORTUNITY: Object = Object {
    name: "opportunity",
    first_id: 17_001,
    fields: &[
        HEAD,
        &[Field::of("stageId", Kind::Link("leadStage"))],
        TAIL,
        &[
            Field::of("closedDate", Kind::Date),
            Field::of("venueId", Kind::Link("venue")).required(),
            Field::of("externalUrls", Kind::Own(links::take, links::show)),
        ],
    ],
    filters: FILTERS,
    codes: Codes { missing: 24222, empty: Some(24221), invalid: Some(24224) },
    rules: |row, before, scene| rules(&OPPORTUNITY, row, before, scene),
    ..PLAIN
};

/// The lists accept a filter, and no page says which.
const FILTERS: &[Property] =
    &[Property::Inferred("modifiedDate"), Property::Inferred("createdDate"), Property::Inferred("id")];

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("crm", "getLeadList", &LEAD),
    // The table of parameters says `venueIds`, the example `venueId`.
    Action::list("crm", "getOpportunityList", &OPPORTUNITY)
        .within(Scope::optional("venueId", "venue", 23016).or("venueIds")),
    Action::call("contact", "addOrUpdateLead", |params, context| add_or_update(&LEAD, params, context)).about(&LEAD),
    Action::call("venue", "addOrUpdateOpportunity", |params, context| {
        params.require(&["venueId"])?;
        add_or_update(&OPPORTUNITY, params, context)
    })
    .about(&OPPORTUNITY),
    Action::call("venue", "convertLeadToOpportunity", convert).about(&LEAD),
];

/// A lead with a contact or company given as an object: those are written first, by their own rules. If
/// anything is refused, nothing is written.
fn add_or_update(object: &'static Object, params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    let nested = |name: &str, object| {
        let given = params.object(name)?;
        given.map(|given| write::prepare(object, &given, &context)).transpose()
    };
    let company: Option<Prepared> = nested("company", &COMPANY)?;
    let contact: Option<Prepared> = nested("contact", &CONTACT)?;
    let own: Map<String, Value> = params.without(&["company", "contact"]);
    let mut lead = write::prepare(object, &Params::of_call(&own), &context)?;
    let owned = ["companyId", "contactId"].into_iter().any(|name| lead.row.whole(name).is_some());
    if !owned && company.is_none() && contact.is_none() {
        return Err(object.codes.refuse("contactId", "a lead belongs to a contact or a company"));
    }
    if let Some(company) = company {
        lead.row.set("companyId", company.commit(context.world, context.now));
    }
    if let Some(mut contact) = contact {
        if let Some(company) = lead.row.whole("companyId").filter(|id| !contact.row.holds("companies", *id)) {
            let companies = contact.row.items("companies").iter().cloned().chain([json!(company)]);
            contact.row.set("companies", companies.collect::<Value>());
        }
        lead.row.set("contactId", contact.commit(context.world, context.now));
    }
    Ok(write::written(lead.commit(context.world, context.now)))
}

/// Conditions between the fields of a lead.
fn rules(object: &Object, row: &mut Row, before: Option<&Row>, scene: &Scene<'_>) -> Result<(), Refusal> {
    if let Some(contact) = row.whole("companyLeadContactId") {
        row.set("contactId", contact);
    }
    if before.map(|before| before.get("stageId")) != Some(row.get("stageId")) {
        row.set("adminStatusChangedDate", plain(scene.now));
    }
    if scene.by_user {
        return Ok(());
    }
    let kind = scene.world.linked("leadType", row, "typeId");
    let has_subtypes = kind.is_some_and(|kind| !kind.items("subtypes").is_empty());
    match row.whole("subtypeId") {
        Some(id) if !offers(kind, "subtypes", id) => return Err(object.codes.refuse("subtypeId", "not of that type")),
        None if has_subtypes => return Err(object.codes.refuse("subtypeId", "the type has subtypes")),
        _ => {}
    }
    let stage = scene.world.linked("leadStage", row, "stageId");
    if row.whole("stageReasonId").is_some_and(|id| !offers(stage, "reasons", id)) {
        return Err(object.codes.refuse("stageReasonId", "not of that stage"));
    }
    let contact = scene.world.linked("contact", row, "contactId");
    match (contact, row.whole("companyId")) {
        (Some(contact), Some(company)) if !contact.holds("companies", company) => {
            Err(object.codes.refuse("contactId", "the contact does not belong to the company"))
        }
        _ => Ok(()),
    }
}

/// The lead becomes an opportunity of a venue, under the same id.
fn convert(params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    const NAMES: &[&str] = &["leadId", "venueId", "stageId"];
    params.require(NAMES)?;
    if context.settings.strict_params {
        params.only(NAMES)?;
    }
    let id = |name: &str| params.whole(name)?.ok_or_else(|| Refusal::required(name));
    let [lead, venue, stage] = [id("leadId")?, id("venueId")?, id("stageId")?];
    let Context { world, now, .. } = context;
    let Some(row) = world.get("lead", lead).cloned() else { return Err(Refusal::missing("lead", 24227)) };
    for (name, object, id) in [("venueId", "venue", venue), ("stageId", "leadStage", stage)] {
        if world.get(object, id).is_none() {
            return Err(Refusal::invalid(name, format!("{name}: {object} {id} does not exist")).specific(24228));
        }
    }
    let write = || Write { by: By::Api, now, fields: params.written(&["leadId"]), silent: false };
    world.delete(&LEAD, lead, write());
    world.commit(&OPPORTUNITY, row.with("venueId", venue).with("stageId", stage), write());
    Ok(json!({"success": true}))
}

/// A lead's custom fields come under another name than a contact's, and no action tells them.
fn take_custom(params: &Params<'_>, _: &Row, _: &Scene<'_>) -> Result<Option<Value>, Refusal> {
    let Some(items) = params.items("customFields")? else { return Ok(None) };
    let complete = |item: &Value| item.get("fieldId").and_then(whole).is_some() && item.get("fieldValue").is_some();
    if items.iter().all(complete) {
        Ok(Some(json!(items)))
    } else {
        Err(Refusal::invalid("customFields", "customFields: fieldId and fieldValue are required"))
    }
}

fn show_company(row: &Row, world: &World) -> Value {
    let shown = |company: &Row| {
        json!({
            "id": company.id.to_string(),
            "businessName": company.text("businessName"),
            "businessNumber": loose_text(company.text("businessNumber")),
            "phone": loose_text(company.text("phone")),
            "email": company.text("email"),
        })
    };
    world.linked("company", row, "companyId").map_or(Value::Null, shown)
}

/// The name of what a field links to.
pub(super) fn named(row: &Row, world: &World, object: &str, field: &str, name: &str) -> Value {
    world.linked(object, row, field).map_or(Value::Null, |entry| json!(entry.text(name)))
}
