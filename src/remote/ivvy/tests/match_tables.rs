//! Staff and lead sources before the simulated account (C-08 to C-24, P-06, P-07).

use super::account::Account;
use super::*;

#[tokio::test(start_paused = true)]
async fn staff_are_listed_with_their_email_and_never_created_c10_p06_p07() {
    let account = Account::new();
    assert_eq!(account.ivvy.match_support(MatchKind::Staff), MatchSupport { list: true, ..MatchSupport::default() });
    for number in 0..120 {
        account.add(
            "user",
            json!({"firstName": "U", "email": format!("u{number}@v.example"), "currentStatus": 1, "userType": 1}),
        );
    }
    let staff = account.ivvy.entries(MatchKind::Staff).await.unwrap();
    assert_eq!(staff.len(), 127, "over all pages");
    let of = |id: &str| staff.iter().find(|entry| entry.id == id.into()).unwrap();
    assert_eq!(
        (of("301").name.as_str(), of("301").email.as_deref()),
        ("Siobhan O'Brien", Some("siobhan.obrien@venue.example"))
    );
    let active = ["301", "304", "305", "306", "307"].map(|id| of(id).active);
    assert_eq!(active, [true, false, false, true, false], "gone, a connector, without an address, a meeting booker");
    assert_eq!(of("306").email, None);
    account.sim.permit_object("user", false);
    assert_eq!(account.ivvy.entries(MatchKind::Staff).await.unwrap_err().class, Class::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn lead_sources_are_listed_and_created_in_one_call_c20_c23() {
    let account = Account::new();
    let support = account.ivvy.match_support(MatchKind::LeadSource);
    assert_eq!((support.list, support.create, support.staff_by_email), (true, true, false));
    let sources = account.ivvy.entries(MatchKind::LeadSource).await.unwrap();
    let told: Vec<(&str, bool)> = sources.iter().map(|source| (source.name.as_str(), source.active)).collect();
    let expected = [
        ("Referral Program", false),
        ("Website", true),
        ("Trade show", true),
        ("trade show", true),
        ("Partenaires & Médias", true),
    ];
    assert_eq!(told, expected, "the referral programme is given to no lead");
    let id = account.ivvy.create_lead_source("Straße").await.unwrap();
    let sources = account.ivvy.entries(MatchKind::LeadSource).await.unwrap();
    assert_eq!((&sources[5].id, sources[5].name.as_str()), (&id, "Straße"));
    assert_eq!(account.sim.ledger().len(), 1);
    assert_eq!(account.ivvy.create_lead_source(" ").await.unwrap_err().class, Class::Rejected);
    account.sim.permit_object("leadSource", false);
    assert_eq!(account.ivvy.entries(MatchKind::LeadSource).await.unwrap_err().class, Class::Forbidden);
    assert_eq!(account.ivvy.create_lead_source("x").await.unwrap_err().class, Class::Forbidden);
}

/// P-09: the name of a source can be changed, its state cannot, and what iVvy brings along stays as it is (24326).
#[tokio::test(start_paused = true)]
async fn a_lead_source_is_renamed_in_one_call_and_nothing_else_of_it_p09() {
    let account = Account::new();
    let update = account.ivvy.match_support(MatchKind::LeadSource).update;
    assert_eq!((update.name, update.active), (true, false));
    assert_eq!(account.ivvy.match_support(MatchKind::Staff).update, Default::default());
    let id = account.ivvy.create_lead_source("Fair").await.unwrap();
    account.ivvy.update_lead_source(&id, Some(" Messe "), None).await.unwrap();
    let sources = account.ivvy.entries(MatchKind::LeadSource).await.unwrap();
    let of = |id: &RecordId| sources.iter().find(|source| source.id == *id).map(|source| source.name.as_str());
    assert_eq!((of(&id), sources.len()), (Some("Messe"), 6));
    assert_eq!(account.sim.ledger().len(), 2);
    let ours = account.ivvy.update_lead_source(&"1".into(), Some("Mine"), None).await.unwrap_err();
    assert_eq!((ours.class, ours.sent), (Class::Rejected, Sent::No), "{ours}");
    for (id, name, active) in [(&id, None, Some(false)), (&id, Some("x"), Some(true)), (&"x".into(), Some("x"), None)] {
        let error = account.ivvy.update_lead_source(id, name, active).await.unwrap_err();
        assert_eq!(error.sent, Sent::No, "{error}");
    }
    assert_eq!(account.sim.ledger().len(), 2);
}
