//! Offset paging with an anchor (`contracts/ivvy.md` 7, `engine.md` 5.7).

use super::*;

fn page(ids: impl IntoIterator<Item = i64>, total: impl Into<Json>) -> Reply {
    let rows: Vec<Json> = ids.into_iter().map(|id| json!({"id": id})).collect();
    ok(json!({"meta": {"totalResults": total.into(), "perPage": null}, "results": rows}))
}

/// Sweeps to the end; ids in the order seen.
async fn sweep(ivvy: &Ivvy) -> Result<Vec<i64>, RemoteError> {
    let mut request = PageRequest::default();
    let mut ids = Vec::new();
    loop {
        let page = ivvy.list(ModuleId::Contacts, &request).await?;
        ids.extend(page.records.iter().map(|record| record.id.as_str().parse::<i64>().unwrap()));
        match page.next {
            None => return Ok(ids),
            next => request.position = next,
        }
    }
}

async fn fails(replies: impl IntoIterator<Item = Reply>) -> RemoteError {
    let (ivvy, _) = ivvy(replies);
    sweep(&ivvy).await.unwrap_err()
}

#[tokio::test]
async fn every_page_starts_on_the_last_row_of_the_one_before() {
    let (ivvy, script) = ivvy([page(0..100, 250), page(99..199, "250"), page(198..250, 250)].map(shift_ids));
    assert_eq!(sweep(&ivvy).await.unwrap(), (1..=250).collect::<Vec<_>>());
    let expected = [0, 99, 198].map(|start| json!({"perPage": 100, "start": start}));
    assert_eq!(script.bodies(), expected);
}

/// Ids from 1, because 0 is not an id.
fn shift_ids(reply: Reply) -> Reply {
    let Reply::Body(status, headers, body) = reply else { return reply };
    let mut json: Json = serde_json::from_slice(&body).unwrap();
    for row in json["results"].as_array_mut().unwrap() {
        row["id"] = (row["id"].as_i64().unwrap() + 1).into();
    }
    Reply::Body(status, headers, json.to_string().into_bytes())
}

#[tokio::test]
async fn bounds_are_sent_as_a_filter_to_the_second() {
    let (ivvy, script) = ivvy([page([], 0)]);
    let request = PageRequest {
        from: Some(Timestamp::from_millis(1_709_251_200_999)),
        to: Some(Timestamp::from_millis(1_709_251_261_500)),
        position: None,
    };
    let page = ivvy.list(ModuleId::Companies, &request).await.unwrap();
    assert_eq!(page, Page { total: Some(0), ..Page::default() });
    let filter = json!({"fromModifiedDate": "2024-03-01 00:00:00", "toModifiedDate": "2024-03-01 00:01:01"});
    assert_eq!(script.bodies(), [json!({"perPage": 100, "start": 0, "filter": filter})]);
    assert_eq!(script.seen()[0].action, "/api/1.0/contact?action=getCompanyList");
}

#[tokio::test]
async fn a_silently_smaller_page_size_is_no_end() {
    let (ivvy, script) = ivvy([page(1..=50, 120), page(50..=99, 120), page(99..=120, 120)]);
    assert_eq!(sweep(&ivvy).await.unwrap(), (1..=120).collect::<Vec<_>>());
    assert_eq!(script.bodies()[1]["start"], 49);
}

#[tokio::test]
async fn without_a_total_the_end_is_a_page_without_news() {
    let (ivvy, _) = ivvy([page([1, 2], Json::Null), page([2, 3], Json::Null), page([3], Json::Null)]);
    assert_eq!(sweep(&ivvy).await.unwrap(), [1, 2, 3]);
    // A total smaller than what came is not believed either.
    let (ivvy, _) = super::ivvy([page([1, 2], 1), page([2, 3], 1), page([3], 1)]);
    assert_eq!(sweep(&ivvy).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn a_row_that_vanished_before_the_anchor_is_a_shift() {
    // Row 1 was deleted between the pages: what would be the second page begins with row 3.
    let error = fails([page([1, 2], Json::Null), page([3, 4], Json::Null)]).await;
    assert_eq!((error.class, error.sent), (Class::Shifted, Sent::No));
    let error = fails([page([1, 2], 4), page([], 4)]).await;
    assert_eq!(error.class, Class::Shifted);
}

#[tokio::test]
async fn a_total_that_moves_is_a_shift_even_if_the_anchor_holds() {
    let error = fails([page([1, 2], 4), page([2, 3], 5)]).await;
    assert_eq!(error.class, Class::Shifted);
    assert_eq!(error.message, "the total moved from 4 to 5 while paging");
}

#[tokio::test]
async fn a_server_that_ignores_start_makes_no_progress_and_is_caught() {
    let error = fails([page([1, 2], 4), page([1, 2], 4)]).await;
    assert_eq!(error.class, Class::Shifted);
    let error = fails([page([1], 4), page([1], 4)]).await;
    assert_eq!(error.class, Class::Malformed);
    assert_eq!(error.message, "no row came after 1 of 4");
}

#[tokio::test]
async fn an_empty_first_page_is_an_end_only_if_the_total_agrees() {
    assert_eq!(fails([page([], 7)]).await.class, Class::Malformed);
    let (ivvy, _) = ivvy([page([], 0), page([], Json::Null)]);
    assert_eq!(sweep(&ivvy).await.unwrap(), [0_i64; 0]);
    assert_eq!(sweep(&ivvy).await.unwrap(), [0_i64; 0]);
}

#[tokio::test]
async fn results_keyed_by_integers_are_rows_too() {
    let (ivvy, _) =
        ivvy([ok(json!({"meta": [], "results": {"0": {"id": "7"}, "1": {"id": 8}}})), page([8], Json::Null)]);
    assert_eq!(sweep(&ivvy).await.unwrap(), [7, 8]);
}

#[tokio::test]
async fn what_is_not_a_listing_is_malformed() {
    for answer in [
        json!({}),
        json!([]),
        json!(null),
        json!({"results": "none"}),
        json!({"results": [{"firstName": "x"}]}),
        json!({"results": [7]}),
        json!({"results": {"id": 7}}),
    ] {
        assert_eq!(fails([ok(answer.clone())]).await.class, Class::Malformed, "{answer}");
    }
}

#[tokio::test]
async fn a_position_that_is_not_ours_starts_the_sweep_again() {
    let (ivvy, script) = ivvy([]);
    for position in ["", "100", "{\"start\":0,\"anchor\":\"1\",\"total\":null}"] {
        let request = PageRequest { position: Some(position.into()), ..PageRequest::default() };
        assert_eq!(ivvy.list(ModuleId::Contacts, &request).await.unwrap_err().class, Class::Shifted);
    }
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn the_servers_time_comes_with_the_page() {
    let body = json!({"meta": {"totalResults": 0}, "results": []});
    let (ivvy, _) = ivvy([dated(200, "Wed, 18 Nov 2026 11:06:40 GMT", body)]);
    let page = ivvy.list(ModuleId::Contacts, &PageRequest::default()).await.unwrap();
    assert_eq!(page.server_time, Some(now()));
}
