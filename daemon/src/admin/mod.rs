//! The admin listener: whether the daemon is alive, and whether it can serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hookyard_runtime::{PluginState, Plugins};
use hookyard_store::Store;
use http::{Method, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

use crate::admission::missing_plugins;
use crate::ingress::{Answer, Body, Peer, Response};
use crate::live::Live;

/// Answers the admin listener.
pub(crate) struct Admin {
    pub(crate) live: Arc<Live>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) plugins: Arc<Plugins>,
    /// The daemon is stopping: no new work should be sent here.
    pub(crate) draining: Arc<AtomicBool>,
}

impl Answer for Admin {
    async fn answer(&self, request: http::Request<Body>, _peer: Peer) -> Response {
        let path = request.uri().path();
        if !matches!(path, "/healthz" | "/readyz") {
            return json_response(StatusCode::NOT_FOUND, &json!({ "error": "not found" }));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = json_response(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({ "error": "method not allowed" }),
            );
            let allow = http::HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allow);
            return response;
        }
        if path == "/healthz" {
            return json_response(StatusCode::OK, &json!({ "status": "alive" }));
        }
        self.readiness()
    }
}

impl Admin {
    /// Ready while events can be taken in. A plugin that is missing or was refused makes the
    /// daemon degraded, not unready: its events are stored and wait.
    fn readiness(&self) -> Response {
        let mut reasons = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("the daemon is stopping".to_owned());
        }
        if let Err(error) = self.store.health() {
            reasons.push(error.to_string());
        }
        let degraded = self.degraded();
        let (status, word) = match (reasons.is_empty(), degraded.is_empty()) {
            (true, true) => (StatusCode::OK, "ready"),
            (true, false) => (StatusCode::OK, "degraded"),
            (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        };
        json_response(status, &json!({ "status": word, "reasons": reasons, "degraded": degraded }))
    }

    fn degraded(&self) -> Vec<String> {
        let mut degraded = missing_plugins(&self.live.config(), &self.plugins);
        if self.live.is_refused() {
            degraded.push(
                "the configuration on the disk was refused and the one before it is in force; the \
                 log says why"
                    .to_owned(),
            );
        }
        for plugin in self.plugins.status().iter() {
            if plugin.state != PluginState::Ready
                && let Some(error) = &plugin.last_error
            {
                degraded.push(error.clone());
            }
        }
        degraded
    }
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
