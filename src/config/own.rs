//! Keys of a module's section that only some modules have.

use super::Wrong;
use super::schema::Module;
use crate::model::ModuleId;
use crate::model::module::STAGES;

/// The field of a booking that says whether it is confidential.
pub(super) const CONFIDENTIAL: &str = "confidential";

/// Keys that mean something in one or two modules only, and the switch that a module which obeys another's does
/// not have (V-61).
pub(super) fn check(module: ModuleId, section: &Module) -> Result<(), Wrong> {
    if let (Some(switch), Some(_)) = (module.follows(), section.enabled) {
        return Err((
            format!("modules.{module}.enabled: {module} is part of {switch} and has no switch of its own"),
            "remove the key: its switch is that module's",
        ));
    }
    let nothing = |key: &str, of: &'static str| (format!("modules.{module}.{key} means nothing here"), of);
    let bookings = module == ModuleId::QuotesAndBookings;
    let registrations = module == ModuleId::Registrations;
    if section.currency.is_some() && !registrations {
        return Err(nothing("currency", "it belongs to modules.registrations: a booking has its venue's"));
    }
    if let Some(currency) = &section.currency
        && !is_currency(currency)
    {
        let message = format!("modules.{module}.currency: `{currency}` is not a currency code");
        return Err((message, "three capital letters: currency = \"AUD\""));
    }
    if section.confidential.is_some() && !bookings {
        return Err(nothing("confidential", "it belongs to modules.quotes_and_bookings"));
    }
    if section.confidential.is_some() && section.only.contains_key(CONFIDENTIAL) {
        return Err((
            format!("modules.{module}: `confidential` and `only.confidential` say the same thing"),
            "keep one of the two",
        ));
    }
    if !section.stages.is_empty() && !registrations && !bookings {
        return Err(nothing("stages", "it belongs to modules.registrations and modules.quotes_and_bookings"));
    }
    match section.stages.values().find(|stage| !STAGES.contains(&stage.as_str())) {
        None => Ok(()),
        Some(stage) => Err((
            format!("modules.{module}.stages: `{stage}` is not a stage"),
            "one of open, quote, tentative, won, lost: stages = { payment_waiting = \"lost\" }",
        )),
    }
}

/// Whether `code` has the form of an ISO 4217 code.
pub(super) fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}
