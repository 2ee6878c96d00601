//! 9: memory.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context;
use hookyard_tests::Yard;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Found;
use crate::daemon::Daemon;
use crate::delivery::Delivery;
use crate::plan::Plan;
use crate::process::resident;
use crate::wrk;
use crate::yard::{Tally, config};

const CONNECTIONS: usize = 10_000;
const MB: u64 = 1_000_000;

pub(super) fn run(plan: &Plan) -> anyhow::Result<Found> {
    let mut found = Found::new("9", "memory");
    let yard = Yard::with_plugins(&["echo"]);
    let daemon = Daemon::start(&yard, &config(&yard))?;
    std::thread::sleep(Duration::from_secs(1));
    let idle = resident(daemon.pid())?;
    found.bound("idle, one plugin", mb(idle), "≤ 30 MB", idle <= 30 * MB);

    let few = after(&yard, &daemon, plan, plan.scaled(100_000))?;
    let many = after(&yard, &daemon, plan, plan.scaled(1_000_000))?;
    daemon.stop()?;
    found.fact("after 100,000 events", mb(few));
    let more = many as f64 / few as f64;
    let value = format!("{}, {more:.2} times as much", mb(many));
    found.bound("after 1,000,000 events", value, "≤ 1.10 times", more <= 1.1);

    raise_open_files()?;
    let yard = Yard::with_plugins(&["echo"]);
    let open = config(&yard)
        .set("server.limits", "connections = 12000")
        .set("server.limits", "connections_per_client = 12000")
        .set("server.limits", "header_timeout = \"600s\"");
    let daemon = Daemon::start(&yard, &open)?;
    let connections: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| TcpStream::connect(daemon.public).context("an idle connection"))
        .collect::<Result<_, _>>()?;
    std::thread::sleep(Duration::from_secs(2));
    let held = resident(daemon.pid())?;
    drop(connections);
    daemon.stop()?;
    found.bound("10,000 idle connections", mb(held), "≤ 150 MB", held <= 150 * MB);
    Ok(found)
}

/// What it holds when it has handled so many events and come to rest.
fn after(yard: &Yard, daemon: &Daemon, plan: &Plan, events: u64) -> anyhow::Result<u64> {
    let tally = Tally::open(yard)?;
    while tally.events()? < events {
        wrk::load(daemon.public, "/queue", &Delivery::push(), plan.run())?;
    }
    while tally.open_jobs()? > 0 {
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(1));
    resident(daemon.pid())
}

/// This process's limit, which the daemon inherits.
fn raise_open_files() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).context("raise the limit of open files")
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / MB as f64)
}
