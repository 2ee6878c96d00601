//! Compilation: in a process of its own, under limits, because a compiler given hostile input may
//! use any amount of time and memory, or break.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, nice, setrlimit};

use crate::text::{clip, line};
use crate::{Compiler, engine, shape};

/// What is kept of the compiling process's words.
const MAX_WORDS: usize = 4096;
/// Threads of one compilation. Each may reserve some 64 MiB of the address space.
const THREADS: usize = 4;

/// The compiling process's `main`: reads a plugin, checks what it imports and exports, and writes
/// its machine code, under limits that it sets for itself first. `args` are those after the
/// daemon's own subcommand, as [`Plugins`](crate::Plugins) passes them.
pub fn compile_main(args: impl Iterator<Item = OsString>) -> ExitCode {
    match Job::parse(args).and_then(|job| job.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nowhere else to say it.
            let _ = writeln!(std::io::stderr(), "{}", clip(&why, MAX_WORDS / 2));
            ExitCode::FAILURE
        }
    }
}

/// What the compiling process is told.
struct Job {
    input: PathBuf,
    output: PathBuf,
    memory: u64,
    cpu_seconds: u64,
}

impl Job {
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut next =
            || args.next().ok_or("started without its arguments; only Hookyard starts it");
        let (input, output, memory, cpu) = (next()?, next()?, next()?, next()?);
        let number = |text: OsString| {
            text.to_str().and_then(|text| text.parse().ok()).ok_or("a limit is not a number")
        };
        Ok(Self {
            input: input.into(),
            output: output.into(),
            memory: number(memory)?,
            cpu_seconds: number(cpu)?,
        })
    }

    fn run(&self) -> Result<(), String> {
        self.limit().map_err(|error| format!("cannot limit the compilation: {error}"))?;
        let file = fs::read(&self.input).map_err(|error| format!("cannot read it: {error}"))?;
        let code = build(&file)?;
        write(&self.output, &code).map_err(|error| format!("cannot write its code: {error}"))
    }

    fn limit(&self) -> rustix::io::Result<()> {
        let hard = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
        // No daemon, no compilation.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        setrlimit(Resource::Core, hard(0))?;
        setrlimit(Resource::Cpu, hard(self.cpu_seconds))?;
        setrlimit(Resource::Fsize, hard(self.memory))?;
        setrlimit(Resource::As, hard(self.memory))?;
        // Refused where the process is not allowed to; it is only a courtesy.
        let _ = nice(10);
        Ok(())
    }
}

/// The machine code of the plugin in `file`.
fn build(file: &[u8]) -> Result<Vec<u8>, String> {
    let component = shape::component(file)?;
    let engine = engine::compiling_engine().map_err(|error| format!("{error:#}"))?;
    engine
        .precompile_component(&component)
        .map_err(|error| format!("it does not compile: {}", line(&format!("{error:#}"), 1024)))
}

/// Compiles `input` into `output`, for at most `timeout`.
///
/// # Errors
/// Why not, about the plugin ("it …") or about the limit that it met.
pub(crate) fn compile(
    compiler: &Compiler,
    input: &Path,
    output: &Path,
    memory: u64,
    timeout: Duration,
) -> Result<(), String> {
    let Some(command) = compiler.command() else {
        let file = fs::read(input).map_err(|error| format!("it cannot be read: {error}"))?;
        let code = std::panic::catch_unwind(|| build(&file))
            .map_err(|_| "it breaks the compiler".to_owned())??;
        return write(output, &code).map_err(|error| format!("its code cannot be kept: {error}"));
    };
    // Twice the clock, for two processors.
    let cpu_seconds = timeout.as_secs().saturating_mul(2).saturating_add(2);
    let (status, words) = watched(command, timeout, |command| {
        command.arg(input).arg(output).arg(memory.to_string()).arg(cpu_seconds.to_string());
    })?;
    let (Some(status), words) = (status, line(&words, MAX_WORDS)) else {
        return Err(format!(
            "its compilation took longer than `compile_timeout` of {timeout:?} and was ended: \
             raise it under `[runtime]`, or make the plugin smaller"
        ));
    };
    judge(status, &words, memory)
}

fn judge(status: ExitStatus, words: &str, memory: u64) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    let memory = format!(
        "its compilation needed more than `compile_memory` of {memory} bytes: raise it under \
         `[runtime]`, or make the plugin smaller"
    );
    // The allocator's words, the system's, and those of a thread that could not be started.
    let short = ["memory allocation of", "Cannot allocate memory", "out of memory", "os error 11"];
    if short.iter().any(|text| words.contains(text)) {
        return Err(memory);
    }
    match status.signal() {
        None if !words.is_empty() => Err(words.to_owned()),
        None => Err(format!("its compilation failed without a word ({status})")),
        Some(signal) if signal == Signal::XCPU.as_raw() || signal == Signal::KILL.as_raw() => {
            Err("its compilation was ended by the system for the time or memory that it used: \
                 make the plugin smaller, or raise `compile_timeout` under `[runtime]`"
                .into())
        }
        Some(signal) => Err(format!("its compilation broke (signal {signal}): {words}")),
    }
}

/// Runs the compiling process; without a status it was killed at `timeout`.
fn watched(
    mut command: Command,
    timeout: Duration,
    arguments: impl FnOnce(&mut Command),
) -> Result<(Option<ExitStatus>, String), String> {
    arguments(&mut command);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
    let failed = |error: std::io::Error| format!("its compilation cannot be started: {error}");
    let mut child = command
        // The daemon's environment may hold secrets.
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // One message, when the process closed its end; then the reader is gone.
    let (sender, words) = mpsc::sync_channel(1);
    let stderr = child.stderr.take();
    let reader = std::thread::Builder::new().name("hookyard-compile".into()).spawn(move || {
        let _ = sender.send(stderr.map(listen).unwrap_or_default());
    });
    if let Err(error) = reader {
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(error));
    }
    match words.recv_timeout(timeout) {
        Ok(words) => Ok((Some(child.wait().map_err(failed)?), words)),
        Err(_) => {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            Ok((None, String::new()))
        }
    }
}

/// The first words of `stderr`; the rest is read, so that the process can go on, and dropped.
fn listen(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let limit = u64::try_from(MAX_WORDS).unwrap_or(u64::MAX);
    let _ = stderr.by_ref().take(limit).read_to_end(&mut kept);
    let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

/// Writes a private file that is whole or not there after a crash, once it is renamed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = private(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}
