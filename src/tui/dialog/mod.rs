//! Dialogs: whatever stands over the tabs and takes the keys first.

pub mod form;
pub mod pairing;
pub mod picker;
pub mod preview;

use super::mapping::{Choosing, Mapping};
use crate::model::ModuleId;
use crate::text::Safe;
use crate::wire::GuardPlan;

pub use form::{Field, Form, Input, Outcome, Purpose};
pub use pairing::Pairing;
pub use picker::Picker;
pub use preview::Preview;

/// One dialog.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// A question with buttons, perhaps with something to fill in.
    Form(Box<Form>),
    /// Palette, action menu and help: a list of actions to search.
    Picker(Box<Picker>),
    /// What a guard holds.
    Guard(Guard),
    /// What an entry of a match table could be paired with.
    Pairing(Box<Pairing>),
    /// Text to read.
    Report(Report),
    /// A long value to read.
    Preview(Box<Preview>),
    /// The field map of a module.
    Mapping(Box<Mapping>),
    /// What a field could be mapped to.
    Choosing(Box<Choosing>),
}

/// What a guard holds.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Which module.
    pub module: ModuleId,
    /// The plan, once it has arrived.
    pub plan: Option<GuardPlan>,
    /// First line shown.
    pub scroll: usize,
}

/// Text to read and scroll.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it is.
    pub title: Safe,
    /// Its lines.
    pub lines: Vec<Safe>,
    /// First line shown.
    pub scroll: usize,
}

impl Report {
    /// From raw lines.
    pub fn new(title: &str, lines: impl IntoIterator<Item = String>) -> Self {
        let lines = lines.into_iter().map(|line| Safe::new(&line)).collect();
        Self { title: Safe::new(title), lines, scroll: 0 }
    }
}
