//! The account's staff and lead sources: read-only lists that matching starts from (contract 10, 13).

use serde_json::{Value, json};

use super::answer::{Refusal, plain, suffixed};
use super::params::Params;
use super::settings::Settings;
use crate::model::Timestamp;

/// Id, first name, last name, email, `currentStatus` (2 is inactive), `userType` (1 is normal).
const STAFF: &[(u64, &str, &str, &str, u8, u8)] = &[
    (301, "Siobhan", "O'Brien", "siobhan.obrien@venue.example", 1, 1),
    (302, "Łukasz", "Wiśniewski", "Lukasz.Wisniewski@Venue.example", 1, 1),
    (303, "さくら", "山田", "sakura.yamada@venue.example", 1, 1),
    (304, "Former", "Colleague", "siobhan.obrien@venue.example", 2, 1),
    (305, "Connector", "API", "integration@venue.example", 1, 4),
];

/// Id, name, description, `isReferral`. Id 1 is the referral programme.
const SOURCES: &[(u64, &str, &str, bool)] = &[
    (1, "Referral Program", "", true),
    (2, "Website", "<p>Enquiry form</p>", false),
    (3, " Trade show ", "", false),
    (4, "trade show", "", false),
    (5, "Partenaires & Médias", "", false),
];

/// One page of account/getUserList.
pub(super) fn users(params: &Params<'_>, settings: &Settings, now: Timestamp) -> Result<Value, Refusal> {
    params.require(&["perPage", "start"])?;
    let row = |(id, first_name, last_name, email, status, kind): &(u64, &str, &str, &str, u8, u8)| {
        json!({
            "id": id.to_string(),
            "salutation": null,
            "firstName": first_name,
            "middleName": "",
            "lastName": last_name,
            "email": email,
            "phone": "",
            "phoneMobile": 61_400_000_000_u64 + id,
            "currentStatus": status,
            "userType": kind.to_string(),
            "groupId": 1,
            "lastLoginDate": if *status == 1 { plain(now.floor_second()) } else { String::new() },
            "createdDate": suffixed(Timestamp::from_secs(1_400_000_000)),
            "modifiedDate": plain(Timestamp::from_secs(1_600_000_000)),
        })
    };
    page(params, settings, STAFF.iter().map(row).collect())
}

/// One page of crm/getLeadSourceList.
pub(super) fn lead_sources(params: &Params<'_>, settings: &Settings) -> Result<Value, Refusal> {
    let row = |(id, name, description, referral): &(u64, &str, &str, bool)| {
        json!({
            "id": id,
            "name": name,
            "description": description,
            "cost": null,
            "isReferral": u8::from(*referral),
            "defaultType": if *referral { json!(1) } else { Value::Null },
        })
    };
    page(params, settings, SOURCES.iter().map(row).collect())
}

fn page(params: &Params<'_>, settings: &Settings, rows: Vec<Value>) -> Result<Value, Refusal> {
    let per_page = params.whole("perPage")?.unwrap_or(100).min(100);
    let start = params.whole("start")?.unwrap_or(0);
    if settings.strict_params {
        params.only(&["perPage", "start", "filter"])?;
    }
    let total = rows.len();
    let skipped = usize::try_from(start).unwrap_or(usize::MAX);
    let results: Vec<Value> =
        rows.into_iter().skip(skipped).take(usize::try_from(per_page).unwrap_or(usize::MAX)).collect();
    Ok(json!({
        "meta": {"totalResults": total, "start": start, "perPage": per_page, "count": results.len()},
        "results": results,
    }))
}
