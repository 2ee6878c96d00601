//! Customers and invoices: which fields of them are kept.

use hookyard_sdk::prelude::*;
use hookyard_sdk::serde_json::Map;

/// Of a text, in bytes; the rest is cut off.
const LONGEST_TEXT: usize = 500;

/// Of the metadata as JSON, in bytes; larger ones are left away as a whole.
const MOST_METADATA: usize = 8 << 10;

const CUSTOMER: &[&str] = &[
    "id",
    "balance",
    "created",
    "currency",
    "delinquent",
    "description",
    "email",
    "name",
    "phone",
];

const INVOICE: &[&str] = &[
    "id",
    "amount_due",
    "amount_paid",
    "amount_remaining",
    "attempt_count",
    "billing_reason",
    "created",
    "currency",
    "customer",
    "customer_email",
    "due_date",
    "next_payment_attempt",
    "number",
    "period_end",
    "period_start",
    "status",
    "subscription",
    "subtotal",
    "total",
];

/// The fields that are kept, under Stripe's names. What a version of Stripe's API does not have, or has
/// as anything but text, a number or a truth value, is not there.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// `: paid`, for those that have a state.
    pub(crate) fn state(&self) -> String {
        let status = self.0.get("status").and_then(Value::as_str);
        status.map(|status| format!(": {status}")).unwrap_or_default()
    }
}

/// What an object is.
#[derive(Clone, Copy)]
pub(crate) enum Sort {
    Customer,
    Invoice,
}

impl Sort {
    pub(crate) fn of(object: &Value) -> Option<Self> {
        match object.get("object")?.as_str()? {
            "customer" => Some(Self::Customer),
            "invoice" => Some(Self::Invoice),
            _ => None,
        }
    }

    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Customer => "stripe-customers",
            Self::Invoice => "stripe-invoices",
        }
    }

    pub(crate) fn pick(self, object: &Value) -> Object {
        let names = match self {
            Self::Customer => CUSTOMER,
            Self::Invoice => INVOICE,
        };
        let scalar = |name: &&str| Some(((*name).to_owned(), scalar(object.get(name)?)?));
        let mut kept: Map<_, _> = names.iter().filter_map(scalar).collect();
        if let Some(metadata) = object.get("metadata").filter(|metadata| fits(metadata)) {
            kept.insert("metadata".to_owned(), metadata.clone());
        }
        Object(kept)
    }
}

/// The object's id, which becomes its key.
pub(crate) fn id(object: &Value) -> Result<&str, Failure> {
    let id = object.get("id").and_then(Value::as_str).or_reject("the object has no `id`")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (1..=255).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(id);
    }
    reject("the object's `id` is no id of Stripe's")
}

fn scalar(value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        Value::String(text) => Some(Value::from(cut(text))),
        Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or(text)
}

fn fits(metadata: &Value) -> bool {
    let pairs = metadata.as_object().is_some_and(|pairs| !pairs.is_empty());
    pairs && metadata.to_string().len() <= MOST_METADATA
}
