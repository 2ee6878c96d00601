//! Which route a request is for, and the verifier that it must pass there.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hookyard_verify::{Request, Secret, Settings, SetupError, UnixTime, Verified, Verifier};
use http::Method;
use parking_lot::Mutex;

use crate::config::{self, Config, SecretProblem, SecretRef};
use crate::secret;

/// How long a verifier made for one set of parameters is used before its secret is read again.
const TENANT_SECRET_AGE: Duration = Duration::from_secs(10);

/// How many sets of parameters have their verifiers kept.
const TENANT_SECRETS_KEPT: usize = 4096;

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
    verifier: RouteVerifier,
}

/// What checks a route's requests.
#[derive(Debug)]
pub(crate) enum RouteVerifier {
    Fixed(Verifier),
    /// The secret's place depends on the path's parameters: looked up for each request.
    PerTenant(Mutex<TenantVerifiers>),
}

/// By the path's parameters, each with the moment at which its secret was read.
type TenantVerifiers = HashMap<Vec<(String, String)>, (Instant, Arc<Verifier>)>;

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

/// The request did not prove where it is from; details are for the log.
pub(crate) enum NotVerified {
    Refused(hookyard_verify::Refused),
    /// There is no secret for these parameters, or it cannot be used.
    NoSecret(String),
}

impl Routes {
    /// Every route with its verifier, of which there is one for each, in their order.
    pub(crate) fn new(config: &Arc<Config>, verifiers: Vec<RouteVerifier>) -> Self {
        let mut hosts: HashMap<String, Paths> = HashMap::new();
        let mut any_host = Paths::new();
        for ((index, route), verifier) in config.routes.iter().enumerate().zip(verifiers) {
            let built = Arc::new(Route { config: Arc::clone(config), index, verifier });
            let paths = match &route.host {
                Some(host) => hosts.entry(host.to_ascii_lowercase()).or_default(),
                None => &mut any_host,
            };
            for method in &route.methods {
                let router = paths.entry(method.clone()).or_default();
                router
                    .insert(&route.path, Arc::clone(&built))
                    .expect("the configuration's reader has put these paths into such a router");
            }
        }
        Self { hosts, any_host }
    }

    /// The route for a request: one of its host before one of every host.
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
                if matched(router, path).is_some() {
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

    /// Checks the request against the route's scheme and secrets.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        request: Request,
        now: UnixTime,
    ) -> Result<Verified, NotVerified> {
        match &self.verifier {
            RouteVerifier::Fixed(verifier) => {
                verifier.verify(request, now).map_err(NotVerified::Refused)
            }
            RouteVerifier::PerTenant(_) => {
                let verifier = self.tenant_verifier(&request.params).await?;
                verifier.verify(request, now).map_err(NotVerified::Refused)
            }
        }
    }

    /// The tenant of a request with these parameters.
    pub(crate) fn tenant(&self, params: &[(String, String)]) -> String {
        self.config().tenant.as_deref().map(|text| fill(text, params)).unwrap_or_default()
    }

    async fn tenant_verifier(
        self: &Arc<Self>,
        params: &[(String, String)],
    ) -> Result<Arc<Verifier>, NotVerified> {
        let RouteVerifier::PerTenant(kept) = &self.verifier else {
            return Err(NotVerified::NoSecret("the route's secret is fixed".to_owned()));
        };
        let now = Instant::now();
        if let Some((made, verifier)) = kept.lock().get(params)
            && now.duration_since(*made) < TENANT_SECRET_AGE
        {
            return Ok(Arc::clone(verifier));
        }
        let route = Arc::clone(self);
        let owned = params.to_vec();
        let built = tokio::task::spawn_blocking(move || {
            verifier_for(&route.config, route.config(), &owned).map(Arc::new)
        });
        let built = match built.await {
            Ok(Ok(built)) => built,
            Ok(Err(error)) => return Err(NotVerified::NoSecret(error)),
            Err(_) => return Err(NotVerified::NoSecret("it could not be read".to_owned())),
        };
        let mut kept = kept.lock();
        if kept.len() >= TENANT_SECRETS_KEPT {
            kept.retain(|_, (made, _)| now.duration_since(*made) < TENANT_SECRET_AGE);
            if kept.len() >= TENANT_SECRETS_KEPT {
                kept.clear();
            }
        }
        kept.insert(params.to_vec(), (now, Arc::clone(&built)));
        Ok(built)
    }
}

impl RouteVerifier {
    /// Resolves the route's secrets, those that depend on a request's parameters excepted. `base`
    /// is the folder of config.toml. Blocks on the file system.
    ///
    /// # Errors
    /// Every secret that cannot be had, or that cannot be one of the route's scheme.
    pub(crate) fn build(route: &config::Route, base: &Path) -> Result<Self, Vec<SecretProblem>> {
        let mut secrets = Vec::with_capacity(route.secrets.len());
        let mut problems = Vec::new();
        for (index, reference) in route.secrets.iter().enumerate() {
            if reference.has_params() {
                continue;
            }
            match fixed_secret(route, reference, index, base) {
                Ok(secret) => secrets.push(secret),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if secrets.len() < route.secrets.len() {
            return Ok(Self::PerTenant(Mutex::default()));
        }
        verifier(route, secrets).map(Self::Fixed).map_err(|error| {
            let message = error.to_string();
            vec![SecretProblem { index: 0, message, label: None, help: Vec::new() }]
        })
    }
}

/// A secret that is one for all requests, and that the route's scheme takes.
fn fixed_secret(
    route: &config::Route,
    reference: &SecretRef,
    index: usize,
    base: &Path,
) -> Result<Secret, SecretProblem> {
    let value =
        secret::resolve(reference, &[], base).map_err(|error| error.problem(index, base))?;
    let secret = Secret::new(value.as_slice());
    // Each by itself, as several can be wrong. What else a scheme may not like is told of all.
    match verifier(route, vec![secret.clone()]) {
        Err(SetupError::Secret { problem, .. }) => {
            Err(secret::cannot_be_right(reference, &problem.to_string(), index, base))
        }
        _ => Ok(secret),
    }
}

/// The verifier of a request with these parameters. Blocks on the file system.
fn verifier_for(
    config: &Config,
    route: &config::Route,
    params: &[(String, String)],
) -> Result<Verifier, String> {
    let base = config.file.parent().unwrap_or(Path::new(""));
    let mut secrets = Vec::with_capacity(route.secrets.len());
    for reference in &route.secrets {
        let value = secret::resolve(reference, params, base).map_err(|error| error.to_string())?;
        secrets.push(Secret::new(value.as_slice()));
    }
    verifier(route, secrets).map_err(|error| error.to_string())
}

fn verifier(route: &config::Route, secrets: Vec<Secret>) -> Result<Verifier, SetupError> {
    let mut verifier = match &route.verify {
        config::Verify::Profile(profile) => {
            Verifier::for_profile(profile, secrets, Settings::default())?
        }
        config::Verify::Scheme(scheme) => Verifier::new(scheme.clone(), secrets)?,
        config::Verify::None => Verifier::new(hookyard_verify::Scheme::None, secrets)?,
    };
    if let Some(kind) = &route.kind {
        verifier = verifier.with_kind(vec![kind.clone()]);
    }
    if let Some(id) = &route.id {
        verifier = verifier.with_delivery_id(vec![id.clone()]);
    }
    Ok(verifier)
}

/// Puts parameters into text with `{name}`s.
pub(crate) fn fill(text: &str, params: &[(String, String)]) -> String {
    params
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(text: &str) -> Routes {
        routes_of(Path::new("config.toml"), text)
    }

    fn routes_of(file: &Path, text: &str) -> Routes {
        let base = file.parent().expect("a folder");
        let loaded =
            config::parse_with(file, text, |_| Ok(()), |route| RouteVerifier::build(route, base));
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
            matched.route.verify(request, UnixTime::from_secs(0)).await
        };
        assert!(verdict("acme", "acme-secret").await.is_ok());
        assert!(matches!(verdict("acme", "other").await, Err(NotVerified::Refused(_))));
        let missing = verdict("initech", "acme-secret").await;
        assert!(matches!(missing, Err(NotVerified::NoSecret(_))));
    }
}
