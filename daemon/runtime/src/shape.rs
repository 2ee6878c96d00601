//! What a file must be to become a plugin: its form, its imports and its exports. Runs in the
//! compiling process, because the parsers meet hostile bytes here.

use std::borrow::Cow;

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use hookyard_types::Trigger;

use crate::bindings::{MANIFEST, PACKAGE, export};
use crate::text::{clip, line};
use crate::wasi;

/// Changes with the rules here, so that code checked by older ones is compiled again.
pub(crate) const RULES: u32 = 5;

/// The version of the interfaces that is compatible.
const VERSION: &str = "0.1.";
/// The interfaces that a plugin may import.
const IMPORTS: [&str; 9] =
    ["clock", "connection", "kv", "log", "queue", "random", "secret", "settings", "types"];

const HOW_TO_BUILD: &str = "build it with hookyard-sdk, \
     `cargo build --release --target wasm32-unknown-unknown`";

/// The component in `file`: as it is, or made from a core module that carries its type.
pub(crate) fn component(file: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if file.is_empty() {
        return Err("it is empty; if it is being copied, it is loaded when that is done".into());
    }
    let component = if Parser::is_component(file) {
        Cow::Borrowed(file)
    } else if Parser::is_core_wasm(file) {
        Cow::Owned(componentise(file)?)
    } else {
        let start = file.get(..file.len().min(16)).unwrap_or_default();
        return Err(format!(
            "it is not a WebAssembly binary (it begins with `{}`): {HOW_TO_BUILD}",
            start.escape_ascii()
        ));
    };
    check(&component)?;
    Ok(component)
}

fn componentise(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut typed = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| broken(&error))? {
            Payload::CustomSection(section) => {
                typed |= section.name().starts_with("component-type");
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    core_import(import.map_err(|error| broken(&error))?.module)?;
                }
            }
            _ => {}
        }
    }
    if !typed {
        return Err(format!(
            "it is a core module without a component type, so nothing says what it imports and \
             exports: {HOW_TO_BUILD}"
        ));
    }
    ComponentEncoder::default()
        .validate(false)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| {
            format!("it cannot be made a component: {}", line(&format!("{error:#}"), 1024))
        })
}

/// The imports of a core module that no component type describes.
fn core_import(module: &str) -> Result<(), String> {
    if module.starts_with("wasi_") {
        return Err(format!(
            "it imports `{}`, the WASI of before components: build it for `wasm32-wasip2` or \
             `wasm32-unknown-unknown` instead",
            line(module, 128)
        ));
    }
    if module == "env" || module.starts_with("__wbindgen") {
        return Err(format!(
            "it imports from `{module}`, which is for web pages: leave out wasm-bindgen and the \
             crates that need it, and {HOW_TO_BUILD}"
        ));
    }
    Ok(())
}

/// Checks the outermost imports and exports by name. Their types are checked when it is linked.
fn check(component: &[u8]) -> Result<(), String> {
    let mut depth = 0_u32;
    let mut imports: Vec<&str> = Vec::new();
    let mut exports: Vec<&str> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| broken(&error))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(|error| broken(&error))?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(|error| broken(&error))?.name.name);
                }
            }
            _ => {}
        }
    }
    imports.into_iter().try_for_each(import)?;
    if !exports.contains(&MANIFEST) {
        return Err(format!(
            "it does not export `{MANIFEST}`{}: list its handlers in `hookyard_sdk::plugin!(…)`",
            instead(&exports)
        ));
    }
    let triggers = Trigger::ALL.map(export);
    if !triggers.iter().any(|trigger| exports.contains(trigger)) {
        return Err(format!(
            "it exports no trigger that this version knows, which are `{}`{}",
            triggers.join("`, `"),
            instead(&exports)
        ));
    }
    Ok(())
}

fn import(name: &str) -> Result<(), String> {
    if let Some((interface, version)) =
        name.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@'))
    {
        if IMPORTS.contains(&interface) && version.starts_with(VERSION) {
            return Ok(());
        }
        return Err(format!(
            "it imports `{}`, which this version does not have (it has {}, each @{VERSION}x): \
             build it with the SDK of this version, or update Hookyard",
            clip(name, 128),
            IMPORTS.join(", ")
        ));
    }
    if wasi::has(name) {
        return Ok(());
    }
    if name.starts_with("wasi:http/") {
        return Err(format!(
            "it imports `{}`, and HTTP goes through connections: leave out what makes requests \
             (componentize-js: `--disable http --disable fetch-event`)",
            line(name, 128)
        ));
    }
    Err(format!("it imports `{}`, which nothing here provides: {HOW_TO_BUILD}", line(name, 128)))
}

/// What is exported in place of what should be, for an error.
fn instead(exports: &[&str]) -> String {
    let names: Vec<String> =
        exports.iter().take(8).map(|name| format!("`{}`", line(name, 128))).collect();
    if names.is_empty() {
        return " (it exports nothing)".into();
    }
    format!(" (it exports {})", names.join(", "))
}

fn broken(error: &wasmparser::BinaryReaderError) -> String {
    format!(
        "it is broken or incomplete: {}; if it is being copied, it is loaded when that is done",
        line(&error.to_string(), 512)
    )
}
