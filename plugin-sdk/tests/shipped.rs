//! What the shipped plugins' components import and export: only what they use.
//!
//! Needs the built files, in `plugins/` or the folder that `HOOKYARD_TEST_PLUGINS` names.

use std::collections::BTreeSet;
use std::path::PathBuf;

use wasmparser::{Parser, Payload};

/// The names of a component's own imports and exports, versions left away.
fn interfaces(component: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("the component is well formed") {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(
                    section.into_iter().flatten().map(|import| import.name.name.to_owned()),
                );
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(
                    section.into_iter().flatten().map(|export| export.name.name.to_owned()),
                );
            }
            _ => {}
        }
    }
    (imports, exports)
}

fn component(file: &str) -> Vec<u8> {
    let folder = std::env::var_os("HOOKYARD_TEST_PLUGINS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins"),
        PathBuf::from,
    );
    let path = folder.join(file);
    let module = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: build it by `cargo xtask plugins`", path.display())
    });
    wit_component::ComponentEncoder::default()
        .module(&module)
        .expect("the module carries its component type")
        .validate(true)
        .encode()
        .expect("the module becomes a component")
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("hookyard:plugin/{name}@0.1.0")).collect()
}

#[test]
fn a_plugin_imports_only_what_it_uses() {
    for (file, trigger, expected) in [
        ("echo.wasm", "webhook", set(&["log", "types"])),
        ("github_push.wasm", "webhook", set(&["log", "settings", "types"])),
        (
            "github_to_slack.wasm",
            "webhook",
            set(&["clock", "connection", "log", "settings", "types"]),
        ),
        ("slack_commands.wasm", "webhook", set(&["clock", "kv", "log", "settings", "types"])),
        ("stripe_ledger.wasm", "webhook", set(&["kv", "log", "types"])),
        (
            "uptime.wasm",
            "schedule",
            set(&["clock", "connection", "kv", "log", "settings", "types"]),
        ),
    ] {
        let (imports, exports) = interfaces(&component(file));
        assert_eq!(imports, expected, "imports of {file}");
        assert_eq!(exports, set(&["manifest", trigger]), "exports of {file}");
    }
}
