//! `tandem queue …` as it is written.

use std::str::FromStr;

use clap::{Args, Subcommand};

use crate::cli::args::{one_of, side};
use crate::model::{ItemId, ModuleId, Reason, RecordId, Side, State};
use crate::wire::{PreviewAs, PreviewOf};

/// `queue`.
#[derive(Clone, Debug, Subcommand)]
pub enum QueueCommand {
    /// List a page of items, most urgent first
    List(ListArgs),
    /// Show one record pair: base, iVvy, CRM, result, verdict and why per field, and its history
    Show {
        /// Which item
        id: ItemId,
    },
    /// Read one long value or page of HTML whole; no address in it is opened
    Preview {
        /// Which item
        id: ItemId,
        /// The field's name, from `queue show`
        #[arg(long, value_name = "F")]
        field: String,
        /// The text in it, its source, or the web and mail addresses in it
        #[arg(long = "as", value_name = "text|html|links", default_value = "text", value_parser = one_of::<PreviewAs>())]
        mode: PreviewAs,
        /// Which of the field's values; the first there is when absent
        #[arg(long, value_name = "ivvy|crm|base|result", value_parser = one_of::<PreviewOf>())]
        of: Option<PreviewOf>,
    },
    /// Carry out the plan with the choices made
    Approve {
        /// What every verb takes
        #[command(flatten)]
        on: On,
        /// What to write
        #[command(flatten)]
        choices: Choices,
        /// Make a new record where others may be the same: none of the candidates is
        #[arg(long)]
        create: bool,
    },
    /// Leave the difference as it is
    Skip {
        /// What every verb takes
        #[command(flatten)]
        on: On,
    },
    /// Come back to it later
    Snooze {
        /// What every verb takes
        #[command(flatten)]
        on: On,
        /// A duration (2h) or an instant (2026-12-01T08:00:00Z)
        #[arg(long, value_name = "WHEN")]
        until: Until,
    },
    /// Push one side's record over the other
    Force {
        /// What every verb takes
        #[command(flatten)]
        on: On,
        /// The side that wins; s360 is another word for ivvy, and odoo, salesforce, connector and push for crm
        #[arg(long, value_name = "SIDE", value_parser = side())]
        take: Side,
    },
    /// Set fields' results without deciding yet
    Edit {
        /// What every verb takes
        #[command(flatten)]
        on: On,
        /// Result of a field: a side, or a value (`F==ivvy` is the text "ivvy"); may be repeated
        #[arg(long = "field", value_name = "F=ivvy|crm|VALUE", required = true)]
        fields: Vec<FieldChoice>,
    },
    /// Take an item back before it is pushed
    Hold {
        /// What every verb takes
        #[command(flatten)]
        on: On,
    },
    /// Take the last decision back, or propose the reverse of a finished push
    Undo {
        /// What every verb takes
        #[command(flatten)]
        on: On,
    },
    /// Try again now
    Retry {
        /// What every verb takes
        #[command(flatten)]
        on: On,
    },
    /// Look again at something skipped
    Reopen {
        /// What every verb takes
        #[command(flatten)]
        on: On,
    },
    /// Pair with a candidate
    Pair {
        /// What every verb takes
        #[command(flatten)]
        on: On,
        /// The counterpart's id, from `queue show`
        #[arg(long, value_name = "RECORD")]
        record: RecordId,
    },
    /// Settle an unproven write: it arrived
    Arrived {
        /// What every verb takes
        #[command(flatten)]
        on: On,
        /// The id it arrived under, for a create
        #[arg(long, value_name = "RECORD")]
        record: Option<RecordId>,
    },
    /// Settle an unproven write: send it again
    Resend {
        /// What every verb takes
        #[command(flatten)]
        on: On,
    },
    /// Take it for yourself for a while
    Claim {
        /// What every verb takes
        #[command(flatten)]
        on: On,
    },
}

/// `queue list`.
#[derive(Clone, Debug, Default, Args)]
pub struct ListArgs {
    /// Only this module
    #[arg(long, value_parser = one_of::<ModuleId>())]
    pub module: Option<ModuleId>,
    /// Only this state; all unfinished ones when absent
    #[arg(long, value_parser = one_of::<State>())]
    pub state: Option<State>,
    /// Only items held for this reason; `drift` lists what differs in the CRM and nobody is asked about
    #[arg(long, value_parser = one_of::<Reason>())]
    pub reason: Option<Reason>,
    /// Only titles that contain this, case ignored
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Go on after this token
    #[arg(long, value_name = "TOKEN")]
    pub after: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
}

/// Which items, on which version, and why.
#[derive(Clone, Debug, Args)]
pub struct On {
    /// Items, each alone or as ID@VERSION
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<Target>,
    /// The version you looked at; refused with exit 5 when the item has moved on (one item only)
    #[arg(long, value_name = "V")]
    pub version: Option<u32>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What to write.
#[derive(Clone, Debug, Default, Args)]
pub struct Choices {
    /// Take this side's whole record; s360 is another word for ivvy, and odoo, salesforce, connector and push for crm
    #[arg(long, value_name = "SIDE", value_parser = side())]
    pub take: Option<Side>,
    /// Result of a field: a side, or a value (`F==ivvy` is the text "ivvy"); may be repeated
    #[arg(long = "field", value_name = "F=ivvy|crm|VALUE")]
    pub fields: Vec<FieldChoice>,
}

/// An item, and the version it was seen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Which.
    pub id: ItemId,
    /// In which version.
    pub version: Option<u32>,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "an item's number, or NUMBER@VERSION";
        let (id, version) = match text.split_once('@') {
            Some((id, version)) => (id, Some(version.parse().map_err(|_| WRONG)?)),
            None => (text, None),
        };
        Ok(Self { id: id.parse().map_err(|_| WRONG)?, version })
    }
}

/// `--field F=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChoice {
    /// The field's name.
    pub field: String,
    /// A side, or a value still to be typed by the field's kind.
    pub choice: Result<Side, String>,
}

impl FromStr for FieldChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (field, value) = text.split_once('=').ok_or("FIELD=ivvy, FIELD=crm or FIELD=VALUE")?;
        if field.is_empty() {
            return Err("a field name before the =");
        }
        let choice = match value {
            "ivvy" => Ok(Side::Ivvy),
            "crm" => Ok(Side::Crm),
            _ => Err(value.strip_prefix('=').unwrap_or(value).to_owned()),
        };
        Ok(Self { field: field.to_owned(), choice })
    }
}

/// `--until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// From now.
    In(std::time::Duration),
    /// Then.
    At(crate::model::Timestamp),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        crate::config::duration::parse(text)
            .map(Self::In)
            .map_err(|_| "a duration like 2h, or an instant like 2026-12-01T08:00:00Z".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_choices_are_read() {
        assert_eq!("12@3".parse(), Ok(Target { id: ItemId(12), version: Some(3) }));
        assert!("12@".parse::<Target>().is_err() && "@3".parse::<Target>().is_err());
        let choice = |text: &str| text.parse::<FieldChoice>().map(|choice| (choice.field, choice.choice));
        assert_eq!(choice("email=crm"), Ok(("email".to_owned(), Ok(Side::Crm))));
        assert_eq!(choice("email=a=b"), Ok(("email".to_owned(), Err("a=b".to_owned()))));
        assert_eq!(choice("email==crm"), Ok(("email".to_owned(), Err("crm".to_owned()))));
        assert_eq!(choice("email="), Ok(("email".to_owned(), Err(String::new()))));
        assert!(choice("email").is_err() && choice("=x").is_err());
    }
}
