//! Why a field has its verdict, in a sentence for the diff pane. Never contains field values.

use crate::model::{FieldPlan, Verdict, Why};

/// One sentence for one row.
pub fn sentence(row: &FieldPlan) -> &'static str {
    match row.why {
        Why::Unchanged => "Neither side changed it since they last agreed.",
        Why::Equal => "Both sides hold the same value.",
        Why::IvvyChanged => "Only iVvy changed it; the CRM gets iVvy's value.",
        Why::CrmChanged => "Only the CRM changed it; iVvy gets the CRM's value.",
        Why::BothChanged => "Both sides changed it, differently, since they last agreed.",
        Why::Fill if row.verdict == Verdict::ToCrm => "The CRM has no value; iVvy's fills it.",
        Why::Fill => "iVvy has no value; the CRM's fills it.",
        Why::NeverAgreed => "The sides hold different values and have never agreed on one.",
        Why::NotOwner if row.verdict == Verdict::Conflict => "The side that changed it does not own the field.",
        Why::NotOwner => "The other side owns the field: nothing is changed or erased there.",
        Why::ConstantIdTaken => "The constant id already names another record.",
        Why::Create => "The new record is created with this value.",
        Why::ReferenceUnlinked => "It refers to a record that has no counterpart yet.",
        Why::Absent => "One side does not report this field; nothing is done.",
        Why::SetsJoined => "Both sides changed the set; additions and removals of both are kept.",
        Why::Drift => "The CRM changed what iVvy owns; it stands until iVvy's own value changes.",
        Why::Reverted => "The CRM changed what iVvy owns; iVvy's value is put back.",
        Why::Unmatched => "It has no match on the other side; the record goes without it.",
        Why::MembershipKept => "Left in the CRM only; removals are not mirrored, so the CRM shows iVvy's groups again.",
        Why::Converted => "The lead was converted in its system, which takes no more changes of it.",
        Why::OptionUnknown => "The field's value table does not know this option; nothing is guessed.",
        Why::Default => "It has no value; the new record is created with the field's default.",
        Why::Anonymised => "The person was anonymised in iVvy; nothing is written back.",
    }
}
