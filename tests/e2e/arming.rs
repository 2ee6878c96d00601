//! The admin API, who may use it, and the command that arms a route through it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::Duration;

use hookyard_tests::{Client, Daemon, Reply, Request, SECRET, Yard, until_true};

fn ask(daemon: &Daemon, method: &str, path: &str, token: Option<&str>) -> Reply {
    let mut request = Request::new(method, path);
    if let Some(token) = token {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    Client::connect(daemon.admin).send(&request)
}

#[track_caller]
fn assert_problem(reply: &Reply, status: u16, says: &str) {
    assert_eq!(reply.status, status, "{reply:?} {}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem = reply.json();
    assert_eq!(problem["status"], status, "{problem}");
    assert!(problem["title"].is_string() && problem["type"] == "about:blank", "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(says), "`{says}` is not in {detail}");
}

/// What a command says when it fails with this code.
#[track_caller]
fn failure(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "a failure prints data");
    said
}

#[test]
fn the_api_is_for_whoever_shows_the_token() {
    let yard = Yard::new();
    let daemon = yard.start(&yard.config().route("q", "misbehave/ok", &[]));
    let file = yard.path("data/admin-token");
    let path = file.display().to_string();
    daemon.until_logged(0, "where the token is", |line| line["file"] == path.as_str());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap().trim_end().to_owned();
    assert_eq!(token.len(), 64, "32 bytes in hex");

    let short = &token[1..];
    let longer = format!("{token}0");
    for wrong in [None, Some(""), Some("guess"), Some(short), Some(&longer), Some(SECRET)] {
        for (method, path) in [
            ("GET", "/v1/routes"),
            ("POST", "/v1/routes/q/arm"),
            ("POST", "/v1/routes/nope/arm"),
            ("DELETE", "/v1/routes/q/secrets"),
            ("POST", "/v1/routes/q/secrets/reveal"),
            ("GET", "/v1/nothing"),
            ("GET", "/v1"),
        ] {
            let reply = ask(&daemon, method, path, wrong);
            assert_problem(&reply, 401, "Authorization: Bearer");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    }
    let by_another_scheme =
        Request::new("GET", "/v1/routes").header("authorization", &format!("Basic {token}"));
    assert_eq!(Client::connect(daemon.admin).send(&by_another_scheme).status, 401);
    assert_eq!(daemon.admin("/healthz").status, 200, "health is open");
    assert_eq!(daemon.client().send(&Request::new("GET", "/v1/routes")).status, 404, "not public");

    let right = |method: &str, path: &str| ask(&daemon, method, path, Some(&token));
    let listed = right("GET", "/v1/routes");
    assert_eq!(listed.status, 200);
    let route = &listed.json()["routes"][0];
    assert_eq!((&route["name"], &route["provider"]), (&"q".into(), &"github".into()));
    assert!(route["armed_until"].is_null() && route["learned_secrets"] == 0, "{route}");
    assert_problem(&right("POST", "/v1/routes/nope/arm"), 404, "the routes are q");
    assert_problem(&right("POST", "/v1/routes/q/arm"), 409, "from the configuration");
    assert_problem(&right("DELETE", "/v1/routes/q/secrets"), 409, "from the configuration");
    let reveal = "/v1/routes/q/secrets/reveal";
    assert_problem(&right("POST", reveal), 409, "from the configuration");
    assert_problem(&right("GET", reveal), 405, "POST");
    assert_problem(&right("GET", "/v1/routes/q/arm"), 405, "POST");
    assert_problem(&right("GET", "/v1/nothing"), 404, "no such path");

    let log = daemon.stop().join("\n");
    assert!(!log.contains(&token), "the token is in the log");
    let daemon = yard.restart();
    assert_eq!(ask(&daemon, "GET", "/v1/routes", Some(&token)).status, 200, "another at a restart");
}

#[test]
fn a_token_of_the_configuration_is_taken_up_when_it_changes() {
    let yard = Yard::new();
    let file = yard.path("token");
    fs::write(&file, "the-first-token\n").unwrap();
    let own = yard.config().set("admin", &format!("token = {{ file = {file:?} }}"));
    let daemon = yard.start(&own);
    assert!(!yard.path("data/admin-token").exists(), "a token is made that nobody needs");
    let status = |token| ask(&daemon, "GET", "/v1/routes", Some(token)).status;
    assert_eq!(status("the-first-token"), 200);

    let mark = daemon.mark();
    fs::write(&file, "no token\n").unwrap();
    let line = daemon.until_logged_text(mark, "configuration refused");
    assert!(line.to_string().contains("[admin] token"), "{line}");
    assert!(!line.to_string().contains("no token"), "{line}");
    assert_eq!(status("the-first-token"), 200);
    let said = failure(&yard.command(&["check"]), 78);
    assert!(said.contains("[admin] token"), "{said}");

    fs::write(&file, "the-second-token\n").unwrap();
    until_true("the new token is taken", Duration::from_secs(20), || {
        status("the-second-token") == 200
    });
    assert_eq!(status("the-first-token"), 401);

    // Without one in the configuration the daemon makes its own.
    yard.write_config(&yard.config());
    until_true("a token is made and taken", Duration::from_secs(20), || {
        // Asking is what makes it.
        status("the-second-token") == 401
            && fs::read_to_string(yard.path("data/admin-token")).is_ok_and(|made| {
                ask(&daemon, "GET", "/v1/routes", Some(made.trim())).status == 200
            })
    });
}

#[test]
fn the_command_asks_the_daemon_of_its_configuration() {
    let yard = Yard::new();
    let config = yard.config().route("q", "misbehave/ok", &[]);
    yard.write_config(&config);
    let listed = yard.command(&["routes", "list", "--json"]);
    assert!(listed.status.success());
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["routes"][0]["path"], "/q");
    let table = yard.command(&["routes", "list"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("misbehave/ok") && table.contains("github"), "{table}");

    let arm = |name: &str| yard.command(&["routes", "arm", name]);
    let said = failure(&arm("q"), 1);
    assert!(said.contains("port 0"), "{said}");

    let daemon = yard.restart();
    let known = config.set("admin", &format!("listen = \"{}\"", daemon.admin));
    yard.write_config(&known);
    let said = failure(&arm("nope"), 1);
    assert!(said.contains("no such route; the routes are q"), "{said}");
    let said = failure(&arm("q"), 1);
    assert!(said.contains("has its secret from the configuration"), "{said}");
    let said = failure(&arm("../healthz"), 1);
    assert!(said.contains("hookyard routes list"), "{said}");
    let said = failure(&yard.command(&["routes", "forget", "q"]), 1);
    assert!(said.contains("has its secret from the configuration"), "{said}");
    for wrong in ["2h", "0s", "soon"] {
        let said = failure(&yard.command(&["routes", "arm", "q", "--for", wrong]), 2);
        assert!(said.contains("--for"), "{said}");
    }

    // The command believes the configuration, and the daemon has its own mind.
    fs::write(yard.path("data/admin-token"), "another\n").unwrap();
    let said = failure(&arm("q"), 1);
    assert!(said.contains("does not take the token"), "{said}");
    fs::remove_file(yard.path("data/admin-token")).unwrap();
    let said = failure(&arm("q"), 1);
    assert!(said.contains("there is no token at") && said.contains("admin-token"), "{said}");

    let address = daemon.admin.to_string();
    daemon.stop();
    yard.restart().stop();
    let said = failure(&arm("q"), 1);
    assert!(said.contains("no daemon can be reached") && said.contains(&address), "{said}");

    yard.write_config_text("[sever]\n");
    failure(&arm("q"), 78);
    failure(&yard.command(&["routes", "list"]), 78);
}
