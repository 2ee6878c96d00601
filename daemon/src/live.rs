//! What can change while the daemon runs: the configuration and what was made from it, swapped as
//! one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use rustls::RootCertStore;

use crate::admin::{self, Token};
use crate::config::{
    self, Config, ConfigError, Diagnostic, RouteProblem, SecretProblem, SecretRef,
};
use crate::connections::{self, Connection};
use crate::granted::{self, Granted};
use crate::outbound;
use crate::route::{RouteChecks, Routes};
use crate::secret::{self, Places, Stamp, Vault};

/// The configuration in force. Loaded once per use, so that nobody sees half of a change.
pub(crate) struct Live {
    now: ArcSwap<Generation>,
    /// Held by whoever makes the next generation of the one in force.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// The newest configuration was refused: what is in force is not what the file says.
    refused: AtomicBool,
}

/// One configuration with the routes that were built from it.
pub(crate) struct Generation {
    pub(crate) config: Arc<Config>,
    pub(crate) routes: Routes,
    pub(crate) connections: connections::Set,
    /// What each of the routes is checked with, in their order.
    checks: Vec<Arc<RouteChecks>>,
    /// The secrets that plugins may read.
    pub(crate) granted: Arc<Granted>,
    /// Where its secrets were looked up.
    pub(crate) places: Places,
    /// The admin API's, when the configuration names one.
    pub(crate) admin_token: Option<Arc<Token>>,
    /// The states of its own file and of the secrets' files when they were read.
    pub(crate) stamps: Vec<Option<Stamp>>,
}

impl Generation {
    /// Reads the file, resolves its secrets, builds its routes and looks at its `ca`: what `serve`,
    /// `check` and a reload do with a configuration. Blocks on the file system.
    ///
    /// The second part is what works and should be known to a person.
    pub(crate) fn load(file: &Path) -> Result<(Self, Vec<Diagnostic>), ConfigError> {
        let places = Places::without_store(file.parent().unwrap_or(Path::new("")));
        // Each is looked at before it is read: a change in between is then seen as one more.
        let stamps = vec![secret::stamp_of(file)];
        let granted = Granted::default();
        let mut builder = Builder {
            places,
            stamps,
            admin_token: None,
            granted,
            connections: connections::Set::new(),
            roots: None,
        };
        let loaded = config::load_with(file, &mut builder)?;
        let Builder { places, stamps, admin_token, granted, connections, .. } = builder;
        let config = Arc::new(loaded.config);
        let routes = Routes::new(&config, loaded.built.clone());
        let (checks, granted) = (loaded.built, Arc::new(granted));
        let generation =
            Self { config, routes, connections, checks, granted, places, admin_token, stamps };
        Ok((generation, loaded.warnings))
    }

    /// The same with other stored secrets; what refers to none stays as it is. With `gone`, the name
    /// of one that was taken away by force, the routes that need it let nothing in, and plugins do
    /// not find it. Blocks on the file system.
    ///
    /// # Errors
    /// What does not work with these secrets, a sentence each.
    pub(crate) fn with_vault(
        &self,
        vault: Arc<Vault>,
        gone: Option<&str>,
    ) -> Result<Self, Vec<String>> {
        let places = Places { base: self.places.base.clone(), vault };
        let is_stored = |reference: &SecretRef| matches!(reference, SecretRef::Stored(_));
        let mut problems = Vec::new();
        let mut checks = Vec::with_capacity(self.checks.len());
        for (route, before) in self.config.routes.iter().zip(&self.checks) {
            if !route.references().any(is_stored) {
                checks.push(Arc::clone(before));
                continue;
            }
            let lost = gone.filter(|name| route.references().any(|r| r.may_be_stored(name)));
            match RouteChecks::build(route, &places) {
                Ok(built) => checks.push(Arc::new(built)),
                Err(_) if matches!(**before, RouteChecks::Closed(_)) => {
                    checks.push(Arc::clone(before));
                }
                Err(found) => {
                    match lost {
                        Some(name) => checks.push(Arc::new(RouteChecks::Closed(format!(
                            "stored secret {name} was removed by force"
                        )))),
                        None => problems.extend(found.into_iter().map(|(_, problem)| {
                            format!("route {}: {}", route.name, problem.message)
                        })),
                    }
                }
            }
        }
        let mut granted = Granted::clone(&self.granted);
        for (plugin, table) in &self.config.plugins {
            for (name, reference) in table.secrets.iter().filter(|(_, r)| is_stored(r)) {
                let of_plugin = granted.entry(plugin.clone()).or_default();
                match granted::read(reference, &places) {
                    Ok(value) => drop(of_plugin.insert(name.clone(), value)),
                    // It was taken away, now or before.
                    Err(_) if !of_plugin.contains_key(name) => {}
                    Err(_) if gone.is_some_and(|gone| reference.may_be_stored(gone)) => {
                        of_plugin.remove(name);
                    }
                    Err(problem) => {
                        problems.push(format!("plugin {plugin}: `{name}`: {}", problem.message));
                    }
                }
            }
        }
        let connections = self.connections_with(&places, gone, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            config: Arc::clone(&self.config),
            routes: Routes::new(&self.config, checks.clone()),
            connections,
            checks,
            granted: Arc::new(granted),
            places,
            admin_token: self.admin_token.clone(),
            stamps: self.stamps.clone(),
        })
    }

    /// The connections with other stored secrets; one whose secret is gone is left out, and says so
    /// when it is used.
    fn connections_with(
        &self,
        places: &Places,
        gone: Option<&str>,
        problems: &mut Vec<String>,
    ) -> connections::Set {
        let mut set = self.connections.clone();
        let mut roots = None;
        for (name, table) in &self.config.connections {
            let Some(reference) = table.auth.as_ref().map(|auth| auth.secret()) else { continue };
            let SecretRef::Stored(_) = reference else { continue };
            let roots = roots.get_or_insert_with(outbound::platform_roots);
            match Connection::build(name, table, &self.config.outbound, roots, places) {
                Ok(built) => drop(set.insert(name.clone(), Arc::new(built))),
                // It was taken away, now or before.
                Err(_) if !set.contains_key(name) => {}
                Err(_) if gone.is_some_and(|gone| reference.may_be_stored(gone)) => {
                    set.remove(name);
                }
                Err((key, problem)) => {
                    problems.push(format!("connection {name}: `{key}`: {}", problem.message));
                }
            }
        }
        connections::inherit(&mut set, &self.connections);
        set
    }
}

/// What is made of a configuration while it is loaded.
struct Builder {
    places: Places,
    stamps: Vec<Option<Stamp>>,
    admin_token: Option<Arc<Token>>,
    granted: Granted,
    connections: connections::Set,
    /// The platform's, read for the first connection.
    roots: Option<RootCertStore>,
}

impl config::Build for Builder {
    type Route = Arc<RouteChecks>;

    fn route(&mut self, route: &config::Route) -> Result<Self::Route, Vec<RouteProblem>> {
        self.stamps.extend(route_stamps(route, &self.places.base));
        RouteChecks::build(route, &self.places).map(Arc::new)
    }

    fn admin(&mut self, admin: &config::Admin) -> Result<(), SecretProblem> {
        let base = &self.places.base;
        self.stamps.extend(admin_stamp(admin, base));
        let token = admin.token.as_ref().map(|token| admin::token(token, base)).transpose()?;
        self.admin_token = token.map(Arc::new);
        Ok(())
    }

    fn secrets(
        &mut self,
        secrets: &config::Secrets,
        store: &config::Store,
    ) -> Vec<(SecretRef, SecretProblem)> {
        self.stamps.extend(key_stamps(secrets, &self.places.base));
        match Vault::load(secrets, store, &self.places.base) {
            Ok(vault) => {
                self.places.vault = Arc::new(vault);
                Vec::new()
            }
            Err(problems) => {
                self.places.vault = Arc::new(Vault::shut());
                problems
            }
        }
    }

    fn plugin_secret(
        &mut self,
        plugin: &str,
        name: &str,
        reference: &SecretRef,
    ) -> Result<(), SecretProblem> {
        self.stamps.push(secret::stamp(reference, &self.places.base));
        let value = granted::read(reference, &self.places)?;
        self.granted.entry(plugin.to_owned()).or_default().insert(name.to_owned(), value);
        Ok(())
    }

    fn connection(
        &mut self,
        name: &str,
        connection: &config::Connection,
        outbound: &config::Outbound,
    ) -> Result<(), (&'static str, SecretProblem)> {
        self.stamps.extend(connections::stamps(connection, &self.places.base));
        let roots = self.roots.get_or_insert_with(outbound::platform_roots);
        let built = Connection::build(name, connection, outbound, roots, &self.places)?;
        self.connections.insert(name.to_owned(), Arc::new(built));
        Ok(())
    }

    fn outbound(&mut self, outbound: &config::Outbound) -> Result<(), String> {
        outbound::extra_roots(outbound).map(drop).map_err(|error| error.to_string())
    }
}

/// The states of the configuration's file and of its secrets' files as they are now, to be compared
/// with [`Generation::stamps`]. Blocks on the file system.
pub(crate) fn stamps(config: &Config) -> Vec<Option<Stamp>> {
    let base = config.base();
    let granted = config.plugins.values().flat_map(|plugin| plugin.secrets.values());
    let routes = config.routes.iter().flat_map(|route| route_stamps(route, base));
    std::iter::once(secret::stamp_of(&config.file))
        .chain(admin_stamp(&config.admin, base))
        .chain(config.connections.values().flat_map(|one| connections::stamps(one, base)))
        .chain(key_stamps(&config.secrets, base))
        .chain(granted.map(|reference| secret::stamp(reference, base)))
        .chain(routes)
        .collect()
}

fn admin_stamp(admin: &config::Admin, base: &Path) -> Option<Option<Stamp>> {
    admin.token.as_ref().map(|reference| secret::stamp(reference, base))
}

fn key_stamps(secrets: &config::Secrets, base: &Path) -> impl Iterator<Item = Option<Stamp>> {
    let keys = secrets.key.iter().chain(&secrets.former_keys);
    keys.map(move |reference| secret::stamp(reference, base))
}

fn route_stamps(route: &config::Route, base: &Path) -> impl Iterator<Item = Option<Stamp>> {
    route.references().map(move |reference| secret::stamp(reference, base))
}

impl Live {
    pub(crate) fn new(generation: Generation) -> Self {
        Self {
            now: ArcSwap::from_pointee(generation),
            changing: tokio::sync::Mutex::default(),
            refused: AtomicBool::new(false),
        }
    }

    pub(crate) fn load(&self) -> Arc<Generation> {
        self.now.load_full()
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.now.load().config)
    }

    /// Whether the file says something else, which was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn set_refused(&self, refused: bool) {
        self.refused.store(refused, Ordering::Relaxed);
    }

    /// Puts another generation in force and returns the one that was.
    pub(crate) fn swap(&self, generation: Arc<Generation>) -> Arc<Generation> {
        self.now.swap(generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISTAKES: &str = r#"[server]
lissten = "127.0.0.1:80"

[outbound]
ca = "missing.pem"

[admin]
token = { file = "text" }

[[route]]
path = "/variable"
provider = "github"
secret = { env = "CARGO_MANIFST_DIR" }
handlers = "a/b"

[[route]]
path = "/files"
provider = "resend"
secret = [
    { file = "right" },
    { file = "missing" },
    { file = "empty" },
    { file = "text" },
    { file = "." },
]
handlers = "a/b"

[[route]]
path = "/tenants/{tenant}"
provider = "github"
secret = [{ file = "of/{tenant}" }, { file = "old" }]
handlers = "a/b"

[[route]]
path = "/wrong-otherwise"
provider = "github"
secret = { file = "missing" }
handlers = "a/b"
retry = 5

[[route]]
path = "/settings"
provider = { name = "plaid", client_id = "c", secret = { file = "missing" } }
id = "json:/id"
handlers = "a/b"

[[route]]
path = "/settings-that-are-no-text"
provider = { name = "plaid", client_id = "c", secret = { file = "bytes" } }
id = "json:/id"
handlers = "a/b"

[[route]]
path = "/settings-that-cannot-be"
provider = { name = "plaid", client_id = "c", secret = { file = "right" }, environment = "sandpit" }
id = "json:/id"
handlers = "a/b"

[[route]]
path = "/settings-of-tenants/{tenant}"
provider = { name = "plaid", client_id = "c", secret = { file = "of/{tenant}" } }
id = "json:/id"
handlers = "a/b"

[[route]]
path = "/public-keys"
provider = "discord"
public_key = ["no key", { file = "text" }]
handlers = "a/b"

[[route]]
path = "/no-pair"
provider = "easypost"
secret = { file = "bytes" }
handlers = "a/b"
"#;

    #[test]
    fn every_secret_that_cannot_be_used_is_shown_with_the_file_s_other_mistakes() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, value: &[u8]| {
            std::fs::write(folder.path().join(name), value).expect("written");
        };
        put("config.toml", MISTAKES.as_bytes());
        put("right", b"whsec_MDEyMzQ1Njc4OWFiY2RlZg==\n");
        put("empty", b"\n");
        put("text", b"hunter2 in the clear\n");
        put("bytes", b"\xff\xfehunter2");
        let error = match Generation::load(&folder.path().join("config.toml")) {
            Ok(_) => panic!("it was taken"),
            Err(error) => error.to_string(),
        };
        assert!(!error.contains("hunter2"), "{error}");
        let shown = error.replace(&folder.path().display().to_string(), "/etc/hookyard");
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("secrets", shown));
    }

    #[test]
    fn every_file_with_a_secret_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.toml");
        let text = "[secrets]\nkey = { file = \"key\" }\nformer_keys = [{ file = \"former\" }]\n\
                    [admin]\ntoken = { file = \"token\" }\n\
                    [plugin.b.secrets]\ny = { file = \"y\" }\nx = { file = \"x\" }\n\
                    [plugin.a]\nsecrets = { z = { file = \"z\" } }\n\
                    [[route]]\npath = \"/in\"\nprovider = \"github\"\nhandlers = \"a/b\"\n\
                    secret = { file = \"route\" }\n";
        std::fs::write(&file, text).expect("written");
        let put = |name: &str, value: &str| {
            std::fs::write(folder.path().join(name), value).expect("written");
        };
        let names = ["token", "x", "y", "z", "route"];
        names.iter().for_each(|name| put(name, "a-secret-of-some-length"));
        put("key", &format!("{}00", "1".repeat(62)));
        put("former", &format!("{}00", "2".repeat(62)));
        let (generation, _) = Generation::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let mut before = stamps(&generation.config);
        assert_eq!(generation.stamps, before);
        for name in names.into_iter().chain(["key", "former"]) {
            put(name, &format!("{}33", "3".repeat(70)));
            let now = stamps(&generation.config);
            assert_ne!(now, before, "{name} is not followed");
            before = now;
        }
    }

    #[test]
    fn secrets_that_can_be_used_load_and_those_of_tenants_are_not_looked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.toml");
        let text = "[[route]]\npath = \"/{tenant}\"\nprovider = \"github\"\n\
                    secret = [{ file = \"of/{tenant}\" }, { file = \"old\" }]\nhandlers = \"a/b\"\n";
        std::fs::write(&file, text).expect("written");
        std::fs::write(folder.path().join("old"), "s3cret").expect("written");
        let (generation, warnings) =
            Generation::load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((generation.config.routes.len(), warnings.len()), (1, 0), "{warnings:?}");
        assert_eq!(generation.stamps, stamps(&generation.config));
        std::fs::write(folder.path().join("old"), "another").expect("written");
        assert_ne!(generation.stamps, stamps(&generation.config));
    }
}
