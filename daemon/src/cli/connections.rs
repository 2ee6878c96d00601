//! `hookyard connections`: what the configuration has, and whether a service answers. No daemon is
//! needed: the request is made by this process, with the loader and the guard that the daemon has.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Subcommand;
use hookyard_runtime::Call;
use serde_json::{Value, json};

use super::ConfigArgument;
use crate::config::{self, Auth, Rate};
use crate::connections::{Connection, Done};
use crate::outbound::platform_roots;
use crate::secret::{Places, Vault};

/// Longer than anybody waits at a terminal.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionsCommand {
    /// List the connections of the configuration. Secrets are not read.
    List {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make one request through a connection, and say what came of it.
    ///
    /// With the credential, which is never shown, nor is the body of the answer. Exit codes: 0 answered
    /// with 2xx or 3xx, 1 answered otherwise or not at all.
    Test {
        /// The connection's name, as `list` prints it.
        name: String,
        #[arg(default_value = "GET")]
        method: String,
        /// Below the connection's `base_url`.
        #[arg(default_value = "")]
        path: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: ConnectionsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConnectionsCommand::List { config, json } => {
            let Ok(config) = super::load(&config) else {
                return Ok(ExitCode::from(super::EXIT_BAD_CONFIG));
            };
            let mut out = std::io::stdout().lock();
            let users = |name: &str| -> Vec<&String> {
                let plugins = config.plugins.iter();
                let users = plugins.filter(|(_, plugin)| plugin.connections.contains(name));
                users.map(|(plugin, _)| plugin).collect()
            };
            if json {
                let all = config.connections.iter();
                let all: Vec<Value> =
                    all.map(|(name, one)| described(name, one, &users(name))).collect();
                serde_json::to_writer_pretty(&mut out, &json!({ "connections": all }))?;
                writeln!(out)?;
            } else {
                for (name, one) in &config.connections {
                    let rate = one.rate.map(rate).map(|rate| format!("  rate {rate}"));
                    let users: Vec<&str> = users(name).into_iter().map(String::as_str).collect();
                    let users =
                        if users.is_empty() { "no plugin".to_owned() } else { users.join(", ") };
                    writeln!(
                        out,
                        "{name:20}  {}  {}{}  for {users}",
                        one.base_url,
                        auth(one.auth.as_ref()),
                        rate.unwrap_or_default(),
                    )?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        ConnectionsCommand::Test { name, method, path, config, json } => {
            let file = &config.config;
            let base = file.parent().unwrap_or(Path::new(""));
            let places = Places::without_store(base);
            let mut wanted = Wanted { name: &name, places, closed: None, built: None };
            let config = match config::load_with(file, &mut wanted) {
                Ok(loaded) => loaded.config,
                Err(error) => {
                    eprintln!("{error}");
                    return Ok(ExitCode::from(super::EXIT_BAD_CONFIG));
                }
            };
            match wanted.built {
                Some(connection) => test(&connection, name, method, path, json),
                None => {
                    let known: Vec<&str> = config.connections.keys().map(String::as_str).collect();
                    match config::nearest(&name, known.iter().copied()) {
                        Some(near) => {
                            eprintln!("there is no connection `{name}`; did you mean `{near}`?");
                        }
                        None if known.is_empty() => eprintln!("there is no connection at all"),
                        None => {
                            eprintln!(
                                "there is no connection `{name}`; there are {}",
                                known.join(", ")
                            );
                        }
                    }
                    Ok(ExitCode::from(super::EXIT_USAGE))
                }
            }
        }
    }
}

/// Makes the one connection that is asked for: whoever tries it need not have the secrets of all.
struct Wanted<'w> {
    name: &'w str,
    places: Places,
    /// Why stored secrets cannot be had, which matters to a connection that has one.
    closed: Option<config::SecretProblem>,
    built: Option<Connection>,
}

impl config::Build for Wanted<'_> {
    type Route = ();

    fn route(&mut self, _: &config::Route) -> Result<(), Vec<config::RouteProblem>> {
        Ok(())
    }

    fn secrets(
        &mut self,
        secrets: &config::Secrets,
        store: &config::Store,
    ) -> Vec<(config::SecretRef, config::SecretProblem)> {
        match Vault::load(secrets, store, &self.places.base) {
            Ok(vault) => self.places.vault = Arc::new(vault),
            Err(problems) => self.closed = problems.into_iter().next().map(|(_, why)| why),
        }
        Vec::new()
    }

    fn connection(
        &mut self,
        name: &str,
        connection: &config::Connection,
        outbound: &config::Outbound,
    ) -> Result<(), (&'static str, config::SecretProblem)> {
        if name == self.name {
            let secret = connection.auth.as_ref().map(Auth::secret);
            if let Some(config::SecretRef::Stored(_)) = secret
                && let Some(why) = self.closed.take()
            {
                return Err(("auth", why));
            }
            let roots = platform_roots();
            self.built = Some(Connection::build(name, connection, outbound, &roots, &self.places)?);
        }
        Ok(())
    }
}

fn test(
    connection: &Connection,
    name: String,
    method: String,
    path: String,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let call = Call {
        connection: name,
        method: method.to_ascii_uppercase(),
        path,
        query: Vec::new(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        idempotency_key: format!("test-{:016x}", fastrand::u64(..)),
        keyed_by_author: false,
        deadline: begun + PATIENCE,
        max_answer: usize::MAX,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.context("failed to start the I/O thread")?;
    let method = call.method.clone();
    let done = runtime.block_on(connection.call(call));
    let good = matches!(&done.called.outcome, Ok(answer) if answer.status < 400);
    let shown = result(&method, &done, begun.elapsed());
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &shown)?;
        writeln!(out)?;
    } else {
        let text = |key: &str| match shown.get(key).unwrap_or(&Value::Null) {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        for (label, key) in [
            ("request", "request"),
            ("status", "status"),
            ("time", "time"),
            ("tries", "tries"),
            ("address", "address"),
            ("TLS", "tls"),
            ("type", "content_type"),
            ("bytes", "received"),
            ("error", "error"),
        ] {
            if key != "error" || done.called.outcome.is_err() {
                writeln!(out, "{label:8}  {}", text(key))?;
            }
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn result(method: &str, done: &Done, took: Duration) -> Value {
    let Done { called, peer } = done;
    let content_type = called.outcome.as_ref().ok().and_then(|answer| {
        let mut headers = answer.headers.iter();
        let found = headers.find(|(name, _)| name == "content-type");
        found.map(|(_, value)| String::from_utf8_lossy(value).escape_debug().to_string())
    });
    json!({
        "request": format!("{} {}", method.escape_debug(), called.url),
        "status": called.status,
        "time": format!("{:.1} ms", took.as_secs_f64() * 1000.0),
        "duration_ms": took.as_secs_f64() * 1000.0,
        "tries": called.tries,
        "address": peer.as_ref().map(|peer| peer.address.to_string()),
        "tls": peer.as_ref().map(|peer| peer.tls.unwrap_or("none, in the clear")),
        "content_type": content_type,
        "received": called.received,
        "error": called.outcome.as_ref().err().map(hookyard_runtime::CallError::message),
    })
}

fn described(name: &str, one: &config::Connection, users: &[&String]) -> Value {
    json!({
        "name": name,
        "base_url": one.base_url.to_string(),
        "auth": auth(one.auth.as_ref()),
        "rate": one.rate.map(rate),
        "timeout": humantime::format_duration(one.timeout).to_string(),
        "max_attempts": one.max_attempts,
        "redirects": one.redirects,
        "plugins": users,
    })
}

/// How it proves who asks, without what it proves it with.
fn auth(auth: Option<&Auth>) -> String {
    match auth {
        None => "no credential".to_owned(),
        Some(Auth::Bearer(_)) => "bearer".to_owned(),
        Some(Auth::Basic { .. }) => "basic".to_owned(),
        Some(Auth::Header { name, .. }) => format!("header {name}"),
        Some(Auth::Query { name, .. }) => format!("query {name}"),
        Some(Auth::OAuth2(oauth)) => format!("oauth2 from {}", oauth.token_url),
    }
}

fn rate(rate: Rate) -> String {
    format!("{}/{}", rate.requests, humantime::format_duration(rate.per))
}
