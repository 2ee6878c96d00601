//! `hookyard check`: says what `serve` would say to this configuration, without serving.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::EXIT_BAD_CONFIG;
use crate::config::{self, Config, ConfigError, Diagnostic, Severity};
use crate::route::Routes;

/// Loads the configuration, resolves its secrets and builds its verifiers by the functions that
/// `serve` uses. Problems go to stderr and a summary to stdout; with `json` all of it to stdout.
///
/// Exit code 78 when `serve` would refuse the configuration; a file that cannot be read is one too.
pub(crate) fn run(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let (config, warnings) = match config::load(file) {
        Ok(loaded) => loaded,
        Err(error) => {
            if json {
                println!("{:#}", report(None, error.diagnostics(), &unreadable(&error)));
            } else {
                eprintln!("{error}");
            }
            return Ok(ExitCode::from(EXIT_BAD_CONFIG));
        }
    };
    let config = Arc::new(config);
    let errors = Routes::build(&config).err().unwrap_or_default();
    if json {
        let shown = if errors.is_empty() { Some(config.as_ref()) } else { None };
        println!("{:#}", report(shown, &warnings, &errors));
    } else {
        for warning in &warnings {
            eprintln!("{warning}\n");
        }
        for error in &errors {
            eprintln!("error: {error}");
        }
        if errors.is_empty() {
            println!("{}", summary(&config));
        }
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD_CONFIG) })
}

fn summary(config: &Config) -> String {
    let count =
        |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    format!(
        "ok: {}, {} configured",
        count(config.routes.len(), "route"),
        count(config.plugins.len(), "plugin")
    )
}

/// What has no place in the file.
fn unreadable(error: &ConfigError) -> Vec<String> {
    if error.diagnostics().is_empty() { vec![error.to_string()] } else { Vec::new() }
}

fn report(config: Option<&Config>, placed: &[Diagnostic], errors: &[String]) -> serde_json::Value {
    let placed = placed.iter().map(|problem| {
        let severity = match problem.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({
            "severity": severity,
            "message": problem.message(),
            "help": problem.help(),
            "line": problem.line(),
            "column": problem.column(),
        })
    });
    let others = errors.iter().map(|message| json!({ "severity": "error", "message": message }));
    json!({
        "ok": config.is_some(),
        "routes": config.map(|config| config.routes.len()),
        "plugins": config.map(|config| config.plugins.len()),
        "problems": placed.chain(others).collect::<Vec<_>>(),
    })
}
