//! `hookyard secrets`: through the daemon while one runs with this configuration, else in the store
//! itself. Values come in by standard input and never go out.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use hookyard_store::Store;
use hookyard_store::sqlite::{OpenError, SqliteStore};
use hookyard_types::Timestamp;
use http::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::ConfigArgument;
use super::api::Api;
use crate::admin::describe_secrets;
use crate::app;
use crate::config::Config;
use crate::keeping::NotChanged;
use crate::secret::{LARGEST, MasterKey, SecretValue, Vault, check_name};

/// The most bytes of a typed line, its break not counted, that is surely a whole one: Linux hands over
/// one byte more at most, and drops the rest.
const LONGEST_TYPED: usize = 4094;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Keep a secret, new or in place of the one of this name.
    ///
    /// It is read from standard input, one line break at its end not being part of it; on a terminal
    /// it is asked for and not shown. A running daemon uses it at once.
    Set {
        /// What `{ stored = "NAME" }` refers to.
        name: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the secrets' names, when each was set, and what refers to it.
    List {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Drop a secret.
    Rm {
        name: String,
        #[command(flatten)]
        config: ConfigArgument,
        /// Also when something refers to it: that stops working at once, and the next start refuses
        /// the configuration until the secret is set again or no longer referred to.
        #[arg(long)]
        force: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Encrypt with `key` of [secrets] what one of its `former_keys` encrypted.
    Rekey {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a new key for [secrets] to standard output.
    NewKey,
}

pub(crate) fn run(command: SecretsCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_in(command))
}

async fn run_in(command: SecretsCommand) -> anyhow::Result<ExitCode> {
    let argument = match &command {
        SecretsCommand::NewKey => {
            writeln!(std::io::stdout(), "{}", MasterKey::make()?.as_str())?;
            return Ok(ExitCode::SUCCESS);
        }
        SecretsCommand::Set { config, .. }
        | SecretsCommand::List { config, .. }
        | SecretsCommand::Rm { config, .. }
        | SecretsCommand::Rekey { config, .. } => config,
    };
    let config = match super::load(argument) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    match command {
        SecretsCommand::Set { name, json, .. } => {
            check_name(&name)?;
            let value = read_value(&name).await?;
            let answer = match open(&config).await? {
                Held::ByDaemon(api) => api.put(&path(&name), &value).await?,
                Held::Here(store) => set(&store, &config, &name, &value).await?,
            };
            print(&answer, json, |answer| match users(answer) {
                users if users.is_empty() => {
                    format!("{name} is set; nothing refers to it yet: {{ stored = \"{name}\" }}")
                }
                users => format!("{name} is set, for {users}"),
            })?;
        }
        SecretsCommand::List { json, .. } => list(&config, json).await?,
        SecretsCommand::Rm { name, force, json, .. } => {
            check_name(&name)?;
            let answer = match open(&config).await? {
                Held::ByDaemon(api) => {
                    let body = json!({ "force": force });
                    api.call(Method::DELETE, &path(&name), Some(&body)).await?
                }
                Held::Here(store) => remove(&store, &config, &name, force).await?,
            };
            print(&answer, json, |answer| match users(answer) {
                users if users.is_empty() => format!("{name} is removed"),
                users => format!("{name} is removed, and missing to {users}"),
            })?;
        }
        SecretsCommand::Rekey { json, .. } => {
            let answer = match open(&config).await? {
                Held::ByDaemon(api) => api.call(Method::POST, "/v1/secrets/rekey", None).await?,
                Held::Here(store) => rekey(&store, &config).await?,
            };
            print(&answer, json, |answer| {
                format!(
                    "encrypted anew: {}; `former_keys` are not needed any more",
                    answer["encrypted"]
                )
            })?;
        }
        SecretsCommand::NewKey => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Who can write the store.
enum Held {
    ByDaemon(Api),
    Here(SqliteStore),
}

async fn open(config: &Config) -> anyhow::Result<Held> {
    let path = &config.store.path;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    for existing in [Some(path.as_path()), folder].into_iter().flatten() {
        check_owner(existing)?;
    }
    match app::open_store(config).await {
        Ok(store) => Ok(Held::Here(store)),
        Err(error) => match error.downcast_ref::<OpenError>() {
            Some(OpenError::Held { .. }) => Ok(Held::ByDaemon(Api::of(config)?)),
            _ => Err(error),
        },
    }
}

/// What another user made here, the daemon could not open.
fn check_owner(path: &Path) -> anyhow::Result<()> {
    let Ok(found) = std::fs::metadata(path) else { return Ok(()) };
    let user = rustix::process::geteuid().as_raw();
    if found.uid() == user {
        return Ok(());
    }
    bail!(
        "{} belongs to the user with id {}, and this is the user with id {user}: run this as its \
         owner, `sudo -u '#{0}' hookyard secrets …`",
        path.display(),
        found.uid(),
    )
}

async fn vault(store: &SqliteStore, config: &Config) -> anyhow::Result<Vault> {
    let keys = Vault::keys(&config.secrets, config.base()).map_err(|problems| {
        let messages: Vec<String> = problems.into_iter().map(|(_, p)| p.message).collect();
        anyhow::anyhow!("{}: [secrets]: {}", config.file.display(), messages.join("; "))
    })?;
    Ok(Vault::new(keys, store.secrets().await?))
}

async fn set(
    store: &SqliteStore,
    config: &Config,
    name: &str,
    value: &[u8],
) -> anyhow::Result<Value> {
    let secret = vault(store, config).await?.seal(name, value, Timestamp::now())?;
    store.put_secrets(vec![secret]).await?;
    store.close().await;
    Ok(json!({ "name": name, "used_by": config.users_of_secret(name) }))
}

async fn remove(
    store: &SqliteStore,
    config: &Config,
    name: &str,
    force: bool,
) -> anyhow::Result<Value> {
    let users = config.users_of_secret(name);
    if !store.secrets().await?.iter().any(|secret| secret.name == name) {
        return Err(NotChanged::Unknown(name.to_owned()).into());
    }
    if !users.is_empty() && !force {
        return Err(NotChanged::Used { name: name.to_owned(), users }.into());
    }
    store.remove_secret(name).await?;
    store.close().await;
    Ok(json!({ "name": name, "used_by": users }))
}

async fn rekey(store: &SqliteStore, config: &Config) -> anyhow::Result<Value> {
    let again = vault(store, config).await?.rekeyed()?;
    let count = again.len();
    store.put_secrets(again).await?;
    store.close().await;
    Ok(json!({ "encrypted": count }))
}

/// Beside a running daemon, or without one.
async fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let secrets = match SqliteStore::open_reader(&config.store.path).await {
        Ok(reader) => reader.secrets().await.context("failed to list the secrets")?,
        Err(OpenError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let listed = describe_secrets(&secrets, config);
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{listed:#}")?;
        return Ok(());
    }
    let secrets = listed["secrets"].as_array().map(Vec::as_slice).unwrap_or_default();
    if secrets.is_empty() {
        eprintln!("there are none; `hookyard secrets set NAME` keeps one");
        return Ok(());
    }
    writeln!(out, "{:30}  {:24}  USED BY", "NAME", "SET")?;
    for secret in secrets {
        let text = |key: &str| secret[key].as_str().unwrap_or_default();
        let line = format!("{:30}  {:24}  {}", text("name"), text("set_at"), users(secret));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What standard input brings, without a line break at its end.
async fn read_value(name: &str) -> anyhow::Result<SecretValue> {
    let mut value = if std::io::stdin().is_terminal() {
        eprint!("the value of {name} (it is not shown): ");
        typed(name).await?
    } else {
        let mut value = room();
        std::io::stdin().lock().take(LARGEST as u64 + 3).read_to_end(&mut value)?;
        value
    };
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    if value.len() > LARGEST {
        bail!("the secret has more than {LARGEST} bytes, which are 64 KiB and the most");
    }
    Ok(value)
}

/// At its full size from the start: a vector that grows leaves copies that nobody wipes.
fn room() -> SecretValue {
    Zeroizing::new(Vec::with_capacity(LARGEST + 3))
}

/// A line that is typed and not shown. A signal that ends the command meanwhile, Ctrl-C above all,
/// leaves a terminal that shows what is typed.
async fn typed(name: &str) -> anyhow::Result<SecretValue> {
    // Before the terminal is changed: none of them ends the process by itself from here on.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let silent = Silent::begin()?;
    let line = tokio::task::spawn_blocking(|| {
        let mut line = room();
        std::io::stdin().lock().read_until(b'\n', &mut line).map(|_| line)
    });
    let read = tokio::select! {
        line = line => Ok(line),
        _ = interrupt.recv() => Err(SignalKind::interrupt()),
        _ = quit.recv() => Err(SignalKind::quit()),
        _ = terminate.recv() => Err(SignalKind::terminate()),
        _ = hangup.recv() => Err(SignalKind::hangup()),
    };
    drop(silent);
    eprintln!();
    let line = match read {
        Ok(line) => line??,
        // The thread that reads cannot be ended in another way.
        Err(kind) => std::process::exit(128 + kind.as_raw_value()),
    };
    if line.len() > LONGEST_TYPED + 1 {
        bail!(
            "a terminal hands over no more than {LONGEST_TYPED} bytes of a line, and the rest is lost: \
             nothing was set; put the secret into a file, and `hookyard secrets set {name} < FILE`"
        );
    }
    Ok(line)
}

/// A terminal that does not show what is typed, while this lives.
struct Silent(rustix::termios::Termios);

impl Silent {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

fn path(name: &str) -> String {
    format!("/v1/secrets/{name}")
}

fn users(answer: &Value) -> String {
    let users = answer["used_by"].as_array().into_iter().flatten().filter_map(Value::as_str);
    users.collect::<Vec<_>>().join(", ")
}

fn print(answer: &Value, json: bool, text: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match json {
        true => writeln!(out, "{answer:#}")?,
        false => writeln!(out, "{}", text(answer))?,
    }
    Ok(())
}
