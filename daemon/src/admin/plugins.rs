//! `/v1/plugins`: what is loaded, and what waits.

use std::time::Instant;

use hookyard_runtime::Plugins;
use serde_json::{Value, json};

use crate::dispatch::{Dispatcher, Paused};

/// `GET /v1/plugins`.
pub(super) fn list(plugins: &Plugins, dispatcher: &Dispatcher) -> Value {
    let waiting = dispatcher.paused();
    let status = plugins.status();
    let shown = status.iter().map(|plugin| {
        let handlers: Vec<&str> = plugin.handlers.iter().map(|h| h.name.as_str()).collect();
        let waits = waiting.iter().find(|waits| waits.plugin == plugin.name);
        json!({
            "name": plugin.name,
            "file": (!plugin.file.is_empty()).then_some(&plugin.file),
            "version": (!plugin.version.is_empty()).then_some(&plugin.version),
            "sha256": plugin.hash.map(|hash| hash.to_string()),
            "state": plugin.state.as_str(),
            "error": plugin.last_error,
            "handlers": handlers,
            "paused": waits.map(|waits| json!({
                "failures": waits.failures,
                "for_ms": u64::try_from(rest(waits).as_millis()).unwrap_or(u64::MAX),
                "why": paused(waits),
            })),
        })
    });
    json!({ "plugins": shown.collect::<Vec<_>>() })
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
fn rest(paused: &Paused) -> std::time::Duration {
    paused.until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default()
}
