//! The closed loop: `wrk`, 32 connections that each send as soon as they were answered.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, ID_HEADER};

/// Connections of a closed loop.
pub(crate) const CONNECTIONS: u32 = 32;

/// What came of a run.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Load {
    /// Answered requests a second.
    pub(crate) rate: f64,
    /// Milliseconds from request to answer.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Answered requests.
    pub(crate) requests: u64,
    /// Answers that were not 2xx or 3xx, and broken connections.
    pub(crate) failures: u64,
}

/// Fails when there is no wrk.
pub(crate) fn require() -> anyhow::Result<()> {
    let found = Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(found.is_ok(), "wrk is missing; Debian and Ubuntu: apt-get install wrk");
    Ok(())
}

/// A load that runs beside what is done meanwhile.
pub(crate) struct Running {
    child: Child,
    /// Read by wrk when it starts.
    _script: tempfile::NamedTempFile,
}

/// Sends deliveries to `path` for so long; fails when one of them fails.
pub(crate) fn load(
    address: SocketAddr,
    path: &str,
    delivery: &Delivery,
    duration: Duration,
) -> anyhow::Result<Load> {
    let load = start(address, path, delivery, duration)?.finish()?;
    ensure!(load.failures == 0, "{} of {} requests failed", load.failures, load.requests);
    Ok(load)
}

pub(crate) fn start(
    address: SocketAddr,
    path: &str,
    delivery: &Delivery,
    duration: Duration,
) -> anyhow::Result<Running> {
    let mut script = tempfile::Builder::new().suffix(".lua").tempfile()?;
    script.write_all(lua(path, &delivery.anew()).as_bytes())?;
    let child = Command::new("wrk")
        .args(["--threads", "1", "--timeout", "30s", "--latency"])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{}s", duration.as_secs())])
        .arg("--script")
        .arg(script.path())
        .arg(format!("http://{address}{path}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start wrk")?;
    Ok(Running { child, _script: script })
}

impl Running {
    pub(crate) fn finish(self) -> anyhow::Result<Load> {
        let output = self.child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(line) = text.lines().find(|line| line.starts_with('{')) else {
            bail!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
        };
        serde_json::from_str(line).with_context(|| format!("wrk's {line}"))
    }
}

/// Every request with a delivery id of its own; at the end one line of JSON.
fn lua(path: &str, delivery: &Delivery) -> String {
    let mut head = format!("POST {path} HTTP/1.1\\r\\n");
    for (name, value) in &delivery.headers {
        let _ = write!(head, "{name}: {value}\\r\\n");
    }
    let _ = write!(head, "Content-Length: {}\\r\\n{ID_HEADER}: ", delivery.body.len());
    format!(
        r#"local head = "{head}{prefix}-"
local tail = "\r\n\r\n" .. [==[{body}]==]
local number = 0
function request()
  number = number + 1
  return head .. string.format("%012d", number) .. tail
end
function done(summary, latency)
  local e = summary.errors
  print(string.format('{{"rate":%f,"p50":%f,"p99":%f,"requests":%d,"failures":%d}}',
    summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
"#,
        prefix = delivery.prefix,
        body = delivery.body,
    )
}
