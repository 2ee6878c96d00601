//! A folder of plugins, and what a daemon would do with them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic here is the failure that a test reports")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hookyard_runtime::{
    Admission, Attempt, Compiler, Grant, Limits, Manifest, Options, Plugin, PluginState,
    PluginStatus, Plugins,
};
use hookyard_types::{Event, EventId, Headers, JobId, Source, Timestamp};
use tempfile::TempDir;

/// What the configuration says, in tests.
#[derive(Default)]
pub struct Config {
    pub grant: Mutex<Grant>,
    pub refuse: Mutex<BTreeMap<String, String>>,
    pub wanted: Mutex<Vec<String>>,
}

impl Admission for Config {
    fn admit(&self, manifest: &Manifest) -> Result<Grant, String> {
        if let Some(why) = self.refuse.lock().unwrap().get(&manifest.name) {
            return Err(why.clone());
        }
        let grant = self.grant.lock().unwrap().clone();
        for setting in manifest.settings.iter().filter(|setting| setting.required) {
            if !grant.settings.contains_key(&setting.name) {
                return Err(format!("it needs the setting `{}`", setting.name));
            }
        }
        Ok(grant)
    }

    fn wanted(&self) -> Vec<String> {
        self.wanted.lock().unwrap().clone()
    }
}

pub struct Bench {
    pub dir: TempDir,
    pub config: Arc<Config>,
    running: Option<Arc<Plugins>>,
}

impl Bench {
    /// A folder with these files; nothing runs yet.
    pub fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("plugins")).unwrap();
        let bench = Self { dir, config: Arc::default(), running: None };
        for (name, bytes) in files {
            bench.put(name, bytes);
        }
        bench
    }

    pub fn started(files: &[(&str, Vec<u8>)]) -> Self {
        let mut bench = Self::new(files);
        bench.start();
        bench
    }

    /// One plugin named `guest`, under these limits.
    pub fn limited(limits: Limits, guest: &crate::guest::Guest) -> Self {
        let mut bench = Self::new(&[("guest.wasm", guest.build())]);
        bench.config.grant.lock().unwrap().limits = limits;
        bench.start();
        bench
    }

    pub fn options(&self) -> Options {
        let mut options =
            Options::new(self.file(""), self.dir.path().join("cache"), Compiler::InProcess);
        options.concurrency = 4;
        options.max_memory = 256 << 20;
        options
    }

    pub fn start(&mut self) {
        self.start_with(self.options());
    }

    pub fn start_with(&mut self, options: Options) {
        self.running = Some(Plugins::start(options, self.config.clone()).unwrap());
    }

    pub fn stop(&mut self) {
        self.running = None;
    }

    pub fn plugins(&self) -> &Arc<Plugins> {
        self.running.as_ref().expect("started")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("plugins").join(name)
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.file(name), bytes).unwrap();
    }

    pub fn plugin(&self, name: &str) -> Arc<Plugin> {
        self.plugins().plugin(name).unwrap_or_else(|| panic!("{:#?}", self.plugins().status()))
    }

    pub async fn run(&self) -> Attempt {
        run(&self.plugin("guest")).await
    }

    /// The status entry of this plugin or file.
    pub fn status(&self, name: &str) -> PluginStatus {
        let status = self.plugins().status();
        let found = status.iter().find(|entry| entry.name == name || entry.file == name);
        found.cloned().unwrap_or_else(|| panic!("no {name} in {status:#?}"))
    }

    /// Why this file or plugin is not as it should be.
    pub fn error(&self, name: &str) -> String {
        self.status(name).last_error.expect("an error")
    }

    /// Waits until the status is as it should be.
    pub async fn until(&self, what: &str, holds: impl Fn(&Plugins) -> bool) {
        let mut changes = self.plugins().changed();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(self.plugins()) {
            tokio::time::timeout_at(deadline.into(), changes.changed())
                .await
                .unwrap_or_else(|_| panic!("never {what}: {:#?}", self.plugins().status()))
                .unwrap();
        }
    }

    pub async fn until_version(&self, version: &str) {
        self.until(version, |plugins| {
            plugins.plugin("guest").is_some_and(|plugin| plugin.version() == version)
                && plugins.status().iter().any(|entry| entry.version == version)
        })
        .await;
    }

    pub async fn until_state(&self, state: PluginState) {
        self.until(state.as_str(), |plugins| {
            plugins.status().iter().any(|entry| entry.state == state)
        })
        .await;
    }
}

pub async fn run(plugin: &Plugin) -> Attempt {
    plugin.run("run", &event(), JobId::new(), 1, None).await
}

pub fn event() -> Event {
    let headers = [("content-type", "application/json"), ("x-github-event", "push")];
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
        params: vec![("tenant".into(), "acme".into())],
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect::<Headers>(),
        body: vec![b'x'; 2048].into(),
        client: None,
        unauthenticated: vec!["kind".into()],
        caused_by: None,
        firing: None,
        traceparent: None,
    }
}
