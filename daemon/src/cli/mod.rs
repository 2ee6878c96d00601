//! The command line.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed, which answer null for what they do not have"
)]

mod api;
mod captured;
pub(crate) mod check;
pub(crate) mod connections;
pub(crate) mod events;
pub(crate) mod init;
pub(crate) mod kv;
pub(crate) mod plugins;
pub(crate) mod routes;
pub(crate) mod schedules;
pub(crate) mod secrets;
pub(crate) mod send;
pub(crate) mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use hookyard_verify::UnixTime;

use crate::telemetry::LogFormat;

/// The configuration is not valid (`EX_CONFIG` of sysexits.h).
pub(crate) const EXIT_BAD_CONFIG: u8 = 78;

/// The command cannot be carried out as it was written.
pub(crate) const EXIT_USAGE: u8 = 2;

/// Receives webhooks, verifies them, stores them and runs sandboxed handlers on them.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 78 bad configuration.
#[derive(Debug, Parser)]
#[command(name = "hookyard", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon.
    Serve {
        #[command(flatten)]
        config: ConfigArgument,
        /// How log lines are written [default: human on a terminal, json otherwise].
        #[arg(long, value_enum)]
        log: Option<LogFormat>,
    },
    /// Load the configuration as `serve` would and say what is wrong with it.
    ///
    /// The plugins folder is not looked into.
    Check {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a commented configuration to start from, and the plugins folder.
    Init {
        /// The folder to write into.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Look at stored events.
    Events {
        #[command(subcommand)]
        command: events::EventsCommand,
    },
    /// Look at what plugins keep.
    Kv {
        #[command(subcommand)]
        command: kv::KvCommand,
    },
    /// Look at connections to other services, and try one.
    Connections {
        #[command(subcommand)]
        command: connections::ConnectionsCommand,
    },
    /// Begin, build and look at plugins.
    Plugins {
        #[command(subcommand)]
        command: plugins::PluginsCommand,
    },
    /// Look at routes, and let one learn its secret.
    Routes {
        #[command(subcommand)]
        command: routes::RoutesCommand,
    },
    /// Look at schedules, and run one now.
    Schedules {
        #[command(subcommand)]
        command: schedules::SchedulesCommand,
    },
    /// Keep secrets in the store, encrypted, for `{ stored = "NAME" }` in the configuration.
    Secrets {
        #[command(subcommand)]
        command: secrets::SecretsCommand,
    },
    /// Send a delivery that is signed exactly as the sender would sign it.
    ///
    /// Exit codes: 0 answered with 2xx, 1 answered otherwise or not at all, 2 wrong arguments.
    Send(Box<send::SendArguments>),
    /// Say whether a captured request would be let in, check by check, and if not, why.
    ///
    /// Exit codes: 0 let in or answered as a handshake, 1 refused, 2 the file is no captured request.
    #[command(after_long_help = CAPTURE_HELP)]
    Verify {
        /// The captured request, one JSON object; `-` for standard input.
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compile one plugin; the daemon starts this for itself, under limits.
    #[command(hide = true)]
    CompilePlugin {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

const CAPTURE_HELP: &str = "\
The file is one JSON object:
  provider        the sender, as in a route
  secret          one secret or a list; or public_key
  method, url     what was called, as the sender knows it
  headers         names and values; a list is several lines of one header
  body_base64     the raw body; or body_utf8
  now_unix        when it was received, in seconds [default: now]
and what else the sender's route is told, such as topic_arn. What a daemon would fetch can be given as
jwks, served_certs and ca_pem. Other members are ignored.";

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgument {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "config.toml")]
    pub(crate) config: PathBuf,
}

/// Reads the configuration for a command, or prints what is wrong with it.
pub(crate) fn load(argument: &ConfigArgument) -> Result<crate::config::Config, ExitCode> {
    match crate::config::load(&argument.config) {
        Ok((config, _warnings)) => Ok(config),
        Err(error) => {
            eprintln!("{error}");
            Err(ExitCode::from(EXIT_BAD_CONFIG))
        }
    }
}

/// The present moment, for checking and making signatures.
fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
