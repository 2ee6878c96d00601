//! How senders try a URL out: answered exactly as each wants it, and never an event.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, HEXLOWER};
use hookyard_tests::{Config, Daemon, Recorded, Reply, Request, Yard, hmac_sha256};
use serde_json::json;

/// A route of this provider at `/in`, with these lines.
fn config(yard: &Yard, provider: &str, lines: &str) -> Config {
    let provider =
        if provider.starts_with('{') { provider.into() } else { format!("{provider:?}") };
    yard.config().raw_route(&format!(
        "name = \"in\"\npath = \"/in\"\nprovider = {provider}\nhandlers = \"misbehave/ok\"\n{lines}\n"
    ))
}

fn with_secret(yard: &Yard, provider: &str, secret: &str) -> Daemon {
    std::fs::write(yard.path("secret"), secret).unwrap();
    yard.start(&config(yard, provider, "secret = { file = \"secret\" }"))
}

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn mac(secret: &str, parts: &[&[u8]]) -> String {
    HEXLOWER.encode(&hmac_sha256(secret.as_bytes(), parts))
}

#[track_caller]
fn assert_answer(reply: &Reply, content_type: &str, body: &str) {
    assert_eq!((reply.status, reply.text().as_str()), (200, body), "{reply:?}");
    let found = reply.header("content-type").unwrap_or_default();
    assert_eq!(found.split(';').next(), Some(content_type));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
}

/// Nothing came of it, and the log tells of each handshake in one line.
#[track_caller]
fn assert_no_events(yard: &Yard, daemon: &Daemon, handshakes: usize) {
    assert!(yard.events().is_empty(), "a handshake is no event");
    let log = daemon.log_text();
    let told = log.lines().filter(|line| line.contains("answered a handshake")).count();
    assert_eq!(told, handshakes, "{log}");
}

#[test]
fn meta_is_shown_its_challenge_for_the_right_token() {
    let yard = Yard::with_plugins(&["misbehave"]);
    std::fs::write(yard.path("token"), "open-sesame").unwrap();
    let provider = "{ name = \"meta\", verify_token = { file = \"token\" } }";
    std::fs::write(yard.path("secret"), "app-secret").unwrap();
    let daemon = yard.start(&config(&yard, provider, "secret = { file = \"secret\" }"));

    let ask = |token: &str| {
        get(&format!("/in?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}"))
    };
    let mut client = daemon.client();
    assert_answer(&client.send(&ask("open-sesame")), "text/plain", "1158201444");
    for wrong in ["app-secret", "open-sesam", ""] {
        assert_eq!(client.send(&ask(wrong)).status, 403, "{wrong}");
    }
    let browser = client.send(&get("/in"));
    assert_eq!((browser.status, browser.header("allow")), (405, Some("POST")));
    let other = client.send(&Request::new("PUT", "/in"));
    assert_eq!((other.status, other.header("allow")), (405, Some("POST")));
    assert_no_events(&yard, &daemon, 1);

    // Whoever can sign can send an event, and not with the method of the handshake.
    let event = |method: &str| {
        let body = r#"{"object":"page","entry":[]}"#;
        let signature = mac("app-secret", &[body.as_bytes()]);
        Request::new(method, "/in")
            .header("x-hub-signature-256", &format!("sha256={signature}"))
            .body(body)
    };
    assert_eq!(client.send(&event("GET")).status, 405);
    assert_eq!(client.send(&event("POST")).status, 200);
    assert_eq!(client.send(&event("POST").body("{}")).status, 403);
    assert_eq!(yard.events().len(), 1);
    let log = daemon.stop().join("\n");
    assert!(!log.contains("open-sesame") && !log.contains("app-secret"), "a secret is in the log");
}

#[test]
fn x_is_answered_its_crc() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let recorded = Recorded::find("x-twitter", "x-twitter-06");
    let daemon = with_secret(&yard, "x-twitter", recorded.text("secret"));
    let reply = daemon.send(&recorded.request("/in"));
    let expected = "sha256=R1pHvuTfpG71hzRFDyY0MFU5kcuPZW+3M/ZFT6LPMg0=";
    assert_answer(&reply, "application/json", &json!({ "response_token": expected }).to_string());
    assert_no_events(&yard, &daemon, 1);

    let body = r#"{"for_user_id":"1"}"#;
    let signature = BASE64.encode(&hmac_sha256(b"x_consumer_secret", &[body.as_bytes()]));
    let event = Request::new("POST", "/in")
        .header("x-twitter-webhooks-signature", &format!("sha256={signature}"))
        .body(body);
    assert_eq!(daemon.send(&event).status, 200);
}

#[test]
fn slack_and_zoom_have_to_sign_what_they_try() {
    let slack = |secret: &str| {
        let (body, now) = (r#"{"type":"url_verification","challenge":"3eZb"}"#, now().to_string());
        let parts: [&[u8]; 4] = [b"v0:", now.as_bytes(), b":", body.as_bytes()];
        Request::new("POST", "/in")
            .header("x-slack-request-timestamp", &now)
            .header("x-slack-signature", &format!("v0={}", mac(secret, &parts)))
            .body(body)
    };
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = with_secret(&yard, "slack", "signing-secret");
    assert_answer(&daemon.send(&slack("signing-secret")), "text/plain", "3eZb");
    assert_eq!(daemon.send(&slack("guess")).status, 401);
    let unsigned = slack("").without("x-slack-signature").without("x-slack-request-timestamp");
    assert_eq!(daemon.send(&unsigned).status, 401);
    assert_no_events(&yard, &daemon, 1);

    let zoom = |secret: &str| {
        let body = r#"{"payload":{"plainToken":"qgg8vl"},"event":"endpoint.url_validation"}"#;
        let now = now().to_string();
        let parts: [&[u8]; 4] = [b"v0:", now.as_bytes(), b":", body.as_bytes()];
        Request::new("POST", "/in")
            .header("x-zm-request-timestamp", &now)
            .header("x-zm-signature", &format!("v0={}", mac(secret, &parts)))
            .body(body)
    };
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = with_secret(&yard, "zoom", "zoom-secret");
    let reply = daemon.send(&zoom("zoom-secret"));
    assert_eq!(reply.status, 200);
    let expected = mac("zoom-secret", &[b"qgg8vl"]);
    assert_eq!(reply.json(), json!({ "plainToken": "qgg8vl", "encryptedToken": expected }));
    assert_eq!(daemon.send(&zoom("guess")).status, 401);
    assert_no_events(&yard, &daemon, 1);
}

#[test]
fn what_is_echoed_is_no_page_and_is_not_long() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = with_secret(&yard, "dropbox", "app-secret");
    assert_answer(&daemon.send(&get("/in?challenge=abc123")), "text/plain", "abc123");
    let script = daemon.send(&get("/in?challenge=%3Cscript%3Ealert(1)%3C/script%3E"));
    assert_answer(&script, "text/plain", "<script>alert(1)</script>");
    for refused in ["a".repeat(1025), "%0d%0aset-cookie:a".to_owned()] {
        assert_eq!(daemon.send(&get(&format!("/in?challenge={refused}"))).status, 401);
    }
    assert_eq!(daemon.send(&get("/in?challenge=a&challenge=b")).status, 401, "which one?");
    assert_no_events(&yard, &daemon, 2);
}

#[test]
fn a_probe_by_head_has_an_answer_without_a_body() {
    let yard = Yard::with_plugins(&["misbehave"]);
    std::fs::write(yard.path("secret"), "trello-secret").unwrap();
    let daemon = yard.start(
        &config(&yard, "trello", "secret = { file = \"secret\" }")
            .set("server", "public_url = \"https://hooks.example.com\""),
    );
    // On one connection: a body would be taken for the next answer.
    let mut client = daemon.client();
    for _ in 0..2 {
        let reply = client.send(&Request::new("HEAD", "/in"));
        assert_eq!((reply.status, reply.body.len()), (200, 0));
    }
    assert_eq!(client.send(&get("/in")).status, 405);
    assert_no_events(&yard, &daemon, 2);
}

#[test]
fn handshakes_have_a_budget_that_events_do_not_share() {
    let yard = Yard::with_plugins(&["misbehave"]);
    std::fs::write(yard.path("secret"), "app-secret").unwrap();
    let config = config(&yard, "dropbox", "secret = { file = \"secret\" }");
    let daemon = yard.start(&config.set("server", r#"trusted_proxies = ["127.0.0.0/8"]"#));
    let mut client = daemon.client();
    let probe =
        |from: &str| get("/in?challenge=abc").header("x-forwarded-for", &format!("192.0.2.{from}"));
    let refused = (0..500).map(|_| client.send(&probe("1"))).find(|r| r.status != 200);
    let refused = refused.expect("a limit");
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    let reply = client.send(&probe("2"));
    assert_eq!(reply.status, 200, "a stranger's flood is in nobody's way: {}", reply.text());
    let body = r#"{"list_folder":{"accounts":["a"]}}"#;
    let event = Request::new("POST", "/in")
        .header("x-dropbox-signature", &mac("app-secret", &[body.as_bytes()]))
        .body(body);
    assert_eq!(client.send(&event).status, 200);
}

/// An event of Asana's, signed with this secret.
fn asana(secret: &str, body: &str) -> Request {
    Request::new("POST", "/in")
        .header("x-hook-signature", &mac(secret, &[body.as_bytes()]))
        .body(body)
}

#[test]
fn a_secret_that_a_sender_tells_is_taken_while_the_route_is_armed_and_kept() {
    const SECRET: &str = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81";
    const OTHER: &str = "a1f0207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e80";
    let tell =
        |secret: &str| Request::new("POST", "/in").header("x-hook-secret", secret).body("{}");
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&config(&yard, "asana", ""));
    // Commands find a daemon at a port that the configuration names.
    let known = config(&yard, "asana", "").set("admin", &format!("listen = \"{}\"", daemon.admin));
    yard.write_config(&known);

    assert_eq!(daemon.send(&tell(SECRET)).status, 401, "nobody waits for a secret");
    daemon.until_logged_text(0, "hookyard routes arm in");
    assert_eq!(daemon.send(&asana(SECRET, r#"{"events":[]}"#)).status, 401, "it was not taken");

    let arm = || {
        let armed = yard.command(&["routes", "arm", "in"]);
        assert!(armed.status.success(), "{}", String::from_utf8_lossy(&armed.stderr));
    };
    arm();
    for no_secret in ["", " "] {
        assert_eq!(daemon.send(&tell(no_secret)).status, 401, "{no_secret:?}");
    }
    let told = daemon.send(&tell(SECRET));
    assert_eq!((told.status, told.header("x-hook-secret")), (200, Some(SECRET)), "{told:?}");
    assert!(yard.events().is_empty(), "the handshake is no event");
    assert_eq!(daemon.send(&tell(OTHER)).status, 401, "one for each time that it is armed");

    assert_eq!(daemon.send(&asana(SECRET, r#"{"events":[1]}"#)).status, 200);
    assert_eq!(daemon.send(&asana(OTHER, r#"{"events":[2]}"#)).status, 401);
    assert_eq!(yard.events().len(), 1);
    let log = daemon.stop().join("\n");
    assert!(!log.contains(SECRET) && !log.contains(OTHER), "a secret is in the log");

    yard.write_config(&config(&yard, "asana", ""));
    let daemon = yard.restart();
    assert_eq!(daemon.send(&asana(SECRET, r#"{"events":[3]}"#)).status, 200, "it is kept");
    assert_eq!(daemon.send(&tell(SECRET)).status, 200, "its answer may have been lost");
    assert_eq!(daemon.send(&tell(OTHER)).status, 401, "the route is not armed any more");

    // Another webhook has another secret; both hold.
    yard.write_config(
        &config(&yard, "asana", "").set("admin", &format!("listen = \"{}\"", daemon.admin)),
    );
    arm();
    assert_eq!(daemon.send(&tell(OTHER)).status, 200);
    for secret in [SECRET, OTHER] {
        assert_eq!(daemon.send(&asana(secret, &format!("{{\"of\":{secret:?}}}"))).status, 200);
    }
    let shown = yard.command(&["routes", "secret", "in"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout), format!("{OTHER}\n{SECRET}\n"));
    let forgotten = yard.command(&["routes", "forget", "in"]);
    assert!(forgotten.status.success(), "{}", String::from_utf8_lossy(&forgotten.stderr));
    assert_eq!(daemon.send(&asana(SECRET, r#"{"events":[4]}"#)).status, 401);
}

#[test]
fn a_secret_of_the_configuration_holds_beside_those_that_were_told() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = with_secret(&yard, "notion", "secret_known-already");
    let event = |secret: &str, id: &str| {
        let body = json!({ "type": "page.created", "id": id }).to_string();
        Request::new("POST", "/in")
            .header("x-notion-signature", &format!("sha256={}", mac(secret, &[body.as_bytes()])))
            .body(body)
    };
    assert_eq!(daemon.send(&event("secret_known-already", "1")).status, 200);
    let told = Request::new("POST", "/in").body(r#"{"verification_token":"secret_of-a-stranger"}"#);
    assert_eq!(daemon.send(&told).status, 401);
    assert_eq!(daemon.send(&event("secret_of-a-stranger", "2")).status, 401);
}
