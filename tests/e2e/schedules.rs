//! What fires by the clock: each time once, whatever becomes of the daemon and of the clock.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::Duration;

use hookyard_tests::{Clock, Config, Daemon, Yard, attempts, outcomes, until, until_true};
use rustix::process::Signal;
use serde_json::Value;

const EACH_SECOND: &str = "*/1 * * * * *";
const HOURLY: &str = "0 * * * *";

/// 2026-01-01, midnight in UTC.
const MIDNIGHT: i64 = 1_767_225_600;
/// What the daemon logs when it knows which schedules there are, and since when.
const FOLLOWING: &str = "following the schedules";

/// Whether a run has ended when the clock is set on makes no difference then.
const ALLOW: &str = r#"overlap = "allow""#;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// Its first attempt fails, and the next one is far away: it is still going.
const STUCK: &[&str] =
    &["data = { failures = 1 }", r#"retry = { max_attempts = 2, first = "1h", max = "1h" }"#];

fn yard() -> (Yard, Config) {
    let yard = Yard::with_plugins(&["clockwork"]);
    let config = yard.config().set("plugin.clockwork", "kv = true");
    (yard, config)
}

fn with(lines: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [lines, more].concat()
}

/// The events of a schedule, the oldest first.
#[track_caller]
fn events(yard: &Yard, schedule: &str) -> Vec<Value> {
    let mut events = yard.events();
    events.retain(|event| event["source"] == "schedule" && event["schedule"] == schedule);
    events.reverse();
    events
}

#[track_caller]
fn until_events(yard: &Yard, schedule: &str, count: usize) -> Vec<Value> {
    until(&format!("{schedule} has fired {count} times"), Duration::from_secs(30), || {
        Some(events(yard, schedule)).filter(|events| events.len() >= count)
    })
}

#[track_caller]
fn id(event: &Value) -> &str {
    event["id"].as_str().expect("an id")
}

/// The time that an event is for, in seconds since midnight.
#[track_caller]
fn scheduled(yard: &Yard, event: &Value) -> (i64, String) {
    let shown = yard.until_state(id(event), "succeeded");
    let said = attempts(&shown).last().expect("an attempt")["message"].as_str().expect("text");
    let said: Value = serde_json::from_str(said).expect("JSON");
    assert_eq!(said["schedule"], event["schedule"]);
    assert_eq!(said["reason"], shown["event"]["reason"]);
    let at = said["scheduled_at"].as_i64().expect("a number");
    assert_eq!(at % 1000, 0, "a whole second");
    (at / 1000 - MIDNIGHT, said["reason"].as_str().expect("text").to_owned())
}

#[track_caller]
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A daemon whose clock stands still.
fn start(yard: &Yard, clock: &Clock) -> Daemon {
    let daemon = Daemon::start(&yard.config_file(), |command| clock.apply(command));
    daemon.until_logged_text(0, FOLLOWING);
    daemon
}

/// Sets the clock, and makes the daemon look at it.
fn at(daemon: &Daemon, clock: &Clock, seconds: i64) {
    let mark = daemon.mark();
    clock.set(MIDNIGHT + seconds);
    daemon.signal(Signal::HUP);
    daemon.until_logged_text(mark, FOLLOWING);
}

#[test]
fn each_time_is_an_event_like_any_other() {
    let (yard, config) = yard();
    let data = r#"data = { failures = 2, to = ["a", "b"], day = 2026-01-01 }"#;
    let soon = r#"retry = { max_attempts = 3, first = "20ms", max = "50ms" }"#;
    let daemon = yard.start(&config.schedule("tick", EACH_SECOND, "clockwork/tick", &[]).schedule(
        "retried",
        EACH_SECOND,
        "clockwork/tick",
        &[data, soon, r#"overlap = "allow""#],
    ));

    let fired = until_events(&yard, "tick", 3);
    let times: BTreeSet<i64> = fired.iter().map(|event| scheduled(&yard, event).0).collect();
    assert_eq!(times.len(), fired.len(), "each second once");
    assert!(fired.iter().all(|event| scheduled(&yard, event).1 == "due"));

    let retried = until_events(&yard, "retried", 1);
    let shown = yard.until_state(id(&retried[0]), "succeeded");
    assert_eq!(outcomes(&shown), ["retry", "retry", "done"]);
    let said: Value =
        serde_json::from_str(attempts(&shown)[2]["message"].as_str().unwrap()).unwrap();
    let data: Value = serde_json::from_str(said["data"].as_str().unwrap()).unwrap();
    let expected = serde_json::json!({ "failures": 2, "to": ["a", "b"], "day": "2026-01-01" });
    assert_eq!(data, expected);
    let late = said["fired_at"].as_i64().unwrap() - said["scheduled_at"].as_i64().unwrap();
    assert!((0..5_000).contains(&late), "{late} ms late");
    daemon.until_logged(0, "a firing", |line| {
        line["schedule"] == "tick" && line["message"] == "fired" && line["reason"] == "due"
    });

    daemon.stop();
    let listed = json(&yard.command(&["schedules", "list", "--json"]));
    let tick = &listed["schedules"][0];
    let last = events(&yard, "tick").pop().expect("it has fired");
    assert_eq!((&tick["name"], &tick["last"]["event"]), (&"tick".into(), &last["id"]));
    assert_eq!(tick["last"]["state"], last["state"]);
    assert!(tick["next"]["at"].is_string(), "{tick}");
}

#[test]
fn a_run_that_is_still_going_is_waited_for_or_not() {
    let (yard, config) = yard();
    let queue = r#"overlap = "queue""#;
    let allow = r#"overlap = "allow""#;
    let daemon = yard.start(
        &config
            .schedule("skipping", EACH_SECOND, "clockwork/tick", STUCK)
            .schedule("queueing", EACH_SECOND, "clockwork/tick", &with(STUCK, &[queue]))
            .schedule("allowing", EACH_SECOND, "clockwork/tick", &with(STUCK, &[allow])),
    );

    let left_out = daemon.until_logged(0, "a firing that is left out", |line| {
        line["schedule"] == "skipping"
            && line["message"].as_str().is_some_and(|said| said.contains("still going"))
    });
    let allowed = until_events(&yard, "allowing", 3);
    for event in &allowed {
        yard.until_state(id(event), "retrying");
    }
    let queued = until_events(&yard, "queueing", 3);
    yard.until_state(id(&queued[0]), "retrying");
    for event in &queued[1..] {
        let shown = yard.show(id(event));
        assert_eq!(shown["jobs"][0]["state"], "waiting", "{shown}");
        assert!(attempts(&shown).is_empty(), "it was run beside the first");
    }
    let skipped = events(&yard, "skipping");
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(left_out["going"].as_str(), Some(id(&skipped[0])));
}

/// The times for which `missed` makes up after a stop from half past midnight to half past five.
fn made_up(missed: &[&str]) -> Vec<(i64, String)> {
    let (yard, config) = yard();
    let clock = Clock::at(MIDNIGHT + 30 * MINUTE);
    yard.write_config(&config.schedule("hourly", HOURLY, "clockwork/tick", missed));
    let daemon = start(&yard, &clock);
    at(&daemon, &clock, HOUR);
    until_events(&yard, "hourly", 1);
    daemon.stop();

    clock.set(MIDNIGHT + 5 * HOUR + 30 * MINUTE);
    let daemon = start(&yard, &clock);
    // What is missed comes before what is due.
    at(&daemon, &clock, 6 * HOUR);
    let last = until("the next one has fired", Duration::from_secs(30), || {
        let events = events(&yard, "hourly");
        let last = events.last().filter(|last| scheduled(&yard, last).0 == 6 * HOUR);
        last.is_some().then_some(events)
    });
    last.iter().map(|event| scheduled(&yard, event)).map(|(at, why)| (at / HOUR, why)).collect()
}

fn list(times: &[(i64, &str)]) -> Vec<(i64, String)> {
    times.iter().map(|(hour, why)| (*hour, (*why).to_owned())).collect()
}

#[test]
fn the_latest_missed_time_is_made_up_for() {
    assert_eq!(made_up(&[ALLOW]), list(&[(1, "due"), (5, "missed"), (6, "due")]));
}

#[test]
fn missed_times_are_passed_over() {
    assert_eq!(made_up(&[r#"missed = "skip""#, ALLOW]), list(&[(1, "due"), (6, "due")]));
}

#[test]
fn all_missed_times_are_made_up_for_up_to_a_bound() {
    let all = [r#"missed = "all""#, r#"overlap = "queue""#];
    let due = |times: &[(i64, &str)]| list(&[&[(1, "due")], times, &[(6, "due")]].concat());
    let missed = [(2, "missed"), (3, "missed"), (4, "missed"), (5, "missed")];
    assert_eq!(made_up(&all), due(&missed));
    let three = [all[0], all[1], "missed_max = 3"];
    assert_eq!(made_up(&three), due(&missed[1..]));
}

#[test]
fn a_clock_that_is_set_neither_fires_twice_nor_stops_a_schedule() {
    let (yard, config) = yard();
    let clock = Clock::at(MIDNIGHT + 30 * MINUTE);
    yard.write_config(&config.schedule("hourly", HOURLY, "clockwork/tick", &[ALLOW]));
    let daemon = start(&yard, &clock);
    at(&daemon, &clock, HOUR);
    until_events(&yard, "hourly", 1);
    // Back, and on again: one o'clock has been.
    at(&daemon, &clock, HOUR - 10);
    at(&daemon, &clock, HOUR + 10);
    at(&daemon, &clock, 2 * HOUR);
    let fired = until_events(&yard, "hourly", 2);
    assert_eq!(scheduled(&yard, &fired[1]), (2 * HOUR, "due".to_owned()));
    // Years ahead, which makes up for one, and back again.
    at(&daemon, &clock, 90_000 * HOUR + 5 * MINUTE);
    let fired = until_events(&yard, "hourly", 3);
    assert_eq!(scheduled(&yard, &fired[2]), (90_000 * HOUR, "missed".to_owned()));
    let mark = daemon.mark();
    at(&daemon, &clock, 2 * HOUR + 10);
    daemon.until_logged_text(mark, "the clock was far ahead");
    at(&daemon, &clock, 3 * HOUR);
    let fired = until_events(&yard, "hourly", 4);
    assert_eq!(scheduled(&yard, &fired[3]), (3 * HOUR, "due".to_owned()));
    assert_eq!(fired.len(), 4);
}

#[test]
fn no_firing_is_lost_or_doubled_by_kills() {
    const ROUNDS: usize = 6;
    let (yard, config) = yard();
    let all = [r#"missed = "all""#, "missed_max = 1000", r#"overlap = "allow""#];
    let mut daemon = yard.start(&config.schedule("tick", EACH_SECOND, "clockwork/tick", &all));
    for _ in 0..ROUNDS {
        // A moment before, in or after the commit of a firing.
        std::thread::sleep(Duration::from_millis(fastrand::u64(200..1_300)));
        daemon.kill();
        daemon = yard.restart();
    }
    let count = events(&yard, "tick").len();
    until_events(&yard, "tick", count + 3);
    daemon.stop();
    let daemon = yard.restart();

    let fired = events(&yard, "tick");
    let times: Vec<i64> = fired.iter().map(|event| scheduled(&yard, event).0).collect();
    let expected: Vec<i64> = (times[0]..).take(times.len()).collect();
    assert_eq!(times, expected, "each second once, in order");
    drop(daemon);
}

#[test]
fn schedules_come_change_and_go_with_the_configuration() {
    let (yard, config) = yard();
    let clock = Clock::at(MIDNIGHT + 30 * MINUTE);
    let hourly = |cron: &str| config.clone().schedule("hourly", cron, "clockwork/tick", &[ALLOW]);
    yard.write_config(&hourly(HOURLY));
    let daemon = start(&yard, &clock);
    let reload = |config: &Config| {
        let mark = daemon.mark();
        yard.write_config(config);
        daemon.signal(Signal::HUP);
        daemon.until_logged_text(mark, FOLLOWING);
    };
    at(&daemon, &clock, HOUR);
    until_events(&yard, "hourly", 1);

    // A new one, and another expression, of which times have passed: neither fires for them.
    clock.set(MIDNIGHT + 90 * MINUTE);
    reload(&hourly("20 * * * *").schedule("late", "10 * * * *", "clockwork/tock", &[ALLOW]));
    at(&daemon, &clock, 2 * HOUR + 10 * MINUTE);
    let late = until_events(&yard, "late", 1);
    assert_eq!(scheduled(&yard, &late[0]), (2 * HOUR + 10 * MINUTE, "due".to_owned()));
    at(&daemon, &clock, 2 * HOUR + 20 * MINUTE);
    let fired = until_events(&yard, "hourly", 2);
    assert_eq!(scheduled(&yard, &fired[1]), (2 * HOUR + 20 * MINUTE, "due".to_owned()));

    // One that is away for a while was not there, and has missed nothing.
    reload(&hourly("20 * * * *"));
    clock.set(MIDNIGHT + 5 * HOUR + 15 * MINUTE);
    reload(&hourly("20 * * * *").schedule("late", "10 * * * *", "clockwork/tock", &[ALLOW]));
    let fired = until_events(&yard, "hourly", 3);
    assert_eq!(scheduled(&yard, &fired[2]), (4 * HOUR + 20 * MINUTE, "missed".to_owned()));
    at(&daemon, &clock, 6 * HOUR + 10 * MINUTE);
    let late = until_events(&yard, "late", 2);
    assert_eq!(scheduled(&yard, &late[1]), (6 * HOUR + 10 * MINUTE, "due".to_owned()));
    assert_eq!(late.len(), 2);

    // What is refused changes nothing.
    let mark = daemon.mark();
    yard.write_config(&hourly("0 25 * * *"));
    daemon.signal(Signal::HUP);
    let line = daemon.until_logged_text(mark, "configuration refused").to_string();
    assert!(line.contains("`25` is no hour"), "{line}");
    let refused = yard.command(&["check"]);
    assert_eq!(refused.status.code(), Some(78));
}

#[test]
fn a_person_runs_a_schedule_and_sees_when_it_runs_next() {
    let (yard, config) = yard();
    let berlin = r#"timezone = "Europe/Berlin""#;
    let config = config.schedule("yearly", "30 2 1 7 *", "clockwork/tick", &[berlin]).schedule(
        "stuck",
        "0 0 1 1 *",
        "clockwork/tick",
        STUCK,
    );
    yard.write_config(&config);
    let failure = |arguments: &[&str], code: i32| {
        let output = yard.command(arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };

    // Without a daemon, and before there was one.
    let listed = json(&yard.command(&["schedules", "list", "--json"]));
    assert_eq!(listed["schedules"][0]["timezone"], "Europe/Berlin");
    assert!(listed["schedules"][0]["last"].is_null(), "{listed}");
    let next = json(&yard.command(&["schedules", "next", "yearly", "-n", "3", "--json"]));
    let times: Vec<&str> =
        next["next"].as_array().unwrap().iter().map(|t| t["local"].as_str().unwrap()).collect();
    assert_eq!(times.len(), 3);
    assert!(times.iter().all(|time| time.ends_with("-07-01T02:30:00+02:00")), "{times:?}");
    let said = failure(&["schedules", "next", "nope"], 1);
    assert!(said.contains("there are yearly, stuck"), "{said}");
    assert!(failure(&["schedules", "run", "yearly"], 1).contains("port 0"));

    let daemon = yard.restart();
    yard.write_config(&config.set("admin", &format!("listen = \"{}\"", daemon.admin)));
    let ran = json(&yard.command(&["schedules", "run", "yearly", "--json"]));
    let shown = yard.until_state(ran["event"].as_str().unwrap(), "succeeded");
    assert_eq!(
        (&shown["event"]["schedule"], &shown["event"]["reason"]),
        (&"yearly".into(), &"manual".into())
    );
    let table = yard.command(&["schedules", "list"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let row = table.lines().find(|line| line.starts_with("yearly")).expect("a row");
    assert!(row.contains("succeeded") && row.contains("clockwork/tick"), "{table}");

    let text = yard.command(&["schedules", "run", "stuck"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let first = events(&yard, "stuck");
    assert!(text.contains(&format!("hookyard events show {}", id(&first[0]))), "{text}");
    let said = failure(&["schedules", "run", "stuck"], 1);
    assert!(said.contains("still going") && said.contains(id(&first[0])), "{said}");
    assert_eq!(events(&yard, "stuck").len(), 1);
    let said = failure(&["schedules", "run", "nope"], 1);
    assert!(said.contains("no such schedule; the schedules are yearly, stuck"), "{said}");
    failure(&["schedules", "run", "../routes"], 1);
    drop(daemon);
}

#[test]
fn a_schedule_needs_a_handler_of_schedules() {
    let (yard, config) = yard();
    let tick = |handler: &str| config.clone().schedule("tick", EACH_SECOND, handler, &[]);
    let daemon = yard.start(&tick("clockwork/hook"));
    let line = daemon.until_logged_text(0, "clockwork/hook").to_string();
    assert!(line.contains("schedule `tick`") && line.contains("is a `webhook`"), "{line}");
    // Its events wait for a version that has it, or for another configuration.
    let waiting = until_events(&yard, "tick", 1);
    assert_eq!(yard.state(id(&waiting[0])).as_deref(), Some("pending"));
    yard.write_config(&tick("clockwork/tick"));
    until_true("events of the mended schedule are handled", Duration::from_secs(30), || {
        events(&yard, "tick").iter().any(|event| event["state"] == "succeeded")
    });
}
