//! The demo's own Hookyard: a temporary folder with a configuration, plugins and data.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::PATIENCE;
use super::daemon::Daemon;

/// A folder that a daemon can run in.
pub(crate) struct Yard {
    pub(crate) folder: PathBuf,
    binary: PathBuf,
    /// The secrets that config.toml names, with values made up for this run.
    environment: Vec<(String, String)>,
    starts: u32,
}

impl Yard {
    /// Copies the repository's config.toml and the built `plugins` into `folder`. Only the two
    /// ports are changed, to free ones.
    pub(crate) fn prepare(
        root: &Path,
        folder: &Path,
        binary: &Path,
        plugins: &[PathBuf],
    ) -> anyhow::Result<Self> {
        let source = root.join("config.toml");
        let config =
            fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
        fs::write(folder.join("config.toml"), on_free_ports(&config)?)?;
        let shelf = folder.join("plugins");
        fs::create_dir(&shelf)?;
        for plugin in plugins {
            let name = plugin.file_name().context("a built plugin is a file")?;
            fs::copy(plugin, shelf.join(name))?;
        }
        let environment = secret_names(&config)
            .into_iter()
            .map(|name| Ok((name, random_secret()?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), binary: binary.to_owned(), environment, starts: 0 })
    }

    /// The value of a secret that config.toml takes from the environment.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<&str> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        let (_, value) = found.with_context(|| format!("config.toml does not name {name}"))?;
        Ok(value)
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&mut self) -> anyhow::Result<Daemon> {
        let command = self.serve();
        self.starts += 1;
        Daemon::spawn(command, self.folder.join(format!("hookyard-{}.log", self.starts)))
    }

    /// Starts the daemon so that it outlives this process and its terminal's Ctrl-C.
    pub(crate) fn start_to_stay(&mut self) -> anyhow::Result<Daemon> {
        let mut command = self.serve();
        command.process_group(0);
        let mut daemon = Daemon::spawn(command, self.folder.join("hookyard.log"))?;
        daemon.stay();
        Ok(daemon)
    }

    /// What `hookyard ARGUMENTS --config …` prints.
    pub(crate) fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.command();
        command.args(arguments).arg("--config").arg(self.config());
        let output = command.output().context("could not start the hookyard command")?;
        ensure!(
            output.status.success(),
            "`hookyard {}` failed ({}): {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The same, as JSON.
    pub(crate) fn ask_json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let text = self.ask(&arguments)?;
        serde_json::from_str(&text)
            .with_context(|| format!("`hookyard {}` did not print JSON", arguments.join(" ")))
    }

    /// What is stored of an event, its jobs and their attempts.
    pub(crate) fn event(&self, id: &str) -> anyhow::Result<Value> {
        self.ask_json(&["events", "show", id])
    }

    /// Waits until an event has been handled; what is stored of it.
    pub(crate) fn handled(&self, id: &str) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let event = self.event(id)?;
            let state = event["event"]["state"].as_str().unwrap_or("unknown").to_owned();
            match state.as_str() {
                "succeeded" => return Ok(event),
                "dead-letter" | "ignored" => bail!("event {id} ended as {state}: {event}"),
                _ if began.elapsed() > PATIENCE => bail!("event {id} is still {state}: {event}"),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Waits until all of these events have been handled.
    pub(crate) fn all_handled(&self, ids: &[String]) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let succeeded: HashSet<String> = self
                .events()?
                .iter()
                .filter(|event| event["state"] == "succeeded")
                .filter_map(|event| event["id"].as_str().map(str::to_owned))
                .collect();
            let left = ids.iter().filter(|id| !succeeded.contains(*id)).count();
            if left == 0 {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "{left} of {} are not handled yet", ids.len());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Every stored event, page by page.
    pub(crate) fn events(&self) -> anyhow::Result<Vec<Value>> {
        let mut events = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut arguments = vec!["events", "list", "--limit", "500"];
            if let Some(cursor) = &cursor {
                arguments.extend(["--cursor", cursor]);
            }
            let mut page = self.ask_json(&arguments)?;
            let listed = page["events"].as_array_mut().context("a page lists events")?;
            events.append(listed);
            cursor = match &page["next"] {
                Value::Null => return Ok(events),
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
        }
    }

    fn serve(&self) -> Command {
        let mut command = self.command();
        command.args(["serve", "--log", "json", "--config"]).arg(self.config());
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // What the demo looks for in the log must be in it.
        command.env_remove("HOOKYARD_LOG");
        command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }
}

/// config.toml with both `listen` lines on port 0, which means a free one.
fn on_free_ports(config: &str) -> anyhow::Result<String> {
    let mut changed = 0;
    let lines: Vec<&str> = config
        .lines()
        .map(|line| {
            let is_listen = line.split_once('=').is_some_and(|(key, _)| key.trim() == "listen");
            changed += usize::from(is_listen);
            if is_listen { "listen = \"127.0.0.1:0\"" } else { line }
        })
        .collect();
    ensure!(changed == 2, "config.toml has {changed} `listen` lines, expected 2");
    Ok(lines.join("\n") + "\n")
}

/// The environment variables that config.toml takes secrets from: each NAME in `env = "NAME"`
/// outside comments.
fn secret_names(config: &str) -> Vec<String> {
    let mut names: Vec<String> = config
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split("env = \"").skip(1))
        .filter_map(|rest| rest.split_once('"').map(|(name, _)| name.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// 32 random bytes as hex, from the kernel.
fn random_secret() -> anyhow::Result<String> {
    use std::io::Read as _;
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ports_change() {
        let config =
            "[server]\nlisten = \"0.0.0.0:8080\" # public\n[admin]\nlisten=\"127.0.0.1:8081\"\n";
        let expected = "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
        assert_eq!(on_free_ports(config).unwrap(), expected);
        assert!(on_free_ports("[server]\n").is_err());
    }

    #[test]
    fn secrets_are_found_by_name() {
        let config = "secret = [{ env = \"B\" }, { env = \"A\" }]\n# secret = { env = \"C\" }\n";
        assert_eq!(secret_names(config), ["A", "B"]);
    }
}
