//! The plan of an item: what would be written where, field by field, and why.

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use super::{Choice, RecordId, Side, Value};

/// What the three-way comparison says about one field (`engine.md` 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// Nothing to do.
    Same,
    /// Both sides changed to the same thing, or agree for the first time: only the base moves.
    Agree,
    /// iVvy's value goes to the CRM.
    ToCrm,
    /// The CRM's value goes to iVvy.
    ToIvvy,
    /// Both sides changed a set; the changes are joined element by element.
    Merge,
    /// A person must choose.
    Conflict,
}

/// Why the verdict is what it is. A closed list, so that it can be explained in words, counted and tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Why {
    /// Neither side moved.
    Unchanged,
    /// The two values mean the same.
    Equal,
    /// Only iVvy changed.
    IvvyChanged,
    /// Only the CRM changed.
    CrmChanged,
    /// Both changed, differently.
    BothChanged,
    /// Never agreed; one side is empty, so the other fills it.
    Fill,
    /// Never agreed, and both sides hold different values.
    NeverAgreed,
    /// The side that changed does not own the field.
    NotOwner,
    /// The constant id is already something else (V-13).
    ConstantIdTaken,
    /// The record is created with this value.
    Create,
    /// The reference has no counterpart yet.
    ReferenceUnlinked,
    /// The payload did not speak of the field.
    Absent,
    /// Both sides added to or removed from a set.
    SetsJoined,
    /// The person was anonymised; personal data stays out (V-21).
    Anonymised,
    /// The CRM changed a field that iVvy owns, and by policy that stands until iVvy's own value changes (V-43).
    Drift,
    /// The CRM changed a field that iVvy owns, and by policy iVvy's value is put back (V-43).
    Reverted,
    /// The person or lead source has no counterpart in the match tables: left out, never guessed (C-13, C-24).
    Unmatched,
    /// The CRM left a group; iVvy's record is still in it, which the CRM is shown again (V-18).
    MembershipKept,
    /// One of the records was converted in its system, and takes no more changes (P-05).
    Converted,
    /// The field's value table does not know one of the options: never guessed (V-19).
    OptionUnknown,
    /// The record is created with the field's default, for want of a value (V-19).
    Default,
}

/// One row of the diff pane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldPlan {
    /// Field name from the catalogue.
    pub field: String,
    /// Last agreed value on the iVvy side, if any.
    #[serde(default, deserialize_with = "super::value::present", skip_serializing_if = "Option::is_none")]
    pub base_ivvy: Option<Value>,
    /// Last agreed value on the CRM side, if any.
    #[serde(default, deserialize_with = "super::value::present", skip_serializing_if = "Option::is_none")]
    pub base_crm: Option<Value>,
    /// iVvy's value now; `None` when the payload did not speak of it or the record does not exist.
    #[serde(default, deserialize_with = "super::value::present", skip_serializing_if = "Option::is_none")]
    pub ivvy: Option<Value>,
    /// The CRM's value now.
    #[serde(default, deserialize_with = "super::value::present", skip_serializing_if = "Option::is_none")]
    pub crm: Option<Value>,
    /// What the rules say.
    pub verdict: Verdict,
    /// Why.
    pub why: Why,
    /// The joined set, when the verdict is [`Verdict::Merge`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Value>,
    /// What an operator chose for this field, valid only for exactly the values above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// The values moved since the operator last looked or chose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
}

impl FieldPlan {
    /// The value on `side` now.
    pub fn on(&self, side: Side) -> Option<&Value> {
        match side {
            Side::Ivvy => self.ivvy.as_ref(),
            Side::Crm => self.crm.as_ref(),
        }
    }

    /// The value last agreed on `side`.
    pub fn base_on(&self, side: Side) -> Option<&Value> {
        match side {
            Side::Ivvy => self.base_ivvy.as_ref(),
            Side::Crm => self.base_crm.as_ref(),
        }
    }

    /// Whether a person still has to choose before the item can be approved.
    pub fn unsolved(&self) -> bool {
        self.verdict == Verdict::Conflict && self.choice.is_none()
    }

    /// The value `side` will hold afterwards; `None` while unsolved or when nothing is written.
    pub fn result_on(&self, side: Side) -> Option<&Value> {
        match (&self.choice, side) {
            (Some(Choice::Each { ivvy, .. }), Side::Ivvy) => Some(ivvy),
            (Some(Choice::Each { crm, .. }), Side::Crm) => Some(crm),
            (Some(Choice::Keep), side) => self.on(side),
            _ => self.result(),
        }
    }

    /// The value both sides will hold afterwards; `None` while unsolved, when nothing is written, or
    /// when each side gets its own.
    pub fn result(&self) -> Option<&Value> {
        match (&self.choice, self.verdict) {
            (Some(Choice::Each { .. } | Choice::Keep), _) => None,
            (Some(Choice::Ivvy), _) => self.ivvy.as_ref(),
            (Some(Choice::Crm), _) => self.crm.as_ref(),
            (Some(Choice::Custom(value)), _) => Some(value),
            (None, Verdict::ToCrm) => self.ivvy.as_ref(),
            (None, Verdict::ToIvvy) => self.crm.as_ref(),
            (None, Verdict::Same | Verdict::Agree) => self.ivvy.as_ref().or(self.crm.as_ref()),
            (None, Verdict::Merge) => self.merged.as_ref(),
            (None, Verdict::Conflict) => None,
        }
    }
}

/// What an item would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Field by field, in catalogue order. `Same` rows are kept for the diff pane.
    pub fields: Vec<FieldPlan>,
    /// The iVvy record, if it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ivvy: Option<RecordId>,
    /// The CRM record, if it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crm: Option<RecordId>,
    /// Possible counterparts (first pairing), with a label each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// One sentence that says what will happen, for lists and logs. Holds no field values.
    pub summary: String,
    /// Version of the field map the plan was made with.
    pub mapping_version: u32,
}

impl Plan {
    /// The row of `field`.
    pub fn field(&self, field: &str) -> Option<&FieldPlan> {
        self.fields.iter().find(|row| row.field == field)
    }

    /// How many fields still need a choice.
    pub fn unsolved(&self) -> usize {
        self.fields.iter().filter(|row| row.unsolved()).count()
    }
}

/// A possible counterpart at first pairing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The side it lives on.
    pub side: Side,
    /// Its id.
    pub id: RecordId,
    /// Its title (remote text, to be sanitised before display).
    pub title: String,
}
