//! Who has to have agreed before much is written, and the note of it (S-11).
//!
//! S-360 wants large loads agreed beforehand. What is large, the bulk guard says: whatever it holds. Whether
//! somebody did agree cannot be known here; who says so, and what they said, goes into the audit log.

use std::collections::BTreeMap;

use super::ServiceError;
use crate::config::Origin;
use crate::error::{Error, ErrorKind};
use crate::model::Side;
use crate::wire::NOTE;

/// What to say about an agreement that is needed for a plan with these writes; nothing where none is.
pub(super) fn needed(
    origin: &Origin,
    creates: &BTreeMap<Side, u64>,
    updates: &BTreeMap<Side, u64>,
) -> Option<&'static str> {
    let written = [creates, updates].into_iter().any(|writes| writes.get(&Side::Ivvy).is_some_and(|count| *count > 0));
    match origin {
        Origin::S360(_) if written => Some("S-360 must have agreed to a large load: say who there did, and when"),
        _ => None,
    }
}

/// The note as it is kept; none where none is given, and none is `needed`.
///
/// # Errors
/// It is missing, or nothing a person could read later.
pub(super) fn note(note: Option<&str>, needed: Option<&'static str>) -> Result<Option<String>, ServiceError> {
    let note = note.map(str::trim).filter(|note| !note.is_empty());
    let hint = "for example: --note \"Ann Example, S-360 support, 3 March\"";
    let refuse = |message: String| Err(Error::new(ErrorKind::Refused, message).hint(hint).into());
    match (note, needed) {
        (None, None) => Ok(None),
        (None, Some(needed)) => refuse(needed.to_owned()),
        (Some(note), _) => match note.chars().count() {
            count if NOTE.contains(&count) => Ok(Some(note.to_owned())),
            count => refuse(format!("the note has {count} characters, not {} to {}", NOTE.start(), NOTE.end())),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use secrecy::SecretString;

    use crate::config::{Config, Secrets};
    use crate::daemon::Service as _;
    use crate::daemon::account::Account;
    use crate::daemon::service::AccountService;
    use crate::error::{ErrorKind, Result};
    use crate::model::guard::{Guard, Trip, TripCause};
    use crate::model::{
        Actor, AuditEvent, FieldPlan, Item, Kind, ModuleId, PairKey, Plan, Reason, Reasons, Side, State, Timestamp,
        Verdict, Why,
    };
    use crate::seam::{Clock, Entropy, SystemClock};
    use crate::store::{Note, Reads as _};
    use crate::wire::{Answer, AuditQuery, Request};

    const MODULE: ModuleId = ModuleId::Contacts;
    const S360: &str = "[s360]\npartner = \"P\"\n[s360.institutions.ACME]\noperator = \"OP\"\nsecret = { env = \"X\" }\n\
                        contacts = { auth = { kind = \"none\", unprotected = true } }\n[inbound]\nlisten = \"127.0.0.1:8467\"\n";
    const IVVY: &str = "[ivvy]\nurl = \"http://127.0.0.1:9\"\nkey = \"k\"\nsecret = { env = \"I\" }\n";

    /// An account with one item that its guard holds, to be written to `side`.
    struct Held {
        service: AccountService,
        actor: Actor,
        _place: tempfile::TempDir,
    }

    impl Held {
        async fn new(origin: &str, side: Side) -> Self {
            let verdict = if side == Side::Crm { Verdict::ToCrm } else { Verdict::ToIvvy };
            Self::with(origin, side, verdict).await
        }

        async fn with(origin: &str, side: Side, verdict: Verdict) -> Self {
            let place = tempfile::tempdir().unwrap();
            let text = format!(
                "version = 1\ndata_dir = {:?}\nsocket = \"s\"\n{origin}[crm]\nkind = \"odoo\"\n\
                 url = \"http://127.0.0.1:9\"\ndatabase = \"d\"\nkey = {{ env = \"K\" }}\n",
                place.path().display().to_string()
            );
            let config = Config::parse(&text, Path::new("/etc/tandem/acme.toml")).unwrap();
            let secret = || SecretString::from("hunter2".to_owned());
            let secrets = Secrets::default().with("ivvy.secret", secret()).with("crm.key", secret());
            let secrets = secrets.with("s360.institutions.ACME.secret", secret());
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let account = Account::open(&config, secrets, &clock, &Entropy::seeded(1)).unwrap();
            let write = move |tx: &mut crate::store::Tx<'_>| {
                let now = Timestamp::from_secs(1_795_000_000);
                tx.put_guard(&Guard {
                    module: MODULE,
                    tripped: Some(Trip::new(TripCause::FirstSync, now, "first sync")),
                    first_released: None,
                    window_start: now,
                    creates: 1,
                    updates: 0,
                    conflicts: 0,
                    fields: Default::default(),
                    mapping: None,
                })?;
                let field = FieldPlan {
                    field: "email".to_owned(),
                    base_ivvy: None,
                    base_crm: None,
                    ivvy: Some("ann@example.com".into()),
                    crm: Some("anna@example.com".into()),
                    verdict,
                    why: Why::Create,
                    merged: (verdict == Verdict::Merge).then(|| "anna@example.com".into()),
                    choice: None,
                    moved: false,
                };
                let item = Item {
                    state: State::Held,
                    reasons: Reasons::one(Reason::Guard),
                    plan: Plan { fields: vec![field], ..Plan::default() },
                    ..Item::new(tx.new_item_id()?, MODULE, PairKey::Lone(side.other(), "1".into()), Kind::Create, now)
                };
                let what = AuditEvent::Planned { state: item.state, summary: String::new() };
                let note = Note { at: now, actor: Actor::engine(), module: Some(MODULE), item: None, link: None, what };
                tx.put_item(&item, note).map(drop)
            };
            account.engine.store().write(write).await.unwrap();
            let service = AccountService::new(account, "acme", "test");
            let actor = Actor { name: "ada".to_owned(), ..Actor::engine() };
            Self { service, actor, _place: place }
        }

        async fn approval(&self) -> Option<String> {
            match self.service.answer(&self.actor, Request::GuardPlan { module: MODULE }).await {
                Ok(Answer::Guard(plan)) => plan.approval,
                other => panic!("{:?}", other.is_ok()),
            }
        }

        async fn release(&self, sample: Option<u64>, note: Option<&str>) -> Result<()> {
            let note = note.map(str::to_owned);
            let request = Request::GuardRelease { module: MODULE, sample, expect: 1, plan: None, note };
            self.service.answer(&self.actor, request).await.map(drop).map_err(|failed| failed.error)
        }

        /// Scopes and notes in the audit log, newest first.
        fn audited(&self) -> Vec<(String, Option<String>)> {
            let query = AuditQuery { item: None, before: None, limit: 50 };
            let rows = self.service.engine().store().read(|view| view.audit(&query)).unwrap();
            let released = rows.into_iter().filter_map(|row| match row.what {
                AuditEvent::GuardReleased { scope, note } => Some((scope, note)),
                _ => None,
            });
            released.collect()
        }
    }

    #[tokio::test]
    async fn a_large_load_to_s360_goes_only_with_a_note_of_who_agreed_s11() {
        let held = Held::new(S360, Side::Ivvy).await;
        assert!(held.approval().await.is_some_and(|what| what.contains("S-360")), "the console is told before");
        for (sample, note) in [(None, None), (Some(1), None), (None, Some("  ")), (None, Some(" ok "))] {
            let refused = held.release(sample, note).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Refused, "{note:?}: {refused}");
            assert!(refused.hint.is_some_and(|hint| hint.contains("--note")));
        }
        let long = "x".repeat(201);
        assert!(held.release(None, Some(&long)).await.unwrap_err().message.contains("201 characters"));
        assert_eq!(held.audited(), [], "nothing went");
        let state = |held: &Held| {
            let counts = held.service.engine().store().read(|view| view.counts(MODULE)).unwrap();
            counts.get(&State::Held).copied()
        };
        assert_eq!(state(&held), Some(1));
        let joined = Held::with(S360, Side::Ivvy, Verdict::Merge).await;
        assert!(joined.release(None, None).await.is_err(), "a joined set is written there, too");
        held.release(None, Some(" Ann Example, S-360 support, 3 March ")).await.unwrap();
        let note = Some("Ann Example, S-360 support, 3 March".to_owned());
        assert_eq!(held.audited(), [("all".to_owned(), note)]);
        assert_eq!(state(&held), None);
    }

    #[tokio::test]
    async fn nobody_is_asked_where_nothing_goes_to_s360_and_a_note_is_kept_all_the_same_s11() {
        for (origin, side) in [(S360, Side::Crm), (IVVY, Side::Ivvy)] {
            let held = Held::new(origin, side).await;
            assert_eq!(held.approval().await, None);
            assert!(held.release(None, Some("ok")).await.is_err(), "what is written must say something");
            held.release(Some(1), Some("looked at with Bob")).await.unwrap();
            assert_eq!(held.audited(), [("a sample of 1".to_owned(), Some("looked at with Bob".to_owned()))]);
            let held = Held::new(origin, side).await;
            held.release(None, None).await.unwrap();
            assert_eq!(held.audited(), [("all".to_owned(), None)]);
        }
    }

    // What an account of before the note wrote still has the hash it had.
    #[test]
    fn a_row_without_a_note_is_spelled_as_before_s11() {
        let row = AuditEvent::GuardReleased { scope: "all".to_owned(), note: None };
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"{"event":"guard_released","scope":"all"}"#);
    }

    #[tokio::test]
    async fn bookings_are_approved_one_by_one_and_check_says_where_they_are_made_s07() {
        let origin = S360.replace("operator", "bookings = { point_of_sales = 7 }\noperator")
            + "[modules.orders]\nenabled = true\ncrm_fields = { booking = \"x_b\", product = \"x_p\", quantity = \"x_q\", \
               unit_price = \"x_u\" }\n";
        let held = Held::new(&origin, Side::Ivvy).await;
        let Ok(Answer::Check { rows }) = held.service.answer(&held.actor, Request::Check).await else {
            panic!("no check")
        };
        let row = rows.iter().find(|row| row.what == "s360: bookings of ACME").unwrap();
        assert!(row.found.contains("point of sale 7") && row.found.contains("nothing is sold"), "{}", row.found);
        let now = Timestamp::from_secs(1_795_000_000);
        let mut ids = Vec::new();
        for (module, record) in [(ModuleId::Orders, "1"), (ModuleId::Orders, "2"), (MODULE, "3"), (MODULE, "4")] {
            let add = move |tx: &mut crate::store::Tx<'_>| {
                let pair = PairKey::Lone(Side::Crm, record.into());
                let reasons = Reasons::one(Reason::Rule);
                let item = Item::new(tx.new_item_id()?, module, pair, Kind::Create, now);
                let item = Item { state: State::Held, reasons, ..item };
                let what = AuditEvent::Planned { state: item.state, summary: String::new() };
                let note = Note { at: now, actor: Actor::engine(), module: Some(module), item: None, link: None, what };
                tx.put_item(&item, note)?;
                Ok((item.id, item.ver, item.seen))
            };
            ids.push(held.service.engine().store().write(add).await.unwrap());
        }
        let approve = |(item, ver, seen): (_, u32, _)| crate::wire::Decide {
            item,
            ver: Some(ver),
            seen: Some(seen),
            verb: crate::model::Verb::Approve,
            choices: BTreeMap::new(),
            side: None,
            until: None,
            record: None,
            reason: None,
        };
        let refused = async |decisions: Vec<crate::wire::Decide>| {
            let answer = held.service.answer(&held.actor, Request::DecideMany { decisions }).await.map_err(|f| f.error);
            let Ok(Answer::DecidedMany { results }) = answer else { panic!("{answer:?}") };
            results.into_iter().map(|result| result.error.map(|error| error.message)).collect::<Vec<_>>()
        };
        let together = refused(ids.iter().copied().map(approve).collect()).await;
        let one_by_one = |told: &Option<String>| told.as_deref() == Some("what is booked is approved one by one");
        assert_eq!(together.iter().map(one_by_one).collect::<Vec<_>>(), [true, true, false, false], "{together:?}");
        assert_eq!(refused(vec![approve(ids[0])]).await, [None], "by itself it is");
    }
}
