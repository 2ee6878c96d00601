//! Files that are no plugins, and files that are not what they seem.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use hookyard_tests::{Request, attempts, outcomes, until_true};

use super::guest::Guest;
use super::loading::{refuse, refused};
use super::pen::{Pen, wanted};

fn good(name: &'static str) -> Vec<u8> {
    Guest { name, ..Guest::default() }.build()
}

#[test]
fn what_is_in_them() {
    let whole = good("whole");
    let mut random = fastrand::Rng::with_seed(4);
    let noise: Vec<u8> = (0..100_000).map(|_| random.u8(..)).collect();
    let mut with_head = b"\0asm\x01\0\0\0".to_vec();
    with_head.extend(&noise);
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    component.extend(&noise);
    refuse(vec![
        refused("empty", Vec::new(), "it is empty; if it is being copied"),
        refused("truncated", whole[..whole.len() / 2].to_vec(), "broken or incomplete"),
        refused("four-bytes", b"\0asm".to_vec(), "not a WebAssembly binary"),
        refused("noise", noise, "not a WebAssembly binary"),
        refused("noise-as-a-module", with_head, "broken or incomplete"),
        refused("noise-as-a-component", component, "broken or incomplete"),
        refused("script", b"#!/bin/sh\nrm -rf /\n".to_vec(), "not a WebAssembly binary"),
        refused("elf", b"\x7fELF\x02\x01\x01".to_vec(), "not a WebAssembly binary"),
    ]);
}

#[test]
fn what_they_are() {
    type Put = fn(&Path);
    let cases: Vec<(&str, Put, &str)> = vec![
        ("folder", |path| fs::create_dir(path).expect("a folder"), "not a regular file"),
        ("device", |path| symlink("/dev/zero", path).expect("a link"), "not a regular file"),
        (
            "pipe",
            |path| {
                let made = std::process::Command::new("mkfifo").arg(path).status();
                assert!(made.expect("mkfifo runs").success());
            },
            "not a regular file",
        ),
        (
            "sparse",
            |path| {
                let beside = path.with_extension("tmp");
                File::create(&beside).and_then(|file| file.set_len(1 << 40)).expect("a file");
                fs::rename(beside, path).expect("moves");
            },
            "larger than 67108864 bytes, the most that a plugin's file may have, which is fixed",
        ),
    ];
    let cases: Vec<_> = cases.into_iter().filter(|(name, ..)| wanted(name)).collect();
    if cases.is_empty() {
        return;
    }
    let mut pen = Pen::new(|_, config| config);
    // These lead nowhere, and are no files: nothing is said of them.
    symlink("nowhere", pen.yard.path("plugins/dangling.wasm")).expect("a link");
    symlink("round.wasm", pen.yard.path("plugins/round.wasm")).expect("a link");
    for (name, put, says) in cases {
        let seen = pen.measured(name, 16 << 20, |pen| {
            let seen = pen.refusal(&format!("{name}.wasm"), put)?;
            if seen.contains(says) { Ok(seen) } else { Err(seen) }
        });
        if let Err(why) = seen {
            pen.fail(format!("{name}: {why}"));
        }
    }
    pen.end();
}

#[test]
fn a_file_that_is_written_slowly_is_loaded_when_it_is_whole() {
    if !wanted("slowly") {
        return;
    }
    let pen = Pen::new(|_, config| config.route("slowly", "slowly/run", &[]));
    let id = pen.daemon.send(&Request::github("/slowly", "push", "1", "{}")).accepted();
    let bytes = good("slowly");
    let mut file = File::create(pen.yard.path("plugins/slowly.wasm")).expect("a file");
    for part in bytes.chunks(bytes.len() / 15 + 1) {
        file.write_all(part).expect("write");
        file.sync_data().expect("sync");
        std::thread::sleep(Duration::from_millis(40));
    }
    drop(file);
    let shown = pen.yard.until_state(&id, "succeeded");
    assert_eq!(outcomes(&shown), ["done"], "no attempt was made with a part of it");
    pen.end();
}

#[test]
fn a_hundred_files_of_noise_hurt_nobody() {
    if !wanted("noises") {
        return;
    }
    let pen = Pen::new(|_, config| config.route("late", "late/run", &[]));
    let seen = pen.measured("noises", 64 << 20, |pen| {
        let mut random = fastrand::Rng::with_seed(5);
        for number in 0..100 {
            let mut bytes = b"\0asm\x01\0\0\0".to_vec();
            bytes.extend((0..random.usize(1..5_000)).map(|_| random.u8(..)));
            let path = pen.yard.path("plugins").join(format!("noise-{number}.wasm"));
            fs::write(path, bytes).expect("write a file");
        }
        // A good one among them gets its turn.
        pen.yard.swap_plugin("late", &good("late"));
        let id = pen.daemon.send(&Request::github("/late", "push", "1", "{}")).accepted();
        pen.yard.until_state(&id, "succeeded");
        until_true("each is refused", Duration::from_secs(60), || {
            let log = pen.daemon.log_text();
            (0..100).all(|number| log.contains(&format!("noise-{number}.wasm")))
        });
        Ok(String::new())
    });
    seen.expect("within its memory");
    pen.end();
}

/// It says at its load that it is well, remembers that it was asked, and would do harm if it could
/// remember.
#[test]
fn what_a_plugin_was_when_it_was_asked_is_not_what_runs() {
    if !wanted("two-faced") {
        return;
    }
    let remembers = Guest {
        name: "two-faced",
        fields: "(global $asked (mut i32) (i32.const 0))".to_owned(),
        handle: "(if (global.get $asked) (then unreachable))
            (global.set $asked (i32.const 1)) i32.const OUTCOME"
            .to_owned(),
        ..Guest::default()
    };
    let pen = Pen::new(|yard, config| {
        yard.swap_plugin("two-faced", &remembers.build());
        config.route("two-faced", "two-faced/run", &[])
    });
    for delivery in ["1", "2", "3"] {
        let request = Request::github("/two-faced", "push", delivery, "{}");
        let id = pen.daemon.send(&request).accepted();
        let shown = pen.yard.until_state(&id, "succeeded");
        assert_eq!(attempts(&shown).len(), 1, "each instance is a fresh one");
    }
    // The file becomes another plugin's: what routes use stays what it was.
    let mark = pen.daemon.mark();
    pen.yard.swap_plugin("two-faced", &good("another"));
    let line = pen.daemon.until_logged_text(mark, "plugin refused");
    let why = line["message"].as_str().unwrap_or_default();
    assert!(why.contains("was plugin `two-faced`") && why.contains("is now `another`"), "{why}");
    let id = pen.daemon.send(&Request::github("/two-faced", "push", "4", "{}")).accepted();
    pen.yard.until_state(&id, "succeeded");
    pen.end();
}
