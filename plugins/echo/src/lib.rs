//! A plugin that replies with what it saw: for trying things, and for measuring.
#![forbid(unsafe_code)]

use hookyard_sdk::prelude::*;

/// What it saw; the whole reply.
#[derive(Serialize)]
struct Seen<'a> {
    id: &'a str,
    source: &'a str,
    kind: &'a str,
    delivery_id: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    /// Names and values in the order received; what is not UTF-8 is shown with U+FFFD.
    headers: Vec<(&'a str, String)>,
    body_bytes: usize,
    /// The names at the top of a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    json_keys: Option<Vec<&'a str>>,
}

/// Replies with what it saw of the event, as JSON.
#[handler]
fn echo(event: Event, _host: Host) -> Outcome {
    let is_json = event.header("content-type").is_some_and(is_json);
    let json: Option<Value> = if is_json { Some(event.json()?) } else { None };

    let bytes = event.body().len();
    info!("echo: {} {bytes} bytes", event.kind());

    reply(200)
        .json(&Seen {
            id: event.id(),
            source: event.source(),
            kind: event.kind(),
            delivery_id: event.delivery_id(),
            method: event.method(),
            path: event.path(),
            headers: event
                .headers()
                .map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned()))
                .collect(),
            body_bytes: bytes,
            json_keys: json
                .as_ref()
                .and_then(Value::as_object)
                .map(|object| object.keys().map(String::as_str).collect()),
        })
        .message(format!("{bytes} bytes"))
}

/// Whether a `content-type` says JSON: `application/json`, or a suffix as in `application/problem+json`.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

hookyard_sdk::plugin!(echo);

#[cfg(test)]
mod tests {
    use hookyard_sdk::testing;

    use super::*;

    #[test]
    fn replies_with_what_it_saw() {
        let event = testing::event()
            .kind("push")
            .delivery_id("72d3162e")
            .path("/hooks/github")
            .header("x-name", b"caf\xe9")
            .json(&json!({ "ref": "refs/heads/main", "commits": [] }))
            .build();
        let run = testing::run(echo, event);

        let seen: Value = run.expect_reply().json();
        assert_eq!(seen["kind"], "push");
        assert_eq!(seen["delivery_id"], "72d3162e");
        assert_eq!(seen["method"], "POST");
        assert_eq!(seen["path"], "/hooks/github");
        assert_eq!(
            seen["headers"],
            json!([["x-name", "caf\u{fffd}"], ["content-type", "application/json"]])
        );
        assert_eq!(seen["body_bytes"], 38);
        assert_eq!(seen["json_keys"], json!(["commits", "ref"]));
        assert_eq!(run.log_messages(), ["echo: push 38 bytes"]);
    }

    #[test]
    fn reads_json_only_where_the_sender_says_json() {
        let form = testing::run(echo, testing::event().form([("a", "1")]).build());
        assert_eq!(form.expect_reply().json::<Value>().get("json_keys"), None);

        let broken = testing::event().header("content-type", "application/json").body("{").build();
        assert!(testing::run(echo, broken).expect_rejected().starts_with("the JSON is not"));

        for (content_type, expected) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("Application/JSON", true),
            ("application/cloudevents+json", true),
            ("text/json-lines", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type), expected, "{content_type}");
        }
    }
}
