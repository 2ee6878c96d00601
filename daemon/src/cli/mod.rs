//! The command line.

mod api;
pub(crate) mod check;
pub(crate) mod events;
pub(crate) mod init;
pub(crate) mod routes;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::LogFormat;

/// The configuration is not valid (`EX_CONFIG` of sysexits.h).
pub(crate) const EXIT_BAD_CONFIG: u8 = 78;

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
    /// Look at routes, and let one learn its secret.
    Routes {
        #[command(subcommand)]
        command: routes::RoutesCommand,
    },
    /// Compile one plugin; the daemon starts this for itself, under limits.
    #[command(hide = true)]
    CompilePlugin {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

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
