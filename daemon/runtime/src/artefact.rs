//! Loads compiled code: the one thing here that trusts a file.

#![expect(unsafe_code, reason = "the engine cannot check machine code that it maps")]

use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;

/// Maps the compiled code in `path`.
///
/// The engine checks that it was made by the same engine with the same settings, and nothing else.
/// What it holds runs with the daemon's rights, so `path` must be in the cache's folder: only this
/// user can write there, and only what our own compiler wrote is renamed to such a name. The files
/// are never written again, only replaced or removed, which a mapping survives.
pub(crate) fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: `path` holds what `Engine::precompile_component` made, unchanged: see above.
    unsafe { Component::deserialize_file(engine, path) }
}
