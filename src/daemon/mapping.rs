//! What consoles ask of field maps (V-19, `docs/decisions/0014`): the definitions both sides give, whether what is
//! mapped still fits, and a resync of one field.
//!
//! How a map is shown is `show`, how it is changed is `change`. Where a side does not tell its fields nothing is
//! guessed: it is said to be unknown.

mod change;
mod show;

use std::collections::BTreeMap;

use futures::future::join_all;

use super::ServiceError;
use super::account::Account;
use crate::error::{Error, ErrorKind};
use crate::merge::mapping as rules;
use crate::model::{Actor, CustomField, FieldDefinition, FieldMaps, Finding, Flow, ModuleId, Side};
use crate::remote::Lane;
use crate::store::{Reads as _, Store, StoreError};
use crate::sync::Remotes;
use crate::wire::{Answer, CheckRow};

pub(super) use change::change;
pub(super) use show::{history, show};

/// The newest maps of all modules.
pub(super) fn stored_maps(store: &Store) -> Result<FieldMaps, StoreError> {
    store.read(|view| {
        let mut maps = FieldMaps::new();
        for module in ModuleId::ALL {
            maps.extend(view.newest_field_map(module)?.map(|map| (module, map)));
        }
        Ok(maps)
    })
}

/// The fields of both sides that could be mapped, or why they are not known.
#[derive(Default)]
struct Definitions {
    found: [Vec<FieldDefinition>; 2],
    errors: BTreeMap<Side, String>,
}

impl Definitions {
    async fn read(remotes: &Remotes, module: ModuleId) -> Self {
        let asked = Side::BOTH.map(|side| remotes.on(side, Lane::Operator).definitions(module));
        let mut read = Self::default();
        for (side, answer) in Side::BOTH.into_iter().zip(join_all(asked).await) {
            match answer {
                Ok(found) => read.found[side as usize] = found,
                Err(error) => drop(read.errors.insert(side, error.to_string())),
            }
        }
        read
    }

    fn on(&self, side: Side) -> &[FieldDefinition] {
        &self.found[side as usize]
    }

    /// What the type check finds; nothing when a side does not answer.
    fn check(&self, field: &CustomField, flow: Flow, crm: &str) -> Vec<Finding> {
        let names = [field.ivvy.to_string(), field.crm.clone()];
        let find = |side: Side| self.on(side).iter().find(|found| found.name == names[side as usize]);
        match self.errors.is_empty() {
            true => rules::check(field, flow, Side::BOTH.map(find), crm),
            false => Vec::new(),
        }
    }
}

/// The CRM's name as people write it.
fn crm_name(remotes: &Remotes) -> String {
    let name = remotes.declared(Side::Crm).system();
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn flow_of(account: &Account, module: ModuleId) -> Result<Flow, ServiceError> {
    let found = account.engine.modules().into_iter().find(|def| def.id == module);
    found.map(|def| def.flow).ok_or_else(|| {
        Error::new(ErrorKind::Refused, format!("{module} is not switched on"))
            .hint("fields are mapped for modules that are on; see `tandem status`")
            .into()
    })
}

/// Plans what differs in one field anew, or counts it.
pub(super) async fn resync(
    account: &Account,
    actor: &Actor,
    module: ModuleId,
    name: &str,
    dry_run: bool,
) -> Result<Answer, ServiceError> {
    flow_of(account, module)?;
    let engine = &account.engine;
    let maps = stored_maps(engine.store())?;
    let fields = account.blueprint.custom_fields(module, &maps);
    let Some(field) = fields.iter().find(|field| field.name == name) else {
        return Err(Error::new(ErrorKind::Refused, format!("no field `{name}` is mapped"))
            .hint(format!("see `tandem map show {module}`"))
            .into());
    };
    let (walker, catalogued) = (engine.clone(), field.field());
    let counted = tokio::task::spawn_blocking(move || walker.resync_of(module, &catalogued)).await;
    let found = counted.map_err(|_| Error::internal("a walk through the store was broken off"))??;
    let unread = match found.unread {
        0 => String::new(),
        pairs => format!(" In {pairs} pairs it has not been read on both sides since it was mapped."),
    };
    let message = if found.differ == 0 && found.unread == 0 {
        "both sides hold the same everywhere: there is nothing to plan".to_owned()
    } else if dry_run {
        format!("the two sides differ in {} pairs; nothing was changed.{unread}", found.differ)
    } else {
        let (worker, actor, catalogued) = (engine.clone(), actor.clone(), field.field());
        let marked = tokio::spawn(async move { worker.resync(module, &catalogued, actor).await });
        let marked = marked.await.map_err(|_| Error::internal("a resync was broken off"))??;
        format!(
            "{marked} pairs are planned anew and held by the guard of {module}, with everything else it plans. Look with \
             `tandem sync {module} --plan`, let it go with `tandem sync {module} --approve HASH`.{unread}"
        )
    };
    Ok(Answer::Done { message })
}

/// A row of `tandem check` for every mapped field that no longer fits, and one when all do.
pub(crate) async fn check(
    remotes: &Remotes,
    flows: &[(ModuleId, Flow)],
    fields: impl Fn(ModuleId) -> Vec<CustomField>,
) -> Vec<CheckRow> {
    let crm = crm_name(remotes);
    let mut rows = Vec::new();
    for (module, flow) in flows {
        let fields = fields(*module);
        if fields.is_empty() {
            continue;
        }
        let definitions = Definitions::read(remotes, *module).await;
        let what = |name: &str| format!("map of {module}{name}");
        let row = |what: String, ok: bool, found: String, hint: Option<&str>| CheckRow {
            what,
            ok,
            found,
            hint: hint.map(str::to_owned),
        };
        if let Some((side, error)) = definitions.errors.first_key_value() {
            let found = format!("{}'s fields are not known: {error}", side.title());
            rows.push(row(what(""), false, found, Some("give the key permission to read field definitions")));
            continue;
        }
        let before = rows.len();
        for field in &fields {
            let findings = definitions.check(field, *flow, &crm);
            let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
            let faulty = findings.iter().any(|finding| finding.fault);
            if !findings.is_empty() {
                let hint = faulty.then_some("`tandem map` shows both sides; correct the field there, or map it anew");
                rows.push(row(what(&format!(": {}", field.name)), !faulty, texts.join("; "), hint));
            }
        }
        if rows.len() == before {
            rows.push(row(what(""), true, format!("{} custom fields fit on both sides", fields.len()), None));
        }
    }
    rows
}
