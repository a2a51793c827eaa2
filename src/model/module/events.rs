//! Events: iVvy `event/getEventList` → CRM campaigns (V-50 to V-52, `contracts/ivvy.md` 11).
//!
//! Drafts stay in iVvy until they are launched.

use super::{Facts, FieldDef, FieldKind, Group, IVVY_KEY, Side};

pub(super) const FACTS: Facts = Facts {
    titled_by: &["name"],
    only: &[("status", &["closed", "launched"])],
    ..Facts::one_way(
        "Events",
        "event",
        Group::Events,
        fields,
        "events are made in iVvy and only shown as campaigns in the CRM",
    )
};

fn fields() -> Vec<FieldDef> {
    vec![
        FieldDef::to_crm("name", "Title", FieldKind::Text).required_on(Side::Crm),
        FieldDef::to_crm("code", "Code", FieldKind::Text),
        // draft, closed, launched; `status 9` for a number we do not know.
        FieldDef::to_crm("status", "Status", FieldKind::Choice),
        FieldDef::to_crm("starts_at", "Starts", FieldKind::DateTime),
        FieldDef::to_crm("ends_at", "Ends", FieldKind::DateTime),
        FieldDef::to_crm("website", "Website", FieldKind::Url),
        FieldDef::to_crm(IVVY_KEY, "iVvy key", FieldKind::ConstantId),
    ]
}
