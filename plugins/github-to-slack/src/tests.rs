//! GitHub's payloads, cut down to a part of their members, and Slack's answers.

use hookyard_sdk::ConnectionError;
use hookyard_sdk::testing::{self, ResponseBuilder, Run};

use super::*;

fn repository() -> Value {
    json!({
        "id": 186_853_002,
        "name": "Hello-World",
        "full_name": "Codertocat/Hello-World",
        "private": false,
        "html_url": "https://github.com/Codertocat/Hello-World",
        "default_branch": "main",
    })
}

fn sender() -> Value {
    json!({ "login": "Codertocat", "id": 21_031_067, "type": "User" })
}

fn commit(number: u8, message: &str) -> Value {
    let id = format!("{number:x}ecb2a6b").repeat(5);
    json!({
        "id": id,
        "message": message,
        "url": format!("https://github.com/Codertocat/Hello-World/commit/{id}"),
        "author": { "name": "Mona & Co", "email": "mona@example.com", "username": "mona" },
        "added": [], "removed": [], "modified": ["README.md"],
    })
}

fn push(changed: &[(&str, Value)]) -> Value {
    let mut payload = json!({
        "ref": "refs/heads/main",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
        "created": false,
        "deleted": false,
        "forced": false,
        "base_ref": null,
        "compare": "https://github.com/Codertocat/Hello-World/compare/6113728f27ae...59b20b8d5c6f",
        "commits": [commit(1, "Fix <b>\n\nIt was not closed."), commit(2, "Paint it")],
        "repository": repository(),
        "pusher": { "name": "Codertocat", "email": "codertocat@example.com" },
        "sender": sender(),
    });
    for (key, value) in changed {
        payload[*key] = value.clone();
    }
    payload
}

fn pull_request(action: &str, changed: &[(&str, Value)]) -> Value {
    let mut pull_request = json!({
        "id": 279_147_437,
        "number": 2,
        "state": "open",
        "title": "Update the README with new information.",
        "html_url": "https://github.com/Codertocat/Hello-World/pull/2",
        "user": sender(),
        "draft": false,
        "merged": false,
        "head": { "ref": "changes", "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821" },
        "base": { "ref": "main", "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e" },
    });
    for (key, value) in changed {
        pull_request[*key] = value.clone();
    }
    json!({
        "action": action,
        "number": 2,
        "pull_request": pull_request,
        "repository": repository(),
        "sender": sender(),
    })
}

fn issue(action: &str, state_reason: Value) -> Value {
    json!({
        "action": action,
        "issue": {
            "id": 444_500_041,
            "number": 1,
            "title": "Spelling error in the README file",
            "html_url": "https://github.com/Codertocat/Hello-World/issues/1",
            "state": "open",
            "state_reason": state_reason,
        },
        "repository": repository(),
        "sender": sender(),
    })
}

fn release(action: &str, name: Value, prerelease: bool) -> Value {
    json!({
        "action": action,
        "release": {
            "id": 17_372_790,
            "tag_name": "0.0.1",
            "target_commitish": "main",
            "name": name,
            "html_url": "https://github.com/Codertocat/Hello-World/releases/tag/0.0.1",
            "draft": false,
            "prerelease": prerelease,
        },
        "repository": repository(),
        "sender": sender(),
    })
}

fn ok() -> ResponseBuilder {
    testing::response(200).json(&json!({ "ok": true, "channel": "C0", "ts": "1.2" }))
}

fn run_with(rules: Value, kind: &str, payload: &Value, answer: Option<ResponseBuilder>) -> Run {
    let mut host = testing::host().setting("rules", rules);
    if let Some(answer) = answer {
        host = host.answer("slack", answer);
    }
    host.run(notify, testing::event().kind(kind).json(payload).build())
}

/// The line that is posted when there is one rule for everything.
fn line(kind: &str, payload: &Value) -> String {
    let run = run_with(json!([{ "channel": "#all" }]), kind, payload, Some(ok()));
    run.expect_done();
    let [request] = run.requests() else { panic!("one request, not {:?}", run.requests()) };
    assert_eq!((request.connection.as_str(), request.method.as_str()), ("slack", "POST"));
    assert_eq!(request.path, "chat.postMessage");
    let body: Value = request.json();
    assert_eq!(body["channel"], "#all");
    body["text"].as_str().unwrap_or_default().to_owned()
}

const HELLO: &str =
    "<https://github.com/Codertocat/Hello-World|Codertocat/Hello-World>: Codertocat";

#[test]
fn a_push_is_a_line_and_its_commits() {
    let compare = "https://github.com/Codertocat/Hello-World/compare/6113728f27ae...59b20b8d5c6f";
    let (first, second) = ("1ecb2a6b".repeat(5), "2ecb2a6b".repeat(5));
    let at = "https://github.com/Codertocat/Hello-World/commit";
    assert_eq!(
        line("push", &push(&[])),
        format!(
            "{HELLO} pushed <{compare}|2 commits> to `main`\n\
             • <{at}/{first}|`1ecb2a6`> Fix &lt;b&gt; (Mona &amp; Co)\n\
             • <{at}/{second}|`2ecb2a6`> Paint it (Mona &amp; Co)"
        )
    );
    let many: Vec<Value> = (1..=7).map(|number| commit(number, "c")).collect();
    let text = line("push", &push(&[("commits", json!(many)), ("forced", json!(true))]));
    assert!(text.starts_with(&format!("{HELLO} force-pushed <{compare}|7 commits> to `main`\n")));
    assert_eq!(text.lines().count(), 7);
    assert!(!text.contains("2ecb2a6") && text.contains("|`3ecb2a6`>"), "{text}");
    assert!(text.ends_with("\n• and 2 before"), "{text}");
}

#[test]
fn branches_and_tags_come_and_go() {
    let none = || ("commits", json!([]));
    for (changed, did) in [
        (vec![("created", json!(true)), none()], "pushed the branch `main`"),
        (vec![("deleted", json!(true)), none()], "deleted the branch `main`"),
        (vec![("ref", json!("refs/tags/v1")), none()], "pushed the tag `v1`"),
        (
            vec![("ref", json!("refs/tags/v1")), ("deleted", json!(true)), none()],
            "deleted the tag `v1`",
        ),
        (
            vec![("ref", json!("refs/heads/a`<b")), ("deleted", json!(true)), none()],
            "deleted the branch `a'&lt;b`",
        ),
    ] {
        assert_eq!(line("push", &push(&changed)), format!("{HELLO} {did}"));
    }
    let text = line("push", &push(&[("created", json!(true))]));
    assert!(text.contains("|2 commits> to new branch `main`\n"), "{text}");
}

#[test]
fn pull_requests_issues_and_releases_are_one_line() {
    let link = "<https://github.com/Codertocat/Hello-World/pull/2|#2 Update the README with new information.>";
    for (action, changed, did) in [
        ("opened", vec![], "opened the pull request"),
        ("opened", vec![("draft", json!(true))], "opened the draft pull request"),
        ("reopened", vec![], "reopened the pull request"),
        ("ready_for_review", vec![], "asks for reviews of the pull request"),
        ("closed", vec![("merged", json!(true))], "merged the pull request"),
        ("closed", vec![("merged", Value::Null)], "closed the pull request"),
    ] {
        let text = line("pull_request", &pull_request(action, &changed));
        assert_eq!(text, format!("{HELLO} {did} {link} into `main`"));
    }

    let link =
        "<https://github.com/Codertocat/Hello-World/issues/1|#1 Spelling error in the README file>";
    for (action, reason, did, how) in [
        ("opened", Value::Null, "opened the issue", ""),
        ("reopened", json!("reopened"), "reopened the issue", ""),
        ("closed", json!("completed"), "closed the issue", ""),
        ("closed", json!("not_planned"), "closed the issue", " as not planned"),
    ] {
        assert_eq!(line("issues", &issue(action, reason)), format!("{HELLO} {did} {link}{how}"));
    }

    let at = "https://github.com/Codertocat/Hello-World/releases/tag/0.0.1";
    for (name, prerelease, said) in [
        (Value::Null, false, format!("the release <{at}|0.0.1>")),
        (json!("0.0.1"), true, format!("the pre-release <{at}|0.0.1>")),
        (json!("The first"), false, format!("the release <{at}|The first (0.0.1)>")),
    ] {
        let text = line("release", &release("published", name, prerelease));
        assert_eq!(text, format!("{HELLO} published {said}"));
    }
}

#[test]
fn of_other_actions_nothing_is_said() {
    let rules = || json!([{ "channel": "#all" }]);
    for (kind, payload) in [
        ("pull_request", pull_request("synchronize", &[])),
        ("issues", issue("labeled", Value::Null)),
        ("release", release("created", Value::Null, false)),
        ("push", push(&[("ref", json!("refs/notes/commits"))])),
    ] {
        let run = run_with(rules(), kind, &payload, None);
        assert!(run.expect_ignored().starts_with(&format!("nothing is said of {kind}")));
    }
}

#[test]
fn the_first_rule_that_matches_says_the_channel() {
    let rules = json!([
        { "channel": "#deploys", "repository": "codertocat/*", "events": ["push"], "branch": "main" },
        { "channel": "#releases", "branch": "release/*" },
        { "channel": "#issues", "events": ["issues", "release"] },
        { "channel": "#others", "repository": "acme/*" },
    ]);
    let channel = |kind: &str, payload: &Value| {
        let run = run_with(rules.clone(), kind, payload, Some(ok()));
        let asked = run.requests().first().map(|request| request.json::<Value>());
        asked.map(|body| body["channel"].as_str().unwrap_or_default().to_owned())
    };
    let to = |branch: &str| push(&[("ref", json!(branch))]);
    for (kind, payload, expected) in [
        ("push", to("refs/heads/main"), Some("#deploys")),
        ("push", to("refs/heads/release/1.2"), Some("#releases")),
        ("push", to("refs/heads/mine"), None),
        ("push", to("refs/tags/main"), None),
        ("pull_request", pull_request("opened", &[]), None),
        (
            "pull_request",
            pull_request("opened", &[("base", json!({ "ref": "release/2" }))]),
            Some("#releases"),
        ),
        ("issues", issue("opened", Value::Null), Some("#issues")),
        ("release", release("published", Value::Null, false), Some("#issues")),
    ] {
        assert_eq!(channel(kind, &payload).as_deref(), expected, "{kind} {}", payload["ref"]);
    }
    let run = run_with(rules, "push", &to("refs/heads/mine"), None);
    assert_eq!(run.expect_ignored(), "no rule is for push in Codertocat/Hello-World");
}

#[test]
fn what_slack_refuses_is_tried_again_or_rejected() {
    let run = |answer: ResponseBuilder| {
        run_with(json!([{ "channel": "#all" }]), "push", &push(&[]), Some(answer))
    };
    let refusal = |error: &str| {
        testing::response(200).json(&json!({ "ok": false, "error": error, "needed": "chat:write" }))
    };
    for error in ["ratelimited", "internal_error", "service_unavailable"] {
        let run = run(refusal(error));
        assert_eq!(
            run.expect_retry().message(),
            format!("Slack refused the message to #all: {error}")
        );
        assert_eq!(run.expect_retry().retry_after(), None);
    }
    let later = run(refusal("ratelimited").header("retry-after", "30"));
    assert_eq!(later.expect_retry().retry_after(), Some(Duration::from_secs(30)));
    for (error, hint) in [
        ("channel_not_found", ": is the channel right, and was the app invited to it?"),
        ("not_in_channel", ": is the channel right, and was the app invited to it?"),
        ("invalid_auth", ": look at the token of the connection `slack`"),
        ("missing_scope", ": give the app the scope chat:write"),
        ("is_archived", ""),
    ] {
        let run = run(refusal(error));
        let message = format!("Slack refused the message to #all: {error}{hint}");
        assert_eq!(run.expect_rejected(), message);
    }
    let limited = run(testing::response(429).header("retry-after", "7"));
    assert_eq!(limited.expect_retry().retry_after(), Some(Duration::from_secs(7)));
    run(testing::response(500)).expect_retry();
    assert!(run(testing::response(403)).expect_rejected().contains("answered 403"));
    run(testing::response(200).text("<html>")).expect_rejected();

    let host = testing::host().setting("rules", json!([{ "channel": "#all" }]));
    let host = host.fail("slack", ConnectionError::Network("the connection broke".into()));
    let broken = host.run(notify, testing::event().kind("push").json(&push(&[])).build());
    broken.expect_retry();
}

#[test]
fn a_form_has_the_payload_in_a_field() {
    let payload = push(&[]).to_string();
    let event = testing::event().kind("push").form([("payload", payload.as_str())]).build();
    let host = testing::host().setting("rules", json!([{ "channel": "C024BE91L" }]));
    let run = host.answer("slack", ok()).run(notify, event);
    assert_eq!(
        run.expect_done().message(),
        Some("told C024BE91L of push in Codertocat/Hello-World")
    );
    let event = testing::event().kind("push").form([("body", "{}")]).build();
    let host = testing::host().setting("rules", json!([{ "channel": "#all" }]));
    assert_eq!(host.run(notify, event).expect_rejected(), "the form has no field `payload`");
}

#[test]
fn mistakes_in_settings_and_payloads_are_rejects() {
    let all = || json!([{ "channel": "#all" }]);
    let run = run_with(all(), "push", &json!({ "zen": "Keep it logically awesome." }), None);
    assert!(
        run.expect_rejected().starts_with("the payload is not what GitHub sends: missing field")
    );
    for (rules, problem) in [
        (json!([{ "channel": "#all", "branches": "main" }]), "unknown field `branches`"),
        (json!([{ "channel": "#all", "events": ["star"] }]), "unknown variant `star`"),
        (json!([{ "repository": "a/b" }]), "missing field `channel`"),
    ] {
        let run = run_with(rules, "push", &push(&[]), None);
        let reason = run.expect_rejected();
        assert!(reason.starts_with("the setting `rules`") && reason.contains(problem), "{reason}");
    }
}
