//! PayPal's API, asked about each event: by a daemon that finds a stand-in where PayPal should be.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use hookyard_tests::{Config, Daemon, Reply, Request, StandIn, Yard};
use hookyard_verify::{Settings, UnixTime, profile, sign};
use serde_json::{Value, json};

const LIVE: &str = "api-m.paypal.com";
const SANDBOX: &str = "api-m.sandbox.paypal.com";
const TOKEN: &str = "/v1/oauth2/token";
const QUESTION: &str = "/v1/notifications/verify-webhook-signature";
const YES: &str = r#"{"verification_status":"SUCCESS"}"#;
const NO: &str = r#"{"verification_status":"FAILURE"}"#;

struct PayPal {
    yard: Yard,
    api: StandIn,
}

impl PayPal {
    fn new() -> Self {
        let yard = Yard::with_plugins(&["misbehave"]);
        let api = StandIn::start(&yard, &[LIVE, SANDBOX]);
        std::fs::write(yard.path("paypal.secret"), "hunter2\n").unwrap();
        let paypal = Self { yard, api };
        paypal.mint("t1");
        paypal.api.serve(QUESTION, YES);
        paypal
    }

    fn mint(&self, token: &str) {
        let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 32400 });
        self.api.serve(TOKEN, answer.to_string());
    }

    fn config(&self, more: &str) -> Config {
        self.api.in_place(self.yard.config()).raw_route(&format!(
            "path = \"/paypal\"\nprovider = {{ name = \"paypal\", webhook_id = \"4JH86294D6297924G\", \
             verification = \"postback\", client_id = \"the-app\", \
             client_secret = {{ file = \"paypal.secret\" }}{more} }}\nhandlers = \"misbehave/ok\"\n"
        ))
    }

    fn start(&self) -> Daemon {
        self.yard.start(&self.config(""))
    }
}

/// An event of the transmission `id`, sent now. Its signature is nothing that the daemon looks at.
fn event(id: &str, body: &str) -> Request {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let empty = hookyard_verify::Request {
        method: http::Method::POST,
        url: String::new(),
        path: String::new(),
        query: None,
        params: Vec::new(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
    };
    let key = include_str!("../../daemon/verify/tests/keys/rsa.pem").into();
    let settings = Settings::from([("webhook_id", "1")]);
    let now = UnixTime::from_secs(now.try_into().unwrap());
    let scheme = profile("paypal").unwrap().scheme;
    let mut signed = sign(scheme, &key, empty, now, &settings).unwrap();
    signed.headers.insert("paypal-transmission-id", id.parse().unwrap());
    let request = Request::new("POST", "/paypal").body(body);
    signed.headers.iter().fold(request, |request, (name, value)| {
        request.header(name.as_str(), value.to_str().unwrap())
    })
}

#[track_caller]
fn assert_comes_back(reply: &Reply) {
    assert_eq!(reply.status, 503, "{reply:?} {}", reply.text());
    assert!(reply.header("retry-after").is_some());
}

/// As no program would write it: it has to arrive there as it came.
const BODY: &str = "{\"id\":\"WH-1\", \"event_type\":\"A.B\",\n\"amount\":1.50,\"x\":\"\\u00e9\"}";

#[test]
fn paypal_is_asked_about_each_event_with_one_token() {
    let paypal = PayPal::new();
    let daemon = paypal.start();
    for id in ["a-1", "a-2", "a-3"] {
        let body = BODY.replace("WH-1", id);
        assert_eq!(daemon.send(&event(id, &body)).status, 200);
    }
    let minted = paypal.api.asked(TOKEN);
    assert_eq!(minted.len(), 1, "a token is used for as long as it is good");
    assert_eq!((minted[0].method.as_str(), minted[0].host.as_str()), ("POST", LIVE));
    assert_eq!(minted[0].body, "grant_type=client_credentials");
    let pair = format!("Basic {}", BASE64.encode(b"the-app:hunter2"));
    assert_eq!(minted[0].header("authorization"), Some(pair.as_str()));

    let asked = paypal.api.asked(QUESTION);
    assert_eq!(asked.len(), 3);
    assert_eq!((asked[0].method.as_str(), asked[0].host.as_str()), ("POST", LIVE));
    assert_eq!(asked[0].header("authorization"), Some("Bearer t1"));
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    let body = BODY.replace("WH-1", "a-1");
    assert!(asked[0].body.ends_with(&format!(",\"webhook_event\":{body}}}")), "{}", asked[0].body);
    let question: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(question["webhook_id"], "4JH86294D6297924G");
    assert_eq!(question["transmission_id"], "a-1");
    assert_eq!(paypal.yard.events().len(), 3);
}

#[test]
fn what_paypal_denies_is_refused_and_nothing_of_it_is_kept() {
    let paypal = PayPal::new();
    paypal.api.serve(QUESTION, NO);
    let daemon = paypal.start();
    let reply = daemon.send(&event("a-1", BODY));
    assert_eq!(reply.status, 401, "{}", reply.text());
    let line = daemon.until_logged_text(0, "verification failed");
    assert_eq!(line["reason"], "denied", "{line}");
    // Nothing but one JSON object can be a part of the question.
    let spliced = daemon.send(&event("a-2", "{},\"webhook_id\":\"X\",\"y\":{}"));
    assert_eq!(spliced.status, 401);
    assert_eq!(paypal.api.asked(QUESTION).len(), 1);

    paypal.api.serve(QUESTION, YES);
    assert_eq!(daemon.send(&event("a-1", BODY)).status, 200, "each request is asked about anew");
    assert_eq!(daemon.send(&event("a-1", "{}")).status, 401, "a transmission has one body");
    assert_eq!(paypal.yard.events().len(), 1);
}

#[test]
fn while_paypal_cannot_be_asked_the_sender_has_to_come_back() {
    let paypal = PayPal::new();
    let daemon = paypal.start();
    assert_eq!(daemon.send(&event("a-1", BODY)).status, 200);
    for (status, answer) in
        [(500, ""), (429, ""), (403, NO), (302, YES), (200, "<html>"), (200, "{}")]
    {
        paypal.api.answer(QUESTION, status, &[("location", "https://evil.test/")], answer);
        let reply = daemon.send(&event("a-2", "{}"));
        assert_comes_back(&reply);
    }
    paypal.api.serve(QUESTION, YES);
    paypal.api.set_down(true);
    assert_comes_back(&daemon.send(&event("a-2", "{}")));
    let line = daemon.until_logged_text(0, "answering 503");
    assert!(line["message"].as_str().unwrap().contains(QUESTION), "{line}");
    paypal.api.set_down(false);
    assert_eq!(daemon.send(&event("a-2", "{}")).status, 200);
}

#[test]
fn wrong_credentials_are_no_reason_to_refuse_an_event() {
    let paypal = PayPal::new();
    paypal.api.answer(TOKEN, 401, &[], r#"{"error":"invalid_client"}"#);
    let daemon = paypal.start();
    assert_comes_back(&daemon.send(&event("a-1", BODY)));
    assert_comes_back(&daemon.send(&event("a-2", BODY)));
    assert_eq!(paypal.api.asked(TOKEN).len(), 1, "once a minute");
    assert!(paypal.api.asked(QUESTION).is_empty());
    // A token that was minted a moment ago and is refused is not minted again at once either.
    paypal.mint("t1");
    paypal.api.answer(QUESTION, 401, &[], "");
    daemon.stop();
    let daemon = paypal.yard.restart();
    assert_comes_back(&daemon.send(&event("a-1", BODY)));
    assert_eq!((paypal.api.asked(TOKEN).len(), paypal.api.asked(QUESTION).len()), (2, 1));
    assert!(paypal.yard.events().is_empty());
}

#[test]
fn the_sandbox_is_another_host() {
    let paypal = PayPal::new();
    let daemon = paypal.yard.start(&paypal.config(", environment = \"sandbox\""));
    assert_eq!(daemon.send(&event("a-1", BODY)).status, 200);
    assert_eq!(paypal.api.asked(TOKEN)[0].host, SANDBOX);
    assert_eq!(paypal.api.asked(QUESTION)[0].host, SANDBOX);
}
