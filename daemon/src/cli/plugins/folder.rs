//! What a daemon has loaded, or would find.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use http::Method;
use serde_json::{Value, json};

use crate::admin;
use crate::cli::api::Api;
use crate::cli::{self, ConfigArgument};
use crate::config::Config;

/// `hookyard plugins list`.
pub(super) fn list(argument: &ConfigArgument, as_json: bool) -> anyhow::Result<ExitCode> {
    let config = match cli::load(argument) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let answer = match ask(&config)? {
        Some(answer) => answer,
        None => {
            let folder = config.runtime.plugins_dir.display();
            eprintln!("no daemon runs with this configuration; in {folder} there is:");
            files(&config)?
        }
    };
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{answer}")?;
        return Ok(ExitCode::SUCCESS);
    }
    for plugin in answer["plugins"].as_array().into_iter().flatten() {
        let text = |key: &str| plugin[key].as_str().unwrap_or("-").escape_debug().to_string();
        writeln!(
            out,
            "{:<9} {} {} {}",
            text("state"),
            text("name"),
            text("version"),
            text("file")
        )?;
        if let Some(error) = plugin["error"].as_str() {
            writeln!(out, "          {}", error.escape_debug())?;
        }
        if let Some(why) = plugin["paused"]["why"].as_str() {
            writeln!(out, "          {}", why.escape_debug())?;
        }
        let handlers = plugin["handlers"].as_array().into_iter().flatten();
        let names: Vec<&str> = handlers.filter_map(|handler| handler["name"].as_str()).collect();
        if !names.is_empty() {
            writeln!(out, "          handlers: {}", names.join(", "))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the daemon says; `None` where none runs.
fn ask(config: &Config) -> anyhow::Result<Option<Value>> {
    if admin::configured(config)?.is_none() && admin::made(&admin::file(config))?.is_none() {
        // A daemon makes its token when it first runs.
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked =
        runtime.block_on(async { Api::of(config)?.call(Method::GET, "/v1/plugins", None).await });
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if nobody_listens(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn nobody_listens(error: &anyhow::Error) -> bool {
    let source = error.downcast_ref::<io::Error>().or_else(|| error.root_cause().downcast_ref());
    source.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The files in the plugins folder, as a daemon that has loaded none of them would list them.
fn files(config: &Config) -> anyhow::Result<Value> {
    let folder = &config.runtime.plugins_dir;
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("failed to read the plugins folder {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".wasm") && !name.starts_with('.'))
        .collect();
    names.sort();
    let plugins = names.into_iter().map(|file| {
        let name = file.trim_end_matches(".wasm");
        json!({ "name": name, "file": file, "version": null, "sha256": null, "state": "unloaded",
            "error": null, "handlers": [], "paused": null })
    });
    Ok(json!({ "plugins": plugins.collect::<Vec<_>>() }))
}
