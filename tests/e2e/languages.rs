//! Plugins that bring WASI along: `wasm32-wasip2` Rust, JavaScript and Python.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use hookyard_tests::{
    Daemon, Request, Yard, attempts, hookyard, outcomes, plugin_file, unbuilt, until_true,
};
use serde_json::{Value, json};

const RESPOND: &str = r#"mode = "respond""#;
const ONCE: &str = "retry = { max_attempts = 1 }";
/// A whole interpreter is compiled first, by an unoptimised daemon perhaps.
const LOADED: Duration = Duration::from_secs(240);

/// A daemon with `worldly`, each of whose handlers has a route of its name.
fn worldly(limits: &[&str]) -> (Yard, Daemon) {
    let yard = Yard::with_plugins(&["worldly"]);
    let mut config = yard.config();
    for handler in ["look", "reach"] {
        config = config.route(handler, &format!("worldly/{handler}"), &[RESPOND]);
    }
    for handler in ["print", "flood", "sleep", "exit", "panic", "hoard"] {
        config = config.route(handler, &format!("worldly/{handler}"), &[ONCE]);
    }
    for limit in limits {
        config = config.set("plugin.worldly", limit);
    }
    let daemon = yard.start(&config);
    (yard, daemon)
}

/// What becomes of one delivery to a handler's route: its only attempt.
#[track_caller]
fn attempt(yard: &Yard, daemon: &Daemon, handler: &str, state: &str) -> Value {
    let request = Request::github(&format!("/{handler}"), "push", handler, "{}");
    let shown = yard.until_state(&daemon.send(&request).accepted(), state);
    assert_eq!(attempts(&shown).len(), 1, "{shown}");
    attempts(&shown)[0].clone()
}

fn lines(attempt: &Value) -> Vec<(&str, &str)> {
    let lines = attempt["log"].as_array().expect("log lines").iter();
    lines
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            (text("level"), text("message"))
        })
        .collect()
}

#[test]
fn a_program_finds_time_and_randomness_and_nothing_else() {
    if unbuilt("worldly") {
        return;
    }
    let (_yard, daemon) = worldly(&[]);
    let mut seen = Vec::new();
    for delivery in ["1", "2"] {
        let reply = daemon.send(&Request::github("/look", "push", delivery, "{}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let found = reply.json();
        assert_eq!((&found["variables"], &found["arguments"]), (&json!(0), &json!(0)), "{found}");
        assert_eq!(found["stdin"], json!({ "Ok": 0 }), "its standard input is at its end");
        let slept = found["slept_ms"].as_u64().unwrap();
        assert!((29..2000).contains(&slept), "{found}");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert!(found["unix"].as_u64().unwrap().abs_diff(now) < 60, "{found}");
        seen.extend(found["random"].as_array().unwrap().clone());
    }
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 4, "each instance has randomness of its own");
}

#[test]
fn no_file_and_no_socket_is_reached() {
    if unbuilt("worldly") {
        return;
    }
    let (_yard, daemon) = worldly(&[]);
    // Somebody does listen there.
    let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port().to_string();
    let reply = daemon.send(&Request::github("/reach", "push", "1", port));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json(), json!({ "through": [] }));
}

#[test]
fn what_is_printed_is_the_log_of_the_attempt() {
    if unbuilt("worldly") {
        return;
    }
    let (yard, daemon) = worldly(&[r#"log_bytes = "8KiB""#]);
    let printed = attempt(&yard, &daemon, "print", "succeeded");
    let mut found = lines(&printed);
    found.sort_unstable();
    let mut expected =
        [("info", "one"), ("info", "two"), ("warn", "a warning"), ("info", "in parts")];
    expected.sort_unstable();
    assert_eq!(found, expected);

    // A thousand lines of a thousand bytes: as many as fit into `log_bytes`.
    let flooded = attempt(&yard, &daemon, "flood", "succeeded");
    let kept: usize = lines(&flooded).iter().map(|(_, text)| text.len()).sum();
    assert!((6000..=8192).contains(&kept), "{kept} bytes");
}

#[test]
fn a_wait_ends_at_the_timeout_and_costs_no_processor_time() {
    if unbuilt("worldly") {
        return;
    }
    let (yard, daemon) = worldly(&[r#"timeout = "400ms""#, r#"cpu = "300ms""#]);
    let slept = attempt(&yard, &daemon, "sleep", "dead-letter");
    assert_eq!(slept["outcome"], "timeout", "{slept}");
    let message = slept["message"].as_str().unwrap();
    assert!(message.contains("`timeout` of 400ms"), "{message}");
}

#[test]
fn a_program_that_exits_or_panics_is_a_failed_attempt() {
    if unbuilt("worldly") {
        return;
    }
    let (yard, daemon) = worldly(&[]);
    for (handler, words) in
        [("exit", "called `exit` with failure"), ("panic", "what a plugin says when it breaks")]
    {
        let ended = attempt(&yard, &daemon, handler, "dead-letter");
        assert_eq!(ended["outcome"], "trap", "{ended}");
        let message = ended["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_plugin_that_hoards_handles_meets_their_limit() {
    if unbuilt("worldly") {
        return;
    }
    let (yard, daemon) = worldly(&[r#"cpu = "20s""#]);
    let ended = attempt(&yard, &daemon, "hoard", "dead-letter");
    assert_eq!(ended["outcome"], "limit", "{ended}");
    let message = ended["message"].as_str().unwrap();
    assert!(message.contains("held more than 4096 handles"), "{message}");
}

#[test]
fn alerts_are_told_in_javascript_once_each() {
    if unbuilt("alert-lines") {
        return;
    }
    let yard = Yard::with_plugins(&["alert-lines"]);
    let config = yard
        .config()
        .set("runtime", r#"compile_timeout = "4m""#)
        .set("plugin.alert-lines", "kv = true")
        .set("plugin.alert-lines", r#"memory = "128MiB""#)
        .route("alerts", "alert-lines/tell", &[ONCE]);
    let daemon = yard.start(&config);
    until_loaded(&daemon);
    let alert = |status: &str, ends: &str| {
        json!({ "alerts": [{
            "status": status, "startsAt": "2026-01-01T10:00:00Z", "endsAt": ends,
            "fingerprint": "f1", "annotations": { "summary": "90 % used" },
            "labels": { "alertname": "DiskFull", "instance": "db-1", "severity": "critical" },
        }]})
    };
    let send = |delivery: &str, body: String| {
        let request = Request::github("/alerts", "push", delivery, body);
        daemon.send(&request).accepted()
    };
    let firing = alert("firing", "0001-01-01T00:00:00Z").to_string();
    let shown = yard.until_state(&send("1", firing.clone()), "succeeded");
    assert_eq!(outcomes(&shown), ["done"]);
    assert_eq!(lines(&attempts(&shown)[0]), [("error", "firing: DiskFull on db-1: 90 % used")]);
    let shown = yard.until_state(&send("2", firing), "ignored");
    assert_eq!(outcomes(&shown), ["ignored"]);
    let over = alert("resolved", "2026-01-01T11:05:00Z").to_string();
    let shown = yard.until_state(&send("3", over), "succeeded");
    assert_eq!(attempts(&shown)[0]["message"], "resolved: DiskFull on db-1 after 1 h 5 min");
    let shown = yard.until_state(&send("4", "{}".to_owned()), "dead-letter");
    assert_eq!(outcomes(&shown), ["reject"]);
}

#[test]
fn slow_pipelines_are_told_in_python() {
    if unbuilt("pipeline-times") {
        return;
    }
    let yard = Yard::with_plugins(&["pipeline-times"]);
    let config = yard
        .config()
        .set("runtime", r#"compile_timeout = "4m""#)
        .set("plugin.pipeline-times", "kv = true")
        .set("plugin.pipeline-times", r#"memory = "128MiB""#)
        .route("pipelines", "pipeline-times/record", &[ONCE]);
    let daemon = yard.start(&config);
    until_loaded(&daemon);
    let send = |delivery: u32, took: u32| {
        let body = json!({
            "object_attributes": { "ref": "main", "status": "success", "duration": took },
            "project": { "path_with_namespace": "group/app" },
        });
        let delivery = delivery.to_string();
        let request = Request::github("/pipelines", "Pipeline Hook", &delivery, body.to_string());
        yard.until_state(&daemon.send(&request).accepted(), "succeeded")
    };
    for delivery in 0..5 {
        send(delivery, 100 + delivery);
    }
    let shown = send(6, 300);
    let message = "slow: group/app main took 300 s, usually 102 s";
    assert_eq!(attempts(&shown)[0]["message"], message);
    assert_eq!(lines(&attempts(&shown)[0]), [("warn", message)]);
}

fn until_loaded(daemon: &Daemon) {
    until_true("the plugin is loaded", LOADED, || {
        let ready = daemon.admin("/readyz");
        ready.json()["degraded"].as_array().is_some_and(Vec::is_empty)
    });
}

/// From an empty folder to an answer, with nothing but the program and the language's tools.
fn author(language: &str, tools: Option<(&str, &str)>) {
    let yard = Yard::new();
    let folder = yard.path("first");
    let run = |arguments: &[&str]| -> Output {
        let mut command = Command::new(hookyard());
        command.args(arguments).current_dir(yard.path(""));
        // The tests' own cargo has set what only its own packages want.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
                command.env_remove(name);
            }
        }
        let output = command.env_remove("CARGO").output().expect("the program runs");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "hookyard {arguments:?}: {}\n{words}", output.status);
        output
    };
    run(&["plugins", "new", "first", "--lang", language]);
    if let Some((shipped, tools)) = tools {
        // Those of the shipped plugin, which are the same and are there already.
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(shipped);
        symlink(there.join(tools).canonicalize().unwrap(), folder.join(tools)).unwrap();
        for file in ["package.json", "requirements.txt"].map(|name| folder.join(name)) {
            if let Ok(file) = File::options().append(true).open(file) {
                file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }
        }
    }
    let built = run(&["plugins", "build", "first", "--out", "plugins", "--json"]);
    let built: Value = serde_json::from_slice(&built.stdout).unwrap();
    let file = built["built"][0]["file"].as_str().unwrap();
    assert!(yard.path(file).is_file(), "{built}");

    let config = yard
        .config()
        .set("runtime", r#"compile_timeout = "4m""#)
        .set("plugin.first", r#"settings = { greeting = "hello," }"#)
        .set("plugin.first", r#"memory = "128MiB""#)
        .route("first", "first/note", &[ONCE]);
    let daemon = yard.start(&config);
    until_loaded(&daemon);
    let request = Request::github("/first", "push", "1", r#"{"a":1,"b":2}"#);
    let shown = yard.until_state(&daemon.send(&request).accepted(), "succeeded");
    assert_eq!(attempts(&shown)[0]["message"], "hello, 2 members");
    assert_eq!(lines(&attempts(&shown)[0]), [("info", "hello, 2 members")]);
}

#[test]
fn an_author_begins_in_rust() {
    author("rust", None);
}

#[test]
fn an_author_begins_in_javascript() {
    if !unbuilt("alert-lines") {
        author("js", Some(("alert-lines", "node_modules")));
    }
}

#[test]
fn an_author_begins_in_python() {
    if !unbuilt("pipeline-times") {
        author("python", Some(("pipeline-times", ".venv")));
    }
}

#[test]
fn a_built_file_is_judged_as_the_daemon_would() {
    let yard = Yard::new();
    yard.write_config(&yard.config());
    let config = yard.config_file();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(hookyard());
        command.args(["plugins"]).args(arguments).output().expect("the program runs")
    };
    let keeper = plugin_file("keeper");
    let keeper = keeper.to_str().unwrap();

    let alone = run(&["check", keeper]);
    assert!(alone.status.success(), "{alone:?}");
    let told: Value = serde_json::from_slice(&run(&["inspect", keeper, "--json"]).stdout).unwrap();
    assert_eq!(told["name"], "keeper");
    let imports: Vec<&str> =
        told["imports"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(imports.contains(&"hookyard:plugin/kv@0.1.0"), "{imports:?}");

    let ungranted = run(&["check", keeper, "--config", config.to_str().unwrap()]);
    assert_eq!(ungranted.status.code(), Some(1));
    let words = String::from_utf8_lossy(&ungranted.stderr).into_owned();
    assert!(words.contains("does not grant") && words.contains("[plugin.keeper]"), "{words}");

    let broken = yard.path("broken.wasm");
    fs::write(&broken, "no plugin").unwrap();
    let refused = run(&["check", broken.to_str().unwrap(), "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert!(report["problem"].as_str().unwrap().contains("not a WebAssembly binary"), "{report}");
}

#[test]
fn plugins_are_listed_with_and_without_a_daemon() {
    let yard = Yard::with_plugins(&["echo"]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = yard.config().set("admin", &format!("listen = \"{free}\""));
    yard.write_config(&config);
    let list = || -> Value {
        let output = yard.command(&["plugins", "list", "--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(list()["plugins"][0]["state"], "unloaded");

    let daemon = yard.start(&config);
    let listed = list();
    let [echo] = listed["plugins"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&echo["name"], &echo["state"]), (&json!("echo"), &json!("ready")));
    assert_eq!(echo["handlers"][0]["name"], "echo");
    daemon.stop();
    assert_eq!(list()["plugins"][0]["state"], "unloaded");
}
