//! The receive direction: the hub calls our facade, as a hub does.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use tandem::model::{MatchKind, MatchState, ModuleId, Side};
use tandem::sim::connector::{Found, Lead, Resource};
use tandem::sim::control::Edit;
use tandem::store::Reads as _;
use tandem::sync::MatchMode;

use super::{Club, PASSWORD, agreed, enter, user};

fn receives() -> Json {
    agreed("receive", json!({}))
}

fn prospect(name: &str) -> Lead {
    Lead::prospect(&format!("GUID-{name}"), name, "Prospect").with("email", &format!("{name}@hub.example"))
}

/// C-05: an account that only receives never calls the hub, whatever happens on our side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_only_receives_never_calls_the_hub_c05() {
    let club = Club::open(receives(), |ivvy, _| {
        enter(ivvy, "contact", json!({"firstName": "Ada", "lastName": "Ours", "email": "ada@ivvy.example"}));
    })
    .await;
    club.hub().save_prospect(&prospect("Mia")).await.unwrap();
    let id = club.hub().save_member(&prospect("Noa").as_member()).await.unwrap();
    club.drain().await;
    assert_eq!((club.ivvy_leads().len(), club.contacts_of("Noa")), (1, 1));
    // Edits of ours go nowhere, and nobody is asked about them; the hub's go on.
    let noa = club.ivvy.contacts().into_iter().find(|contact| contact.first_name == "Noa").unwrap();
    assert_eq!(noa.external_id, id, "V-13");
    club.ivvy.edit(&Edit::update("contact", noa.id, json!({"phone": "+41 44 555 02 02"}))).unwrap();
    club.ivvy.edit(&Edit::update("lead", club.lead_of("Mia")["id"].clone(), json!({"description": "a barn"}))).unwrap();
    club.drain().await;
    club.hub().save_member(&Lead { last_name: "Married".into(), ..prospect("Noa").as_member() }).await.unwrap();
    club.drain().await;
    assert_eq!(club.ivvy.contact(noa.id).unwrap().last_name, "Married");
    let remotes = club.engine.remotes();
    let adapter = remotes.on(Side::Crm, tandem::remote::Lane::Live);
    adapter.probe().await.unwrap();
    let refused = adapter.create(ModuleId::Leads, "lead-1", &tandem::model::Fields::new()).await.unwrap_err();
    assert_eq!(refused.sent, tandem::remote::Sent::No);
    assert_eq!(club.sim.calls(), [], "not one call");
    assert_eq!(club.sim.ledger().len(), 0);
    club.nothing_open();
    club.end().await;
}

/// P-02: the same save twice is one person under one id, also for separate create and update calls, and over a
/// restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_is_answered_with_our_id_and_twice_is_once_p01_p02() {
    let mut club = Club::open(receives(), |_, _| {}).await;
    let mia = prospect("Mia");
    let id = club.hub().save_prospect(&mia).await.unwrap();
    for _ in 0..2 {
        assert_eq!(club.hub().replay().await.unwrap(), id);
    }
    let saves = futures::future::join_all((0..10).map(|_| club.hub().save_prospect(&mia))).await;
    assert!(saves.into_iter().all(|saved| saved.unwrap() == id));
    club.drain().await;
    assert_eq!((club.made_in_ivvy("lead").len(), club.ivvy_leads().len()), (1, 1));
    let state = club.people_stream();
    assert_eq!((state.payloads, state.repeated, state.refused), (13, 12, 0));

    assert_eq!(club.hub().create_prospect(&mia).await.unwrap(), id, "the answer was lost: the same again is the same");
    let corrected = Lead { rest: vec![("mobile".into(), "078".into())], ..mia.clone() };
    assert_eq!(club.hub().create_prospect(&corrected).await.unwrap(), id, "and what it corrected meanwhile is a save");
    let nobody = club.hub().update_prospect(&prospect("Nobody")).await.unwrap_err();
    assert_eq!(nobody.status(), Some(404));
    assert_eq!(club.hub().create_member(&prospect("Ben").as_member()).await.unwrap(), {
        club.hub().update_member(&prospect("Ben").as_member().with("mobile", "079")).await.unwrap()
    });
    club.restart().await;
    assert_eq!(club.hub().save_prospect(&mia).await.unwrap(), id);
    club.drain().await;
    assert_eq!((club.ivvy_leads().len(), club.contacts_of("Ben")), (1, 1));
    club.nothing_open();
    club.end().await;
}

/// docs/CONNECTOR.md: each example is called as it stands there, and answered as it stands there. Ids are our own to
/// choose; one that was answered is used where the page uses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_calls_are_answered_as_documented_p01_p12() {
    let club = Club::open(receives(), |ivvy, _| {
        user(ivvy, "Ada", "ada@club.example");
    })
    .await;
    let client = reqwest::Client::new();
    let page = include_str!("../../../docs/CONNECTOR.md");
    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).collect();
    let squash = |text: &str| text.lines().map(str::trim).collect::<String>();
    let between = |text: &str, element: &str| {
        let (_, rest) = text.split_once(&format!("<{element}>"))?;
        Some(rest.split_once("</")?.0.to_owned())
    };
    let mut ids: Vec<(String, String)> = Vec::new();
    let mut called = 0;
    for (at, call) in blocks.iter().enumerate().filter_map(|(at, block)| Some((at, block.strip_prefix("http\n")?))) {
        let call = ids.iter().fold(call.to_owned(), |call, (ours, theirs)| call.replace(ours, theirs));
        let (line, body) = call.split_once('\n').unwrap();
        let (verb, path) = line.split_once(' ').unwrap();
        let request = client.request(verb.parse().unwrap(), format!("{}{path}", club.url));
        let answer = request.basic_auth("hub", Some(PASSWORD)).body(body.trim().to_owned()).send().await.unwrap();
        let (status, answer) = (answer.status().as_u16(), answer.text().await.unwrap());
        let answer = squash(answer.split_once("?>").expect("a declaration").1);
        let mut expected = squash(blocks[at + 1].strip_prefix("xml\n").expect("an answer follows"));
        // An id that was answered before is the same now.
        expected = ids.iter().fold(expected, |text, (ours, theirs)| text.replace(ours, theirs));
        for element in ["id", "errorUUID"] {
            let new = |ours: &String| ids.iter().all(|(_, theirs)| theirs != ours);
            if let (Some(ours), Some(theirs)) = (between(&expected, element).filter(new), between(&answer, element)) {
                expected = expected.replace(&ours, &theirs);
                ids.push((ours, theirs));
            }
        }
        assert_eq!(answer, expected, "{line}");
        assert_eq!(status, if expected.starts_with("<error>") { 400 } else { 200 }, "{line}");
        called += 1;
    }
    assert_eq!(called, 6, "every example was found");
    let known = |ours: &str| ids.iter().find(|(known, _)| known == ours).map(|(_, theirs)| theirs.clone()).unwrap();
    assert_eq!(club.kept(ModuleId::Contacts, &known("c-7d1f")).value("userType"), "MEMBER");
    assert!(!club.row(MatchKind::LeadSource, Side::Crm, &known("i-52b0")).unwrap().active, "hidden");
    club.end().await;
}

/// Scenario 25: PROSPECT, then MEMBER for the same `recordID`: one id, one person, one contact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_25_a_prospect_saved_as_a_member_stays_one_person_p05() {
    for synced_between in [true, false] {
        let club = Club::open(receives(), |_, _| {}).await;
        let id = club.hub().save_prospect(&prospect("Mia")).await.unwrap();
        if synced_between {
            club.drain().await;
            assert_eq!(club.ivvy_leads().len(), 1);
        }
        // Another name and address at that: it is the recordID that counts.
        let member = Lead { last_name: "Married".into(), ..prospect("Mia").as_member() };
        assert_eq!(club.hub().save_member(&member).await.unwrap(), id);
        assert_eq!(club.hub().save_member(&member).await.unwrap(), id);
        club.drain().await;
        assert_eq!(club.contacts_of("Mia"), 1, "one person, synced between: {synced_between}");
        let links = club.engine.store().read(|view| view.links(ModuleId::Contacts, None, 10)).unwrap();
        assert_eq!(links.iter().map(|link| link.crm.0.as_str()).collect::<Vec<_>>(), [id.as_str()]);
        // Without a prospect before, inactive, and back to a former member.
        let ben = club.hub().save_member(&prospect("Ben").as_member()).await.unwrap();
        club.drain().await;
        assert_eq!(club.contacts_of("Ben"), 1);
        let former = Lead { user_type: tandem::sim::connector::UserType::ExMember, ..prospect("Ben") };
        assert_eq!(club.hub().save_member(&former.inactive()).await.unwrap(), ben);
        club.drain().await;
        assert_eq!((club.contacts_of("Mia"), club.contacts_of("Ben")), (1, 1), "inactive is neither gone nor new");
        let kept = club.kept(ModuleId::Contacts, &ben);
        assert_eq!((kept.value("userType"), kept.value("userStatus")), ("EX_MEMBER", "INACTIVE"));
        club.end().await;
    }
}

/// Scenarios 1 and 2 from the receiver's side: the hub looks our staff up; a lead with nobody, nothing, or somebody
/// nobody knows has no owner, and is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_01_and_02_the_hub_finds_our_staff_and_unknown_owners_are_none_c10_to_c13() {
    let mut ada = 0;
    let club = Club::open(receives(), |ivvy, _| {
        ada = user(ivvy, "Ada", "ada@club.example");
        user(ivvy, "Nomail", "");
    })
    .await;
    let listed = club.hub().list_staff().await.unwrap();
    assert!(listed.iter().any(|one| one.id == ada.to_string() && one.email == "ada@club.example" && one.active));
    assert!(listed.iter().any(|one| one.first_name == "Nomail" && one.email.is_empty()), "listed, unmatchable (P-06)");
    let by_email = club.hub_with(|can| can.staff_by_email = true);
    assert_eq!(by_email.look_up_staff("ADA@club.example").await.unwrap(), Found::Linked(ada.to_string()));
    assert_eq!(by_email.look_up_staff("nobody@club.example").await.unwrap(), Found::Nobody);

    club.hub().send_lead(&prospect("Mia"), Some("Ada@Club.example"), None).await.unwrap();
    club.hub().send_lead(&prospect("Noa"), Some("nobody@club.example"), None).await.unwrap();
    for (name, owner) in [("Empty", Some("")), ("Unknown", Some("987654")), ("Absent", None)] {
        let lead = Lead { owner: owner.map(str::to_owned), ..prospect(name) };
        club.hub().save_prospect(&lead).await.unwrap();
    }
    club.drain().await;
    let owner = |name: &str| club.lead_of(name)["ownerUser"]["id"].to_string().trim_matches('"').to_owned();
    assert_eq!(owner("Mia"), ada.to_string());
    for name in ["Noa", "Empty", "Unknown", "Absent"] {
        assert_eq!(owner(name), "null", "{name}: nobody rather than somebody");
    }
    assert_eq!(club.people_stream().unresolved, 1, "the one nobody knows is counted");
    assert_eq!(club.state(MatchKind::Staff, Side::Ivvy, ada), Some(MatchState::Matched), "the hub's link is shown");
    assert!(club.made_in_ivvy("user").is_empty(), "nobody is made a member of staff (P-07)");
    // Owner-less once, with an owner later: the hub saves again.
    let with = Lead { owner: Some(ada.to_string()), ..prospect("Absent") };
    club.hub().save_prospect(&with).await.unwrap();
    club.drain().await;
    assert_eq!(owner("Absent"), ada.to_string());
    // What is not said, or names nobody we know, changes nothing; an empty element does.
    for (said, expected) in [(None, ada.to_string()), (Some("987654"), ada.to_string()), (Some(""), "null".to_owned())]
    {
        let lead = Lead { owner: said.map(str::to_owned), ..prospect("Absent") };
        club.hub().save_prospect(&lead).await.unwrap();
        club.drain().await;
        assert_eq!(owner("Absent"), expected, "{said:?}");
    }
    club.nothing_open();
    club.end().await;

    // Scenario 2: no such calls are offered. Leads flow all the same.
    let mut off = receives();
    off["crm"]["facade"]["offers"] = json!({"list_sources": true});
    let club = Club::open(off, |_, _| {}).await;
    let no_list = club.hub().look_up_staff("ada@club.example").await.unwrap_err();
    assert_eq!(no_list.status(), Some(501));
    assert_eq!(club.people_stream().refused, 1, "and is seen (C-05)");
    club.hub().save_prospect(&prospect("Mia")).await.unwrap();
    club.drain().await;
    assert_eq!(club.ivvy_leads().len(), 1);
    club.end().await;
}

/// Scenarios 3 and 6: a source of the hub's that iVvy lacks is created there once under ten leads at a time; one that
/// differs in case only is iVvy's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_03_and_06_a_source_of_the_hubs_is_created_once_under_ten_leads_c19_to_c23() {
    let mut facebook = 0;
    let club = Club::open(receives(), |ivvy, _| {
        facebook = enter(ivvy, "leadSource", json!({"name": "Facebook"}));
    })
    .await;
    let found = club.hub().look_up_source("SRC-FB", "FACEBOOK").await.unwrap();
    assert_eq!(found, Found::Linked(facebook.to_string()));
    // Ten at a time, each with its own memory, all with the same source.
    let hubs: Vec<_> = (0..10).map(|_| club.hub_with(|can| can.source_list = false)).collect();
    let sends = hubs.iter().enumerate().map(|(number, hub)| async move {
        let lead = prospect(&format!("Mia{number}"));
        let name = if number % 2 == 0 { "R&D <Fair>" } else { "r&d <FAIR> " };
        let id = hub.look_up_source("SRC-9", name).await.unwrap().id().unwrap().to_owned();
        hub.save_prospect(&Lead { source: Some(id.clone()), ..lead }).await.unwrap();
        id
    });
    let ids = futures::future::join_all(sends).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "one id for one source: {ids:?}");
    club.hub().send_lead(&prospect("Zoe"), None, Some(("SRC-FB", "facebook"))).await.unwrap();
    club.drain().await;
    let made = club.made_in_ivvy("leadSource");
    assert_eq!(made.len(), 1, "created once: {made:?}");
    let source = |name: &str| club.lead_of(name)["sourceId"].to_string().trim_matches('"').to_owned();
    for number in 0..10 {
        assert_eq!(source(&format!("Mia{number}")), made[0].id);
    }
    assert_eq!(source("Zoe"), facebook.to_string());
    // Another club system's name for it, later: still the same.
    assert_eq!(club.hub().create_lead_source("SRC-10", "R&D <fair>", true).await.unwrap(), ids[0]);
    // Hidden, and known again (P-09); a name is not pushed.
    let hidden = club.hub().update_lead_source(&ids[0], "SRC-9", "R&D <Fair>", false).await.unwrap();
    assert_eq!(hidden, ids[0]);
    assert!(!club.row(MatchKind::LeadSource, Side::Crm, &ids[0]).unwrap().active);
    assert_eq!(club.hub().update_lead_source("no/such one", "X", "X", true).await.unwrap_err().status(), Some(404));
    club.nothing_open();
    club.end().await;
}

/// Scenario 4: iVvy may not be given sources: the lead is there, with iVvy's default source (C-24).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_04_a_source_that_may_not_be_created_leaves_the_default_c24() {
    let mut more = receives();
    more["matching"] = json!({"create_lead_sources": false});
    let club = Club::open(more, |_, _| {}).await;
    let id = club.hub().create_lead_source("SRC-9", "Fair", true).await.unwrap();
    for (name, source) in [("Mia", Some(id.as_str())), ("Noa", Some("987654")), ("Zoe", None)] {
        club.hub().save_prospect(&Lead { source: source.map(str::to_owned), ..prospect(name) }).await.unwrap();
    }
    club.drain().await;
    for name in ["Mia", "Noa", "Zoe"] {
        assert_eq!(club.lead_of(name)["sourceId"].to_string().trim_matches('"'), "2", "{name}");
    }
    assert_eq!(club.made_in_ivvy("leadSource").len(), 0);
    assert_eq!(club.people_stream().unresolved, 1);
    club.end().await;
}

/// Scenario 5: we offer create and no list, so the hub is the master of the list and sends every source: each is
/// known once, and once more after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenario_05_with_create_and_no_list_the_hub_is_master_and_a_restart_doubles_nothing_c19() {
    let mut club = Club::open(receives(), |_, _| {}).await;
    let names = ["Fair", "Radio", "Flyer"];
    let mut ids = Vec::new();
    for name in names {
        ids.push(club.hub().create_lead_source(&format!("SRC-{name}"), name, true).await.unwrap());
    }
    club.drain().await;
    assert_eq!(club.made_in_ivvy("leadSource").len(), names.len(), "all of them, before any lead");
    assert_eq!(club.engine.match_status(MatchKind::LeadSource).mode, MatchMode::Both);
    club.restart().await;
    for (name, id) in names.iter().zip(&ids) {
        assert_eq!(club.hub().create_lead_source(&format!("SRC-{name}"), name, true).await.unwrap(), *id);
    }
    club.drain().await;
    assert_eq!(club.made_in_ivvy("leadSource").len(), names.len());
    club.end().await;
}

/// C-06: what was not agreed on is refused, visibly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_are_no_part_of_it_are_refused_and_counted_c06() {
    let mut more = receives();
    more["crm"]["profile"]["entities"] = json!(["prospects"]);
    more["modules"] = json!({"contacts": {"enabled": false}});
    let club = Club::open(more, |_, _| {}).await;
    let refused = club.hub().save_member(&prospect("Mia").as_member()).await.unwrap_err();
    assert_eq!(refused.status(), Some(400));
    let state = club.people_stream();
    assert_eq!((state.refused, state.payloads), (1, 0));
    assert_eq!(state.last_error.as_deref(), Some("members are no part of what was agreed"));
    club.hub().save_prospect(&prospect("Mia")).await.unwrap();
    club.end().await;
}

/// Who calls, whose record it is, and what cannot be read: nothing of it is taken (S-19, P-15).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_broken_documents_are_refused_and_nothing_is_taken_p15() {
    let club = Club::open(receives(), |_, _| {}).await;
    let client = reqwest::Client::new();
    let post = async |path: &str, password: &str, body: Vec<u8>| {
        let call = client.post(format!("{}/connector/v1{path}", club.url)).basic_auth("hub", Some(password));
        let answer = call.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let save = |identifier: &str, club: &str, name: &str| {
        format!(
            "<x:user xmlns:x=\"urn:any\"><x:providerInfo><identifier>{identifier}</identifier>\
             <clientID>client-1</clientID><clubID>{club}</clubID><recordID>R/1 ü</recordID></x:providerInfo>\
             <news><deep/></news><userInfo><firstname>{name}</firstname><lastname>X</lastname>\
             <userStatus>ACTIVE</userStatus><userType>PROSPECT</userType><unheardOf>1</unheardOf></userInfo></x:user>"
        )
        .into_bytes()
    };
    let (status, body) = post("/prospects", "wrong", save("INTOUCH", "club-1", "Mia")).await;
    assert_eq!(status, 401);
    assert!(body.contains("<reason>VALIDATION</reason>") && body.contains("<errorUUID>"), "{body}");
    for (what, body) in [
        ("another club", save("INTOUCH", "club-9", "Mia")),
        ("another provider", save("SOMEBODY", "club-1", "Mia")),
        ("a bomb", b"<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;\">]><user>&y;</user>".to_vec()),
        ("an external entity", b"<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><user>&f;</user>".to_vec()),
        ("an escape sequence", save("INTOUCH", "club-1", "&#27;[2J")),
        ("no XML", b"{\"user\": 1}".to_vec()),
        (
            "staff",
            String::from_utf8(save("INTOUCH", "club-1", "Mia")).unwrap().replace("PROSPECT", "STAFF").into_bytes(),
        ),
        ("no name", save("INTOUCH", "club-1", " ")),
    ] {
        let (status, body) = post("/prospects", PASSWORD, body).await;
        assert_eq!(status, 400, "{what}");
        assert!(body.contains("VALIDATION") && !body.contains("passwd"), "{what}: {body}");
    }
    let (status, _) = post("/prospects", PASSWORD, vec![b' '; 5_000_000]).await;
    assert_eq!(status, 413);
    // Who proved nothing is counted a moment later, however many they are.
    club.until("all that was refused is on its stream", || club.people_stream().refused == 10).await;
    assert_eq!(club.people_stream().refused_since, 10);
    assert_eq!(club.people_stream().payloads, 0);

    // And the hostile who are only unusual.
    let names = ["R&amp;D &lt;x&gt;", "a ]]&gt; b", "東京", "👩‍👩‍👧", "\u{202e}drow", "<![CDATA[<b>]]>"];
    let long = "x".repeat(10_000);
    for (number, name) in names.iter().copied().chain([long.as_str()]).enumerate() {
        let body =
            String::from_utf8(save("INTOUCH", "club-1", name)).unwrap().replace("R/1 ü", &format!("R/{number} ü"));
        let (status, body) = post("/prospects", PASSWORD, body.into_bytes()).await;
        assert_eq!((status, body.contains("<response><id>c-")), (200, true), "{body}");
    }
    let kept = club.engine.store().read(|view| view.shelf(ModuleId::Leads, Side::Crm, None, None, 100)).unwrap();
    let kept: String = kept.iter().map(|row| row.body.as_str()).collect();
    for name in ["R&D <x>", "a ]]> b", "東京", "\u{202e}drow", "<b>", "unheardOf", &long] {
        assert!(kept.contains(name), "{name}");
    }
    assert_eq!(club.hub().post_raw("/nowhere", Bytes::from_static(b"<x/>")).await.unwrap_err().status(), Some(404));
    club.end().await;
}

/// Both ways at once: a person the hub saved with us is updated there under our id, and one of ours whom the hub
/// knows by that id stays one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_a_person_is_one_record_whoever_saved_them_first_p05() {
    let can = json!({"list_sources": true, "create_source": true});
    let club = Club::open(agreed("both", can), |_, _| {}).await;
    let id = club.hub().save_member(&prospect("Mia").as_member()).await.unwrap();
    club.drain().await;
    let mia = club.ivvy.contacts().into_iter().find(|contact| contact.first_name == "Mia").unwrap();
    club.ivvy.edit(&Edit::update("contact", mia.id, json!({"phone": "+41 44 555 03 03"}))).unwrap();
    club.drain().await;
    let user = club.sim.record(Resource::User, &id).expect("saved under our id");
    assert_eq!((user.value("mobile"), user.value("userType")), ("+41 44 555 03 03", "MEMBER"));
    assert_eq!(club.sim.records(Resource::User).len(), 1);
    club.nothing_open();
    club.end().await;
}

/// A save of the hub's whose ids are all said: whose record, and perhaps ours of it.
fn saved_as(identifier: &str, record: &str, ours: Option<&str>, user_type: &str) -> Bytes {
    let ours = ours.map(|id| format!("<extraProviderIDs><ourID>{id}</ourID></extraProviderIDs>")).unwrap_or_default();
    let body = format!(
        "<user><providerInfo><identifier>{identifier}</identifier><clientID>client-1</clientID>\
         <clubID>club-1</clubID><recordID>{record}</recordID></providerInfo>{ours}<userInfo>\
         <firstname>Mia</firstname><lastname>X</lastname><userStatus>ACTIVE</userStatus>\
         <userType>{user_type}</userType></userInfo></user>"
    );
    body.into()
}

/// Contract 1.2: traffic uses our ids. Whoever names a person by one means that person, and makes no second one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_that_names_the_person_by_our_id_is_about_that_person_p02() {
    let mut ours = 0;
    let club = Club::open(agreed("both", json!({"list_sources": true, "create_source": true})), |ivvy, _| {
        ours = enter(ivvy, "contact", json!({"firstName": "Ada", "lastName": "Ours", "email": "ada@ivvy.example"}));
    })
    .await;
    club.drain().await;
    let ours = format!("contact-{ours}");
    let uuid = club.kept(ModuleId::Contacts, &ours).uuid.expect("saved there");
    let save = async |body: Bytes| club.hub().post_raw("/members", body).await.unwrap();
    assert_eq!(save(saved_as("INTOUCH", &uuid, None, "MEMBER")).await, ours, "by the id it answered our save with");
    assert_eq!(save(saved_as("TANDEM", &ours, None, "MEMBER")).await, ours, "by ours, under our name");
    assert_eq!(save(saved_as("INTOUCH", "GUID-Ada", Some(&ours), "MEMBER")).await, ours, "by ours beside its own");
    assert_eq!(save(saved_as("INTOUCH", "GUID-Ada", None, "MEMBER")).await, ours, "its own is known by now");
    assert_ne!(save(saved_as("INTOUCH", "GUID-Bea", Some(&ours), "MEMBER")).await, ours, "another record of its own");
    // Nothing lies on the shelf yet: ours all the same.
    assert_eq!(save(saved_as("INTOUCH", "GUID-Eve", Some("contact-77"), "MEMBER")).await, "contact-77");
    assert_eq!(save(saved_as("INTOUCH", "GUID-Eve", None, "MEMBER")).await, "contact-77");
    club.end().await;
}

/// A name that two records could claim stays with the first, and nobody is refused for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_senders_name_stays_with_its_record_and_later_saves_are_taken_p02() {
    let club = Club::open(receives(), |_, _| {}).await;
    let id = club.hub().save_prospect(&prospect("Mia")).await.unwrap();
    let row = tandem::model::Shelved {
        module: ModuleId::Contacts,
        side: Side::Crm,
        id: "contact-5".into(),
        key: None,
        at: tandem::model::Timestamp::EPOCH,
        gone: false,
        body: club.kept(ModuleId::Leads, &id).body(),
    };
    let now = club.engine.now();
    club.engine.store().write(move |tx| tx.shelve(&row, now)).await.unwrap();
    let save = async |path, user_type| {
        club.hub().post_raw(path, saved_as("INTOUCH", "GUID-Mia", Some("contact-5"), user_type)).await.unwrap()
    };
    for _ in 0..2 {
        assert_eq!(save("/members", "MEMBER").await, id);
        assert_eq!(save("/prospects", "PROSPECT").await, id);
    }
    club.end().await;
}
