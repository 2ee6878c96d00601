//! The `hookyard` program: arguments, then one command, then an exit code.
#![forbid(unsafe_code)]

mod admin;
mod admission;
mod app;
mod budget;
mod cli;
mod config;
mod connections;
mod dispatch;
mod event;
mod granted;
mod ingress;
mod keeping;
mod keys;
mod kv;
mod learned;
mod live;
mod moment;
mod outbound;
mod reload;
mod route;
mod schedule;
mod secret;
mod supervise;
mod telemetry;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

use cli::{Arguments, Command};

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve { config, log } => {
            let _written_at_the_end = telemetry::start(log);
            app::serve(&config.config)
        }
        Command::Check { config, json } => cli::check::run(&config.config, json),
        Command::Init { folder } => cli::init::run(&folder),
        Command::Events { command } => cli::events::run(command),
        Command::Kv { command } => cli::kv::run(command),
        Command::Connections { command } => cli::connections::run(command),
        Command::Plugins { command } => cli::plugins::run(command),
        Command::Routes { command } => cli::routes::run(command),
        Command::Schedules { command } => cli::schedules::run(command),
        Command::Secrets { command } => cli::secrets::run(command),
        Command::Send(arguments) => cli::send::run(&arguments),
        Command::Verify { request, json } => cli::verify::run(&request, json),
        Command::CompilePlugin { arguments } => {
            return hookyard_runtime::compile_main(arguments.into_iter());
        }
    };
    outcome.unwrap_or_else(|error| {
        let source = error.downcast_ref::<std::io::Error>();
        if source.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            // Whoever read has read enough.
            return ExitCode::SUCCESS;
        }
        eprintln!("hookyard: {error:#}");
        ExitCode::FAILURE
    })
}
