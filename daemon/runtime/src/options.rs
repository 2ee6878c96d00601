//! Where plugins come from and what the engine as a whole may use.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::{Connections, Kv};

/// How the engine is set up. It cannot be changed while it runs.
#[derive(Debug)]
pub struct Options {
    /// The folder whose `*.wasm` files are the plugins. It need not exist yet.
    pub plugins_dir: PathBuf,
    /// A private folder for compiled code; made with mode 0700 when it is missing.
    pub cache_dir: PathBuf,
    /// Attempts that may run at the same time; more of them wait. Each reserves about 8 GiB of
    /// address space (not memory).
    pub concurrency: usize,
    /// The bound of every plugin's `memory`, in bytes; at most 4 GiB.
    pub max_memory: u64,
    /// The largest plugin file, in bytes.
    pub max_file: u64,
    /// How long the compilation of one plugin may take, by the clock.
    pub compile_timeout: Duration,
    /// The address space of a compilation, in bytes.
    pub compile_memory: u64,
    /// How long a start waits for plugins that have to be compiled. Later ones join when they are
    /// ready; until then their last good versions serve.
    pub start_patience: Duration,
    pub compiler: Compiler,
    /// What plugins that are granted `kv` read; without it their calls fail.
    pub kv: Option<Arc<dyn Kv>>,
    /// What carries out the requests of plugins that are granted connections; without it their calls
    /// fail.
    pub connections: Option<Arc<dyn Connections>>,
}

impl Options {
    /// Options with every number at its default.
    pub fn new(
        plugins_dir: impl Into<PathBuf>,
        cache_dir: impl Into<PathBuf>,
        compiler: Compiler,
    ) -> Self {
        Self {
            plugins_dir: plugins_dir.into(),
            cache_dir: cache_dir.into(),
            concurrency: 64,
            max_memory: 1 << 30,
            max_file: 64 << 20,
            compile_timeout: Duration::from_secs(120),
            compile_memory: 4 << 30,
            start_patience: Duration::from_secs(30),
            compiler,
            kv: None,
            connections: None,
        }
    }
}

/// Who turns a plugin into machine code.
#[derive(Debug)]
pub enum Compiler {
    /// A process of its own, under limits: `program` with `args` and then the arguments that
    /// [`compile_main`](crate::compile_main) reads. What the daemon uses.
    Child { program: PathBuf, args: Vec<std::ffi::OsString> },
    /// This process, with no limit on memory or time. For tests and tools whose plugins are their
    /// own: a hostile file can make it use all memory.
    InProcess,
}

impl Compiler {
    /// `program args…`, started once for each compilation.
    pub fn child<A: Into<std::ffi::OsString>>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::Child { program: program.into(), args: args.into_iter().map(Into::into).collect() }
    }

    /// The command to which a compilation's own arguments are added.
    pub(crate) fn command(&self) -> Option<Command> {
        let Self::Child { program, args } = self else { return None };
        let mut command = Command::new(program);
        command.args(args);
        Some(command)
    }
}
