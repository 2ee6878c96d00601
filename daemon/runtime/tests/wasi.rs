//! What a guest cannot do by way of WASI, whatever its language's library would have asked for.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bench;
mod guest;

use std::time::Duration;

use bench::Bench;
use guest::Guest;
use hookyard_runtime::{Attempt, Limits, Outcome};

const WORLD: &str = "include hookyard:plugin/imports@0.1.0;
    include hookyard:plugin/exports-manifest@0.1.0;
    include hookyard:plugin/exports-webhook@0.1.0;
    import wasi:io/poll@0.2.0;
    import wasi:io/streams@0.2.0;
    import wasi:clocks/monotonic-clock@0.2.0;
    import wasi:random/random@0.2.0;
    import wasi:cli/stdout@0.2.0;
    import wasi:cli/exit@0.2.0;";
const IMPORTS: &str = r#"
    (import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
        (func $after (param i64) (result i32)))
    (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
    (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.write-zeroes"
        (func $zeroes (param i32 i64 i32)))
    (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;
const DONE: Outcome = Outcome::Done { reply: None, message: None };

fn guest(handle: &str) -> Guest {
    Guest { world: WORLD, imports: IMPORTS.into(), ..Guest::doing(handle) }
}

async fn run(handle: &str, limits: Limits) -> Attempt {
    Bench::limited(limits, &guest(handle)).run().await
}

fn patient() -> Limits {
    Limits { timeout: Duration::from_secs(20), cpu: Duration::from_secs(20), ..Limits::default() }
}

/// `what`, so many times; it may use the stream `$out`.
fn again(count: u32, what: &str) -> String {
    format!(
        "(local $left i32) (local $out i32)
         (local.set $out (call $stdout))
         (local.set $left (i32.const {count}))
         (loop $again
            {what}
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $again (local.get $left)))
         i32.const OUTCOME"
    )
}

#[tokio::test]
async fn handles_that_are_kept_are_bounded_and_dropped_ones_are_not() {
    let hoard = again(50_000, "(drop (call $after (i64.const 0)))");
    let attempt = run(&hoard, patient()).await;
    let Outcome::Limit(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("held more than 4096 handles"), "{message}");

    let tidy = again(50_000, "(call $drop (call $after (i64.const 0)))");
    assert_eq!(run(&tidy, patient()).await.outcome, DONE);

    let streams = again(50_000, "(drop (call $stdout))");
    let attempt = run(&streams, patient()).await;
    let Outcome::Limit(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("held more than 4096 handles"), "{message}");
}

/// Waits for `count` things, all the same one, which comes in `nanoseconds`.
fn wait(count: u32, nanoseconds: &str) -> String {
    format!(
        "(local $at i32) (local $one i32)
         (local.set $one (call $after (i64.const {nanoseconds})))
         (local.set $at (i32.const 131072))
         (loop $again
            (i32.store (local.get $at) (local.get $one))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br_if $again
                (i32.lt_u (local.get $at) (i32.add (i32.const 131072) (i32.const {bytes})))))
         (call $poll (i32.const 131072) (i32.const {count}) (i32.const 64))
         (if (i32.ne (i32.load (i32.const 68)) (i32.const {count})) (then unreachable))
         i32.const OUTCOME",
        bytes = count * 4
    )
}

#[tokio::test]
async fn a_wait_of_centuries_ends_at_the_timeout() {
    let limits = Limits { timeout: Duration::from_millis(200), ..patient() };
    for nanoseconds in ["-1", "0x7fffffffffffffff"] {
        let guest = Guest { pages: 100, ..guest(&wait(1, nanoseconds)) };
        let attempt = Bench::limited(limits.clone(), &guest).run().await;
        let Outcome::Timeout(message) = &attempt.outcome else { panic!("{attempt:?}") };
        assert!(message.contains("`timeout` of 200ms"), "{message}");
        assert!(attempt.duration < Duration::from_secs(5), "{attempt:?}");
    }
}

#[tokio::test]
async fn what_is_waited_for_at_once_is_bounded() {
    for (count, words) in [
        (4000, None),
        // All the same one, lent so often.
        (4097, Some("held more than 4096 handles")),
        (1_000_000, Some("passed more data in one call")),
    ] {
        let guest = Guest { pages: 100, ..guest(&wait(count, "1")) };
        let attempt = Bench::limited(patient(), &guest).run().await;
        match words {
            None => assert_eq!(attempt.outcome, DONE),
            Some(words) => {
                let Outcome::Limit(message) = &attempt.outcome else { panic!("{attempt:?}") };
                assert!(message.contains(words), "{message}");
            }
        }
    }
    let nothing = "(call $poll (i32.const 0) (i32.const 0) (i32.const 64)) i32.const OUTCOME";
    let attempt = run(nothing, patient()).await;
    let Outcome::Trap(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("waited for nothing"), "{message}");
}

#[tokio::test]
async fn more_randomness_than_the_interface_has_is_a_limit() {
    for count in ["65537", "0x100000000", "0x100000010", "-1"] {
        let ask = format!("(call $random (i64.const {count}) (i32.const 64)) i32.const OUTCOME");
        let attempt = run(&ask, patient()).await;
        let Outcome::Limit(message) = &attempt.outcome else { panic!("{count}: {attempt:?}") };
        assert!(message.contains("65536 is the most"), "{message}");
    }
}

#[tokio::test]
async fn what_is_printed_without_end_is_bounded() {
    let limits = Limits { log_bytes: 10_000, ..patient() };
    let line = "(call $write (local.get $out) (i32.const 0) (i32.const 65536) (i32.const 64))";
    let zeroes = "(call $zeroes (local.get $out) (i64.const -1) (i32.const 64))";
    for print in [line, zeroes] {
        let attempt = run(&again(200, print), limits.clone()).await;
        assert_eq!(attempt.outcome, DONE);
        let kept: usize = attempt.log.iter().map(|line| line.message.len()).sum();
        assert!((4096..=10_000).contains(&kept), "{kept}");
        // The last piece is what would have been two.
        assert_eq!(attempt.log_dropped + attempt.log.len() as u64, 200 * 65536 / 4096 - 1);
    }
    let much = "(call $write (call $stdout) (i32.const 0) (i32.const 6000000) (i32.const 64))
        i32.const OUTCOME";
    let attempt = Bench::limited(limits, &Guest { pages: 100, ..guest(much) }).run().await;
    let Outcome::Limit(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("passed more data in one call"), "{message}");
}

#[tokio::test]
async fn a_plugin_that_exits_when_it_is_asked_what_it_is_is_refused() {
    let exits = Guest {
        describe: Some("(call $exit (i32.const 0)) unreachable".into()),
        ..guest("i32.const OUTCOME")
    };
    let bench = Bench::started(&[("guest.wasm", exits.build())]);
    let error = bench.error("guest.wasm");
    assert!(error.contains("called `exit` with success"), "{error}");
}
