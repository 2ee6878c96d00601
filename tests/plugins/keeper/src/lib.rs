//! A plugin for the end-to-end tests: what attempts keep, and what they must not.
#![forbid(unsafe_code)]

use std::hint::black_box;

use hookyard_sdk::prelude::*;

/// What the handlers read from the body.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Orders {
    /// How many attempts fail after they have changed something.
    failures: u32,
    /// How: `trap`, `loop`, `retry`; else by turns.
    how: String,
    namespace: String,
    key: String,
    /// Of what is written, in bytes.
    bytes: usize,
    /// How many keys are written.
    keys: usize,
}

/// Counts the event, once, however often it is tried.
#[handler]
fn count(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    let counts = host.kv("counts");
    counts.increment("all", 1);
    let mine = counts.increment_and_get(&format!("event/{}", event.id()), 1)?;
    host.kv("attempts").set(event.id(), host.attempt().number().to_string());
    let number = host.attempt().number();
    if number <= orders.failures {
        match (orders.how.as_str(), number % 3) {
            ("loop", _) | ("", 2) => loop {
                black_box(number);
            },
            ("retry", _) | ("", 0) => return retry("not yet"),
            _ => panic!("keeper fails on purpose"),
        }
    }
    done().message(format!("counted {mine}"))
}

/// Counts the event and does nothing else: for measuring.
#[handler]
fn tally(event: Event, host: Host) -> Outcome {
    let _: Value = event.json()?;
    host.kv("counts").increment("all", 1);
    done()
}

/// Numbers the event by listing those before it, and links it to the last one.
#[handler]
fn chain(event: Event, host: Host) -> Outcome {
    let chain = host.kv("chain");
    let (mut length, mut after) = (0, None);
    loop {
        let page = chain.list("entry/", after.as_deref(), 50);
        length += page.entries.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let before = chain.get("last").unwrap_or_default();
    let entry = [&before, &b" "[..], event.id().as_bytes()].concat();
    chain.set(&format!("entry/{length:04}"), entry);
    chain.set("last", event.id());
    chain.increment("length", 1);
    done()
}

/// Sees its own changes.
#[handler]
fn own_changes(_event: Event, host: Host) -> Outcome {
    let kv = host.kv("own");
    kv.set("a/1", "one");
    kv.increment("a/2", 2);
    kv.increment("a/2", 3);
    kv.set("a/3", "three");
    kv.delete("a/3");
    let page = kv.list("a/", None, 10);
    let keys: Vec<&str> = page.entries.iter().map(|entry| entry.key.as_str()).collect();
    let swapped = kv.compare_and_set("a/1", Some(b"one"), "uno");
    let refused = kv.compare_and_set("a/1", Some(b"one"), "eins");
    reply(200).json(&json!({
        "keys": keys,
        "counted": kv.increment_and_get("a/2", 1)?,
        "one": String::from_utf8_lossy(&kv.get("a/1").unwrap_or_default()),
        "swapped": [swapped, refused],
    }))
}

/// Writes as much as it is told.
#[handler]
fn write(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    let namespace = host.kv(&orders.namespace);
    for number in 0..orders.keys.max(1) {
        let key =
            if orders.keys > 1 { format!("{}{number}", orders.key) } else { orders.key.clone() };
        namespace.set(&key, vec![b'x'; orders.bytes]);
    }
    done()
}

/// Says what a key holds.
#[handler]
fn tell(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    match host.kv(&orders.namespace).get(&orders.key) {
        Some(value) => reply(200).bytes(value),
        None => reply(404).text("there is no such key"),
    }
}

/// Lists a namespace: a line `key value` for each key.
#[handler]
fn list(event: Event, host: Host) -> Outcome {
    let orders: Orders = event.json()?;
    let (mut text, mut after) = (String::new(), None);
    loop {
        let page = host.kv(&orders.namespace).list(&orders.key, after.as_deref(), 1000);
        for entry in page.entries {
            text += &format!("{} {}\n", entry.key, String::from_utf8_lossy(&entry.value));
        }
        after = page.next;
        if after.is_none() {
            return reply(200).text(text);
        }
    }
}

/// Increments what is not a number.
#[handler]
fn miscount(_event: Event, host: Host) -> Outcome {
    host.kv("words").increment("word", 1);
    done()
}

/// Uses a namespace that config.toml may or may not share with it.
#[handler]
fn share(_event: Event, host: Host) -> Outcome {
    host.shared_kv("customers").increment("seen", 1);
    done()
}

/// Allocates, grows, shrinks and frees blocks of many sizes between each other, in all far more than
/// its memory may be, and looks whether each still holds what was put there.
#[handler]
fn churn(_event: Event, _host: Host) -> Outcome {
    #[derive(Clone, Copy, PartialEq)]
    #[repr(align(64))]
    struct Aligned([u8; 64]);

    const BLOCKS: usize = 48;
    const ROUNDS: usize = 20_000;
    let mut first = black_box(Vec::with_capacity(4 << 10));
    first.push(1_u8);
    let behind = black_box(vec![2_u8; 16]);
    let at = first.as_ptr();
    first.shrink_to_fit();
    assert_eq!(first.as_ptr(), at, "a block that shrinks stays where it is");
    drop(black_box((first, behind)));

    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let none = "there are as many blocks as places";
    let mut bytes: Vec<(u8, Vec<u8>)> = vec![(0, Vec::new()); BLOCKS];
    let mut aligned: Vec<(u8, Vec<Aligned>)> = vec![(0, Vec::new()); BLOCKS];
    let mut allocated = 0_usize;
    for round in 0..ROUNDS {
        let mark = round as u8;
        let place = random(BLOCKS);
        let (before, block) = bytes.get_mut(place).expect(none);
        assert!(block.iter().all(|byte| *byte == *before), "round {round}: bytes were changed");
        match random(4) {
            0 => {
                block.truncate(random(block.len() + 1));
                block.shrink_to_fit();
            }
            1 => {
                let more = random(4 << 10);
                block.resize((block.len() + more).min(16 << 10), *before);
                allocated += more;
            }
            _ => {
                // Small ones more often than large ones.
                let most = 1 << (4 + random(11));
                *block = black_box(vec![mark; 1 + random(most)]);
                *before = mark;
                allocated += block.len();
            }
        }
        let (before, block) = aligned.get_mut(place).expect(none);
        assert!(block.iter().all(|one| *one == Aligned([*before; 64])), "round {round}: changed");
        assert!(block.as_ptr().addr() % 64 == 0, "round {round}: not aligned");
        *block = black_box(vec![Aligned([mark; 64]); random(32)]);
        *before = mark;
        allocated += block.len() * 64;
    }
    assert!(allocated > 40 << 20, "only {allocated} bytes");
    done().message("all blocks held what was put there")
}

hookyard_sdk::plugin!(
    count,
    tally,
    chain,
    own_changes,
    write,
    tell,
    list,
    miscount,
    share,
    churn,
    shared(customers),
);
