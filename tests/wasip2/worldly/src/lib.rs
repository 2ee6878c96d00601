//! Reaches for everything that an operating system gives a program.
#![forbid(unsafe_code)]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hookyard_sdk::prelude::*;

/// Answers with what it found of the world, as JSON.
#[handler]
fn look(_event: Event, _host: Host) -> Outcome {
    let mut read = String::new();
    let stdin = std::io::stdin().read_to_string(&mut read).map_err(|error| error.to_string());
    let before = Instant::now();
    std::thread::sleep(Duration::from_millis(30));
    let random = |_| RandomState::new().hash_one(1);
    reply(200).json(&json!({
        "variables": std::env::vars().count(),
        "arguments": std::env::args().count(),
        "stdin": stdin.map(|bytes| bytes as u64),
        "slept_ms": before.elapsed().as_millis() as u64,
        "unix": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        "random": [random(0), random(1)],
    }))
}

/// Tries files and sockets, and answers with what got through.
#[handler]
fn reach(event: Event, _host: Host) -> Outcome {
    let port = event.text()?.trim().parse::<u16>().unwrap_or(80);
    let mut through = Vec::new();
    for path in ["/etc/passwd", ".", "/", "Cargo.toml", "/proc/self/environ", "/dev/null"] {
        if std::fs::read(path).is_ok() || std::fs::read_dir(path).is_ok() {
            through.push(format!("read {path}"));
        }
        if std::fs::write(format!("{path}/worldly"), "x").is_ok() {
            through.push(format!("wrote below {path}"));
        }
        if std::fs::metadata(path).is_ok() || std::fs::create_dir(format!("{path}/made")).is_ok() {
            through.push(format!("saw {path}"));
        }
    }
    if TcpStream::connect(("127.0.0.1", port)).is_ok() {
        through.push("connected".to_owned());
    }
    if TcpListener::bind("127.0.0.1:0").is_ok() {
        through.push("listened".to_owned());
    }
    if UdpSocket::bind("127.0.0.1:0").is_ok() {
        through.push("bound UDP".to_owned());
    }
    if ("localhost", 80).to_socket_addrs().is_ok() {
        through.push("resolved a name".to_owned());
    }
    reply(200).json(&json!({ "through": through }))
}

/// Prints to both streams: whole lines, a line in parts, and one that does not end.
#[handler]
fn print(_event: Event, _host: Host) -> Outcome {
    println!("one\ntwo");
    eprintln!("a warning");
    print!("in ");
    print!("parts");
    std::io::stdout().flush().or_retry("the flush failed")?;
    done()
}

/// Prints until its log is full and goes on.
#[handler]
fn flood(_event: Event, _host: Host) -> Outcome {
    let line = "x".repeat(1000);
    for _ in 0..1000 {
        println!("{line}");
    }
    done()
}

/// Waits for longer than it may.
#[handler]
fn sleep(_event: Event, _host: Host) -> Outcome {
    std::thread::sleep(Duration::from_secs(600));
    done()
}

/// Ends as a program would.
#[handler]
fn exit(_event: Event, _host: Host) -> Outcome {
    std::process::exit(3)
}

/// Panics.
#[handler]
fn panic(_event: Event, _host: Host) -> Outcome {
    panic!("what a plugin says when it breaks")
}

/// Holds more and more moments to wait for.
#[handler]
fn hoard(_event: Event, _host: Host) -> Outcome {
    #[cfg(all(target_os = "wasi", target_env = "p2"))]
    {
        let mut held = Vec::new();
        for _ in 0..1_000_000 {
            held.push(wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX));
        }
        return done().message(format!("held {}", held.len()));
    }
    #[cfg(not(all(target_os = "wasi", target_env = "p2")))]
    reject("it is not built for wasm32-wasip2")
}

hookyard_sdk::plugin!(look, reach, print, flood, sleep, exit, panic, hoard);
