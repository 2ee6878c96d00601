//! Plugins that run wild: each ends as a failed attempt that says why, and nothing else suffers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod bench;
mod guest;

use std::time::{Duration, Instant};

use bench::Bench;
use guest::{Guest, LOG, Outcome as Answer, RANDOM};
use hookyard_runtime::{Limits, Outcome};
use hookyard_types::JobId;

const LOOP: &str = "(loop $again (br $again)) unreachable";

fn limits() -> Limits {
    Limits { timeout: Duration::from_secs(20), cpu: Duration::from_secs(20), ..Limits::default() }
}

/// The message of an outcome that is a failure.
fn message(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Trap(message) | Outcome::Timeout(message) | Outcome::Limit(message) => message,
        other => panic!("no failure: {other:?}"),
    }
}

#[tokio::test]
async fn a_loop_ends_at_its_timeout() {
    let limits = Limits { timeout: Duration::from_millis(200), ..limits() };
    let bench = Bench::limited(limits, &Guest::doing(LOOP));
    let attempt = bench.run().await;
    let Outcome::Timeout(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("`timeout` of 200ms"), "{message}");
    assert!(message.contains("[plugin.guest]"), "{message}");
    assert!(attempt.duration < Duration::from_secs(5), "{attempt:?}");
}

#[tokio::test]
async fn a_loop_ends_at_its_processor_time() {
    let limits = Limits { cpu: Duration::from_millis(100), ..limits() };
    let bench = Bench::limited(limits, &Guest::doing(LOOP));
    let attempt = bench.run().await;
    let Outcome::Timeout(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("`cpu` of 100ms"), "{message}");
    assert!(attempt.cpu >= Duration::from_millis(100), "{attempt:?}");
    assert!(attempt.cpu < Duration::from_millis(400), "{attempt:?}");
}

#[tokio::test]
async fn an_attempt_ends_at_the_callers_deadline() {
    let bench = Bench::limited(limits(), &Guest::doing(LOOP));
    let deadline = Some(Instant::now() + Duration::from_millis(100));
    let job = hookyard_types::JobId::new();
    let attempt = bench.plugin("guest").run("run", &bench::event(), job, 1, deadline).await;
    assert!(message(&attempt.outcome).contains("deadline"), "{attempt:?}");
    assert!(attempt.duration < Duration::from_secs(5), "{attempt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looping_plugins_leave_room_for_other_work() {
    let limits = Limits { timeout: Duration::from_secs(2), ..limits() };
    let bench = Bench::limited(limits, &Guest::doing(LOOP));
    let looping: Vec<_> = (0..4)
        .map(|_| {
            let plugin = bench.plugin("guest");
            tokio::spawn(async move { bench::run(&plugin).await })
        })
        .collect();
    let waits = tokio::spawn(async {
        let mut waits = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(1) {
            let before = Instant::now();
            tokio::time::sleep(Duration::from_millis(1)).await;
            waits.push(before.elapsed());
        }
        waits.sort();
        waits
    });
    // The median, because other processes can displace this one at any moment. A guest that went
    // straight back into its worker's queue would make it some 300 ms.
    let waits = waits.await.unwrap();
    let median = waits[waits.len() / 2];
    assert!(median < Duration::from_millis(100), "a timer of 1 ms took {median:?}");
    for task in looping {
        assert!(message(&task.await.unwrap().outcome).contains("`timeout`"));
    }
}

#[tokio::test]
async fn a_dropped_attempt_frees_its_instance() {
    let bench = Bench::limited(limits(), &Guest::doing(LOOP));
    let plugin = bench.plugin("guest");
    for _ in 0..8 {
        let attempt = bench::run(&plugin);
        assert!(tokio::time::timeout(Duration::from_millis(20), attempt).await.is_err());
    }
    // The pool has room for four, of which none is left if they were not freed.
    let deadline = Some(Instant::now() + Duration::from_millis(500));
    let attempt = plugin.run("run", &bench::event(), JobId::new(), 1, deadline).await;
    assert!(message(&attempt.outcome).contains("after the attempt began"), "{attempt:?}");
}

#[tokio::test]
async fn a_full_pool_makes_attempts_wait() {
    let guest = Guest::doing(LOOP);
    let limits = Limits { timeout: Duration::from_millis(50), ..limits() };
    let bench = Bench::limited(limits, &guest);
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let plugin = bench.plugin("guest");
            tokio::spawn(async move { bench::run(&plugin).await })
        })
        .collect();
    for task in tasks {
        let attempt = task.await.unwrap();
        assert!(message(&attempt.outcome).contains("`timeout`"), "{attempt:?}");
    }
}

#[tokio::test]
async fn a_start_function_that_never_ends_is_ended_at_load() {
    let guest = Guest {
        fields: format!("(func $begin {}) (start $begin)", LOOP.replace("unreachable", "")),
        ..Guest::default()
    };
    let bench = Bench::started(&[("guest.wasm", guest.build())]);
    let error = bench.error("guest.wasm");
    assert!(error.contains("did not say what it is within"), "{error}");
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    // Grows until it cannot, then gives up as Rust does.
    let grow = "(loop $again
        (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        unreachable";
    let limits = Limits { memory: 8 << 20, ..limits() };
    let attempt = Bench::limited(limits, &Guest::doing(grow)).run().await;
    let Outcome::Limit(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("`memory` of 8388608"), "{message}");
    assert!(attempt.memory_peak <= 8 << 20, "{attempt:?}");
    assert!(attempt.memory_peak > 6 << 20, "{attempt:?}");
}

#[tokio::test]
async fn a_refused_growth_is_not_blamed_for_what_comes_later() {
    let handle = "(if (i32.ne (memory.grow (i32.const 4000)) (i32.const -1)) (then unreachable))
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (i32.div_u (i32.const 1) (i32.const 0))";
    let limits = Limits { memory: 8 << 20, ..limits() };
    let attempt = Bench::limited(limits, &Guest::doing(handle)).run().await;
    let Outcome::Trap(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("divide by zero"), "{message}");
}

#[tokio::test]
async fn growth_that_a_module_forbids_itself_is_not_counted() {
    let guest = Guest {
        fields: "(memory $other 0 1)".into(),
        handle: "(if (i32.ne (memory.grow $other (i32.const 60)) (i32.const -1))
                (then unreachable))
            (if (i32.eq (memory.grow 0 (i32.const 60)) (i32.const -1)) (then unreachable))
            i32.const OUTCOME"
            .into(),
        ..Guest::default()
    };
    let limits = Limits { memory: 100 << 16, ..limits() };
    let attempt = Bench::limited(limits, &guest).run().await;
    assert_eq!(attempt.outcome, Outcome::Done { reply: None, message: None });
    assert_eq!(attempt.memory_peak, 62 << 16);
}

#[tokio::test]
async fn all_memories_count_together() {
    let guest = Guest {
        fields: "(memory $other 0)".into(),
        handle: "(if (i32.eq (memory.grow 0 (i32.const 60)) (i32.const -1)) (then unreachable))
            (if (i32.eq (memory.grow $other (i32.const 60)) (i32.const -1)) (then unreachable))
            i32.const OUTCOME"
            .into(),
        ..Guest::default()
    };
    let small = Limits { memory: 100 << 16, ..limits() };
    let attempt = Bench::limited(small, &guest).run().await;
    assert!(message(&attempt.outcome).contains("`memory`"), "{attempt:?}");
    let large = Limits { memory: 200 << 16, ..limits() };
    let attempt = Bench::limited(large, &guest).run().await;
    assert_eq!(attempt.outcome, Outcome::Done { reply: None, message: None });
}

#[tokio::test]
async fn more_memory_at_the_start_than_its_limit_is_a_limit() {
    let guest = Guest { pages: 64, ..Guest::default() };
    let attempt = Bench::limited(Limits { memory: 1 << 20, ..limits() }, &guest).run().await;
    assert!(message(&attempt.outcome).contains("`memory` of 1048576"), "{attempt:?}");
}

#[tokio::test]
async fn more_memory_at_the_start_than_any_may_have_is_refused_at_load() {
    let guest = Guest { pages: 5000, ..Guest::default() };
    let bench = Bench::started(&[("guest.wasm", guest.build())]);
    let error = bench.error("guest.wasm");
    assert!(error.contains("than the 268435456 bytes that any plugin may have"), "{error}");
}

#[tokio::test]
async fn tables_cannot_grow_without_bound() {
    // Done if the first 60,000 elements were granted and the second refused.
    let grow = |table| format!("(table.grow ${table} (ref.null func) (i32.const 60000))");
    let guest = Guest {
        fields: "(table $a 1 funcref) (table $b 1 funcref)".into(),
        handle: format!(
            "(if (i32.eq {} (i32.const -1)) (then unreachable))
             (if (i32.ne {} (i32.const -1)) (then unreachable))
             i32.const OUTCOME",
            grow("a"),
            grow("b")
        ),
        ..Guest::default()
    };
    let attempt = Bench::limited(limits(), &guest).run().await;
    assert_eq!(attempt.outcome, Outcome::Done { reply: None, message: None });
}

#[tokio::test]
async fn a_trap_says_what_and_where() {
    let guest = Guest {
        handle: "(call $divide (i32.const 0))".into(),
        fields: "(func $divide (param i32) (result i32)
            (i32.div_u (i32.const 1) (local.get 0)))"
            .into(),
        ..Guest::default()
    };
    let attempt = Bench::limited(limits(), &guest).run().await;
    let Outcome::Trap(message) = &attempt.outcome else { panic!("{attempt:?}") };
    assert!(message.contains("integer divide by zero"), "{message}");
    assert!(message.contains("divide"), "{message}");
    assert!(!message.contains('\n') && message.len() < 300, "{message}");
}

#[tokio::test]
async fn a_panic_says_its_message() {
    let guest = Guest {
        imports: LOG.into(),
        fields: r#"(data (i32.const 64) "panicked at src/lib.rs:7: no such order")"#.into(),
        handle: "(call $log (i32.const 3) (i32.const 64) (i32.const 39) (i32.const 0)
            (i32.const 0)) unreachable"
            .into(),
        ..Guest::default()
    };
    let attempt = Bench::limited(limits(), &guest).run().await;
    assert!(
        message(&attempt.outcome).starts_with("panicked at src/lib.rs:7: no such order"),
        "{attempt:?}"
    );
    assert_eq!(attempt.log.len(), 1);
}

#[tokio::test]
async fn endless_recursion_is_a_trap() {
    let bench = Bench::limited(limits(), &Guest::doing("(call $handle (local.get $event))"));
    let attempt = bench.run().await;
    assert!(message(&attempt.outcome).contains("call stack exhausted"), "{attempt:?}");
    assert!(message(&bench.run().await.outcome).contains("call stack exhausted"));
}

#[tokio::test]
async fn endless_logging_is_bounded() {
    let guest = Guest {
        imports: LOG.into(),
        handle: "(local $left i32)
            (local.set $left (i32.const 10000000))
            (loop $again
                (call $log (i32.const 1) (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 0))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $again (local.get $left)))
            i32.const OUTCOME"
            .into(),
        ..Guest::default()
    };
    let attempt = Bench::limited(Limits { log_bytes: 3600, ..limits() }, &guest).run().await;
    assert_eq!(attempt.outcome, Outcome::Done { reply: None, message: None });
    assert_eq!(attempt.log.len(), 100);
    assert_eq!(attempt.log_dropped, 10_000_000 - 100);
}

#[tokio::test]
async fn a_huge_log_line_is_a_limit() {
    let guest = Guest {
        imports: LOG.into(),
        pages: 500,
        handle: "(call $log (i32.const 1) (i32.const 0) (i32.const 32000000) (i32.const 0)
            (i32.const 0)) i32.const OUTCOME"
            .into(),
        ..Guest::default()
    };
    let attempt = Bench::limited(limits(), &guest).run().await;
    assert!(matches!(attempt.outcome, Outcome::Limit(_)), "{attempt:?}");
}

#[tokio::test]
async fn a_list_of_nothing_is_bounded_by_what_it_costs_the_host() {
    // Two million empty fields: 32 MB here, 96 MB there.
    let guest = Guest {
        imports: LOG.into(),
        pages: 500,
        handle: "(call $log (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 131072)
            (i32.const 1900000)) i32.const OUTCOME"
            .into(),
        ..Guest::default()
    };
    let attempt = Bench::limited(limits(), &guest).run().await;
    assert!(matches!(attempt.outcome, Outcome::Limit(_)), "{attempt:?}");
}

#[tokio::test]
async fn a_large_reply_is_a_limit() {
    for (size, reply_bytes, allowed) in
        [(1000, 1000, true), (1001, 1000, false), (16 << 20, 1000, false)]
    {
        let answer = Answer::Reply { status: 200, headers: vec![], body: (0, size) };
        let guest = Guest { outcome: answer, pages: 300, ..Guest::default() };
        let attempt = Bench::limited(Limits { reply_bytes, ..limits() }, &guest).run().await;
        match attempt.outcome {
            Outcome::Done { reply: Some(reply), .. } if allowed => {
                assert_eq!(reply.body.len(), 1000);
            }
            Outcome::Limit(message) if !allowed => {
                assert!(message.contains("`reply_bytes` of 1000"), "{message}");
            }
            other => panic!("{size}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn header_lines_cannot_be_injected() {
    for (status, name, value) in [
        (200, "x", "a\r\nset-cookie: b"),
        (200, "x\r\ny", "a"),
        (200, "transfer-encoding", "chunked"),
        (101, "x", "a"),
        (999, "x", "a"),
    ] {
        let headers = vec![(name, value)];
        let answer = Answer::Reply { status, headers, body: (0, 0) };
        let guest = Guest { outcome: answer, ..Guest::default() };
        let attempt = Bench::limited(limits(), &guest).run().await;
        let Outcome::Trap(message) = &attempt.outcome else { panic!("{name:?}: {attempt:?}") };
        assert!(message.starts_with("the reply "), "{message}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_one_is_a_trap() {
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    for raw in [
        // A string outside of the memory.
        words(&[1, 0, u32::MAX - 8, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        // A string whose end overflows.
        words(&[3, 0, 64, u32::MAX, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        // An outcome that does not exist.
        words(&[77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        // Text that is not UTF-8: the bytes that follow are among it.
        words(&[3, 0, 4096, 400, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let mut raw = raw;
        raw.extend([0xff; 64]);
        let guest = Guest { outcome: Answer::Raw(raw), ..Guest::default() };
        let attempt = Bench::limited(limits(), &guest).run().await;
        assert!(matches!(attempt.outcome, Outcome::Trap(_)), "{attempt:?}");
    }
    for at in ["-4", "131072", "4097"] {
        let bench = Bench::limited(limits(), &Guest::doing(&format!("i32.const {at}")));
        let attempt = bench.run().await;
        assert!(matches!(attempt.outcome, Outcome::Trap(_)), "{at}: {attempt:?}");
    }
}

#[tokio::test]
async fn randomness_is_bounded() {
    let ask = |count: u32| Guest {
        imports: RANDOM.into(),
        handle: format!(
            "(call $random (i32.const {count}) (i32.const 64))
             (if (i32.ne (i32.load (i32.const 68)) (i32.const {count})) (then unreachable))
             i32.const OUTCOME"
        ),
        pages: 8,
        ..Guest::default()
    };
    let attempt = Bench::limited(limits(), &ask(65536)).run().await;
    assert_eq!(attempt.outcome, Outcome::Done { reply: None, message: None });
    let attempt = Bench::limited(limits(), &ask(65537)).run().await;
    assert!(matches!(attempt.outcome, Outcome::Limit(_)), "{attempt:?}");
}
