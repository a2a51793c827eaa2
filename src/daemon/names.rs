//! The sentences of engine and store, which were written for the usual origin, with the account's own in them.
//!
//! Only sentences of ours: values, titles and ids of records, and what remotes said, leave as they are.

use super::ServiceError;
use crate::model::{Item, ModuleDef};
use crate::wire::{Answer, SideNames, Status};

/// An answer or a refusal in which our own sentences name the account's origin.
pub(super) fn said(names: &SideNames, answer: Result<Answer, ServiceError>) -> Result<Answer, ServiceError> {
    if *names == SideNames::default() {
        return answer;
    }
    match answer {
        Ok(mut answer) => {
            match &mut answer {
                Answer::Status(status) => of_status(names, status),
                Answer::Rows(rows) => rows.rows.iter_mut().for_each(|row| say(names, &mut row.summary)),
                Answer::Item(view) => {
                    of_item(names, &mut view.item);
                    view.verbs.values_mut().flatten().for_each(|why| say(names, why));
                }
                Answer::Decided(item) => of_item(names, item),
                Answer::Matches(page) => {
                    page.off.iter_mut().chain(&mut page.error).for_each(|text| say(names, text));
                    page.rows.iter_mut().for_each(|line| say(names, &mut line.because));
                }
                Answer::Guard(plan) => {
                    plan.tripped.iter_mut().for_each(|text| say(names, text));
                    plan.samples.iter_mut().for_each(|row| say(names, &mut row.summary));
                }
                Answer::Module(view) => {
                    fields(names, std::slice::from_mut(&mut view.def));
                    view.status.guard.iter_mut().for_each(|text| say(names, text));
                }
                Answer::Done { message } => say(names, message),
                Answer::DecidedMany { results } => {
                    let errors = results.iter_mut().filter_map(|result| result.error.as_mut());
                    errors.for_each(|error| say(names, &mut error.message));
                }
                _ => {}
            }
            Ok(answer)
        }
        Err(mut failed) => {
            say(names, &mut failed.error.message);
            failed.error.hint.iter_mut().for_each(|hint| say(names, hint));
            if let Some(item) = &mut failed.current {
                of_item(names, item);
            }
            Err(failed)
        }
    }
}

/// Titles of fields.
pub(super) fn fields(names: &SideNames, modules: &mut [ModuleDef]) {
    for field in modules.iter_mut().flat_map(|def| &mut def.fields) {
        let title = names.say(&field.title).into_owned();
        field.title = title.into();
    }
}

fn of_status(names: &SideNames, status: &mut Status) {
    for module in &mut status.modules {
        module.guard.iter_mut().chain(&mut module.waits).for_each(|text| say(names, text));
    }
    status.matches.iter_mut().filter_map(|row| row.off.as_mut()).for_each(|text| say(names, text));
}

fn of_item(names: &SideNames, item: &mut Item) {
    say(names, &mut item.plan.summary);
}

fn say(names: &SideNames, text: &mut String) {
    if let std::borrow::Cow::Owned(said) = names.say(text) {
        *text = said;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::model::{ItemId, Kind, ModuleId, PairKey, Side, Timestamp};

    #[test]
    fn sentences_name_the_accounts_origin_and_what_records_say_stays() {
        let names = SideNames::with_origin("S-360");
        let pair = PairKey::Lone(Side::Crm, "7".into());
        let mut item = Item::new(ItemId(1), ModuleId::Contacts, pair, Kind::Create, Timestamp::EPOCH);
        item.plan.summary = "create in iVvy".to_owned();
        item.title = "iVvy Example Ltd".to_owned();
        let Ok(Answer::Decided(said_item)) = said(&names, Ok(Answer::Decided(Box::new(item.clone())))) else {
            panic!()
        };
        assert_eq!(
            (said_item.plan.summary.as_str(), said_item.title.as_str()),
            ("create in S-360", "iVvy Example Ltd")
        );
        let refused = Error::new(ErrorKind::Refused, "events are never written to iVvy").into();
        let failed = said(&names, Err(refused)).unwrap_err();
        assert_eq!(failed.error.message, "events are never written to S-360");
        let usual = said(&SideNames::default(), Ok(Answer::Decided(Box::new(item.clone())))).unwrap();
        assert_eq!(usual, Answer::Decided(Box::new(item)));
        let mut modules = [ModuleId::Contacts.def()];
        fields(&names, &mut modules);
        assert!(modules[0].fields.iter().any(|field| field.title == "S-360 key"));
    }
}
