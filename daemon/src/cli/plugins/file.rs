//! What a built file is.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hookyard_runtime::{Admission, Compiler, Inspected, Manifest, Parts};
use serde_json::{Value, json};

use crate::admin::handler;
use crate::admission::ConfigAdmission;
use crate::config::{self, MAX_PLUGIN_MEMORY};

/// `hookyard plugins check`.
pub(super) fn check(file: &Path, config: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let admission = match config.map(config::load).transpose() {
        Ok(loaded) => loaded.map(|(config, _warnings)| ConfigAdmission::unresolved(config)),
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::from(crate::cli::EXIT_BAD_CONFIG));
        }
    };
    let loaded = load(file)?;
    let refusal = match &loaded {
        Err(why) => Some(why.clone()),
        Ok(found) => admission.and_then(|admission| admission.admit(&found.manifest).err()),
    };
    let mut out = std::io::stdout().lock();
    if json {
        let told = loaded.as_ref().ok().map(describe);
        let report = json!({ "ok": refusal.is_none(), "problem": refusal, "plugin": told });
        writeln!(out, "{report}")?;
    } else if let Some(why) = &refusal {
        eprintln!("{}: {why}", file.display());
    } else if let Ok(found) = &loaded {
        writeln!(out, "ok: {}", title(&found.manifest))?;
    }
    Ok(if refusal.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `hookyard plugins inspect`.
pub(super) fn inspect(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let found = match load(file)? {
        Ok(found) => found,
        Err(why) => {
            eprintln!("{}: {why}", file.display());
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", describe(&found))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Manifest { handlers, settings, uses, .. } = &found.manifest;
    writeln!(out, "{}", title(&found.manifest))?;
    writeln!(out, "  sha256   {}", found.hash)?;
    writeln!(out, "  size     {}", bytesize::ByteSize(found.size))?;
    let Parts { memories, memory, tables, table_elements } = found.parts;
    writeln!(
        out,
        "  parts    {memories} memories, the largest begins with {}; {tables} tables, the largest \
         with {table_elements} elements",
        bytesize::ByteSize(memory)
    )?;
    for handler in handlers {
        let kinds = match handler.kinds.as_slice() {
            [] => String::new(),
            kinds => format!(" of {}", kinds.join(", ")),
        };
        let words = format!("{} ({}{kinds})", handler.name, handler.trigger);
        writeln!(out, "  handler  {words}  {}", handler.description)?;
    }
    for setting in settings {
        let word = if setting.required { "required" } else { "optional" };
        writeln!(out, "  setting  {} ({word})", setting.name)?;
    }
    for need in uses {
        writeln!(out, "  uses     {} `{}`", need.capability, need.name)?;
    }
    for import in &found.imports {
        writeln!(out, "  imports  {import}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the file is, or why it would be refused.
fn load(file: &Path) -> anyhow::Result<Result<Inspected, String>> {
    let program = std::env::current_exe().context("failed to find the program itself")?;
    let compiler = Compiler::child(program, ["compile-plugin"]);
    Ok(hookyard_runtime::inspect(file, compiler, MAX_PLUGIN_MEMORY))
}

fn title(manifest: &Manifest) -> String {
    let handlers: Vec<&str> = manifest.handlers.iter().map(|h| h.name.as_str()).collect();
    format!("{} {}: {}", manifest.name, manifest.version, handlers.join(", "))
}

fn describe(found: &Inspected) -> Value {
    let manifest = &found.manifest;
    let settings = manifest.settings.iter();
    let uses = manifest.uses.iter();
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "sha256": found.hash.to_string(),
        "size": found.size,
        "handlers": manifest.handlers.iter().map(handler).collect::<Vec<_>>(),
        "settings": settings
            .map(|setting| json!({ "name": setting.name, "required": setting.required }))
            .collect::<Vec<_>>(),
        "uses": uses
            .map(|need| json!({ "capability": need.capability, "name": need.name }))
            .collect::<Vec<_>>(),
        "imports": found.imports,
        "memories": found.parts.memories,
        "memory_bytes": found.parts.memory,
        "tables": found.parts.tables,
        "table_elements": found.parts.table_elements,
        "load_ms": u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX),
    })
}
