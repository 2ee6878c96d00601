//! How many attempts one thread makes in a second: `call_rate PLUGIN.wasm HANDLER [SECONDS]`.
//!
//! Each is a fresh instance and one call with an event of 2 KB, as the daemon makes them.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hookyard_runtime::{Admission, Compiler, Grant, Manifest, Options, Outcome, Plugins};
use hookyard_types::{Event, EventId, JobId, Source, Timestamp};

struct Everything;

impl Admission for Everything {
    fn admit(&self, _: &Manifest) -> Result<Grant, String> {
        Ok(Grant::default())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: call_rate PLUGIN.wasm HANDLER [SECONDS]";
    let file = PathBuf::from(args.next().ok_or(usage)?);
    let handler = args.next().ok_or(usage)?;
    let seconds = args.next().map_or(Ok(5), |text| text.parse())?;

    let dir = std::env::temp_dir().join(format!("call-rate-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("plugins"))?;
    std::fs::copy(&file, dir.join("plugins/plugin.wasm"))?;
    let options = Options::new(dir.join("plugins"), dir.join("cache"), Compiler::InProcess);
    let before = Instant::now();
    let plugins = Plugins::start(options, Arc::new(Everything))?;
    println!("loaded in {:?}", before.elapsed());
    let status = plugins.status();
    let first = status.first().ok_or("no plugin")?;
    let plugin = plugins.plugin(&first.name).ok_or_else(|| format!("{:?}", first.last_error))?;

    let event = event();
    let attempt = plugin.run(&handler, &event, JobId::new(), 1, None).await;
    println!("the first attempt: {:?} in {:?}", short(&attempt.outcome), attempt.duration);
    let (begin, cpu) = (Instant::now(), processor_time());
    let mut count = 0_u32;
    while begin.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..100 {
            let attempt = plugin.run(&handler, &event, JobId::new(), 1, None).await;
            std::hint::black_box(&attempt);
            count += 1;
        }
    }
    let (each, cpu) = (begin.elapsed() / count, (processor_time() - cpu) / count);
    let rate = 1.0 / each.as_secs_f64();
    println!("{count} attempts, {each:?} each ({cpu:?} of processor time), {rate:.0} a second");
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Of this process, which other processes do not disturb as much as the clock.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec.try_into().unwrap_or(0))
}

fn short(outcome: &Outcome) -> String {
    format!("{outcome:?}").chars().take(160).collect()
}

fn event() -> Event {
    let commits = r#"{"id":"0f1","message":"Say hello","author":{"name":"A"}},"#.repeat(30);
    let body = format!(
        r#"{{"ref":"refs/heads/main","before":"0","after":"1","commits":[{}],"#,
        commits.trim_end_matches(',')
    ) + r#""repository":{"full_name":"a/b","default_branch":"main"},"pusher":{"name":"a"}}"#;
    let headers = [
        ("host", "hooks.example.com"),
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("content-type", "application/json"),
        ("x-github-event", "push"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-hub-signature-256", "sha256=0000000000000000000000000000000000000000"),
    ];
    Event {
        id: EventId::new(),
        source: Source::Route("github".into()),
        kind: "push".into(),
        delivery_id: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".into()),
        tenant: String::new(),
        received_at: Timestamp::now(),
        method: "POST".into(),
        path: "/hooks/github".into(),
        query: None,
        params: vec![],
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect(),
        body: body.into(),
        client: None,
        unauthenticated: vec!["kind".into(), "delivery-id".into()],
        caused_by: None,
        firing: None,
        traceparent: None,
    }
}
