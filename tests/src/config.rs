//! config.toml, put together section by section.

use std::collections::BTreeMap;
use std::path::Path;

/// The secret that [`crate::Request::github`] signs with.
pub const SECRET: &str = "It's a Secret to Everybody";

/// The variable of the daemon's environment that holds it.
pub const SECRET_VARIABLE: &str = "HOOKYARD_TEST_SECRET";

/// A configuration for tests: port 0 twice, and all paths below one folder.
#[derive(Clone, Debug)]
pub struct Config {
    sections: BTreeMap<String, Vec<String>>,
    routes: Vec<String>,
    schedules: Vec<String>,
}

impl Config {
    /// Everything below `folder`; no routes.
    pub fn new(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name).display().to_string();
        Self { sections: BTreeMap::new(), routes: Vec::new(), schedules: Vec::new() }
            .set("server", r#"listen = "127.0.0.1:0""#)
            .set("admin", r#"listen = "127.0.0.1:0""#)
            .set("store", &format!("path = {:?}", path("data/hookyard.db")))
            // The machine's own disk may be nearly full without any harm to a test.
            .set("store", r#"min_free = "1MiB""#)
            .set("runtime", &format!("plugins_dir = {:?}", path("plugins")))
            .set("runtime", &format!("cache_dir = {:?}", path("cache")))
    }

    /// Sets `line` in `[section]`, in place of an earlier line with the same key.
    #[must_use]
    pub fn set(mut self, section: &str, line: &str) -> Self {
        let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let lines = self.sections.entry(section.to_owned()).or_default();
        lines.retain(|old| key(old) != key(line));
        lines.push(line.to_owned());
        self
    }

    /// A route `name` at `/name` with GitHub's signatures, for one handler; `more` are further
    /// lines.
    #[must_use]
    pub fn route(self, name: &str, handler: &str, more: &[&str]) -> Self {
        let mut lines = vec![
            format!("name = {name:?}"),
            format!("path = \"/{name}\""),
            "provider = \"github\"".to_owned(),
            format!("secret = {{ env = {SECRET_VARIABLE:?} }}"),
            format!("handlers = [{handler:?}]"),
        ];
        lines.extend(more.iter().map(|line| (*line).to_owned()));
        self.raw_route(&lines.join("\n"))
    }

    /// A route of which all lines are given.
    #[must_use]
    pub fn raw_route(mut self, lines: &str) -> Self {
        self.routes.push(lines.to_owned());
        self
    }

    /// A schedule `name` of one handler; `more` are further lines.
    #[must_use]
    pub fn schedule(mut self, name: &str, cron: &str, handler: &str, more: &[&str]) -> Self {
        let mut lines = vec![
            format!("name = {name:?}"),
            format!("cron = {cron:?}"),
            format!("handlers = {handler:?}"),
        ];
        lines.extend(more.iter().map(|line| (*line).to_owned()));
        self.schedules.push(lines.join("\n"));
        self
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, lines) in &self.sections {
            text.push_str(&format!("[{section}]\n{}\n\n", lines.join("\n")));
        }
        for route in &self.routes {
            text.push_str(&format!("[[route]]\n{route}\n\n"));
        }
        for schedule in &self.schedules {
            text.push_str(&format!("[[schedule]]\n{schedule}\n\n"));
        }
        text
    }
}
