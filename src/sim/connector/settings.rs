//! The knobs: what the contract leaves open, each with the reading that is harder on a client as default.

use std::collections::{BTreeMap, BTreeSet};

/// How a call answers that a partner may or may not have been given (contract 1.3 marks them TODO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offered {
    /// It works.
    #[default]
    Works,
    /// It is not there: 404.
    NotFound,
    /// It answers 200 with a payload that has nothing to do with the question.
    OtherPayload,
}

/// How a fetch of a record that does not exist is answered (contract 1.5 allows both).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// 404 with an error body.
    #[default]
    NotFound,
    /// 200 with a payload without the record.
    OtherPayload,
}

/// How the simulated Connector is set up. Behaviours may change while it runs, see
/// [`ConnectorSim::set`](super::ConnectorSim::set).
#[derive(Clone, Debug)]
pub struct Settings {
    /// The provider id InTouch gave us (`identifier` in bodies, `provider` in queries).
    pub provider: String,
    /// Our clients, each with its clubs. Ids are opaque text.
    pub clients: BTreeMap<String, BTreeSet<String>>,
    /// Element of `userInfo` that names the lead's owner by its `recordID`. The real name is not public.
    pub owner_element: String,
    /// Element of `userInfo` that names the lead's source by its `recordID`. The real name is not public.
    pub source_element: String,
    /// Root element of a staff body; the contract only says "syntactically identical to user".
    pub staff_wrapper: String,
    /// `GET leadsource` of one, by `identifier`.
    pub source_one: Offered,
    /// `GET leadsource` of all.
    pub source_list: Offered,
    /// `GET staff` of all of a club. Not in the contract, so it is off.
    pub staff_list: bool,
    /// `GET staff` by `email`. Not in the contract, so it is off.
    pub staff_by_email: bool,
    /// Fetching what does not exist.
    pub missing: Missing,
    /// Whether a save keeps the elements it does not carry. By default a save is the whole record.
    pub absent_keeps: bool,
    /// Whether InTouch enabled `extraProviderIDs/inTouchID` in answers.
    pub shows_in_touch_id: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let clubs = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            provider: "TANDEM".into(),
            clients: BTreeMap::from([("client-1".into(), clubs(&["club-1", "club-2"]))]),
            owner_element: "leadOwnerID".into(),
            source_element: "leadSourceID".into(),
            staff_wrapper: "staff".into(),
            source_one: Offered::default(),
            source_list: Offered::default(),
            staff_list: false,
            staff_by_email: false,
            missing: Missing::default(),
            absent_keeps: false,
            shows_in_touch_id: false,
        }
    }
}
