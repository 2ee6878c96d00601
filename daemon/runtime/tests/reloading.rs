//! Files that come, change and go while plugins serve.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod bench;
mod guest;

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use bench::Bench;
use guest::{Guest, Outcome as Answer};
use hookyard_runtime::{Compiler, Limits, Outcome, PluginState};

fn version(version: &'static str) -> Guest {
    Guest { version, outcome: Answer::Reject(version), ..Guest::default() }
}

fn reject(version: &str) -> Outcome {
    Outcome::Reject(version.into())
}

#[tokio::test]
async fn a_new_version_takes_over_and_old_attempts_end_as_they_began() {
    // Takes its time, so that it is in flight during the swap.
    let slow = "(local $left i64) (local.set $left (i64.const 400000000))
        (loop $again (local.set $left (i64.sub (local.get $left) (i64.const 1)))
            (br_if $again (i64.ne (local.get $left) (i64.const 0))))
        i32.const OUTCOME";
    let limits = Limits {
        timeout: Duration::from_secs(60),
        cpu: Duration::from_secs(60),
        ..Limits::default()
    };
    let bench = Bench::limited(limits, &Guest { handle: slow.into(), ..version("1") });
    let old = bench.plugin("guest");
    let running = tokio::spawn(async move { bench::run(&old).await });
    tokio::task::yield_now().await;
    bench.put("guest.wasm", &version("2").build());
    bench.until_version("2").await;
    assert_eq!(bench.run().await.outcome, reject("2"));
    let attempt = running.await.unwrap();
    assert_eq!(attempt.outcome, reject("1"));
    assert_ne!(attempt.plugin_hash, bench.plugin("guest").hash());
}

#[tokio::test]
async fn a_file_that_is_being_written_keeps_the_old_version() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    let new = version("2").build();
    let (first, second) = new.split_at(new.len() / 2);
    // Half of it, and closed: as a tool that stopped.
    fs::write(bench.file("guest.wasm"), first).unwrap();
    bench.until_state(PluginState::Degraded).await;
    assert!(bench.error("guest").contains("broken or incomplete"), "{}", bench.error("guest"));
    assert_eq!(bench.run().await.outcome, reject("1"));
    let mut file = File::options().append(true).open(bench.file("guest.wasm")).unwrap();
    file.write_all(second).unwrap();
    drop(file);
    bench.until_version("2").await;
    bench.until_state(PluginState::Ready).await;
    assert_eq!(bench.run().await.outcome, reject("2"));
}

#[tokio::test]
async fn a_rename_over_the_file_is_a_new_version() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    bench.put("new.tmp", &version("2").build());
    fs::rename(bench.file("new.tmp"), bench.file("guest.wasm")).unwrap();
    bench.until_version("2").await;
}

#[tokio::test]
async fn removing_and_writing_again_never_leaves_a_gap() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    let new = version("2").build();
    fs::remove_file(bench.file("guest.wasm")).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(bench.plugins().plugin("guest").is_some());
    bench.put("guest.wasm", &new);
    bench.until_version("2").await;
}

#[tokio::test]
async fn removing_and_writing_slowly_never_leaves_a_gap() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    let new = version("2").build();
    let (first, second) = new.split_at(new.len() / 2);
    fs::remove_file(bench.file("guest.wasm")).unwrap();
    let mut file = File::create(bench.file("guest.wasm")).unwrap();
    file.write_all(first).unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(bench.plugin("guest").version(), "1");
    file.write_all(second).unwrap();
    drop(file);
    bench.until_version("2").await;
}

#[tokio::test]
async fn a_file_that_cannot_be_looked_at_was_not_removed() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    // A link to itself: not even its metadata can be had.
    std::os::unix::fs::symlink("guest.wasm", bench.file("new.tmp")).unwrap();
    fs::rename(bench.file("new.tmp"), bench.file("guest.wasm")).unwrap();
    bench.until_state(PluginState::Degraded).await;
    assert!(bench.error("guest").contains("cannot be read"), "{}", bench.error("guest"));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(bench.run().await.outcome, reject("1"));
}

#[tokio::test]
async fn links_are_followed() {
    let bench = Bench::new(&[]);
    fs::write(bench.dir.path().join("one"), version("1").build()).unwrap();
    let mut bench = bench;
    bench.start();
    std::os::unix::fs::symlink(bench.dir.path().join("one"), bench.file("guest.wasm")).unwrap();
    bench.until_version("1").await;
    // Behind the link, where nothing is watched.
    fs::write(bench.dir.path().join("one"), version("2").build()).unwrap();
    bench.until_version("2").await;
}

#[tokio::test]
async fn removing_the_file_retires_the_plugin_and_putting_it_back_revives_it() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    bench.config.wanted.lock().unwrap().push("guest".into());
    fs::remove_file(bench.file("guest.wasm")).unwrap();
    bench.until("retired", |plugins| plugins.plugin("guest").is_none()).await;
    bench.until_state(PluginState::Failed).await;
    assert!(bench.error("guest").contains("put it there"), "{}", bench.error("guest"));
    bench.put("guest.wasm", &version("1").build());
    bench.until_version("1").await;
}

#[tokio::test]
async fn moving_the_file_keeps_the_plugin() {
    let bench = Bench::started(&[("a.wasm", version("1").build())]);
    fs::rename(bench.file("a.wasm"), bench.file("b.wasm")).unwrap();
    bench
        .until("moved", |plugins| {
            assert!(plugins.plugin("guest").is_some());
            plugins.status().len() == 1 && plugins.status()[0].file == "b.wasm"
        })
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(bench.run().await.outcome, reject("1"));
}

#[tokio::test]
async fn a_second_file_of_the_same_name_is_refused_until_the_first_goes() {
    let bench = Bench::started(&[("a.wasm", version("1").build())]);
    bench.put("b.wasm", &version("2").build());
    bench.until_state(PluginState::Failed).await;
    let error = bench.error("b.wasm");
    assert!(error.contains("another plugin `guest`") && error.contains("a.wasm"), "{error}");
    assert_eq!(bench.run().await.outcome, reject("1"));
    fs::remove_file(bench.file("a.wasm")).unwrap();
    bench.until_version("2").await;
    bench.until("one", |plugins| plugins.status().len() == 1).await;
}

#[tokio::test]
async fn of_two_files_of_the_same_name_the_one_that_served_serves_after_a_start() {
    let mut bench = Bench::started(&[("z.wasm", version("1").build())]);
    bench.stop();
    bench.put("a.wasm", &version("2").build());
    for _ in 0..3 {
        bench.start();
        assert_eq!(bench.run().await.outcome, reject("1"));
        assert!(bench.error("a.wasm").contains("already served from"));
        bench.stop();
    }
}

#[tokio::test]
async fn a_refused_version_leaves_the_old_one_until_it_is_admitted() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    let why = "route `github` uses `guest/gone`".to_owned();
    bench.config.refuse.lock().unwrap().insert("guest".into(), why.clone());
    bench.put("guest.wasm", &version("2").build());
    bench.until_state(PluginState::Degraded).await;
    assert_eq!(bench.error("guest"), why);
    assert_eq!(bench.run().await.outcome, reject("1"));
    bench.config.refuse.lock().unwrap().clear();
    bench.plugins().readmit();
    bench.until_version("2").await;
    bench.until_state(PluginState::Ready).await;
}

#[tokio::test]
async fn a_file_cannot_become_another_plugin_while_routes_use_the_first() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    bench.config.wanted.lock().unwrap().push("guest".into());
    let other = Guest { name: "other", ..version("2") };
    bench.put("guest.wasm", &other.build());
    bench.until_state(PluginState::Degraded).await;
    assert!(bench.error("guest").contains("is now `other`"), "{}", bench.error("guest"));
    bench.config.wanted.lock().unwrap().clear();
    bench.plugins().rescan();
    bench.until("other", |plugins| plugins.plugin("other").is_some()).await;
    assert!(bench.plugins().plugin("guest").is_none());
}

#[tokio::test]
async fn a_start_with_a_bad_file_serves_the_last_good_version() {
    let mut bench = Bench::started(&[("guest.wasm", version("1").build())]);
    bench.stop();
    bench.put("guest.wasm", b"half-written");
    bench.start();
    let status = bench.status("guest");
    assert_eq!(status.state, PluginState::Degraded, "{status:?}");
    assert!(status.last_error.unwrap().contains("not a WebAssembly binary"));
    assert_eq!(bench.run().await.outcome, reject("1"));
    bench.put("guest.wasm", &version("2").build());
    bench.until_version("2").await;
}

#[tokio::test]
async fn a_start_without_a_wanted_file_serves_the_last_good_version() {
    let mut bench = Bench::started(&[("guest.wasm", version("1").build())]);
    bench.stop();
    fs::remove_file(bench.file("guest.wasm")).unwrap();
    bench.start();
    assert!(bench.plugins().plugin("guest").is_none());
    bench.stop();
    bench.config.wanted.lock().unwrap().push("guest".into());
    bench.start();
    assert_eq!(bench.status("guest").state, PluginState::Degraded);
    assert_eq!(bench.run().await.outcome, reject("1"));
    // The same plugin in a file of another name takes over.
    bench.put("other.wasm", &version("2").build());
    bench.until_version("2").await;
    assert_eq!(bench.status("guest").state, PluginState::Ready);
}

#[tokio::test]
async fn a_plugin_that_compiles_for_ever_does_not_hold_up_a_start() {
    let mut bench = Bench::started(&[("guest.wasm", version("1").build())]);
    bench.stop();
    bench.put("guest.wasm", &version("2").build());
    bench.config.wanted.lock().unwrap().push("guest".into());
    let mut options = bench.options();
    options.compiler = Compiler::child("/bin/sh", ["-c", "exec sleep 3"]);
    options.compile_timeout = Duration::from_secs(2);
    options.start_patience = Duration::from_millis(100);
    let before = Instant::now();
    bench.start_with(options);
    assert!(before.elapsed() < Duration::from_millis(1500), "{:?}", before.elapsed());
    assert_eq!(bench.run().await.outcome, reject("1"));
    assert!(bench.error("guest").contains("still being loaded"), "{}", bench.error("guest"));
    bench
        .until("refused", |plugins| {
            let status = plugins.status();
            let mut errors = status.iter().filter_map(|entry| entry.last_error.as_ref());
            errors.any(|error| error.contains("`compile_timeout`"))
        })
        .await;
    assert_eq!(bench.run().await.outcome, reject("1"));
}

#[tokio::test]
async fn a_folder_that_is_made_later_is_found() {
    let mut bench = Bench::new(&[]);
    fs::remove_dir(bench.file("")).unwrap();
    bench.start();
    fs::create_dir(bench.file("")).unwrap();
    bench.put("guest.wasm", &version("1").build());
    bench.until_version("1").await;
}

#[tokio::test]
async fn what_is_not_a_plugins_file_is_left_alone() {
    let junk = b"junk".to_vec();
    let bench = Bench::started(&[
        (".guest.wasm", junk.clone()),
        ("guest.wasm~", junk.clone()),
        ("guest.wasm.tmp", junk.clone()),
        ("README.md", junk),
    ]);
    assert!(bench.plugins().status().is_empty(), "{:?}", bench.plugins().status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_change_under_load_without_a_failure() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    let plugins = bench.plugins().clone();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let load = tokio::spawn(async move {
        let mut count = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let plugin = plugins.plugin("guest").expect("always serves");
            let attempt = bench::run(&plugin).await;
            assert_eq!(attempt.outcome, reject(plugin.version()));
            count += 1;
        }
        count
    });
    for round in 0..30 {
        let next = if round % 2 == 0 { "2" } else { "1" };
        bench.put("guest.wasm", &version(next).build());
        bench.until_version(next).await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(load.await.unwrap() > 0);
}

#[tokio::test]
async fn a_complete_file_serves_soon() {
    let bench = Bench::started(&[("guest.wasm", version("1").build())]);
    let new = version("2").build();
    let before = Instant::now();
    bench.put("guest.wasm", &new);
    bench.until_version("2").await;
    // Well under the two seconds in which a lost event would be noticed.
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}
