//! `hookyard events`: what is in the store. Reads beside a running daemon, or without one.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use hookyard_store::sqlite::{SqliteReader, SqliteStore};
use hookyard_store::{EventDetail, EventQuery, EventSummary, JobDetail};
use hookyard_types::{EventId, OutgoingRequest, Source};
use serde_json::{Value, json};

use super::ConfigArgument;
use crate::moment::text;

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List events, newest first.
    List {
        #[command(flatten)]
        config: ConfigArgument,
        /// How many, at most 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Where the page before ended: its `next`.
        #[arg(long)]
        cursor: Option<i64>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one event with its headers, body, attempts and their log lines.
    Show {
        /// The event's id, as `list` prints it.
        id: EventId,
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: EventsCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_in(command))
}

async fn run_in(command: EventsCommand) -> anyhow::Result<ExitCode> {
    match command {
        EventsCommand::List { config, limit, cursor, json } => {
            let Some(reader) = open(&config).await? else { return Ok(bad_config()) };
            let query = EventQuery { limit: limit.into(), before: cursor };
            let page = reader.events(query).await.context("failed to list events")?;
            if json {
                let events: Vec<Value> = page.events.iter().map(summary).collect();
                print_json(&json!({ "events": events, "next": page.next }))?;
            } else {
                print_table(&page.events)?;
                if let Some(next) = page.next {
                    eprintln!("more: --cursor {next}");
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        EventsCommand::Show { id, config, json } => {
            let Some(reader) = open(&config).await? else { return Ok(bad_config()) };
            let detail = reader.event(id).await.context("failed to read the event")?;
            let Some(detail) = detail else {
                eprintln!("no event {id}; `hookyard events list` shows what is there");
                return Ok(ExitCode::FAILURE);
            };
            if json {
                print_json(&whole(&detail))?;
            } else {
                print_event(&detail)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// `None` when the configuration is bad, which has then been printed.
async fn open(argument: &ConfigArgument) -> anyhow::Result<Option<SqliteReader>> {
    let Ok(config) = super::load(argument) else { return Ok(None) };
    // Its errors name the file.
    Ok(Some(SqliteStore::open_reader(&config.store.path).await?))
}

fn bad_config() -> ExitCode {
    ExitCode::from(super::EXIT_BAD_CONFIG)
}

fn summary(event: &EventSummary) -> Value {
    json!({
        "id": event.id.to_string(),
        "seq": event.seq,
        "source": event.source.kind(),
        event.source.kind(): event.source.name(),
        "kind": event.kind,
        "delivery_id": event.delivery_id,
        "tenant": event.tenant,
        "received_at": text(event.received_at),
        "state": event.state,
    })
}

fn whole(detail: &EventDetail) -> Value {
    let event = &detail.event;
    let headers: Vec<Value> = event
        .headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let mut shown = json!({
        "id": event.id.to_string(),
        "seq": detail.seq,
        "source": event.source.kind(),
        event.source.kind(): event.source.name(),
        "caused_by": event.caused_by.map(|id| id.to_string()),
        "scheduled_at": event.firing.as_ref().map(|firing| text(firing.scheduled_at)),
        "reason": event.firing.as_ref().map(|firing| &firing.reason),
        "kind": event.kind,
        "delivery_id": event.delivery_id,
        "tenant": event.tenant,
        "received_at": text(event.received_at),
        "state": detail.state,
        "method": event.method,
        "path": event.path,
        "query": event.query,
        "params": event.params,
        "client": event.client,
        "unauthenticated": event.unauthenticated,
        "headers": headers,
    });
    if let Some(fields) = shown.as_object_mut() {
        match std::str::from_utf8(&event.body) {
            Ok(body) => fields.insert("body".to_owned(), body.into()),
            Err(_) => {
                let encoded = data_encoding::BASE64.encode(&event.body);
                fields.insert("body_base64".to_owned(), encoded.into())
            }
        };
    }
    json!({ "event": shown, "jobs": detail.jobs.iter().map(job).collect::<Vec<_>>() })
}

fn job(job: &JobDetail) -> Value {
    let attempts: Vec<Value> = job
        .attempts
        .iter()
        .map(|attempt| {
            let record = &attempt.record;
            let log: Vec<Value> = record
                .log
                .iter()
                .map(|line| {
                    json!({
                        "at": text(line.at),
                        "level": line.level,
                        "message": line.message,
                        "fields": line.fields,
                    })
                })
                .collect();
            json!({
                "number": attempt.number,
                "outcome": record.outcome,
                "message": record.message,
                "started_at": text(record.started_at),
                "duration_ms": record.duration.as_secs_f64() * 1000.0,
                "plugin_hash": record.plugin_hash,
                "log": log,
                "log_dropped": record.log_dropped,
                "requests": record.requests.iter().map(request).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "id": job.id.to_string(),
        "handler": job.target.to_string(),
        "state": job.state,
        "due_at": job.due_at.map(text),
        "attempts": attempts,
    })
}

fn request(request: &OutgoingRequest) -> Value {
    json!({
        "run": request.run,
        "number": request.number,
        "connection": request.connection,
        "method": request.method,
        "url": request.url,
        "status": request.status,
        "error": request.error,
        "tries": request.tries,
        "started_at": text(request.started_at),
        "duration_ms": request.duration.as_secs_f64() * 1000.0,
        "sent": request.sent,
        "received": request.received,
    })
}

/// A request as one line.
fn request_line(request: &OutgoingRequest) -> String {
    let OutgoingRequest { run, number, connection, method, url, sent, received, .. } = request;
    let result = match (request.status, &request.error) {
        (Some(status), None) => status.to_string(),
        (Some(status), Some(error)) => format!("{status}, {error}"),
        (None, error) => error.clone().unwrap_or_default(),
    };
    let run = if *run > 1 { format!(" (run {run})") } else { String::new() };
    let tries =
        if request.tries == 1 { String::new() } else { format!("  {} tries", request.tries) };
    let ms = request.duration.as_secs_f64() * 1000.0;
    one_line(&format!(
        "request {number}{run}  {connection}  {method} {url}  {result}  {ms:.1} ms  {sent} bytes out, \
         {received} in{tries}"
    ))
}

fn print_json(value: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

fn print_table(events: &[EventSummary]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:36}  {:24}  {:11}  {:20}  KIND", "ID", "RECEIVED", "STATE", "SOURCE")?;
    for event in events {
        let state = serde_json::to_value(event.state)?;
        writeln!(
            out,
            "{:36}  {:24}  {:11}  {:20}  {}",
            event.id.to_string(),
            text(event.received_at),
            state.as_str().unwrap_or_default(),
            one_line(&format!("{} {}", event.source.kind(), event.source.name())),
            one_line(&event.kind),
        )?;
    }
    Ok(())
}

fn print_event(detail: &EventDetail) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let event = &detail.event;
    writeln!(out, "event       {}", event.id)?;
    writeln!(out, "{:11} {}", event.source.kind(), one_line(event.source.name()))?;
    if let Some(id) = &event.caused_by {
        writeln!(out, "caused by   {id}")?;
    }
    if let Some(firing) = &event.firing {
        let reason = one_line(&firing.reason);
        writeln!(out, "scheduled   {} ({reason})", text(firing.scheduled_at))?;
    }
    let of_route = matches!(event.source, Source::Route(_));
    if of_route {
        writeln!(out, "kind        {}", one_line(&event.kind))?;
    }
    if let Some(id) = &event.delivery_id {
        writeln!(out, "delivery    {}", one_line(id))?;
    }
    if !event.tenant.is_empty() {
        writeln!(out, "tenant      {}", one_line(&event.tenant))?;
    }
    writeln!(out, "received    {}", text(event.received_at))?;
    if of_route {
        writeln!(out, "not signed  {}", event.unauthenticated.join(", "))?;
        let query = event.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        writeln!(out, "\n{} {}{}", event.method, one_line(&event.path), one_line(&query))?;
    }
    for (name, value) in event.headers.iter() {
        writeln!(out, "{name}: {}", one_line(&String::from_utf8_lossy(value)))?;
    }
    match std::str::from_utf8(&event.body) {
        Ok(body) => writeln!(out, "\n{}", printable(body))?,
        Err(_) => writeln!(out, "\n({} bytes that are not text)", event.body.len())?,
    }
    for job in &detail.jobs {
        let state = serde_json::to_value(job.state)?;
        write!(out, "\njob {} for {}: {}", job.id, job.target, state.as_str().unwrap_or_default())?;
        match job.due_at {
            Some(due) => writeln!(out, ", due {}", text(due))?,
            None => writeln!(out)?,
        }
        for attempt in &job.attempts {
            let record = &attempt.record;
            let outcome = serde_json::to_value(record.outcome)?;
            writeln!(
                out,
                "  attempt {}  {}  {:.1} ms  {}  {}",
                attempt.number,
                text(record.started_at),
                record.duration.as_secs_f64() * 1000.0,
                outcome.as_str().unwrap_or_default(),
                one_line(&record.message),
            )?;
            for request in &record.requests {
                writeln!(out, "    {}", request_line(request))?;
            }
            for line in &record.log {
                let level = serde_json::to_value(line.level)?;
                let level = level.as_str().unwrap_or_default();
                write!(out, "    {level:5} {}", one_line(&line.message))?;
                for (name, value) in &line.fields {
                    write!(out, " {}={}", one_line(name), one_line(value))?;
                }
                writeln!(out)?;
            }
            if record.log_dropped > 0 {
                writeln!(out, "    ({} lines past `log_bytes`)", record.log_dropped)?;
            }
        }
    }
    Ok(())
}

/// Text from outside for a terminal: no control characters, line breaks among them.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The same, with line breaks and tabs kept.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}
