//! The tables of the file. Keys are big-endian, so that byte order is sort order; keys and values
//! are plain bytes for redb, because its typed keys tie the file to type names.

use redb::TableDefinition;
use strum::{EnumCount, EnumIter, IntoStaticStr};

/// A table as redb sees it.
pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Every table. `·` joins parts of a key; `text` is length-prefixed, `id` a bare record id at a key's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumCount, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Tab {
    /// name → bytes.
    Meta,
    /// item → packed header ([`super::header`]).
    Items,
    /// item → whole item.
    Bodies,
    /// module·rank·priority·sort·item → (). The queue, and the claim order. Derived.
    Queue,
    /// module·reason·rank·priority·sort·item → (). Derived.
    Reasons,
    /// module·state·reason (255: any) → number of items. Derived.
    Counters,
    /// module·pair → its open item. Derived.
    OpenPairs,
    /// module·pair·item → (). Derived.
    PairItems,
    /// time·item → (). Derived.
    Due,
    /// module·pair·item that waits for it → (). Derived.
    Waiting,
    /// link → link.
    Links,
    /// module·side·id → link. Derived.
    LinkSides,
    /// module·link → (). Derived.
    ModuleLinks,
    /// module·side·id that was merged away → link.
    Aliases,
    /// link → last agreement.
    Bases,
    /// module·side·id → index parts + observation.
    Observations,
    /// module·side·text·id → (). Derived.
    Identities,
    /// module·side·text·id → (). Derived.
    ExternalKeys,
    /// module·side·contact it is about·id → (). Derived.
    People,
    /// module·number·side·id → (). Records to look at, oldest first.
    Dirty,
    /// module·side·id → number. Derived.
    DirtyAt,
    /// item → intent.
    Intents,
    /// module·side·record key → item. Derived.
    IntentRecords,
    /// item·version → decision.
    Decisions,
    /// position → hash + row.
    Audit,
    /// item·position → (). Derived.
    ItemAudit,
    /// module·side → cursor.
    Cursors,
    /// module → guard.
    Guards,
    /// kind·side·id → match row.
    MatchRows,
    /// kind·side·state (0: any, 255: to be created)·name·0·id → e-mail in lower case. Derived.
    MatchNames,
    /// kind·side·folded name → creation of a lead source under way.
    MatchIntents,
    /// message → when it arrived.
    Deliveries,
    /// time·message → (). Derived.
    DeliveryTimes,
    /// module·side·id → number. Records to be read directly.
    Nudges,
    /// module·number → run. The last sweeps of each module.
    Runs,
    /// module·version → field map.
    FieldMaps,
    /// module·side·id → what a system that cannot be listed told us of a record.
    Shelf,
    /// module·side·time·id → (). Derived.
    ShelfTimes,
    /// module·side·text → id. Derived.
    ShelfKeys,
    /// stream·tenant·digest of a payload → when it was first taken.
    Payloads,
    /// time·stream·tenant·digest → (). Derived.
    PayloadTimes,
    /// stream·tenant·number → a record that could not be taken.
    Quarantine,
    /// stream·tenant → how it is doing.
    Streams,
    /// stream·tenant·number → when it was first told + a check at a gate.
    Checks,
    /// time·stream·tenant·number → (). Derived.
    CheckTimes,
}

impl Tab {
    /// What can be computed again from the other tables.
    pub(super) const DERIVED: [Self; 22] = [
        Self::Items,
        Self::Queue,
        Self::Reasons,
        Self::Counters,
        Self::OpenPairs,
        Self::PairItems,
        Self::Due,
        Self::Waiting,
        Self::LinkSides,
        Self::ModuleLinks,
        Self::Identities,
        Self::ExternalKeys,
        Self::People,
        Self::DirtyAt,
        Self::IntentRecords,
        Self::ItemAudit,
        Self::MatchNames,
        Self::DeliveryTimes,
        Self::ShelfTimes,
        Self::ShelfKeys,
        Self::PayloadTimes,
        Self::CheckTimes,
    ];

    /// The table's name in the file.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    pub(super) fn definition(self) -> Definition {
        TableDefinition::new(self.name())
    }
}
