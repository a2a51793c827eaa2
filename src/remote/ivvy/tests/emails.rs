//! E-mails before the simulated account (V-30 to V-34, `contracts/ivvy.md` 10).

use super::account::{Account, column, start};
use super::*;
use crate::sim::ivvy as sim;

fn honouring(inferred_filters: sim::Filtering) -> Account {
    Account::with(sim::Settings { inferred_filters, ..sim::Settings::default() }, None)
}

fn ago(days: u64) -> String {
    client::stamp(start().minus(Duration::from_secs(86_400 * days)))
}

#[tokio::test(start_paused = true)]
async fn an_email_with_all_its_fields_v33() {
    let account = Account::new();
    let body = "<p>\u{1b}]52;c;x\u{7}<script>alert(1)</script></p>";
    let id = account.add(
        "email",
        json!({"contactId": 5, "subject": "Ihre Anfrage", "from": "\"House\" <no-reply@v.example>", "to": "z@b.co",
        "body": body, "sentTime": "2024-03-01 00:00:00", "success": true}),
    );
    let expected = fields(&[
        ("contact", "5".into()),
        ("subject", "Ihre Anfrage".into()),
        ("from", "\"House\" <no-reply@v.example>".into()),
        ("to", "z@b.co".into()),
        ("sent_at", "2024-03-01T00:00:00Z".into()),
        ("success", Value::Bool(true)),
        ("body", body.into()),
    ]);
    let listed = account.all(ModuleId::ContactEmails).await.remove(0);
    assert_eq!((listed.id.to_string(), &listed.fields), (id.to_string(), &expected), "hostile text is kept raw");
    assert_eq!(listed.modified, Some(Timestamp::from_secs(1_709_251_200)), "nothing changes after it was sent");
    assert_eq!(account.found(ModuleId::ContactEmails, id).await, listed);
    let failed = account.add("email", json!({"subject": "To a user"}));
    let failed = account.found(ModuleId::ContactEmails, failed).await.fields;
    assert_eq!((&failed["contact"], &failed["success"]), (&Value::Null, &Value::Bool(false)));
}

#[tokio::test(start_paused = true)]
async fn a_window_holds_whatever_becomes_of_the_filter_v34() {
    for filtering in [sim::Filtering::Honour, sim::Filtering::Ignore, sim::Filtering::Reject] {
        let account = honouring(filtering);
        for days in 0..150 {
            account.add("email", json!({"subject": days, "sentTime": ago(days)}));
        }
        let (records, pages) = account.sweep(ModuleId::ContactEmails, None).await.unwrap();
        assert_eq!((records.len(), pages), (150, 2));
        account.calls("");
        let from = Some(start().minus(Duration::from_secs(86_400 * 3)));
        let (records, pages) = account.sweep(ModuleId::ContactEmails, from).await.unwrap();
        assert_eq!(column(&records, "subject"), ["0", "1", "2", "3"], "{filtering}");
        assert_eq!(pages, if filtering == sim::Filtering::Honour { 1 } else { 2 });
        let refused = usize::from(filtering == sim::Filtering::Reject);
        assert_eq!(account.calls("getEmailLogList"), pages + refused, "a refused filter is sent once");
        let (again, _) = account.sweep(ModuleId::ContactEmails, from).await.unwrap();
        assert_eq!(again, records, "here the last is the oldest: nothing to be found at the end of such a log");
        account.shifts(ModuleId::ContactEmails, |account| account.delete("email", 90_001)).await;
        account.forbids("email", ModuleId::ContactEmails).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_filtered_is_read_from_its_end_v34() {
    let account = Account::new();
    for number in 0..450 {
        account.add("email", json!({"subject": number, "sentTime": ago(450 - number)}));
    }
    let from = Some(start().minus(Duration::from_secs(86_400 * 150)));
    let (whole, _) = account.sweep(ModuleId::ContactEmails, from).await.unwrap();
    assert_eq!((whole.len(), account.calls("getEmailLogList")), (150, 6), "the filter is refused: the whole log");
    let (mut back, pages) = account.sweep(ModuleId::ContactEmails, from).await.unwrap();
    back.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!((back == whole, pages), (true, 3), "two pages with news and one without");
    assert_eq!(account.calls("getEmailLogList"), 4, "and one look at the first row");

    let request = PageRequest { from, ..PageRequest::default() };
    let first = account.ivvy.list(ModuleId::ContactEmails, &request).await.unwrap();
    account.add("email", json!({"subject": "new", "sentTime": ago(0)}));
    let request = PageRequest { position: first.next, ..request };
    assert_eq!(
        account.ivvy.list(ModuleId::ContactEmails, &request).await.unwrap().records.len(),
        51,
        "growth is no shift"
    );
    account.delete("email", 90_001);
    assert_eq!(account.ivvy.list(ModuleId::ContactEmails, &request).await.unwrap_err().class, Class::Shifted);

    account.edit("email", 90_440, json!({"sentTime": ago(700)}));
    let request = PageRequest { from, ..PageRequest::default() };
    account.ivvy.list(ModuleId::ContactEmails, &request).await.unwrap();
    assert_eq!(account.calls("getEmailLogList"), 2 + 1 + 1 + 3, "out of order after all: the whole log again");
    assert_eq!(account.sweep(ModuleId::ContactEmails, from).await.unwrap().0.len(), 150);
}

#[tokio::test(start_paused = true)]
async fn one_email_is_found_in_few_calls_and_in_any_order_v34() {
    for filtering in [sim::Filtering::Honour, sim::Filtering::Ignore, sim::Filtering::Reject] {
        for order in [sim::Order::Id, sim::Order::ModifiedDesc, sim::Order::Arbitrary] {
            let settings = sim::Settings { inferred_filters: filtering, order, ..sim::Settings::default() };
            let account = Account::with(settings, None);
            let ids: Vec<u64> = (0..400).map(|number| account.add("email", json!({"subject": number}))).collect();
            for (number, id) in ids.iter().enumerate().step_by(57) {
                let record = account.found(ModuleId::ContactEmails, id).await;
                assert_eq!(record.fields["subject"], number.to_string().as_str().into(), "{filtering} {order}");
                let calls = account.calls("getEmailLogList");
                let most = match (filtering, order) {
                    (sim::Filtering::Honour, _) => 1,
                    (_, sim::Order::Id) => 13,
                    _ => 17,
                };
                assert!(calls <= most, "{calls} {filtering} {order}");
            }
            assert!(account.misses(ModuleId::ContactEmails, 4_711).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_body_is_cut_and_says_so_v33() {
    let account = Account::new();
    let fits = account.add("email", json!({"bodyBytes": 1024 * 1024}));
    let large = account.add("email", json!({"bodyBytes": 2 * 1024 * 1024}));
    let fits = account.found(ModuleId::ContactEmails, fits).await.fields["body"].to_string();
    assert!(fits.len() == 1024 * 1024 && fits.ends_with("</html>"));
    let large = account.found(ModuleId::ContactEmails, large).await.fields["body"].to_string();
    assert!(
        large.len() < 1024 * 1024 + 100 && large.ends_with("[cut here by Tandem: the e-mail is larger than 1 MiB]</p>")
    );
}

#[tokio::test]
async fn the_cut_falls_between_characters_and_outside_tags_v33() {
    let body = |text: &str| json!({"meta": {"totalResults": 1}, "results": [{"id": 1, "body": text}]});
    let mib = 1024 * 1024;
    for (text, kept) in [
        ("é".repeat(mib), mib),
        (format!("x{}", "é".repeat(mib)), mib - 1),
        (format!("{}<a href=\"{}", "x".repeat(mib - 9), "y".repeat(99)), mib - 9),
        (format!("{}<b>{}", "x".repeat(mib - 9), "y".repeat(99)), mib),
    ] {
        let (ivvy, _) = ivvy([ok(body(&text))]);
        let page = ivvy.list(ModuleId::ContactEmails, &PageRequest::default()).await.unwrap();
        let cut = page.records[0].fields["body"].to_string();
        assert!(cut.starts_with(&text[..kept]) && cut[kept..].starts_with("\n<p>[cut here"), "{kept}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_too_large_for_one_answer_is_read_in_smaller_ones_v33() {
    let account = Account::new();
    for _ in 0..4 {
        account.add("email", json!({"bodyBytes": 7 * 1024 * 1024}));
    }
    let (records, pages) = account.sweep(ModuleId::ContactEmails, None).await.unwrap();
    assert_eq!((records.len(), pages), (4, 3));
}
