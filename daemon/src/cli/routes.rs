//! `hookyard routes`: what the configuration has, and what a running daemon is told about them.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::ConfigArgument;
use super::api::Api;
use crate::admin::describe;
use crate::config::Config;
use crate::learned;

#[derive(Debug, Subcommand)]
pub(crate) enum RoutesCommand {
    /// List the routes of the configuration, in its order. No daemon is needed.
    List {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a route learn its secret: for a while, or until it has learned one.
    ///
    /// For providers that teach their secret in an unsigned handshake. Whoever sends one first sets
    /// the secret, so arm the route when you are about to make the webhook at the provider.
    Arm {
        /// The route's name, as `list` prints it.
        name: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// A parameter of the route's path, for each that it has: its values have secrets of their
        /// own.
        #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
        params: Vec<(String, String)>,
        /// For how long, at most 1h.
        #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = learned::window)]
        window: Duration,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the secrets that a route has learned, newest first.
    ///
    /// For providers whose form wants to be given what they sent, as Notion's does. The daemon's log
    /// says that they were shown.
    Secret {
        /// The route's name, as `list` prints it.
        name: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Drop the secrets that a route has learned, and disarm it.
    Forget {
        /// The route's name, as `list` prints it. One that the configuration has no longer will do.
        name: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// Parameters of the route's path, all of them, to forget what belongs to their values alone.
        #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
        params: Vec<(String, String)>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: RoutesCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_in(command))
}

async fn run_in(command: RoutesCommand) -> anyhow::Result<ExitCode> {
    match command {
        RoutesCommand::List { config, json } => {
            let config = match super::load(&config) {
                Ok(config) => config,
                Err(code) => return Ok(code),
            };
            list(&config, json)?;
        }
        RoutesCommand::Arm { name, config, params, window, json } => {
            let config = match super::load(&config) {
                Ok(config) => config,
                Err(code) => return Ok(code),
            };
            let window = humantime::format_duration(window).to_string();
            let body = json!({ "for": window, "params": members(params) });
            let path = format!("/v1/routes/{}/arm", segment(&name)?);
            let answer = Api::of(&config)?.call(Method::POST, &path, Some(&body)).await?;
            print(&answer, json, |answer| {
                let until = answer["armed_until"].as_str().unwrap_or_default();
                format!("{name} is armed until {until}, for one handshake")
            })?;
        }
        RoutesCommand::Secret { name, config, json } => {
            let config = match super::load(&config) {
                Ok(config) => config,
                Err(code) => return Ok(code),
            };
            let path = format!("/v1/routes/{}/secrets/reveal", segment(&name)?);
            let answer = Api::of(&config)?.call(Method::POST, &path, None).await?;
            let secrets = answer
                .get("secrets")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default();
            if secrets.is_empty() && !json {
                anyhow::bail!("{name} has learned no secret; `hookyard routes arm {name}` lets it");
            }
            print(&answer, json, |_| {
                let text =
                    |secret: &Value, key: &str| secret[key].as_str().unwrap_or_default().to_owned();
                let lines = secrets.iter().map(|secret| match text(secret, "scope") {
                    scope if scope.is_empty() => text(secret, "secret"),
                    scope => format!("{scope}: {}", text(secret, "secret")),
                });
                lines.collect::<Vec<_>>().join("\n")
            })?;
        }
        RoutesCommand::Forget { name, config, params, json } => {
            let config = match super::load(&config) {
                Ok(config) => config,
                Err(code) => return Ok(code),
            };
            let path = format!("/v1/routes/{}/secrets", segment(&name)?);
            let body = (!params.is_empty()).then(|| json!({ "params": members(params) }));
            let answer = Api::of(&config)?.call(Method::DELETE, &path, body.as_ref()).await?;
            print(&answer, json, |answer| {
                format!("{name} is disarmed; learned secrets dropped: {}", answer["forgotten"])
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A route's name, which is plain: anything else would be another path.
fn segment(name: &str) -> anyhow::Result<&str> {
    if crate::secret::is_plain_segment(name) {
        return Ok(name);
    }
    anyhow::bail!("no route has such a name; `hookyard routes list` shows what is there")
}

/// `NAME=VALUE`.
fn param(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, as in tenant=acme")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn members(params: Vec<(String, String)>) -> Value {
    Value::Object(params.into_iter().map(|(name, value)| (name, value.into())).collect())
}

fn print(answer: &Value, json: bool, text: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{answer:#}")?;
    } else {
        writeln!(out, "{}", text(answer))?;
    }
    Ok(())
}

fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let routes: Vec<Value> = config.routes.iter().map(|r| Value::Object(describe(r))).collect();
    if json {
        writeln!(out, "{:#}", json!({ "routes": routes }))?;
        return Ok(());
    }
    writeln!(
        out,
        "{:20}  {:30}  {:12}  {:16}  {:7}  HANDLERS",
        "NAME", "PATH", "METHODS", "VERIFY", "MODE"
    )?;
    for route in &routes {
        let text = |key: &str| route[key].as_str().unwrap_or_default();
        let texts = |key: &str| {
            let list = route[key].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        };
        writeln!(
            out,
            "{:20}  {:30}  {:12}  {:16}  {:7}  {}",
            text("name"),
            format!("{}{}", text("host"), text("path")),
            texts("methods"),
            route["provider"].as_str().unwrap_or_else(|| text("verify")),
            text("mode"),
            texts("handlers"),
        )?;
    }
    Ok(())
}
