//! Compilation.
use std::ffi::OsString;
use std::process::ExitCode;

/// The compiling process's `main`: reads a plugin, writes its machine code, under limits.
/// `args` are those after the daemon's own subcommand, as [`Plugins`](crate::Plugins) passes them.
pub fn compile_main(_args: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}
