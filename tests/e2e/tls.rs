//! HTTP/2, TLS, and certificates that change.

use std::fs;
use std::time::{Duration, Instant};

use hookyard_tests::{
    Request, TlsFiles, Yard, http2_cleartext, http2_tls, http2_unfinished, serves_certificate,
    until_true,
};
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn http2_works_in_the_clear() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));

    let request = Request::github("/q", "push", "h2c", "{}");
    let id = runtime().block_on(http2_cleartext(daemon.public, &request)).accepted();

    let shown = yard.until_state(&id, "succeeded");
    assert_eq!(shown["event"]["delivery_id"], "h2c");
    let tampered = request.body("{ }");
    assert_eq!(runtime().block_on(http2_cleartext(daemon.public, &tampered)).status, 401);
}

#[test]
fn http2_works_over_tls_and_a_renewed_certificate_is_served_without_a_restart() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let first = TlsFiles::write(&yard.path(""));
    let config = yard
        .config()
        .set("server.tls", &format!("cert = {:?}", first.cert))
        .set("server.tls", &format!("key = {:?}", first.key))
        .route("q", "misbehave/ok", &[]);
    let daemon = yard.start(&config);
    let runtime = runtime();
    let send = |trusted, delivery: &str| {
        let request = Request::github("/q", "push", delivery, "{}");
        runtime.block_on(http2_tls(daemon.public, trusted, &request))
    };

    let id = send(&first.certificate, "tls-1").accepted();
    yard.until_state(&id, "succeeded");

    let second = TlsFiles::write(&yard.path(""));
    until_true("the new certificate is served", Duration::from_secs(30), || {
        runtime.block_on(serves_certificate(daemon.public, &second.certificate))
    });
    send(&second.certificate, "tls-2").accepted();
    assert!(
        !runtime.block_on(serves_certificate(daemon.public, &first.certificate)),
        "the old one is no longer served"
    );

    // A bad file is refused; the last good pair goes on.
    let mark = daemon.mark();
    fs::write(&second.cert, "not a certificate").unwrap();
    daemon.until_logged(mark, "the refusal", |line| {
        line["level"] != "INFO" && line.to_string().contains("cert")
    });
    send(&second.certificate, "tls-3").accepted();
    assert_eq!(yard.events().len(), 3);
}

#[test]
fn plain_http_on_a_tls_port_is_turned_away() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let files = TlsFiles::write(&yard.path(""));
    let config = yard
        .config()
        .set("server.tls", &format!("cert = {:?}", files.cert))
        .set("server.tls", &format!("key = {:?}", files.key))
        .route("q", "misbehave/ok", &[]);
    let daemon = yard.start(&config);

    let reply = daemon.client().try_send(&Request::github("/q", "push", "plain", "{}"));
    assert!(!matches!(&reply, Ok(reply) if reply.status < 300), "{reply:?}");

    let request = Request::github("/q", "push", "tls", "{}");
    runtime().block_on(http2_tls(daemon.public, &files.certificate, &request)).accepted();
}

#[test]
fn a_body_that_never_comes_is_cut_off_over_http2_too() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().set("server.limits", r#"body_timeout = "500ms""#).route(
        "q",
        "misbehave/ok",
        &[],
    );
    let daemon = yard.start(&config);

    let request = Request::github("/q", "push", "never", "{}");
    let start = Instant::now();
    let status = runtime().block_on(http2_unfinished(daemon.public, &request));
    let took = start.elapsed();

    assert!(matches!(status, Some(408) | None), "{status:?}");
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(5), "{took:?}");
    runtime().block_on(http2_cleartext(daemon.public, &request)).accepted();
}

#[test]
fn a_tls_handshake_that_never_ends_is_cut_off_and_others_are_served() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let files = TlsFiles::write(&yard.path(""));
    let config = yard
        .config()
        .set("server.limits", r#"handshake_timeout = "500ms""#)
        .set("server.tls", &format!("cert = {:?}", files.cert))
        .set("server.tls", &format!("key = {:?}", files.key))
        .route("q", "misbehave/ok", &[]);
    let daemon = yard.start(&config);

    let mut silent = daemon.client();
    let mut begun = daemon.client();
    begun.write(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let request = Request::github("/q", "push", "meanwhile", "{}");
    runtime().block_on(http2_tls(daemon.public, &files.certificate, &request)).accepted();

    assert!(silent.is_closed_within(Duration::from_secs(10)));
    assert!(begun.is_closed_within(Duration::from_secs(10)));
}
