//! `hookyard kv`: what plugins keep. Reads beside a running daemon, or without one.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use data_encoding::BASE64;
use hookyard_store::sqlite::{SqliteReader, SqliteStore};
use hookyard_types::{HandlerName, KvEntry, KvSpan, Namespace, Owner, Timestamp};
use serde_json::{Value, json};

use super::ConfigArgument;

/// The longest value in a table, in characters.
const SHOWN: usize = 80;

#[derive(Debug, Subcommand)]
pub(crate) enum KvCommand {
    /// Write the value of a key to standard output, as it is.
    Get {
        /// `plugin/namespace`, or the name of a shared one.
        #[arg(value_parser = namespace)]
        namespace: Namespace,
        key: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List keys with their values, in order.
    List {
        /// `plugin/namespace`, or the name of a shared one.
        #[arg(value_parser = namespace)]
        namespace: Namespace,
        /// Only keys that begin with this.
        #[arg(default_value = "")]
        prefix: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// How many, at most 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Where the page before ended: its `next`.
        #[arg(long)]
        cursor: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: KvCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_in(command))
}

async fn run_in(command: KvCommand) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    match command {
        KvCommand::Get { namespace, key, config, json } => {
            let Some(reader) = open(&config).await? else { return Ok(bad_config()) };
            let found = reader.kv_get(&namespace, &key, now).await;
            let Some(entry) = found.context("failed to read the key")? else {
                eprintln!("there is no such key; `hookyard kv list` shows what is there");
                return Ok(ExitCode::FAILURE);
            };
            let mut out = std::io::stdout().lock();
            if json {
                writeln!(out, "{}", shown(&entry))?;
            } else {
                out.write_all(&entry.value)?;
                if out.is_terminal() {
                    writeln!(out)?;
                }
            }
        }
        KvCommand::List { namespace, prefix, config, limit, cursor, json } => {
            let Some(reader) = open(&config).await? else { return Ok(bad_config()) };
            let span = KvSpan { namespace, prefix, after: cursor };
            let page = reader.kv_list(&span, limit.into(), usize::MAX, now).await;
            let page = page.context("failed to list keys")?;
            let next = page.next.as_ref();
            let mut out = std::io::stdout().lock();
            if json {
                let entries: Vec<Value> = page.entries.iter().map(shown).collect();
                writeln!(out, "{}", json!({ "entries": entries, "next": next }))?;
            } else {
                for entry in &page.entries {
                    let value = String::from_utf8_lossy(&entry.value);
                    let mut line: String = value.chars().take(SHOWN).collect();
                    if line.len() < value.len() {
                        line.push('…');
                    }
                    writeln!(out, "{}  {}", entry.key.escape_debug(), line.escape_debug())?;
                }
                if let Some(next) = next {
                    eprintln!("more: --cursor {next:?}");
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn namespace(text: &str) -> Result<Namespace, String> {
    let (owner, name) = match text.split_once('/') {
        Some((plugin, name)) => (Owner::Plugin(plugin.to_owned()), name),
        None => (Owner::Shared, text),
    };
    let valid = HandlerName::is_valid_part(name)
        && match &owner {
            Owner::Plugin(plugin) => HandlerName::is_valid_part(plugin),
            Owner::Shared => true,
        };
    if !valid {
        return Err("write `plugin/namespace`, or the name of a shared namespace".to_owned());
    }
    Ok(Namespace { owner, name: name.to_owned() })
}

/// Text as text, other bytes in base64.
fn shown(entry: &KvEntry) -> Value {
    match std::str::from_utf8(&entry.value) {
        Ok(text) => json!({ "key": entry.key, "value": text }),
        Err(_) => json!({ "key": entry.key, "value_base64": BASE64.encode(&entry.value) }),
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
