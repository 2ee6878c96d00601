//! `hookyard verify`: would this captured request be let in, and if not, why?

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use data_encoding::BASE64;
use hookyard_verify::{
    Case, Check, Explanation, HandshakeReply, Outcome, Reason, Received, Refused, Secret,
    SetupError, Verified, explain,
};
use serde_json::{Value, json};

use super::captured::Captured;
use super::{EXIT_USAGE, now};

/// Judges the request in `file` and prints every check and what went wrong.
///
/// Exit code 0 for a request that is let in or answered, 1 for one that is refused, 2 for a file
/// that is no captured request.
pub(crate) fn run(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let captured = match Captured::read(file, now()) {
        Ok(captured) => captured,
        Err(error) => {
            eprintln!("hookyard: {error:#}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let judged = judge(&captured);
    let mut out = std::io::stdout().lock();
    match json {
        true => writeln!(out, "{:#}", as_json(&judged))?,
        false => out.write_all(as_text(&captured, &judged).as_bytes())?,
    }
    let accepted = judged.is_ok_and(|explanation| explanation.verdict.is_ok());
    Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn judge(captured: &Captured) -> Result<Explanation, SetupError> {
    let judge = |secrets: &[Secret]| {
        let Captured { profile, settings, request, now, .. } = captured;
        let case = Case { profile, secrets, settings, request, now: *now };
        let explain = |keyring| explain(&case, |source| captured.document(source), keyring);
        let explanation = explain(captured.keyring())?;
        let unanswered = explanation.verdict.as_ref().err().map(|refused| &refused.reason);
        match (unanswered, captured.answer()) {
            (Some(Reason::AnswerNeeded(question)), Some(verdict)) => {
                explain(captured.keyring().with_answer(question.clone(), verdict))
            }
            _ => Ok(explanation),
        }
    };
    match judge(&captured.secrets) {
        // Some handshakes need no secret: nobody knows this one, so that nothing else can pass.
        Err(SetupError::NoSecret) => judge(&[unknown_secret()])
            .ok()
            .filter(|explanation| matches!(explanation.verdict, Ok(Received::Handshake(_))))
            .ok_or(SetupError::NoSecret),
        judged => judged,
    }
}

fn unknown_secret() -> Secret {
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(32).collect();
    Secret::from(BASE64.encode(&bytes))
}

fn as_text(captured: &Captured, judged: &Result<Explanation, SetupError>) -> String {
    let mut text = String::new();
    let title = captured.profile.title;
    // Writing into a string does not fail.
    let explanation = match judged {
        Ok(explanation) => explanation,
        Err(error) => {
            let _ = writeln!(text, "refused: no route of {title} could be set up: {error}");
            return text;
        }
    };
    let _ = match &explanation.verdict {
        Ok(Received::Event(verified)) => writeln!(text, "accepted: {}", event_words(verified)),
        Ok(Received::Handshake(handshake)) => {
            writeln!(text, "accepted: a handshake of {title}, {}", handshake.name)
        }
        Err(refused) => writeln!(text, "refused: {}", refused.reason),
    };
    let colors = std::io::stdout().is_terminal();
    for check in &explanation.checks {
        let (mark, color, detail) = match &check.outcome {
            Outcome::Passed => ("ok  ", 32, ""),
            Outcome::Failed(detail) => ("FAIL", 31, detail.as_str()),
            Outcome::NotReached => ("-   ", 2, ""),
        };
        let mark = match colors {
            true => format!("\x1b[{color}m{mark}\x1b[0m"),
            false => mark.to_owned(),
        };
        let _ = writeln!(text, "  {mark}  {}", check.name);
        if !detail.is_empty() {
            let _ = writeln!(text, "        {detail}");
        }
    }
    for hint in &explanation.hints {
        let _ = writeln!(text, "\nhint: {hint}");
    }
    match &explanation.verdict {
        Ok(Received::Event(verified)) => {
            let open: Vec<&str> =
                verified.unauthenticated().iter().map(|part| part.as_str()).collect();
            if !open.is_empty() {
                let _ = writeln!(text, "\nnot covered by the signature: {}", open.join(", "));
            }
        }
        Ok(Received::Handshake(handshake)) => {
            if let Some(url) = &handshake.confirm {
                let _ = writeln!(text, "\nfetched before the answer: {url}");
            }
            if handshake.teaches.is_some() {
                text.push_str("\nIt brings the secret, which is taken while the route is armed.\n");
            }
            text.push_str("\nthe answer:\n\n");
            text.push_str(&reply_text(&handshake.reply));
        }
        Err(_) => {}
    }
    text
}

fn event_words(verified: &Verified) -> String {
    let mut words = "an event".to_owned();
    if let Some(kind) = verified.kind() {
        let _ = write!(words, " `{kind}`");
    }
    if let Some(id) = verified.delivery_id() {
        let _ = write!(words, " with the id `{id}`");
    }
    words
}

/// As it goes over the wire, without what every answer has.
fn reply_text(reply: &HandshakeReply) -> String {
    let mut text = format!("{}\n", reply.status);
    for (name, value) in &reply.headers {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    let _ = writeln!(text, "\n{}", String::from_utf8_lossy(&reply.body));
    text
}

fn as_json(judged: &Result<Explanation, SetupError>) -> Value {
    let explanation = match judged {
        Ok(explanation) => explanation,
        Err(error) => {
            return json!({
                "verdict": "refused",
                "reason": "setup",
                "message": error.to_string(),
                "checks": [],
                "hints": [],
            });
        }
    };
    let mut object = match &explanation.verdict {
        Ok(Received::Event(verified)) => json!({
            "verdict": "accepted",
            "kind": "event",
            "event": {
                "kind": verified.kind(),
                "delivery_id": verified.delivery_id(),
                "matched_secret": verified.matched_secret(),
                "one_time_token": verified.one_time_token(),
                "unauthenticated":
                    verified.unauthenticated().iter().map(|part| part.as_str()).collect::<Vec<_>>(),
            },
        }),
        Ok(Received::Handshake(handshake)) => json!({
            "verdict": "accepted",
            "kind": "handshake",
            "handshake": handshake.name,
            "reply": reply_json(&handshake.reply),
            "then_get": handshake.confirm,
            "teaches_secret": handshake.teaches.is_some(),
        }),
        Err(Refused { reason, .. }) => json!({
            "verdict": "refused",
            "reason": reason.label(),
            "message": reason.to_string(),
        }),
    };
    if let Value::Object(members) = &mut object {
        members.insert("checks".into(), explanation.checks.iter().map(check_json).collect());
        members.insert("hints".into(), json!(explanation.hints));
    }
    object
}

fn check_json(check: &Check) -> Value {
    let (result, detail) = match &check.outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed(detail) => ("failed", Some(detail)),
        Outcome::NotReached => ("not-reached", None),
    };
    json!({ "check": check.name, "result": result, "detail": detail })
}

fn reply_json(reply: &HandshakeReply) -> Value {
    let headers: serde_json::Map<String, Value> = reply
        .headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned().into())
        })
        .collect();
    json!({
        "status": reply.status.as_u16(),
        "headers": headers,
        "body": String::from_utf8_lossy(&reply.body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is asked: the file says what the sender has answered, or it is not known.
    #[test]
    fn what_a_sender_would_be_asked_stands_in_the_file() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify/tests/vectors/paypal.json");
        let vectors = std::fs::read(file).expect("readable");
        let vectors: Vec<serde_json::Map<String, Value>> =
            serde_json::from_slice(&vectors).expect("JSON");
        for (answer, reason) in [
            (None, Some("not-answered")),
            (Some(json!("SUCCESS")), None),
            (Some(json!("FAILURE")), Some("denied")),
            (Some(json!(true)), Some("not-answered")),
        ] {
            let mut vector = vectors.first().expect("one").clone();
            // No certificate is looked at.
            vector.remove("served_certs");
            vector.insert("verification".to_owned(), json!("postback"));
            if let Some(answer) = &answer {
                vector.insert("verification_status".to_owned(), answer.clone());
            }
            let judged = judge(&Captured::from_object(vector, now()).expect("a capture"));
            let shown = as_json(&judged);
            assert_eq!(shown["reason"].as_str(), reason, "{answer:?}: {shown:#}");
        }
    }

    /// Every recorded request of every sender, as files would have them.
    #[test]
    fn recorded_requests_are_judged_as_they_should_be() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify/tests/vectors");
        let (mut accepted, mut refused) = (0, 0);
        for profile in hookyard_verify::profiles() {
            let text = std::fs::read(folder.join(format!("{}.json", profile.name)));
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", profile.name));
            let vectors: Vec<serde_json::Map<String, Value>> =
                serde_json::from_slice(&text).expect(profile.name);
            for vector in vectors.into_iter().filter(|vector| !vector.contains_key("ambiguous")) {
                let id = vector["id"].to_string();
                let (valid, kind) = (vector["valid"] == true, vector["kind"].clone());
                let captured = Captured::from_object(vector, now())
                    .unwrap_or_else(|error| panic!("{id}: {error:#}"));
                let judged = judge(&captured);
                let shown = as_json(&judged);
                assert_eq!(shown["verdict"] == "accepted", valid, "{id}: {shown:#}");
                if valid {
                    assert_eq!(shown["kind"], kind, "{id}: {shown:#}");
                    accepted += 1;
                } else {
                    assert!(shown["message"].is_string(), "{id}: {shown:#}");
                    refused += 1;
                }
                assert!(!as_text(&captured, &judged).is_empty());
            }
        }
        assert!(accepted > 200 && refused > 500, "{accepted} {refused}");
    }
}
