//! A signed delivery is stored, acknowledged and handled, once.

use std::collections::BTreeSet;
use std::thread;

use hookyard_tests::{Request, SECRET_VARIABLE, Yard, attempts, outcomes};

const PUSH: &str = include_str!("../fixtures/github-push.json");

#[test]
fn a_push_is_acknowledged_stored_as_received_and_recorded() {
    let yard = Yard::with_plugins(&["github-push"]);
    let daemon = yard.start(&yard.config().route("github", "github-push/record", &[]));

    let id = daemon.send(&Request::github("/github", "push", "d-1", PUSH)).accepted();
    let shown = yard.until_state(&id, "succeeded");

    let event = &shown["event"];
    assert_eq!(event["route"], "github");
    assert_eq!(event["kind"], "push");
    assert_eq!(event["delivery_id"], "d-1");
    assert_eq!(event["body"], PUSH, "the body is kept byte for byte");
    let headers = event["headers"].as_array().unwrap();
    assert!(headers.iter().any(|h| h[0] == "x-github-event" && h[1] == "push"), "{headers:?}");
    assert_eq!(shown["jobs"][0]["handler"], "github-push/record");
    assert_eq!(outcomes(&shown), ["done"]);
    let attempt = &attempts(&shown)[0];
    assert_eq!(attempt["number"], 1);
    assert_eq!(attempt["plugin_hash"].as_str().unwrap().len(), 64);
    assert!(!attempt["log"].as_array().unwrap().is_empty(), "the handler's log line is kept");
    daemon.stop();
}

#[test]
fn a_body_that_is_not_text_is_kept_and_shown() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("raw", "misbehave/ok", &[]));

    let body = vec![0xff, 0x00, 0xfe, b'\n'];
    let id = daemon.send(&Request::github("/raw", "push", "raw-1", body)).accepted();

    assert_eq!(yard.until_state(&id, "succeeded")["event"]["body_base64"], "/wD+Cg==");
}

#[test]
fn the_same_delivery_again_gets_the_same_answer_and_is_handled_once() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let request = Request::github("/q", "push", "same", "{}");

    let first = daemon.send(&request).accepted();
    let again = daemon.send(&request).accepted();
    yard.until_state(&first, "succeeded");
    let after_success = daemon.send(&request).accepted();

    assert_eq!((&again, &after_success), (&first, &first));
    assert_eq!(yard.events().len(), 1);
    assert_eq!(outcomes(&yard.show(&first)), ["done"]);

    // Known after a restart too.
    daemon.stop();
    let daemon = yard.restart();
    assert_eq!(daemon.send(&request).accepted(), first);
    assert_eq!(yard.events().len(), 1);
}

#[test]
fn duplicates_that_arrive_together_become_one_event() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));

    for round in 0..5 {
        let request = Request::github("/q", "push", &format!("together-{round}"), "{}");
        let ids: BTreeSet<String> = thread::scope(|scope| {
            let senders: Vec<_> =
                (0..16).map(|_| scope.spawn(|| daemon.send(&request).accepted())).collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1, "sixteen equal deliveries, one id");
        let id = ids.first().unwrap();
        assert_eq!(outcomes(&yard.until_state(id, "succeeded")), ["done"]);
    }
    assert_eq!(yard.events().len(), 5);
}

#[test]
fn a_delivery_id_is_known_within_its_route_only() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("a", "misbehave/ok", &[]).route("b", "misbehave/ok", &[]);
    let daemon = yard.start(&config);

    let a = daemon.send(&Request::github("/a", "push", "one", "{}")).accepted();
    let b = daemon.send(&Request::github("/b", "push", "one", "{}")).accepted();

    assert_ne!(a, b);
    assert_eq!(yard.events().len(), 2);
}

#[test]
fn a_kind_that_nobody_wants_is_answered_and_not_stored() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("picky", "misbehave/ok", &[r#"kinds = ["push"]"#]).route(
        "keeps",
        "misbehave/ok",
        &[r#"kinds = ["push"]"#, "store_ignored = true"],
    );
    let daemon = yard.start(&config);

    assert_eq!(daemon.send(&Request::github("/picky", "star", "s-1", "{}")).status, 200);
    assert_eq!(yard.events().len(), 0);

    assert_eq!(daemon.send(&Request::github("/keeps", "star", "s-2", "{}")).status, 200);
    let events = yard.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["state"], "ignored");

    daemon.send(&Request::github("/picky", "push", "s-3", "{}")).accepted();
}

#[test]
fn the_list_is_paged_newest_first() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let mut client = daemon.client();
    let ids: Vec<String> = (0..7)
        .map(|n| client.send(&Request::github("/q", "push", &format!("n{n}"), "{}")).accepted())
        .collect();

    let mut seen = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let mut arguments = vec!["events", "list", "--limit", "3", "--json"];
        if let Some(cursor) = &cursor {
            arguments.extend(["--cursor", cursor]);
        }
        let output = yard.command(&arguments);
        assert!(output.status.success(), "{output:?}");
        let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let events = page["events"].as_array().unwrap();
        assert!(events.len() <= 3);
        seen.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        match &page["next"] {
            serde_json::Value::Null => break,
            next => cursor = Some(next.to_string().trim_matches('"').to_owned()),
        }
    }

    assert_eq!(seen, ids.into_iter().rev().collect::<Vec<_>>());
    let unknown = yard.command(&["events", "show", "0198c1f2-7d3a-7cc0-a1b2-0123456789ab"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn each_handler_has_its_own_job_and_one_that_fails_does_not_repeat_the_other() {
    let yard = Yard::with_plugins(&["misbehave", "echo"]);
    let soon = r#"retry = { max_attempts = 2, first = "10ms", max = "10ms" }"#;
    let config = yard.config().raw_route(&format!(
        "name = \"fan\"\npath = \"/fan\"\nprovider = \"github\"\n\
         secret = {{ env = \"{SECRET_VARIABLE}\" }}\n\
         handlers = [\"echo/echo\", {{ handler = \"misbehave/trap\", {soon} }}, \
         {{ handler = \"misbehave/ok\", kinds = [\"star\"] }}]"
    ));
    let daemon = yard.start(&config);

    let id = daemon.send(&Request::github("/fan", "push", "1", "{}")).accepted();
    let shown = yard.until_state(&id, "dead-letter");

    let mut jobs: Vec<(&str, &str, usize)> = shown["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| {
            let attempts = job["attempts"].as_array().unwrap().len();
            (job["handler"].as_str().unwrap(), job["state"].as_str().unwrap(), attempts)
        })
        .collect();
    jobs.sort_unstable();
    assert_eq!(jobs, [("echo/echo", "succeeded", 1), ("misbehave/trap", "dead-letter", 2)]);
}

#[test]
fn the_client_is_who_the_trusted_proxy_says_and_nobody_elses_word_counts() {
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("q", "misbehave/ok", &[]);
    let daemon = yard.start(&config);
    let forwarded = |delivery: &str| {
        Request::github("/q", "push", delivery, "{}").header("x-forwarded-for", "192.0.2.7")
    };
    let id = daemon.send(&forwarded("untrusted")).accepted();
    assert_eq!(yard.show(&id)["event"]["client"], "127.0.0.1");
    daemon.stop();

    let daemon = yard.start(&config.set("server", r#"trusted_proxies = ["127.0.0.0/8"]"#));
    let id = daemon.send(&forwarded("trusted")).accepted();
    assert_eq!(yard.show(&id)["event"]["client"], "192.0.2.7");
}
