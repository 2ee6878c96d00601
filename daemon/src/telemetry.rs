//! The daemon's log: on stderr, human on a terminal, JSON otherwise.

use std::io::{BufWriter, IsTerminal, stderr};

use clap::ValueEnum;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Bytes of log lines that are written at once at most.
const AT_ONCE: usize = 64 << 10;
/// Log lines that wait to be written; when there are as many, whoever logs waits.
const WAITING: usize = 8192;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For a person.
    Human,
    /// One JSON object per line.
    Json,
}

/// Starts logging. What is logged is set by `HOOKYARD_LOG` (`info`, `hookyard=debug`, …).
///
/// Lines are written by a thread of their own, all that wait at one time together, which saves busy
/// requests a write for each line. Nothing is dropped. What waits is written when the
/// guard is dropped; a killed process takes its last milliseconds with it.
pub(crate) fn start(format: Option<LogFormat>) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(false)
        .buffered_lines_limit(WAITING)
        .thread_name("hookyard-log")
        .finish(BufWriter::with_capacity(AT_ONCE, stderr()));
    let terminal = stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Human } else { LogFormat::Json });
    let filter = EnvFilter::try_from_env("HOOKYARD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Human => builder.with_target(false).with_ansi(terminal).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    guard
}
