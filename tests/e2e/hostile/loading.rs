//! Plugins that do their worst while they are loaded: each is refused with its reason, and nothing
//! else suffers.

use std::path::Path;

use super::guest::{Guest, KV_SET};
use super::pen::{Pen, wanted};

const LOOP: &str = "(loop $again (br $again))";

/// A file that is to be refused for what is in it, with every part of a reason, parted by `…`.
pub(super) struct Refused {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) says: &'static str,
    /// What the daemon's memory may grow by, in MiB.
    pub(super) growth: u64,
}

pub(super) fn refused(name: &'static str, bytes: Vec<u8>, says: &'static str) -> Refused {
    Refused { name, bytes, says, growth: 32 }
}

/// Puts one file after another into the folder of a running daemon.
#[track_caller]
pub(super) fn refuse(files: Vec<Refused>) {
    let files: Vec<Refused> = files.into_iter().filter(|file| wanted(file.name)).collect();
    if files.is_empty() {
        return;
    }
    let mut pen = Pen::new(|_, config| config);
    for Refused { name, bytes, says, growth } in files {
        let seen = pen.measured(name, growth << 20, |pen| {
            let put = |path: &Path| {
                let beside = pen.yard.path("beside.tmp");
                std::fs::write(&beside, &bytes).expect("write a file");
                std::fs::rename(&beside, path).expect("move a file");
            };
            let seen = pen.refusal(&format!("{name}.wasm"), put)?;
            match says.split('…').find(|part| !seen.contains(part)) {
                Some(part) => Err(format!("`{part}` is missing in {seen}")),
                None => Ok(seen),
            }
        });
        if let Err(why) = seen {
            pen.fail(format!("{name}: {why}"));
        }
    }
    pen.end();
}

/// Text that a WebAssembly tool would read.
pub(super) fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("text of a plugin")
}

fn guest(name: &'static str, change: impl FnOnce(&mut Guest)) -> Vec<u8> {
    let mut guest = Guest { name, ..Guest::default() };
    change(&mut guest);
    guest.build()
}

#[test]
fn at_the_start() {
    let fill = "(drop (memory.grow (i32.const 16000)))
        (memory.fill (i32.const 131072) (i32.const 1)
            (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 131072)))
        unreachable";
    let describes = |name, body: &str| guest(name, |guest| guest.describe = Some(body.to_owned()));
    refuse(vec![
        refused(
            "start-that-never-ends",
            guest("start", |guest| {
                guest.fields = format!("(func $begin {LOOP}) (start $begin)");
            }),
            "did not say what it is within…, which is fixed: `describe` and what runs at the start",
        ),
        refused(
            "start-that-traps",
            guest("start", |guest| {
                guest.fields = "(func $begin unreachable) (start $begin)".to_owned();
            }),
            "failed when asked for its manifest…unreachable",
        ),
        refused(
            "manifest-that-never-ends",
            describes("describe", &format!("{LOOP} unreachable")),
            "did not say what it is within…, which is fixed: `describe` and what runs at the start",
        ),
        refused(
            "manifest-that-traps",
            describes("describe", "unreachable"),
            "failed when asked for its manifest…unreachable",
        ),
        Refused {
            growth: 96,
            ..refused(
                "manifest-of-a-gigabyte",
                describes("describe", fill),
                "failed when asked for its manifest: needed…bytes of memory…which is fixed",
            )
        },
        refused(
            "manifest-without-end",
            describes("describe", "(call $describe)"),
            "call stack exhausted…which is fixed",
        ),
        refused("manifest-outside", describes("describe", "i32.const -8"), "out of bounds"),
    ]);
}

#[test]
fn manifests_that_lie() {
    let huge = "x".repeat(2 << 20).leak();
    let handlers: Vec<&'static str> = vec!["run"; 300];
    refuse(vec![
        refused(
            "of-another-name",
            guest("good", |guest| guest.version = "6.6.6"),
            "another plugin `good`, which is already served from…good.wasm: remove one",
        ),
        refused(
            "names-a-path",
            guest("../../etc", |_| {}),
            "names the plugin `../../etc`: use 1 to 64 lower-case",
        ),
        refused(
            "names-a-handler-twice",
            guest("twice", |guest| guest.handlers = vec!["run", "run"]),
            "the handler `run` twice",
        ),
        refused("names-none", guest("none", |guest| guest.handlers = vec![]), "names no handler"),
        refused(
            "names-many",
            guest("many", |guest| guest.handlers = handlers),
            "300 handlers: 256 is the most, which is fixed",
        ),
        refused(
            "has-a-long-version",
            guest("long", |guest| guest.version = "1".repeat(300).leak()),
            "a version of 300 bytes…256 bytes of plain text is the most, which is fixed",
        ),
        refused(
            "has-a-huge-version",
            guest("huge", |guest| {
                guest.version = huge;
                guest.pages = 64;
            }),
            "passed more data in one call than its `reply_bytes`…fixed",
        ),
    ]);
}

#[test]
fn what_they_import() {
    let kv = |name| guest(name, |guest| guest.imports = KV_SET.to_owned());
    let component = |import: &str| {
        text(&format!(r#"(component (import "{import}" (instance (export "f" (func)))))"#))
    };
    let wrong = text(
        r#"(component (import "hookyard:plugin/log@0.1.0" (instance (export "erase" (func))))
            (instance $none)
            (export "hookyard:plugin/manifest@0.1.0" (instance $none))
            (export "hookyard:plugin/webhook@0.1.0" (instance $none)))"#,
    );
    let core = |import: &str| text(&format!(r#"(module (import "{import}" "f" (func)))"#));
    refuse(vec![
        refused(
            "without-a-grant",
            kv("without-a-grant"),
            "uses `kv`, which…config.toml does not grant: add `kv = true` to [plugin.without-a-grant]",
        ),
        refused(
            "of-a-later-version",
            component("hookyard:plugin/kv@9.0.0"),
            "imports `hookyard:plugin/kv@9.0.0`, which this version does not have",
        ),
        refused(
            "of-no-interface",
            component("hookyard:plugin/shell@0.1.0"),
            "imports `hookyard:plugin/shell@0.1.0`, which this version does not have",
        ),
        refused(
            "of-http",
            component("wasi:http/outgoing-handler@0.2.0"),
            "imports `wasi:http/outgoing-handler@0.2.0`",
        ),
        refused(
            "of-somebody",
            component("evil:host/escape@1.0.0"),
            "imports `evil:host/escape@1.0.0`, which nothing here provides",
        ),
        refused("of-the-page", core("env"), "imports from `env`"),
        refused("of-preview1", core("wasi_snapshot_preview1"), "`wasi_snapshot_preview1`"),
        refused("of-a-function-that-is-not-there", wrong, "does not export"),
        refused(
            "with-nothing",
            text("(component)"),
            "does not export `hookyard:plugin/manifest@0.1.0` (it exports nothing)",
        ),
        refused("a-mere-module", text("(module)"), "a core module without a component type"),
    ]);
}
