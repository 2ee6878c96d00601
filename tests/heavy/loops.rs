//! Two plugins that loop, on however few cores there are, and everybody else.

use std::time::{Duration, Instant};

use hookyard_tests::{Request, Yard, attempts, until_true};

use crate::alone;

/// Within which 99 of 100 requests of others are answered meanwhile. Without the loops the same
/// requests take a millisecond or two.
const BOUND: Duration = Duration::from_millis(250);
const REQUESTS: usize = 400;

#[test]
fn two_looping_plugins_leave_the_others_their_time() {
    let _alone = alone();
    let yard = Yard::with_plugins(&["misbehave", "misbehave-twin", "echo"]);
    let mut config = yard
        .config()
        .route("loop-one", "misbehave/loop", &["retry = { max_attempts = 1 }"])
        .route("loop-two", "misbehave-twin/loop", &["retry = { max_attempts = 1 }"])
        .route("ask", "echo/echo", &[r#"mode = "respond""#])
        .route("q", "echo/echo", &[]);
    for plugin in ["plugin.misbehave", "plugin.misbehave-twin"] {
        for limit in [r#"cpu = "60s""#, r#"timeout = "60s""#, "concurrency = 2"] {
            config = config.set(plugin, limit);
        }
    }
    let daemon = yard.start(&config);

    // Two loops of each plugin, none of which ends before the measurement does.
    let mut loops = Vec::new();
    for number in 0..2 {
        for route in ["/loop-one", "/loop-two"] {
            let delivery = format!("loop-{number}");
            loops.push(daemon.send(&Request::github(route, "push", &delivery, "{}")).accepted());
        }
    }
    let busy_before = cpu_time(daemon.pid());
    until_true("the loops run", Duration::from_secs(20), || {
        cpu_time(daemon.pid()) - busy_before > Duration::from_millis(500)
    });

    let busy_before = cpu_time(daemon.pid());
    let start = Instant::now();
    let mut client = daemon.client();
    let mut times = Vec::new();
    for number in 0..REQUESTS {
        // Every other one waits for its handler.
        let (path, status) = if number % 2 == 0 { ("/q", 202) } else { ("/ask", 200) };
        let request = Request::github(path, "push", &format!("other-{number}"), r#"{"a":1}"#);
        let sent = Instant::now();
        let reply = client.send(&request);
        times.push(sent.elapsed());
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let took = start.elapsed();
    let busy = cpu_time(daemon.pid()) - busy_before;

    times.sort();
    let (p50, p99, max) = (times[REQUESTS / 2], times[REQUESTS * 99 / 100], times[REQUESTS - 1]);
    eprintln!("beside four loops of two plugins: p50 {p50:?}, p99 {p99:?}, max {max:?}");
    assert!(p99 < BOUND, "p99 is {p99:?}, p50 {p50:?}, max {max:?}");
    assert!(busy > took / 2, "the loops did run meanwhile: {busy:?} of {took:?}");
    for id in &loops {
        assert_eq!(yard.state(id).as_deref(), Some("pending"));
        assert_eq!(attempts(&yard.show(id)).len(), 0, "its one attempt still runs");
    }
}

/// What the process has used of the processors so far.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // USER_HZ is 100 on every Linux there is.
    Duration::from_millis(ticks * 10)
}
