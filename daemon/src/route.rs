//! Which route a request is for, and what it is checked with there.

mod checks;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hookyard_store::{StoreError, Teaching};
use hookyard_verify::Secret;
use http::Method;
use parking_lot::Mutex;

use crate::budget::{Budget, ClientBudgets, SharedBudget};
use crate::config::{self, Config};
use crate::event;
use crate::learned::{Learned, teacher};
use crate::secret::{self, Places};
use checks::TenantChecks;
pub(crate) use checks::{Checks, RouteChecks};

/// Handshakes of a route that make the daemon fetch or keep something: many at once when somebody
/// saves their settings, few else.
const HANDSHAKES: (u32, Duration) = (20, Duration::from_millis(100));

/// Other handshakes, which cost no more than their answer, of one client. Most are not signed: a
/// stranger who sends them must not be why a sender is not answered and turns the webhook off.
const CLIENT_HANDSHAKES: (u32, Duration) = (100, Duration::from_millis(50));

/// Questions about single requests that a route's senders are asked: each costs them and us a call.
const INQUIRIES: (u32, Duration) = (400, Duration::from_millis(20));

/// The share of one client in these. A genuine sender has few addresses and many events.
const CLIENT_INQUIRIES: (u32, Duration) = (200, Duration::from_millis(40));

/// Documents with keys that a route's requests have fetched and that were not known: who sends has
/// a say in which ones there are.
const KEY_FETCHES: (u32, Duration) = (20, Duration::from_secs(3));

/// The share of one client in these. A genuine sender needs a new key now and then.
const CLIENT_KEY_FETCHES: (u32, Duration) = (5, Duration::from_secs(12));

/// Every route of a configuration, ready to match.
#[derive(Debug)]
pub(crate) struct Routes {
    /// By host, in lower case.
    hosts: HashMap<String, Paths>,
    /// Routes that name no host.
    any_host: Paths,
}

type Paths = HashMap<Method, matchit::Router<Arc<Route>>>;

/// One `[[route]]` with its secrets resolved.
#[derive(Debug)]
pub(crate) struct Route {
    config: Arc<Config>,
    index: usize,
    checks: Arc<RouteChecks>,
    /// For handshakes that confirm or teach something.
    pub(crate) handshakes: Budget,
    /// For all others.
    pub(crate) client_handshakes: ClientBudgets,
    /// For fetches of keys.
    pub(crate) key_fetches: SharedBudget,
    /// For questions about single requests, which a forged one asks as well.
    pub(crate) inquiries: SharedBudget,
}

/// The route that a request is for, and what its parameters matched.
pub(crate) struct Matched {
    pub(crate) route: Arc<Route>,
    pub(crate) params: Vec<(String, String)>,
}

/// Why a request has no route.
pub(crate) enum NoRoute {
    NotFound,
    /// The path is known with these methods.
    MethodNotAllowed(Vec<Method>),
}

/// Why there is nothing to check a request with.
#[derive(Debug)]
pub(crate) enum NoChecks {
    /// There is no secret for these parameters, or it cannot be used; details are for the log.
    NoSecret(String),
    /// What was learned cannot be read now.
    Store(StoreError),
}

impl Routes {
    /// Every route with what checks its requests, of which there is one for each, in their order.
    pub(crate) fn new(config: &Arc<Config>, checks: Vec<Arc<RouteChecks>>) -> Self {
        let mut hosts: HashMap<String, Paths> = HashMap::new();
        let mut any_host = Paths::new();
        for ((index, route), checks) in config.routes.iter().enumerate().zip(checks) {
            let built = Arc::new(Route {
                config: Arc::clone(config),
                index,
                checks,
                handshakes: Budget::new(HANDSHAKES.0, HANDSHAKES.1),
                client_handshakes: ClientBudgets::new(CLIENT_HANDSHAKES.0, CLIENT_HANDSHAKES.1),
                key_fetches: SharedBudget::new(
                    ClientBudgets::new(CLIENT_KEY_FETCHES.0, CLIENT_KEY_FETCHES.1),
                    Budget::new(KEY_FETCHES.0, KEY_FETCHES.1),
                ),
                inquiries: SharedBudget::new(
                    ClientBudgets::new(CLIENT_INQUIRIES.0, CLIENT_INQUIRIES.1),
                    Budget::new(INQUIRIES.0, INQUIRIES.1),
                ),
            });
            let paths = match &route.host {
                Some(host) => hosts.entry(host.to_ascii_lowercase()).or_default(),
                None => &mut any_host,
            };
            for method in route.methods.iter().chain(&route.handshake_methods()) {
                let router = paths.entry(method.clone()).or_default();
                router
                    .insert(&route.path, Arc::clone(&built))
                    .expect("the configuration's reader has put these paths into such a router");
            }
        }
        Self { hosts, any_host }
    }

    /// The route for a request: one of its host before one of every host. It may be one that takes
    /// handshakes alone with this method: see [`Route::takes_events`].
    pub(crate) fn find(
        &self,
        host: Option<&str>,
        method: &Method,
        path: &str,
    ) -> Result<Matched, NoRoute> {
        let of_host = match host {
            Some(host) if !self.hosts.is_empty() => self.hosts.get(&host.to_ascii_lowercase()),
            _ => None,
        };
        let mut allowed = Vec::new();
        for paths in of_host.into_iter().chain([&self.any_host]) {
            if let Some(matched) = paths.get(method).and_then(|router| matched(router, path)) {
                return Ok(matched);
            }
            for (other, router) in paths {
                if matched(router, path).is_some_and(|matched| matched.route.takes_events(other)) {
                    allowed.push(other.clone());
                }
            }
        }
        if allowed.is_empty() {
            return Err(NoRoute::NotFound);
        }
        allowed.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        allowed.dedup();
        Err(NoRoute::MethodNotAllowed(allowed))
    }
}

/// Parameters are single segments of harmless characters; anything else is no match.
fn matched(router: &matchit::Router<Arc<Route>>, path: &str) -> Option<Matched> {
    let found = router.at(path).ok()?;
    let mut params = Vec::with_capacity(found.params.len());
    for (name, value) in found.params.iter() {
        if !secret::is_plain_segment(value) {
            return None;
        }
        params.push((name.to_owned(), value.to_owned()));
    }
    Some(Matched { route: Arc::clone(found.value), params })
}

impl Route {
    pub(crate) fn config(&self) -> &config::Route {
        // `index` was made by enumerating these routes, and they never change.
        #[expect(clippy::indexing_slicing)]
        &self.config.routes[self.index]
    }

    /// Whether events come with this method, and not handshakes alone.
    pub(crate) fn takes_events(&self, method: &Method) -> bool {
        self.config().methods.contains(method)
    }

    /// What a request with these parameters is checked with.
    pub(crate) async fn checks(
        self: &Arc<Self>,
        params: &[(String, String)],
        learned: &Learned,
    ) -> Result<Arc<Checks>, NoChecks> {
        let checks = match &*self.checks {
            RouteChecks::Fixed(checks) => Arc::clone(checks),
            RouteChecks::PerTenant(places, kept) => {
                self.tenant_checks(places, kept, params).await?
            }
            RouteChecks::Closed(why) => return Err(NoChecks::NoSecret(why.clone())),
        };
        let config = self.config();
        let Some(provider) = teacher(config) else { return Ok(checks) };
        let taught = Teaching {
            route: config.name.clone(),
            provider: provider.to_owned(),
            scope: event::scope(params),
        };
        let secrets = learned.secrets(&taught).await;
        let secrets = secrets.map_err(NoChecks::Store)?;
        if secrets.is_empty() {
            return Ok(checks);
        }
        let secrets = secrets.iter().map(|secret| Secret::new(secret.as_slice()));
        let all = checks.with_learned(secrets);
        all.map(Arc::new).map_err(|error| NoChecks::NoSecret(error.to_string()))
    }

    /// The tenant of a request with these parameters.
    pub(crate) fn tenant(&self, params: &[(String, String)]) -> String {
        self.config().tenant.as_deref().map(|text| fill(text, params)).unwrap_or_default()
    }

    async fn tenant_checks(
        self: &Arc<Self>,
        places: &Places,
        kept: &Mutex<TenantChecks>,
        params: &[(String, String)],
    ) -> Result<Arc<Checks>, NoChecks> {
        let now = Instant::now();
        if let Some(checks) = kept.lock().get(params, now) {
            return Ok(checks);
        }
        let (route, places) = (Arc::clone(self), places.clone());
        let owned = params.to_vec();
        let built = tokio::task::spawn_blocking(move || {
            Checks::of_tenant(route.config(), &owned, &places).map(Arc::new)
        });
        let built = match built.await {
            Ok(Ok(built)) => built,
            Ok(Err(error)) => return Err(NoChecks::NoSecret(error)),
            Err(_) => return Err(NoChecks::NoSecret("it could not be read".to_owned())),
        };
        kept.lock().keep(params, now, &built);
        Ok(built)
    }
}

/// Puts parameters into text with `{name}`s.
pub(crate) fn fill(text: &str, params: &[(String, String)]) -> String {
    params
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hookyard_store::Store;
    use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
    use hookyard_verify::{Request, UnixTime};

    use super::*;

    fn routes(text: &str) -> Routes {
        routes_of(Path::new("config.toml"), text)
    }

    fn routes_of(file: &Path, text: &str) -> Routes {
        let places = Places::without_store(file.parent().expect("a folder"));
        let mut build = |route: &_| RouteChecks::build(route, &places).map(Arc::new);
        let loaded = config::parse_with(file, text, &mut build);
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
        Routes::new(&Arc::new(loaded.config), loaded.built)
    }

    fn found(routes: &Routes, host: Option<&str>, method: Method, path: &str) -> String {
        match routes.find(host, &method, path) {
            Ok(matched) => {
                let params = matched.params.iter().map(|(name, value)| format!(" {name}={value}"));
                matched.route.config().name.clone() + &params.collect::<String>()
            }
            Err(NoRoute::NotFound) => "404".to_owned(),
            Err(NoRoute::MethodNotAllowed(methods)) => format!("405 {methods:?}"),
        }
    }

    const ROUTES: &str = r#"
        [[route]]
        name = "any"
        path = "/in"
        verify = "none"
        handlers = "echo/echo"

        [[route]]
        name = "shop"
        host = "Shop.example.com"
        path = "/in"
        methods = ["POST", "PUT"]
        verify = "none"
        handlers = "echo/echo"

        [[route]]
        name = "tenant"
        path = "/of/{tenant}/{kind}"
        verify = "none"
        handlers = "echo/echo"
    "#;

    #[test]
    fn a_route_of_the_host_comes_first() {
        let routes = routes(ROUTES);
        assert_eq!(found(&routes, Some("shop.EXAMPLE.com"), Method::POST, "/in"), "shop");
        assert_eq!(found(&routes, Some("other.example.com"), Method::POST, "/in"), "any");
        assert_eq!(found(&routes, None, Method::POST, "/in"), "any");
        assert_eq!(found(&routes, Some("shop.example.com"), Method::PUT, "/in"), "shop");
        assert_eq!(found(&routes, None, Method::PUT, "/in"), "405 [POST]");
        assert_eq!(found(&routes, Some("shop.example.com"), Method::GET, "/in"), "405 [POST, PUT]");
        assert_eq!(found(&routes, None, Method::POST, "/in/"), "404");
    }

    #[test]
    fn parameters_are_single_harmless_segments() {
        let routes = routes(ROUTES);
        let post = |path: &str| found(&routes, None, Method::POST, path);
        assert_eq!(post("/of/acme/order.paid"), "tenant tenant=acme kind=order.paid");
        for path in ["/of/../paid", "/of/a%2fb/paid", "/of/./paid", "/of//paid", "/of/a/b/c"] {
            assert_eq!(post(path), "404", "{path}");
        }
    }

    #[tokio::test]
    async fn each_tenant_has_its_own_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("acme"), "acme-secret\n").expect("written");
        let text = r#"
            [[route]]
            path = "/of/{tenant}"
            verify = { token = "x-token" }
            secret = { file = "{tenant}" }
            tenant = "{tenant}"
            handlers = "echo/echo"
        "#;
        let file = folder.path().join("config.toml");
        let routes = routes_of(&file, text);
        let store: Arc<dyn Store> = Arc::new(
            SqliteStore::open(SqliteOptions::new(folder.path().join("store.db"))).await.unwrap(),
        );
        let learned = Learned::new(store);
        let verdict = async |tenant: &str, token: &'static str| {
            let path = format!("/of/{tenant}");
            let Ok(matched) = routes.find(None, &Method::POST, &path) else { panic!("no route") };
            let mut headers = http::HeaderMap::new();
            headers.insert("x-token", http::HeaderValue::from_static(token));
            let request = Request {
                method: Method::POST,
                url: path.clone(),
                path,
                query: None,
                params: matched.params.clone(),
                headers,
                body: bytes::Bytes::new(),
            };
            assert_eq!(matched.route.tenant(&matched.params), tenant);
            let checks = matched.route.checks(&matched.params, &learned).await?;
            Ok(checks.verifier.verify(request, UnixTime::from_secs(0)).is_ok())
        };
        assert!(matches!(verdict("acme", "acme-secret").await, Ok(true)));
        assert!(matches!(verdict("acme", "other").await, Ok(false)));
        let missing = verdict("initech", "acme-secret").await;
        assert!(matches!(missing, Err(NoChecks::NoSecret(_))));
    }
}
