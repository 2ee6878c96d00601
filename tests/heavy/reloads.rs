//! A plugin is swapped again and again while it is being used.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hookyard_tests::{Request, Yard, outcomes, plugin_file, until_true, variant_of};

use crate::alone;

const RELOADS: u32 = 500;
/// Of which every so many-eth is a file that was never seen before, and is compiled.
const NEW_EVERY: u32 = 25;

#[test]
fn five_hundred_reloads_under_load_fail_no_request() {
    let _alone = alone();
    let yard = Yard::with_plugins(&["misbehave"]);
    let config = yard.config().route("ask", "misbehave/reply", &[r#"mode = "respond""#]).route(
        "q",
        "misbehave/ok",
        &[],
    );
    let daemon = yard.start(&config);
    let good = fs::read(plugin_file("misbehave")).unwrap();

    let done = AtomicBool::new(false);
    let answered = AtomicU64::new(0);
    let current = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for sender in 0..2 {
            let (daemon, done, answered, current) = (&daemon, &done, &answered, &current);
            scope.spawn(move || {
                let mut client = daemon.client();
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let delivery = format!("{sender}-{number}");
                    let path = if number % 8 == 0 { "/q" } else { "/ask" };
                    let reply = client.send(&Request::github(path, "push", &delivery, "{}"));
                    let expected = if path == "/q" { 202 } else { 200 };
                    if reply.status != expected {
                        // Lets the reloading thread end, too.
                        done.store(true, Ordering::Relaxed);
                        panic!("{delivery}: {reply:?} {}", reply.text());
                    }
                    if let Some(variant) = variant_in(&reply.text()) {
                        current.store(variant, Ordering::Relaxed);
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for reload in 1..=RELOADS {
            let variant = if reload % NEW_EVERY == 0 { 1000 + reload } else { 1 + reload % 2 };
            yard.swap_plugin("misbehave", &variant_of(&good, variant));
            // Seen in an answer: 500 files that were in use, not 500 files that were written.
            until_true(&format!("variant {variant} answers"), Duration::from_secs(30), || {
                done.load(Ordering::Relaxed)
                    || current.load(Ordering::Relaxed) == u64::from(variant)
            });
            if done.load(Ordering::Relaxed) {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let answered = answered.into_inner();
    eprintln!("{RELOADS} reloads, {answered} requests, {:?}", start.elapsed());
    assert!(answered > u64::from(RELOADS), "there was load: {answered} requests");

    // Nor did an attempt fail in the queue.
    until_true("every event is handled", Duration::from_secs(60), || {
        yard.events().iter().all(|event| event["state"] == "succeeded")
    });
    let events = yard.events();
    assert_eq!(events.len() as u64, answered);
    for event in events.iter().step_by(1 + events.len() / 50) {
        assert_eq!(outcomes(&yard.show(event["id"].as_str().unwrap())), ["done"]);
    }
}

fn variant_in(text: &str) -> Option<u64> {
    text.split("variant ").nth(1)?.get(..6)?.parse().ok()
}
