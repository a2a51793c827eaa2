//! Subscription groups: joined and left one by one, partly refused, partly unknown (V-18).

use super::*;

fn three(removals: bool) -> Groups {
    let names = [(1, "News"), (2, "VIP"), (3, "Press")].map(|(number, name)| (number, name.to_owned()));
    Groups { names: names.into(), removals }
}

fn set(names: &[&str]) -> Value {
    Value::Set(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Contact 5, in these groups.
fn contact(groups: &[u64]) -> Reply {
    let groups: Vec<Json> = groups.iter().map(|group| json!({"contactId": "5", "groupId": group})).collect();
    ok(json!({"id": 5, "firstName": "Ada", "groups": groups}))
}

fn outcome(taken: bool) -> Reply {
    ok(json!([{"contactId": "5", "status": taken}]))
}

/// What writing these groups came to, and the calls: action and group.
async fn writing(
    removals: bool,
    wanted: &[&str],
    replies: impl IntoIterator<Item = Reply>,
) -> (Result<WriteAck, RemoteError>, Vec<(String, Json)>) {
    let (ivvy, script) = with_groups(replies, three(removals));
    let done = ivvy.update(ModuleId::Contacts, &"5".into(), &fields(&[("groups", set(wanted))]), None).await;
    let calls = script.seen().into_iter().map(|seen| {
        let action = seen.action.split_once("action=").unwrap().1.to_owned();
        assert!(seen.body.get("groups").is_none(), "that would replace all memberships");
        (action, seen.body["group"].clone())
    });
    (done, calls.collect())
}

fn named(calls: &[(String, Json)]) -> Vec<(&str, u64)> {
    let writes = calls.iter().filter(|(action, _)| action.ends_with("Group"));
    writes.map(|(action, group)| (action.as_str(), group.as_u64().unwrap())).collect()
}

const ADD: &str = "addContactsToSubscriptionGroup";
const REMOVE: &str = "removeContactsFromSubscriptionGroup";

#[tokio::test]
async fn only_the_differences_are_written_and_groups_of_others_are_left_alone() {
    let (done, calls) = writing(true, &["News", "VIP"], [contact(&[2, 3, 77]), outcome(true), outcome(true)]).await;
    assert!(done.is_ok());
    assert_eq!(named(&calls), [(ADD, 1), (REMOVE, 3)]);
}

#[tokio::test]
async fn one_refused_group_does_not_stop_the_others_and_is_named_v18() {
    let replies = [contact(&[]), outcome(true), outcome(false), outcome(true)];
    let (done, calls) = writing(false, &["News", "VIP", "Press"], replies).await;
    assert_eq!(named(&calls), [(ADD, 1), (ADD, 2), (ADD, 3)]);
    let error = done.unwrap_err();
    // Part of it happened: the engine looks before it does anything else.
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::Maybe));
    assert!(error.message.contains("VIP") && !error.message.contains("Press"), "{error}");

    let (done, calls) = writing(false, &["News", "VIP", "Press"], [contact(&[1, 3]), outcome(false)]).await;
    assert_eq!(named(&calls), [(ADD, 2)], "the next try is about that group alone");
    assert_eq!(done.unwrap_err().sent, Sent::No, "and now nothing happened at all");
}

#[tokio::test]
async fn a_key_that_may_not_change_groups_refuses_the_groups_and_not_the_module() {
    let forbidden = status(403, json!({"errorCode": 403, "message": "Forbidden"}));
    let error = writing(false, &["News"], [contact(&[]), forbidden]).await.0.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
}

#[tokio::test]
async fn a_lost_answer_leaves_the_rest_for_later_and_the_outcome_open() {
    let lost = Reply::Fails(TransportError::Unknown("gone".into()));
    let (done, calls) = writing(false, &["News", "VIP", "Press"], [contact(&[]), outcome(true), lost]).await;
    assert_eq!(named(&calls), [(ADD, 1), (ADD, 2)]);
    assert_eq!(done.unwrap_err().sent, Sent::Maybe);
    let throttled = status(429, json!({"errorCode": 429, "message": "Too many"}));
    let (done, _) = writing(false, &["News", "VIP"], [contact(&[]), outcome(true), throttled.clone()]).await;
    assert_eq!(done.unwrap_err().sent, Sent::Maybe, "the first group was joined");
    let (done, _) = writing(false, &["News"], [contact(&[]), throttled]).await;
    assert_eq!(done.unwrap_err().sent, Sent::No);
}

#[tokio::test]
async fn leaving_needs_to_be_mirrored_and_is_refused_in_so_many_words() {
    let (done, calls) = writing(false, &[], [contact(&[1])]).await;
    assert_eq!(named(&calls), []);
    let error = done.unwrap_err();
    assert_eq!((error.class, error.sent), (Class::Rejected, Sent::No));
    assert!(error.message.contains("News") && error.message.contains("mirror_group_removals"), "{error}");
}

#[tokio::test]
async fn everything_else_is_written_first_and_once() {
    let replies = [contact(&[]), ok(json!({"success": true, "id": 5})), outcome(true)];
    let (ivvy, script) = with_groups(replies, three(false));
    let patch = fields(&[("phone", "12".into()), ("groups", set(&["News"]))]);
    ivvy.update(ModuleId::Contacts, &"5".into(), &patch, None).await.unwrap();
    let bodies = script.bodies();
    assert_eq!(bodies[1], json!({"id": 5, "phone": "12"}));
    assert_eq!(bodies[2], json!({"contacts": [5], "group": 1}));
}
