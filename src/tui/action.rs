//! The action catalogue: everything an operator can do, once.
//!
//! Footer, help overlay, palette, action menu, key map and `docs/KEYS.md` are made from this table,
//! so an action that is not described does not exist.

use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::model::{Role, Verb};

/// How much harm an action can do, and so what is asked before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
pub enum Tier {
    /// View or local: no question.
    T0,
    /// One record, reversible: no question, a message that names the undo key.
    T1,
    /// Several records, or hard to reverse: a dialog that starts on Cancel.
    T2,
    /// Over a newer value, very many records, or production: a typed confirmation.
    T3,
}

impl Tier {
    /// What the tier means, for the key reference.
    pub fn explain(self) -> &'static str {
        match self {
            Self::T0 => "no question",
            Self::T1 => "no question, can be undone",
            Self::T2 => "asks first",
            Self::T3 => "asks for a typed confirmation",
        }
    }
}

/// Where a key is looked up. Inner scopes go before outer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, Display, IntoStaticStr)]
#[strum(serialize_all = "title_case")]
pub enum Scope {
    /// Everywhere.
    Global,
    /// Tab 1.
    Dashboard,
    /// A module looked at closely, over tab 1.
    Module,
    /// A stream looked at closely, over tab 1.
    Stream,
    /// Tab 2.
    Queue,
    /// Tab 3.
    Diff,
    /// Tab 4.
    Log,
    /// Tab 5.
    Match,
    /// The guard dialog.
    Guard,
    /// The preview of a long value.
    Preview,
    /// The field map of a module.
    FieldMap,
}

/// Everything an operator can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, EnumString, Display, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[allow(missing_docs)] // the table below describes each one
pub enum ActionId {
    Quit,
    Back,
    Help,
    Palette,
    Menu,
    Dashboard,
    Queue,
    Diff,
    Log,
    Match,
    NextPane,
    PreviousPane,
    Freeze,
    Refresh,
    Messages,
    Suspend,
    Down,
    Up,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    Top,
    End,
    Left,
    Right,
    Open,
    Goto,
    FilterText,
    FilterModule,
    FilterReason,
    ClearFilter,
    Mark,
    Range,
    MarkAll,
    ClearMarks,
    NextUnsolved,
    PreviousUnsolved,
    TakeIvvy,
    TakeCrm,
    TakeAllIvvy,
    TakeAllCrm,
    Edit,
    ClearChoice,
    ShowBase,
    ShowSame,
    Approve,
    Skip,
    Snooze,
    Force,
    Undo,
    Retry,
    Reopen,
    Hold,
    Claim,
    Arrived,
    Resend,
    Pair,
    History,
    Sync,
    SyncFull,
    PauseModule,
    Plan,
    Check,
    VerifyAudit,
    Doctor,
    MatchTable,
    MatchSide,
    MatchFilter,
    MatchPair,
    MatchUnpair,
    MatchIgnore,
    MatchCreate,
    MatchUpdate,
    MatchResend,
    MatchAgain,
    StreamRetry,
    StreamDismiss,
    StreamFirstSync,
    StreamTest,
    StreamReconcile,
    StreamSettle,
    StreamRunNow,
    GuardRelease,
    GuardSample,
    GuardDiscard,
    FieldMap,
    MapField,
    MapRemove,
    MapResync,
    MapHistory,
    PreviewText,
    PreviewSource,
    PreviewLinks,
    PreviewValue,
}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// Which.
    pub id: ActionId,
    /// Two or three words for footer and palette.
    pub title: &'static str,
    /// One sentence for the help.
    pub help: &'static str,
    /// Where it applies.
    pub scopes: &'static [Scope],
    /// What is asked before.
    pub tier: Tier,
    /// Keys unless the configuration says otherwise; a blank separates the keys of a sequence.
    pub keys: &'static [&'static str],
    /// The command that does the same.
    pub cli: Option<&'static str>,
    /// Who may.
    pub role: Role,
    /// The verb it sends, if it decides about items.
    pub verb: Option<Verb>,
}

impl Action {
    /// The row of `id`.
    pub fn of(id: ActionId) -> &'static Self {
        // Invariant: a test proves that every id has a row, so the fallback is never taken.
        CATALOGUE.iter().find(|action| action.id == id).unwrap_or(&CATALOGUE[0])
    }

    /// The name used in the palette, the configuration and the documentation.
    pub fn name(&self) -> &'static str {
        self.id.into()
    }
}

const fn action(id: ActionId, title: &'static str, scopes: &'static [Scope], keys: &'static [&'static str]) -> Action {
    Action { id, title, help: title, scopes, tier: Tier::T0, keys, cli: None, role: Role::Viewer, verb: None }
}

impl Action {
    const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    const fn tier(mut self, tier: Tier, role: Role) -> Self {
        self.tier = tier;
        self.role = role;
        self
    }

    const fn cli(mut self, cli: &'static str) -> Self {
        self.cli = Some(cli);
        self
    }

    const fn verb(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }
}

const GLOBAL: &[Scope] = &[Scope::Global];
const MODULES: &[Scope] = &[Scope::Dashboard, Scope::Module];
const QUEUE: &[Scope] = &[Scope::Queue];
const DIFF: &[Scope] = &[Scope::Diff];
const ITEMS: &[Scope] = &[Scope::Queue, Scope::Diff];
const GUARD: &[Scope] = &[Scope::Guard];
const PREVIEW: &[Scope] = &[Scope::Preview];
const MATCH: &[Scope] = &[Scope::Match];
const STREAM: &[Scope] = &[Scope::Stream];
const MAP: &[Scope] = &[Scope::FieldMap];

/// Every action, in the order of help and documentation: within a scope, what the footer should
/// show first comes first.
pub const CATALOGUE: &[Action] = &[
    action(ActionId::Help, "help", GLOBAL, &["?"]).help("Show the keys of this place; type to search."),
    action(ActionId::Palette, "palette", GLOBAL, &[":"]).help("Find any action by name and run it."),
    action(ActionId::Menu, "actions", GLOBAL, &["x"])
        .help("List the actions of this place, with the reason why one is not possible now."),
    action(ActionId::Back, "back", GLOBAL, &["Esc"])
        .help("Close, dismiss the error, end the range, drop the filter, or go back: the innermost of these."),
    action(ActionId::Quit, "quit", GLOBAL, &["q", "C-c"]).help("Leave the console; the daemon goes on."),
    action(ActionId::Dashboard, "dashboard", GLOBAL, &["1"]).cli("tandem status").help("Show modules and remotes."),
    action(ActionId::Queue, "queue", GLOBAL, &["2"]).cli("tandem queue list").help("Show the queue."),
    action(ActionId::Diff, "diff", GLOBAL, &["3"]).cli("tandem queue show ID").help("Show the record under triage."),
    action(ActionId::Log, "log", GLOBAL, &["4"]).cli("tandem audit list").help("Show the audit log, newest first."),
    action(ActionId::Match, "match tables", GLOBAL, &["5"])
        .cli("tandem match list")
        .help("Show which person and which lead source of one system is which of the other."),
    action(ActionId::NextPane, "next pane", GLOBAL, &["Tab"])
        .help("Go to the next pane, or tab where there is one pane."),
    action(ActionId::PreviousPane, "previous pane", GLOBAL, &["BackTab"]).help("Go to the previous pane or tab."),
    action(ActionId::Down, "down", GLOBAL, &["j", "Down"]).help("Move down one row."),
    action(ActionId::Up, "up", GLOBAL, &["k", "Up"]).help("Move up one row."),
    action(ActionId::Left, "left", GLOBAL, &["h", "Left"]).help("Go to the previous state filter (queue)."),
    action(ActionId::Right, "right", GLOBAL, &["l", "Right"]).help("Go to the next state filter (queue)."),
    action(ActionId::HalfDown, "half page down", GLOBAL, &["C-d"]).help("Move down half a page."),
    action(ActionId::HalfUp, "half page up", GLOBAL, &["C-u"]).help("Move up half a page."),
    action(ActionId::PageDown, "page down", GLOBAL, &["PageDown", "C-f"]).help("Move down a page."),
    action(ActionId::PageUp, "page up", GLOBAL, &["PageUp"]).help("Move up a page."),
    action(ActionId::Top, "first", GLOBAL, &["g g", "Home"]).help("Go to the first row."),
    action(ActionId::End, "last", GLOBAL, &["G", "g e", "End"]).help("Go to the last row."),
    action(ActionId::Open, "open", GLOBAL, &["Enter"]).help("Open what the cursor is on."),
    action(ActionId::Goto, "go to item", GLOBAL, &["g i"])
        .cli("tandem queue show ID")
        .help("Open an item by its number."),
    action(ActionId::Freeze, "freeze", GLOBAL, &["p"]).help("Stop the live view while you read; the sync goes on."),
    action(ActionId::Refresh, "refresh", GLOBAL, &["r"]).help("Ask for everything again and repaint the screen."),
    action(ActionId::Messages, "messages", GLOBAL, &["g m"]).help("Show the messages so far."),
    action(ActionId::Suspend, "suspend", GLOBAL, &["C-z"]).help("Go to the shell; `fg` comes back."),
    action(ActionId::Check, "check", GLOBAL, &[])
        .cli("tandem check")
        .help("Check connections, permissions, clock skew and the store."),
    action(ActionId::VerifyAudit, "verify log", GLOBAL, &[])
        .cli("tandem audit verify")
        .help("Check the hash chain of the audit log."),
    action(ActionId::Doctor, "doctor", GLOBAL, &[])
        .cli("tandem doctor")
        .tier(Tier::T0, Role::Admin)
        .help("Compare every index and counter with the items; changes nothing."),
    action(ActionId::Sync, "sync now", MODULES, &["y"])
        .cli("tandem sync MODULE")
        .tier(Tier::T1, Role::Triage)
        .help("Read the changes of the module now."),
    action(ActionId::Plan, "dry run", MODULES, &["d"])
        .cli("tandem sync MODULE --plan")
        .help("Show what the module would write and what its guard holds; looking writes nothing."),
    action(ActionId::PauseModule, "pause or resume", MODULES, &["P"])
        .cli("tandem pause MODULE")
        .tier(Tier::T2, Role::Admin)
        .help("Stop or restart reading and writing of the module."),
    action(ActionId::SyncFull, "sync in full", MODULES, &["Y"])
        .cli("tandem sync MODULE --full")
        .tier(Tier::T2, Role::Triage)
        .help("Read every record of the module, not only what changed."),
    action(ActionId::Mark, "mark", QUEUE, &["Space"]).help("Mark or unmark the row, on the version you see."),
    action(ActionId::FilterText, "filter", QUEUE, &["/"])
        .cli("tandem queue list --filter TEXT")
        .help("Keep only titles that contain a text."),
    action(ActionId::FilterModule, "module", QUEUE, &["m"])
        .cli("tandem queue list --module M")
        .help("Go to the next module filter."),
    action(ActionId::FilterReason, "reason", QUEUE, &["w"])
        .cli("tandem queue list --reason R")
        .help("Go to the next reason filter (why it is held)."),
    action(ActionId::ClearFilter, "no filter", QUEUE, &["Backspace"]).help("Drop every filter."),
    action(ActionId::Range, "range", QUEUE, &["v"]).help("Start a range at the cursor; press again to mark it."),
    action(ActionId::MarkAll, "mark loaded", QUEUE, &["*"]).help("Mark every loaded row that matches the filter."),
    action(ActionId::ClearMarks, "unmark", QUEUE, &["-"]).help("Drop all marks."),
    action(ActionId::TakeIvvy, "take iVvy", DIFF, &["i"])
        .cli("tandem queue edit ID --field F=ivvy")
        .tier(Tier::T0, Role::Triage)
        .help("Choose iVvy's value for the field; nothing is sent until you approve."),
    action(ActionId::TakeCrm, "take CRM", DIFF, &["c"])
        .cli("tandem queue edit ID --field F=crm")
        .tier(Tier::T0, Role::Triage)
        .help("Choose the CRM's value for the field; nothing is sent until you approve."),
    action(ActionId::Edit, "edit", DIFF, &["e"])
        .cli("tandem queue edit ID --field F=VALUE")
        .tier(Tier::T0, Role::Triage)
        .help("Type the value both sides shall have."),
    action(ActionId::TakeAllIvvy, "all iVvy", DIFF, &["I"])
        .cli("tandem queue edit ID --take ivvy")
        .tier(Tier::T0, Role::Triage)
        .help("Choose iVvy's value for every field that differs."),
    action(ActionId::TakeAllCrm, "all CRM", DIFF, &["C"])
        .cli("tandem queue edit ID --take crm")
        .tier(Tier::T0, Role::Triage)
        .help("Choose the CRM's value for every field that differs."),
    action(ActionId::ClearChoice, "unchoose", DIFF, &["Backspace"])
        .tier(Tier::T0, Role::Triage)
        .help("Take back your choice for the field."),
    action(ActionId::ShowBase, "base", DIFF, &["b"]).help("Show or hide the last agreed values."),
    action(ActionId::ShowSame, "all fields", DIFF, &["f"]).help("Show or hide fields that do not differ."),
    action(ActionId::Pair, "pair", DIFF, &[])
        .cli("tandem queue pair ID --record R")
        .tier(Tier::T2, Role::Triage)
        .verb(Verb::Pair)
        .help("Link with the candidate under the cursor (Enter in the candidates pane)."),
    action(ActionId::Approve, "approve", ITEMS, &["a"])
        .cli("tandem queue approve ID")
        .tier(Tier::T1, Role::Triage)
        .verb(Verb::Approve)
        .help("Carry out the plan with the choices made, on exactly the version you see. Asks first (T2) where that makes a new record though others may be the same."),
    action(ActionId::Skip, "skip", ITEMS, &["s"])
        .cli("tandem queue skip ID")
        .tier(Tier::T1, Role::Triage)
        .verb(Verb::Skip)
        .help("Leave the difference as it is until one of the values changes."),
    action(ActionId::NextUnsolved, "next unsolved", ITEMS, &["n"])
        .help("Go to the next field or item that needs a person."),
    action(ActionId::PreviousUnsolved, "previous unsolved", ITEMS, &["N"])
        .help("Go to the previous field or item that needs a person."),
    action(ActionId::Undo, "undo", &[Scope::Dashboard, Scope::Queue, Scope::Diff, Scope::Log], &["u"])
        .cli("tandem queue undo ID")
        .tier(Tier::T1, Role::Triage)
        .verb(Verb::Undo)
        .help("Take the item's decision back, or your last one. What was already written comes back as a proposal."),
    action(ActionId::Snooze, "snooze", ITEMS, &["z"])
        .cli("tandem queue snooze ID")
        .tier(Tier::T1, Role::Triage)
        .verb(Verb::Snooze)
        .help("Come back to it later."),
    action(ActionId::Retry, "retry", ITEMS, &["R"])
        .cli("tandem queue retry ID")
        .tier(Tier::T1, Role::Triage)
        .verb(Verb::Retry)
        .help("Try the push again now."),
    action(ActionId::Reopen, "reopen", ITEMS, &["o"])
        .cli("tandem queue reopen ID")
        .tier(Tier::T1, Role::Triage)
        .verb(Verb::Reopen)
        .help("Look again at something that was skipped."),
    action(ActionId::Force, "force-push", ITEMS, &["F"])
        .cli("tandem queue force ID --take SIDE --reason TEXT")
        .tier(Tier::T3, Role::Force)
        .verb(Verb::Force)
        .help("Push one side's record over the other. Asks for the side, a typed confirmation and a reason."),
    action(ActionId::Hold, "hold", ITEMS, &[])
        .cli("tandem queue hold ID")
        .tier(Tier::T1, Role::Triage)
        .verb(Verb::Hold)
        .help("Take an approved item back before it is sent."),
    action(ActionId::Claim, "claim", ITEMS, &[])
        .tier(Tier::T1, Role::Triage)
        .verb(Verb::Claim)
        .help("Tell the others that you are on it."),
    action(ActionId::Arrived, "it arrived", ITEMS, &[])
        .tier(Tier::T2, Role::Triage)
        .verb(Verb::Arrived)
        .help("Settle an unproven write: it arrived, as the record you name."),
    action(ActionId::Resend, "send again", ITEMS, &[])
        .tier(Tier::T2, Role::Triage)
        .verb(Verb::Resend)
        .help("Settle an unproven write: it did not arrive, send it again."),
    action(ActionId::History, "history", &[Scope::Queue, Scope::Diff, Scope::Log], &["g h"])
        .cli("tandem audit list --item ID")
        .help("Show the log of this item only, or of everything again."),
    action(ActionId::MatchTable, "table", MATCH, &["m"])
        .cli("tandem match list --kind K")
        .help("Go to the other table: staff, or lead sources."),
    action(ActionId::MatchSide, "side", MATCH, &["w"])
        .cli("tandem match list --side S")
        .help("Show the entries of the other system."),
    action(ActionId::MatchFilter, "filter", MATCH, &["/"])
        .cli("tandem match list --filter TEXT")
        .help("Keep only names and addresses that contain a text."),
    action(ActionId::MatchPair, "pair", MATCH, &["e"])
        .cli("tandem match pair KIND SIDE:ID OTHER")
        .tier(Tier::T1, Role::Triage)
        .help("Choose the counterpart by hand; suggestions are never applied by themselves."),
    action(ActionId::MatchUnpair, "unpair", MATCH, &["-"])
        .cli("tandem match unpair KIND SIDE:ID")
        .tier(Tier::T1, Role::Triage)
        .help("Part the entry from its counterpart; the two are never matched again unasked."),
    action(ActionId::MatchIgnore, "set aside", MATCH, &["s"])
        .cli("tandem match ignore KIND SIDE:ID")
        .tier(Tier::T1, Role::Triage)
        .help("Take the entry out of the matching, or let it take part again."),
    action(ActionId::MatchCreate, "create there", MATCH, &["+"])
        .cli("tandem match create KIND SIDE:ID")
        .tier(Tier::T2, Role::Triage)
        .help("Create the lead source in the other system. Staff are never created."),
    action(ActionId::MatchUpdate, "send ours", MATCH, &["u"])
        .cli("tandem match update KIND SIDE:ID --yes")
        .tier(Tier::T2, Role::Triage)
        .help("Send the lead source's name and active state to its counterpart, as far as they differ."),
    action(ActionId::MatchResend, "send again", MATCH, &["R"])
        .cli("tandem match resend KIND SIDE:ID")
        .tier(Tier::T2, Role::Triage)
        .help("Look again at the records that were sent without this entry."),
    action(ActionId::MatchAgain, "match again", MATCH, &["y"])
        .cli("tandem match refresh")
        .tier(Tier::T1, Role::Triage)
        .help("List both systems again and match anew."),
    action(ActionId::FieldMap, "field map", MODULES, &["M"])
        .cli("tandem map show MODULE")
        .tier(Tier::T0, Role::Triage)
        .help("Show which custom field of iVvy is which of the CRM, for the module under the cursor."),
    action(ActionId::MapField, "map", MAP, &["e"])
        .cli("tandem map add MODULE --ivvy N --crm FIELD")
        .tier(Tier::T2, Role::Admin)
        .help("Map the field under the cursor, or map it otherwise. Values that are there already are not touched."),
    action(ActionId::MapRemove, "remove", MAP, &["-"])
        .cli("tandem map remove MODULE NAME")
        .tier(Tier::T2, Role::Admin)
        .help("Take the field under the cursor out of the map; both sides keep their values."),
    action(ActionId::MapResync, "plan a resync", MAP, &["R"])
        .cli("tandem map resync MODULE NAME")
        .tier(Tier::T2, Role::Admin)
        .help("Plan what differs in the field now; the guard holds it until it is released."),
    action(ActionId::MapHistory, "versions", MAP, &["v"])
        .cli("tandem map history MODULE")
        .help("Show every version of the map, who made it and why."),
    action(ActionId::StreamRetry, "try again", STREAM, &["R"])
        .cli("tandem streams retry STREAM NUMBER")
        .tier(Tier::T1, Role::Triage)
        .help("Take the record under the cursor as if it came now; where we post, revive the dead post."),
    action(ActionId::StreamDismiss, "throw away", STREAM, &["D"])
        .cli("tandem streams dismiss STREAM NUMBER")
        .tier(Tier::T2, Role::Force)
        .help("Throw the record under the cursor away; where we post, drop the dead post."),
    action(ActionId::StreamTest, "test", STREAM, &["t"])
        .cli("tandem streams test STREAM")
        .tier(Tier::T1, Role::Triage)
        .help("Test the connection; without an operator, see that an authenticated post has come."),
    action(ActionId::StreamFirstSync, "first-sync date", STREAM, &["f"])
        .cli("tandem streams first-sync STREAM DATE --zone ZONE")
        .tier(Tier::T2, Role::Admin)
        .help("Say from which day on records take part, in which zone; a test must have passed."),
    action(ActionId::StreamRunNow, "run now", STREAM, &["y"])
        .cli("tandem streams run-now STREAM")
        .tier(Tier::T1, Role::Triage)
        .help("Read, or post, what waits now."),
    action(ActionId::StreamReconcile, "reconcile", STREAM, &["c"])
        .cli("tandem streams reconcile STREAM")
        .tier(Tier::T2, Role::Triage)
        .help("Read every record of the stream again that we know, after a possible loss."),
    action(ActionId::StreamSettle, "settle loss", STREAM, &["s"])
        .cli("tandem streams settle STREAM")
        .tier(Tier::T2, Role::Force)
        .help("Say that a possible loss was dealt with."),
    action(ActionId::GuardRelease, "release all", GUARD, &["R"])
        .cli("tandem guard release MODULE")
        .tier(Tier::T3, Role::Admin)
        .help("Let everything go that the guard holds. Asks for the number."),
    action(ActionId::GuardSample, "release a sample", GUARD, &["S"])
        .cli("tandem guard release MODULE --sample N")
        .tier(Tier::T3, Role::Admin)
        .help("Let only the oldest few go, to see what happens."),
    action(ActionId::GuardDiscard, "discard", GUARD, &["D"])
        .cli("tandem guard discard MODULE")
        .tier(Tier::T3, Role::Admin)
        .help("Throw the held plans away; they come back when the records change."),
    action(ActionId::PreviewText, "text", PREVIEW, &["t"])
        .cli("tandem queue preview ID --field F")
        .help("Read the text in the page, without its scripts and styles."),
    action(ActionId::PreviewSource, "source", PREVIEW, &["s"])
        .cli("tandem queue preview ID --field F --as html")
        .help("Read the source as it was received."),
    action(ActionId::PreviewLinks, "addresses", PREVIEW, &["w"])
        .cli("tandem queue preview ID --field F --as links")
        .help("List the web and mail addresses in it; none is ever opened."),
    action(ActionId::PreviewValue, "other value", PREVIEW, &["v"])
        .cli("tandem queue preview ID --field F --of SIDE")
        .help("Go to the next of the field's values: iVvy's, the CRM's, the last agreed."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn every_action_is_described_once() {
        let described: BTreeSet<ActionId> = CATALOGUE.iter().map(|action| action.id).collect();
        assert_eq!(described.len(), CATALOGUE.len(), "an action is listed twice");
        for id in ActionId::iter() {
            let action = CATALOGUE.iter().find(|action| action.id == id);
            let action = action.unwrap_or_else(|| panic!("{id} has no row"));
            assert!(action.help.ends_with('.') && action.help.len() > 12, "{id} needs a sentence");
            assert!(!action.scopes.is_empty());
        }
    }

    #[test]
    fn every_verb_but_edit_has_an_action() {
        for verb in Verb::iter().filter(|verb| *verb != Verb::Edit) {
            assert!(CATALOGUE.iter().any(|action| action.verb == Some(verb)), "{verb}");
        }
    }

    #[test]
    fn actions_that_reach_a_remote_need_more_than_a_viewer() {
        for action in CATALOGUE.iter().filter(|action| action.tier > Tier::T0) {
            assert!(action.role > Role::Viewer, "{}", action.id);
        }
    }
}
