//! The store the figures are about: a million items over both modules and all states, made once
//! through the store's own operations and kept under `target/bench-data`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tandem::model::item::ItemError;
use tandem::model::record::Source;
use tandem::model::{
    Actor, AuditEvent, FieldPlan, Fields, Fingerprint, Intent, Item, ItemId, Kind, LinkId, ModuleId, Observation,
    Operation, PairKey, Plan, Reason, Reasons, Record, RecordId, Side, State, Timestamp, Value, Verdict, Why,
};
use tandem::sim::people::Population;
use tandem::store::{Note, Options, SCHEMA, Store, StoreError, Tx};

use crate::Outcome;

/// Account the stores belong to.
pub const ACCOUNT: &str = "bench";

/// Raised with every change of what is generated, so that a cached store is made anew.
const RECIPE: u32 = 1;

/// Items per commit while the store is made.
const BATCH: u64 = 10_000;

/// Different people and companies; titles combine them.
const PEOPLE: usize = 4_000;
const COMPANIES: usize = 1_000;

/// A field with its two remembered and two present values.
type Sides<'a> = (&'static str, &'a str, &'a str, &'a str);

/// Where bench data lives.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-data")
}

/// The cached store of `items` items.
pub fn cached(items: u64) -> PathBuf {
    folder().join(format!("queue-{items}-schema{SCHEMA}-recipe{RECIPE}.redb"))
}

/// Makes items that look like a real backlog. The same number gives the same item.
pub struct Recipe {
    population: Population,
}

impl Recipe {
    pub fn new() -> Self {
        Self { population: Population::generate(7, PEOPLE, COMPANIES) }
    }

    /// Module, state and reason of item `n`: about half are open, as after a first pairing.
    fn place(n: u64) -> (ModuleId, State, Option<Reason>) {
        let draw = mix(n) % 100_000;
        let module = if mix(n ^ 0xA5A5).is_multiple_of(5) { ModuleId::Companies } else { ModuleId::Contacts };
        let reason = match mix(n ^ 0x5A5A) % 10 {
            0..=5 => Reason::Conflict,
            6 | 7 => Reason::FirstSync,
            8 => Reason::Ambiguous,
            _ => Reason::Validation,
        };
        let state = match draw {
            0..12_000 => return (module, State::Held, Some(reason)),
            12_000..42_000 => State::Ready,
            42_000..47_000 => State::New,
            47_000..51_000 => State::Blocked,
            51_000..52_000 => State::Retry,
            52_000..52_500 => State::Dead,
            52_500..52_550 => State::Unknown,
            52_550..52_560 => State::Inflight,
            52_560..56_000 => State::Skipped,
            56_000..59_000 => State::Superseded,
            _ => State::Done,
        };
        (module, state, None)
    }

    /// Puts item `n` into the store the way the engine would have brought it there.
    fn put(&self, tx: &mut Tx<'_>, n: u64) -> Result<(), StoreError> {
        let (module, goal, reason) = Self::place(n);
        let mut item = self.item(n, module, goal, reason);
        // Nothing starts in these states; they are reached from `ready`.
        let path: &[State] = match goal {
            State::Retry | State::Unknown => &[State::Ready, State::Inflight],
            State::Dead | State::Skipped | State::Inflight => &[State::Ready],
            _ => &[],
        };
        for step in path {
            let before = Item { state: *step, ..item.clone() };
            tx.put_item(&before, note(&before))?;
            item.ver += 1;
        }
        if goal.has_intent() {
            tx.put_intent(&intent(&item))?;
        }
        tx.put_item(&item, note(&item))?;
        Ok(())
    }

    fn item(&self, n: u64, module: ModuleId, state: State, reason: Option<Reason>) -> Item {
        let created_at = Timestamp::from_secs(1_790_000_000 + i64::try_from(mix(n) % 4_000_000).unwrap_or(0));
        let (title, fields) = self.plan(n, module, reason);
        let unsolved = fields.iter().filter(|row| row.unsolved()).count();
        let (ivvy, crm) = (RecordId(n.to_string()), RecordId((n + 40_000).to_string()));
        let pair = if reason == Some(Reason::Ambiguous) {
            PairKey::Lone(Side::Ivvy, ivvy.clone())
        } else {
            PairKey::Link(LinkId(n))
        };
        let error = matches!(state, State::Retry | State::Dead).then(|| ItemError {
            message: "the CRM did not answer within 30 s".to_owned(),
            hint: None,
            at: created_at,
        });
        Item {
            state,
            reasons: reason.map_or(Reasons::NONE, Reasons::one),
            ver: 1,
            seen: Fingerprint(u128::from(mix(n)) << 64 | u128::from(n)),
            priority: if n.is_multiple_of(3) { 1 } else { 2 },
            attempts: u32::from(error.is_some()),
            title,
            plan: Plan {
                fields,
                ivvy: Some(ivvy),
                crm: Some(crm),
                candidates: Vec::new(),
                summary: if unsolved > 0 {
                    format!("{unsolved} fields differ on both sides")
                } else {
                    "update the phone in the CRM".to_owned()
                },
                mapping_version: 1,
            },
            error,
            waits_for: (state == State::Blocked)
                .then(|| (ModuleId::Companies, PairKey::Lone(Side::Ivvy, RecordId((n % 9_000).to_string())))),
            ..Item::new(ItemId(n), module, pair, Kind::Update, created_at)
        }
    }

    fn plan(&self, n: u64, module: ModuleId, reason: Option<Reason>) -> (String, Vec<FieldPlan>) {
        let pick = |salt: u64, length: usize| usize::try_from(mix(n ^ salt)).unwrap_or(0) % length.max(1);
        let phone = format!("+61 2 5550 {:04}", mix(n) % 10_000);
        let moved = format!("+61 2 5551 {:04}", mix(n ^ 1) % 10_000);
        let theirs = if reason.is_some() { format!("+61 2 5552 {:04}", mix(n ^ 2) % 10_000) } else { phone.clone() };
        let (ivvy, key) = (n.to_string(), format!("{}-{n}", module.singular()));
        match module {
            ModuleId::Contacts => {
                let people = &self.population.people;
                let (first, last) =
                    (&people[pick(3, people.len())].first_name, &people[pick(4, people.len())].last_name);
                let email = format!("person{n}@example.org");
                let company = (mix(n ^ 5) % 9_000).to_string();
                let rows: [Sides<'_>; 7] = [
                    ("first_name", first, first, first),
                    ("last_name", last, last, last),
                    ("email", &email, &email, &email),
                    ("phone", &phone, &moved, &theirs),
                    ("company", &company, &company, &company),
                    ("external_id", &ivvy, &ivvy, &ivvy),
                    ("ivvy_key", &key, &key, &key),
                ];
                (format!("{first} {last}"), rows.map(field).into())
            }
            _ => {
                let company = &self.population.companies[pick(3, self.population.companies.len())];
                let rows: [Sides<'_>; 8] = [
                    ("name", &company.name, &company.name, &company.name),
                    ("phone", &phone, &moved, &theirs),
                    ("email", &company.email, &company.email, &company.email),
                    ("website", &company.website, &company.website, &company.website),
                    ("street", &company.street, &company.street, &company.street),
                    ("city", &company.city, &company.city, &company.city),
                    ("postal_code", &company.postal_code, &company.postal_code, &company.postal_code),
                    ("ivvy_key", &key, &key, &key),
                ];
                (company.name.clone(), rows.map(field).into())
            }
        }
    }

    /// What a sweep would store of iVvy contact `n` as it is in `round`.
    pub fn observation(&self, n: u64, round: u64) -> Observation {
        let (module, side) = (ModuleId::Contacts, Side::Ivvy);
        let (_, rows) = self.plan(n, module, None);
        let mut fields: Fields = rows.into_iter().filter_map(|row| Some((row.field, row.ivvy?))).collect();
        fields.insert("phone".to_owned(), Value::text(format!("+61 2 5553 {:04}", mix(n ^ round) % 10_000)));
        let record = Record { id: RecordId(n.to_string()), fields, ..Record::default() };
        let at = Timestamp::from_secs(1_795_000_000);
        Observation {
            module,
            side,
            hash: record.fingerprint(),
            seen_at: at,
            source: Source::Poll,
            identity: tandem::merge::matching::identity(module, &record.fields),
            external_key: Some(format!("{}", n + 40_000)),
            missed_sweeps: 0,
            absent: false,
            merged_into: None,
            record,
        }
    }
}

fn field((name, base, ivvy, crm): Sides<'_>) -> FieldPlan {
    let value = |text: &str| Some(Value::text(text));
    let (verdict, why) = match (ivvy == base, crm == base) {
        (true, true) => (Verdict::Same, Why::Unchanged),
        (false, true) => (Verdict::ToCrm, Why::IvvyChanged),
        (true, false) => (Verdict::ToIvvy, Why::CrmChanged),
        (false, false) => (Verdict::Conflict, Why::BothChanged),
    };
    FieldPlan {
        field: name.to_owned(),
        base_ivvy: value(base),
        base_crm: value(base),
        ivvy: value(ivvy),
        crm: value(crm),
        verdict,
        why,
        merged: None,
        choice: None,
        moved: false,
    }
}

fn note(item: &Item) -> Note {
    let what = AuditEvent::Planned { state: item.state, summary: item.plan.summary.clone() };
    Note { at: item.updated_at, actor: Actor::engine(), module: None, item: None, link: None, what }
}

fn intent(item: &Item) -> Intent {
    let fields: Fields = [("phone".to_owned(), Value::text("+61 2 5550 0000"))].into();
    Intent {
        item: item.id,
        module: item.module,
        side: Side::Crm,
        operation: Operation::Update {
            id: RecordId((item.id.0 + 40_000).to_string()),
            patch: fields.clone(),
            pre_image: fields.clone(),
        },
        source_values: fields,
        attempt: 1,
        claimed_at: item.updated_at,
        unknown_since: None,
        decided: false,
    }
}

/// A number spread over 64 bits (SplitMix64's finaliser): the same for the same `n`.
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Makes the cached store of `items` items unless it is there. Runs in a process of its own, so that
/// its memory is not counted as the console's or the daemon's.
pub fn generate(items: u64) -> Outcome {
    let path = cached(items);
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder())?;
    let half_made = path.with_extension("making");
    let _ = std::fs::remove_file(&half_made);
    let started = Instant::now();
    let store = Store::open(&half_made, Options { cache_bytes: 1 << 30, instance: ACCOUNT.to_owned() })?;
    let recipe = std::sync::Arc::new(Recipe::new());
    for from in (1..=items).step_by(usize::try_from(BATCH)?) {
        let recipe = std::sync::Arc::clone(&recipe);
        store.write_blocking(move |tx| (from..(from + BATCH).min(items + 1)).try_for_each(|n| recipe.put(tx, n)))?;
    }
    drop(store);
    std::fs::rename(&half_made, &path)?;
    eprintln!("made {} in {:.0?}", path.display(), started.elapsed());
    Ok(())
}

/// A copy of the cached store to work on, in a folder of its own; the store's path.
pub fn scratch(items: u64) -> Outcome<PathBuf> {
    let folder = folder().join("scratch");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{ACCOUNT}.redb"));
    std::fs::copy(cached(items), &path)?;
    std::fs::File::open(&path)?.sync_all()?;
    Ok(path)
}
