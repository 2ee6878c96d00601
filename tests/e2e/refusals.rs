//! What does not belong is refused with a clear answer, and nothing of it is stored.

use std::fs;
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use hookyard_tests::{Request, SECRET, Yard, hmac_sha256, until_true};

#[test]
fn whatever_is_wrong_with_a_signature_the_answer_is_the_same() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let genuine = Request::github("/q", "push", "g", r#"{"amount":1}"#);
    let mac = genuine.headers.iter().find(|(name, _)| name.starts_with("x-hub")).unwrap().1.clone();
    let signed = |value: &str| {
        genuine.clone().without("x-hub-signature-256").header("x-hub-signature-256", value)
    };

    let forgeries = [
        ("a tampered body", genuine.clone().body(r#"{"amount":9}"#)),
        ("a byte more", genuine.clone().body(r#"{"amount":1} "#)),
        ("no body", genuine.clone().body("")),
        ("no signature", genuine.clone().without("x-hub-signature-256")),
        ("an empty signature", signed("")),
        ("a prefix alone", signed("sha256=")),
        ("a signature that is too short", signed(&mac[..mac.len() - 2])),
        ("a signature that is not hex", signed(&format!("sha256={}", "z".repeat(64)))),
        ("another algorithm", signed(&mac.replace("sha256", "sha1"))),
        ("two signatures", genuine.clone().header("x-hub-signature-256", &mac)),
        ("another secret", Request::github_with("guess", "/q", "push", "g", r#"{"amount":1}"#)),
        ("an empty secret", Request::github_with("", "/q", "push", "g", r#"{"amount":1}"#)),
    ];
    let mut bodies = Vec::new();
    for (what, forgery) in &forgeries {
        let reply = daemon.send(forgery);
        assert_eq!(reply.status, 401, "{what}: {reply:?}");
        assert!(reply.json()["error"].is_string(), "{what}: {reply:?}");
        bodies.push(reply.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "the answer does not tell what was wrong");
    assert_eq!(yard.events().len(), 0, "nothing forged is stored");

    daemon.send(&genuine).accepted();
    let log = daemon.stop().join("\n");
    assert!(!log.contains(SECRET), "the secret is in the log");
}

#[test]
fn any_flipped_bit_of_the_body_is_refused() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let genuine = Request::github("/q", "push", "flip", r#"{"n":1}"#);
    let mut client = daemon.client();
    for bit in 0..genuine.body.len() * 8 {
        let mut forged = genuine.clone();
        forged.body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(client.send(&forged).status, 401, "bit {bit}");
    }
    client.send(&genuine).accepted();
    assert_eq!(yard.events().len(), 1);
}

#[test]
fn paths_methods_and_sizes_are_answered_by_their_status() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("q", "misbehave/ok", &[]).route(
        "small",
        "misbehave/ok",
        &[r#"body = "1KiB""#],
    );
    let daemon = yard.start(&config);

    let reply = daemon.send(&Request::github("/nowhere", "push", "x", "{}"));
    assert_eq!(reply.status, 404, "{reply:?}");
    assert!(reply.json()["error"].is_string());

    let reply = daemon.send(&Request::new("GET", "/q"));
    assert_eq!(reply.status, 405, "{reply:?}");
    assert_eq!(reply.header("allow"), Some("POST"));

    // Refused by its length alone: the body is never sent.
    let mut client = daemon.client();
    let large = Request::github("/q", "push", "x", vec![b'x'; 2 << 20]);
    client.write(&large.head()).unwrap();
    assert_eq!(client.read_reply().unwrap().status, 413);

    // A body of unknown length is counted while it is read.
    let mut client = daemon.client();
    let head = "POST /small HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write(format!("{head}800\r\n{}\r\n", "x".repeat(2048)).as_bytes()).unwrap();
    assert_eq!(client.read_reply().unwrap().status, 413);

    // At the limit is within it.
    daemon.send(&Request::github("/small", "push", "fits", vec![b'x'; 1024])).accepted();
    let over = Request::github("/small", "push", "over", vec![b'x'; 1025]);
    assert_eq!(daemon.send(&over).status, 413);

    let reply = daemon.send(&Request::new("GET", "/q").header("x-large", &"x".repeat(200_000)));
    assert_eq!(reply.status, 431, "{reply:?}");

    assert_eq!(yard.events().len(), 1);
}

#[test]
fn what_is_not_http_is_refused_and_hurts_nobody() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let smuggled = "POST /q HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n";
    let garbage: [Vec<u8>; 7] = [
        b"\x00\x01\x02\x03\x04\x05\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello in the clear\r\n\r\n".to_vec(),
        b"NOT HTTP AT ALL\r\n\r\n".to_vec(),
        b"POST /q HTTP/9.9\r\nhost: a\r\n\r\n".to_vec(),
        b"POST /q HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_vec(),
        format!("{smuggled}content-length: 5\r\n\r\nabcde").into_bytes(),
        format!("{smuggled}bad header\r\n\r\nabcd").into_bytes(),
    ];
    for bytes in &garbage {
        let mut client = daemon.client();
        // The daemon may hang up while it is being written to.
        let _ = client.write(bytes);
        match client.read_reply() {
            Ok(reply) => assert_eq!(reply.status, 400, "{:?}", String::from_utf8_lossy(bytes)),
            Err(_) => assert!(client.is_closed_within(Duration::from_secs(10))),
        }
    }
    daemon.send(&Request::github("/q", "push", "after", "{}")).accepted();
    assert_eq!(yard.events().len(), 1);
}

#[test]
fn a_genuine_body_that_the_handler_cannot_read_is_kept_with_the_reason() {
    let yard = Yard::with_plugins(&["github-push"]);
    let daemon = yard.start(&yard.config().route("github", "github-push/record", &[]));

    for (delivery, body) in
        [("cut", r#"{"ref": "refs/heads/ma"#), ("shape", "[1, 2]"), ("empty", "")]
    {
        let id = daemon.send(&Request::github("/github", "push", delivery, body)).accepted();
        let shown = yard.until_state(&id, "dead-letter");
        let attempts = hookyard_tests::attempts(&shown);
        assert_eq!(attempts.len(), 1, "another try would not help");
        assert_eq!(attempts[0]["outcome"], "reject");
        assert!(!attempts[0]["message"].as_str().unwrap().is_empty());
        assert_eq!(shown["event"]["body"], body);
    }
}

#[test]
fn several_secrets_hold_while_rotating_and_a_reload_reads_them_again() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let old = yard.path("old.txt");
    let new = yard.path("new.txt");
    fs::write(&old, "old secret").unwrap();
    fs::write(&new, "new secret").unwrap();
    let config = yard.config().raw_route(&format!(
        "name = \"rotating\"\npath = \"/rotating\"\nprovider = \"github\"\n\
         secret = [{{ file = {old:?} }}, {{ file = {new:?} }}]\nhandlers = [\"misbehave/ok\"]"
    ));
    let daemon = yard.start(&config);

    for (delivery, secret) in [("r-old", "old secret"), ("r-new", "new secret")] {
        daemon.send(&Request::github_with(secret, "/rotating", "push", delivery, "{}")).accepted();
    }
    let other = Request::github_with("third", "/rotating", "push", "r-3", "{}");
    assert_eq!(daemon.send(&other).status, 401);

    // The old secret's file gets another value: after a reload only that one holds.
    fs::write(&old, "newer secret").unwrap();
    daemon.signal(rustix::process::Signal::HUP);
    until_true("the old secret is refused", Duration::from_secs(20), || {
        daemon.send(&Request::github_with("old secret", "/rotating", "push", "r-4", "{}")).status
            == 401
    });
    let request = Request::github_with("newer secret", "/rotating", "push", "r-5", "{}");
    daemon.send(&request).accepted();
}

#[test]
fn a_route_without_verification_says_so_and_is_warned_about() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().raw_route(
        "name = \"open\"\npath = \"/open\"\nverify = \"none\"\nhandlers = [\"misbehave/ok\"]",
    );
    let daemon = yard.start(&config);

    let id = daemon.send(&Request::new("POST", "/open").body("hello")).accepted();
    yard.until_state(&id, "succeeded");
    daemon.until_logged_text(0, "open");

    let check = yard.command(&["check"]);
    assert!(check.status.success());
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&check.stdout),
        String::from_utf8_lossy(&check.stderr)
    );
    assert!(said.contains("warning") && said.contains("open"), "{said}");
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_scheme_of_ones_own_with_a_timestamp_and_a_secret_for_each_tenant() {
    let yard = Yard::with_plugins(&["misbehave"]);
    fs::create_dir(yard.path("secrets")).unwrap();
    for tenant in ["acme", "globex"] {
        fs::write(yard.path("secrets").join(tenant), format!("secret of {tenant}")).unwrap();
    }
    let config = yard.config().raw_route(&format!(
        "name = \"events\"\npath = \"/events/{{tenant}}/{{kind}}\"\n\
         verify = {{ hmac = \"sha256\", header = \"x-signature\", encoding = \"hex\", \
         prefix = \"sha256=\", signed = \"{{timestamp}}.{{body}}\", \
         timestamp_header = \"x-timestamp\", tolerance = \"5m\" }}\n\
         secret = {{ file = \"{}/{{tenant}}\" }}\ntenant = \"{{tenant}}\"\nkind = \"{{kind}}\"\n\
         id = \"header:x-request-id\"\nhandlers = [\"misbehave/ok\"]",
        yard.path("secrets").display()
    ));
    let daemon = yard.start(&config);
    let signed = |path: &str, secret: &str, at: u64, id: &str| {
        let at = at.to_string();
        let mac = hmac_sha256(secret.as_bytes(), &[at.as_bytes(), b".", b"{}"]);
        Request::new("POST", path)
            .header("x-signature", &format!("sha256={}", HEXLOWER.encode(&mac)))
            .header("x-timestamp", &at)
            .header("x-request-id", id)
            .body("{}")
    };

    let id =
        daemon.send(&signed("/events/acme/order.paid", "secret of acme", now(), "one")).accepted();
    let shown = yard.until_state(&id, "succeeded");
    assert_eq!(shown["event"]["tenant"], "acme");
    assert_eq!(shown["event"]["kind"], "order.paid");
    assert_eq!(shown["event"]["delivery_id"], "one");

    // The same id at another tenant is another delivery.
    let other = daemon
        .send(&signed("/events/globex/order.paid", "secret of globex", now(), "one"))
        .accepted();
    assert_ne!(other, id);

    for (what, request) in [
        ("another tenant's secret", signed("/events/acme/x", "secret of globex", now(), "2")),
        ("no such tenant", signed("/events/nobody/x", "secret of acme", now(), "3")),
        ("a way out of the folder", signed("/events/..%2Fsecrets%2Facme/x", "x", now(), "4")),
        ("too old", signed("/events/acme/x", "secret of acme", now() - 3600, "5")),
        ("from the future", signed("/events/acme/x", "secret of acme", now() + 3600, "6")),
    ] {
        let status = daemon.send(&request).status;
        assert!([400, 401, 404].contains(&status), "{what}: {status}");
    }
    assert_eq!(yard.events().len(), 2);
}

#[test]
fn standard_webhooks_are_taken_in_and_a_forged_one_is_not() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let key = b"a key of thirty-two bytes, truly";
    let secret = yard.path("secret");
    fs::write(&secret, format!("whsec_{}", BASE64.encode(key))).unwrap();
    let config = yard.config().raw_route(&format!(
        "name = \"sw\"\npath = \"/sw\"\nprovider = \"standard-webhooks\"\n\
         secret = {{ file = {secret:?} }}\nhandlers = [\"misbehave/ok\"]"
    ));
    let daemon = yard.start(&config);
    let body = br#"{"type":"user.created","data":{}}"#;
    let at = now().to_string();
    let mac = hmac_sha256(key, &[b"msg_1.", at.as_bytes(), b".", body]);
    let request = Request::new("POST", "/sw")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", &at)
        .header("webhook-signature", &format!("v1,{}", BASE64.encode(&mac)))
        .header("content-type", "application/json")
        .body(body.to_vec());

    let id = daemon.send(&request).accepted();
    let shown = yard.until_state(&id, "succeeded");
    assert_eq!(shown["event"]["kind"], "user.created");
    assert_eq!(shown["event"]["delivery_id"], "msg_1");
    assert_eq!(daemon.send(&request).accepted(), id, "a duplicate");
    let forged = request.without("webhook-id").header("webhook-id", "msg_2");
    assert_eq!(daemon.send(&forged).status, 401);
}

#[test]
fn tokens_bearers_and_passwords_let_in_who_has_them() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let secret = yard.path("secret");
    fs::write(&secret, "open sesame\n").unwrap();
    let mut config = yard.config();
    for (name, verify) in [
        ("token", r#"{ token = "x-webhook-token" }"#),
        ("bearer", "{ bearer = true }"),
        ("basic", r#"{ basic = "ali" }"#),
    ] {
        config = config.raw_route(&format!(
            "name = \"{name}\"\npath = \"/{name}\"\nverify = {verify}\n\
             secret = {{ file = {secret:?} }}\nhandlers = [\"misbehave/ok\"]"
        ));
    }
    let daemon = yard.start(&config);
    let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
    for (path, header, right, wrong) in [
        ("/token", "x-webhook-token", "open sesame".to_owned(), "open barley".to_owned()),
        ("/bearer", "authorization", "Bearer open sesame".to_owned(), "Bearer x".to_owned()),
        ("/basic", "authorization", basic("ali:open sesame"), basic("cassim:open sesame")),
    ] {
        let post = || Request::new("POST", path).body("{}");
        daemon.send(&post().header(header, &right)).accepted();
        assert_eq!(daemon.send(&post().header(header, &wrong)).status, 401, "{path}");
        assert_eq!(daemon.send(&post()).status, 401, "{path}");
    }
    let log = daemon.stop().join("\n");
    assert!(!log.contains("open sesame"), "the secret is in the log");
    for event in yard.events() {
        let shown = yard.show(event["id"].as_str().unwrap()).to_string();
        assert!(!shown.contains("open sesame"), "the secret is in the store: {shown}");
    }
}
