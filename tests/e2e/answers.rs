//! What single senders have to be told, and what they may send only once.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use hookyard_tests::{Daemon, Reply, Request, Yard, hmac_sha256};
use serde_json::json;

fn start(yard: &Yard, provider: &str, secret: &str, lines: &str) -> Daemon {
    std::fs::write(yard.path("secret"), secret).unwrap();
    yard.start(&yard.config().raw_route(&format!(
        "name = \"in\"\npath = \"/in\"\nprovider = {provider:?}\nsecret = {{ file = \"secret\" }}\n\
         handlers = \"misbehave/ok\"\n{lines}\n"
    )))
}

#[track_caller]
fn assert_text(reply: &Reply, text: &str) {
    assert_eq!((reply.status, reply.text().as_str()), (200, text), "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn a_sender_that_looks_for_a_text_finds_it_in_every_good_answer() {
    const TEXT: &str = "Hello API Event Received";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let signed = [now.as_bytes(), b"signature_request_sent"];
    let hash = HEXLOWER.encode(&hmac_sha256(b"api-key", &signed));
    let json = json!({ "event": {
        "event_time": now, "event_type": "signature_request_sent", "event_hash": hash,
    } });
    let request = Request::new("POST", "/in")
        .header("content-type", "multipart/form-data; boundary=B")
        .body(format!(
            "--B\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{json}\r\n--B--\r\n"
        ));

    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = start(&yard, "dropbox-sign", "api-key", "id = \"header:x-delivery\"");
    let request = request.header("x-delivery", "1");
    assert_text(&daemon.send(&request), TEXT);
    assert_text(&daemon.send(&request), TEXT);
    assert_eq!(yard.events().len(), 1, "the second one is a duplicate");
    let forged = String::from_utf8(request.body.clone()).unwrap().replace("_sent", "_seen");
    let refused = daemon.send(&request.clone().body(forged));
    assert_eq!(refused.status, 401);
    assert!(!refused.text().contains(TEXT));

    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = start(&yard, "dropbox-sign", "api-key", "kinds = [\"another\"]");
    assert_text(&daemon.send(&request), TEXT);
    assert!(yard.events().is_empty(), "it is ignored");

    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = start(&yard, "dropbox-sign", "api-key", "mode = \"respond\"");
    assert_text(&daemon.send(&request), TEXT);
}

/// An event of Mailgun's, whose signature is of its token and not of the event.
fn mailgun(token: &str, id: &str) -> Request {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let signature =
        HEXLOWER.encode(&hmac_sha256(b"signing-key", &[now.as_bytes(), token.as_bytes()]));
    let body = json!({
        "signature": { "timestamp": now, "token": token, "signature": signature },
        "event-data": { "event": "delivered", "id": id },
    });
    Request::new("POST", "/in").body(body.to_string())
}

#[test]
fn a_token_that_comes_again_with_another_body_is_refused() {
    const TOKEN: &str = "e0b5477167110d68991efc6b9f89f0a11066af27834600e123";
    let other_body = |request: &Request| {
        let text = String::from_utf8(request.body.clone()).unwrap();
        request.clone().body(text.replace("delivered", "complained"))
    };
    for lines in ["", "kinds = [\"another\"]", "mode = \"respond\""] {
        let yard = Yard::with_plugins(&["misbehave"]);
        let daemon = start(&yard, "mailgun", "signing-key", lines);
        let genuine = mailgun(TOKEN, "CPgfbmQMTCKtHW6uIWtuVe");
        assert_eq!(daemon.send(&genuine).status, 200, "{lines}");
        let replayed = daemon.send(&other_body(&genuine));
        assert_eq!(replayed.status, 401, "{lines}");
        assert_eq!(replayed.json(), json!({ "error": "verification failed" }));
        let line = daemon.until_logged_text(0, "replayed-token");
        assert_eq!((&line["reason"], &line["route"]), (&"replayed-token".into(), &"in".into()));

        assert_eq!(daemon.send(&genuine).status, 200, "the same again is Mailgun's own retry");
        let stored = usize::from(!lines.starts_with("kinds"));
        assert_eq!(yard.events().len(), stored, "{lines}");
        daemon.stop();

        let daemon = yard.restart();
        assert_eq!(daemon.send(&other_body(&genuine)).status, 401, "{lines}: after a restart");
    }
}
