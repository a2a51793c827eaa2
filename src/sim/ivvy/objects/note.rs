//! Notes on contacts, companies, leads and opportunities (contract 9, 13). Their text is HTML; their two
//! stamps differ in form.

use super::super::actions::Action;
use super::super::listing::Scope;
use super::super::object::{Codes, Field, Kind, Look, Object, PLAIN, Rules};
use super::user::API_USER;

const STAMPS: &[Field] = &[
    Field::of("createdByUserId", Kind::Whole).fixed(),
    Field::of("createdDate", Kind::Created).look(Look::Utc),
    Field::of("modifiedDate", Kind::Modified),
];

const SIGNED: Rules = |row, before, scene| {
    if before.is_none() && !scene.by_user {
        row.set("createdByUserId", API_USER);
    }
    Ok(())
};

pub(in super::super) static CONTACT_NOTE: Object = Object {
    name: "contactNote",
    first_id: 61_001,
    fields: &[
        &[
            Field::of("id", Kind::Id),
            Field::of("contactId", Kind::Parent("contact", 24096)).required(),
            Field::html("noteText").required(),
        ],
        STAMPS,
    ],
    rules: SIGNED,
    ..PLAIN
};

pub(in super::super) static COMPANY_NOTE: Object = Object {
    name: "companyNote",
    first_id: 62_001,
    fields: &[
        &[
            Field::of("id", Kind::Id),
            Field::of("companyId", Kind::Parent("company", 24153)).required(),
            Field::html("noteText").required(),
        ],
        STAMPS,
    ],
    rules: SIGNED,
    ..PLAIN
};

pub(in super::super) static LEAD_NOTE: Object = Object {
    name: "leadNote",
    first_id: 63_001,
    fields: &[
        &[
            Field::of("id", Kind::Id),
            Field::of("leadId", Kind::Parent("lead", 24441)).required().look(Look::Text),
            Field::html("note").required(),
        ],
        STAMPS,
    ],
    codes: Codes { missing: 24434, empty: None, invalid: Some(24436) },
    rules: SIGNED,
    ..PLAIN
};

pub(in super::super) static OPPORTUNITY_NOTE: Object = Object {
    name: "opportunityNote",
    first_id: 64_001,
    fields: &[
        &[
            Field::of("id", Kind::Id),
            Field::of("venueId", Kind::Parent("venue", 24438)).required().look(Look::Absent),
            Field::of("leadId", Kind::Parent("opportunity", 24441)).required().look(Look::Text),
            Field::html("note").required(),
        ],
        STAMPS,
    ],
    codes: Codes { missing: 24434, empty: None, invalid: Some(24436) },
    rules: SIGNED,
    ..PLAIN
};

pub(in super::super) const ACTIONS: &[Action] = &[
    Action::list("contact", "getContactNoteList", &CONTACT_NOTE).within(Scope::needed("contactId", "contact", 24096)),
    Action::list("contact", "getCompanyNoteList", &COMPANY_NOTE).within(Scope::needed("companyId", "company", 24153)),
    Action::list("crm", "getLeadNoteList", &LEAD_NOTE).within(Scope::needed("leadId", "lead", 24441)),
    Action::list("crm", "getOpportunityNoteList", &OPPORTUNITY_NOTE)
        .requiring(&["venueId"])
        .taking(&["venueId"])
        .within(Scope::needed("leadId", "opportunity", 24441)),
    Action::write("contact", "addOrUpdateContactNote", &CONTACT_NOTE),
    Action::write("contact", "addOrUpdateCompanyNote", &COMPANY_NOTE),
    Action::write("crm", "addOrUpdateLeadNote", &LEAD_NOTE),
    Action::write("venue", "addOrUpdateOpportunityNote", &OPPORTUNITY_NOTE),
];
