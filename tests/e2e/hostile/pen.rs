//! Where hostile plugins are kept: one daemon with many of them, and with a good one that is asked
//! all the time.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hookyard_tests::{Client, Config, Daemon, Request, Yard, attempts, outcomes};

use super::guest::{Guest, Outcome as Answer};

/// How long a case may take to end, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// The good plugin's answers while the others do their worst: the median, and each of them.
const MEDIAN: Duration = Duration::from_millis(300);
const WORST: Duration = Duration::from_secs(4);

/// What the daemon's memory may grow by while an attempt runs.
const GROWTH: u64 = 32 << 20;

/// One of these alone is run, and what it does is printed, when this variable names it.
const ONLY: &str = "HOOKYARD_HOSTILE";

/// Whether a case of this name is to be run.
pub(super) fn wanted(name: &str) -> bool {
    std::env::var(ONLY).map_or(true, |only| only == name)
}

/// A hostile plugin whose handler `run` gets one event, and what must become of that.
pub(super) struct Case {
    guest: Guest,
    /// Lines of its table.
    table: Vec<&'static str>,
    outcome: &'static str,
    /// What the attempt's message must have in it.
    says: Vec<&'static str>,
}

impl Case {
    /// `says` is what the message must have in it, parted by `…`.
    pub(super) fn new(
        name: &'static str,
        guest: Guest,
        table: &[&'static str],
        outcome: &'static str,
        says: &'static str,
    ) -> Self {
        Self {
            guest: Guest { name, ..guest },
            table: table.to_vec(),
            outcome,
            says: says.split('…').collect(),
        }
    }
}

/// A daemon with hostile plugins, and a client that asks the good one.
pub(super) struct Pen {
    pub(super) yard: Yard,
    pub(super) daemon: Daemon,
    asking: Option<JoinHandle<Vec<Result<Duration, String>>>>,
    stop: Arc<AtomicBool>,
    failures: Vec<String>,
}

impl Pen {
    /// Runs every case, one after another, and says what went wrong.
    #[track_caller]
    pub(super) fn run(cases: Vec<Case>) {
        let cases: Vec<Case> = cases.into_iter().filter(|case| wanted(case.guest.name)).collect();
        if cases.is_empty() {
            return;
        }
        let mut pen = Self::new(|yard, mut config| {
            for case in &cases {
                let name = case.guest.name;
                yard.swap_plugin(name, &case.guest.build());
                let table = format!("plugin.{name}");
                config = config.set(&table, "breaker = false");
                config = case.table.iter().fold(config, |config, line| config.set(&table, line));
                config =
                    config.route(name, &format!("{name}/run"), &["retry = { max_attempts = 1 }"]);
            }
            config
        });
        for case in &cases {
            let name = case.guest.name;
            let seen = pen.measured(name, GROWTH, |pen| pen.case(case));
            if let Err(why) = seen {
                pen.failures.push(format!("{name}: {why}"));
            }
        }
        pen.end();
    }

    /// Starts a daemon with what `add` puts into the folder and the configuration.
    pub(super) fn new(add: impl FnOnce(&Yard, Config) -> Config) -> Self {
        let yard = Yard::new();
        let answer = Answer::Reply { status: 200, headers: vec![], body: (0, 16) };
        let good = Guest { name: "good", outcome: answer, ..Guest::default() };
        yard.swap_plugin("good", &good.build());
        let config = yard
            .config()
            .set("runtime", r#"compile_timeout = "10s""#)
            .set("runtime", r#"compile_memory = "1GiB""#)
            .route("good", "good/run", &[r#"mode = "respond""#, "store = false"]);
        let config = add(&yard, config);
        let daemon = yard.start(&config);
        let stop = Arc::new(AtomicBool::new(false));
        let asking = thread::spawn({
            let (stop, public) = (Arc::clone(&stop), daemon.public);
            move || ask(public, &stop)
        });
        Self { yard, daemon, asking: Some(asking), stop, failures: Vec::new() }
    }

    /// What the daemon's memory grows by while `act` runs must stay within `growth`.
    pub(super) fn measured(
        &self,
        name: &str,
        growth: u64,
        act: impl FnOnce(&Self) -> Result<String, String>,
    ) -> Result<(), String> {
        let pid = self.daemon.pid();
        // The highest mark is set back to what there is now.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").map_err(|error| error.to_string())?;
        let before = memory(pid, "VmRSS:")?;
        let started = Instant::now();
        let seen = act(self);
        let grown = memory(pid, "VmHWM:")?.saturating_sub(before);
        println!(
            "{name}: {:?}, {} MiB more, {}",
            started.elapsed(),
            grown >> 20,
            match &seen {
                Ok(seen) => seen.chars().take(600).collect::<String>(),
                Err(why) => format!("WRONG: {why}"),
            }
        );
        seen?;
        if grown > growth {
            return Err(format!("the daemon grew by {} MiB", grown >> 20));
        }
        Ok(())
    }

    fn case(&self, case: &Case) -> Result<String, String> {
        let name = case.guest.name;
        let log = self.daemon.log_text();
        let of_it = |line: &&str| line.contains(&format!("\"{name}\"")) || line.contains(name);
        if !log.lines().filter(of_it).any(|line| line.contains("plugin serves")) {
            return Err(format!("it was not loaded: {:?}", log.lines().find(of_it)));
        }
        let mut client = Client::connect(self.daemon.public);
        let request = Request::github(&format!("/{name}"), "push", name, "{}");
        let reply = client.try_send(&request).map_err(|error| format!("{error:?}"))?;
        if reply.status != 202 {
            return Err(format!("{reply:?}"));
        }
        let id = reply.accepted();
        let started = Instant::now();
        let shown = loop {
            let shown = self.yard.show(&id);
            let state = shown["jobs"][0]["state"].as_str().unwrap_or_default();
            if !matches!(state, "ready" | "pending" | "running") {
                break shown;
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("it is {state} after {PATIENCE:?}"));
            }
            thread::sleep(Duration::from_millis(10));
        };
        let message = attempts(&shown)[0]["message"].as_str().unwrap_or_default().to_owned();
        let outcome = outcomes(&shown)[0].to_owned();
        let seen = format!("{outcome}: {message}");
        if outcome != case.outcome {
            return Err(format!("not a {}, but {seen}", case.outcome));
        }
        match case.says.iter().find(|part| !message.contains(**part)) {
            Some(part) => Err(format!("`{part}` is missing in {seen}")),
            None => Ok(seen),
        }
    }

    /// Puts a file into the plugins folder and returns what the log says of it.
    pub(super) fn refusal(
        &self,
        file: &str,
        put: impl FnOnce(&std::path::Path),
    ) -> Result<String, String> {
        let mark = self.daemon.mark();
        put(&self.yard.path("plugins").join(file));
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let log = self.daemon.log_text();
            let of_it = format!("/{file}\"");
            if let Some(line) = log.lines().skip(mark).find(|line| line.contains(&of_it)) {
                return Ok(line.to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(format!("nothing is said of it within {PATIENCE:?}"))
    }

    pub(super) fn fail(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Says what went wrong, and how the good plugin fared.
    #[track_caller]
    pub(super) fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let asked = self.asking.take().expect("is asking").join().expect("the client goes on");
        let mut times = Vec::new();
        for asked in asked {
            match asked {
                Ok(time) => times.push(time),
                Err(why) => self.failures.push(format!("another route: {why}")),
            }
        }
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{} answers of another route: median {median:?}, worst {worst:?}", times.len());
        if median > MEDIAN || worst > WORST {
            self.failures.push(format!("another route: median {median:?}, worst {worst:?}"));
        }
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

fn ask(public: std::net::SocketAddr, stop: &AtomicBool) -> Vec<Result<Duration, String>> {
    let mut client = Client::connect(public);
    let mut times = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) && number > 0 {
            break;
        }
        let begin = Instant::now();
        let request = Request::github("/good", "push", &number.to_string(), "{}");
        times.push(match client.try_send(&request) {
            Ok(reply) if reply.status == 200 => Ok(begin.elapsed()),
            Ok(reply) => Err(format!("{reply:?}")),
            Err(error) => {
                times.push(Err(format!("{error:?}")));
                break;
            }
        });
        thread::sleep(Duration::from_millis(5));
    }
    times
}

/// A line of the process's status, in bytes.
fn memory(pid: u32, line: &str) -> Result<u64, String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("the daemon is gone: {error}"))?;
    let value = status.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_default();
    let kib: u64 = value.trim().trim_end_matches(" kB").parse().unwrap_or(0);
    Ok(kib << 10)
}
