//! The actions Tandem calls, and what they have in common.

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

const fn read(namespace: &'static str, name: &'static str) -> Action {
    Action { namespace, name, effect: Effect::Read, missing_code: "" }
}

const fn write(name: &'static str) -> Action {
    Action { namespace: "contact", name, effect: Effect::Write, missing_code: "" }
}

const fn of_record(action: Action, missing_code: &'static str) -> Action {
    Action { missing_code, ..action }
}

const NO_SUCH_CONTACT: &str = "24096";
const NO_SUCH_COMPANY: &str = "24153";

pub(super) const PING: Action = read("test", "ping");

/// The actions of one module.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModuleActions {
    pub list: Action,
    pub get: Action,
    pub create: Action,
    pub update: Action,
    pub definitions: Action,
}

pub(super) const CONTACTS: ModuleActions = ModuleActions {
    list: read("contact", "getContactList"),
    get: of_record(read("contact", "getContact"), NO_SUCH_CONTACT),
    create: write("addOrUpdateContact"),
    update: of_record(write("addOrUpdateContact"), NO_SUCH_CONTACT),
    definitions: read("contact", "getCustomFieldDefinition"),
};

pub(super) const COMPANIES: ModuleActions = ModuleActions {
    list: read("contact", "getCompanyList"),
    get: of_record(read("contact", "getCompany"), NO_SUCH_COMPANY),
    create: write("addOrUpdateCompany"),
    update: of_record(write("addOrUpdateCompany"), NO_SUCH_COMPANY),
    definitions: read("contact", "getCompanyCustomFieldDefinition"),
};
