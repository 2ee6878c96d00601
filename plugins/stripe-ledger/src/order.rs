//! Which of two events of one object came later, whatever the order in which they arrived.
//!
//! Stripe gives the second in which an event was made, and several events of an invoice are made in
//! one second. Within it, creation is the first and deletion the last; an invoice's states go one way,
//! from draft to paid or void, and what was paid of it grows. Two events of a second that agree in all
//! of this, as two updates of a customer do, cannot be told apart: then the greater id counts as the
//! later one. That is arbitrary, but the same in whatever order they arrive.

use std::cmp::Ordering;

use hookyard_sdk::prelude::*;

/// When in an object's life an event is; greater is later.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Moment {
    /// The event's id.
    pub(crate) event: String,
    /// The event's type.
    pub(crate) kind: String,
    /// Seconds since 1970.
    pub(crate) at: i64,
    /// The place among the events of that second.
    place: Place,
    pub(crate) deleted: bool,
}

/// In the order of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
struct Place {
    /// 0 for creation, 2 for deletion, 1 for what is between.
    stage: u8,
    /// How far an invoice's state is; 0 for customers.
    state: u8,
    /// Paid of an invoice, in the currency's smallest unit.
    paid: i64,
}

impl Moment {
    pub(crate) fn of(event: String, kind: String, at: i64, object: &Value) -> Self {
        let stage = match kind.rsplit('.').next() {
            Some("created") => 0,
            Some("deleted") => 2,
            _ => 1,
        };
        let state = match object.get("status").and_then(Value::as_str) {
            Some("open") => 1,
            Some("uncollectible") => 2,
            Some("paid" | "void") => 3,
            _ => 0,
        };
        let paid = object.get("amount_paid").and_then(Value::as_i64).unwrap_or(0);
        let place = Place { stage, state, paid };
        Self { event, kind, at, place, deleted: stage == 2 }
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |moment: &Self| (moment.at, moment.place);
        key(self).cmp(&key(other)).then_with(|| self.event.cmp(&other.event))
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
