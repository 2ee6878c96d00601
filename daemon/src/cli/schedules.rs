//! `hookyard schedules`: what the configuration has, when it fires, and running one now.
//!
//! `list` and `next` read the configuration, and the store beside a running daemon or without one;
//! `run` asks the running daemon.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use hookyard_store::ScheduleState;
use hookyard_store::sqlite::{OpenError, SqliteStore};
use hookyard_types::Timestamp;
use http::Method;
use serde_json::{Value, json};

use super::ConfigArgument;
use super::api::Api;
use crate::admin::{describe_schedule, upcoming};
use crate::config::{Config, Schedule};

#[derive(Debug, Subcommand)]
pub(crate) enum SchedulesCommand {
    /// List the schedules of the configuration with their next time and last run. No daemon is needed.
    List {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a schedule now, in the running daemon, whatever its time.
    ///
    /// Its event is one like those that it makes by itself; its own times stay as they are. While an
    /// earlier run is going, `overlap` decides as it does for them.
    Run {
        /// The schedule's name, as `list` prints it.
        name: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the next times of a schedule. No daemon is needed.
    ///
    /// They are times of the expression; `jitter` can put each of them off.
    Next {
        /// The schedule's name, as `list` prints it.
        name: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// How many, at most 1000.
        #[arg(short = 'n', long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: SchedulesCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_in(command))
}

async fn run_in(command: SchedulesCommand) -> anyhow::Result<ExitCode> {
    let argument = match &command {
        SchedulesCommand::List { config, .. }
        | SchedulesCommand::Run { config, .. }
        | SchedulesCommand::Next { config, .. } => config,
    };
    let config = match super::load(argument) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let now = Timestamp::now();
    match command {
        SchedulesCommand::List { json, .. } => list(&config, &known(&config).await?, now, json)?,
        SchedulesCommand::Run { name, json, .. } => {
            // The daemon knows; the configuration may have been refused.
            let Some(path) = path(&name) else { bail!(no_such(&config)) };
            let answer = Api::of(&config)?.call(Method::POST, &path, None).await?;
            let mut out = std::io::stdout().lock();
            if json {
                writeln!(out, "{answer:#}")?;
            } else {
                let event = answer.get("event").and_then(Value::as_str).unwrap_or_default();
                writeln!(out, "{name} fired: `hookyard events show {event}` says how it goes")?;
            }
        }
        SchedulesCommand::Next { name, count, json, .. } => {
            let Some(schedule) = config.schedule(&name) else { bail!(no_such(&config)) };
            next(schedule, &upcoming(schedule, now, count.into()), json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The API's path, of a name that can be one.
fn path(name: &str) -> Option<String> {
    crate::secret::is_plain_segment(name).then(|| format!("/v1/schedules/{name}/run"))
}

fn no_such(config: &Config) -> String {
    let names: Vec<&str> = config.schedules.iter().map(|s| s.name.as_str()).collect();
    match names.as_slice() {
        [] => "there is no such schedule: the configuration has none".to_owned(),
        names => format!("there is no such schedule; there are {}", names.join(", ")),
    }
}

/// What the store says of schedules; nothing while there is no store.
async fn known(config: &Config) -> anyhow::Result<Vec<ScheduleState>> {
    match SqliteStore::open_reader(&config.store.path).await {
        Ok(reader) => reader.schedules().await.context("failed to read the schedules"),
        Err(OpenError::Missing { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn list(
    config: &Config,
    known: &[ScheduleState],
    now: Timestamp,
    json: bool,
) -> anyhow::Result<()> {
    let schedules = config.schedules.iter().map(|schedule| {
        let known = known.iter().find(|known| known.name == schedule.name);
        Value::Object(describe_schedule(schedule, known, now))
    });
    let schedules: Vec<Value> = schedules.collect();
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{:#}", json!({ "schedules": schedules }))?;
        return Ok(());
    }
    writeln!(
        out,
        "{:20}  {:20}  {:16}  {:25}  {:24}  {:11}  HANDLERS",
        "NAME", "CRON", "TIMEZONE", "NEXT", "LAST RUN", "STATE"
    )?;
    for schedule in &schedules {
        let text = |at: &str| schedule.pointer(at).and_then(Value::as_str).unwrap_or("-");
        let handlers = schedule["handlers"].as_array().into_iter().flatten();
        let handlers: Vec<&str> = handlers.filter_map(Value::as_str).collect();
        writeln!(
            out,
            "{:20}  {:20}  {:16}  {:25}  {:24}  {:11}  {}",
            text("/name"),
            text("/cron"),
            text("/timezone"),
            text("/next/local"),
            text("/last/fired_at"),
            text("/last/state"),
            handlers.join(","),
        )?;
    }
    Ok(())
}

fn next(schedule: &Schedule, times: &[Value], json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let (name, zone) = (&schedule.name, schedule.timing.zone_name());
        writeln!(out, "{:#}", json!({ "schedule": name, "timezone": zone, "next": times }))?;
        return Ok(());
    }
    for time in times {
        let text = |key: &str| time[key].as_str().unwrap_or_default();
        writeln!(out, "{}  {}", text("local"), text("at"))?;
    }
    Ok(())
}
