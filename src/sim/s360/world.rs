//! The institutions and their records. Every write goes through here: it enters the ledger and, where it must
//! be pushed, the queue.
//!
//! It knows no HTTP. Institutions never see each other's records.

use std::collections::{BTreeMap, VecDeque};

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::contact::{Change, Contact, Kind};
use super::order::{Closing, Named, Order, Saved};
use super::queue::Queue;
use super::settings::{Account, Knobs, Retry, Settings, Stream};
use crate::model::Timestamp;
use crate::seam::Zone;
use crate::sim::ledger::{By, Ledger, NewEffect, Op};

/// The first contact number of every institution.
const FIRST_NUMBER: u64 = 100_001;
/// Ids of contacts begin above 32 bits.
const FIRST_CONTACT_ID: u64 = 1 << 32;
/// Ids of orders, operations and checks begin above 53 bits and are odd, so that a float holds none of them.
const FIRST_LONG: u64 = (1 << 53) + 1;

/// One institution.
#[derive(Debug)]
pub(super) struct Institution {
    pub account: Account,
    pub contacts: BTreeMap<String, Contact>,
    pub orders: BTreeMap<u64, Order>,
    pub checks: BTreeMap<u64, Value>,
    pub queues: BTreeMap<Stream, Queue>,
    /// When the calls of the last minute came.
    pub calls: VecDeque<Timestamp>,
    /// Tokens of the login call and until when they are good.
    pub sessions: BTreeMap<String, Timestamp>,
    contacts_made: u64,
    longs_made: u64,
    addresses_made: i64,
}

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Author {
    pub by: By,
    pub at: Timestamp,
}

/// Everything that changes.
#[derive(Debug)]
pub(super) struct World {
    pub institutions: BTreeMap<String, Institution>,
    pub knobs: Knobs,
    pub ledger: Ledger,
    streams: Vec<Stream>,
    first_sync: Option<NaiveDate>,
    zone: Zone,
}

impl World {
    pub fn new(settings: &Settings) -> Self {
        let institution = |account: &Account| {
            let fresh = Institution {
                account: account.clone(),
                contacts: BTreeMap::new(),
                orders: BTreeMap::new(),
                checks: BTreeMap::new(),
                queues: settings.streams.iter().map(|stream| (*stream, Queue::default())).collect(),
                calls: VecDeque::new(),
                sessions: BTreeMap::new(),
                contacts_made: 0,
                longs_made: 0,
                addresses_made: 0,
            };
            (account.code.clone(), fresh)
        };
        Self {
            institutions: settings.institutions.iter().map(institution).collect(),
            knobs: settings.knobs.clone(),
            ledger: Ledger::new(),
            streams: settings.streams.clone(),
            first_sync: settings.first_sync,
            zone: settings.zone.clone(),
        }
    }

    /// An institution that the caller knows to be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn institution(&mut self, code: &str) -> Result<&mut Institution, Refusal> {
        self.institutions.get_mut(code).ok_or_else(|| Refusal::missing("there is no such institution"))
    }

    /// The contact as it would be after `given`: a new one without a number.
    fn changed(
        &mut self,
        code: &str,
        number: Option<&str>,
        kind: Kind,
        given: &Map<String, Value>,
        author: Author,
    ) -> Result<Contact, Refusal> {
        let by_user = author.by == By::User;
        let institution = self.institution(code)?;
        let mut contact = match number {
            Some(number) => {
                let known = institution.contacts.get(number).cloned();
                known.ok_or_else(|| Refusal::missing(format!("contact {number} does not exist")))?
            }
            None => {
                let serial = institution.contacts_made;
                let from = if by_user { "BACKOFFICE" } else { "WEBSERVICE" };
                Contact::new((FIRST_NUMBER + serial).to_string(), FIRST_CONTACT_ID + 1 + serial, kind, author.at, from)
            }
        };
        if contact.kind != kind {
            return Err(Refusal::state(format!("contact {} has no '{}'", contact.number, kind.member())));
        }
        let address_id = (1 << 32) + institution.addresses_made;
        let taken = contact.change(Change { given, by_user, at: author.at, address_id })?;
        let structure = contact.structure();
        if given.contains_key("structureContactNumber")
            && structure.is_some_and(|number| {
                institution.contacts.get(number).is_none_or(|found| found.kind != Kind::Structure)
            })
        {
            return Err(Refusal::missing("'structureContactNumber' names no structure"));
        }
        institution.addresses_made += taken;
        Ok(contact)
    }

    /// Makes or changes a contact. Returns its number.
    ///
    /// # Errors
    /// Whatever the shape or a rule refuses; nothing has changed then.
    pub fn save_contact(
        &mut self,
        code: &str,
        number: Option<&str>,
        kind: Kind,
        given: &Map<String, Value>,
        author: Author,
    ) -> Result<String, Refusal> {
        let contact = self.changed(code, number, kind, given, author)?;
        let op = if number.is_none() { Op::Create } else { Op::Update };
        self.book_contact(code, &contact, op, author, given.keys().cloned().collect());
        let number = contact.number.clone();
        let institution = self.institution(code)?;
        institution.contacts_made += u64::from(op == Op::Create);
        institution.contacts.insert(number.clone(), contact);
        self.enqueue(code, Stream::Contacts, &number);
        Ok(number)
    }

    /// Puts a contact in place as if it had been there, changed last at `at`: no ledger row, no push.
    ///
    /// # Errors
    /// As [`World::save_contact`].
    pub fn seed_contact(
        &mut self,
        code: &str,
        kind: Kind,
        given: &Map<String, Value>,
        at: Timestamp,
    ) -> Result<String, Refusal> {
        let contact = self.changed(code, None, kind, given, Author { by: By::User, at })?;
        let number = contact.number.clone();
        let institution = self.institution(code)?;
        institution.contacts_made += 1;
        institution.contacts.insert(number.clone(), contact);
        Ok(number)
    }

    /// Removes a contact, or merges it into another: the other keeps its own data and takes over history.
    ///
    /// # Errors
    /// When one of them does not exist, or they are the same or of different kinds.
    pub fn remove_contact(
        &mut self,
        code: &str,
        number: &str,
        head: Option<&str>,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let author = Author { by: By::User, at };
        let missing = |number: &str| Refusal::missing(format!("contact {number} does not exist"));
        let institution = self.institution(code)?;
        let gone = institution.contacts.get(number).cloned().ok_or_else(|| missing(number))?;
        if let Some(head) = head {
            let mut survivor = institution.contacts.get(head).cloned().ok_or_else(|| missing(head))?;
            if head == number || survivor.kind != gone.kind {
                return Err(Refusal::state("these contacts cannot be merged"));
            }
            survivor.modified = at;
            institution
                .orders
                .values_mut()
                .filter(|order| order.purchaser() == number)
                .for_each(|order| order.bought_by(head));
            let relays = institution.contacts.values_mut().filter(|contact| contact.structure() == Some(number));
            relays.for_each(|relay| relay.relay_of(head));
            institution.contacts.insert(head.to_owned(), survivor.clone());
            self.book_contact(code, &survivor, Op::Update, author, Vec::new());
            self.enqueue(code, Stream::Contacts, head);
        }
        let institution = self.institution(code)?;
        institution.contacts.remove(number);
        if let Some(queue) = institution.queues.get_mut(&Stream::Contacts) {
            queue.drop_fresh(number);
        }
        self.book_contact(code, &gone, Op::Delete, author, Vec::new());
        Ok(())
    }

    fn book_contact(&self, code: &str, contact: &Contact, op: Op, author: Author, fields: Vec<String>) {
        let content = if op == Op::Delete { Value::Null } else { contact.whole() };
        self.ledger.record(NewEffect {
            at: author.at,
            by: author.by,
            op,
            object: &format!("{code}.contact"),
            id: contact.number.clone(),
            // No counterpart's key is kept here: the address shows a person made twice.
            external_id: contact.emails().next().map(str::to_lowercase),
            content: &content,
            fields,
        });
    }

    /// The order as it is after a call or an edit, put in place, booked and, if it is final now, queued.
    fn put_order(
        &mut self,
        code: &str,
        order: Order,
        op: Op,
        author: Author,
        fields: Vec<String>,
    ) -> Result<(), Refusal> {
        let (id, finalised) = (order.id, order.finalised());
        self.ledger.record(NewEffect {
            at: author.at,
            by: author.by,
            op,
            object: &format!("{code}.order"),
            id: id.to_string(),
            external_id: order.reference().map(str::to_owned),
            content: &order.show(),
            fields,
        });
        self.institution(code)?.orders.insert(id, order);
        if finalised {
            self.enqueue(code, Stream::Orders, &id.to_string());
        }
        Ok(())
    }

    /// `createOrUpdateOrder`. Returns the order's id.
    ///
    /// # Errors
    /// Whatever a rule refuses; nothing has changed then.
    pub fn save_order(
        &mut self,
        code: &str,
        saved: &Saved,
        author: Author,
        fields: Vec<String>,
    ) -> Result<u64, Refusal> {
        let unique = self.knobs.unique_references;
        let institution = self.institution(code)?;
        if let Some(purchaser) = &saved.purchaser
            && !institution.contacts.contains_key(purchaser)
        {
            return Err(Refusal::missing(format!("contact {purchaser} does not exist")));
        }
        let known = saved.reference.as_deref().filter(|_| unique && saved.order.is_none());
        if let Some(known) =
            known.and_then(|known| institution.orders.values().find(|order| order.reference() == Some(known)))
        {
            return Ok(known.id);
        }
        let mut order = match saved.order {
            Some(id) => institution.orders.get(&id).cloned().ok_or_else(|| unknown_order(id))?,
            None => Order::new(institution.long(), author.at),
        };
        let first = institution.peek_long();
        let taken = order.save(saved, first)?;
        institution.longs_made += taken;
        let (id, op) = (order.id, if saved.order.is_none() { Op::Create } else { Op::Update });
        self.put_order(code, order, op, author, fields)?;
        Ok(id)
    }

    /// `createPaymentsAndCloseOrder`.
    ///
    /// # Errors
    /// Whatever a rule refuses; nothing has changed then.
    pub fn close_order(&mut self, code: &str, closing: &Closing, author: Author) -> Result<Order, Refusal> {
        let mut order = self.order(code, &Named::Id(closing.order))?;
        if order.close(closing)? {
            self.put_order(code, order.clone(), Op::Update, author, vec!["orderState".to_owned()])?;
        }
        Ok(order)
    }

    /// `abandonMovements`.
    ///
    /// # Errors
    /// Whatever a rule refuses; nothing has changed then.
    pub fn abandon_order(&mut self, code: &str, named: &Named, author: Author) -> Result<Order, Refusal> {
        let mut order = self.order(code, named)?;
        if order.abandon()? {
            self.put_order(code, order.clone(), Op::Update, author, vec!["orderState".to_owned()])?;
        }
        Ok(order)
    }

    /// The order a call is about.
    ///
    /// # Errors
    /// When there is none, or a reference names several.
    pub fn order(&mut self, code: &str, named: &Named) -> Result<Order, Refusal> {
        let orders = &self.institution(code)?.orders;
        match named {
            Named::Id(id) => orders.get(id).cloned().ok_or_else(|| unknown_order(*id)),
            Named::Reference(reference) => {
                let mut found = orders.values().filter(|order| order.reference() == Some(reference));
                match (found.next(), found.next()) {
                    (Some(order), None) => Ok(order.clone()),
                    (None, _) => Err(Refusal::missing("no order has this reference")),
                    (Some(_), Some(_)) => Err(Refusal::state("more than one order has this reference")),
                }
            }
        }
    }

    /// Another user makes or changes an order, in any way there is. Returns its id.
    ///
    /// # Errors
    /// When there is no such order, or a member is unknown or of a wrong kind.
    pub fn edit_order(
        &mut self,
        code: &str,
        id: Option<u64>,
        given: &Map<String, Value>,
        at: Timestamp,
    ) -> Result<u64, Refusal> {
        let institution = self.institution(code)?;
        let mut order = match id {
            Some(id) => institution.orders.get(&id).cloned().ok_or_else(|| unknown_order(id))?,
            None => Order::new(institution.peek_long(), at),
        };
        order.edit(given)?;
        institution.longs_made += u64::from(id.is_none());
        let (made, op) = (order.id, if id.is_none() { Op::Create } else { Op::Update });
        self.put_order(code, order, op, Author { by: By::User, at }, given.keys().cloned().collect())?;
        Ok(made)
    }

    /// Puts an order in place without a ledger row and without a push.
    ///
    /// # Errors
    /// When a member is unknown or of a wrong kind.
    pub fn seed_order(&mut self, code: &str, given: &Map<String, Value>, at: Timestamp) -> Result<u64, Refusal> {
        let institution = self.institution(code)?;
        let mut order = Order::new(institution.peek_long(), at);
        order.edit(given)?;
        institution.longs_made += 1;
        let id = order.id;
        institution.orders.insert(id, order);
        Ok(id)
    }

    /// Records an access-control check and queues it.
    ///
    /// # Errors
    /// When there is no such institution.
    pub fn add_check(&mut self, code: &str, given: &Map<String, Value>, at: Timestamp) -> Result<u64, Refusal> {
        let id = self.institution(code)?.long();
        let check = super::check::check(id, given, at)?;
        self.ledger.record(NewEffect {
            at,
            by: By::User,
            op: Op::Create,
            object: &format!("{code}.check"),
            id: id.to_string(),
            external_id: None,
            content: &check,
            fields: given.keys().cloned().collect(),
        });
        self.institution(code)?.checks.insert(id, check);
        self.enqueue(code, Stream::Access, &id.to_string());
        Ok(id)
    }

    /// Queues a record unless it lies before the first day (contract 2.6), or nobody wants the stream.
    fn enqueue(&mut self, code: &str, stream: Stream, key: &str) {
        let reread = self.knobs.retry == Retry::Reread;
        let Some(institution) = self.institutions.get(code) else { return };
        let day = match stream {
            Stream::Contacts => institution.contacts.get(key).map(|contact| contact.modified),
            Stream::Orders => key.parse().ok().and_then(|id| institution.orders.get(&id)).map(|order| order.created),
            Stream::Access => None,
        };
        let early = |at| self.first_sync.is_some_and(|first| self.zone.at(at).date_naive() < first);
        if !self.streams.contains(&stream) || day.is_some_and(early) {
            return;
        }
        let queue = self.institutions.get_mut(code).and_then(|institution| institution.queues.get_mut(&stream));
        if let Some(queue) = queue {
            queue.put(key, reread);
        }
    }

    /// Queues everything there is from the first day on, as S-360's staff do after set-up (contract 2.6).
    ///
    /// # Errors
    /// When there is no such institution.
    pub fn first_sync(&mut self, code: &str) -> Result<(), Refusal> {
        let institution = self.institution(code)?;
        let numbers: Vec<String> = institution.contacts.keys().cloned().collect();
        let orders = institution.orders.values().filter(|order| order.finalised());
        let orders: Vec<String> = orders.map(|order| order.id.to_string()).collect();
        numbers.iter().for_each(|number| self.enqueue(code, Stream::Contacts, number));
        orders.iter().for_each(|id| self.enqueue(code, Stream::Orders, id));
        Ok(())
    }

    /// The records of these keys as they are pushed. Those that are gone are left out.
    pub fn payload(&self, code: &str, stream: Stream, keys: &[String]) -> Vec<Value> {
        let Some(institution) = self.institutions.get(code) else { return Vec::new() };
        let one = |key: &String| match stream {
            Stream::Contacts => institution.contacts.get(key).map(|contact| contact.show(&self.knobs.details)),
            Stream::Orders => {
                let order = institution.orders.get(&key.parse().ok()?)?.show();
                Some(if self.knobs.wrap_orders { wrapped(order) } else { order })
            }
            Stream::Access => institution.checks.get(&key.parse().ok()?).cloned(),
        };
        keys.iter().filter_map(one).collect()
    }
}

impl Institution {
    /// The next long id, not taken.
    fn peek_long(&self) -> u64 {
        FIRST_LONG + 2 * self.longs_made
    }

    /// The next long id.
    fn long(&mut self) -> u64 {
        let id = self.peek_long();
        self.longs_made += 1;
        id
    }
}

/// An order as the order service and the push name it.
pub(super) fn wrapped(order: Value) -> Value {
    Value::Object(Map::from_iter([("orderDetailsData".to_owned(), order)]))
}

fn unknown_order(id: u64) -> Refusal {
    Refusal::missing(format!("order {id} does not exist"))
}
