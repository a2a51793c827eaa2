//! Bookings: orders made in S-360 because an opportunity asks for one (S-07, S-27, `docs/decisions/0022`).
//!
//! Every order made here carries a reference of ours, by which it is found again before anything is repeated, and
//! recognised when S-360 posts it. One call changes one thing: an order that is to be a sale is made first and paid
//! for later. Refuses to touch an order that was not made here, or that is final, to give one up, and to pay for
//! anything without a method of payment that was set up.

use serde_json::{Map, Value as Json, json};

use super::client::{CLOSE_ORDER, GET_ORDER, Method, SAVE_ORDER};
use super::contacts::plain;
use super::settings::Bookings;
use super::{Place, S360, orders, payload};
use crate::model::module::{BOOKING, BOOKINGS, EXTERNAL_ID};
use crate::model::{Fields, ModuleId, Record, RecordId, StreamKind, Value};
use crate::remote::{Class, RemoteError, Sent, WriteAck};

/// Our reference on an order.
const REFERENCE: &str = "externalReference";
/// Longest reference that S-360 is given, in bytes; how many it takes is not told.
const LONGEST_REFERENCE: usize = 64;
/// What an operation is made of.
const ASKED: [&str; 4] = ["product", "performance", "quantity", "unit_price"];

/// The fields by which opportunities ask for bookings.
pub(super) const FIELDS: [&str; 5] = [BOOKING, "product", "performance", "quantity", "unit_price"];

/// Why a booking is refused: the catalogue field, and a sentence.
type Refused = (&'static str, &'static str);

/// What S-360 shows of an order that was made here: for whom, and as long as it is not final what it holds. A final one
/// is S-360's alone.
pub(super) fn shown(prefix: &str, body: &Json) -> Fields {
    let mut fields = Fields::new();
    let Some(asker) = reference(body).and_then(|reference| reference.strip_prefix(prefix)) else { return fields };
    fields.insert(EXTERNAL_ID.to_owned(), Value::text(asker));
    if orders::is_final(body) {
        return fields;
    }
    let booking = match body.get("orderType").and_then(Json::as_str) {
        Some("SALE") => Some("open"),
        Some("RESERVATION") => Some("reservation"),
        Some("OPTION") => Some("option"),
        _ => None,
    };
    fields.extend(booking.map(|word| (BOOKING.to_owned(), Value::text(word))));
    // Of several operations none is the one that was asked for.
    let Some([operation]) = body.get("operationDatas").and_then(Json::as_array).map(Vec::as_slice) else {
        return fields;
    };
    for (name, member) in [("product", "productId"), ("performance", "performanceId")] {
        let number = operation.get(member).and_then(plain);
        fields.extend(number.map(|number| (name.to_owned(), Value::Text(number))));
    }
    let quantity = operation.get("quantity").and_then(Json::as_i64);
    fields.extend(quantity.map(|quantity| ("quantity".to_owned(), Value::Int(quantity))));
    let price = orders::thousandths(operation.get("unitPrice")).map(orders::decimal);
    fields.extend(price.map(|price| ("unit_price".to_owned(), Value::Text(price))));
    fields
}

fn reference(body: &Json) -> Option<&str> {
    body.get(REFERENCE).and_then(Json::as_str)
}

impl S360 {
    /// Makes the order that opportunity `key` asks for. A sale is left open: it is paid for in a call of its own.
    pub(super) async fn book(&self, key: &str, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let text = |name: &str| fields.get(name).and_then(Value::as_text).filter(|text| !text.trim().is_empty());
        let buyer = text("contact").or_else(|| text("company")).map(RecordId::from);
        let Some((place, number)) = buyer.as_ref().and_then(|buyer| self.place(buyer)) else {
            let why = "nobody of an institution of this account is named as the buyer";
            return Err(super::records::rejected(SAVE_ORDER.name, "contact", why));
        };
        let no = |why| place.no(SAVE_ORDER, why);
        let bookings = place.bookings(SAVE_ORDER)?;
        self.begun(ModuleId::Orders, place, SAVE_ORDER)?;
        let kind = made_as(text(BOOKING).unwrap_or_default(), &bookings).map_err(no)?;
        let reference = format!("{}{key}", self.reference);
        if reference.len() > LONGEST_REFERENCE {
            return Err(no((BOOKING, "the account's name is too long to be part of a reference")));
        }
        let body = json!({
            "pointOfSalesId": bookings.point_of_sales,
            "orderType": kind,
            "purchasersInfo": [{"contactReference": number}],
            REFERENCE: reference,
            "operations": [operation(fields).map_err(no)?],
        });
        let answer = place.call(SAVE_ORDER, &body).await?;
        let Some(order) = answer.get("orderId").and_then(Json::as_u64) else {
            return Err(place.lost(SAVE_ORDER, "the answer does not tell the new order's number"));
        };
        Ok(WriteAck { id: payload::record_id(&place.code, &order.to_string()), created: Some(true) })
    }

    /// The order that was made for opportunity `key`: one or none.
    pub(super) async fn booked(&self, key: &str) -> Result<Vec<Record>, RemoteError> {
        let wanted = format!("{}{key}", self.reference);
        for place in self.places.values().filter(|place| place.bookings.is_some()) {
            let Some(told) = place.told(GET_ORDER, &json!({REFERENCE: wanted}), "orderDetailsData").await? else {
                continue;
            };
            let found = payload::identify(StreamKind::S360Orders, &told);
            let (Ok(found), Some(_)) = (found, reference(&told).filter(|given| *given == wanted)) else {
                return Err(place.fail(GET_ORDER, Class::Malformed, "the answer is about another order"));
            };
            let id = payload::record_id(&place.code, &found.number);
            let before = self.shelved(ModuleId::Orders, &id)?;
            let row = self.put(ModuleId::Orders, &id, told, before).await?;
            return Ok(vec![self.record(place, &row)?]);
        }
        Ok(Vec::new())
    }

    /// Changes an order that was made here and is not final, then pays for it if it is to be a sale.
    pub(super) async fn rebook(&self, id: &RecordId, patch: &Fields) -> Result<WriteAck, RemoteError> {
        let Some((place, order)) = self.place(id).and_then(|(place, number)| Some((place, number.parse().ok()?)))
        else {
            return Err(super::fail(SAVE_ORDER.name, Class::Missing, "it belongs to no institution of this account"));
        };
        let bookings = place.bookings(SAVE_ORDER)?;
        self.begun(ModuleId::Orders, place, SAVE_ORDER)?;
        let now = self.open_order(place, order).await?;
        let wish = patch.get(BOOKING).map(|wish| wish.as_text().unwrap_or_default().trim().to_owned());
        let known = shown(&self.reference, &now);
        match wish.as_deref() {
            None => {}
            Some("sale") => {
                made_as("sale", &bookings).map_err(|why| place.no(CLOSE_ORDER, why))?;
            }
            Some(_) => {
                let why = "an order becomes a sale or stays what it is; whatever else is done in S-360";
                return Err(place.no(SAVE_ORDER, (BOOKING, why)));
            }
        }
        let mut written = false;
        if patch.keys().any(|name| ASKED.contains(&name.as_str())) {
            if !known.contains_key("product") {
                let why = "the order holds more than was asked for; change it in S-360";
                return Err(place.no(SAVE_ORDER, ("product", why)));
            }
            let mut fields = known;
            fields.extend(patch.clone());
            let body = json!({
                "pointOfSalesId": bookings.point_of_sales,
                "orderType": now.get("orderType"),
                "orderId": order,
                "operations": [operation(&fields).map_err(|why| place.no(SAVE_ORDER, why))?],
            });
            place.call(SAVE_ORDER, &body).await?;
            written = true;
        }
        if let (Some(_), Some(method)) = (wish, bookings.payment_method) {
            // Half of what was asked for is done by now: whoever looks next sees what is left.
            let half = |error: RemoteError| if written { RemoteError { sent: Sent::Maybe, ..error } } else { error };
            let now = if written { self.open_order(place, order).await.map_err(half)? } else { now };
            let Some(amount) = orders::price(&now) else {
                return Err(half(place.fail(CLOSE_ORDER, Class::Malformed, "the order does not tell its amount")));
            };
            let body = json!({
                "orderId": order,
                "orderType": "SALE",
                "payments": [{"amount": amount, "paymentMethodId": method}],
            });
            place.call(CLOSE_ORDER, &body).await.map_err(half)?;
        }
        Ok(WriteAck { id: id.clone(), created: Some(false) })
    }

    /// The order as S-360 has it now, if it was made here and is not final.
    async fn open_order(&self, place: &Place, order: u64) -> Result<Json, RemoteError> {
        let Some(now) = place.told(GET_ORDER, &json!({"orderId": order}), "orderDetailsData").await? else {
            return Err(place.fail(GET_ORDER, Class::Missing, "there is no such order"));
        };
        if now.get("orderId").and_then(Json::as_u64) != Some(order) {
            return Err(place.fail(GET_ORDER, Class::Malformed, "the answer is about another order"));
        }
        if !reference(&now).is_some_and(|given| given.starts_with(&self.reference)) {
            return Err(place.no(SAVE_ORDER, (BOOKING, "the order was not made by Tandem: change it in S-360")));
        }
        if orders::is_final(&now) {
            return Err(place.no(SAVE_ORDER, (BOOKING, "the order is final: only S-360 can change it")));
        }
        Ok(now)
    }
}

/// What S-360 calls it. A sale begins as an open order.
fn made_as(booking: &str, bookings: &Bookings) -> Result<&'static str, Refused> {
    match booking.trim() {
        "open" => Ok("SALE"),
        "sale" if bookings.payment_method.is_none() => {
            Err((BOOKING, "no method of payment is set up, so nothing is sold; ask for \"open\" or \"reservation\""))
        }
        "sale" => Ok("SALE"),
        "reservation" => Ok("RESERVATION"),
        "option" => Ok("OPTION"),
        _ => {
            debug_assert!(!BOOKINGS.contains(&booking), "every word has its kind");
            Err((BOOKING, "not something that can be booked: open, reservation, option or sale"))
        }
    }
}

/// The one operation of an order, from what is asked for.
fn operation(fields: &Fields) -> Result<Json, Refused> {
    let whole = |name: &'static str, why: &'static str| {
        let number = match fields.get(name) {
            Some(Value::Int(number)) => u64::try_from(*number).ok(),
            Some(Value::Text(text)) => text.trim().parse::<u64>().ok(),
            _ => None,
        };
        number.filter(|number| *number > 0).ok_or((name, why))
    };
    let price = match fields.get("unit_price") {
        Some(Value::Int(units)) => units.checked_mul(1000),
        Some(Value::Text(text)) => orders::parse_decimal(text.trim()),
        _ => None,
    };
    let price = price.filter(|price| *price >= 0);
    let mut operation = Map::new();
    operation.insert("productId".to_owned(), json!(whole("product", "not a number of a product of S-360's")?));
    operation.insert("quantity".to_owned(), json!(whole("quantity", "not a number of seats above zero")?));
    operation.insert(
        "unitPrice".to_owned(),
        json!(price.ok_or(("unit_price", "not an amount of whole thousandths, or below zero"))?),
    );
    if fields.get("performance").is_some_and(|value| !value.is_empty()) {
        let performance = whole("performance", "not a number of a performance of S-360's")?;
        operation.insert("performanceId".to_owned(), json!(performance));
    }
    Ok(Json::Object(operation))
}

impl Place {
    /// How bookings are made here.
    ///
    /// # Errors
    /// Nothing is booked where that was not set up.
    fn bookings(&self, method: Method) -> Result<Bookings, RemoteError> {
        self.bookings.ok_or_else(|| {
            let why = format!("institution {} takes no bookings: it has no section for them", self.code);
            self.fail(method, Class::Rejected, &why)
        })
    }
}
