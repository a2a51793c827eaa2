//! Staff of the account (contract 10). No action writes them.

use serde_json::json;

use super::super::actions::Action;
use super::super::object::{Field, Kind, Look, Object, PLAIN, Property};
use super::super::params::Form;
use super::super::row::Row;
use super::super::world::World;
use super::long_ago;

pub(in super::super) static USER: Object = Object {
    name: "user",
    first_id: 401,
    fields: &[&[
        Field::of("id", Kind::Id).look(Look::Text),
        Field::text("salutation").look(Look::OrNull),
        Field::text("firstName"),
        Field::text("middleName"),
        Field::text("lastName"),
        Field::of("email", Kind::Text(Form::MaybeEmail)),
        Field::text("phone"),
        Field::text("phoneMobile").look(Look::Digits),
        Field::of("currentStatus", Kind::Code(&[1, 2])),
        Field::of("userType", Kind::Code(&[1, 2, 3, 4, 5])).look(Look::Text),
        Field::of("groupId", Kind::Whole),
        Field::of("lastLoginDate", Kind::Stamp),
        Field::of("createdDate", Kind::Created).look(Look::Utc),
        Field::of("modifiedDate", Kind::Modified),
    ]],
    filters: &[Property::Foreign("venueId")],
    ..PLAIN
};

pub(in super::super) const ACTIONS: &[Action] =
    &[Action::list("account", "getUserList", &USER).requiring(&["perPage", "start"])];

/// The user behind the API key.
pub(super) const API_USER: u64 = 305;

/// Id, first name, last name, email, `currentStatus` (2 is inactive), `userType` (1 is normal). One has
/// no address, two active ones share theirs.
const STAFF: &[(u64, &str, &str, &str, u8, u8)] = &[
    (301, "Siobhan", "O'Brien", "siobhan.obrien@venue.example", 1, 1),
    (302, "Łukasz", "Wiśniewski", "Lukasz.Wisniewski@Venue.example", 1, 1),
    (303, "さくら", "山田", "sakura.yamada@venue.example", 1, 1),
    (304, "Former", "Colleague", "siobhan.obrien@venue.example", 2, 1),
    (API_USER, "Connector", "API", "integration@venue.example", 1, 4),
    (306, "Reception", "", "", 1, 1),
    (307, "Lukasz", "Wisniewski", "lukasz.wisniewski@venue.example ", 1, 5),
];

pub(super) fn furnish(world: &mut World) {
    for (id, first_name, last_name, email, status, kind) in STAFF {
        let user = Row::numbered(*id)
            .with("firstName", *first_name)
            .with("lastName", *last_name)
            .with("email", *email)
            .with("phoneMobile", (61_400_000_000_u64 + id).to_string())
            .with("currentStatus", *status)
            .with("userType", *kind)
            .with("groupId", 1)
            .with("lastLoginDate", if *status == 1 { json!("2024-03-08 07:15:00") } else { json!("") });
        world.seed(&USER, user, long_ago());
    }
}
