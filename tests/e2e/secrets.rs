//! Secrets in the store: set, used, changed and removed while a daemon runs and while none does; and
//! secrets that a plugin is granted. None of them is found where it must not be.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use hookyard_tests::{Config, Daemon, Request, Yard, attempts, hookyard};
use serde_json::{Value, json};

/// What must not be found in any log, listing or file.
const FIRST: &str = "first-value-of-a-webhook-secret-5f1c";
const SECOND: &str = "second-value-of-a-webhook-secret-9a7e";
const API_KEY: &str = "sk_test_\"quoted\"/key+of=a-plugin";

fn key(digit: &str) -> String {
    format!("{}{}", digit.repeat(62), "00")
}

/// A yard with a key for `[secrets]`, and its configuration.
fn yard_with_key() -> (Yard, Config) {
    let yard = Yard::with_plugins(&["confidant"]);
    fs::write(yard.path("secrets.key"), key("1")).unwrap();
    let config = yard.config().set("secrets", "key = { file = \"secrets.key\" }");
    (yard, config)
}

/// `hookyard ARGUMENTS --config FILE` with `input` on its standard input.
fn command(yard: &Yard, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(hookyard())
        .args(arguments)
        .arg("--config")
        .arg(yard.config_file())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run the binary");
    child.stdin.take().expect("is piped").write_all(input.as_bytes()).expect("write the input");
    child.wait_with_output().expect("run to its end")
}

#[track_caller]
fn done(yard: &Yard, arguments: &[&str], input: &str) -> String {
    let output = command(yard, arguments, input);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(yard: &Yard, arguments: &[&str], input: &str) -> String {
    let output = command(yard, arguments, input);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    said
}

/// Lets commands find the daemon, whose port was any free one.
fn findable(yard: &Yard, config: Config, daemon: &Daemon) -> Config {
    let config = config.set("admin", &format!("listen = \"{}\"", daemon.admin));
    yard.write_config(&config);
    config
}

fn stored_route(config: Config, secret: &str) -> Config {
    config.raw_route(&format!(
        "name = \"in\"\npath = \"/in\"\nprovider = \"github\"\nsecret = {secret}\n\
         handlers = [\"confidant/tell\"]"
    ))
}

/// The answer to a delivery that is signed with this secret.
fn delivered(daemon: &Daemon, secret: &str, delivery: &str) -> u16 {
    let body = json!({ "how": "done" }).to_string();
    daemon.send(&Request::github_with(secret, "/in", "push", delivery, body)).status
}

/// Every file below the yard's data folder, and what was logged, without any of these.
#[track_caller]
fn assert_nowhere(yard: &Yard, log: &[String], secrets: &[&str]) {
    let mut looked_at = 0;
    for entry in fs::read_dir(yard.data()).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        looked_at += 1;
        let content = fs::read(&path).unwrap();
        for secret in secrets {
            let found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
    assert!(looked_at >= 2, "the database and its lock");
    for line in log {
        for secret in secrets {
            assert!(!line.contains(secret), "{secret} is in the log: {line}");
        }
    }
}

#[test]
fn a_stored_secret_is_set_changed_and_removed_while_the_daemon_runs() {
    let (yard, config) = yard_with_key();
    let granted = config.set("plugin.confidant", "secrets = { api_key = { stored = \"api\" } }");
    // Without a daemon the command writes the store itself, and makes it.
    yard.write_config(&granted);
    done(&yard, &["secrets", "set", "api"], &format!("{API_KEY}\n"));
    done(&yard, &["secrets", "set", "github"], FIRST);
    assert!(fs::metadata(yard.path("data/hookyard.db")).unwrap().permissions().mode() & 0o77 == 0);

    let config = stored_route(granted, "{ stored = \"github\" }");
    let daemon = yard.start(&config);
    findable(&yard, config, &daemon);
    assert_eq!(delivered(&daemon, FIRST, "1"), 202);
    assert_eq!(delivered(&daemon, SECOND, "2"), 401);

    // The answer of the command is the moment from which it holds.
    let said = done(&yard, &["secrets", "set", "github"], &format!("{SECOND}\r\n"));
    assert_eq!(said, "github is set, for route in\n");
    assert_eq!(delivered(&daemon, SECOND, "3"), 202);
    assert_eq!(delivered(&daemon, FIRST, "4"), 401);

    let listed: Value =
        serde_json::from_str(&done(&yard, &["secrets", "list", "--json"], "")).unwrap();
    let secrets = listed["secrets"].as_array().unwrap();
    assert_eq!(secrets.len(), 2);
    assert_eq!(secrets[0]["name"], "api");
    assert_eq!(secrets[0]["used_by"], json!(["plugin confidant"]));
    assert_eq!(secrets[1]["used_by"], json!(["route in"]));
    assert!(secrets[1]["set_at"].as_str().is_some_and(|at| at.ends_with('Z')));

    // What something uses is not removed, unless somebody insists.
    let said = refused(&yard, &["secrets", "rm", "github"], "");
    assert!(said.contains("github is used by route in"), "{said}");
    assert_eq!(delivered(&daemon, SECOND, "5"), 202);
    let said = done(&yard, &["secrets", "rm", "github", "--force"], "");
    assert_eq!(said, "github is removed, and missing to route in\n");
    assert_eq!(delivered(&daemon, SECOND, "6"), 401);
    let said = refused(&yard, &["secrets", "rm", "github"], "");
    assert!(said.contains("there is no stored secret github"), "{said}");
    // Another secret can be set meanwhile, and this one again.
    done(&yard, &["secrets", "set", "another"], "x");
    assert_eq!(delivered(&daemon, SECOND, "7"), 401);
    done(&yard, &["secrets", "set", "github"], FIRST);
    assert_eq!(delivered(&daemon, FIRST, "8"), 202);

    // What cannot be used is refused, and what was stays.
    let said = refused(&yard, &["secrets", "set", "api"], "short");
    assert!(said.contains("plugin confidant: `api_key`") && said.contains("8 bytes"), "{said}");
    let said = refused(&yard, &["secrets", "set", "large"], &"x".repeat((64 << 10) + 1));
    assert!(said.contains("more than 65536 bytes"), "{said}");

    let log = daemon.stop();
    assert_nowhere(&yard, &log, &[FIRST, SECOND, API_KEY]);

    // The next start refuses what refers to a secret that is gone.
    done(&yard, &["secrets", "rm", "github", "--force"], "");
    let checked = command(&yard, &["check"], "");
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(78), "{said}");
    assert!(said.contains("stored secret github is not set"), "{said}");
    assert!(said.contains("hookyard secrets set github"), "{said}");
}

#[test]
fn a_configuration_that_waits_for_a_secret_is_taken_when_it_is_set() {
    let yard = Yard::with_plugins(&["confidant"]);
    let config =
        yard.config().set("plugin.confidant", "secrets = { api_key = { file = \"api\" } }");
    fs::write(yard.path("api"), API_KEY).unwrap();
    let daemon = yard.start(&config);
    // The key, the reference and everything: refused, because the secret is not there.
    fs::write(yard.path("secrets.key"), key("1")).unwrap();
    let config = config.set("secrets", "key = { file = \"secrets.key\" }");
    findable(&yard, stored_route(config, "{ stored = \"github\" }"), &daemon);
    daemon.until_logged_text(0, "stored secret github is not set");
    let mark = daemon.mark();
    done(&yard, &["secrets", "set", "github"], FIRST);
    daemon.until_logged_text(mark, "configuration reloaded");
    assert_eq!(delivered(&daemon, FIRST, "1"), 202);
    assert_nowhere(&yard, &daemon.stop(), &[FIRST, API_KEY]);
}

#[test]
fn another_key_is_noticed_and_takes_over() {
    let (yard, config) = yard_with_key();
    let config = config.set("plugin.confidant", "secrets = { api_key = { stored = \"api\" } }");
    let config = stored_route(config, "{ stored = \"github\" }");
    yard.write_config(&config);
    done(&yard, &["secrets", "set", "api"], API_KEY);
    done(&yard, &["secrets", "set", "github"], FIRST);

    let check = |says: &str| {
        let output = command(&yard, &["check"], "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(says), "{said}");
    };
    fs::write(yard.path("new.key"), "no key").unwrap();
    let with_key = |keys: &str| {
        let keys: Vec<&str> = keys.split('\n').collect();
        let config = keys.iter().fold(config.clone(), |config, line| config.set("secrets", line));
        yard.write_config(&config);
        config
    };
    with_key("key = { file = \"missing.key\" }");
    check("missing.key");
    with_key("key = { file = \"new.key\" }");
    check("is no key: it is not 64 hexadecimal digits");
    let made = Command::new(hookyard()).args(["secrets", "new-key"]).output().unwrap();
    fs::write(yard.path("new.key"), &made.stdout).unwrap();
    check("was encrypted with the key");

    // With both, the daemon starts, and encrypts everything with the new one.
    let both = with_key("key = { file = \"new.key\" }\nformer_keys = [{ file = \"secrets.key\" }]");
    let daemon = yard.start(&both);
    findable(&yard, both, &daemon);
    assert_eq!(delivered(&daemon, FIRST, "1"), 202);
    let said = done(&yard, &["secrets", "rekey"], "");
    assert_eq!(said, "encrypted anew: 2; `former_keys` are not needed any more\n");
    assert_eq!(delivered(&daemon, FIRST, "2"), 202);
    daemon.stop();
    fs::remove_file(yard.path("secrets.key")).unwrap();
    let daemon = yard.start(&config.set("secrets", "key = { file = \"new.key\" }"));
    assert_eq!(delivered(&daemon, FIRST, "3"), 202);
    daemon.stop();
}

#[test]
fn what_a_plugin_says_of_its_secret_is_kept_nowhere() {
    let yard = Yard::with_plugins(&["confidant"]);
    fs::write(yard.path("api"), API_KEY).unwrap();
    let config = yard
        .config()
        .set("plugin.confidant", "secrets = { api_key = { file = \"api\" } }")
        .route("in", "confidant/tell", &["retry = { max_attempts = 1 }"])
        .route("reply", "confidant/tell", &["mode = \"respond\""]);
    let daemon = yard.start(&config);
    let mut ids = Vec::new();
    for how in ["log", "done", "ignore", "retry", "reject", "panic", "header"] {
        let body = json!({ "how": how }).to_string();
        ids.push((how, daemon.send(&Request::github("/in", "push", how, body)).accepted()));
    }
    for (how, id) in &ids {
        let state = match *how {
            "log" | "done" => "succeeded",
            "ignore" => "ignored",
            _ => "dead-letter",
        };
        let shown = yard.until_state(id, state);
        assert!(shown.to_string().contains("[secret]"), "{how}: {shown}");
        assert!(!shown.to_string().contains("sk_test_"), "{how}: {shown}");
        if *how == "log" {
            let log = attempts(&shown)[0]["log"].as_array().unwrap();
            assert_eq!(log[0]["message"], "the key is [secret], I say [secret]");
            assert!(log[1].to_string().contains("\"[secret]\""), "{}", log[1]);
        }
    }
    daemon.until_logged_text(0, "the key is [secret], I say [secret]");
    // What it answers is its own affair.
    let reply = daemon.send(&Request::github("/reply", "push", "r", "{}"));
    assert_eq!((reply.status, reply.text().as_str()), (200, API_KEY));
    // On `respond` routes a reply is stored for resends.
    let log = daemon.log_text();
    assert!(!log.contains("sk_test_"), "{log}");

    // Another value is there for the next attempt, and is as secret.
    let other = "another-value-of-the-api-key";
    let mark = daemon.mark();
    fs::write(yard.path("api"), other).unwrap();
    daemon.until_logged_text(mark, "configuration reloaded");
    let reply = daemon.send(&Request::github("/reply", "push", "s", "{}"));
    assert_eq!(reply.text(), other);
    daemon.stop();
}

#[test]
fn a_secret_that_is_not_granted_keeps_the_plugin_from_being_loaded() {
    let yard = Yard::with_plugins(&["confidant"]);
    fs::write(yard.path("api"), API_KEY).unwrap();
    let daemon = yard.start(&yard.config());
    daemon.until_logged_text(0, "plugin `confidant` uses the secret `api_key`, which");
    let mark = daemon.mark();
    yard.write_config(
        &yard.config().set("plugin.confidant", "secrets = { api_key = { file = \"api\" } }"),
    );
    daemon.until_logged(mark, "it is loaded", |line| line["message"] == "plugin serves");
    // A configuration that takes it away is refused.
    let mark = daemon.mark();
    yard.write_config(&yard.config());
    daemon.until_logged_text(mark, "the one before stays in force");
    daemon.stop();
}

#[test]
fn a_plugin_that_logs_without_end_does_not_fill_the_daemon_s_log() {
    let yard = Yard::with_plugins(&["confidant"]);
    fs::write(yard.path("api"), API_KEY).unwrap();
    let config = yard
        .config()
        .set("plugin.confidant", "secrets = { api_key = { file = \"api\" } }")
        .set("plugin.confidant", "log_rate = \"16KiB\"")
        .route("in", "confidant/tell", &[]);
    let daemon = yard.start(&config);
    let body = json!({ "how": "flood", "lines": 200 }).to_string();
    let ids: Vec<String> = (0..20)
        .map(|number| {
            let delivery = number.to_string();
            daemon.send(&Request::github("/in", "push", &delivery, body.clone())).accepted()
        })
        .collect();
    for id in &ids {
        let shown = yard.until_state(id, "succeeded");
        assert!(attempts(&shown)[0]["log"].as_array().unwrap().len() > 150, "the attempt has it");
    }
    let told =
        daemon.until_logged_text(0, "logs faster than its `log_rate` of 16384 bytes a second");
    assert!(told.to_string().contains("lines were left out"), "{told}");
    // 128 KiB at once and 16 KiB a second, of some 3,600 lines of some 470 bytes.
    let written = daemon.log_text().matches("xxxxxxxx").count() / 25;
    assert!((100..1500).contains(&written), "{written} lines were written");
    daemon.stop();
}
