//! A plugin that records Stripe's customers and invoices, in whatever order their events arrive.
#![forbid(unsafe_code)]

mod object;
mod order;

use hookyard_sdk::prelude::*;

use object::{Object, Sort};
use order::Moment;

/// The part of Stripe's event that is read.
#[derive(Deserialize)]
struct Notice {
    id: String,
    r#type: String,
    /// Seconds since 1970.
    created: i64,
    #[serde(default)]
    livemode: bool,
    /// The connected account that it happened in, of platforms.
    account: Option<String>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// What is kept of a customer or an invoice.
#[derive(Debug, Deserialize, Serialize)]
struct Record {
    /// Of the event that it is as of.
    #[serde(flatten)]
    moment: Moment,
    livemode: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// `None` when it was deleted: nothing but the fact is kept then.
    object: Option<Object>,
}

/// Records the customer or invoice of each event, unless a newer event was recorded before.
#[handler(kinds(
    "customer.created",
    "customer.deleted",
    "customer.updated",
    "invoice.created",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overdue",
    "invoice.overpaid",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.sent",
    "invoice.updated",
    "invoice.voided",
    "invoice.will_be_due",
))]
fn record(event: Event, host: Host) -> Outcome {
    let notice: Notice = event.json()?;
    let Some(sort) = Sort::of(&notice.data.object) else {
        return ignore(format!("{} is about neither a customer nor an invoice", notice.r#type));
    };
    let id = object::id(&notice.data.object)?;
    // All that is kept of an event is bounded.
    let account = notice.account.as_deref().unwrap_or_default();
    if [notice.id.as_str(), notice.r#type.as_str(), account].iter().any(|text| text.len() > 255) {
        return reject("the event's `id`, `type` or `account` has more than 255 bytes");
    }
    let moment = Moment::of(notice.id, notice.r#type, notice.created, &notice.data.object);

    let records = host.shared_kv(sort.namespace());
    if let Some(kept) = records.get_json::<Record>(id)?
        && kept.moment >= moment
    {
        let Moment { event, kind, .. } = &kept.moment;
        return ignore(format!("{id} is recorded as of {kind} {event}, which is no older"));
    }
    let object = if moment.deleted { None } else { Some(sort.pick(&notice.data.object)) };
    let summary = match &object {
        None => format!("{id} was deleted"),
        Some(object) => format!("{id}{} as of {}", object.state(), moment.kind),
    };
    info!(id, event = moment.event; "{summary}");
    let (livemode, account) = (notice.livemode, notice.account);
    records.set_json(id, &Record { moment, livemode, account, object })?;
    done().message(summary)
}

hookyard_sdk::plugin!(record, shared("stripe-customers", "stripe-invoices"));

#[cfg(test)]
mod tests;
