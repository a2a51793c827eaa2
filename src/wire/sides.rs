//! What people call the two sides of an account.
//!
//! In JSON the origin is always `ivvy` and the CRM `crm`: scripts do not depend on who is behind them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::Side;

/// The origin's name in texts that were written for the usual one.
const USUAL: &str = "iVvy";

/// What people call the two sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideNames {
    /// The origin: `iVvy`, or `S-360`.
    pub origin: String,
    /// The CRM.
    pub crm: String,
}

impl Default for SideNames {
    fn default() -> Self {
        Self { origin: USUAL.to_owned(), crm: Side::Crm.title().to_owned() }
    }
}

impl SideNames {
    /// The names where the origin is called so.
    pub fn with_origin(origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..Self::default() }
    }

    /// The name of one side.
    pub fn of(&self, side: Side) -> &str {
        match side {
            Side::Ivvy => &self.origin,
            Side::Crm => &self.crm,
        }
    }

    /// One of *our* sentences, with this account's origin in it. Never for values of records: those may speak
    /// of iVvy and mean it.
    pub fn say<'a>(&self, ours: &'a str) -> Cow<'a, str> {
        if self.origin == USUAL || !ours.contains(USUAL) {
            return Cow::Borrowed(ours);
        }
        Cow::Owned(ours.replace(USUAL, &self.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_the_origin_of_the_account_and_the_usual_one_unchanged() {
        let names = SideNames::default();
        assert_eq!((names.of(Side::Ivvy), names.of(Side::Crm)), ("iVvy", "CRM"));
        assert!(matches!(names.say("iVvy has no value"), Cow::Borrowed("iVvy has no value")));
        let names = SideNames::with_origin("S-360");
        assert_eq!(
            names.say("Only iVvy changed it; the CRM gets iVvy's value."),
            "Only S-360 changed it; the CRM gets S-360's value."
        );
        assert_eq!(names.of(Side::Ivvy), "S-360");
    }
}
