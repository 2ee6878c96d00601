//! Events as Stripe sends them, in any order.

use hookyard_sdk::testing::{self, Run};

use super::*;

/// An event of Stripe's around an object; `of` is `customer` or `invoice`.
fn event(id: &str, kind: &str, created: i64, object: &Value) -> Event {
    let body = json!({
        "id": id,
        "object": "event",
        "api_version": "2025-04-30.basil",
        "created": created,
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": "req_8Qp4b1QGJmKcYd", "idempotency_key": "5c4e1d4f" },
        "type": kind,
    });
    testing::event().kind(kind).delivery_id(id).json(&body).build()
}

fn customer(email: &str) -> Value {
    json!({
        "id": "cus_NffrFeUfNV2Hib",
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": 1_680_893_993,
        "currency": null,
        "delinquent": false,
        "description": null,
        "email": email,
        "invoice_settings": { "custom_fields": null, "footer": null },
        "livemode": false,
        "metadata": { "user": "42" },
        "name": "Jenny Rosen",
        "phone": null,
        "tax_exempt": "none",
    })
}

fn invoice(status: &str, paid: i64) -> Value {
    json!({
        "id": "in_1MtHbELkdIwHu7ixl4OzzPMv",
        "object": "invoice",
        "amount_due": 1999,
        "amount_paid": paid,
        "amount_remaining": 1999 - paid,
        "attempt_count": 1,
        "billing_reason": "subscription_cycle",
        "created": 1_680_644_467,
        "currency": "usd",
        "customer": "cus_NffrFeUfNV2Hib",
        "lines": { "object": "list", "data": [{ "id": "il_1", "amount": 1999 }] },
        "metadata": {},
        "number": "A1B2C3-0001",
        "status": status,
        "total": 1999,
    })
}

/// All events, one after the other.
fn all(events: impl IntoIterator<Item = Event>) -> Run {
    let mut last: Option<Run> = None;
    for event in events {
        let host = last.as_ref().map_or_else(testing::host, |run| testing::host().after(run));
        let run = host.run(record, event);
        assert!(run.outcome().is_ok(), "{:?}", run.outcome());
        last = Some(run);
    }
    last.expect("an event")
}

fn kept(run: &Run, namespace: &str, id: &str) -> Value {
    let value = run.shared_kv(namespace, id).expect("a record");
    hookyard_sdk::serde_json::from_slice(value).expect("JSON")
}

fn kept_customer(run: &Run) -> Value {
    kept(run, "stripe-customers", "cus_NffrFeUfNV2Hib")
}

fn kept_invoice(run: &Run) -> Value {
    kept(run, "stripe-invoices", "in_1MtHbELkdIwHu7ixl4OzzPMv")
}

/// Every order of the events leaves the same record as this one does.
fn in_every_order(events: &[Event], record_of: fn(&Run) -> Value) -> Value {
    let expected = record_of(&all(events.iter().cloned()));
    let mut order: Vec<usize> = (0..events.len()).collect();
    let mut orders = 1;
    // Heap's algorithm.
    let (mut counts, mut at) = (vec![0; order.len()], 1);
    while at < order.len() {
        if counts[at] < at {
            order.swap(if at % 2 == 0 { 0 } else { counts[at] }, at);
            let run = all(order.iter().map(|&number| events[number].clone()));
            assert_eq!(record_of(&run), expected, "{order:?}");
            orders += 1;
            counts[at] += 1;
            at = 1;
        } else {
            counts[at] = 0;
            at += 1;
        }
    }
    assert_eq!(orders, (1..=events.len()).product::<usize>());
    expected
}

#[test]
fn a_customer_is_recorded_with_the_fields_that_are_kept() {
    let run = all([event("evt_1", "customer.created", 100, &customer("jenny@example.com"))]);
    assert_eq!(run.expect_done().message(), Some("cus_NffrFeUfNV2Hib as of customer.created"));
    assert_eq!(
        kept_customer(&run),
        json!({
            "event": "evt_1",
            "kind": "customer.created",
            "at": 100,
            "place": { "stage": 0, "state": 0, "paid": 0 },
            "deleted": false,
            "livemode": false,
            "object": {
                "id": "cus_NffrFeUfNV2Hib",
                "balance": 0,
                "created": 1_680_893_993,
                "delinquent": false,
                "email": "jenny@example.com",
                "metadata": { "user": "42" },
                "name": "Jenny Rosen",
            },
        })
    );
}

#[test]
fn an_older_event_changes_nothing() {
    let newer = event("evt_2", "customer.updated", 200, &customer("new@example.com"));
    let older = event("evt_9", "customer.updated", 199, &customer("old@example.com"));
    let run = all([newer.clone(), older]);
    assert_eq!(
        run.expect_ignored(),
        "cus_NffrFeUfNV2Hib is recorded as of customer.updated evt_2, which is no older"
    );
    assert_eq!(kept_customer(&run)["object"]["email"], "new@example.com");
    // The same once more is no news either.
    let run = testing::host().after(&run).run(record, newer);
    assert!(run.expect_ignored().ends_with("which is no older"));
}

#[test]
fn of_a_deleted_one_only_the_fact_is_kept() {
    let events = [
        event("evt_1", "customer.created", 100, &customer("a@example.com")),
        event("evt_2", "customer.updated", 150, &customer("b@example.com")),
        // In one second with an update, whose id is greater.
        event("evt_3", "customer.deleted", 200, &customer("c@example.com")),
        event("evt_4", "customer.updated", 200, &customer("c@example.com")),
    ];
    let record = in_every_order(&events, kept_customer);
    assert_eq!((&record["event"], &record["deleted"]), (&json!("evt_3"), &json!(true)));
    assert_eq!(record["object"], Value::Null);
    assert!(!record.to_string().contains("example.com"), "{record}");
}

#[test]
fn the_events_of_an_invoice_within_one_second_have_their_order() {
    let events = [
        event("evt_5", "invoice.created", 100, &invoice("draft", 0)),
        event("evt_4", "invoice.finalized", 100, &invoice("open", 0)),
        event("evt_3", "invoice.updated", 100, &invoice("open", 999)),
        event("evt_2", "invoice.paid", 100, &invoice("paid", 1999)),
        event("evt_1", "invoice.payment_succeeded", 100, &invoice("paid", 1999)),
    ];
    let record = in_every_order(&events, kept_invoice);
    assert_eq!(record["object"]["status"], "paid");
    assert_eq!(record["object"]["amount_paid"], 1999);
    // Of the last two, which say the same, it is the greater id.
    assert_eq!(record["event"], "evt_2");
    let record = in_every_order(&events[..3], kept_invoice);
    assert_eq!(record["object"]["amount_paid"], 999);
}

#[test]
fn what_cannot_be_told_apart_is_the_same_in_every_order() {
    let events = [
        event("evt_a", "customer.updated", 100, &customer("a@example.com")),
        event("evt_c", "customer.updated", 100, &customer("c@example.com")),
        event("evt_b", "customer.updated", 100, &customer("b@example.com")),
    ];
    assert_eq!(in_every_order(&events, kept_customer)["event"], "evt_c");
}

#[test]
fn a_later_second_counts_whatever_an_event_says() {
    let events = [
        event("evt_1", "invoice.paid", 100, &invoice("paid", 1999)),
        event("evt_2", "invoice.updated", 101, &invoice("open", 0)),
    ];
    assert_eq!(in_every_order(&events, kept_invoice)["event"], "evt_2");
}

#[test]
fn what_is_kept_of_one_is_bounded() {
    let mut large = customer("jenny@example.com");
    // 499 bytes and one that has two.
    large["description"] = json!(format!("{}é and more", "d".repeat(499)));
    large["name"] = json!("n".repeat(500));
    large["metadata"] = json!({ "k": "v".repeat(8 << 10) });
    let run = all([event("evt_1", "customer.updated", 100, &large)]);
    let object = &kept_customer(&run)["object"];
    assert_eq!(object["description"], "d".repeat(499));
    assert_eq!(object["name"], "n".repeat(500));
    assert_eq!(object.get("metadata"), None);

    large["metadata"] = json!({ "k": "v".repeat((8 << 10) - 8) });
    let run = all([event("evt_1", "customer.updated", 100, &large)]);
    let value = run.shared_kv("stripe-customers", "cus_NffrFeUfNV2Hib").expect("a record");
    assert!(value.len() > 8 << 10 && value.len() < 16 << 10, "{} bytes", value.len());
}

#[test]
fn what_is_no_customer_or_invoice_is_not_recorded() {
    let charge = json!({ "id": "ch_1", "object": "charge" });
    let run = testing::run(record, event("evt_1", "charge.succeeded", 100, &charge));
    assert_eq!(run.expect_ignored(), "charge.succeeded is about neither a customer nor an invoice");

    let rejected = |changed: fn(&mut Value)| {
        let mut object = customer("a@example.com");
        changed(&mut object);
        let run = testing::run(record, event("evt_1", "customer.updated", 100, &object));
        run.expect_rejected().to_owned()
    };
    assert_eq!(rejected(|object| object["id"] = Value::Null), "the object has no `id`");
    assert_eq!(
        rejected(|object| object["id"] = json!("a/b")),
        "the object's `id` is no id of Stripe's"
    );
    assert_eq!(
        rejected(|object| object["id"] = json!("c".repeat(256))),
        "the object's `id` is no id of Stripe's"
    );
    let long = "e".repeat(256);
    let run = testing::run(record, event(&long, "customer.updated", 100, &customer("a")));
    assert_eq!(
        run.expect_rejected(),
        "the event's `id`, `type` or `account` has more than 255 bytes"
    );
    let run = testing::run(record, testing::event().text("{}").build());
    assert!(run.expect_rejected().contains("missing field `id`"));
}
