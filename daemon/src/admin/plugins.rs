//! The API's view of plugins: what is loaded, what is not, and whose jobs wait.

use std::time::{Duration, Instant};

use hookyard_runtime::{HandlerInfo, Plugins};
use serde_json::{Value, json};

use crate::dispatch::{Dispatcher, Paused};

/// `GET /v1/plugins`: every plugin, every file that did not become one, and every one that a route
/// wants and that is missing.
pub(super) fn list(plugins: &Plugins, dispatcher: &Dispatcher) -> Value {
    let waiting = dispatcher.paused();
    let status = plugins.status();
    let plugins = status.iter().map(|plugin| {
        let waits = waiting.iter().find(|waits| waits.plugin == plugin.name);
        json!({
            "name": plugin.name,
            "file": (!plugin.file.is_empty()).then_some(&plugin.file),
            "version": (!plugin.version.is_empty()).then_some(&plugin.version),
            "sha256": plugin.hash.map(|hash| hash.to_string()),
            "state": plugin.state.as_str(),
            "error": plugin.last_error,
            "handlers": plugin.handlers.iter().map(handler).collect::<Vec<_>>(),
            "paused": waits.map(|waits| json!({
                "failures": waits.failures,
                "for_ms": u64::try_from(rest(waits).as_millis()).unwrap_or(u64::MAX),
                "why": paused(waits),
            })),
        })
    });
    json!({ "plugins": plugins.collect::<Vec<_>>() })
}

/// A handler as the API and the command line show it.
pub(crate) fn handler(handler: &HandlerInfo) -> Value {
    json!({
        "name": handler.name,
        "trigger": handler.trigger.as_str(),
        "kinds": handler.kinds,
        "description": handler.description,
    })
}

/// Why a plugin's jobs wait, and what to do.
pub(super) fn paused(paused: &Paused) -> String {
    let Paused { plugin, failures, .. } = paused;
    let rest = rest(paused).as_secs_f64().ceil();
    format!(
        "plugin `{plugin}` is paused, as {failures} attempts in a row trapped or crossed a limit: its \
         jobs wait, and one is tried in {rest} s; `hookyard events list` shows what failed; a mended \
         version in the plugins folder, or other limits or settings under `[plugin.{plugin}]`, go \
         on at once"
    )
}

/// Nothing when the attempt after the pause is due, or runs.
fn rest(paused: &Paused) -> Duration {
    paused.until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default()
}
