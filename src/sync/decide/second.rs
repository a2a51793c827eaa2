//! Decisions that take two people (`engine.md` 5.12): the first one's is kept on the item, and the
//! second one's approval of exactly that version carries it out.

use super::{Step, Taken};
use crate::model::{Item, Reason, Role, State, Verb, item::Pending};

impl Step<'_, '_> {
    /// Keeps the decision until a second person confirms it.
    pub(super) fn ask_second(&mut self, mut item: Item) -> Taken {
        item.pending = Some(Pending {
            verb: self.decision.verb,
            side: self.decision.side,
            reason: self.decision.reason.clone(),
            by: self.decision.actor.clone(),
        });
        item.state = State::Held;
        item.reasons = item.reasons.with(Reason::SecondPerson);
        self.store(item)
    }

    /// The second person's approval carries out what the first one decided.
    pub(super) fn confirm(&mut self, mut item: Item, pending: &Pending) -> Taken {
        let actor = &self.decision.actor;
        if pending.by.is(actor) {
            return Ok(Err("you asked for it: a second person must confirm".to_owned()));
        }
        if pending.verb != Verb::Force {
            return self.close_pair(item);
        }
        if actor.role < Role::Force {
            return Ok(Err(format!("confirming a force-push needs the role force; you have {}", actor.role)));
        }
        self.make_ready(&mut item);
        item.forced = pending.side;
        self.store(item)
    }
}
