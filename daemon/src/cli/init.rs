//! `hookyard init`: a commented configuration to start from.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

/// What is written; a test loads it as `serve` would.
const CONFIG: &str = include_str!("init.toml");

/// Writes config.toml and an empty plugins folder into `folder`, making it when it is missing.
/// An existing config.toml is never touched: that is an error.
pub(crate) fn run(folder: &Path) -> anyhow::Result<ExitCode> {
    let plugins = folder.join("plugins");
    fs::create_dir_all(&plugins)
        .with_context(|| format!("failed to make the folder {}", plugins.display()))?;
    let file = folder.join("config.toml");
    // The folder is made first: a configuration is never left without it.
    match OpenOptions::new().write(true).create_new(true).open(&file) {
        Ok(mut opened) => opened
            .write_all(CONFIG.as_bytes())
            .with_context(|| format!("failed to write {}", file.display()))?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(
                "{} is there already and stays as it is; name another folder: `hookyard init DIR`",
                file.display()
            );
        }
        Err(error) => {
            return Err(error).with_context(|| format!("failed to write {}", file.display()));
        }
    }
    let shown = file.display();
    println!("wrote {shown} and {}/", plugins.display());
    println!("next: put a plugin into the folder, set the route's secret, and run");
    println!("  hookyard check --config {shown}");
    println!("  hookyard serve --config {shown}");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn what_is_written_loads_without_a_warning_and_is_never_written_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("new");
        run(&target).expect("written");
        assert!(target.join("plugins").is_dir());

        let (config, warnings) =
            config::load(&target.join("config.toml")).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.routes.len(), 1);
        assert!(warnings.is_empty(), "{warnings:?}");

        fs::write(target.join("config.toml"), "# mine\n").expect("changed");
        let refused = run(&target).expect_err("refused").to_string();
        assert!(refused.contains("is there already"), "{refused}");
        assert_eq!(fs::read_to_string(target.join("config.toml")).expect("read"), "# mine\n");
    }

    #[test]
    fn the_examples_in_its_comments_load_too() {
        // Prose starts with a capital or is indented; keys and tables do not.
        let uncommented: Vec<&str> = CONFIG
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(code)
                    if code.starts_with('[')
                        || code.split_once(" = ").is_some_and(|(key, _)| {
                            key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                        }) =>
                {
                    code
                }
                _ => line,
            })
            .collect();
        let text = uncommented.join("\n");
        let (config, warnings) = config::parse(Path::new("config.toml"), &text)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((config.routes.len(), config.plugins.len()), (2, 1));
        assert!(config.server.tls.is_some() && config.server.public_url.is_some());
        assert_eq!(warnings.len(), 1, "the unsigned id: {warnings:?}");
    }
}
