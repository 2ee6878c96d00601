//! The API's view of routes: what there is, which of them may learn a secret now, and arming them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hookyard_store::Teaching;
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
    /// The path's parameters, by name.
    #[serde(default)]
    params: BTreeMap<String, String>,
}

/// The body of `DELETE /v1/routes/{name}/secrets`. No body is one without members.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgetting {
    /// The path's parameters, by name; without them everything is forgotten.
    params: Option<BTreeMap<String, String>>,
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
        "learns_secret": learned::teacher(route).is_some(),
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
pub(super) fn learner<'c>(
    config: &'c Config,
    name: &str,
) -> Result<(&'c config::Route, &'static str), Problem> {
    let Some(route) = config.routes.iter().find(|route| route.name == name) else {
        let known: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
        let known = match known.as_slice() {
            [] => "there are none".to_owned(),
            known => format!("the routes are {}", known.join(", ")),
        };
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("no such route; {known}")));
    };
    if let Some(provider) = learned::teacher(route) {
        return Ok((route, provider));
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
    (route, provider): (&config::Route, &str),
    body: &[u8],
    now: Timestamp,
) -> Result<Value, Problem> {
    let arming: Arming = read(body, r#"{"for": "10m", "params": {}}"#)?;
    let window = match arming.window {
        None => learned::DEFAULT_WINDOW,
        Some(text) => learned::window(&text).map_err(|error| bad(format!("`for`: {error}")))?,
    };
    let what = Teaching {
        route: route.name.clone(),
        provider: provider.to_owned(),
        scope: learned::scope(route, arming.params)
            .map_err(|error| bad(format!("`params`: {error}")))?,
    };
    let until = now.saturating_add(window);
    learned.arm(&what, until).await?;
    let armed_until = moment::text(until);
    tracing::warn!(
        route = what.route,
        scope = learned::show(&what.scope),
        armed_until,
        "armed: until then the first handshake sets the secret, whoever sends it"
    );
    Ok(json!({ "route": route.name, "armed_until": armed_until }))
}

/// `DELETE /v1/routes/{name}/secrets`, of a route that learns, or that has secrets from when there
/// was one of this name.
pub(super) async fn forget(
    config: &Config,
    learned: &Arc<Learned>,
    name: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<Value, Problem> {
    let known = learned.routes(now).await?.iter().any(|known| known.route == name);
    if !known {
        learner(config, name)?;
    }
    let forgetting: Forgetting = read(body, r#"{"params": {}}"#)?;
    let scope = match forgetting.params {
        None => None,
        Some(params) => {
            let (route, _) = learner(config, name)?;
            let scope = learned::scope(route, params);
            Some(scope.map_err(|error| bad(format!("`params`: {error}")))?)
        }
    };
    let forgotten = learned.forget(name, scope.as_deref()).await?;
    let shown = scope.as_deref().map(learned::show);
    tracing::warn!(
        route = name,
        scope = shown,
        secrets = forgotten,
        "its learned secrets are forgotten"
    );
    Ok(json!({ "route": name, "forgotten": forgotten }))
}

/// `POST /v1/routes/{name}/secrets/reveal`, of a route that learns: for providers that want to be
/// told what they taught.
pub(super) async fn reveal(
    learned: &Learned,
    (route, provider): (&config::Route, &str),
) -> Result<Value, Problem> {
    let all = learned.all(&route.name, provider).await?;
    let shown = all.iter().flat_map(|(scope, secrets)| {
        secrets.iter().map(|secret| {
            let text = String::from_utf8_lossy(secret);
            json!({ "scope": learned::show(scope), "secret": text })
        })
    });
    let shown: Vec<Value> = shown.collect();
    tracing::warn!(route = route.name, secrets = shown.len(), "its learned secrets were shown");
    Ok(json!({ "route": route.name, "secrets": shown }))
}

fn bad(why: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why)
}

/// A body that may be left out.
pub(super) fn read<T: Default + for<'de> Deserialize<'de>>(
    body: &[u8],
    like: &str,
) -> Result<T, Problem> {
    match body.trim_ascii() {
        [] => Ok(T::default()),
        body => serde_json::from_slice(body)
            .map_err(|error| bad(format!("the body is no `{like}`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

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

    const LEARNERS: &str = r#"
        [[route]]
        name = "asana"
        path = "/asana"
        provider = "asana"
        handlers = "a/b"

        [[route]]
        name = "of"
        path = "/of/{tenant}/{team}"
        provider = "asana"
        handlers = "a/b"
    "#;

    fn routes() -> Config {
        parsed(ROUTES)
    }

    fn parsed(text: &str) -> Config {
        let parsed = config::parse(Path::new("config.toml"), text);
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
        let github = Teaching {
            route: "github".to_owned(),
            provider: "github".to_owned(),
            scope: String::new(),
        };
        learned.arm(&github, now.saturating_add(learned::DEFAULT_WINDOW)).await.expect("arms");
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
        let config = parsed(LEARNERS);
        let asana = learner(&config, "asana").expect("learns");
        let until = async |body: &'static [u8]| {
            let armed = arm(&learned, asana, body, now).await;
            armed.map(|armed| armed["armed_until"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(until(b"").await.expect("arms"), "2023-11-14T22:23:20.000Z");
        assert_eq!(until(b"{}").await.expect("arms"), "2023-11-14T22:23:20.000Z");
        assert_eq!(until(b"{\"for\":\"1h\"}\n").await.expect("arms"), "2023-11-14T23:13:20.000Z");
        for wrong in [&b"{"[..], b"[]", b"\"10m\"", b"{\"for\":10}", b"{\"fro\":\"10m\"}"] {
            let problem = arm(&learned, asana, wrong, now).await.expect_err("is wrong");
            assert_eq!(problem.status, StatusCode::BAD_REQUEST, "{problem:?}");
        }
        let problem = until(b"{\"for\":\"2h\"}").await.expect_err("is too long");
        assert_eq!(problem.detail, "`for`: a route is armed for 1s to 1h");
        let known = learned.routes(now).await.expect("reads");
        let hour = Duration::from_secs(3600);
        assert_eq!(known[0].armed_until, Some(now.saturating_add(hour)), "a mistake changed it");

        let secret = zeroize::Zeroizing::new(b"taught".to_vec());
        let what = taught("asana", "");
        let taken = learned.learn(&what, secret, now).await.expect("runs");
        assert_eq!(taken, hookyard_store::Learning::Learned);
        let revealed = reveal(&learned, asana).await.expect("reveals");
        let shown = json!([{ "scope": "", "secret": "taught" }]);
        assert_eq!(revealed, json!({ "route": "asana", "secrets": shown }));
        // It is forgotten by its name, though the configuration has no such route any more.
        let forgotten = forget(&routes(), &learned, "asana", b"", now).await.expect("forgets");
        assert_eq!(forgotten, json!({ "route": "asana", "forgotten": 1 }));
        let problem = forget(&routes(), &learned, "asana", b"", now).await.expect_err("is unknown");
        assert_eq!(problem.status, StatusCode::NOT_FOUND);
    }

    fn taught(route: &str, scope: &str) -> Teaching {
        let provider = "asana".to_owned();
        Teaching { route: route.to_owned(), provider, scope: scope.to_owned() }
    }

    #[tokio::test]
    async fn a_path_with_parameters_is_armed_for_their_values() {
        let folder = tempfile::tempdir().expect("a folder");
        let learned = learned(folder.path()).await;
        let now = Timestamp::from_millis(1_700_000_000_000);
        let config = parsed(LEARNERS);
        let of = learner(&config, "of").expect("learns");
        for (wrong, says) in [
            (&b""[..], "has the parameter tenant"),
            (br#"{"params":{"tenant":"acme"}}"#, "has the parameter team"),
            (br#"{"params":{"tenant":"acme","team":""}}"#, "has the parameter team"),
            (br#"{"params":{"tenant":"acme","team":"a","x":"y"}}"#, "has no parameter x"),
        ] {
            let problem = arm(&learned, of, wrong, now).await.expect_err("is wrong");
            assert_eq!(problem.status, StatusCode::BAD_REQUEST);
            assert!(problem.detail.contains(says), "{}", problem.detail);
        }
        let body = br#"{"params":{"team":"a","tenant":"acme"}}"#;
        arm(&learned, of, body, now).await.expect("arms");
        let learn = async |scope: &str| {
            let secret = zeroize::Zeroizing::new(b"taught".to_vec());
            learned.learn(&taught("of", scope), secret, now).await.expect("runs")
        };
        let not_armed = hookyard_store::Learning::NotArmed;
        assert_eq!(learn("tenant=evil\nteam=a\n").await, not_armed);
        assert_eq!(learn("tenant=acme\nteam=a\n").await, hookyard_store::Learning::Learned);
        let revealed = reveal(&learned, of).await.expect("reveals");
        assert_eq!(revealed["secrets"][0]["scope"], "tenant=acme, team=a");
        for (body, count) in
            [(&br#"{"params":{"team":"b","tenant":"acme"}}"#[..], 0), (&body[..], 1)]
        {
            let forgotten = forget(&config, &learned, "of", body, now).await.expect("forgets");
            assert_eq!(forgotten["forgotten"], count);
        }
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
