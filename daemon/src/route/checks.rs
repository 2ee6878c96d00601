//! What a route's requests are checked with: its verifier, made from secrets and settings.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hookyard_verify::{Scheme, Secret, Settings, SetupError, Verifier};
use parking_lot::Mutex;

use crate::config::{self, Key, RoutePart, RouteProblem, SecretProblem, SecretRef, SettingValue};
use crate::secret::{self, Places, SecretValue};

/// How long a verifier made for one set of parameters is used before its secret is read again.
const TENANT_SECRET_AGE: Duration = Duration::from_secs(10);

/// How many sets of parameters have their verifiers kept.
const TENANT_SECRETS_KEPT: usize = 4096;

/// A verifier and what it was made from.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) verifier: Verifier,
    /// For what has to be shown to get the sender's keys.
    pub(crate) settings: Arc<Settings>,
    secrets: Vec<Secret>,
}

/// What checks a route's requests.
#[derive(Debug)]
pub(crate) enum RouteChecks {
    Fixed(Arc<Checks>),
    /// A secret's place depends on the path's parameters: looked up for each request.
    PerTenant(Places, Mutex<TenantChecks>),
    /// A secret of it was taken away by force: nothing is let in.
    Closed(String),
}

/// By the path's parameters, each with the moment at which its secrets were read.
#[derive(Debug, Default)]
pub(crate) struct TenantChecks(HashMap<Params, (Instant, Arc<Checks>)>);

type Params = Vec<(String, String)>;

impl Checks {
    /// The same with the secrets that the sender has taught, besides those of the configuration.
    pub(super) fn with_learned(
        &self,
        learned: impl IntoIterator<Item = Secret>,
    ) -> Result<Self, SetupError> {
        let secrets: Vec<Secret> = self.secrets.iter().cloned().chain(learned).collect();
        let verifier = self.verifier.with_secrets(secrets.iter().cloned())?;
        Ok(Self { verifier, settings: Arc::clone(&self.settings), secrets })
    }

    /// Whether a secret that a sender teaches can be one of its own.
    pub(crate) fn takes(&self, secret: &Secret) -> Result<(), SetupError> {
        self.verifier.with_secrets([secret.clone()]).map(drop)
    }

    /// Those of a request with these parameters. Blocks on the file system.
    pub(super) fn of_tenant(
        route: &config::Route,
        params: &[(String, String)],
        places: &Places,
    ) -> Result<Self, String> {
        let resolve = |reference: &SecretRef| {
            secret::resolve(reference, params, places).map_err(|error| error.to_string())
        };
        let mut settings = Settings::default();
        for config::Setting { name, value } in route.verify.settings() {
            match value {
                SettingValue::Text(text) => settings.insert(*name, text.as_str()),
                SettingValue::Secret(reference) => {
                    let value = resolve(reference)?;
                    settings
                        .insert(*name, text(&value).map_err(|e| format!("{reference:?}: {e}"))?);
                }
            }
        }
        let mut secrets = Vec::with_capacity(route.keys.len());
        for key in &route.keys {
            secrets.push(match key {
                Key::Public(text) => Secret::from(text.as_str()),
                Key::At(reference) => Secret::new(resolve(reference)?.as_slice()),
            });
        }
        Self::new(route, secrets, settings).map_err(|error| error.to_string())
    }

    fn new(
        route: &config::Route,
        secrets: Vec<Secret>,
        settings: Settings,
    ) -> Result<Self, SetupError> {
        let verifier = verifier(route, secrets.clone(), settings.clone())?;
        Ok(Self { verifier, settings: Arc::new(settings), secrets })
    }
}

impl RouteChecks {
    /// Resolves the route's secrets, those that depend on a request's parameters excepted. Blocks on
    /// the file system.
    ///
    /// # Errors
    /// Every secret that cannot be had, and everything that the route's scheme does not take.
    pub(crate) fn build(route: &config::Route, places: &Places) -> Result<Self, Vec<RouteProblem>> {
        let mut problems = Vec::new();
        let mut later = false;
        let mut settings = Settings::default();
        for (index, config::Setting { name, value }) in route.verify.settings().iter().enumerate() {
            match value {
                SettingValue::Text(text) => settings.insert(*name, text.as_str()),
                SettingValue::Secret(reference) if reference.has_params() => later = true,
                SettingValue::Secret(reference) => match fixed_setting(reference, places) {
                    Ok(value) => settings.insert(*name, value),
                    Err(problem) => problems.push((RoutePart::Setting(index), problem)),
                },
            }
        }
        // Without all settings no verifier can be made, and so no secret be tried.
        let complete = problems.is_empty() && !later;
        let mut secrets = Vec::with_capacity(route.keys.len());
        for (index, key) in route.keys.iter().enumerate() {
            let secret = match key {
                Key::At(reference) if reference.has_params() => {
                    later = true;
                    continue;
                }
                Key::At(reference) => fixed_secret(reference, places),
                Key::Public(text) => Ok(Secret::from(text.as_str())),
            };
            let fitting = secret.and_then(|secret| match complete {
                true => fit(route, key, &secret, &settings, &places.base).map(|()| secret),
                false => Ok(secret),
            });
            match fitting {
                Ok(secret) => secrets.push(secret),
                Err(problem) => problems.push((RoutePart::Key(index), problem)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if later {
            return Ok(Self::PerTenant(places.clone(), Mutex::default()));
        }
        match Checks::new(route, secrets, settings) {
            Ok(checks) => Ok(Self::Fixed(Arc::new(checks))),
            Err(error) => Err(vec![setup_problem(route, &error)]),
        }
    }
}

impl TenantChecks {
    pub(super) fn get(&self, params: &[(String, String)], now: Instant) -> Option<Arc<Checks>> {
        let (made, checks) = self.0.get(params)?;
        (now.duration_since(*made) < TENANT_SECRET_AGE).then(|| Arc::clone(checks))
    }

    pub(super) fn keep(&mut self, params: &[(String, String)], now: Instant, checks: &Arc<Checks>) {
        if self.0.len() >= TENANT_SECRETS_KEPT {
            self.0.retain(|_, (made, _)| now.duration_since(*made) < TENANT_SECRET_AGE);
            if self.0.len() >= TENANT_SECRETS_KEPT {
                self.0.clear();
            }
        }
        self.0.insert(params.to_vec(), (now, Arc::clone(checks)));
    }
}

/// A confidential setting that is one for all requests.
fn fixed_setting(reference: &SecretRef, places: &Places) -> Result<String, SecretProblem> {
    let value = resolve(reference, places)?;
    text(&value).map_err(|what| secret::cannot_be_right(reference, what, &places.base))
}

fn text(value: &[u8]) -> Result<String, &'static str> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| "it is not text in UTF-8")
}

/// A secret that is one for all requests.
fn fixed_secret(reference: &SecretRef, places: &Places) -> Result<Secret, SecretProblem> {
    Ok(Secret::new(resolve(reference, places)?.as_slice()))
}

fn resolve(reference: &SecretRef, places: &Places) -> Result<SecretValue, SecretProblem> {
    secret::resolve(reference, &[], places).map_err(|error| error.problem(&places.base))
}

/// Whether the route's scheme takes this secret. Each by itself, as several can be wrong. What else
/// a scheme may not like is told of all.
fn fit(
    route: &config::Route,
    key: &Key,
    secret: &Secret,
    settings: &Settings,
    base: &Path,
) -> Result<(), SecretProblem> {
    let Err(SetupError::Secret { problem, .. }) =
        verifier(route, vec![secret.clone()], settings.clone())
    else {
        return Ok(());
    };
    Err(match key {
        Key::At(reference) => secret::cannot_be_right(reference, &problem.to_string(), base),
        Key::Public(_) => problem_of(format!("the key cannot be right: {problem}")),
    })
}

/// What is wrong with the route's way of verifying as a whole, or with one of its settings.
fn setup_problem(route: &config::Route, error: &SetupError) -> RouteProblem {
    if let SetupError::InvalidSetting { name, problem } = error
        && let Some(index) = route.verify.settings().iter().position(|s| s.name == *name)
    {
        return (RoutePart::Setting(index), problem_of((*problem).to_owned()));
    }
    (RoutePart::Verify, problem_of(error.to_string()))
}

fn problem_of(message: String) -> SecretProblem {
    SecretProblem { message, label: None, help: Vec::new() }
}

fn verifier(
    route: &config::Route,
    secrets: Vec<Secret>,
    settings: Settings,
) -> Result<Verifier, SetupError> {
    let mut verifier = match &route.verify {
        config::Verify::Profile(profile, _) => Verifier::for_profile(profile, secrets, settings)?,
        config::Verify::Scheme(scheme) => Verifier::new(scheme.clone(), secrets)?,
        config::Verify::None => Verifier::new(Scheme::None, secrets)?,
    };
    if let Some(kind) = &route.kind {
        verifier = verifier.with_kind(vec![kind.clone()]);
    }
    if let Some(id) = &route.id {
        verifier = verifier.with_delivery_id(vec![id.clone()]);
    }
    Ok(verifier)
}
