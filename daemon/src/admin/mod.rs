//! The admin listener: whether the daemon is alive, whether it can serve, and the API.

mod plugins;
mod problem;
mod routes;
mod schedules;
mod secrets;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hookyard_runtime::{PluginState, Plugins};
use hookyard_store::Store;
use hookyard_types::Timestamp;
use http::{Method, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

use crate::admission::missing_plugins;
use crate::dispatch::Dispatcher;
use crate::ingress::{Answer, Body, Peer, Response};
use crate::keeping::SecretKeeper;
use crate::learned::Learned;
use crate::live::Live;
use crate::schedule::Scheduler;
use problem::Problem;

pub(crate) use plugins::handler;
pub(crate) use routes::describe;
pub(crate) use schedules::{describe as describe_schedule, upcoming};
pub(crate) use secrets::describe_secrets;
pub(crate) use token::{Guard, Token, configured, file, made, token};

/// Most bytes of a body that the API reads, and how long it waits for them.
const LARGEST_BODY: u64 = 64 << 10;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers the admin listener.
pub(crate) struct Admin {
    pub(crate) live: Arc<Live>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    /// The daemon is stopping: no new work should be sent here.
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) learned: Arc<Learned>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) secrets: Arc<SecretKeeper>,
    pub(crate) guard: Guard,
}

impl Answer for Admin {
    async fn answer(&self, request: http::Request<Body>, _peer: Peer) -> Response {
        let path = request.uri().path();
        if path == "/v1" || path.starts_with("/v1/") {
            return self.api(request).await.unwrap_or_else(Problem::into_response);
        }
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
    /// One call of the API. Without the token nothing of it is told, not even what there is.
    async fn api(&self, request: http::Request<Body>) -> Result<Response, Problem> {
        if !self.guard.lets_in(request.headers()) {
            return Err(Problem::unauthorized());
        }
        let (head, body) = request.into_parts();
        let config = self.live.config();
        let now = Timestamp::now();
        let words: Vec<&str> = head.uri.path().split('/').skip(2).collect();
        let answer = match (words.as_slice(), head.method.as_str()) {
            (["plugins"], "GET" | "HEAD") => plugins::list(&self.plugins, &self.dispatcher),
            (["plugins"], _) => return Err(Problem::method_not_allowed("GET, HEAD")),
            (["routes"], "GET" | "HEAD") => routes::list(&config, &self.learned, now).await?,
            (["routes"], _) => return Err(Problem::method_not_allowed("GET, HEAD")),
            (["routes", name, "arm"], "POST") => {
                let route = routes::learner(&config, name)?;
                let body = read(body).await?;
                routes::arm(&self.learned, route, &body, now).await?
            }
            (["routes", _, "arm"], _) => return Err(Problem::method_not_allowed("POST")),
            (["routes", name, "secrets"], "DELETE") => {
                let body = read(body).await?;
                routes::forget(&config, &self.learned, name, &body, now).await?
            }
            (["routes", _, "secrets"], _) => return Err(Problem::method_not_allowed("DELETE")),
            (["routes", name, "secrets", "reveal"], "POST") => {
                let route = routes::learner(&config, name)?;
                let shown = routes::reveal(&self.learned, route).await?;
                let mut response = json_response(StatusCode::OK, &shown);
                let no_store = http::HeaderValue::from_static("no-store");
                response.headers_mut().insert(header::CACHE_CONTROL, no_store);
                return Ok(response);
            }
            (["routes", _, "secrets", "reveal"], _) => {
                return Err(Problem::method_not_allowed("POST"));
            }
            (["schedules"], "GET" | "HEAD") => {
                schedules::list(&config, &self.store.schedules().await?, now)
            }
            (["schedules"], _) => return Err(Problem::method_not_allowed("GET, HEAD")),
            (["schedules", name, "run"], "POST") => {
                schedules::run(&config, &self.scheduler, name).await?
            }
            (["schedules", _, "run"], _) => return Err(Problem::method_not_allowed("POST")),
            (["secrets"], "GET" | "HEAD") => secrets::list(&config, &*self.store).await?,
            (["secrets"], _) => return Err(Problem::method_not_allowed("GET, HEAD")),
            (["secrets", "rekey"], "POST") => secrets::rekey(&self.secrets).await?,
            (["secrets", name], "PUT") => {
                let body = read(body).await?;
                secrets::set(&self.secrets, name, &body, now).await?
            }
            (["secrets", name], "DELETE") => {
                let body = read(body).await?;
                secrets::remove(&self.secrets, name, &body).await?
            }
            (["secrets", _], _) => return Err(Problem::method_not_allowed("PUT, DELETE")),
            _ => return Err(Problem::new(StatusCode::NOT_FOUND, "the API has no such path")),
        };
        Ok(json_response(StatusCode::OK, &answer))
    }

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
        degraded.extend(self.dispatcher.paused().iter().map(plugins::paused));
        degraded
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let body = body.read(LARGEST_BODY, BODY_TIMEOUT).await;
    body.map_err(|problem| Problem::new(problem.status(), problem.message()))
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
