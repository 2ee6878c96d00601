//! A plugin for the end-to-end tests: requests to other services.
#![forbid(unsafe_code)]

use hookyard_sdk::prelude::*;

/// What the handlers read from the body.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Orders {
    connection: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    /// Bytes of the request's body.
    bytes: usize,
    /// How many requests there are; 1 if it does not say.
    times: usize,
    /// How many attempts fail after their requests.
    failures: u32,
}

/// Asks as it is told, and answers with what came of each request.
#[handler]
fn ask(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    let connection = host.connection(&orders.connection);
    let mut results = Vec::new();
    for _ in 0..orders.times.max(1) {
        let mut request = connection.request(&orders.method, &orders.path);
        for (name, value) in &orders.headers {
            request = request.header(name, value);
        }
        results.push(match request.body(vec![b'x'; orders.bytes]).send() {
            Ok(response) => json!({
                "status": response.status(),
                "headers": response.headers().map(|(name, _)| name).collect::<Vec<_>>(),
                "body": response.text()?,
            }),
            Err(error) => json!({ "error": format!("{error:?}") }),
        });
    }
    if host.attempt().number() <= orders.failures {
        panic!("caller fails on purpose");
    }
    reply(200).json(&results)
}

/// Passes on what a service makes of it, as most handlers do.
#[handler]
fn forward(_event: Event, host: Host) -> Outcome {
    let response = host.connection("api").post("items").json(&json!({ "a": 1 })).send()?;
    done().message(response.expect_success()?.text()?)
}

/// Reads, asks, and writes what it read and one more: when it comes too late it is run again.
#[handler]
fn count(_event: Event, host: Host) -> Outcome {
    let numbers = host.kv("numbers");
    let before: u64 = numbers.get_json("all")?.unwrap_or(0);
    host.connection("api").post("numbers").json(&before).send()?.expect_success()?;
    numbers.set_json("all", &(before + 1))?;
    done()
}

hookyard_sdk::plugin!(ask, forward, count, connections(api, other));
