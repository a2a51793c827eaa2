//! Bookings: orders made in S-360 because an opportunity asks for one (S-07, S-27, `docs/decisions/0022`).
//!
//! Every order made here carries a reference of ours, by which it is looked for before anything is made, and
//! recognised when S-360 posts it. One call has one effect: an order that is to be a sale is made first and paid for
//! later. Refuses to touch an order that was not made here, that is final or that moved since somebody looked, to give
//! one up, and to pay for anything without a method of payment that was set up. What of it holds is S-360's to say: a
//! call that may have been carried out is never called "not done".

use serde_json::{Map, Value as Json, json};

use super::client::{CLOSE_ORDER, GET_ORDER, Method, SAVE_ORDER};
use super::contacts::plain;
use super::settings::{Bookings, OurReference};
use super::{Place, S360, orders, payload};
use crate::model::module::{BOOKING, EXTERNAL_ID};
use crate::model::{Fields, Fingerprint, ModuleId, Record, RecordId, StreamKind, Value};
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

/// What the opportunity keeps for itself of an order that it asked for: who buys, and its own words. They went into the
/// order, or are nobody's in S-360, and are never written back.
const KEPT: [&str; 5] = ["name", "contact", "company", "currency", "lines"];

/// Lays over `fields`, the order in `body`, what an opportunity asked for, where it was made here: for whom, and as long
/// as it is not final what it holds. A final one is S-360's alone. Returns its version, if it can be changed.
pub(super) fn show(ours: &OurReference, body: &Json, fields: &mut Fields) -> Option<String> {
    let asker = reference(body).and_then(|told| ours.asker(told))?;
    fields.retain(|name, _| !KEPT.contains(&name.as_str()));
    fields.insert(EXTERNAL_ID.to_owned(), Value::text(asker));
    if orders::is_final(body) {
        return None;
    }
    let booking = match body.get("orderType").and_then(Json::as_str) {
        Some("SALE") => Some("open"),
        Some("RESERVATION") => Some("reservation"),
        Some("OPTION") => Some("option"),
        _ => None,
    };
    fields.extend(booking.map(|word| (BOOKING.to_owned(), Value::text(word))));
    if let Some(operation) = only_operation(body) {
        fields.extend(asked_of(operation));
    }
    Some(version(body))
}

/// The one operation of an order that was made here; of several none is the one that was asked for.
fn only_operation(body: &Json) -> Option<&Json> {
    match body.get("operationDatas")?.as_array()?.as_slice() {
        [operation] => Some(operation),
        _ => None,
    }
}

fn asked_of(operation: &Json) -> Fields {
    let mut fields = Fields::new();
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

/// Another whenever anything of the order moves that somebody decides on.
fn version(body: &Json) -> String {
    let telling = ["orderState", "orderType", "operationDatas"].map(|name| body.get(name));
    Fingerprint::of(&(telling, orders::price(body))).to_string()
}

fn reference(body: &Json) -> Option<&str> {
    body.get(REFERENCE).and_then(Json::as_str)
}

impl S360 {
    /// Makes the order that opportunity `key` asks for. A sale is left open: it is paid for in a call of its own.
    pub(super) async fn book(&self, key: &str, fields: &Fields) -> Result<WriteAck, RemoteError> {
        let (place, number) = self.buyer(fields)?;
        let no = |why| place.no(SAVE_ORDER, why);
        let bookings = place.bookings(SAVE_ORDER)?;
        self.begun(ModuleId::Orders, place, SAVE_ORDER)?;
        let kind = made_as(text(fields, BOOKING).unwrap_or_default(), &bookings).map_err(no)?;
        place.in_its_currency(fields).map_err(no)?;
        let reference = self.reference.of(key);
        if reference.len() > LONGEST_REFERENCE {
            return Err(no((BOOKING, "the account's name is too long to be part of a reference")));
        }
        let operation = Json::Object(operation(fields).map_err(no)?);
        let body = json!({
            "pointOfSalesId": bookings.point_of_sales,
            "orderType": kind,
            "purchasersInfo": [{"contactReference": number}],
            REFERENCE: reference,
            "operations": [operation],
        });
        let answer = place.call(SAVE_ORDER, &body).await.map_err(doubt)?;
        let Some(order) = answer.get("orderId").and_then(Json::as_u64) else {
            return Err(place.lost(SAVE_ORDER, "the answer does not tell the new order's number"));
        };
        let id = payload::record_id(&place.code, &order.to_string());
        // S-360 posts it when it is final. Until it is read it lies here as it was made: a sale is not paid for.
        let made = json!({
            "orderId": order,
            "orderType": kind,
            "orderState": "RUNNING",
            "purchaserContactNumber": number,
            REFERENCE: reference,
            "operationDatas": [operation],
        });
        // The order is there by now, whatever becomes of our note of it.
        let there = |error| RemoteError { sent: Sent::Maybe, ..error };
        let known = self.shelved(ModuleId::Orders, &id).map_err(there)?;
        if known.is_none() {
            self.put(ModuleId::Orders, &id, made, known).await.map_err(there)?;
        }
        Ok(WriteAck { id, created: Some(true) })
    }

    /// The order that was made for opportunity `key` with these fields: one or none.
    ///
    /// # Errors
    /// [`Class::Rejected`] when what carries the reference is an order for somebody or something else.
    pub(super) async fn booked(&self, key: &str, fields: &Fields) -> Result<Vec<Record>, RemoteError> {
        let wanted = self.reference.of(key);
        let (place, buyer) = self.buyer(fields)?;
        let Some(told) = place.told(GET_ORDER, &json!({REFERENCE: wanted}), "orderDetailsData").await? else {
            return Ok(Vec::new());
        };
        let found = payload::identify(StreamKind::S360Orders, &told);
        let (Ok(found), Some(_)) = (found, reference(&told).filter(|given| *given == wanted)) else {
            return Err(place.fail(GET_ORDER, Class::Malformed, "the answer is about another order"));
        };
        let product = only_operation(&told).and_then(|operation| operation.get("productId")).and_then(plain);
        if orders::purchaser(&told) != Some(buyer) || product.as_deref() != text(fields, "product").map(str::trim) {
            let why =
                "an order with this reference is there already, for somebody or something else; look at it in S-360";
            return Err(place.no(GET_ORDER, (BOOKING, why)));
        }
        let id = payload::record_id(&place.code, &found.number);
        let before = self.shelved(ModuleId::Orders, &id)?;
        let row = self.put(ModuleId::Orders, &id, told, before).await?;
        Ok(vec![self.record(place, &row)?])
    }

    /// Changes an order that was made here, as it was when somebody looked (`expected`), or pays for it. Asked for both
    /// it only changes the order: what that costs somebody has to see first.
    pub(super) async fn rebook(
        &self,
        id: &RecordId,
        patch: &Fields,
        expected: Option<&str>,
    ) -> Result<WriteAck, RemoteError> {
        let Some((place, order)) = self.place(id).and_then(|(place, number)| Some((place, number.parse().ok()?)))
        else {
            return Err(super::fail(SAVE_ORDER.name, Class::Missing, "it belongs to no institution of this account"));
        };
        let bookings = place.bookings(SAVE_ORDER)?;
        self.begun(ModuleId::Orders, place, SAVE_ORDER)?;
        let now = self.open_order(place, order).await?;
        if expected.is_some_and(|expected| expected != version(&now)) {
            return Err(place.fail(SAVE_ORDER, Class::Conflict, "the order moved since it was looked at"));
        }
        let changes = patch.keys().any(|name| ASKED.contains(&name.as_str()));
        match patch.get(BOOKING).map(|wish| wish.as_text().unwrap_or_default().trim()) {
            None | Some("sale") => {}
            Some(_) => {
                let why = "an order becomes a sale or stays what it is; whatever else is done in S-360";
                return Err(place.no(SAVE_ORDER, (BOOKING, why)));
            }
        }
        if changes {
            place.change(&bookings, order, &now, patch).await?;
        } else if patch.contains_key(BOOKING) {
            place.pay(&bookings, order, &now).await?;
        }
        Ok(WriteAck { id: id.clone(), created: Some(false) })
    }

    /// Who buys, by their number, and where. S-360 knows one: of a person and a company that do not belong together
    /// neither is taken for the other.
    pub(super) fn buyer(&self, fields: &Fields) -> Result<(&Place, String), RemoteError> {
        let no = |why: &str| super::records::rejected(SAVE_ORDER.name, "contact", why);
        let head = |name: &str| match text(fields, name) {
            Some(id) => self.head(RecordId::from(id)).map(Some),
            None => Ok(None),
        };
        let (contact, company) = (head("contact")?, head("company")?);
        if let (Some((person, row)), Some((company, _))) = (&contact, &company) {
            let place = self.place(person).map(|(place, _)| place);
            let theirs = place.zip(row.as_ref()).and_then(|(place, row)| super::records::parent(place, row));
            let theirs = theirs.map(|theirs| self.head(theirs)).transpose()?.map(|(theirs, _)| theirs);
            if theirs.as_ref() != Some(company) {
                return Err(no("in S-360 the person does not belong to that company: leave out whoever does not buy"));
            }
        }
        let buyer = contact.or(company).map(|(id, _)| id);
        let placed = buyer.as_ref().and_then(|buyer| self.place(buyer));
        let (place, number) =
            placed.ok_or_else(|| no("nobody of an institution of this account is named as the buyer"))?;
        Ok((place, number.to_owned()))
    }

    /// The order as S-360 has it now, if it was made here and is not final.
    async fn open_order(&self, place: &Place, order: u64) -> Result<Json, RemoteError> {
        let Some(now) = place.told(GET_ORDER, &json!({"orderId": order}), "orderDetailsData").await? else {
            return Err(place.fail(GET_ORDER, Class::Missing, "there is no such order"));
        };
        if now.get("orderId").and_then(Json::as_u64) != Some(order) {
            return Err(place.fail(GET_ORDER, Class::Malformed, "the answer is about another order"));
        }
        if reference(&now).and_then(|told| self.reference.asker(told)).is_none() {
            return Err(place.no(SAVE_ORDER, (BOOKING, "the order was not made by Tandem: change it in S-360")));
        }
        if orders::is_final(&now) {
            return Err(place.no(SAVE_ORDER, (BOOKING, "the order is final: only S-360 can change it")));
        }
        Ok(now)
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_text).filter(|text| !text.trim().is_empty())
}

/// An answer that says "an error of ours" may come after the work was done: nothing of it proves that it was not.
fn doubt(error: RemoteError) -> RemoteError {
    match error.class {
        Class::Server | Class::Malformed => RemoteError { sent: Sent::Maybe, ..error },
        _ => error,
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
        _ => Err((BOOKING, "not something that can be booked: open, reservation, option or sale")),
    }
}

/// The one operation of an order, from what is asked for.
fn operation(fields: &Fields) -> Result<Map<String, Json>, Refused> {
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
    Ok(operation)
}

impl Place {
    /// Sends the order as it was read, with the change in it.
    async fn change(&self, bookings: &Bookings, order: u64, now: &Json, patch: &Fields) -> Result<(), RemoteError> {
        let no = |why| self.no(SAVE_ORDER, why);
        let known = only_operation(now)
            .ok_or_else(|| no(("product", "the order holds more than was asked for; change it in S-360")))?;
        let mut fields = asked_of(known);
        fields.extend(patch.clone());
        let mut operation = operation(&fields).map_err(no)?;
        if let Some(id) = known.get("operationId") {
            operation.insert("operationId".to_owned(), id.clone());
        }
        let body = json!({
            "pointOfSalesId": bookings.point_of_sales,
            "orderType": now.get("orderType"),
            "orderId": order,
            "purchasersInfo": [{"contactReference": orders::purchaser(now)}],
            REFERENCE: reference(now),
            "operations": [operation],
        });
        self.call(SAVE_ORDER, &body).await.map_err(doubt).map(drop)
    }

    /// Pays what the order costs `now`.
    async fn pay(&self, bookings: &Bookings, order: u64, now: &Json) -> Result<(), RemoteError> {
        made_as("sale", bookings).map_err(|why| self.no(CLOSE_ORDER, why))?;
        let amount = orders::price(now)
            .ok_or_else(|| self.fail(CLOSE_ORDER, Class::Rejected, "the order does not tell its amount"))?;
        let body = json!({
            "orderId": order,
            "orderType": "SALE",
            "payments": [{"amount": amount, "paymentMethodId": bookings.payment_method}],
        });
        self.call(CLOSE_ORDER, &body).await.map_err(doubt).map(drop)
    }

    /// # Errors
    /// The opportunity's prices are in another currency than the institution's, as far as both are known.
    fn in_its_currency(&self, fields: &Fields) -> Result<(), Refused> {
        let ours = text(fields, "currency").map(str::trim);
        match (ours, self.currency.as_deref()) {
            (Some(ours), Some(theirs)) if ours.eq_ignore_ascii_case(theirs) => Ok(()),
            (Some(_), _) => Err(("currency", "not the currency that is configured for the institution")),
            (None, _) => Ok(()),
        }
    }

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
