//! WASI 0.2 over an empty world, for components whose language brings it along.
//!
//! Components that Python, `wasm32-wasip2` Rust, TinyGo or JavaScript make import all of `wasi:cli`,
//! whether they use it or not. So it is there: what a guest writes to its standard output and error
//! becomes its log, clocks and randomness work, and there is nothing else. There is no code here that
//! opens a file or a socket, so none can be reached: see [`absent`].
//!
//! A handle that a guest holds is counted by the engine, all kinds together ([`MAX_HANDLES`]).

mod absent;
mod io;
mod output;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceTable};
use wasmtime::{Result, StoreContextMut};

pub(crate) use absent::link as link_absent;
use io::{InputStream, OutputStream, Pollable};
pub(crate) use output::Output;

use crate::bindings::random::Host as _;
use crate::state::State;

/// Handles of resources that an instance may hold at once, the component's own kinds included. A
/// Python component holds some ten.
pub const MAX_HANDLES: usize = 4096;

/// The interfaces that a plugin may import, in whichever 0.2 version.
const INTERFACES: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether the import `name` (as `wasi:cli/exit@0.2.9`) is one that is linked.
pub(crate) fn has(name: &str) -> bool {
    name.split_once('@').is_some_and(|(interface, version)| {
        INTERFACES.contains(&interface) && (version == "0.2" || version.starts_with("0.2."))
    })
}

/// What an instance has of WASI on the host's side.
pub(crate) struct Wasi {
    /// The pollables; bounded by [`MAX_HANDLES`], since each belongs to a handle.
    pub(crate) table: ResourceTable,
    pub(crate) output: Output,
    /// What the monotonic clock counts from.
    started: Instant,
}

impl Wasi {
    pub(crate) fn new(started: Instant) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self { table, output: Output::default(), started }
    }
}

/// The guest called `exit`, which only a program may.
#[derive(Debug, thiserror::Error)]
#[error("called `exit` with {0}: a handler ends by answering")]
pub(crate) struct Exited(&'static str);

/// `wall-clock.datetime`.
#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct DateTime {
    seconds: u64,
    nanoseconds: u32,
}

/// The kinds of resource of which there is never one.
enum TerminalInput {}
enum TerminalOutput {}

/// Defines everything but files and sockets. A component finds it under its own 0.2 version.
pub(crate) fn link(linker: &mut Linker<State>) -> Result<()> {
    io::link(linker)?;
    cli(linker)?;
    clocks(linker)?;
    random(linker)
}

type Call<'a> = StoreContextMut<'a, State>;

fn cli(linker: &mut Linker<State>) -> Result<()> {
    let mut environment = linker.instance("wasi:cli/environment@0.2.0")?;
    environment
        .func_wrap("get-environment", |_: Call<'_>, ()| Ok((Vec::<(String, String)>::new(),)))?;
    environment.func_wrap("get-arguments", |_: Call<'_>, ()| Ok((Vec::<String>::new(),)))?;
    environment.func_wrap("initial-cwd", |_: Call<'_>, ()| Ok((None::<String>,)))?;

    let mut exit = linker.instance("wasi:cli/exit@0.2.0")?;
    exit.func_wrap("exit", |_: Call<'_>, (status,): (Result<(), ()>,)| -> Result<()> {
        Err(Exited(if status.is_ok() { "success" } else { "failure" }).into())
    })?;

    let mut stdin = linker.instance("wasi:cli/stdin@0.2.0")?;
    stdin.func_wrap("get-stdin", |_: Call<'_>, ()| Ok((Resource::<InputStream>::new_own(0),)))?;
    for (name, function, stream) in [
        ("wasi:cli/stdout@0.2.0", "get-stdout", output::STDOUT),
        ("wasi:cli/stderr@0.2.0", "get-stderr", output::STDERR),
    ] {
        linker.instance(name)?.func_wrap(function, move |_: Call<'_>, ()| {
            Ok((Resource::<OutputStream>::new_own(stream),))
        })?;
    }

    io::resource::<TerminalInput>(
        &mut linker.instance("wasi:cli/terminal-input@0.2.0")?,
        "terminal-input",
    )?;
    io::resource::<TerminalOutput>(
        &mut linker.instance("wasi:cli/terminal-output@0.2.0")?,
        "terminal-output",
    )?;
    linker
        .instance("wasi:cli/terminal-stdin@0.2.0")?
        .func_wrap("get-terminal-stdin", |_: Call<'_>, ()| {
            Ok((None::<Resource<TerminalInput>>,))
        })?;
    for (name, function) in [
        ("wasi:cli/terminal-stdout@0.2.0", "get-terminal-stdout"),
        ("wasi:cli/terminal-stderr@0.2.0", "get-terminal-stderr"),
    ] {
        linker
            .instance(name)?
            .func_wrap(function, |_: Call<'_>, ()| Ok((None::<Resource<TerminalOutput>>,)))?;
    }
    Ok(())
}

fn clocks(linker: &mut Linker<State>) -> Result<()> {
    let mut monotonic = linker.instance("wasi:clocks/monotonic-clock@0.2.0")?;
    monotonic.func_wrap("now", |call: Call<'_>, ()| {
        let passed = call.data().wasi.started.elapsed();
        Ok((u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX),))
    })?;
    monotonic.func_wrap("resolution", |_: Call<'_>, ()| Ok((1_u64,)))?;
    monotonic.func_wrap("subscribe-instant", |mut call: Call<'_>, (when,): (u64,)| {
        let wasi = &mut call.data_mut().wasi;
        let at = wasi.started.checked_add(Duration::from_nanos(when));
        Ok((wasi.table.push(Pollable { at: Some(at) })?,))
    })?;
    monotonic.func_wrap("subscribe-duration", |mut call: Call<'_>, (wait,): (u64,)| {
        let at = Instant::now().checked_add(Duration::from_nanos(wait));
        Ok((call.data_mut().wasi.table.push(Pollable { at: Some(at) })?,))
    })?;

    let mut wall = linker.instance("wasi:clocks/wall-clock@0.2.0")?;
    wall.func_wrap("now", |_: Call<'_>, ()| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((DateTime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() },))
    })?;
    wall.func_wrap("resolution", |_: Call<'_>, ()| Ok((DateTime { seconds: 0, nanoseconds: 1 },)))
}

fn random(linker: &mut Linker<State>) -> Result<()> {
    for (name, bytes, number) in [
        ("wasi:random/random@0.2.0", "get-random-bytes", "get-random-u64"),
        ("wasi:random/insecure@0.2.0", "get-insecure-random-bytes", "get-insecure-random-u64"),
    ] {
        let mut random = linker.instance(name)?;
        random.func_wrap(bytes, |mut call: Call<'_>, (length,): (u64,)| {
            // What is too much for the interface `random` is too much here.
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            Ok((call.data_mut().bytes(length)?,))
        })?;
        random.func_wrap(number, |mut call: Call<'_>, ()| Ok((random_number(&mut call)?,)))?;
    }
    linker
        .instance("wasi:random/insecure-seed@0.2.0")?
        .func_wrap("insecure-seed", |mut call: Call<'_>, ()| {
            Ok(((random_number(&mut call)?, random_number(&mut call)?),))
        })
}

fn random_number(call: &mut Call<'_>) -> Result<u64> {
    let bytes = call.data_mut().bytes(8)?;
    Ok(bytes.into_iter().fold(0, |number, byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_of_0_2_is_had_and_nothing_else() {
        for name in ["wasi:cli/exit@0.2.0", "wasi:cli/exit@0.2.12", "wasi:sockets/tcp@0.2.9"] {
            assert!(has(name), "{name}");
        }
        for name in [
            "wasi:cli/exit",
            "wasi:cli/exit@0.3.0",
            "wasi:cli/exit@0.20.0",
            "wasi:http/outgoing-handler@0.2.9",
            "wasi:keyvalue/store@0.2.0",
        ] {
            assert!(!has(name), "{name}");
        }
    }
}
