//! The API's view of routes: what there is, which of them may learn a secret now, and arming them.

use std::sync::Arc;
use std::time::Duration;

use hookyard_types::Timestamp;
use hookyard_verify::Scheme;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use crate::config::{self, Config, Mode, Verify};
use crate::learned::{self, Learned};
use crate::moment;

/// The body of `POST /v1/routes/{name}/arm`. No body is one without members.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arming {
    /// For how long.
    #[serde(rename = "for")]
    window: Option<String>,
}

/// A route as the API and the command line show it: exactly one of `provider` and `verify` is set,
/// as in the configuration.
pub(crate) fn describe(route: &config::Route) -> Map<String, Value> {
    let (provider, verify) = match &route.verify {
        Verify::Profile(profile, _) => (Some(profile.name), None),
        Verify::Scheme(scheme) => (None, Some(word(scheme))),
        Verify::None => (None, Some("none")),
    };
    let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
    let handlers: Vec<String> = route.handlers.iter().map(|h| h.name.to_string()).collect();
    let described = json!({
        "name": route.name,
        "host": route.host,
        "path": route.path,
        "methods": methods,
        "provider": provider,
        "verify": verify,
        "mode": match route.mode {
            Mode::Queue => "queue",
            Mode::Respond(_) => "respond",
        },
        "handlers": handlers,
        "learns_secret": learned::learns_secret(route),
    });
    match described {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The schemes that a configuration can describe.
fn word(scheme: &Scheme) -> &'static str {
    match scheme {
        Scheme::Template(_) => "hmac",
        Scheme::Token { .. } => "token",
        Scheme::Bearer => "bearer",
        Scheme::Basic { .. } => "basic",
        _ => "own",
    }
}

/// `GET /v1/routes`.
pub(super) async fn list(
    config: &Config,
    learned: &Learned,
    now: Timestamp,
) -> Result<Value, Problem> {
    let learning = learned.routes(now).await?;
    let routes = config.routes.iter().map(|route| {
        let mut shown = describe(route);
        let known = learning.iter().find(|known| known.route == route.name);
        let armed_until = known.and_then(|known| known.armed_until).map(moment::text);
        shown.insert("armed_until".to_owned(), armed_until.into());
        let secrets = known.map_or(0, |known| known.secrets);
        shown.insert("learned_secrets".to_owned(), secrets.into());
        Value::Object(shown)
    });
    Ok(json!({ "routes": routes.collect::<Vec<_>>() }))
}

/// The route of this name, which must be one that learns its secret.
pub(super) fn learner<'c>(config: &'c Config, name: &str) -> Result<&'c str, Problem> {
    let Some(route) = config.routes.iter().find(|route| route.name == name) else {
        let known: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
        let known = match known.as_slice() {
            [] => "there are none".to_owned(),
            known => format!("the routes are {}", known.join(", ")),
        };
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("no such route; {known}")));
    };
    if learned::learns_secret(route) {
        return Ok(&route.name);
    }
    let detail = format!(
        "route {name} has its secret from the configuration: only providers that teach theirs in a \
         handshake are armed"
    );
    Err(Problem::new(StatusCode::CONFLICT, detail))
}

/// `POST /v1/routes/{name}/arm`, of a route that learns.
pub(super) async fn arm(
    learned: &Learned,
    route: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<Value, Problem> {
    let window = window(body)?;
    let until = now.saturating_add(window);
    learned.arm(route, until).await?;
    let armed_until = moment::text(until);
    tracing::warn!(
        route,
        armed_until,
        "armed: until then the first handshake sets the secret, whoever sends it"
    );
    Ok(json!({ "route": route, "armed_until": armed_until }))
}

/// `DELETE /v1/routes/{name}/secrets`, of a route that learns.
pub(super) async fn forget(learned: &Arc<Learned>, route: &str) -> Result<Value, Problem> {
    let forgotten = learned.forget(route).await?;
    tracing::warn!(route, secrets = forgotten, "its learned secrets are forgotten");
    Ok(json!({ "route": route, "forgotten": forgotten }))
}

fn window(body: &[u8]) -> Result<Duration, Problem> {
    let bad = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
    let arming = match body.trim_ascii() {
        [] => Arming::default(),
        body => serde_json::from_slice(body)
            .map_err(|error| bad(format!("the body is no `{{\"for\": \"10m\"}}`: {error}")))?,
    };
    match arming.window {
        None => Ok(learned::DEFAULT_WINDOW),
        Some(text) => learned::window(&text).map_err(|error| bad(format!("`for`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hookyard_store::Store;
    use hookyard_store::sqlite::{SqliteOptions, SqliteStore};

    use super::*;

    const ROUTES: &str = r#"
        [[route]]
        path = "/hooks/{tenant}"
        host = "Shop.example.com"
        methods = ["POST", "PUT"]
        verify = { hmac = "sha256", header = "x-signature" }
        secret = { env = "S" }
        id = "json:/id"
        mode = "respond"
        handlers = "a/b"

        [[route]]
        name = "github"
        path = "/github"
        provider = "github"
        secret = { env = "S" }
        handlers = ["a/b", "c/d"]
    "#;

    fn routes() -> Config {
        let parsed = config::parse(Path::new("config.toml"), ROUTES);
        parsed.unwrap_or_else(|error| panic!("{error}")).0
    }

    async fn learned(folder: &Path) -> Arc<Learned> {
        let options = SqliteOptions { min_free: 0, ..SqliteOptions::new(folder.join("store.db")) };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options).await.expect("opens"));
        Learned::new(store)
    }

    #[tokio::test]
    async fn the_list_says_what_the_configuration_and_the_store_know() {
        let folder = tempfile::tempdir().expect("a folder");
        let learned = learned(folder.path()).await;
        let now = Timestamp::from_millis(1_700_000_000_000);
        arm(&learned, "github", b"", now).await.expect("arms");
        let listed = list(&routes(), &learned, now).await.expect("lists");
        let expected = json!({ "routes": [
            {
                "name": "hooks-tenant",
                "host": "shop.example.com",
                "path": "/hooks/{tenant}",
                "methods": ["POST", "PUT"],
                "provider": null,
                "verify": "hmac",
                "mode": "respond",
                "handlers": ["a/b"],
                "learns_secret": false,
                "armed_until": null,
                "learned_secrets": 0,
            },
            {
                "name": "github",
                "host": null,
                "path": "/github",
                "methods": ["POST"],
                "provider": "github",
                "verify": null,
                "mode": "queue",
                "handlers": ["a/b", "c/d"],
                "learns_secret": false,
                "armed_until": "2023-11-14T22:23:20.000Z",
                "learned_secrets": 0,
            },
        ] });
        assert_eq!(listed, expected);
    }

    #[tokio::test]
    async fn an_armed_route_takes_one_secret_until_its_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let learned = learned(folder.path()).await;
        let now = Timestamp::from_millis(1_700_000_000_000);
        let until = |body: &'static [u8]| {
            let learned = Arc::clone(&learned);
            async move {
                let armed = arm(&learned, "asana", body, now).await;
                armed.map(|armed| armed["armed_until"].as_str().unwrap_or_default().to_owned())
            }
        };
        assert_eq!(until(b"").await.expect("arms"), "2023-11-14T22:23:20.000Z");
        assert_eq!(until(b"{}").await.expect("arms"), "2023-11-14T22:23:20.000Z");
        assert_eq!(until(b"{\"for\":\"1h\"}\n").await.expect("arms"), "2023-11-14T23:13:20.000Z");
        for wrong in [&b"{"[..], b"[]", b"\"10m\"", b"{\"for\":10}", b"{\"fro\":\"10m\"}"] {
            let problem = arm(&learned, "asana", wrong, now).await.expect_err("is wrong");
            assert_eq!(problem.status, StatusCode::BAD_REQUEST, "{problem:?}");
        }
        let problem = until(b"{\"for\":\"2h\"}").await.expect_err("is too long");
        assert_eq!(problem.detail, "`for`: a route is armed for 1s to 1h");
        let known = learned.routes(now).await.expect("reads");
        let hour = Duration::from_secs(3600);
        assert_eq!(known[0].armed_until, Some(now.saturating_add(hour)), "a mistake changed it");

        let secret = zeroize::Zeroizing::new(b"taught".to_vec());
        let taken = learned.learn("asana", "", secret, now).await.expect("runs");
        assert_eq!(taken, hookyard_store::Learning::Learned);
        let forgotten = forget(&learned, "asana").await.expect("forgets");
        assert_eq!(forgotten, json!({ "route": "asana", "forgotten": 1 }));
    }

    #[test]
    fn only_routes_that_learn_are_armed() {
        let config = routes();
        let problem = learner(&config, "gihub").expect_err("unknown");
        assert_eq!(problem.status, StatusCode::NOT_FOUND);
        assert_eq!(problem.detail, "no such route; the routes are hooks-tenant, github");
        let problem = learner(&config, "github").expect_err("has a secret");
        assert_eq!(problem.status, StatusCode::CONFLICT);
    }
}
