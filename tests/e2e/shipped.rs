//! The shipped plugins, as whoever pastes their configuration has them.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use hookyard_tests::{
    Config, Daemon, Reply, Request, SECRET, SECRET_VARIABLE, StandIn, Yard, attempts, hmac_sha256,
    outcomes, until_true,
};
use serde_json::{Value, json};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn hex(parts: &[&[u8]]) -> String {
    HEXLOWER.encode(&hmac_sha256(SECRET.as_bytes(), parts))
}

fn route(provider: &str, handler: &str, more: &str) -> String {
    format!(
        "path = \"/hook\"\nprovider = {provider:?}\nsecret = {{ env = {SECRET_VARIABLE:?} }}\n\
         handlers = {handler:?}\n{more}"
    )
}

/// The snippets of the shipped plugins' READMEs, each on a daemon of its own. That of `echo` has a route
/// to try things with, which is warned about.
#[test]
fn what_the_readmes_say_to_paste_loads_and_is_granted_enough() {
    let secrets = [
        "GITHUB_WEBHOOK_SECRET",
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
        "STRIPE_WEBHOOK_SECRET",
    ];
    for name in ["github-push", "github-to-slack", "slack-commands", "stripe-ledger"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name);
        let readme = fs::read_to_string(file.join("README.md")).unwrap();
        let (_, rest) = readme.split_once("```toml\n").unwrap();
        let (snippet, _) = rest.split_once("```").unwrap();
        let yard = Yard::with_plugins(&[name]);
        yard.write_config_text(&(yard.config().text() + snippet));
        let daemon = Daemon::start(&yard.config_file(), |command| {
            for secret in secrets {
                command.env(secret, SECRET);
            }
        });
        let log = daemon.log_text();
        let serves = format!("\"message\":\"plugin serves\",\"plugin\":\"{name}\"");
        assert!(log.contains(&serves), "{log}");
        let bad = |line: &str| line.contains("\"WARN\"") || line.contains("\"ERROR\"");
        assert_eq!(log.lines().find(|line| bad(line)), None, "{name}");
        daemon.stop();
    }
}

struct Slack {
    daemon: Daemon,
    yard: Yard,
}

impl Slack {
    fn new() -> Self {
        let yard = Yard::with_plugins(&["slack-commands"]);
        let route = route("slack", "slack-commands/remember", "mode = \"respond\"");
        let config = yard.config().set("plugin.slack-commands", "kv = true").raw_route(&route);
        Self { daemon: yard.start(&config), yard }
    }

    fn request(trigger: &str, text: &str) -> Request {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let body = format!(
            "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&\
             channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&\
             command=%2Fnotes&text={encoded}&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
             %2FT1DC2JH3J%2F397700885554&trigger_id={trigger}"
        );
        let time = now().to_string();
        let signature = hex(&[b"v0:", time.as_bytes(), b":", body.as_bytes()]);
        Request::new("POST", "/hook")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", &time)
            .header("x-slack-signature", &format!("v0={signature}"))
            .body(body)
    }

    fn send(&self, trigger: &str, text: &str) -> Reply {
        self.daemon.send(&Self::request(trigger, text))
    }

    #[track_caller]
    fn says(&self, text: &str) -> String {
        let reply = self.send(&fastrand::u64(..).to_string(), text);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.json()["response_type"], "ephemeral");
        reply.json()["text"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_signed_slash_command_is_answered_from_what_is_remembered() {
    let slack = Slack::new();
    assert!(slack.says("").starts_with("`/notes remember NAME TEXT` keeps"));
    let first = slack.send("1", "remember wifi on the fridge & <!here>");
    assert_eq!(first.json()["text"], "`wifi` is remembered.");
    // Slack's own repetition is the first answer, not a second thing.
    assert_eq!(slack.send("1", "remember wifi on the fridge & <!here>").json(), first.json());
    assert!(
        slack.says("recall wifi").starts_with("on the fridge &amp; &lt;!here&gt;\n_<@U2CERLKJA>, ")
    );
    assert_eq!(slack.says("list"), "`wifi` on the fridge &amp; &lt;!here&gt;");
    let listed = slack.yard.command(&["kv", "list", "slack-commands/things"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("T1DC2JH3J/G8PSS9T3V/wifi"), "{listed}");
    assert!(slack.says("forget wifi").starts_with("`wifi` is forgotten."));
    assert_eq!(slack.says("list"), "Nothing is remembered yet.");

    let forged = Slack::request("2", "list").without("x-slack-signature");
    let forged = forged.header("x-slack-signature", &format!("v0={}", "0".repeat(64)));
    assert_eq!(slack.daemon.send(&forged).status, 401);
    slack.daemon.stop();
}

/// Within the default limits of an attempt: everything as large as it can be.
#[test]
fn as_many_and_as_large_things_as_there_can_be_are_listed() {
    let slack = Slack::new();
    for number in 0..100 {
        let (name, text) = (format!("{}{number:03}", "n".repeat(61)), "\"".repeat(1000));
        assert_eq!(
            slack.says(&format!("remember {name} {text}")),
            format!("`{name}` is remembered.")
        );
    }
    assert_eq!(
        slack.says("remember another thing"),
        "There are 100 things already: forget one first."
    );
    assert_eq!(slack.says("list").lines().count(), 100);
    slack.daemon.stop();
}

fn stripe(id: &str, kind: &str, created: u64, object: &Value) -> Request {
    let body = json!({
        "id": id, "object": "event", "created": created, "type": kind, "livemode": false,
        "data": { "object": object },
    })
    .to_string();
    let time = now().to_string();
    let signature = hex(&[time.as_bytes(), b".", body.as_bytes()]);
    Request::new("POST", "/hook")
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", &format!("t={time},v1={signature}"))
        .body(body)
}

#[test]
fn stripes_events_leave_the_same_ledger_in_whatever_order_they_come() {
    let customer =
        |email: &str| json!({ "id": "cus_1", "object": "customer", "email": email, "balance": 0 });
    let invoice = |status: &str, paid: u64| json!({ "id": "in_1", "object": "invoice", "status": status, "amount_paid": paid });
    let gone = json!({ "id": "cus_2", "object": "customer", "email": "gone@example.com" });
    let mut events = vec![
        ("evt_1", "customer.created", 100, customer("one@example.com")),
        ("evt_2", "customer.updated", 160, customer("two@example.com")),
        ("evt_3", "customer.updated", 170, customer("three@example.com")),
        ("evt_9", "invoice.created", 200, invoice("draft", 0)),
        ("evt_8", "invoice.finalized", 200, invoice("open", 0)),
        ("evt_7", "invoice.paid", 200, invoice("paid", 1999)),
        ("evt_4", "customer.created", 100, gone.clone()),
        ("evt_5", "customer.deleted", 200, gone.clone()),
        ("evt_6", "customer.updated", 190, gone),
    ];
    let yard = Yard::with_plugins(&["stripe-ledger"]);
    let grant = r#"kv = { shared = ["stripe-customers", "stripe-invoices"] }"#;
    let config = yard
        .config()
        .set("plugin.stripe-ledger", grant)
        .set("plugin.stripe-ledger", "concurrency = 8")
        .raw_route(&route("stripe", "stripe-ledger/record", ""));
    let daemon = yard.start(&config);
    let kept = |key: &str| {
        let namespace = if key.starts_with("in_") { "stripe-invoices" } else { "stripe-customers" };
        let output = yard.command(&["kv", "get", namespace, key]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
    };
    let mut first = None;
    for round in 0..4 {
        fastrand::shuffle(&mut events);
        let mut ids = Vec::new();
        let mut client = daemon.client();
        for (id, kind, created, object) in &events {
            let object = object.to_string().replace("_1\"", &format!("_1{round}\""));
            let object = object.replace("_2\"", &format!("_2{round}\""));
            let object = serde_json::from_str(&object).unwrap();
            let id = format!("{id}{round}");
            let reply = client.send(&stripe(&id, kind, *created, &object));
            assert_eq!(reply.status, 200, "{}", reply.text());
            ids.push(reply.json()["id"].clone());
        }
        until_true("all events are handled", Duration::from_secs(30), || {
            let handled =
                |event: &Value| ["succeeded", "ignored"].iter().any(|s| event["state"] == *s);
            let handled: Vec<Value> = yard
                .events()
                .into_iter()
                .filter(handled)
                .map(|event| event["id"].clone())
                .collect();
            ids.iter().all(|id| handled.contains(id))
        });
        let records = ["cus_1", "cus_2", "in_1"].map(|key| {
            let record = kept(&format!("{key}{round}"));
            (record["kind"].clone(), record["at"].clone(), record["deleted"].clone())
        });
        assert_eq!(*first.get_or_insert(records.clone()), records, "{events:?}");
        assert_eq!(kept(&format!("cus_1{round}"))["object"]["email"], "three@example.com");
        assert_eq!(kept(&format!("cus_2{round}"))["object"], Value::Null);
        assert_eq!(kept(&format!("in_1{round}"))["object"]["status"], "paid");
    }
    let [one, two, invoice] = first.unwrap();
    assert_eq!(one, (json!("customer.updated"), json!(170), json!(false)));
    assert_eq!(two, (json!("customer.deleted"), json!(200), json!(true)));
    assert_eq!(invoice, (json!("invoice.paid"), json!(200), json!(false)));
    daemon.stop();
}

const TOKEN: &str = "xoxb-of-the-app";
const POST: &str = "/api/chat.postMessage";

fn to_slack(yard: &Yard, slack: &StandIn) -> Config {
    let token = yard.path("token");
    fs::write(&token, TOKEN).unwrap();
    slack
        .in_place(yard.config())
        .set("connection.slack", r#"base_url = "https://slack.com/api/""#)
        .set("connection.slack", &format!("auth = {{ bearer = {{ file = {token:?} }} }}"))
        .set("plugin.github-to-slack", r#"connections = ["slack"]"#)
        .set(
            "plugin.github-to-slack",
            r##"settings.rules = [{ channel = "#main", events = ["push"], branch = "main" }]"##,
        )
        .route(
            "github",
            "github-to-slack/notify",
            &[r#"retry = { max_attempts = 3, first = "20ms", max = "50ms" }"#],
        )
}

#[test]
fn a_push_becomes_a_line_in_slack_also_when_slack_is_busy_and_then_broken() {
    let yard = Yard::with_plugins(&["github-to-slack"]);
    let slack = StandIn::start(&yard, &["slack.com"]);
    let daemon = yard.start(&to_slack(&yard, &slack));
    slack.answer_once(POST, 429, &[("retry-after", "1")], r#"{"ok":false,"error":"ratelimited"}"#);
    slack.answer_once(POST, 500, &[], "oops");
    slack.answer(POST, 200, &[("content-type", "application/json")], r#"{"ok":true,"ts":"1.2"}"#);

    let push = include_str!("../fixtures/github-push.json");
    let id = daemon.send(&Request::github("/github", "push", "1", push)).accepted();
    let shown = yard.until_state(&id, "succeeded");
    // The connection itself tries again what was not carried out, the queue what may have been.
    assert_eq!(outcomes(&shown), ["retry", "done"], "{shown}");
    let message = "told #main of push in baxterthehacker/public-repo";
    assert_eq!(attempts(&shown)[1]["message"], message);
    let asked = slack.asked(POST);
    assert_eq!(asked.len(), 3);
    for asked in asked {
        assert_eq!((asked.method.as_str(), asked.host.as_str()), ("POST", "slack.com"));
        assert_eq!(asked.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(body["channel"], "#main");
        let text = body["text"].as_str().unwrap();
        let (line, commits) = text.split_once('\n').unwrap();
        assert!(line.starts_with("<https://github.com/baxterthehacker/public-repo|"), "{line}");
        assert!(line.ends_with("|1 commit> to `main`"), "{line}");
        assert!(commits.contains("Update README.md — grüße (baxterthehacker)"), "{commits}");
    }
    assert!(!daemon.log_text().contains(TOKEN));

    let dev = push.replace("refs/heads/main", "refs/heads/dev");
    let id = daemon.send(&Request::github("/github", "push", "2", dev)).accepted();
    yard.until_state(&id, "ignored");
    assert_eq!(slack.asked(POST).len(), 3);
    daemon.stop();
}

#[test]
fn what_slack_refuses_is_a_dead_letter_that_says_what_to_look_at() {
    let yard = Yard::with_plugins(&["github-to-slack"]);
    let slack = StandIn::start(&yard, &["slack.com"]);
    let daemon = yard.start(&to_slack(&yard, &slack));
    slack.serve(POST, r#"{"ok":false,"error":"not_in_channel"}"#);
    let push = include_str!("../fixtures/github-push.json");
    let id = daemon.send(&Request::github("/github", "push", "1", push)).accepted();
    let shown = yard.until_state(&id, "dead-letter");
    assert_eq!(outcomes(&shown), ["reject"]);
    assert_eq!(
        attempts(&shown)[0]["message"],
        "Slack refused the message to #main: not_in_channel: is the channel right, and was the app \
         invited to it?"
    );
    daemon.stop();
}
