//! A plugin for the end-to-end tests: one handler for each way to go well or wrong.
#![forbid(unsafe_code)]

use std::hint::black_box;

use hookyard_sdk::prelude::*;

/// What [`reply`] answers. The tests change the six digits in the built file and so have another
/// version of the plugin; they look for this very text.
static MARKER: &str = "misbehave reply, variant 000000, and this is the end of the marker";

/// What the handlers read from the body, when it is JSON.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Orders {
    /// For [`slow`].
    ms: u64,
    /// For [`flaky`]: how many attempts fail.
    failures: u32,
}

/// Does what it should.
#[handler]
fn ok(event: Event, host: Host) -> Outcome {
    host.info(format!("handled {}", event.delivery_id().unwrap_or("nothing")));
    done().message("all is well")
}

/// Never ends.
#[handler(name = "loop")]
fn endless(_event: Event, _host: Host) -> Outcome {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Takes memory until there is no more.
#[handler]
fn eat_memory(_event: Event, _host: Host) -> Outcome {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

/// Always traps.
#[handler]
fn trap(_event: Event, _host: Host) -> Outcome {
    panic!("misbehave traps on purpose")
}

/// Traps on the first attempt. Its reply is another one each time that it is made.
#[handler]
fn trap_once(_event: Event, host: Host) -> Outcome {
    let number = host.attempt().number();
    assert!(number > 1, "misbehave traps on the first attempt");
    hookyard_sdk::outcome::reply(200)
        .header("x-attempt", number.to_string())
        .text(format!("attempt {number}, {:?}", host.random_bytes(8)))
}

/// Works for `ms` milliseconds of the body, by the clock.
#[handler]
fn slow(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    let start = host.monotonic();
    while host.monotonic() - start < Duration::from_millis(orders.ms) {
        black_box(());
    }
    hookyard_sdk::outcome::reply(200).text(format!("worked for {} ms", orders.ms))
}

/// Asks for another try as often as the body's `failures` says, then does what it should.
#[handler]
fn flaky(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    let number = host.attempt().number();
    if number <= orders.failures {
        return hookyard_sdk::outcome::retry(format!("attempt {number} is too early"));
    }
    done().message(format!("attempt {number} did it"))
}

/// Says that no attempt can succeed.
#[handler]
fn reject(_event: Event, _host: Host) -> Outcome {
    hookyard_sdk::outcome::reject("misbehave rejects everything")
}

/// Answers with the marker.
#[handler]
fn reply(_event: Event, _host: Host) -> Outcome {
    hookyard_sdk::outcome::reply(200).text(black_box(MARKER).to_owned())
}

/// Answers with more than any limit allows.
#[handler]
fn big_reply(_event: Event, _host: Host) -> Outcome {
    hookyard_sdk::outcome::reply(200).bytes(vec![b'x'; 16 << 20])
}

/// Logs more than any limit allows, and then does what it should.
#[handler]
fn big_log(_event: Event, host: Host) -> Outcome {
    for line in 0..10_000 {
        host.info(format!("line {line} {}", "x".repeat(200)));
    }
    done().message("all is logged")
}

hookyard_sdk::plugin!(
    ok, endless, eat_memory, trap, trap_once, slow, flaky, reject, reply, big_reply, big_log,
);
