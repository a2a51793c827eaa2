//! addOrUpdate, the same for every object: presence, validity, existence, sameness, then one commit.

use serde_json::{Value, json};

use super::actions::Context;
use super::answer::Refusal;
use super::object::{Object, Scene};
use super::params::Params;
use super::row::Row;
use super::settings::DuplicateAdd;
use super::world::{World, Write};
use crate::model::Timestamp;
use crate::sim::ledger::By;

/// Parameters that steer a write and are no fields.
const STEERING: &[&str] = &["id", "updateIfExists"];

/// A write that was checked and waits to be committed.
#[derive(Debug)]
pub(super) struct Prepared {
    pub object: &'static Object,
    pub row: Row,
    fields: Vec<String>,
}

/// Checks and commits one write.
pub(super) fn run(object: &'static Object, params: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    let prepared = prepare(object, params, &context)?;
    Ok(written(prepared.commit(context.world, context.now)))
}

/// Checks one write. Nothing is changed yet.
pub(super) fn prepare(
    object: &'static Object,
    params: &Params<'_>,
    context: &Context<'_>,
) -> Result<Prepared, Refusal> {
    let Context { world, settings, now, .. } = context;
    let id = params.whole("id");
    if matches!(id, Ok(None)) {
        params.require(&object.required())?;
    }
    if settings.strict_params {
        let steering = if object.same.is_some() { STEERING } else { &STEERING[..1] };
        params.only(&[&object.writable(), steering].concat())?;
    }
    let id = id?;
    let fields = params.written(STEERING);
    if let Some(code) = object.codes.empty.filter(|_| fields.is_empty()) {
        return Err(Refusal::new(400, "There is nothing to write").specific(code));
    }
    let scene = Scene { world, now: *now, by_user: false };
    let overlaid = |before: Option<&Row>| {
        let mut row = before.cloned().unwrap_or_default();
        object.overlay(&mut row, params, &scene)?;
        if settings.normalise_emails {
            object.normalise_emails(&mut row);
        }
        (object.rules)(&mut row, before, &scene)?;
        Ok::<Row, Refusal>(row)
    };
    let update_if_exists = params.flag("updateIfExists")?.unwrap_or(false);
    let table = world.table(object.name);
    let row = match id {
        // Validity is judged before existence.
        Some(id) => match table.get(id) {
            Some(before) => overlaid(Some(before))?,
            None => overlaid(None).and_then(|_| Err(object.missing()))?,
        },
        None => {
            let added = overlaid(None)?;
            match object.same.and_then(|same| table.live().find(|other| same(other, &added))) {
                Some(before) if update_if_exists => overlaid(Some(before))?,
                Some(_) => {
                    let message = format!("Such a {} exists already", object.name);
                    match settings.duplicate_add {
                        DuplicateAdd::Allow => added,
                        DuplicateAdd::Refuse => return Err(Refusal::polite(message)),
                        DuplicateAdd::BadRequest => return Err(Refusal::new(400, message)),
                    }
                }
                None => added,
            }
        }
    };
    Ok(Prepared { object, row, fields })
}

impl Prepared {
    /// Commits it and returns the record's id.
    pub(super) fn commit(self, world: &mut World, now: Timestamp) -> u64 {
        world.commit(self.object, self.row, Write { by: By::Api, now, fields: self.fields, silent: false })
    }
}

/// The answer of a write; `success` is missing for some ids.
pub(super) fn written(id: u64) -> Value {
    if id.is_multiple_of(3) { json!({"id": id}) } else { json!({"success": true, "id": id}) }
}
