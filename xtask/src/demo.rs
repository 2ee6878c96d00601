//! `cargo xtask demo`: what Hookyard does, shown to somebody who has never seen it. Every sentence
//! that claims something is checked against the real binary first.

mod daemon;
mod delivery;
mod rebuild;
mod story;
mod traffic;
mod yard;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::steps::clock;
use hookyard_author::rust;

use crate::cargo;
use daemon::{Daemon, field};
use delivery::Delivery;
use story::Story;
use traffic::Traffic;
use yard::Yard;

/// The shipped plugin that the repository's config.toml sends GitHub's pushes to.
const PLUGIN: &str = "github-push";
/// Its handler, by its whole name.
const HANDLER: &str = "github-push/record";
/// The environment variable that config.toml takes the route's secret from.
const SECRET: &str = "GITHUB_WEBHOOK_SECRET";

/// How long anything is waited for; on an idle machine it all takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// The field of a log line that holds the event's id.
const EVENT: &str = "event";

/// Builds everything, then shows it; fails when anything that is claimed does not hold.
pub(crate) fn run(root: &Path, keep: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    println!("Building Hookyard. On two cores this takes some minutes the first time.");
    println!("\n[1/2] the shipped plugins, to WebAssembly");
    let packages = cargo::packages_under(root, "plugins")?;
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let built = rust::build_packages(root, &names, &root.join("plugins"))?;
    println!("\n[2/2] the daemon");
    let binary = cargo::build_daemon(root)?;
    println!("\nBuilt in {}.", clock(began.elapsed()));

    let folder = tempfile::Builder::new().prefix("hookyard-demo-").tempdir()?;
    let shown = Yard::prepare(root, folder.path(), &binary, &built)
        .and_then(|mut yard| show(root, &mut yard, keep));
    if shown.is_err() || keep {
        let kept = folder.keep();
        if shown.is_err() {
            eprintln!("\nThe demo's configuration, data and logs are in {}", kept.display());
        }
    }
    shown
}

/// The story, step by step.
fn show(root: &Path, yard: &mut Yard, keep: bool) -> anyhow::Result<()> {
    let story = &mut Story::begin();
    let secret = yard.secret(SECRET)?.to_owned();

    let mut daemon = start(story, yard)?;
    let first = Delivery::push(&secret)?;
    let id = push(story, yard, &mut daemon, &first)?;
    tampered(story, yard, &daemon, &first)?;
    duplicate(story, yard, &daemon, &first, &id)?;
    let mut daemon = killed(story, yard, daemon, &secret)?;
    swap(story, root, yard, &mut daemon, &secret)?;
    stop(story, daemon)?;

    println!("\nAll {} checks held.\n", story.checks());
    if keep {
        return leave_running(yard);
    }
    println!("What to try next:");
    println!("  cargo xtask demo --keep    the same, left running, with a curl line to play with");
    println!("  docs/plugins.md            write a handler of your own, in five minutes");
    println!(
        "  config.toml                the configuration that ran here, explained line by line"
    );
    Ok(())
}

fn start(story: &mut Story, yard: &mut Yard) -> anyhow::Result<Daemon> {
    story.step("Start the daemon");
    story
        .say("One binary, one configuration file, one folder of plugins. The configuration is the");
    story.say("repository's own config.toml; the webhook secret was made up for this run.");
    let daemon = yard.start()?;
    story.quote(&format!(
        "hookyard serve --config {}\nwebhooks on {}, health on {}",
        yard.config().display(),
        daemon.public,
        daemon.admin
    ));
    let health = minreq::get(format!("{}/readyz", daemon.admin)).with_timeout(10).send()?;
    story
        .check(health.status_code == 200, "the daemon says that it is ready (GET /readyz: 200)")?;
    Ok(daemon)
}

fn push(
    story: &mut Story,
    yard: &Yard,
    daemon: &mut Daemon,
    delivery: &Delivery,
) -> anyhow::Result<String> {
    story.step("GitHub sends a push");
    story.say(&format!(
        "A `push` delivery with GitHub's headers, {} bytes of its JSON, signed as GitHub signs:",
        delivery.body.len()
    ));
    story.say("HMAC-SHA256 over the raw body, in X-Hub-Signature-256.");
    let answer = delivery.send(&daemon.hook())?;
    story.quote(&format!("POST {}\n{} {}", daemon.hook(), answer.status, answer.body));
    story.check(answer.status == 202, "202 Accepted: the event is on the disk")?;
    let id = answer.event_id()?;

    story.step("The handler runs");
    story.say(&format!(
        "`{HANDLER}` is WebAssembly: it ran in a sandbox of its own, after the answer.\n\
         What it logs is in the daemon's log, with the event's id:"
    ));
    let line = daemon.wait_for_line(|line| is_handler_line_about(line, &id))?;
    story.quote(&line);
    let line: Value = serde_json::from_str(&line)?;
    story.check(
        field(&line, "message") == Some("pushed 2 commits to example-org/shop by mona"),
        "the handler read the payload and logged what is in it",
    )?;

    story.step("Ask what happened to that event");
    let stored = yard.handled(&id)?;
    story.quote(&format!("hookyard events show {id}"));
    story.quote_cut(&yard.ask(&["events", "show", &id])?);
    let event = &stored["event"];
    story.check(
        event["kind"] == "push" && event["delivery_id"] == delivery.id.as_str(),
        "it is stored, with its kind and GitHub's own delivery id",
    )?;
    let attempts = attempts(&stored);
    story.check(
        attempts.len() == 1 && attempts.iter().all(|attempt| attempt["outcome"] == "done"),
        "it took one attempt, and the attempt's outcome is kept",
    )?;
    story.check(
        attempts.iter().any(|attempt| attempt["log"].as_array().is_some_and(|log| !log.is_empty())),
        "the lines that the handler logged are kept with the attempt",
    )?;
    Ok(id)
}

fn tampered(
    story: &mut Story,
    yard: &Yard,
    daemon: &Daemon,
    delivery: &Delivery,
) -> anyhow::Result<()> {
    story.step("A forger changes one name in it");
    story.say("The same headers and signature; in the body, `mona` has become `mallory`.");
    let before = yard.events()?.len();
    let answer = delivery.tampered()?.send(&daemon.hook())?;
    story.quote(&format!("{} {}", answer.status, answer.body));
    story.check(answer.status == 401, "401 Unauthorized: the signature does not fit the body")?;
    story.check(yard.events()?.len() == before, "nothing of it was stored, no handler saw it")
}

fn duplicate(
    story: &mut Story,
    yard: &Yard,
    daemon: &Daemon,
    delivery: &Delivery,
    id: &str,
) -> anyhow::Result<()> {
    story.step("GitHub sends the first delivery again");
    story.say("That happens: the answer got lost, or somebody pressed `Redeliver`.");
    let answer = delivery.send(&daemon.hook())?;
    story.quote(&format!("{} {}", answer.status, answer.body));
    story.check(answer.status == 202, "202 again: GitHub has nothing to worry about")?;
    story.check(
        answer.event_id()? == id && answer.body.contains("\"duplicate\":true"),
        "with the id of the first event: it is recognised as a duplicate",
    )?;
    let same =
        yard.events()?.iter().filter(|event| event["delivery_id"] == delivery.id.as_str()).count();
    story.check(same == 1, "the delivery is in the store once")?;
    let attempts = attempts(&yard.event(id)?).len();
    story.check(attempts == 1, "and it was handled once")
}

fn killed(
    story: &mut Story,
    yard: &mut Yard,
    mut daemon: Daemon,
    secret: &str,
) -> anyhow::Result<Daemon> {
    story.step("kill -9, after the answer and before the handler");
    story.say(
        "To be sure that the handler has not run yet when the process dies, the plugin's file",
    );
    story.say("is taken out of the folder first: what is for it now waits for it to come back.");
    let file = plugin_file(yard)?;
    let aside = yard.folder.join("taken-away.wasm");
    fs::rename(&file, &aside)?;
    let retired = daemon.wait_for_line(|line| is_plugin_line(line, "retired"))?;
    story.quote(&retired);
    let delivery = Delivery::push(secret)?;
    let answer = delivery.send(&daemon.hook())?;
    story.quote(&format!("POST {}\n{} {}", daemon.hook(), answer.status, answer.body));
    story.check(answer.status == 202, "a push is accepted all the same")?;
    let id = answer.event_id()?;
    let waiting = yard.event(&id)?;
    story.check(
        waiting["event"]["state"] == "pending" && attempts(&waiting).is_empty(),
        "it is stored as pending, with no attempt made",
    )?;
    let pid = daemon.pid();
    let status = daemon.kill()?;
    story.quote(&format!("kill -9 {pid}: {status}"));
    story.check(!status.success(), "the daemon is dead, without a chance to tidy up")?;
    fs::rename(&aside, &file)?;
    let mut daemon = yard.start()?;
    story.say("The plugin's file is back, and the daemon was started again.");
    let stored = yard.handled(&id)?;
    let line = daemon.wait_for_line(|line| is_handler_line_about(line, &id))?;
    story.quote(&line);
    story.check(
        stored["event"]["delivery_id"] == delivery.id.as_str() && attempts(&stored).len() == 1,
        "the event was there and has been handled: acknowledged means kept",
    )?;
    Ok(daemon)
}

fn swap(
    story: &mut Story,
    root: &Path,
    yard: &Yard,
    daemon: &mut Daemon,
    secret: &str,
) -> anyhow::Result<()> {
    story.step("Change the plugin while requests flow");
    story
        .say("Pushes keep coming in, some fifty a second. Meanwhile a copy of the plugin's source");
    story.say("gets another log message and another version, is compiled, and copied over the old");
    story.say("file. Nothing is restarted.");
    let file = plugin_file(yard)?;
    let traffic = Traffic::begin(daemon.hook(), secret.to_owned());
    let built = rebuild::with_new_message(root, &yard.folder)?;
    let bytes = fs::copy(&built, &file)?;
    story.quote(&format!("cp {} {}   # {bytes} bytes", built.display(), file.display()));
    let line = daemon.wait_for_line(|line| {
        is_plugin_line(line, "serves") && field(line, "version") == Some(rebuild::NEW_VERSION)
    })?;
    story.quote(&line);
    let line = daemon.wait_for_line(|line| is_handler_line(line) && is_new(line))?;
    story.quote(&line);
    std::thread::sleep(Duration::from_millis(500));
    let sent = traffic.end()?;
    let count = sent.ids.len();
    story
        .check(
            sent.failures.is_empty() && count > 0,
            &format!("{count} pushes were sent in that time, and all {count} got their 202"),
        )
        .with_context(|| format!("{:?}", sent.failures.first()))?;

    yard.all_handled(&sent.ids)?;
    let ids: HashSet<&str> = sent.ids.iter().map(String::as_str).collect();
    let (mut old, mut new) = (HashSet::new(), HashSet::new());
    for line in daemon.lines()? {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        let about = field(&line, EVENT).and_then(|id| ids.get(id).copied());
        if let (Some(id), true) = (about, is_handler_line(&line)) {
            let is_new = line.to_string().contains(rebuild::NEW_MESSAGE);
            if is_new {
                new.insert(id)
            } else {
                old.insert(id)
            };
        }
    }
    let (both, old, new) = (old.intersection(&new).count(), old.len(), new.len());
    story.check(
        old > 0 && new > 0 && both == 0 && old + new == count,
        &format!("all were handled: {old} by the old version, {new} by the new one"),
    )?;
    let hash = |id: Option<&String>| -> anyhow::Result<Value> {
        let attempts = attempts(&yard.event(id.context("something was sent")?)?);
        Ok(attempts.last().map(|attempt| attempt["plugin_hash"].clone()).unwrap_or_default())
    };
    let (before, after) = (hash(sent.ids.first())?, hash(sent.ids.last())?);
    story.check(
        before != after && before.is_string() && after.is_string(),
        "each attempt keeps the hash of the plugin that made it, and the two differ",
    )
}

fn stop(story: &mut Story, daemon: Daemon) -> anyhow::Result<()> {
    story.step("Stop");
    let pid = daemon.pid();
    let status = daemon.stop()?;
    story.quote(&format!("kill {pid}: {status}"));
    story.check(status.success(), "SIGTERM: it finished what it had begun and left with 0")
}

/// Starts the daemon once more, for the person to play with.
fn leave_running(yard: &mut Yard) -> anyhow::Result<()> {
    let daemon = yard.start_to_stay()?;
    let folder = yard.folder.display();
    let (body, secret) = (yard.folder.join("push.json"), yard.folder.join("secret"));
    fs::write(&body, delivery::PUSH)?;
    fs::write(&secret, yard.secret(SECRET)?)?;
    println!("The daemon is running again (process {}). Send it a push:\n", daemon.pid());
    println!(
        "curl -i {hook} -H 'Content-Type: application/json' -H 'X-GitHub-Event: push' \
         -H \"X-GitHub-Delivery: $(cat /proc/sys/kernel/random/uuid)\" \
         -H \"X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac \"$(cat {secret})\" {body} \
         | sed 's/.* //')\" --data-binary @{body}\n",
        hook = daemon.hook(),
        secret = secret.display(),
        body = body.display(),
    );
    println!("What to try next:");
    println!("  {} events list --config {folder}/config.toml", yard.binary().display());
    println!("  tail -f {}", daemon.log().display());
    println!("  kill {}; rm -r {folder}    when you have had enough", daemon.pid());
    Ok(())
}

/// The file of [`PLUGIN`] in the demo's folder.
fn plugin_file(yard: &Yard) -> anyhow::Result<PathBuf> {
    let folder = yard.folder.join("plugins");
    fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            stem.replace('_', "-") == PLUGIN && path.extension().is_some_and(|ext| ext == "wasm")
        })
        .with_context(|| format!("{PLUGIN} is not in {}", folder.display()))
}

/// Every attempt of every job of what `events show --json` says.
fn attempts(stored: &Value) -> Vec<Value> {
    let jobs = stored["jobs"].as_array().into_iter().flatten();
    jobs.flat_map(|job| job["attempts"].as_array().into_iter().flatten()).cloned().collect()
}

/// Whether a log line was written by the handler, and not by the daemon about it.
fn is_handler_line(line: &Value) -> bool {
    field(line, "target") == Some("hookyard::plugin") && field(line, "handler") == Some(HANDLER)
}

/// Whether a log line was written by the handler about the event `id`.
fn is_handler_line_about(line: &Value, id: &str) -> bool {
    is_handler_line(line) && field(line, EVENT) == Some(id)
}

/// Whether a line of the handler was written by its changed version.
fn is_new(line: &Value) -> bool {
    field(line, "message").is_some_and(|message| message.starts_with(rebuild::NEW_MESSAGE))
}

/// Whether a log line says that something, such as `retired`, befell the plugin.
fn is_plugin_line(line: &Value, what: &str) -> bool {
    field(line, "plugin") == Some(PLUGIN)
        && field(line, "message").is_some_and(|message| message.contains(what))
}
