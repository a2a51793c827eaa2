//! The actions Tandem calls, and what they have in common. Each module names its own in its file.

/// Whether a call may change anything there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Read,
    Write,
}

/// One action of the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Action {
    pub namespace: &'static str,
    pub name: &'static str,
    pub effect: Effect,
    /// The specific code that says "no such record". Empty where the action names no record, so that
    /// "not found" can only mean the action itself.
    pub missing_code: &'static str,
}

impl Action {
    /// An action that changes nothing.
    pub(super) const fn read(namespace: &'static str, name: &'static str) -> Self {
        Self { namespace, name, effect: Effect::Read, missing_code: "" }
    }

    /// An action that changes something.
    pub(super) const fn write(namespace: &'static str, name: &'static str) -> Self {
        Self { namespace, name, effect: Effect::Write, missing_code: "" }
    }

    /// The same, about one record (or within one parent) whose absence has this specific code.
    pub(super) const fn missing(self, code: &'static str) -> Self {
        Self { missing_code: code, ..self }
    }
}

pub(super) const PING: Action = Action::read("test", "ping");
