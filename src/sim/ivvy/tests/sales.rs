//! Leads, opportunities, tasks, activities, notes (contract 9, 12, 13) and the email log (10).

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::sim::ivvy::{Filtering, Order};
use crate::sim::ledger::Op;

/// A lead that is accepted, for contact `contact`.
fn lead(contact: u64) -> Value {
    json!({"name": "Hochzeit Łukasz", "sourceId": 2, "typeId": 1, "subtypeId": "11", "stageId": 1, "contactId": contact})
}

/// `base` with `more` over it.
fn and(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

fn office() -> (Bench, u64, u64) {
    let bench = Bench::new(Settings::default());
    let company = bench.add("company", json!({"businessName": "Ünlü A.Ş.", "businessNumber": "123"}));
    let contact = bench.add(
        "contact",
        json!({"firstName": "Zoë", "lastName": "Łukasz", "email": "z@b.co",
        "companies": [company], "phone": "0123"}),
    );
    (bench, contact, company)
}

#[tokio::test(start_paused = true)]
async fn a_lead_is_added_in_one_namespace_and_listed_in_another_9_13() {
    let (bench, contact, company) = office();
    let add = and(
        lead(contact),
        json!({"companyId": company, "ownerUserId": 301, "qualityId": 1,
        "customFields": [{"fieldId": 9, "fieldValue": "x"}]}),
    );
    let id = bench.ok("contact/addOrUpdateLead", add).await["id"].as_u64().unwrap();
    tokio::time::advance(Duration::from_millis(3400)).await;
    bench
        .ok("contact/addOrUpdateLead", json!({"id": id, "description": "<p>x</p>", "stageId": 4, "stageReasonId": 41}))
        .await;
    let row = bench.rows("crm/getLeadList", json!({})).await.remove(0);
    assert_eq!(
        row["contact"],
        json!({"id": contact.to_string(), "firstName": "Zoë", "lastName": "Łukasz",
        "email": "z@b.co", "phone": "0123"})
    );
    assert_eq!(row["company"]["businessName"], "Ünlü A.Ş.");
    assert_eq!(row["company"]["businessNumber"], 123, "digits as a number");
    assert_eq!(row["ownerUser"]["email"], "siobhan.obrien@venue.example");
    assert_eq!((&row["quality"], &row["qualityId"]), (&json!("Hot"), &json!("1")));
    assert_eq!((&row["stageName"], &row["stageReasonName"]), (&json!("Lost"), &json!("Budget cut")));
    assert_eq!(
        (&row["type"], &row["subtypeId"], &row["sourceName"]),
        (&json!("Wedding"), &json!(11), &json!("Website"))
    );
    assert_eq!(row["createdDate"], "2024-03-11 00:00:45 UTC");
    assert_eq!(row["modifiedDate"], "2024-03-11 00:00:48", "whole seconds, no suffix");
    assert_eq!(row["closedDate"], "");
    assert_eq!(bench.refused("crm/addOrUpdateLead", lead(contact)).await, (404, 0), "not this namespace");
    let effects = bench.sim.ledger().effects();
    assert_eq!((effects[0].op, effects[1].op), (Op::Create, Op::Update));
    assert_eq!(effects[1].fields, ["description", "stageId", "stageReasonId"]);
}

#[tokio::test(start_paused = true)]
async fn a_lead_brings_its_contact_and_company_or_nothing_9() {
    let (bench, contact, _) = office();
    let person = json!({"firstName": "Ana", "lastName": "Guð", "email": "ana@example.is"});
    let mut add = lead(contact);
    add.as_object_mut().unwrap().remove("contactId");
    let both = and(add.clone(), json!({"contact": person, "company": {"businessName": "Nová s.r.o."}}));
    bench.ok("contact/addOrUpdateLead", both.clone()).await;
    let row = bench.rows("crm/getLeadList", json!({})).await.remove(0);
    assert_eq!((&row["contact"]["firstName"], &row["company"]["businessName"]), (&json!("Ana"), &json!("Nová s.r.o.")));
    let linked = bench.sim.contacts().into_iter().find(|contact| contact.first_name == "Ana").unwrap();
    let company = bench.sim.companies().into_iter().find(|company| company.business_name == "Nová s.r.o.").unwrap();
    assert_eq!(linked.companies, [company.id], "the contact is linked to the company");
    let objects: Vec<String> = bench.sim.ledger().effects().into_iter().map(|effect| effect.object).collect();
    assert_eq!(objects, ["company", "contact", "lead"]);
    // The same people again are refused politely, and taken where that is asked for.
    let again = bench.ok("contact/addOrUpdateLead", both).await;
    assert_eq!(again["success"], false);
    assert_eq!(bench.sim.ledger().len(), 3, "nothing is written when anything is refused");
    let known = and(add.clone(), json!({"contact": and(person, json!({"updateIfExists": true}))}));
    bench.ok("contact/addOrUpdateLead", known).await;
    assert_eq!(bench.sim.ledger().count("contact", Op::Create), 1);
    assert_eq!(
        bench.refused("contact/addOrUpdateLead", and(add, json!({"contact": {"firstName": "A"}}))).await,
        (400, 23017)
    );
}

#[tokio::test(start_paused = true)]
async fn leads_are_refused_with_their_own_codes_6() {
    let (bench, contact, company) = office();
    let stranger = bench.add("contact", json!({"firstName": "S"}));
    let id = bench.add("lead", lead(contact));
    let add = "contact/addOrUpdateLead";
    for (wrong, code) in [
        (json!({}), 23017),
        (json!({"name": "x", "sourceId": 2, "typeId": 1}), 23017),
        (json!({"id": id}), 24215),
        (json!({"id": 4711, "name": "x", "typeId": 2, "contactId": contact}), 24216),
        (and(lead(contact), json!({"sourceId": 99})), 24218),
        (and(lead(contact), json!({"stageId": 99})), 24218),
        (and(lead(contact), json!({"subtypeId": null})), 24218),
        (and(lead(contact), json!({"subtypeId": 31})), 24218),
        (and(lead(contact), json!({"stageReasonId": 41})), 24218),
        (and(lead(contact), json!({"ownerUserId": 1})), 24218),
        (lead(4711), 24218),
        (and(lead(contact), json!({"contactId": null})), 24218),
        (and(lead(stranger), json!({"companyId": company})), 24218),
        (and(lead(contact), json!({"typeId": "wedding"})), 23016),
        (and(lead(contact), json!({"modifiedDate": "2024-01-01 00:00:00"})), 23016),
    ] {
        assert_eq!(bench.refused(add, wrong.clone()).await, (400, code), "{wrong}");
    }
    let answer = bench.act(add, and(lead(contact), json!({"stageId": 99}))).await.1;
    assert_eq!(answer["additionalMessages"], json!(["stageId: leadStage 99 does not exist"]), "field: text");
    assert!(bench.sim.ledger().is_empty());
}

#[tokio::test(start_paused = true)]
async fn opportunities_belong_to_a_venue_and_leads_become_them_12() {
    let (bench, contact, _) = office();
    let add = json!({"venueId": 2, "name": "Kolacja", "sourceId": 2, "typeId": 2, "contactId": contact,
        "externalUrls": [{"ref": "crm", "url": "https://crm.example/1", "label": "CRM"}]});
    let id = bench.ok("venue/addOrUpdateOpportunity", add.clone()).await["id"].clone();
    let row = bench.rows("crm/getOpportunityList", json!({})).await.remove(0);
    assert_eq!((&row["venueId"], &row["externalUrls"][0]["ref"]), (&json!(2), &json!("crm")));
    for (scope, count) in [
        (json!({"venueIds": [1, 2]}), 1),
        (json!({"venueId": [1, 2]}), 1),
        (json!({"venueId": 2}), 1),
        (json!({"venueId": 1}), 0),
    ] {
        assert_eq!(bench.rows("crm/getOpportunityList", scope.clone()).await.len(), count, "{scope}");
    }
    let lead = bench.add("lead", lead(contact));
    let convert = json!({"leadId": lead, "venueId": 1, "stageId": 2});
    assert_eq!(bench.ok("venue/convertLeadToOpportunity", convert.clone()).await, json!({"success": true}));
    assert!(bench.rows("crm/getLeadList", json!({})).await.is_empty());
    let rows = bench.rows("crm/getOpportunityList", json!({"venueId": 1})).await;
    assert_eq!((&rows[0]["id"], &rows[0]["stageId"]), (&json!(lead), &json!(2)));
    for (action, wrong, code) in [
        ("convertLeadToOpportunity", convert.clone(), 24227),
        ("convertLeadToOpportunity", json!({"leadId": lead, "venueId": 1}), 23017),
        ("addOrUpdateOpportunity", json!({"id": id, "name": "x"}), 23017),
        ("addOrUpdateOpportunity", json!({"id": 4711, "venueId": 2, "typeId": 2}), 24222),
        ("addOrUpdateOpportunity", and(add, json!({"venueId": 99})), 24224),
    ] {
        assert_eq!(bench.refused(&format!("venue/{action}"), wrong.clone()).await, (400, code), "{action} {wrong}");
    }
    let next = bench.add("lead", json!({"name": "n"}));
    let wrong = json!({"leadId": next, "venueId": 99, "stageId": 2});
    assert_eq!(bench.refused("venue/convertLeadToOpportunity", wrong).await, (400, 24228));
}

#[tokio::test(start_paused = true)]
async fn tasks_and_activities_have_one_owner_13() {
    let (bench, contact, company) = office();
    let lead = bench.add("lead", lead(contact));
    let sale = bench.add("opportunity", json!({"name": "o", "venueId": 1}));
    let task = json!({"name": "Zurückrufen", "endDatetime": "2024-04-01 09:00:00 UTC", "assignedUserId": 302});
    let meet = json!({"name": "Besuch", "description": "<p>x</p>", "subType": 1, "purposeId": 1,
        "startDatetime": "2024-04-01 09:00:00"});
    for (kind, base, codes) in [
        ("Task", &task, [24389, 24390, 24391, 24392, 24394, 24396]),
        ("Activity", &meet, [24397, 24398, 24399, 24400, 24402, 24404]),
    ] {
        let action = format!("crm/addOrUpdate{kind}");
        let [no_lead, no_contact, no_company, none, invalid, several] = codes;
        for owner in [
            json!({"leadId": lead}),
            json!({"leadId": sale, "venueId": 1}),
            json!({"contactId": contact}),
            json!({"companyId": company}),
            json!({"companyId": company, "contactId": contact}),
        ] {
            bench.ok(&action, and(base.clone(), owner)).await;
        }
        for (wrong, code) in [
            (json!({"leadId": sale}), no_lead),
            (json!({"leadId": lead, "venueId": 1}), no_lead),
            (json!({"contactId": 4711}), no_contact),
            (json!({"companyId": 4711}), no_company),
            (json!({"id": 4711, "contactId": contact}), none),
            (json!({}), invalid),
            (json!({"contactId": contact, "assignedUserId": 1}), invalid),
            (json!({"contactId": contact, "leadId": lead}), several),
            (json!({"contactId": contact, "name": ""}), 23017),
            (json!({"contactId": contact, "priority": "urgent"}), 23016),
        ] {
            assert_eq!(bench.refused(&action, and(base.clone(), wrong.clone())).await, (400, code), "{kind} {wrong}");
        }
    }
    let tasks = bench.rows("crm/getTaskList", json!({})).await;
    assert_eq!((tasks.len(), &tasks[0]["status"], &tasks[0]["priority"]), (5, &json!("0"), &json!("medium")));
    assert_eq!(tasks[0]["assignedUserFullName"], "Łukasz Wiśniewski");
    assert_eq!(tasks[0]["endDatetime"], "2024-04-01 09:00:00");
    assert_eq!(tasks[4]["companyContactId"], contact);
    let activities = bench.rows("crm/getActivityList", json!({"venueId": 1})).await;
    assert_eq!(
        (activities.len(), &activities[0]["purposeName"], &activities[0]["purposeType"]),
        (1, &json!("Site inspection"), &json!(2))
    );
    bench.ok("crm/addOrUpdateTask", json!({"id": tasks[0]["id"], "status": 4})).await;
    assert_eq!(bench.rows("crm/getTaskList", json!({})).await[0]["status"], "4");
}

#[tokio::test(start_paused = true)]
async fn notes_are_html_under_their_parent_with_both_forms_of_stamps_4_9() {
    let (bench, contact, company) = office();
    let lead = bench.add("lead", lead(contact));
    let sale = bench.add("opportunity", json!({"name": "o", "venueId": 1}));
    for (list, write, parent, text, missing) in [
        (
            "contact/getContactNoteList",
            "contact/addOrUpdateContactNote",
            json!({"contactId": contact}),
            "noteText",
            24096,
        ),
        (
            "contact/getCompanyNoteList",
            "contact/addOrUpdateCompanyNote",
            json!({"companyId": company}),
            "noteText",
            24153,
        ),
        ("crm/getLeadNoteList", "crm/addOrUpdateLeadNote", json!({"leadId": lead}), "note", 24441),
        (
            "crm/getOpportunityNoteList",
            "venue/addOrUpdateOpportunityNote",
            json!({"venueId": 1, "leadId": sale}),
            "note",
            24441,
        ),
    ] {
        let body = format!("<div>{}</div>", "ż".repeat(4000));
        let id = bench.ok(write, and(parent.clone(), json!({text: body}))).await["id"].as_u64().unwrap();
        let notes = bench.rows(list, parent.clone()).await;
        assert_eq!((notes.len(), &notes[0][text]), (1, &json!(body)), "{list}");
        assert_eq!(notes[0]["createdByUserId"], 305, "the user behind the key");
        assert_eq!(notes[0]["createdDate"], "2024-03-11 00:00:45 UTC");
        assert_eq!(notes[0]["modifiedDate"], "2024-03-11 00:00:45");
        bench.ok(write, json!({"id": id, text: "<p>neu</p>"})).await;
        assert_eq!(bench.rows(list, parent.clone()).await[0][text], "<p>neu</p>");
        let mut strange = parent.clone();
        let owner = parent.as_object().unwrap().keys().next_back().unwrap();
        strange[owner] = json!(4711);
        assert_eq!(bench.refused(list, strange.clone()).await, (400, missing), "{list}");
        assert_eq!(bench.refused(write, and(strange, json!({text: "x"}))).await, (400, missing), "{write}");
        assert_eq!(bench.refused(list, json!({})).await, (400, 23017));
        assert_eq!(bench.refused(write, parent).await, (400, 23017));
    }
    for (action, wrong, code) in [
        ("crm/addOrUpdateLeadNote", json!({"id": 1, "note": "x"}), 24434),
        ("venue/addOrUpdateOpportunityNote", json!({"venueId": 99, "leadId": sale, "note": "x"}), 24438),
    ] {
        assert_eq!(bench.refused(action, wrong).await, (400, code), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_email_log_is_read_only_and_carries_any_body_10() {
    let (bench, contact, _) = office();
    bench.add(
        "email",
        json!({"contactId": contact, "type": 28, "refType": 1, "subject": "Grüße", "body": "<p>é</p>",
        "sentTime": "2024-03-01 10:00:00", "success": true}),
    );
    bench.add("email", json!({"type": 424_242, "to": "x@y.example", "sentTime": "2024-03-02 10:00:00"}));
    let log = bench.rows("account/getEmailLogList", json!({})).await;
    assert_eq!(log[0]["contactId"], contact.to_string());
    assert_eq!((&log[0]["body"], &log[0]["success"]), (&json!("<p>é</p>"), &json!(1)));
    assert_eq!(log[0]["sentTime"], "2024-03-01 10:00:00 UTC");
    assert_eq!((&log[1]["contactId"], &log[1]["type"], &log[1]["success"]), (&Value::Null, &json!(424_242), &json!(0)));
    assert!(log[0].get("modifiedDate").is_none());
    let order = Edit::create("email", json!({"subject": "Katalog", "bodyBytes": 5_000_000}));
    bench.sim.edit(&order).unwrap();
    let log = bench.rows("account/getEmailLogList", json!({"start": 2})).await;
    let body = log[0]["body"].as_str().unwrap();
    assert!(body.len() == 5_000_000 && body.starts_with("<html>") && body.ends_with("</html>"));
    assert_eq!(bench.refused("account/addOrUpdateEmailLog", json!({"subject": "x"})).await, (404, 0));
    assert_eq!(bench.sim.ledger().count("email", Op::Create), 0, "an edit is not the API's");
}

#[tokio::test(start_paused = true)]
async fn filters_no_page_documents_follow_their_knob_7() {
    for knob in [Filtering::Reject, Filtering::Ignore, Filtering::Honour] {
        let bench = Bench::new(Settings { inferred_filters: knob, ..Settings::default() });
        for (id, day) in [(1, 10), (2, 11), (3, 12)] {
            let at = format!("2024-03-{day} 00:00:00");
            bench.add("lead", json!({"id": id, "name": "l", "modifiedDate": at}));
            bench.add("email", json!({"id": id, "sentTime": at}));
        }
        for (action, filter) in [
            ("crm/getLeadList", json!({"modifiedDate__GREATERTHAN": "2024-03-11 00:00:00 UTC"})),
            ("account/getEmailLogList", json!({"sentTime__GREATERTHAN": "2024-03-11 00:00:00"})),
            ("account/getEmailLogList", json!({"id__GREATERTHAN": 2})),
        ] {
            let query = json!({"perPage": 9, "start": 0, "filter": filter});
            let (status, page) = bench.act(action, query).await;
            match knob {
                Filtering::Reject => assert_eq!(codes(&(status, page)), (400, 23016)),
                Filtering::Ignore => assert_eq!(page["meta"]["totalResults"], 3),
                Filtering::Honour => assert_eq!(page["meta"]["totalResults"], 2, "from and including"),
            }
        }
        let never = json!({"filter": {"shoeSize": 9}});
        assert_eq!(bench.refused("crm/getLeadList", never).await, (400, 23016), "no knob makes one up");
    }
}

#[tokio::test(start_paused = true)]
async fn modifiers_mean_what_the_filter_page_says_7() {
    let bench = Bench::new(Settings { order: Order::Id, ..Settings::default() });
    for (code, status) in [("AX1", 1), ("BX2", 3), ("", 4)] {
        bench.add("booking", json!({"venueId": 1, "code": code, "currentStatus": status}));
    }
    for (filter, codes) in [
        (json!({"code": "AX1"}), vec!["AX1"]),
        (json!({"code__NOT": "AX1"}), vec!["BX2", ""]),
        (json!({"code__CONTAINS": "X"}), vec!["AX1", "BX2"]),
        (json!({"code__NOTCONTAINS": "X"}), vec![""]),
        (json!({"code__BEGINS": "B"}), vec!["BX2"]),
        (json!({"code__ENDS": "1"}), vec!["AX1"]),
        (json!({"code__EMPTY": 1}), vec![""]),
        (json!({"code__EMPTY": 0}), vec!["AX1", "BX2"]),
        (json!({"code": "__ISNULL__"}), vec![""]),
        (json!({"code__LESSTHAN": "AX1", "code__NOT": ""}), vec!["AX1"]),
    ] {
        let rows = bench.rows("venue/getBookingListForAccount", json!({"filter": filter})).await;
        let found: Vec<&str> = rows.iter().map(|row| row["code"].as_str().unwrap()).collect();
        assert_eq!(found, codes, "{filter}");
    }
    let wrong = json!({"perPage": 9, "filter": {"code__LIKE": "A"}});
    assert_eq!(bench.refused("venue/getBookingListForAccount", wrong).await, (400, 23016));
}
