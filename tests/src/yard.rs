//! A folder with everything that a daemon needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Config, Daemon, Sent, hookyard, plugin_file, until, until_true};

/// A temporary folder with `config.toml`, `plugins/` and `data/`. It outlives the daemons that
/// run on it, so that one can be killed and another started.
#[derive(Debug)]
pub struct Yard {
    folder: TempDir,
    /// A process whose view of the files the commands must have.
    within: Mutex<Option<u32>>,
}

impl Default for Yard {
    fn default() -> Self {
        Self::new()
    }
}

impl Yard {
    /// Without plugins and without a configuration.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("hookyard-test-").expect("a temporary folder");
        for name in ["plugins", "data"] {
            fs::create_dir(folder.path().join(name)).expect("create a folder");
        }
        Self { folder, within: Mutex::new(None) }
    }

    /// With the built file of each of these plugins.
    pub fn with_plugins(names: &[&str]) -> Self {
        let yard = Self::new();
        for name in names {
            fs::copy(plugin_file(name), yard.plugin_path(name)).expect("copy a plugin");
        }
        yard
    }

    pub fn path(&self, name: &str) -> PathBuf {
        // As the kernel names it: the preloaded shim compares paths.
        self.folder.path().canonicalize().expect("the folder is there").join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Where a plugin's file lies in the plugins folder.
    pub fn plugin_path(&self, name: &str) -> PathBuf {
        self.path("plugins").join(format!("{}.wasm", name.replace('-', "_")))
    }

    /// Puts a plugin's file in place at once, as `mv` does.
    pub fn swap_plugin(&self, name: &str, bytes: &[u8]) {
        let beside = self.path("swap.tmp");
        fs::write(&beside, bytes).expect("write a plugin");
        fs::rename(&beside, self.plugin_path(name)).expect("move a plugin");
    }

    /// The configuration to begin with.
    pub fn config(&self) -> Config {
        Config::new(&self.path(""))
    }

    pub fn config_file(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// Writes config.toml at once, as an editor does.
    pub fn write_config(&self, config: &Config) {
        self.write_config_text(&config.text());
    }

    pub fn write_config_text(&self, text: &str) {
        let beside = self.path("config.tmp");
        fs::write(&beside, text).expect("write the configuration");
        fs::rename(&beside, self.config_file()).expect("move the configuration");
    }

    /// Writes the configuration and starts a daemon on it.
    #[track_caller]
    pub fn start(&self, config: &Config) -> Daemon {
        self.write_config(config);
        self.restart()
    }

    /// Starts a daemon on what is there.
    #[track_caller]
    pub fn restart(&self) -> Daemon {
        Daemon::start(&self.config_file(), |_| {})
    }

    /// `hookyard ARGUMENTS --config FILE`, to its end.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = match *self.within.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Command::new(hookyard()),
            Some(pid) => {
                let mut command = Command::new("nsenter");
                command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
                command.arg(pid.to_string()).arg(hookyard());
                command
            }
        };
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config_file())
            .output()
            .expect("run the binary")
    }

    /// From now on [`Yard::command`] sees the files that this process sees.
    pub fn see_through(&self, pid: u32) {
        *self.within.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments);
        assert!(
            output.status.success(),
            "hookyard {arguments:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error} in {}", String::from_utf8_lossy(&output.stdout))
        })
    }

    /// Every stored event, as `hookyard events list` shows it, page after page, newest first.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut arguments = vec!["events", "list", "--limit", "1000", "--json"];
            if let Some(cursor) = &cursor {
                arguments.extend(["--cursor", cursor]);
            }
            let page = self.json(&arguments);
            all.extend(page["events"].as_array().expect("a list of events").iter().cloned());
            cursor = match &page["next"] {
                Value::Null => return all,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
        }
    }

    /// What `hookyard events show` says of one event.
    #[track_caller]
    pub fn show(&self, id: &str) -> Value {
        self.json(&["events", "show", id, "--json"])
    }

    /// The state of an event in the list; `None` when it is not there.
    pub fn state(&self, id: &str) -> Option<String> {
        let event = self.events().into_iter().find(|event| event["id"] == id)?;
        Some(event["state"].as_str().expect("a state").to_owned())
    }

    /// Waits for an event's state and returns what `show` says of it then.
    #[track_caller]
    pub fn until_state(&self, id: &str, state: &str) -> Value {
        let mut last = None;
        until(&format!("event {id} is {state}"), Duration::from_secs(30), || {
            last = self.state(id);
            (last.as_deref() == Some(state)).then_some(())
        });
        self.show(id)
    }

    /// Every acknowledged delivery is there, as the event that the sender was told.
    #[track_caller]
    pub fn assert_stored(&self, sent: &Sent) {
        let stored: BTreeSet<String> =
            self.events().iter().filter_map(|e| Some(e["id"].as_str()?.to_owned())).collect();
        let lost: Vec<_> =
            sent.acknowledged.iter().filter(|(_, id)| !stored.contains(*id)).collect();
        assert!(
            lost.is_empty(),
            "{} of {} acknowledged deliveries are lost, among them {:?}",
            lost.len(),
            sent.acknowledged.len(),
            &lost[..lost.len().min(3)]
        );
    }

    /// Waits until every acknowledged delivery was handled with success.
    #[track_caller]
    pub fn until_all_succeeded(&self, sent: &Sent) {
        let what = format!("{} acknowledged deliveries are handled", sent.acknowledged.len());
        until_true(&what, Duration::from_secs(60), || {
            let done: BTreeSet<String> = self
                .events()
                .iter()
                .filter(|event| event["state"] == "succeeded")
                .filter_map(|event| Some(event["id"].as_str()?.to_owned()))
                .collect();
            sent.acknowledged.values().all(|id| done.contains(id))
        });
    }
}

/// The attempts of the event's first job, as `show` gives them.
#[track_caller]
pub fn attempts(shown: &Value) -> &[Value] {
    shown["jobs"][0]["attempts"].as_array().expect("a job with attempts")
}

/// How each of them ended.
#[track_caller]
pub fn outcomes(shown: &Value) -> Vec<&str> {
    attempts(shown).iter().map(|a| a["outcome"].as_str().expect("an outcome")).collect()
}
