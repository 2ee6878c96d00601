//! What can change while the daemon runs: the configuration and what was made from it, swapped as
//! one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use rustls::RootCertStore;

use crate::admin::{self, Token};
use crate::config::{self, Config, ConfigError, Diagnostic, RouteProblem, SecretProblem};
use crate::connections::{self, Connection};
use crate::outbound;
use crate::route::{RouteChecks, Routes};
use crate::secret::{self, Stamp};

/// The configuration in force. Loaded once per use, so that nobody sees half of a change.
pub(crate) struct Live {
    now: ArcSwap<Generation>,
    /// The newest configuration was refused: what is in force is not what the file says.
    refused: AtomicBool,
}

/// One configuration with the routes that were built from it.
pub(crate) struct Generation {
    pub(crate) config: Arc<Config>,
    pub(crate) routes: Routes,
    pub(crate) connections: connections::Set,
    /// The admin API's, when the configuration names one.
    pub(crate) admin_token: Option<Token>,
    /// The states of its own file and of the secrets' files when they were read.
    pub(crate) stamps: Vec<Option<Stamp>>,
}

impl Generation {
    /// Reads the file, resolves its secrets, builds its routes and looks at its `ca`: what `serve`,
    /// `check` and a reload do with a configuration. Blocks on the file system.
    ///
    /// The second part is what works and should be known to a person.
    pub(crate) fn load(file: &Path) -> Result<(Self, Vec<Diagnostic>), ConfigError> {
        let base = file.parent().unwrap_or(Path::new(""));
        // Each is looked at before it is read: a change in between is then seen as one more.
        let stamps = vec![secret::stamp_of(file)];
        let mut builder = Builder {
            base,
            stamps,
            admin_token: None,
            connections: Default::default(),
            roots: None,
        };
        let loaded = config::load_with(file, &mut builder)?;
        let Builder { stamps, admin_token, connections, .. } = builder;
        let config = Arc::new(loaded.config);
        let routes = Routes::new(&config, loaded.built);
        Ok((Self { config, routes, connections, admin_token, stamps }, loaded.warnings))
    }
}

/// What is made of a configuration while it is loaded.
struct Builder<'b> {
    base: &'b Path,
    stamps: Vec<Option<Stamp>>,
    admin_token: Option<Token>,
    connections: connections::Set,
    /// The platform's, read for the first connection.
    roots: Option<RootCertStore>,
}

impl config::Build for Builder<'_> {
    type Route = RouteChecks;

    fn route(&mut self, route: &config::Route) -> Result<RouteChecks, Vec<RouteProblem>> {
        self.stamps.extend(route_stamps(route, self.base));
        RouteChecks::build(route, self.base)
    }

    fn admin(&mut self, admin: &config::Admin) -> Result<(), SecretProblem> {
        self.stamps.extend(admin_stamp(admin, self.base));
        self.admin_token = admin.token.as_ref().map(|t| admin::token(t, self.base)).transpose()?;
        Ok(())
    }

    fn connection(
        &mut self,
        name: &str,
        connection: &config::Connection,
        outbound: &config::Outbound,
    ) -> Result<(), (&'static str, SecretProblem)> {
        self.stamps.extend(connections::stamps(connection, self.base));
        let roots = self.roots.get_or_insert_with(outbound::platform_roots);
        let built = Connection::build(name, connection, outbound, roots, self.base)?;
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
    let base = config.file.parent().unwrap_or(Path::new(""));
    let routes = config.routes.iter().flat_map(|route| route_stamps(route, base));
    std::iter::once(secret::stamp_of(&config.file))
        .chain(admin_stamp(&config.admin, base))
        .chain(config.connections.values().flat_map(|one| connections::stamps(one, base)))
        .chain(routes)
        .collect()
}

fn admin_stamp(admin: &config::Admin, base: &Path) -> Option<Option<Stamp>> {
    admin.token.as_ref().map(|reference| secret::stamp(reference, base))
}

fn route_stamps(route: &config::Route, base: &Path) -> impl Iterator<Item = Option<Stamp>> {
    route.references().map(move |reference| secret::stamp(reference, base))
}

impl Live {
    pub(crate) fn new(generation: Generation) -> Self {
        Self { now: ArcSwap::from_pointee(generation), refused: AtomicBool::new(false) }
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
