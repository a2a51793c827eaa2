//! The actions, after the gate has admitted the call: which there are, and what each kind does.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::answer::{Refusal, plain, suffixed};
use super::listing::{List, Query, Scope};
use super::object::{Face, Object, Property};
use super::objects;
use super::params::Params;
use super::row::Row;
use super::settings::{Order, Settings};
use super::world::World;
use super::{batch, notices, write};
use crate::model::Timestamp;

/// Every namespace the contract counts; unknown ones are 404 before the method is looked at.
pub(super) const NAMESPACES: [&str; 9] =
    ["account", "batch", "contact", "crm", "event", "invoice", "partner", "test", "venue"];

/// An action this simulator offers.
#[derive(Debug)]
pub(super) struct Action {
    pub namespace: &'static str,
    pub name: &'static str,
    /// The kind of record it is about.
    pub object: Option<&'static str>,
    does: Does,
}

#[derive(Debug)]
enum Does {
    List(List),
    /// One record by id, perhaps within a parent.
    Read(&'static Object, Option<Scope>, &'static [&'static str]),
    /// An addOrUpdate, and what it needs even where it changes a record.
    Write(&'static Object, &'static [&'static str]),
    /// What no table can say.
    Call(Call),
}

/// An action with its own code.
pub(super) type Call = fn(&Params<'_>, Context<'_>) -> Result<Value, Refusal>;

const PING: &[Action] = &[Action::call("test", "ping", ping)];

/// What an action works with.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub world: &'a mut World,
    pub settings: &'a Settings,
    /// Actions the caller may not run.
    pub denied: &'a BTreeSet<String>,
    pub now: Timestamp,
    /// Number of this call, for what must differ between calls.
    pub turn: u64,
}

impl Action {
    /// A list of every record of `object`, in pages.
    pub(super) const fn list(namespace: &'static str, name: &'static str, object: &'static Object) -> Self {
        let list = List {
            object,
            required: &[],
            scope: None,
            idle: &[],
            sorts: &[],
            omitted: &[],
            filters: &[],
            bare: false,
            capped: false,
        };
        Self { namespace, name, object: Some(object.name), does: Does::List(list) }
    }

    /// A single read by `id`.
    pub(super) const fn read(namespace: &'static str, name: &'static str, object: &'static Object) -> Self {
        Self { namespace, name, object: Some(object.name), does: Does::Read(object, None, &[]) }
    }

    /// An addOrUpdate.
    pub(super) const fn write(namespace: &'static str, name: &'static str, object: &'static Object) -> Self {
        Self { namespace, name, object: Some(object.name), does: Does::Write(object, &[]) }
    }

    /// Anything else.
    pub(super) const fn call(namespace: &'static str, name: &'static str, call: Call) -> Self {
        Self { namespace, name, object: None, does: Does::Call(call) }
    }

    /// Any other action, said to be about `object`.
    pub(super) const fn about(mut self, object: &'static Object) -> Self {
        self.object = Some(object.name);
        self
    }

    /// A list or write that needs these parameters at all times.
    pub(super) const fn requiring(mut self, names: &'static [&'static str]) -> Self {
        match &mut self.does {
            Does::List(list) => list.required = names,
            Does::Write(_, required) => *required = names,
            Does::Read(..) | Does::Call(_) => {}
        }
        self
    }

    /// A list or read within one parent.
    pub(super) const fn within(mut self, new: Scope) -> Self {
        match &mut self.does {
            Does::List(list) => list.scope = Some(new),
            Does::Read(_, scope, _) => *scope = Some(new),
            Does::Write(..) | Does::Call(_) => {}
        }
        self
    }

    /// A list or read that takes parameters which change nothing here.
    pub(super) const fn taking(mut self, names: &'static [&'static str]) -> Self {
        match &mut self.does {
            Does::List(list) => list.idle = names,
            Does::Read(_, _, idle) => *idle = names,
            Does::Write(..) | Does::Call(_) => {}
        }
        self
    }

    /// A list that can be sorted.
    pub(super) const fn sorted_by(mut self, sorts: &'static [(&'static str, &'static str)]) -> Self {
        if let Does::List(list) = &mut self.does {
            list.sorts = sorts;
        }
        self
    }

    /// A list that leaves some fields out.
    pub(super) const fn omitting(mut self, names: &'static [&'static str]) -> Self {
        if let Does::List(list) = &mut self.does {
            list.omitted = names;
        }
        self
    }

    /// A list with more to filter by than other lists of its object.
    pub(super) const fn filtered_by(mut self, filters: &'static [Property]) -> Self {
        if let Does::List(list) = &mut self.does {
            list.filters = filters;
        }
        self
    }

    /// A list that comes as a bare array.
    pub(super) const fn bare(mut self) -> Self {
        if let Does::List(list) = &mut self.does {
            list.bare = true;
        }
        self
    }

    /// A list whose cap of 100 is documented.
    pub(super) const fn capped(mut self) -> Self {
        if let Does::List(list) = &mut self.does {
            list.capped = true;
        }
        self
    }

    /// Every action there is.
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        objects::ACTIONS.iter().chain(&[PING, batch::ACTIONS, notices::ACTIONS]).copied().flatten()
    }

    /// The action of that exact name in that namespace.
    pub(super) fn find(namespace: &str, name: &str) -> Option<&'static Self> {
        Self::all().find(|action| action.namespace == namespace && action.name == name)
    }

    /// Runs it.
    pub(super) fn run(&self, map: &Map<String, Value>, context: Context<'_>) -> Result<Value, Refusal> {
        let params = &Params::of_call(map);
        let settings = context.settings;
        match &self.does {
            Does::List(list) => {
                let query = Query::read(list, params, context.world, settings)?;
                let turn = if settings.order == Order::Shuffled { context.turn } else { 0 };
                Ok(query.page(context.world, context.now, settings.order, settings.seed.wrapping_add(turn)))
            }
            Does::Read(object, scope, idle) => {
                params.require(&["id"])?;
                params.require(scope.as_ref().map_or(&[], Scope::required))?;
                if settings.strict_params {
                    let known = [&["id"], *idle].concat();
                    params.only(&known.into_iter().chain(scope.iter().flat_map(Scope::names)).collect::<Vec<_>>())?;
                }
                let id = params.whole("id")?.ok_or_else(|| Refusal::required("id"))?;
                let world = &*context.world;
                let within = match scope {
                    None => None,
                    Some(scope) => scope.read(params, world)?,
                };
                let belongs = |row: &&Row| within.as_ref().is_none_or(|within| within.admits(row));
                let row = world.get(object.name, id).filter(belongs).ok_or_else(|| object.missing())?;
                Ok(object.show(row, world, Face::Single))
            }
            Does::Write(object, required) => {
                params.require(required)?;
                write::run(object, params, context)
            }
            Does::Call(call) => call(params, context),
        }
    }
}

/// The server's time, in either form.
fn ping(_: &Params<'_>, context: Context<'_>) -> Result<Value, Refusal> {
    let ack = if context.turn.is_multiple_of(2) { plain(context.now) } else { suffixed(context.now) };
    Ok(json!({ "ack": ack }))
}
