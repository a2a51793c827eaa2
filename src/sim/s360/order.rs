//! One order, in the shape of `getOrderDetails` (contract 2.3).
//!
//! Amounts are whole thousandths. Known from the contract: the members of an order and of an operation, the
//! parameters of the two calls that write. Our own choice: `purchaserContactNumber`, `externalReference` and
//! `origin` among the details, times as RFC 3339 in UTC, the states before an order is final, and that a
//! purchaser is named by its contact number.
//!
//! States and types nobody knows can be stored by other users, not by the API.

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::shape::{Holds, Member, may, must, overlay, read, read_list};
use crate::model::Timestamp;

/// Closed.
const CLOSED: &str = "CLOSED";
/// Given up; the spelling is S-360's.
const ABANDONED: &str = "ABANDONNED";

/// The amounts of an order.
const AMOUNTS: &[&str] =
    &["saleAmount", "preSaleAmount", "reservationAmount", "optionAmount", "waitingAccountBalanceAmount"];

/// What the API can make: its type, the amount that counts and the state while it is open.
const MADE: &[(&str, &str, &str)] = &[
    ("SALE", "saleAmount", "RUNNING"),
    ("RESERVATION", "reservationAmount", "IN_RESERVATION"),
    ("OPTION", "optionAmount", "IN_OPTION"),
];

const TYPES: &[&str] = &["SALE", "RESERVATION", "OPTION"];

const SAVED: &[Member] = &[
    must("pointOfSalesId", Holds::Whole),
    must("orderType", Holds::OneOf(TYPES)),
    may("orderId", Holds::Whole),
    may("purchasersInfo", Holds::Any),
    may("externalReference", Holds::Text(64)),
    may("origin", Holds::Text(64)),
    may("expirationDate", Holds::Text(40)),
    may("operations", Holds::Any),
];

const OPERATION: &[Member] = &[
    must("productId", Holds::Whole),
    must("quantity", Holds::Whole),
    must("unitPrice", Holds::Whole),
    may("performanceId", Holds::Whole),
    may("product", Holds::Text(200)),
    may("productCode", Holds::Text(40)),
    may("operationId", Holds::Whole),
];

const PURCHASER: &[Member] = &[must("contactReference", Holds::Text(20))];
const PAYMENT: &[Member] = &[must("amount", Holds::Whole), must("paymentMethodId", Holds::Whole)];

const CLOSING: &[Member] = &[
    must("orderId", Holds::Whole),
    must("orderType", Holds::OneOf(TYPES)),
    must("payments", Holds::Any),
    may("paymentParams", Holds::Any),
    may("maxWaitingTime", Holds::Whole),
];

/// What other users can set.
const BY_USER: &[Member] = &[
    may("orderState", Holds::Text(40)),
    may("orderType", Holds::Text(40)),
    may("creationDateTime", Holds::Text(40)),
    may("referenceDate", Holds::Text(40)),
    may("expirationDate", Holds::Text(40)),
    may("saleAmount", Holds::Whole),
    may("preSaleAmount", Holds::Whole),
    may("reservationAmount", Holds::Whole),
    may("optionAmount", Holds::Whole),
    may("waitingAccountBalanceAmount", Holds::Whole),
    may("purchaserContactNumber", Holds::Text(20)),
    may("externalReference", Holds::Text(64)),
    may("origin", Holds::Text(64)),
    may("pointOfSalesId", Holds::Whole),
    may("operationDatas", Holds::Any),
];

/// An order as stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    /// `orderId`.
    pub id: u64,
    /// `creationDateTime`.
    pub created: Timestamp,
    doc: Map<String, Value>,
    /// The payments it was closed with.
    payments: Option<Value>,
}

/// A call that makes or changes an order, read.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    /// The order to change; none for a new one.
    pub order: Option<u64>,
    /// `externalReference`.
    pub reference: Option<String>,
    /// The contact number of the purchaser.
    pub purchaser: Option<String>,
    given: Map<String, Value>,
    operations: Option<Vec<Map<String, Value>>>,
}

impl Saved {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Whatever is unknown, missing or breaks a rule.
    pub fn read(params: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut given = read(params, SAVED)?;
        let order = match given.shift_remove("orderId").map(|id| id.as_u64()) {
            None => None,
            Some(Some(id)) => Some(id),
            Some(None) => return Err(Refusal::missing("there is no such order")),
        };
        let purchaser = match given.shift_remove("purchasersInfo") {
            None => None,
            Some(list) => match read_list("purchasersInfo", &list, PURCHASER)?.as_slice() {
                [one] => one["contactReference"].as_str().map(str::to_owned),
                _ => return Err(Refusal::value("'purchasersInfo' does not hold one purchaser")),
            },
        };
        let operations = match given.shift_remove("operations") {
            None => None,
            Some(list) => Some(read_list("operations", &list, OPERATION)?),
        };
        if order.is_none() && (purchaser.is_none() || operations.is_none()) {
            return Err(Refusal::parameter("a new order needs 'purchasersInfo' and 'operations'"));
        }
        if operations.as_ref().is_some_and(Vec::is_empty) {
            return Err(Refusal::parameter("'operations' is empty"));
        }
        stamp(&given, "expirationDate")?;
        let reference = given.get("externalReference").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { order, reference, purchaser, given, operations })
    }
}

/// The instant in a member.
fn stamp(doc: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = doc.get(name).and_then(Value::as_str) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Refusal::value(format!("'{name}' is no time like 2026-11-21T08:00:00Z")))
}

impl Order {
    /// An empty order.
    pub fn new(id: u64, at: Timestamp) -> Self {
        let mut doc = Map::new();
        doc.insert("orderId".into(), json!(id));
        doc.insert("orderState".into(), json!("RUNNING"));
        doc.insert("orderType".into(), json!("SALE"));
        doc.insert("creationDateTime".into(), json!(at));
        doc.insert("referenceDate".into(), json!(at));
        doc.insert("expirationDate".into(), Value::Null);
        for amount in AMOUNTS {
            doc.insert((*amount).into(), json!(0));
        }
        doc.insert("operationDatas".into(), json!([]));
        Self { id, created: at, doc, payments: None }
    }

    /// All of it.
    pub fn show(&self) -> Value {
        Value::Object(self.doc.clone())
    }

    /// Closed or abandoned: final, and to be pushed.
    pub fn finalised(&self) -> bool {
        [CLOSED, ABANDONED].contains(&self.text("orderState"))
    }

    /// `externalReference`.
    pub fn reference(&self) -> Option<&str> {
        self.doc.get("externalReference").and_then(Value::as_str)
    }

    /// The contact number of the purchaser.
    pub fn purchaser(&self) -> &str {
        self.text("purchaserContactNumber")
    }

    /// Names another purchaser, for merges.
    pub fn bought_by(&mut self, number: &str) {
        self.doc.insert("purchaserContactNumber".into(), json!(number));
    }

    fn text(&self, name: &str) -> &str {
        self.doc.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// What another user sets, also what the API would refuse.
    ///
    /// # Errors
    /// A member that is unknown or of a wrong kind.
    pub fn edit(&mut self, given: &Map<String, Value>) -> Result<(), Refusal> {
        overlay(&mut self.doc, given, BY_USER)?;
        if let Some(created) = stamp(&self.doc, "creationDateTime")? {
            self.created = created;
        }
        Ok(())
    }

    /// Makes it what the call says. Ids of operations are taken from `operation_id` on; returns how many.
    ///
    /// # Errors
    /// When it is final, or its amount leaves 64 bits.
    pub fn save(&mut self, saved: &Saved, operation_id: u64) -> Result<u64, Refusal> {
        if self.finalised() {
            return Err(Refusal::state(format!("order {} is {}", self.id, self.text("orderState"))));
        }
        self.doc.extend(saved.given.clone());
        if let Some(purchaser) = &saved.purchaser {
            self.bought_by(purchaser);
        }
        let mut taken = 0;
        if let Some(operations) = &saved.operations {
            // Whatever does not name one that is there is another one beside it.
            let known = self.doc.get("operationDatas").and_then(Value::as_array).cloned().unwrap_or_default();
            let named = |one: &Value| operations.iter().any(|given| given.get("operationId") == one.get("operationId"));
            let mut list: Vec<Value> = known.iter().filter(|one| !named(one)).cloned().collect();
            for operation in operations {
                let there = known.iter().any(|one| operation.get("operationId") == one.get("operationId"));
                if operation.contains_key("operationId") && !there {
                    return Err(Refusal::missing("there is no such operation"));
                }
                let mut data = Map::new();
                data.insert("operationId".into(), json!(operation_id + 2 * taken));
                data.insert("kind".into(), json!("SINGLE_ENTRY"));
                data.insert("basePrice".into(), operation["unitPrice"].clone());
                data.extend(operation.clone());
                list.push(Value::Object(data));
                taken += 1;
            }
            self.doc.insert("operationDatas".into(), Value::Array(list));
        }
        self.count()?;
        Ok(taken)
    }

    /// Puts the sum of its operations where its type has it, and the state that goes with the type.
    fn count(&mut self) -> Result<i64, Refusal> {
        let operations = self.doc.get("operationDatas").and_then(Value::as_array).into_iter().flatten();
        let mut sum = operations.map(|one| one["quantity"].as_i64()?.checked_mul(one["unitPrice"].as_i64()?));
        let sum = sum.try_fold(0_i64, |sum, one| sum.checked_add(one?));
        let sum = sum.ok_or_else(|| Refusal::value("the amount is too large"))?;
        let kind = self.text("orderType").to_owned();
        for (name, amount, state) in MADE {
            self.doc.insert((*amount).into(), json!(if *name == kind { sum } else { 0 }));
            if *name == kind {
                self.doc.insert("orderState".into(), json!(state));
            }
        }
        Ok(sum)
    }

    /// Gives the order up. False when it was given up before: a repetition, which changes nothing.
    ///
    /// # Errors
    /// When it is closed.
    pub fn abandon(&mut self) -> Result<bool, Refusal> {
        match self.text("orderState") {
            ABANDONED => Ok(false),
            CLOSED => Err(Refusal::state(format!("order {} is {CLOSED}", self.id))),
            _ => {
                self.doc.insert("orderState".into(), json!(ABANDONED));
                Ok(true)
            }
        }
    }

    /// Closes the order. False when it was closed with the same payments before: a repetition.
    ///
    /// # Errors
    /// When it is abandoned, was closed otherwise, or the payments are not its price.
    pub fn close(&mut self, closing: &Closing) -> Result<bool, Refusal> {
        if self.text("orderState") == CLOSED && self.payments.as_ref() == Some(&closing.payments) {
            return Ok(false);
        }
        if self.finalised() {
            return Err(Refusal::state(format!("order {} is {}", self.id, self.text("orderState"))));
        }
        if closing.kind != self.text("orderType") && closing.kind != "SALE" {
            return Err(Refusal::state("an order becomes a sale or stays what it is"));
        }
        self.doc.insert("orderType".into(), json!(closing.kind));
        let price = self.count()?;
        // What is only held costs nothing yet.
        let due = if closing.kind == "SALE" { price } else { 0 };
        if closing.paid != due {
            return Err(Refusal::value(format!("payments of {} for an amount of {due}", closing.paid)));
        }
        self.doc.insert("orderState".into(), json!(CLOSED));
        self.payments = Some(closing.payments.clone());
        Ok(true)
    }
}

/// A call that closes an order, read.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    /// Which.
    pub order: u64,
    kind: String,
    payments: Value,
    paid: i64,
}

impl Closing {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Whatever is unknown, missing or breaks a rule.
    pub fn read(params: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut given = read(params, CLOSING)?;
        let order = given["orderId"].as_u64().ok_or_else(|| Refusal::missing("there is no such order"))?;
        let payments = given.shift_remove("payments").unwrap_or_default();
        let amounts = read_list("payments", &payments, PAYMENT)?;
        let paid = amounts.iter().try_fold(0_i64, |sum, one| sum.checked_add(one["amount"].as_i64()?));
        let paid = paid.ok_or_else(|| Refusal::value("the payments are too large"))?;
        let kind = given["orderType"].as_str().unwrap_or_default().to_owned();
        Ok(Self { order, kind, payments, paid })
    }
}

/// Which order a call is about: exactly one of `orderId` and `externalReference`.
#[derive(Clone, Debug)]
pub(super) enum Named {
    Id(u64),
    Reference(String),
}

impl Named {
    /// Reads the parameters.
    ///
    /// # Errors
    /// When there is none of the two, both, or anything else.
    pub fn read(params: &Map<String, Value>) -> Result<Self, Refusal> {
        const SHAPE: &[Member] = &[may("orderId", Holds::Whole), may("externalReference", Holds::Text(64))];
        let given = read(params, SHAPE)?;
        match (given.get("orderId"), given.get("externalReference").and_then(Value::as_str)) {
            (Some(id), None) => id.as_u64().map(Self::Id).ok_or_else(|| Refusal::missing("there is no such order")),
            (None, Some(reference)) => Ok(Self::Reference(reference.to_owned())),
            _ => Err(Refusal::parameter("one of 'orderId' and 'externalReference' is needed")),
        }
    }
}
