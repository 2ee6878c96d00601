//! What is remembered: one key for each thing, below the channel or the person that it belongs to.

use std::time::SystemTime;

use hookyard_sdk::prelude::*;

use crate::command::Command;

/// Things in one channel, or of one person.
pub(crate) const MOST: u64 = 100;

/// How much of a text a list shows, in characters.
const GLANCE: usize = 60;

/// Whom a thing belongs to.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    Channel,
    User,
}

/// A thing as it is kept.
#[derive(Deserialize, Serialize)]
struct Thing {
    text: String,
    /// Slack's id of who said it.
    by: String,
    /// Seconds since 1970.
    at: u64,
}

/// The things that one command is about.
pub(crate) struct Things {
    things: Kv,
    counts: Kv,
    /// `T0001/C2147483705/`: what their keys begin with.
    owner: String,
    now: u64,
}

impl Things {
    pub(crate) fn of(host: &Host, scope: Scope, command: &Command<'_>) -> Self {
        let owner = match scope {
            Scope::Channel => command.channel,
            Scope::User => command.user,
        };
        let now = host.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            things: host.kv("things"),
            counts: host.kv("counts"),
            owner: format!("{}/{owner}/", command.team),
            now: now.as_secs(),
        }
    }

    pub(crate) fn remember(&self, name: &str, text: &str, by: &str) -> Result<String, Failure> {
        let before = self.get(name)?;
        if before.is_none() {
            let count = self.count()?;
            if count >= MOST {
                return Ok(format!("There are {count} things already: forget one first."));
            }
            self.set_count(count + 1)?;
        }
        let thing = Thing { text: text.to_owned(), by: by.to_owned(), at: self.now };
        self.things.set_json(&self.key(name), &thing)?;
        Ok(match before {
            None => format!("`{name}` is remembered."),
            Some(before) => format!("`{name}` is remembered. It was: {}", before.text),
        })
    }

    pub(crate) fn recall(&self, name: &str) -> Result<String, Failure> {
        Ok(match self.get(name)? {
            None => unknown(name),
            Some(Thing { text, by, at }) => {
                format!("{text}\n_<@{by}>, <!date^{at}^{{date_short_pretty}} {{time}}|earlier>_")
            }
        })
    }

    pub(crate) fn list(&self, prefix: &str) -> String {
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let page = self.things.list(&self.key(prefix), after.as_deref(), 1000);
            lines.extend(page.entries.iter().map(|entry| self.line(entry)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        match (lines.len(), prefix) {
            (0, "") => "Nothing is remembered yet.".to_owned(),
            (0, prefix) => format!("Nothing is remembered whose name begins with `{prefix}`."),
            _ => lines.join("\n"),
        }
    }

    pub(crate) fn forget(&self, name: &str) -> Result<String, Failure> {
        let Some(thing) = self.get(name)? else { return Ok(unknown(name)) };
        self.things.delete(&self.key(name));
        self.set_count(self.count()?.saturating_sub(1))?;
        // So that a slip of the finger loses nothing.
        Ok(format!("`{name}` is forgotten. It was: {}", thing.text))
    }

    fn line(&self, entry: &hookyard_sdk::Entry) -> String {
        let name = entry.key.strip_prefix(&self.owner).unwrap_or(&entry.key);
        let Ok(Thing { text, .. }) = hookyard_sdk::serde_json::from_slice(&entry.value) else {
            return format!("`{name}`");
        };
        let line = text.lines().next().unwrap_or_default();
        let glance = glance(line);
        let more = if glance.len() < text.len() { " …" } else { "" };
        format!("`{name}` {glance}{more}")
    }

    fn get(&self, name: &str) -> Result<Option<Thing>, Failure> {
        self.things.get_json(&self.key(name))
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.owner)
    }

    fn count(&self) -> Result<u64, Failure> {
        Ok(self.counts.get_json(&self.owner)?.unwrap_or(0))
    }

    fn set_count(&self, count: u64) -> Result<(), Failure> {
        if count == 0 {
            self.counts.delete(&self.owner);
            return Ok(());
        }
        self.counts.set_json(&self.owner, &count)
    }
}

fn unknown(name: &str) -> String {
    format!("Nothing is remembered as `{name}`.")
}

/// The beginning of a line, not cut inside a mention or an escaped character.
fn glance(line: &str) -> &str {
    let Some((cut, _)) = line.char_indices().nth(GLANCE) else { return line };
    let beginning = line.get(..cut).unwrap_or_default();
    let open = [('<', '>'), ('&', ';')].iter().filter_map(|&(from, to)| {
        let at = beginning.rfind(from)?;
        beginning.get(at..)?.find(to).is_none().then_some(at)
    });
    let end = open.min().unwrap_or(cut);
    beginning.get(..end).unwrap_or_default().trim_end()
}
