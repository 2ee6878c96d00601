//! Other programs on the same machine and the same load, where they are installed. They do other
//! work, so that their rates stand beside ours and are not divided by each other.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hookyard_tests::SECRET;

use crate::delivery::Delivery;
use crate::numbers::Series;
use crate::plan::Plan;
use crate::scenario::Found;
use crate::wrk;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Found> {
    let mut found = Found::new("peers", "others, by the same load");
    if installed("webhook") {
        let mut rates = Series::default();
        for _ in 0..plan.rounds() {
            rates.push(webhook(plan)?.rate);
        }
        found.fact(
            "adnanh/webhook, which verifies the signature, runs /bin/true and stores nothing",
            format!("{:.0} requests/s", rates.median()),
        );
    } else {
        found.fact("adnanh/webhook", "not installed: apt-get install webhook");
    }
    Ok(found)
}

fn installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

fn webhook(plan: &Plan) -> anyhow::Result<wrk::Load> {
    let folder = tempfile::tempdir()?;
    let hooks = folder.path().join("hooks.json");
    let rule = serde_json::json!({ "match": {
        "type": "payload-hmac-sha256", "secret": SECRET,
        "parameter": { "source": "header", "name": "X-Hub-Signature-256" },
    }});
    let hook = serde_json::json!([{
        "id": "push", "execute-command": "/bin/true", "trigger-rule": rule,
        "trigger-rule-mismatch-http-response-code": 401,
    }]);
    std::fs::write(&hooks, hook.to_string())?;
    let address = free_address()?;
    let _server = Server::start(&hooks, address)?;
    wrk::load(address, "/hooks/push", &Delivery::push(), plan.run())
}

/// Killed when dropped.
struct Server(Child);

impl Server {
    fn start(hooks: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let child = Command::new("webhook")
            .args(["-ip", "127.0.0.1", "-port", &address.port().to_string(), "-hooks"])
            .arg(hooks)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start webhook")?;
        let server = Self(child);
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(began.elapsed() < Duration::from_secs(10), "webhook does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
