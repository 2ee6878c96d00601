//! The compiling process, for tests: the daemon has a subcommand that does the same.

fn main() -> std::process::ExitCode {
    hookyard_runtime::compile_main(std::env::args_os().skip(1))
}
