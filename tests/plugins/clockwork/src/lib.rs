//! A plugin for the end-to-end tests: what schedules run.
#![forbid(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

use hookyard_sdk::prelude::*;

/// What the handlers read from the schedule's `data`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Orders {
    /// How many attempts fail.
    failures: u32,
}

/// Says what fired, once it has failed as often as it is told.
#[handler]
fn tick(firing: Firing, host: Host) -> Outcome {
    let orders = if firing.body().is_empty() { Orders::default() } else { firing.json()? };
    if host.attempt().number() <= orders.failures {
        return retry("not yet");
    }
    host.kv("ticks").increment("all", 1);
    let said = json!({
        "schedule": firing.schedule(),
        "reason": firing.reason(),
        "scheduled_at": millis(firing.scheduled_at()),
        "fired_at": millis(firing.fired_at()),
        "data": String::from_utf8_lossy(firing.body()),
    });
    done().message(said.to_string())
}

/// As `tick`, under another name.
#[handler]
fn tock(firing: Firing, host: Host) -> Outcome {
    tick(firing, host)
}

/// A webhook's, beside them.
#[handler]
fn hook(_event: Event, _host: Host) -> Outcome {
    done()
}

fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

hookyard_sdk::plugin!(hook, schedules(tick, tock));
