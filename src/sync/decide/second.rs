//! Decisions that take two people (`engine.md` 5.12): the first one's is kept on the item, beside its
//! plan, and the second one's approval of exactly that version carries it out.

use std::collections::BTreeMap;

use super::{Step, Taken};
use crate::model::{Choice, Item, Reason, Role, State, item::Pending};

impl Step<'_, '_> {
    /// Keeps the decision until a second person confirms it.
    pub(super) fn ask_second(&mut self, mut item: Item, choices: BTreeMap<String, Choice>) -> Taken {
        item.pending = Some(Pending {
            verb: self.decision.verb,
            side: self.decision.side,
            choices,
            reason: self.decision.reason.clone(),
            by: self.decision.actor.clone(),
        });
        item.state = State::Held;
        item.reasons = item.reasons.with(Reason::SecondPerson);
        item.decided = false;
        item.forced = None;
        self.store(item)
    }

    /// The second person's approval carries out what the first one decided.
    pub(super) fn confirm(&mut self, item: Item, pending: Pending) -> Taken {
        let actor = &self.decision.actor;
        if pending.by.is(actor) {
            return Ok(Err("you asked for it: a second person must confirm".to_owned()));
        }
        if !self.looked {
            let what = pending.sentence();
            return Ok(Err(format!("{what}; to confirm that, say which version you looked at ({})", item.ver)));
        }
        let Some(side) = pending.side else {
            return self.close_pair(item);
        };
        if actor.role < Role::Force {
            return Ok(Err(format!("confirming a force-push needs the role force; you have {}", actor.role)));
        }
        self.force_through(item, side, pending.choices)
    }
}
