//! What each request needs: the one table of roles, enforced here and nowhere else.
//!
//! Consoles hide or explain what a role may not do; that is courtesy. This is the rule.

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Actor, Role, Verb};
use crate::wire::{Request, StreamVerb};

/// The least role that may make this request.
pub fn least_role(request: &Request) -> Role {
    match request {
        Request::Status
        | Request::Page(_)
        | Request::Item { .. }
        | Request::Preview(_)
        | Request::Audit(_)
        | Request::AuditVerify
        | Request::GuardPlan { .. }
        | Request::Module { .. }
        | Request::Matches(_)
        | Request::MatchOptions { .. }
        | Request::MapHistory { .. }
        | Request::Streams
        | Request::StreamItems { .. }
        | Request::AccessChecks(_)
        | Request::Watch => Role::Viewer,
        // These cost calls to the remotes or a walk through the whole store.
        Request::MatchDecide { .. }
        | Request::MatchUpdate { .. }
        | Request::MatchRefresh { accept: false, .. }
        | Request::MapShow { .. }
        | Request::Sync { .. }
        | Request::Check
        | Request::Doctor { rebuild: false } => Role::Triage,
        Request::StreamDo { verb, .. } => least_role_on_streams(verb),
        Request::Decide(decide) => least_role_for(decide.verb),
        Request::DecideMany { decisions } => {
            decisions.iter().map(|decide| least_role_for(decide.verb)).max().unwrap_or(Role::Triage)
        }
        Request::Pause { .. }
        | Request::Resume { .. }
        | Request::GuardRelease { .. }
        | Request::GuardDiscard { .. }
        // It lets through what a guard holds back.
        | Request::MatchRefresh { accept: true, .. }
        | Request::MapChange(_)
        | Request::MapResync { .. }
        | Request::Doctor { rebuild: true }
        | Request::Shutdown => Role::Admin,
    }
}

/// The least role that may do this about a stream.
pub fn least_role_on_streams(verb: &StreamVerb) -> Role {
    match verb {
        StreamVerb::Retry { .. }
        | StreamVerb::Revive { .. }
        | StreamVerb::Test
        | StreamVerb::Reconcile
        | StreamVerb::RunNow => Role::Triage,
        // What is thrown away does not come back by itself.
        StreamVerb::Dismiss { .. } | StreamVerb::Drop { .. } | StreamVerb::LossSettled => Role::Force,
        // It decides what all later runs take over.
        StreamVerb::FirstSync { .. } => Role::Admin,
    }
}

/// The least role that may decide this.
pub fn least_role_for(verb: Verb) -> Role {
    match verb {
        Verb::Approve
        | Verb::Skip
        | Verb::Snooze
        | Verb::Edit
        | Verb::Hold
        | Verb::Undo
        | Verb::Retry
        | Verb::Reopen
        | Verb::Arrived
        | Verb::Pair
        | Verb::Claim => Role::Triage,
        // Both may write over what someone else wrote: `force` knowingly, `resend` if it had arrived.
        Verb::Force | Verb::Resend => Role::Force,
    }
}

/// Refuses a request the actor's role does not cover.
///
/// # Errors
/// [`ErrorKind::Permission`].
pub fn allow(actor: &Actor, request: &Request) -> Result<()> {
    let least = least_role(request);
    if actor.role >= least {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Permission, format!("this needs the role {least}; {} has {}", actor.name, actor.role))
        .hint(format!("ask someone with that role, or an admin to raise yours under [operators.{}]", actor.name)))
}
