//! Keys that senders publish: fetched from where they are, kept, and never taken from elsewhere. And
//! the public key of a sender that the configuration describes.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use hookyard_tests::{Config, Daemon, Recorded, Reply, Request, StandIn, Yard};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::json;
use sha2::{Digest, Sha256};

const SNS: &str = "sns.us-east-1.amazonaws.com";

/// A notification and the certificate that signed it, with what stands in for Amazon.
struct Sns {
    yard: Yard,
    amazon: StandIn,
    notification: Recorded,
    /// The path of the certificate.
    path: String,
    certificate: String,
}

impl Sns {
    fn new(recorded: &str) -> Self {
        let yard = Yard::with_plugins(&["misbehave"]);
        let amazon = StandIn::start(&yard, &[SNS]);
        let notification = Recorded::find("aws-sns", recorded);
        let (url, certificate) = notification.served().into_iter().next().unwrap();
        let path = url.strip_prefix(&format!("https://{SNS}")).unwrap().to_owned();
        Self { yard, amazon, notification, path, certificate }
    }

    fn config(&self) -> Config {
        let topic = self.notification.text("topic_arn");
        self.amazon.in_place(self.yard.config()).raw_route(&format!(
            "path = \"/sns\"\nprovider = {{ name = \"aws-sns\", topic_arn = {topic:?} }}\n\
             handlers = \"misbehave/ok\"\n"
        ))
    }

    fn request(&self) -> Request {
        self.notification.request("/sns")
    }
}

fn sent(daemon: &Daemon, request: &Request) -> u16 {
    daemon.send(request).status
}

#[track_caller]
fn assert_comes_back(reply: &Reply) {
    assert_eq!(reply.status, 503, "{reply:?} {}", reply.text());
    let wait: u64 = reply.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!(wait <= 60, "{wait}");
    assert!(reply.text().contains("keys are not available"), "{}", reply.text());
}

#[test]
fn one_fetch_of_a_certificate_serves_many_requests_and_outlives_its_server() {
    let sns = Sns::new("aws-sns-02");
    sns.amazon.serve(&sns.path, &sns.certificate);
    let daemon = sns.yard.start(&sns.config());

    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..8).map(|_| scope.spawn(|| sent(&daemon, &sns.request()))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 8]);
    assert_eq!(sns.amazon.asked(&sns.path).len(), 1, "they waited for one fetch");
    let asked = &sns.amazon.asked(&sns.path)[0];
    assert_eq!((asked.method.as_str(), asked.host.as_str()), ("GET", SNS));
    assert!(asked.header("user-agent").is_some_and(|agent| agent.starts_with("hookyard/")));

    sns.amazon.set_down(true);
    assert_eq!(sent(&daemon, &sns.request()), 200, "the certificate is at hand");
    let text = String::from_utf8(sns.request().body).unwrap();
    let forged = sns.request().body(text.replacen("world", "w0rld", 1));
    assert_ne!(forged.body, sns.request().body);
    assert_eq!(sent(&daemon, &forged), 401);
    assert_eq!(sns.yard.events().len(), 1, "they are one delivery");
}

#[test]
fn while_a_key_cannot_be_fetched_the_sender_has_to_come_back() {
    let sns = Sns::new("aws-sns-02");
    sns.amazon.set_down(true);
    let daemon = sns.yard.start(&sns.config());

    assert_comes_back(&daemon.send(&sns.request()));
    let line = daemon.until_logged_text(0, "answering 503");
    assert_eq!(line["route"], "sns", "{line}");
    assert!(line["message"].as_str().unwrap().contains(&sns.path), "{line}");

    // It is not tried again for each request: whoever sends could make us do that.
    sns.amazon.set_down(false);
    sns.amazon.serve(&sns.path, &sns.certificate);
    let start = Instant::now();
    assert_comes_back(&daemon.send(&sns.request()));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(sns.amazon.asked(&sns.path).is_empty());
    assert!(sns.yard.events().is_empty(), "nothing unproven is stored");
}

#[test]
fn only_the_senders_own_server_is_asked_and_only_over_tls_that_holds() {
    let sns = Sns::new("aws-sns-02");
    sns.amazon.serve(&sns.path, &sns.certificate);
    let trusting = sns.config();
    // The same place without the authority: somebody else answers for Amazon.
    let text = trusting.text();
    let distrusting: Vec<&str> = text.lines().filter(|line| !line.starts_with("ca = ")).collect();
    sns.yard.write_config_text(&distrusting.join("\n"));
    let daemon = sns.yard.restart();
    assert_comes_back(&daemon.send(&sns.request()));
    daemon.until_logged_text(0, "certificate is refused");
    assert!(sns.amazon.asked(&sns.path).is_empty());
    daemon.stop();

    let daemon = sns.yard.start(&trusting);
    for elsewhere in ["aws-sns-04", "aws-sns-06", "aws-sns-07"] {
        let request = Recorded::find("aws-sns", elsewhere).request("/sns");
        assert_eq!(sent(&daemon, &request), 401, "{elsewhere}");
    }
    assert!(sns.amazon.asked(&sns.path).is_empty(), "nothing was fetched for them");
    assert_eq!(sent(&daemon, &sns.request()), 200);
}

#[test]
fn a_page_without_keys_is_no_answer() {
    let sns = Sns::new("aws-sns-02");
    sns.amazon.serve(&sns.path, "<html>come back later</html>");
    let daemon = sns.yard.start(&sns.config());
    assert_comes_back(&daemon.send(&sns.request()));
    daemon.until_logged_text(0, "holds no keys");
}

#[test]
fn a_subscription_is_confirmed_before_it_is_answered() {
    const CONFIRM: &str = "/";
    let sns = Sns::new("aws-sns-13");
    sns.amazon.serve(&sns.path, &sns.certificate);
    sns.amazon.answer(CONFIRM, 500, &[], "not now");
    let daemon = sns.yard.start(&sns.config());

    let reply = daemon.send(&sns.request());
    assert_eq!(reply.status, 503, "Amazon has to send it again: {}", reply.text());
    daemon.until_logged_text(0, "failed to confirm");

    sns.amazon.serve(CONFIRM, "<ConfirmSubscriptionResponse/>");
    let reply = daemon.send(&sns.request());
    assert_eq!((reply.status, reply.text().as_str()), (200, ""));
    let asked = sns.amazon.asked(CONFIRM);
    assert_eq!(asked.len(), 2);
    let text = String::from_utf8(sns.request().body).unwrap();
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    let url = body["SubscribeURL"].as_str().unwrap();
    assert_eq!(format!("https://{SNS}{}", asked[1].target), url);

    let forged = text.replace("ConfirmSubscription", "ConfirmSubscription&Evil=1");
    assert_eq!(sent(&daemon, &sns.request().body(forged)), 401);
    assert_eq!(sns.amazon.asked(CONFIRM).len(), 2, "what is not signed leads nowhere");
    assert!(sns.yard.events().is_empty(), "a handshake is no event");
}

/// A project of Neon's: a key set under a URL of its own.
struct Neon {
    yard: Yard,
    server: StandIn,
    key: KeyPair,
}

const NEON: &str = "project.neon.test";
const JWKS: &str = "/.well-known/jwks.json";

impl Neon {
    fn new() -> Self {
        let yard = Yard::with_plugins(&["misbehave"]);
        let server = StandIn::start(&yard, &[NEON]);
        Self { yard, server, key: KeyPair::generate_for(&PKCS_ED25519).unwrap() }
    }

    fn start(&self) -> Daemon {
        let config = self.server.in_place(self.yard.config()).raw_route(&format!(
            "path = \"/neon\"\nprovider = {{ name = \"neon\", jwks_url = \"https://{NEON}{JWKS}\" }}\n\
             handlers = \"misbehave/ok\"\n"
        ));
        self.yard.start(&config)
    }

    /// The set with this key under each of these names.
    fn publish(&self, key_ids: &[&str]) {
        let x = BASE64URL_NOPAD.encode(self.key.der_bytes());
        let keys: Vec<_> = key_ids
            .iter()
            .map(
                |kid| json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid, "x": x }),
            )
            .collect();
        let headers = [("cache-control", "max-age=600")];
        self.server.answer(JWKS, 200, &headers, json!({ "keys": keys }).to_string());
    }

    /// An event that says it is signed with the key of this name.
    fn event(&self, key_id: &str, id: &str) -> Request {
        let body = json!({ "event_type": "user.created", "event_id": id }).to_string();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().to_string();
        let header = BASE64URL_NOPAD
            .encode(json!({ "alg": "EdDSA", "kid": key_id, "typ": "JWT" }).to_string().as_bytes());
        let payload = BASE64URL_NOPAD.encode(body.as_bytes());
        let signed = BASE64URL_NOPAD.encode(format!("{now}.{payload}").as_bytes());
        let signature = self.key.sign(format!("{header}.{signed}").as_bytes()).unwrap();
        Request::new("POST", "/neon")
            .header(
                "x-neon-signature",
                &format!("{header}..{}", BASE64URL_NOPAD.encode(&signature)),
            )
            .header("x-neon-signature-kid", key_id)
            .header("x-neon-timestamp", &now)
            .body(body)
    }
}

#[test]
fn a_key_that_no_set_has_is_refused_and_fetches_nothing_more() {
    let neon = Neon::new();
    neon.publish(&["k1"]);
    let daemon = neon.start();
    assert_eq!(sent(&daemon, &neon.event("k1", "e1")), 200);
    assert_eq!(neon.server.asked(JWKS).len(), 1);

    neon.publish(&["k1", "k2"]);
    for _ in 0..5 {
        assert_eq!(sent(&daemon, &neon.event("k2", "e2")), 401, "the set was fetched a moment ago");
    }
    assert_eq!(sent(&daemon, &neon.event("k1", "e3")), 200);
    assert_eq!(neon.server.asked(JWKS).len(), 1, "a stranger could name any key");
    let line = daemon.until_logged_text(0, "verification failed");
    assert_eq!(line["reason"], "unknown-key", "{line}");
}

#[test]
fn another_key_under_the_same_name_does_not_hold() {
    let neon = Neon::new();
    neon.publish(&["k1"]);
    let daemon = neon.start();
    let stranger = Neon { key: KeyPair::generate_for(&PKCS_ED25519).unwrap(), ..Neon::new() };
    assert_eq!(sent(&daemon, &stranger.event("k1", "e1")), 401);
    assert_eq!(sent(&daemon, &neon.event("k1", "e1")), 200);
}

/// A token of Plaid's for this body, signed by `key`.
fn plaid_token(key: &KeyPair, key_id: &str, body: &[u8]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let header = json!({ "alg": "ES256", "kid": key_id, "typ": "JWT" });
    let hash = HEXLOWER.encode(&Sha256::digest(body));
    let claims = json!({ "iat": now, "request_body_sha256": hash });
    let encode = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&fixed_size(&signature)))
}

/// From a DER sequence of two numbers to 32 bytes of each.
fn fixed_size(der: &[u8]) -> Vec<u8> {
    let mut fixed = Vec::new();
    let mut rest = &der[2..];
    while let [2, length, after @ ..] = rest {
        let (number, after) = after.split_at(usize::from(*length));
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        fixed.extend(std::iter::repeat_n(0, 32 - number.len()));
        fixed.extend_from_slice(number);
        rest = after;
    }
    fixed
}

const PLAID_PATH: &str = "/webhook_verification_key/get";
const PLAID_KEY_ID: &str = "bfbd5111-8e33-4643-8ced-b2e642a72f3c";

#[test]
fn while_plaid_refuses_the_credentials_the_sender_has_to_come_back() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let plaid = StandIn::start(&yard, &["production.plaid.com"]);
    let config = plaid.in_place(yard.config()).raw_route(
        "path = \"/plaid\"\nprovider = { name = \"plaid\", client_id = \"the-client\", secret = { file \
         = \"plaid.secret\" } }\nhandlers = \"misbehave/ok\"\n",
    );
    std::fs::write(yard.path("plaid.secret"), "not-the-secret\n").unwrap();
    let daemon = yard.start(&config);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let event = |key_id: &str| {
        let token = plaid_token(&key, key_id, b"{}");
        Request::new("POST", "/plaid").header("plaid-verification", &token).body("{}")
    };
    plaid.answer(PLAID_PATH, 400, &[], r#"{"error_code":"INVALID_API_KEYS"}"#);
    assert_comes_back(&daemon.send(&event(PLAID_KEY_ID)));
    let none = r#"{"error_code":"INVALID_WEBHOOK_VERIFICATION_KEY_ID"}"#;
    plaid.answer(PLAID_PATH, 400, &[], none);
    assert_eq!(sent(&daemon, &event("00000000-8e33-4643-8ced-b2e642a72f3c")), 401);
}

#[test]
fn plaid_is_asked_for_a_key_with_the_credentials_of_the_account() {
    const PATH: &str = PLAID_PATH;
    const KEY_ID: &str = PLAID_KEY_ID;
    let yard = Yard::with_plugins(&["misbehave"]);
    let plaid = StandIn::start(&yard, &["production.plaid.com"]);
    let config = plaid.in_place(yard.config()).raw_route(
        "path = \"/plaid\"\nprovider = { name = \"plaid\", client_id = \"the-client\", secret = { file \
         = \"plaid.secret\" } }\nhandlers = \"misbehave/ok\"\n",
    );
    std::fs::write(yard.path("plaid.secret"), "the-plaid-secret\n").unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let (x, y) = key.der_bytes()[1..].split_at(32);
    let encode = |half: &[u8]| BASE64URL_NOPAD.encode(half);
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
        "x": encode(x), "y": encode(y), "created_at": 1_560_466_950, "expired_at": null,
    });
    plaid.serve(PATH, json!({ "key": jwk, "request_id": "r" }).to_string());
    let daemon = yard.start(&config);

    let body = r#"{"webhook_type":"TRANSACTIONS","webhook_code":"SYNC_UPDATES_AVAILABLE"}"#;
    for _ in 0..2 {
        let request = Request::new("POST", "/plaid")
            .header("plaid-verification", &plaid_token(&key, KEY_ID, body.as_bytes()))
            .body(body);
        let reply = daemon.send(&request);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let asked = plaid.asked(PATH);
    assert_eq!((asked.len(), asked[0].method.as_str()), (1, "POST"));
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    let question: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(
        question,
        json!({ "client_id": "the-client", "secret": "the-plaid-secret", "key_id": KEY_ID })
    );

    // Plaid says 400 to a name that it never gave out, and to wrong credentials.
    for (key_id, code, status) in [
        ("bfbd5111-8e33-4643-8ced-b2e642a72f3d", "INVALID_WEBHOOK_VERIFICATION_KEY_ID", 401),
        ("bfbd5111-8e33-4643-8ced-b2e642a72f3e", "INVALID_API_KEYS", 503),
    ] {
        plaid.answer(PATH, 400, &[], json!({ "error_code": code }).to_string());
        let request = Request::new("POST", "/plaid")
            .header("plaid-verification", &plaid_token(&key, key_id, body.as_bytes()))
            .body(body);
        assert_eq!(sent(&daemon, &request), status, "{code}");
    }
    let log = daemon.stop().join("\n");
    assert!(!log.contains("the-plaid-secret"), "the secret is in the log");
}

#[test]
fn ebay_gives_a_key_out_for_a_token_of_the_application() {
    const TOKEN: &str = "/identity/v1/oauth2/token";
    const KEY: &str = "/commerce/notification/v1/public_key/9936261a-7d7b-4621-a0f1-96ccb428af49";
    let yard = Yard::with_plugins(&["misbehave"]);
    let ebay = StandIn::start(&yard, &["api.ebay.com"]);
    let config = ebay.in_place(yard.config()).raw_route(
        "path = \"/ebay\"\nprovider = { name = \"ebay\", client_id = \"app\", client_secret = { file = \
         \"ebay.secret\" } }\nhandlers = \"misbehave/ok\"\n",
    );
    std::fs::write(yard.path("ebay.secret"), "cert").unwrap();
    ebay.serve(TOKEN, r#"{"access_token":"v^1.1#token","expires_in":7200}"#);
    let recorded = Recorded::find("ebay", "ebay-01");
    let (_, pem) = recorded.public_keys().into_iter().next().unwrap();
    let key = json!({ "key": pem, "algorithm": "ECDSA", "digest": "SHA1" });
    ebay.serve(KEY, key.to_string());
    let daemon = yard.start(&config);

    for _ in 0..2 {
        let reply = daemon.send(&recorded.request("/ebay"));
        assert_eq!((reply.status, reply.text().as_str()), (204, ""));
    }
    let asked = ebay.asked(TOKEN);
    let basic = format!("Basic {}", BASE64.encode(b"app:cert"));
    assert_eq!((asked.len(), asked[0].header("authorization")), (1, Some(basic.as_str())));
    assert!(asked[0].body.contains("grant_type=client_credentials"), "{}", asked[0].body);
    let keys = ebay.asked(KEY);
    assert_eq!((keys.len(), keys[0].header("authorization")), (1, Some("Bearer v^1.1#token")));
    let log = daemon.stop().join("\n");
    assert!(!log.contains("v^1.1#token"), "the token is in the log");
}

#[test]
fn a_key_pair_of_ones_own_is_checked_as_the_configuration_says() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let daemon = yard.start(&yard.config().raw_route(&format!(
        "path = \"/own\"\npublic_key = \"{}\"\nverify = {{ key_pair = \"ed25519\", header = \
         \"x-signature\", encoding = \"hex\", prefix = \"v1=\", signed = \"{{timestamp}}.{{body}}\", \
         timestamp_header = \"x-timestamp\" }}\nhandlers = \"misbehave/ok\"\n",
        HEXLOWER.encode(key.der_bytes())
    )));
    let event = |key: &KeyPair, at: u64, body: &str| {
        let signature = key.sign(format!("{at}.{body}").as_bytes()).unwrap();
        Request::new("POST", "/own")
            .header("x-timestamp", &at.to_string())
            .header("x-signature", &format!("v1={}", HEXLOWER.encode(&signature)))
            .body(body)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(sent(&daemon, &event(&key, now, "{}")), 202);
    assert_eq!(sent(&daemon, &event(&key, now, "{}").body("{ }")), 401);
    assert_eq!(sent(&daemon, &event(&key, now - 400, "{}")), 401);
    let other = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    assert_eq!(sent(&daemon, &event(&other, now, "{}")), 401);
}
