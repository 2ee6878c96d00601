//! `hookyard plugins`: what a plugin's author needs, and what the daemon has loaded.

mod file;
mod folder;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use hookyard_author::{Language, New};
use serde_json::json;

use super::ConfigArgument;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginsCommand {
    /// Write the folder of a new plugin, ready to build.
    New {
        /// The plugin's name in the configuration.
        name: String,
        /// The folder [default: NAME].
        folder: Option<PathBuf>,
        /// What it is written in: rust, js or python.
        #[arg(long = "lang", value_name = "LANGUAGE", default_value = "rust")]
        language: Language,
        /// The folder `plugin-sdk` of a clone of Hookyard, in place of a copy of the SDK in the new
        /// folder. For Rust.
        #[arg(long, value_name = "FOLDER")]
        sdk: Option<PathBuf>,
    },
    /// Build the plugin in a folder.
    ///
    /// Gets what is needed for it: the WebAssembly target of Rust by rustup or apt, componentize-js
    /// from npm, componentize-py from PyPI. Runs the folder's own build scripts with your rights: build
    /// what you trust.
    Build {
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Put the built file into this folder: the daemon's plugins folder takes it at once.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Load a built file as the daemon would and say what is wrong with it.
    ///
    /// Exit codes: 0 it would be served, 1 it would be refused, 78 bad configuration.
    Check {
        file: PathBuf,
        /// The configuration that has to grant what the plugin needs; without it only the file is
        /// judged.
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say all that a built file says of itself: handlers, settings, what it uses and imports.
    Inspect {
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the plugins of the running daemon with how each is doing; without one, the files in the
    /// plugins folder.
    List {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: PluginsCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginsCommand::New { name, folder, language, sdk } => {
            let folder = folder.unwrap_or_else(|| PathBuf::from(&name));
            hookyard_author::new(&New {
                name: &name,
                language,
                folder: &folder,
                sdk: sdk.as_deref(),
            })?;
            let shown = folder.display();
            println!("wrote the {language} plugin {name} into {shown}");
            println!("next: read {shown}/README.md, and run");
            println!("  hookyard plugins build {shown} --out PLUGINS_DIR");
            Ok(ExitCode::SUCCESS)
        }
        PluginsCommand::Build { folder, out, json } => build(&folder, out.as_deref(), json),
        PluginsCommand::Check { file, config, json } => file::check(&file, config.as_deref(), json),
        PluginsCommand::Inspect { file, json } => file::inspect(&file, json),
        PluginsCommand::List { config, json } => folder::list(&config, json),
    }
}

fn build(folder: &Path, out: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let files = hookyard_author::build(folder, out)
        .with_context(|| format!("failed to build the plugin in {}", folder.display()))?;
    let mut stdout = std::io::stdout().lock();
    let mut shown = Vec::new();
    for file in files {
        let size = std::fs::metadata(&file).map_or(0, |data| data.len());
        if json {
            shown.push(json!({ "file": file, "size": size }));
        } else {
            writeln!(stdout, "{}  {}", file.display(), bytesize::ByteSize(size))?;
        }
    }
    if json {
        writeln!(stdout, "{}", json!({ "built": shown }))?;
    }
    Ok(ExitCode::SUCCESS)
}
