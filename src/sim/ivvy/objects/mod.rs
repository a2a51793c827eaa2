//! Every kind of record the account holds, one description each.
//!
//! A file here says what the contract says of one kind, or of a few that belong together: the table of
//! its fields, what can be filtered, its codes, its actions. What is common to all is not here.

mod booking;
mod choices;
mod company;
mod contact;
mod custom;
mod email;
mod event;
mod group;
mod lead;
mod links;
mod note;
mod registration;
mod task;
mod user;

pub use company::{Address, Company};
pub use contact::Contact;

pub(super) use booking::BOOKING;
pub(super) use company::COMPANY;
pub(super) use contact::CONTACT;
pub(super) use email::EMAIL;
pub(super) use event::{EVENT, INVITATION};
pub(super) use lead::{LEAD, OPPORTUNITY};
pub(super) use note::{CONTACT_NOTE, LEAD_NOTE};
pub(super) use registration::{ATTENDEE, REGISTRATION};
pub(super) use task::{ACTIVITY, TASK};

use super::actions::Action;
use super::object::Object;
use super::world::World;
use crate::model::Timestamp;

/// Every object.
pub(super) const ALL: &[&Object] = &[
    &CONTACT,
    &COMPANY,
    &group::GROUP,
    &user::USER,
    &choices::LEAD_SOURCE,
    &choices::LEAD_STAGE,
    &choices::LEAD_TYPE,
    &choices::LEAD_QUALITY,
    &choices::LEAD_CHANNEL,
    &choices::ACTIVITY_PURPOSE,
    &choices::INDUSTRY,
    &LEAD,
    &OPPORTUNITY,
    &TASK,
    &ACTIVITY,
    &CONTACT_NOTE,
    &note::COMPANY_NOTE,
    &LEAD_NOTE,
    &note::OPPORTUNITY_NOTE,
    &EMAIL,
    &EVENT,
    &INVITATION,
    &REGISTRATION,
    &ATTENDEE,
    &booking::VENUE,
    &BOOKING,
];

/// Every action about an object.
pub(super) const ACTIONS: &[&[Action]] = &[
    contact::ACTIONS,
    company::ACTIONS,
    custom::ACTIONS,
    group::ACTIONS,
    user::ACTIONS,
    choices::ACTIONS,
    lead::ACTIONS,
    task::ACTIONS,
    note::ACTIONS,
    email::ACTIONS,
    event::ACTIONS,
    registration::ACTIONS,
    booking::ACTIONS,
];

/// When the offices were set up.
fn long_ago() -> Timestamp {
    Timestamp::from_secs(1_400_000_000)
}

/// The object of that name.
pub(super) fn find(name: &str) -> Option<&'static Object> {
    ALL.iter().copied().find(|object| object.name == name)
}

/// Puts in place what an account has before its first customer.
pub(super) fn furnish(world: &mut World) {
    user::furnish(world);
    group::furnish(world);
    choices::furnish(world);
    booking::furnish(world);
}
