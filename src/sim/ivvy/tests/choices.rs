//! Staff, groups, and the lists leads choose from (contract 9, 10, 13).

use serde_json::json;

use super::*;
use crate::sim::ledger::Op;

#[tokio::test(start_paused = true)]
async fn staff_may_lack_or_share_an_address_and_cannot_be_written_10() {
    let bench = Bench::new(Settings::default());
    let staff = bench.rows("account/getUserList", json!({})).await;
    let names = ["id", "salutation", "firstName", "middleName", "lastName", "email", "phone", "phoneMobile"];
    let more = ["currentStatus", "userType", "groupId", "lastLoginDate", "createdDate", "modifiedDate"];
    let keys: Vec<&str> = staff[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, [&names[..], &more[..]].concat());
    let emails: Vec<String> = staff.iter().map(|user| user["email"].as_str().unwrap().trim().to_lowercase()).collect();
    assert!(emails.iter().any(String::is_empty));
    let shared = |email: &&String| !email.is_empty() && emails.iter().filter(|other| other == email).count() > 1;
    assert!(emails.iter().find(shared).is_some());
    assert!(staff.iter().all(|user| user["id"].is_string() && user["userType"].is_string()), "loose types");
    for unknown in ["account/addOrUpdateUser", "account/getAccountUserList", "contact/getUserList"] {
        assert_eq!(bench.refused(unknown, json!({"id": 301})).await, (404, 0), "{unknown}");
    }
    let page = json!({"perPage": 9, "start": 0, "filter": {"email": "x"}});
    assert_eq!(bench.refused("account/getUserList", page).await, (400, 23016));
}

#[tokio::test(start_paused = true)]
async fn groups_are_joined_and_left_contact_by_contact_9() {
    for group_bumps in [false, true] {
        let bench = Bench::new(Settings { group_bumps, ..Settings::default() });
        let ana = bench.add("contact", json!({"firstName": "Ana", "groups": [{"groupId": 1}]}));
        let bo = bench.add("contact", json!({"firstName": "Bo"}));
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        let body = json!({"contacts": [ana, bo, 4711], "group": 1});
        let answer = bench.ok("addContactsToSubscriptionGroup", body.clone()).await;
        let status = |ok| {
            json!([{"contactId": ana, "status": true}, {"contactId": bo, "status": true},
            {"contactId": 4711, "status": ok}])
        };
        assert_eq!(answer, status(false), "a bare array, each contact for itself");
        assert_eq!(bench.ok("getContact", json!({"id": bo})).await["groups"][0]["groupId"], 1);
        let groups = bench.ok("getSubscriptionGroupList", json!({})).await;
        assert_eq!(groups[0], json!({"id": "1", "groupName": "Newsletter", "memberCount": 2, "tagColour": "#3366cc"}));
        // Ana was a member before, so one effect.
        assert_eq!(bench.sim.ledger().count("contact", Op::Update), 1);
        assert_eq!(bench.sim.contact(bo).unwrap().modified > start(), group_bumps);
        assert_eq!(bench.ok("removeContactsFromSubscriptionGroup", body).await, status(false));
        assert_eq!(bench.ok("getSubscriptionGroupList", json!({})).await[0]["memberCount"], 0);
        assert_eq!(bench.sim.ledger().effects()[1].fields, ["groups"]);
        let wrong = json!({"contacts": [ana], "group": 99});
        assert_eq!(bench.refused("addContactsToSubscriptionGroup", wrong).await, (400, 23016));
        assert_eq!(bench.refused("addContactsToSubscriptionGroup", json!({"group": 1})).await, (400, 23017));
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_may_refuse_one_contact_until_it_no_longer_does_9() {
    let settings = Settings::default();
    let refused = settings.refused_by_group.clone();
    let bench = Bench::new(settings);
    let [ana, bo] = ["Ana", "Bo"].map(|name| bench.add("contact", json!({"firstName": name})));
    refused.lock().unwrap().insert((1, ana.to_string().parse().unwrap()));
    let body = json!({"contacts": [ana, bo], "group": 1});
    let answer = bench.ok("addContactsToSubscriptionGroup", body.clone()).await;
    assert_eq!(answer, json!([{"contactId": ana, "status": false}, {"contactId": bo, "status": true}]));
    let elsewhere = json!({"contacts": [ana], "group": 2});
    assert_eq!(bench.ok("addContactsToSubscriptionGroup", elsewhere).await[0]["status"], true);
    refused.lock().unwrap().clear();
    assert_eq!(bench.ok("addContactsToSubscriptionGroup", body).await[0]["status"], true);
}

#[tokio::test(start_paused = true)]
async fn a_parent_company_is_shown_and_no_call_sets_it_9() {
    let bench = Bench::new(Settings::default());
    let group = bench.add("company", json!({"businessName": "Group"}));
    let office = bench.add("company", json!({"businessName": "Office", "parentCompanyId": group}));
    assert_eq!(bench.ok("getCompany", json!({"id": office})).await["parentCompanyId"], json!(group));
    assert_eq!(bench.ok("getCompany", json!({"id": group})).await["parentCompanyId"], Value::Null);
    let moved = json!({"id": office, "parentCompanyId": null});
    assert_eq!(bench.refused("addOrUpdateCompany", moved).await, (400, 23016));
}

#[tokio::test(start_paused = true)]
async fn lead_sources_are_added_and_changed_but_not_the_systems_own_13() {
    let bench = Bench::new(Settings::default());
    let added = bench.ok("crm/addOrUpdateLeadSource", json!({"name": "Messe Köln", "cost": "120.50"})).await;
    let id = added["id"].as_u64().unwrap();
    bench.ok("crm/addOrUpdateLeadSource", json!({"id": id, "name": "Messe", "isReferral": 1})).await;
    let sources = bench.rows("crm/getLeadSourceList", json!({})).await;
    let own =
        json!({"id": id, "name": "Messe", "description": "", "cost": 120.5, "isReferral": 1, "defaultType": null});
    assert_eq!(sources.last(), Some(&own));
    assert_eq!(sources[0]["name"], "Referral Program");
    let add = "crm/addOrUpdateLeadSource";
    assert_eq!(bench.refused(add, json!({"cost": 5})).await, (400, 23017));
    assert_eq!(bench.refused(add, json!({"id": 4711, "name": "x"})).await, (400, 24325));
    assert_eq!(bench.refused(add, json!({"id": 1, "name": "Mine"})).await, (400, 24326));
    assert_eq!(bench.refused(add, json!({"name": "x", "shape": "round"})).await, (400, 23016));
    assert_eq!(bench.sim.ledger().count("leadSource", Op::Create), 1);
    assert_eq!(bench.sim.ledger().count("leadSource", Op::Update), 1);
    bench.sim.edit(&Edit::update("leadSource", 1, json!({"name": "Empfehlung"}))).unwrap();
    assert_eq!(bench.rows("crm/getLeadSourceList", json!({})).await[0]["name"], "Empfehlung");
}

#[tokio::test(start_paused = true)]
async fn stages_types_qualities_channels_and_industries_have_their_shapes_and_codes_13() {
    let bench = Bench::new(Settings::default());
    let stages = bench.rows("crm/getLeadStageList", json!({})).await;
    assert_eq!(
        stages[2],
        json!({"id": 3, "name": "Won", "reasons":
        [{"id": 31, "reason": "Price"}, {"id": 32, "reason": "Location"}]})
    );
    let types = bench.rows("crm/getLeadTypeList", json!({})).await;
    assert_eq!(types[0]["subtypes"], json!([{"id": 11, "name": "Ceremony"}, {"id": 12, "name": "Reception"}]));
    assert_eq!((&types[1]["type"], &types[1]["subtypes"]), (&json!("Conference"), &json!([])));
    let qualities = bench.rows("crm/getLeadQualityList", json!({})).await;
    assert_eq!(qualities[0], json!({"id": 1, "label": "Hot", "showOnDash": 1}));
    assert_eq!(bench.rows("crm/getLeadChannelList", json!({})).await[0], json!({"id": 1, "name": "Direct"}));
    assert_eq!(bench.rows("account/getIndustryList", json!({})).await[1]["name"], "製造業");
    for (action, wrong, code) in [
        ("crm/addOrUpdateLeadStage", json!({"id": 1, "name": "x"}), 24321),
        ("crm/addOrUpdateLeadStage", json!({"id": 99, "name": "x"}), 24320),
        ("crm/addOrUpdateLeadChannel", json!({"id": 1, "name": "x"}), 24377),
        ("crm/addOrUpdateLeadChannel", json!({"id": 99, "name": "x"}), 24376),
        ("crm/addOrUpdateLeadType", json!({"id": 99, "type": "x"}), 24381),
        ("crm/addOrUpdateLeadQuality", json!({"id": 99, "label": "x"}), 24304),
        ("crm/addOrUpdateActivityPurpose", json!({"id": 99, "name": "x"}), 24300),
        ("crm/addOrUpdateActivityPurpose", json!({"name": "x", "type": 5}), 23016),
    ] {
        assert_eq!(bench.refused(action, wrong).await, (400, code), "{action}");
    }
    assert!(bench.sim.ledger().is_empty());
    bench.ok("crm/addOrUpdateLeadQuality", json!({"label": "Lauwarm", "showOnDash": true})).await;
    assert_eq!(bench.sim.ledger().count("leadQuality", Op::Create), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_not_told_a_page_size_names_none_7() {
    let bench = Bench::new(Settings::default());
    let page = bench.ok("crm/getLeadChannelList", json!({})).await;
    assert_eq!(page["meta"], json!({"totalResults": 2, "start": 0, "perPage": null, "count": 2}));
}

#[tokio::test(start_paused = true)]
async fn companies_name_their_managers_and_industry_9() {
    let bench = Bench::new(Settings::default());
    let add = json!({"businessName": "Nakatomi", "primaryAccountManagerId": 303, "industryId": 2});
    let id = bench.ok("addOrUpdateCompany", add).await["id"].as_u64().unwrap();
    let company = bench.rows("getCompanyList", json!({})).await.remove(0);
    let sakura =
        json!({"id": "303", "firstName": "さくら", "lastName": "山田", "email": "sakura.yamada@venue.example"});
    assert_eq!(company["primaryAccountManager"], sakura);
    assert_eq!((&company["secondaryAccountManager"], &company["industry"]["name"]), (&Value::Null, &json!("製造業")));
    for wrong in [json!({"id": id, "industryId": 99}), json!({"id": id, "secondaryAccountManagerId": 1})] {
        assert_eq!(bench.refused("addOrUpdateCompany", wrong).await, (400, 23016));
    }
}
