//! Plugins: loading, reload, limits and calls, on wasmtime. Knows no HTTP and no store.
