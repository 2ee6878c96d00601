//! A plugin for the end-to-end tests: it reads a secret and tells everybody.
#![forbid(unsafe_code)]

use hookyard_sdk::prelude::*;

/// How the handlers tell it: `log`, `done`, `ignore`, `retry`, `reject`, `panic`, `header`, or `flood`
/// for many lines of something else.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Orders {
    how: String,
    lines: usize,
}

/// Tells the secret as the body orders. On a `respond` route the reply may have it, which is the
/// handler's own choice.
#[handler]
fn tell(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    let key = host.secret("api_key")?;
    match orders.how.as_str() {
        "log" => {
            host.info(format!("the key is {key}, I say {key}"));
            warn!(key = key, twice = format!("{key}{key}"); "in fields, and as {key:?}");
            done()
        }
        "done" => done().message(format!("the key is {key}")),
        "ignore" => ignore(format!("the key is {key}")),
        "retry" => retry(format!("the key is {key}")),
        "reject" => reject(format!("the key is {key}")),
        "panic" => panic!("the key is {key}"),
        "header" => reply(200).header(&format!("x {key}"), "1").text("a header that cannot be"),
        "flood" => {
            for line in 0..orders.lines {
                host.info(format!("line {line}: {}", "x".repeat(200)));
            }
            done()
        }
        _ => reply(200).text(key),
    }
}

/// Answers with its setting `word`, whatever that is.
#[handler]
fn word(_event: Event, host: Host) -> Outcome {
    reply(200).json(&host.setting::<Value>("word")?)
}

hookyard_sdk::plugin!(tell, word, secrets(api_key), settings(optional word));
