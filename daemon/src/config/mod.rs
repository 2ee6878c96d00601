//! config.toml: from text to checked values, or to every problem at once with its place.
//!
//! [`load_with`] is the one way in: `check`, `serve` and a reload resolve secrets in it, and [`load`]
//! is for commands that do not. The text is parsed with the places of all values kept, read by hand
//! ([`reader`]), and what comes out is [`model`].

#[cfg(test)]
mod budget;
mod conflicts;
mod connection;
mod diagnostic;
mod keys;
mod model;
mod plugin;
mod provider;
mod queue;
mod reader;
mod references;
mod route;
mod route_keys;
mod schedule;
mod scheme;
mod secrets;
mod sections;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(crate) use diagnostic::{Diagnostic, Severity};
pub(crate) use model::*;
pub(crate) use reader::nearest;
use reader::{Problems, Table};
pub(crate) use secrets::{RoutePart, SecretProblem};

/// Problems that are shown of one file; more are counted.
const MOST_SHOWN: usize = 50;

/// Why there is no configuration. `Display` shows every problem, each with its place.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    Unreadable { file: PathBuf, source: io::Error },
    /// The file is wrong; errors and warnings in the order of the file.
    Invalid(Vec<Diagnostic>),
}

/// Makes something of a configuration's parts from what is outside of the file: secrets and
/// certificates. It is called with what is right by itself, and what it says is shown with all the
/// rest that is wrong with the file, each in its place. A function makes something of routes alone.
pub(crate) trait Build {
    type Route;

    fn route(&mut self, route: &Route) -> Result<Self::Route, Vec<RouteProblem>>;

    /// What is wrong with the `token`.
    fn admin(&mut self, _: &Admin) -> Result<(), SecretProblem> {
        Ok(())
    }

    /// What is wrong with which key of the connection. `outbound` is the same file's.
    fn connection(
        &mut self,
        _name: &str,
        _: &Connection,
        _outbound: &Outbound,
    ) -> Result<(), (&'static str, SecretProblem)> {
        Ok(())
    }

    /// What is wrong with the keys, each under the reference to it; called before anything else that
    /// has to do with secrets.
    fn secrets(&mut self, _: &Secrets, _: &Store) -> Vec<(SecretRef, SecretProblem)> {
        Vec::new()
    }

    /// What is wrong with a secret that a plugin is granted.
    fn plugin_secret(
        &mut self,
        _plugin: &str,
        _name: &str,
        _: &SecretRef,
    ) -> Result<(), SecretProblem> {
        Ok(())
    }

    /// What is wrong with the `ca`.
    fn outbound(&mut self, _: &Outbound) -> Result<(), String> {
        Ok(())
    }
}

impl<T, F: FnMut(&Route) -> Result<T, Vec<RouteProblem>>> Build for F {
    type Route = T;

    fn route(&mut self, route: &Route) -> Result<T, Vec<RouteProblem>> {
        self(route)
    }
}

/// What is wrong with which part of a route.
pub(crate) type RouteProblem = (RoutePart, SecretProblem);

/// A configuration, and what was built of its routes.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    pub(crate) config: Config,
    /// In the order of [`Config::routes`].
    pub(crate) built: Vec<T>,
    /// What works and should be known to a person.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Reads and checks the file. Relative paths in it become relative to its folder. Secrets are not
/// resolved and plugins not looked at.
///
/// The second part is what works and should be known to a person.
pub(crate) fn load(file: &Path) -> Result<(Config, Vec<Diagnostic>), ConfigError> {
    let loaded = load_with(file, &mut |_: &Route| Ok(()))?;
    Ok((loaded.config, loaded.warnings))
}

/// As [`load`], and `build` makes of it what takes secrets.
pub(crate) fn load_with<B: Build>(
    file: &Path,
    build: &mut B,
) -> Result<Loaded<B::Route>, ConfigError> {
    let unreadable = |source: io::Error| ConfigError::Unreadable { file: file.to_owned(), source };
    let bytes = std::fs::read(file).map_err(unreadable)?;
    match String::from_utf8(bytes) {
        Ok(text) => parse_with(file, &text, build),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let mut problems = Problems::default();
            problems
                .error(at..at + 1, "the file is not UTF-8 text")
                .help("save it in the encoding UTF-8");
            hide_likely_secrets(&text, &mut problems);
            Err(ConfigError::Invalid(diagnostic::attach(
                file,
                &text,
                &problems.secrets,
                problems.drafts,
            )))
        }
    }
}

/// As [`load`], of a text that was read from `file`.
#[cfg(test)]
pub(crate) fn parse(file: &Path, text: &str) -> Result<(Config, Vec<Diagnostic>), ConfigError> {
    let loaded = parse_with(file, text, &mut |_: &Route| Ok(()))?;
    Ok((loaded.config, loaded.warnings))
}

/// As [`load_with`], of a text that was read from `file`.
pub(crate) fn parse_with<B: Build>(
    file: &Path,
    text: &str,
    build: &mut B,
) -> Result<Loaded<B::Route>, ConfigError> {
    let mut problems = Problems::default();
    let read = read(file, text, build, &mut problems);
    let failed = problems.has_errors();
    let shown = diagnostic::attach(file, text, &problems.secrets, problems.drafts);
    match read {
        Some((config, built)) if !failed => Ok(Loaded { config, built, warnings: shown }),
        _ => Err(ConfigError::Invalid(shown)),
    }
}

fn read<B: Build>(
    file: &Path,
    text: &str,
    build: &mut B,
    problems: &mut Problems,
) -> Option<(Config, Vec<B::Route>)> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What was recovered would give errors that only follow from these, and so would a line's
        // second error.
        let mut last_line = 0;
        for error in errors {
            let span = error.span().unwrap_or(text.len()..text.len());
            let line = diagnostic::line_of(text, span.start);
            if line == last_line {
                continue;
            }
            last_line = line;
            problems.error(span, format!("not TOML: {}", error.message()));
        }
        hide_likely_secrets(text, problems);
        return None;
    }
    let base = file.parent().unwrap_or(Path::new(""));
    let root = Table::of(document.get_ref(), 0..0, &keys::ROOT, problems);
    let server = sections::server(&root, base, problems);
    let admin = sections::admin(&root, &server, build, problems);
    let store = sections::store(&root, base, problems);
    let secrets = sections::secrets(&root, &store, build, problems);
    let runtime = sections::runtime(&root, base, &store, problems);
    let outbound = sections::outbound(&root, base, build, problems);
    let named = connection::names(&root);
    let queues = queue::queues(&root, text, problems);
    let granted = plugin::Granted { connections: &named, queues: &queues };
    let plugins = plugin::plugins(&root, &runtime.defaults, granted, build, problems);
    let connections = connection::connections(&root, base, &outbound, build, problems);
    let context =
        route::Context { text, body: server.limits.body, public_url: server.public_url.is_some() };
    let routes = route::routes(&root, context, problems);
    let schedules = schedule::schedules(&root, text, problems);
    conflicts::check(&routes, problems);
    let built = self::secrets::build(&routes, build, problems);
    let routes = routes.into_iter().filter_map(|read| read.route).collect();
    let file = file.to_owned();
    let config = Config {
        file,
        server,
        admin,
        store,
        secrets,
        runtime,
        outbound,
        queues,
        plugins,
        connections,
        routes,
        schedules,
    };
    Some((config, built))
}

/// Where the text is no TOML its values are not known: what follows the `=` of a key that sounds
/// like a secret, and is no reference, is not shown.
fn hide_likely_secrets(text: &str, problems: &mut Problems) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((key, value)) = line.split_once('=') {
            let value_start = at + key.len() + 1;
            let reference = value.trim_start().starts_with('{') && !value.contains("value");
            if keys::sounds_secret(key) && !reference {
                problems.hide(value_start..at + line.len());
            }
        }
        at += line.len();
    }
}

impl ConfigError {
    /// As `Display`, with terminal colours when `colour`.
    pub(crate) fn render(&self, colour: bool) -> String {
        match self {
            Self::Unreadable { file, source } if source.kind() == io::ErrorKind::NotFound => {
                let (file, folder) = (file.display(), file.parent().unwrap_or(Path::new("")));
                let folder = match folder.to_str() {
                    Some("" | ".") => String::new(),
                    _ => format!(" {}", folder.display()),
                };
                format!(
                    "error: there is no configuration at {file}\n  help: `hookyard init{folder}` \
                         writes one to start from; `--config FILE` names another"
                )
            }
            Self::Unreadable { file, source } => {
                format!("error: cannot read the configuration {}: {source}", file.display())
            }
            Self::Invalid(problems) => {
                let mut shown: Vec<String> = problems
                    .iter()
                    .take(MOST_SHOWN)
                    .map(|problem| problem.render(colour))
                    .collect();
                let rest = problems.len().saturating_sub(MOST_SHOWN);
                if rest > 0 {
                    shown.push(format!("and {rest} more"));
                }
                shown.join("\n\n")
            }
        }
    }

    /// Every problem with a place; none when the file could not be read.
    pub(crate) fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Invalid(problems) => problems,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Invalid(_) => None,
        }
    }
}
