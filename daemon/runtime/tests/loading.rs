//! What becomes a plugin and what does not; and that the error says why.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod bench;
mod guest;

use std::path::PathBuf;
use std::time::Duration;

use bench::Bench;
use guest::{Guest, Outcome as Answer, SETTINGS};
use hookyard_runtime::{Compiler, Outcome, PluginState};

/// The error of a start with this one file.
fn refused(bytes: Vec<u8>) -> String {
    let bench = Bench::started(&[("some.wasm", bytes)]);
    let status = bench.status("some.wasm");
    assert_eq!(status.state, PluginState::Failed);
    status.last_error.expect("an error")
}

#[tokio::test]
async fn an_ordinary_plugin_serves_and_answers() {
    let done = Outcome::Done { reply: None, message: None };
    let retry = Outcome::Retry {
        after: Some(Duration::from_millis(6_000_000_000)),
        message: "later".into(),
    };
    for (answer, expected) in [
        (Answer::Done, done),
        (Answer::Ignored("not mine"), Outcome::Ignored("not mine".into())),
        (Answer::Reject("bad"), Outcome::Reject("bad".into())),
        (Answer::Retry { after_ms: 6_000_000_000, message: "later" }, retry),
    ] {
        let guest = Guest { outcome: answer, ..Guest::default() };
        let bench = Bench::started(&[("a file.wasm", guest.build())]);
        let status = bench.status("guest");
        assert_eq!(status.state, PluginState::Ready, "{status:?}");
        assert_eq!(status.file, "a file.wasm");
        assert_eq!(status.handlers[0].name, "run");
        assert_eq!(bench.run().await.outcome, expected);
    }
}

#[tokio::test]
async fn a_component_serves_as_its_module_does() {
    let component = wit_component::ComponentEncoder::default()
        .module(&Guest::default().build())
        .unwrap()
        .encode()
        .unwrap();
    let bench = Bench::started(&[("guest.wasm", component)]);
    assert_eq!(bench.run().await.outcome, Outcome::Done { reply: None, message: None });
}

#[test]
fn what_is_not_a_plugin_is_refused_with_the_reason() {
    let whole = Guest::default().build();
    let part = |world| Guest { world, ..Guest::default() }.build();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("is empty", vec![]),
        ("not a WebAssembly binary (it begins with `#!/bin/sh", b"#!/bin/sh\n".to_vec()),
        ("broken or incomplete", whole[..whole.len() / 2].to_vec()),
        ("broken or incomplete", whole[..8 + 3].to_vec()),
        ("without a component type", Guest::default().module()),
        ("without a component type", whole[..8].to_vec()),
        (
            "it exports no trigger that this version knows",
            part("include hookyard:plugin/exports-manifest@0.1.0;"),
        ),
        ("it exports nothing", wat::parse_str("(component)").unwrap()),
        (
            "imports `wasi:http/outgoing-handler@0.2.3`, and HTTP goes through connections",
            wat::parse_str(r#"(component (import "wasi:http/outgoing-handler@0.2.3" (instance)))"#)
                .unwrap(),
        ),
        (
            "imports `hookyard:plugin/telepathy@0.1.0`, which this version does not have",
            wat::parse_str(r#"(component (import "hookyard:plugin/telepathy@0.1.0" (instance)))"#)
                .unwrap(),
        ),
        (
            "imports `a:b/c`, which nothing here provides",
            wat::parse_str(r#"(component (import "a:b/c" (instance)))"#).unwrap(),
        ),
        (
            "imports `wasi_snapshot_preview1`, the WASI of before components",
            wat::parse_str(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#)
                .unwrap(),
        ),
        (
            "imports from `env`",
            wat::parse_str(r#"(module (import "env" "abort" (func)))"#).unwrap(),
        ),
    ];
    for (expected, bytes) in cases {
        let error = refused(bytes);
        assert!(error.contains(expected), "{error}\nlacks\n{expected}");
        assert!(error.len() < 2000 && !error.contains('\n'), "{error}");
    }
}

#[test]
fn any_cut_of_a_plugin_is_refused_without_harm() {
    let whole = Guest::default().build();
    let component =
        wit_component::ComponentEncoder::default().module(&whole).unwrap().encode().unwrap();
    let bench = Bench::new(&[]);
    for (kind, bytes) in [("m", &whole), ("c", &component)] {
        for length in (0..bytes.len()).step_by(bytes.len() / 40) {
            bench.put(&format!("{kind}{length}.wasm"), &bytes[..length]);
        }
    }
    let mut bench = bench;
    bench.start();
    let status = bench.plugins().status();
    assert_eq!(status.len(), 82);
    // Cut inside the trailing custom sections it may still be a plugin; the others of that name are
    // refused.
    let ready = status.iter().filter(|entry| entry.state == PluginState::Ready).count();
    assert!(ready <= 1, "{status:#?}");
    for (kind, bytes) in [("m", &whole), ("c", &component)] {
        for length in (0..bytes.len() / 4).step_by(bytes.len() / 40) {
            let error = bench.error(&format!("{kind}{length}.wasm"));
            assert!(!error.contains("already served"), "{kind}{length}: {error}");
        }
    }
}

#[test]
fn a_manifest_that_cannot_be_is_refused() {
    let cases = [
        ("the plugin `Bad Name`", Guest { name: "Bad Name", ..Guest::default() }),
        ("the handler `../x`", Guest { handlers: vec!["../x"], ..Guest::default() }),
        ("handler `a` twice", Guest { handlers: vec!["a", "a"], ..Guest::default() }),
        ("names no handler", Guest { handlers: vec![], ..Guest::default() }),
        (
            "failed when asked for its manifest: wasm trap",
            Guest { describe: Some("unreachable".into()), ..Guest::default() },
        ),
        (
            "failed when asked for its manifest",
            Guest { describe: Some("i32.const -8".into()), ..Guest::default() },
        ),
        (
            "did not say what it is within",
            Guest {
                describe: Some("(loop $again (br $again)) unreachable".into()),
                ..Guest::default()
            },
        ),
        ("it needs the setting `channel`", Guest { required: vec!["channel"], ..Guest::default() }),
    ];
    for (expected, guest) in cases {
        let error = refused(guest.build());
        assert!(error.contains(expected), "{error}\nlacks\n{expected}");
    }
}

#[tokio::test]
async fn a_plugin_reads_its_settings_as_json() {
    // Rejects with the value of the setting `channel`.
    let guest = Guest {
        imports: SETTINGS.into(),
        fields: r#"(data (i32.const 64) "channel")"#.into(),
        handle: "(call $setting (i32.const 64) (i32.const 7) (i32.const 128))
            (if (i32.eqz (i32.load8_u (i32.const 128))) (then unreachable))
            (i32.store (i32.const 256) (i32.const 3))
            (i32.store (i32.const 264) (i32.load (i32.const 132)))
            (i32.store (i32.const 268) (i32.load (i32.const 136)))
            i32.const 256"
            .into(),
        required: vec!["channel"],
        ..Guest::default()
    };
    let set = |bench: &Bench, value: &str| {
        let settings = [("channel".to_owned(), serde_json::json!(value))];
        bench.config.grant.lock().unwrap().settings = settings.into();
    };
    let mut bench = Bench::new(&[("guest.wasm", guest.build())]);
    set(&bench, "#deploys");
    bench.start();
    assert_eq!(bench.run().await.outcome, Outcome::Reject("\"#deploys\"".into()));
    let before = bench.plugin("guest");
    set(&bench, "#other");
    assert!(bench.plugins().readmit().is_empty());
    assert_eq!(bench.run().await.outcome, Outcome::Reject("\"#other\"".into()));
    assert_eq!(bench::run(&before).await.outcome, Outcome::Reject("\"#deploys\"".into()));
    bench.config.grant.lock().unwrap().settings.clear();
    assert_eq!(bench.plugins().check(&*bench.config), ["it needs the setting `channel`"],);
    assert_eq!(bench.plugins().readmit(), ["it needs the setting `channel`"]);
    assert_eq!(bench.run().await.outcome, Outcome::Reject("\"#other\"".into()));
}

fn compiling_process() -> Compiler {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().unwrap().parent().unwrap();
    Compiler::child(target.join("examples/compile_plugin"), Vec::<String>::new())
}

#[tokio::test]
async fn the_compiling_process_compiles() {
    let mut bench = Bench::new(&[
        ("guest.wasm", Guest::default().build()),
        ("bad.wasm", b"#!/bin/sh".to_vec()),
    ]);
    let mut options = bench.options();
    options.compiler = compiling_process();
    bench.start_with(options);
    assert_eq!(bench.run().await.outcome, Outcome::Done { reply: None, message: None });
    assert!(bench.error("bad.wasm").starts_with("it is not a WebAssembly binary"));
}

#[test]
fn the_compiling_process_is_ended_at_its_time() {
    let mut bench = Bench::new(&[("guest.wasm", Guest::default().build())]);
    let mut options = bench.options();
    options.compiler = Compiler::child("/bin/sh", ["-c", "exec sleep 600"]);
    options.compile_timeout = Duration::from_millis(200);
    let before = std::time::Instant::now();
    bench.start_with(options);
    assert!(before.elapsed() < Duration::from_secs(20));
    let error = bench.error("guest.wasm");
    assert!(error.contains("longer than `compile_timeout` of 200ms"), "{error}");
}

#[test]
fn the_compiling_process_is_ended_at_its_memory() {
    let work = "(local.set 0 (i32.mul (local.get 0) (i32.load (local.get 0))))".repeat(100);
    let function = format!("(func (param i32) {work})");
    let guest = Guest { fields: function.repeat(2000), ..Guest::default() };
    let mut bench = Bench::new(&[("guest.wasm", guest.build())]);
    let mut options = bench.options();
    options.compiler = compiling_process();
    options.compile_memory = 40 << 20;
    bench.start_with(options);
    let error = bench.error("guest.wasm");
    assert!(error.contains("`compile_memory` of 41943040"), "{error}");
    assert!(bench.plugins().plugin("guest").is_none());
}

#[test]
fn a_compiler_that_is_missing_is_said() {
    let mut bench = Bench::new(&[("guest.wasm", Guest::default().build())]);
    let mut options = bench.options();
    options.compiler = Compiler::child("/nonexistent/hookyard", ["compile-plugin"]);
    bench.start_with(options);
    let error = bench.error("guest.wasm");
    assert!(error.contains("cannot be started"), "{error}");
}

#[tokio::test]
async fn compiled_code_is_kept() {
    let mut bench = Bench::new(&[("guest.wasm", Guest::default().build())]);
    bench.start();
    bench.stop();
    let mut options = bench.options();
    options.compiler = Compiler::child("/nonexistent/hookyard", ["compile-plugin"]);
    bench.start_with(options);
    assert_eq!(bench.run().await.outcome, Outcome::Done { reply: None, message: None });
}

#[tokio::test]
async fn damaged_code_is_compiled_again() {
    let mut bench = Bench::new(&[("guest.wasm", Guest::default().build())]);
    bench.start();
    bench.stop();
    let cache = bench.dir.path().join("cache");
    let paths = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
    let is_code = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "cwasm");
    let code = paths.into_iter().find(is_code).expect("compiled code");
    let whole = std::fs::read(&code).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0xff;
    std::fs::remove_file(&code).unwrap();
    std::fs::write(&code, damaged).unwrap();
    bench.start();
    assert_eq!(bench.run().await.outcome, Outcome::Done { reply: None, message: None });
    assert!(std::fs::read(&code).unwrap() == whole);
}

#[test]
fn the_cache_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new(&[]);
    let cache = bench.dir.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    bench.start();
    assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
}
