//! Requests that handlers make: what goes out, what comes back, and what is kept of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use hookyard_tests::{Config, Daemon, Reply, Request, StandIn, Yard, attempts, until};
use serde_json::{Value, json};

const RESPOND: &str = r#"mode = "respond""#;
const SOON: &str = r#"retry = { max_attempts = 3, first = "20ms", max = "50ms" }"#;
/// Room for what a service's `Retry-After` asks for.
const LATER: &str = r#"retry = { max_attempts = 6, first = "20ms", max = "5s" }"#;
const CREDENTIAL: &str = "t0ken-that-nobody-sees";

/// A daemon's folder with a service that it can ask.
struct Place {
    yard: Yard,
    api: StandIn,
}

impl Place {
    fn new() -> Self {
        let yard = Yard::with_plugins(&["caller"]);
        let api = StandIn::start(&yard, &["api.test"]);
        fs::write(yard.path("token"), CREDENTIAL).unwrap();
        Self { yard, api }
    }

    fn config(&self) -> Config {
        let token = self.yard.path("token");
        self.api
            .in_place(self.yard.config())
            .set("connection.api", r#"base_url = "https://api.test/v1/""#)
            .set("connection.api", &format!("auth = {{ bearer = {{ file = {token:?} }} }}"))
            .set("connection.other", r#"base_url = "https://127.0.0.1:1/""#)
            .set("plugin.caller", r#"connections = ["api", "other"]"#)
            .set("plugin.caller", "kv = true")
            .route("ask", "caller/ask", &[RESPOND])
            .route("forward", "caller/forward", &[LATER])
            .route("count", "caller/count", &[SOON])
    }
}

fn ask(daemon: &Daemon, orders: &Value) -> Reply {
    let delivery = format!("ask-{}", fastrand::u64(..));
    daemon.send(&Request::github("/ask", "push", &delivery, orders.to_string()))
}

/// What came of each request.
#[track_caller]
fn results(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    serde_json::from_str(&reply.text()).unwrap()
}

/// The event that was stored last.
fn last(yard: &Yard) -> Value {
    yard.show(yard.events()[0]["id"].as_str().unwrap())
}

/// No file below the folder has the text in it, the credential's own file aside.
fn assert_nowhere(folder: &Path, text: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path, text);
        } else if path.file_name().is_some_and(|name| name != "token") {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{} has it", path.display());
        }
    }
}

#[test]
fn a_request_is_made_recorded_and_shows_no_credential() {
    let place = Place::new();
    let daemon = place.yard.start(&place.config());
    place.api.answer("/v1/items", 201, &[("x-made", "1")], format!("Bearer {CREDENTIAL}"));
    let orders = json!({
        "connection": "api", "method": "POST", "path": "items?token=abc&page=2", "bytes": 10,
        "headers": [["x-mine", "7"]],
    });
    let results = results(&ask(&daemon, &orders));
    assert_eq!(results[0]["status"], 201);
    // The service sent the credential back.
    assert_eq!(results[0]["body"], "Bearer [redacted]");

    let asked = &place.api.asked("/v1/items")[0];
    assert_eq!(asked.target, "/v1/items?token=abc&page=2");
    assert_eq!((asked.host.as_str(), asked.body.as_str()), ("api.test", "xxxxxxxxxx"));
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {CREDENTIAL}").as_str()));
    assert_eq!(asked.header("x-mine"), Some("7"));
    let shown = last(&place.yard);
    let job = shown["jobs"][0]["id"].as_str().unwrap();
    assert_eq!(asked.header("idempotency-key"), Some(format!("{job}-1").as_str()));

    let record = &attempts(&shown)[0]["requests"][0];
    for (field, value) in [
        ("run", json!(1)),
        ("number", json!(1)),
        ("connection", json!("api")),
        ("method", json!("POST")),
        ("url", json!("https://api.test/v1/items?token=…&page=…")),
        ("status", json!(201)),
        ("error", Value::Null),
        ("tries", json!(1)),
        ("sent", json!(10)),
        ("received", json!(7 + CREDENTIAL.len())),
    ] {
        assert_eq!(record[field], value, "{field} in {record}");
    }
    let text = place.yard.command(&["events", "show", shown["event"]["id"].as_str().unwrap()]);
    let text = String::from_utf8(text.stdout).unwrap();
    let line = "    request 1  api  POST https://api.test/v1/items?token=…&page=…  201  ";
    assert!(text.contains(line), "{text}");

    assert!(!daemon.log_text().contains(CREDENTIAL));
    daemon.stop();
    assert_nowhere(&place.yard.path(""), CREDENTIAL);
}

#[test]
fn what_a_failed_attempt_asked_is_recorded_and_has_the_same_key_again() {
    let place = Place::new();
    let config = place.config().route("again", "caller/ask", &[SOON]);
    let daemon = place.yard.start(&config);
    place.api.serve("/v1/a", "");
    let orders = json!({
        "connection": "api", "method": "POST", "path": "a", "times": 2, "failures": 2,
    });
    let request = Request::github("/again", "push", "again", orders.to_string());
    let id = daemon.send(&request).accepted();
    let shown = place.yard.until_state(&id, "succeeded");
    let all = attempts(&shown);
    assert_eq!(all.len(), 3);
    for attempt in all {
        let requests = attempt["requests"].as_array().unwrap();
        let numbers: Vec<_> = requests.iter().map(|request| &request["number"]).collect();
        assert_eq!(numbers, [&json!(1), &json!(2)]);
        assert!(requests.iter().all(|request| request["status"] == 200));
    }
    let job = shown["jobs"][0]["id"].as_str().unwrap();
    let asked = place.api.asked("/v1/a");
    let keys: Vec<_> = asked.iter().filter_map(|asked| asked.header("idempotency-key")).collect();
    let (first, second) = (format!("{job}-1"), format!("{job}-2"));
    let both = [first.as_str(), second.as_str()];
    assert_eq!(keys, [both, both, both].concat());
    daemon.stop();
}

/// Handlers that read and write the same key between their requests: some run again.
#[test]
fn what_all_runs_asked_is_recorded() {
    const EVENTS: usize = 24;
    let place = Place::new();
    let config = place.config().set("plugin.caller", "concurrency = 8");
    let daemon = place.yard.start(&config);
    place.api.serve("/v1/numbers", "");
    let mut client = daemon.client();
    let ids: Vec<String> = (0..EVENTS)
        .map(|number| {
            let request = Request::github("/count", "push", &number.to_string(), "{}");
            client.send(&request).accepted()
        })
        .collect();
    let mut recorded = 0;
    let mut keys = BTreeSet::new();
    for id in &ids {
        let shown = place.yard.until_state(id, "succeeded");
        keys.insert(format!("{}-1", shown["jobs"][0]["id"].as_str().unwrap()));
        for attempt in attempts(&shown) {
            let requests = attempt["requests"].as_array().unwrap();
            for (at, request) in requests.iter().enumerate() {
                assert_eq!((&request["run"], &request["number"]), (&json!(at + 1), &json!(1)));
            }
            recorded += requests.len();
        }
    }
    let asked = place.api.asked("/v1/numbers");
    assert_eq!(asked.len(), recorded);
    assert!(recorded > EVENTS, "none was run again");
    let sent = asked.iter().filter_map(|asked| asked.header("idempotency-key"));
    assert_eq!(sent.map(str::to_owned).collect::<BTreeSet<_>>(), keys);
    daemon.stop();
}

#[test]
fn only_what_is_granted_and_named_can_be_asked() {
    let place = Place::new();
    let config = place
        .config()
        .set("connection.unnamed", r#"base_url = "https://api.test/""#)
        .set("plugin.caller", r#"connections = ["api", "other", "unnamed"]"#);
    let daemon = place.yard.start(&config);
    for (connection, why) in [
        (
            "third",
            "plugin `caller` uses the connection `third`, which [plugin.caller] does not grant: add \
             it to `connections`",
        ),
        (
            "unnamed",
            "plugin `caller` uses the connection `unnamed`, which its manifest does not name: add \
             `connections(unnamed)` to `plugin!(…)`",
        ),
    ] {
        let orders = json!({ "connection": connection, "method": "GET", "path": "" });
        assert_eq!(ask(&daemon, &orders).status, 503);
        let shown = last(&place.yard);
        let message = attempts(&shown)[0]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
    // A configuration that takes away what the plugin names is refused, and the last good one stays.
    let mark = daemon.mark();
    place.yard.write_config(&place.config().set("plugin.caller", r#"connections = ["api"]"#));
    daemon.until_logged_text(mark, "plugin `caller` uses the connection `other`, which ");
    place.api.serve("/v1/a", "");
    let orders = json!({ "connection": "api", "method": "GET", "path": "a" });
    assert_eq!(results(&ask(&daemon, &orders))[0]["status"], 200);
    daemon.stop();
}

#[test]
fn guarded_addresses_and_ways_out_of_the_base_are_refused() {
    let place = Place::new();
    let daemon = place.yard.start(&place.config());
    let mut orders = json!({ "connection": "other", "method": "GET", "path": "" });
    let refused = results(&ask(&daemon, &orders))[0]["error"].as_str().unwrap().to_owned();
    assert!(refused.starts_with("Refused(\"127.0.0.1 is a loopback address; "), "{refused}");
    orders["connection"] = json!("api");
    for path in [
        "../admin",
        "%2e%2e/admin",
        "a/..%2f..%2fadmin",
        "//evil.test/",
        "https://evil.test/",
        "https://api.test/v2/",
        "\\\\evil.test",
        "a\r\nhost: evil.test",
        "a#b",
    ] {
        orders["path"] = json!(path);
        let error = results(&ask(&daemon, &orders))[0]["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with("Invalid(\"the path "), "{path}: {error}");
    }
    orders["path"] = json!("a");
    for (name, value) in
        [("host", "evil.test"), ("Authorization", "Bearer mine"), ("x-a", "1\r\nx-b: 2")]
    {
        orders["headers"] = json!([[name, value]]);
        let error = results(&ask(&daemon, &orders))[0]["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with("Invalid(\"the header "), "{name}: {error}");
    }
    daemon.stop();
}

#[test]
fn requests_are_bounded_and_the_message_says_by_what() {
    let place = Place::new();
    let config = place
        .config()
        .set("plugin.caller", "requests = 3")
        .set("plugin.caller", r#"request_bytes = "64KiB""#);
    let daemon = place.yard.start(&config);
    place.api.serve("/v1/a", "");
    place.api.serve("/v1/large", "x".repeat(70 << 10));
    let orders = |path: &str, times: usize, bytes: usize| json!({ "connection": "api", "method": "POST", "path": path, "times": times, "bytes": bytes });
    let message_of = |orders: &Value| {
        assert_eq!(ask(&daemon, orders).status, 503);
        let shown = last(&place.yard);
        let attempt = attempts(&shown)[0].clone();
        assert_eq!(attempt["outcome"], "limit", "{attempt}");
        let requests = attempt["requests"].as_array().unwrap().len();
        (attempt["message"].as_str().unwrap().to_owned(), requests)
    };
    let bytes = "sent and received more than its `request_bytes` of 65536 allows: do less in one \
                 attempt, or raise `request_bytes` under `[plugin.caller]`";
    assert_eq!(results(&ask(&daemon, &orders("a", 3, 20 << 10))).len(), 3);
    assert_eq!(message_of(&orders("a", 3, 22 << 10)), (bytes.to_owned(), 2));
    assert_eq!(message_of(&orders("large", 1, 0)), (bytes.to_owned(), 1));
    assert_eq!(
        message_of(&orders("a", 4, 0)),
        (
            "made more than its `requests` of 3 allows: make fewer in one attempt, or raise \
             `requests` under `[plugin.caller]`"
                .to_owned(),
            3
        )
    );
    daemon.stop();
}

#[test]
fn a_service_that_is_busy_is_asked_again_by_the_queue() {
    let place = Place::new();
    let daemon = place.yard.start(&place.config());
    place.api.answer("/v1/items", 503, &[("retry-after", "4")], "busy");
    let id = daemon.send(&Request::github("/forward", "push", "f", "{}")).accepted();
    let shown = place.yard.until_state(&id, "retrying");
    assert_eq!(attempts(&shown)[0]["message"], "the connection `api` answered 503: busy");
    place.api.serve("/v1/items", "good");
    let shown = place.yard.until_state(&id, "succeeded");
    assert_eq!(attempts(&shown).last().unwrap()["message"], "good");
    place.api.answer("/v1/items", 422, &[], "no name");
    let id = daemon.send(&Request::github("/forward", "push", "g", "{}")).accepted();
    let shown = place.yard.until_state(&id, "dead-letter");
    assert_eq!(attempts(&shown)[0]["message"], "the connection `api` answered 422: no name");
    daemon.stop();
}

#[test]
fn a_changed_credential_is_used_without_a_restart() {
    let place = Place::new();
    let daemon = place.yard.start(&place.config());
    place.api.serve("/v1/a", "");
    let orders = json!({ "connection": "api", "method": "GET", "path": "a" });
    assert_eq!(results(&ask(&daemon, &orders))[0]["status"], 200);
    fs::write(place.yard.path("token"), "another-t0ken-now").unwrap();
    until("the new credential is sent", Duration::from_secs(20), || {
        results(&ask(&daemon, &orders));
        let asked = place.api.asked("/v1/a");
        (asked.last()?.header("authorization")? == "Bearer another-t0ken-now").then_some(())
    });
    daemon.stop();
}

#[test]
fn connections_are_listed_and_tried_without_a_daemon() {
    let place = Place::new();
    place.yard.write_config(&place.config());
    place.api.answer("/v1/status", 204, &[], "");
    let output = |arguments: &[&str]| {
        let output = place.yard.command(arguments);
        let both = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(both).unwrap();
        assert!(!text.contains(CREDENTIAL), "{text}");
        (output.status.code(), text)
    };
    let (code, text) = output(&["connections", "list"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("api                   https://api.test/v1/  bearer  for caller\n"),
        "{text}"
    );
    let (code, text) = output(&["connections", "test", "api", "get", "status", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&shown["status"], &shown["tls"]), (&json!(204), &json!("TLS 1.3")));
    assert_eq!(shown["request"], "GET https://api.test/v1/status");
    assert_eq!(place.api.asked("/v1/status").len(), 1);

    let (code, text) = output(&["connections", "test", "api"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("status    404\n"), "{text}");
    let (code, text) = output(&["connections", "test", "other"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("error     127.0.0.1 is a loopback address; "), "{text}");
    let (code, text) = output(&["connections", "test", "apj"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("did you mean `api`?"), "{text}");
}
