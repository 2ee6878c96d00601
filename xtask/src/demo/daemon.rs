//! The real daemon, running, and its log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::PATIENCE;

/// A running daemon; dropped, it is killed, unless it was started to stay.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    stays: bool,
    /// Where webhooks go: `http://127.0.0.1:PORT`.
    pub(crate) public: String,
    /// Where health is asked for.
    pub(crate) admin: String,
}

impl Daemon {
    /// Runs `command` with its log in the file `log` and waits until it is ready.
    pub(crate) fn spawn(mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let file = fs::File::create(&log)?;
        let child = command
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .context("could not start the daemon")?;
        let (public, admin) = (String::new(), String::new());
        let mut daemon = Self { child, log, stays: false, public, admin };
        let ready = daemon.wait_for_line(|line| field(line, "message") == Some("ready"))?;
        let ready: Value = serde_json::from_str(&ready)?;
        let address = |name: &str| {
            field(&ready, name)
                .map(|address| format!("http://{address}"))
                .with_context(|| format!("the log's ready line has no {name}: {ready}"))
        };
        (daemon.public, daemon.admin) = (address("public")?, address("admin")?);
        Ok(daemon)
    }

    /// The process goes on when this handle, or this process, ends.
    pub(crate) fn stay(&mut self) {
        self.stays = true;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Where GitHub would be told to send.
    pub(crate) fn hook(&self) -> String {
        format!("{}/hooks/github", self.public)
    }

    /// The lines that the daemon has logged so far.
    pub(crate) fn lines(&self) -> anyhow::Result<Vec<String>> {
        let text = fs::read(&self.log)?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }

    /// Waits for the first line of the log for which `wanted` holds.
    pub(crate) fn wait_for_line(
        &mut self,
        wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<String> {
        let began = Instant::now();
        loop {
            let ended = self.child.try_wait()?;
            let lines = self.lines()?;
            let found = lines
                .iter()
                .find(|line| serde_json::from_str(line).is_ok_and(|line: Value| wanted(&line)));
            if let Some(line) = found {
                return Ok(line.clone());
            }
            let tail = lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n");
            if let Some(status) = ended {
                bail!("the daemon ended ({status}); its last words were:\n{tail}");
            }
            if began.elapsed() > PATIENCE {
                bail!("the daemon did not log what was waited for; its last lines are:\n{tail}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`: the process gets no chance to write anything.
    pub(crate) fn kill(mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// `kill`: the process finishes what it has begun.
    pub(crate) fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let pid = self.child.id();
        let told = Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status()?;
        ensure!(told.success(), "kill -TERM {pid} failed");
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(began.elapsed() < PATIENCE, "the daemon did not stop on SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // Both fail only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A string of a JSON log line, wherever the format puts its fields.
pub(crate) fn field<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line.get(name).or_else(|| line.get("fields")?.get(name))?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_fields_are_found_nested_or_not() {
        let nested = serde_json::json!({ "fields": { "message": "ready" } });
        let flat = serde_json::json!({ "message": "ready" });
        assert_eq!(field(&nested, "message"), Some("ready"));
        assert_eq!(field(&flat, "message"), Some("ready"));
        assert_eq!(field(&flat, "other"), None);
    }
}
