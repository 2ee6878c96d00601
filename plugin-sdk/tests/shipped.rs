//! What the shipped plugins' components import and export: only what they use.
//!
//! Needs the built files in `plugins/`: `cargo xtask plugins`.

use std::collections::BTreeSet;
use std::path::Path;

use wasmparser::{Parser, Payload};

/// The names of a component's own imports and exports, versions left away.
fn interfaces(component: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.into()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.into()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

fn component(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(file);
    let module = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: build it by `cargo xtask plugins`", path.display())
    });
    wit_component::ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("hookyard:plugin/{name}@0.1.0")).collect()
}

#[test]
fn a_plugin_imports_only_what_it_uses() {
    for (file, expected) in [
        ("echo.wasm", set(&["log", "types"])),
        ("github_push.wasm", set(&["log", "settings", "types"])),
    ] {
        let (imports, exports) = interfaces(&component(file));
        assert_eq!(imports, expected, "imports of {file}");
        assert_eq!(exports, set(&["manifest", "webhook"]), "exports of {file}");
    }
}
