//! Senders that sign with the key of a certificate that they serve.

use super::Profile;
use super::table::{days, in_json};
use crate::handshake::{Body, Condition, Confirm, HandshakeRule, Proof};
use crate::paypal_check::WEBHOOK;
use crate::paypal_postback::{CLIENT_ID, CLIENT_SECRET, ENVIRONMENT, POSTBACK, VERIFICATION};
use crate::scheme::Scheme;
use crate::settings::Setting;
use crate::sns_check::{TOPIC, is_subscribe_url};

pub(super) const AWS_SNS: Profile = Profile {
    name: "aws-sns",
    title: "Amazon SNS",
    scheme: &Scheme::Sns,
    kind: &[in_json("/Type")],
    delivery_id: &[in_json("/MessageId")],
    settings: &[Setting::required(
        TOPIC,
        "the topic's ARN, or several with commas between them; anyone can have a topic that Amazon \
         signs for",
    )],
    handshakes: &[HandshakeRule {
        name: "SubscriptionConfirmation",
        when: &[Condition::Is(in_json("/Type"), "SubscriptionConfirmation")],
        proof: Proof::Signature,
        status: 200,
        headers: &[],
        body: Body::Empty,
        confirm: Some(Confirm { at: in_json("/SubscribeURL"), allowed: is_subscribe_url }),
    }],
    summary: "There is no secret: Amazon signs with a certificate that it serves. Raw message \
              delivery has to be off, because it leaves the signature out. The message is a text \
              in the body's `Message`; its attributes are not signed. There is no limit to a \
              message's age: its id tells one that is sent again, for as long as ids are \
              remembered, and not after. The certificate's URL has to be that of a file `.pem` at \
              `sns.REGION.amazonaws.com`, or in China. That a subscription has ended arrives as an \
              event.",
    ..Profile::DEFAULTS
};

pub(super) const PAYPAL: Profile = Profile {
    name: "paypal",
    title: "PayPal",
    scheme: &Scheme::Paypal,
    kind: &[in_json("/event_type")],
    delivery_id: &[in_json("/id")],
    // As long as a transmission may be old.
    retry_span: days(4),
    settings: &[
        Setting::required(
            WEBHOOK,
            "the webhook's id, which the dashboard shows beside its URL; it is signed and not sent",
        ),
        Setting::optional(
            VERIFICATION,
            "`certificate`, unless set, or `postback`: then PayPal's API is asked about each event",
        ),
        Setting::optional(CLIENT_ID, "the REST app's client id, with which PayPal's API is asked")
            .only_with(VERIFICATION, POSTBACK),
        Setting::optional(CLIENT_SECRET, "the REST app's secret, with which PayPal's API is asked")
            .secret()
            .only_with(VERIFICATION, POSTBACK),
        Setting::optional(ENVIRONMENT, "`live`, unless set, or `sandbox`: whose API is asked")
            .only_with(VERIFICATION, POSTBACK),
    ],
    summary: "There is no secret: PayPal signs with a certificate that it serves. Of the body only \
              a checksum is signed, which somebody could forge a body for, so that each \
              transmission counts once. It may be four days old, as PayPal tries for three. Events \
              of the simulator cannot be verified. With `verification = \"postback\"` PayPal's API \
              is asked about each event instead, with a client id and secret: that is a call for \
              each event, and while the API cannot be asked, events are answered 503.",
    ..Profile::DEFAULTS
};
