//! The real binary, running.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Client, Reply, Request, SECRET, SECRET_VARIABLE, hookyard, until};

/// A start, compilation of the plugins included, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(60);

/// A running daemon. Dropping it fails the test when it had died by itself or a thread of it had
/// panicked; what it logged is printed whenever the test fails.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    /// The public listener's actual address.
    pub public: SocketAddr,
    /// The admin listener's.
    pub admin: SocketAddr,
    ended: bool,
}

/// How a daemon ended.
#[derive(Debug)]
pub struct Exit {
    pub status: ExitStatus,
    pub log: Vec<String>,
}

impl Daemon {
    /// Starts the binary and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it ends first, or takes too long.
    #[track_caller]
    pub fn start(config: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut daemon = Self::spawn(config, change);
        let start = Instant::now();
        let ready = loop {
            if let Some(line) = daemon.find(|line| line["message"] == "ready") {
                break line;
            }
            if let Ok(Some(status)) = daemon.child.try_wait() {
                daemon.ended = true;
                daemon.join_log();
                panic!("the daemon ended instead of starting: {status}\n{}", daemon.log_text());
            }
            assert!(start.elapsed() < START, "the daemon was not ready within {START:?}");
            thread::sleep(Duration::from_millis(5));
        };
        let address = |name: &str| {
            ready[name]
                .as_str()
                .and_then(|text| text.parse().ok())
                .unwrap_or_else(|| panic!("no address `{name}` in {ready}"))
        };
        daemon.public = address("public");
        daemon.admin = address("admin");
        daemon
    }

    /// Starts the binary and waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn run_to_end(config: &Path) -> Exit {
        let mut daemon = Self::spawn(config, |_| {});
        let status = daemon.wait(START);
        Exit { status, log: daemon.lines().clone() }
    }

    fn spawn(config: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(hookyard());
        command
            .args(["serve", "--log", "json", "--config"])
            .arg(config)
            .env(SECRET_VARIABLE, SECRET)
            // Errors inside the engine would collect backtraces, which takes time.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("start the binary");
        let stderr = child.stderr.take().expect("stderr is piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || collect(stderr, &log)
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { child, log, reader: Some(reader), public: nowhere, admin: nowhere, ended: false }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new connection to the public listener.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.public)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Reply {
        self.client().send(request)
    }

    /// GET on the admin listener.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Reply {
        Client::connect(self.admin).send(&Request::new("GET", path))
    }

    /// kill -9, and the end of it.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("send SIGKILL");
        let status = self.wait(Duration::from_secs(10));
        assert_eq!(
            status.signal(),
            Some(9),
            "the daemon had ended before it was killed\n{}",
            self.log_text()
        );
        self.lines().clone()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("send a signal");
    }

    /// SIGTERM, and the end of it.
    ///
    /// # Panics
    /// When the exit code is not 0.
    #[track_caller]
    pub fn stop(self) -> Vec<String> {
        self.signal(Signal::TERM);
        self.stopped()
    }

    /// Waits for the end after a SIGTERM.
    ///
    /// # Panics
    /// When the exit code is not 0.
    #[track_caller]
    pub fn stopped(mut self) -> Vec<String> {
        let status = self.wait(Duration::from_secs(40));
        assert!(status.success(), "the daemon ended with {status}\n{}", self.log_text());
        self.lines().clone()
    }

    #[track_caller]
    fn wait(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        let status =
            until("the daemon ends", limit, || child.try_wait().expect("wait for the daemon"));
        self.ended = true;
        self.join_log();
        status
    }

    /// The place in the log where it ends now, for [`Daemon::until_logged`].
    pub fn mark(&self) -> usize {
        self.lines().len()
    }

    /// Waits for a log line, from `mark` on.
    #[track_caller]
    pub fn until_logged(&self, mark: usize, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        until(&format!("a log line: {what}"), Duration::from_secs(30), || {
            self.find_from(mark, &matches)
        })
    }

    /// Waits for a log line with this text anywhere in it, from `mark` on.
    #[track_caller]
    pub fn until_logged_text(&self, mark: usize, text: &str) -> Value {
        self.until_logged(mark, text, |line| line.to_string().contains(text))
    }

    fn find(&self, matches: impl Fn(&Value) -> bool) -> Option<Value> {
        self.find_from(0, matches)
    }

    fn find_from(&self, mark: usize, matches: impl Fn(&Value) -> bool) -> Option<Value> {
        let lines = self.lines();
        lines.iter().skip(mark).filter_map(|line| flat(line)).find(|line| matches(line))
    }

    /// Everything logged up to now.
    pub fn log_text(&self) -> String {
        self.lines().join("\n")
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join_log(&mut self) {
        if let Some(reader) = self.reader.take() {
            // A plugin compiler that outlives its parent holds the pipe a moment longer.
            let _ = reader.join();
        }
    }
}

fn collect(stderr: ChildStderr, log: &Mutex<Vec<String>>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// A log line with the fields of its event at the top, wherever the formatter put them.
fn flat(line: &str) -> Option<Value> {
    let mut line: Value = serde_json::from_str(line).ok()?;
    if let Some(Value::Object(fields)) = line.get_mut("fields").map(Value::take) {
        line.as_object_mut()?.extend(fields);
    }
    Some(line)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let died = !self.ended && matches!(self.child.try_wait(), Ok(Some(_)));
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.join_log();
        }
        let log = self.log_text();
        if thread::panicking() {
            eprintln!("--- what the daemon logged ---\n{log}\n---");
            return;
        }
        assert!(!died, "the daemon died during the test\n{log}");
        // What plugins log comes as JSON; a panic of the daemon's own is written by Rust.
        let panicked = |line: &str| !line.starts_with('{') && line.contains("panicked at");
        assert!(!log.lines().any(panicked), "a thread of the daemon panicked\n{log}");
    }
}
