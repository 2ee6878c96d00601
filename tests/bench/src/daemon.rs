//! The daemon as a service runs it: its log goes to a file, and nobody reads it meanwhile.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hookyard_tests::{Config, SECRET, SECRET_VARIABLE, Yard, hookyard};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// For a start and for a stop.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    pub(crate) public: SocketAddr,
}

impl Daemon {
    /// Starts it with this configuration and waits until it is ready.
    pub(crate) fn start(yard: &Yard, config: &Config) -> anyhow::Result<Self> {
        yard.write_config(config);
        let log = yard.data().join("hookyard.log");
        let child = Command::new(hookyard())
            .args(["serve", "--log", "json", "--config"])
            .arg(yard.config_file())
            .env(SECRET_VARIABLE, SECRET)
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()
            .context("start the daemon")?;
        let mut daemon = Self { child, log, public: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let began = Instant::now();
        loop {
            if let Some(address) = daemon.ready()? {
                daemon.public = address;
                return Ok(daemon);
            }
            if let Some(status) = daemon.child.try_wait()? {
                bail!("the daemon ended ({status}):\n{}", daemon.log()?);
            }
            ensure!(began.elapsed() < PATIENCE, "the daemon is not ready:\n{}", daemon.log()?);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a pid")?;
        kill_process(pid, Signal::TERM)?;
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the daemon ended with {status}:\n{}", self.log()?);
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "the daemon does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The public address, once it has logged that it is ready.
    fn ready(&self) -> anyhow::Result<Option<SocketAddr>> {
        for line in self.log()?.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            let field = |name| line["fields"].get(name).or_else(|| line.get(name));
            if field("message").is_some_and(|message| message == "ready") {
                let address = field("public").and_then(Value::as_str).context("an address")?;
                return Ok(Some(address.parse()?));
            }
        }
        Ok(None)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
