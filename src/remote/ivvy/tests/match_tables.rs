//! Staff and lead sources before the simulated account (C-08 to C-24, P-06, P-07).

use super::account::Account;
use super::*;

#[tokio::test(start_paused = true)]
async fn staff_are_listed_with_their_email_and_never_created_c10_p06_p07() {
    let account = Account::new();
    assert_eq!(
        account.ivvy.match_support(MatchKind::Staff),
        MatchSupport { list: true, create: false, staff_by_email: false }
    );
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
    assert_eq!(
        account.ivvy.match_support(MatchKind::LeadSource),
        MatchSupport { list: true, create: true, staff_by_email: false }
    );
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
