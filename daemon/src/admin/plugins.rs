//! The API's view of plugins.

use hookyard_runtime::{HandlerInfo, Plugins};
use serde_json::{Value, json};

/// `GET /v1/plugins`: every plugin, every file that did not become one, and every one that a route
/// wants and that is missing.
pub(super) fn list(plugins: &Plugins) -> Value {
    let status = plugins.status();
    let plugins = status.iter().map(|plugin| {
        json!({
            "name": plugin.name,
            "file": (!plugin.file.is_empty()).then_some(&plugin.file),
            "version": (!plugin.version.is_empty()).then_some(&plugin.version),
            "sha256": plugin.hash.map(|hash| hash.to_string()),
            "state": plugin.state.as_str(),
            "error": plugin.last_error,
            "handlers": plugin.handlers.iter().map(handler).collect::<Vec<_>>(),
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
