//! What a plugin says that it is, and the rules that its words keep.

use std::collections::BTreeSet;

use hookyard_types::{HandlerName, Trigger};

/// The most handlers or settings that a manifest may name.
const MAX_NAMES: usize = 256;
/// The longest version, description, kind or setting name, in bytes.
const MAX_TEXT: usize = 256;
/// The capabilities of which a manifest may name something, each with what that is called.
const NAMED: [(&str, &str); 4] = [
    ("kv", "shared namespace"),
    ("queue", "topic"),
    ("connection", "connection"),
    ("secret", "secret"),
];

/// What a plugin says that it is, checked: names are valid, no handler or setting appears twice, no
/// text is longer than 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The plugin's name in config.toml.
    pub name: String,
    pub version: String,
    pub handlers: Vec<HandlerInfo>,
    pub settings: Vec<Setting>,
    /// What it uses that config.toml has to grant by name, nothing of it twice.
    pub uses: Vec<Need>,
    /// The interfaces that its component imports, such as `kv`: what it can call at all.
    pub imports: BTreeSet<String>,
}

/// Something of a capability that config.toml has to grant by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The imported interface: `kv` for a shared namespace, `queue` for a topic.
    pub capability: String,
    pub name: String,
}

/// A handler, as its plugin describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerInfo {
    /// The part after the slash in `plugin/handler`.
    pub name: String,
    pub trigger: Trigger,
    /// The kinds that it wants, of a webhook; empty for all.
    pub kinds: Vec<String>,
    /// One line for a person; may be empty.
    pub description: String,
}

/// A setting that a plugin reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    /// Whether the plugin must not be loaded without it.
    pub required: bool,
}

/// What is wrong with a manifest, as a fragment that completes "the plugin's manifest …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    #[error(
        "names the {what} `{name}`: use 1 to 64 lower-case letters, digits, `-` and `_`",
        name = crate::text::clip(name, 80)
    )]
    Name { what: &'static str, name: String },
    #[error("names the {what} `{name}` twice: give each its own name")]
    Twice { what: &'static str, name: String },
    #[error("names {count} {what}s: {MAX_NAMES} is the most, which is fixed")]
    TooMany { what: &'static str, count: usize },
    #[error(
        "has a {what} of {length} bytes or with control characters: {MAX_TEXT} bytes of plain text is the most, which is fixed"
    )]
    Text { what: &'static str, length: usize },
    #[error("names no handler: annotate a function with `#[handler]` and list it in `plugin!(…)`")]
    NoHandlers,
    #[error(
        "says that the handler `{handler}` is a `{trigger}`, which this version does not know: it has \
         `webhook`, `consumer` and `schedule`",
        handler = crate::text::clip(handler, 80),
        trigger = crate::text::clip(trigger, 80)
    )]
    Trigger { handler: String, trigger: String },
    #[error("names kinds for the handler `{handler}`: only a webhook's events have a kind")]
    Kinds { handler: String },
    #[error(
        "names something of the capability `{capability}`, which this version does not have: \
         update Hookyard, or build the plugin with the SDK of this version",
        capability = crate::text::clip(capability, 80)
    )]
    Capability { capability: String },
}

/// In place of a connection's name: every one that is granted, as the plugin's settings say which.
pub const ANY_CONNECTION: &str = "*";

impl Manifest {
    /// Checks what a plugin said.
    pub(crate) fn check(self) -> Result<Self, InvalidManifest> {
        name("plugin", &self.name)?;
        text("version", &self.version)?;
        if self.handlers.is_empty() {
            return Err(InvalidManifest::NoHandlers);
        }
        few("handler", self.handlers.len())?;
        for handler in &self.handlers {
            name("handler", &handler.name)?;
            text("description", &handler.description)?;
            few("kind", handler.kinds.len())?;
            handler.kinds.iter().try_for_each(|kind| text("kind", kind))?;
            if handler.trigger != Trigger::Webhook && !handler.kinds.is_empty() {
                return Err(InvalidManifest::Kinds { handler: handler.name.clone() });
            }
        }
        few("setting", self.settings.len())?;
        for setting in &self.settings {
            text("setting", &setting.name)?;
            if setting.name.is_empty() {
                return Err(InvalidManifest::Name { what: "setting", name: String::new() });
            }
        }
        if let Some(Need { capability, .. }) =
            self.uses.iter().find(|need| !NAMED.iter().any(|(named, _)| *named == need.capability))
        {
            return Err(InvalidManifest::Capability { capability: capability.clone() });
        }
        for (capability, what) in NAMED {
            few(what, self.uses_of(capability).count())?;
            self.uses_of(capability)
                .filter(|used| (capability, *used) != ("connection", ANY_CONNECTION))
                .try_for_each(|used| name(what, used))?;
            once(what, self.uses_of(capability))?;
        }
        once("handler", self.handlers.iter().map(|handler| handler.name.as_str()))?;
        once("setting", self.settings.iter().map(|setting| setting.name.as_str()))?;
        Ok(self)
    }

    /// The handler of this name.
    pub fn handler(&self, name: &str) -> Option<&HandlerInfo> {
        self.handlers.iter().find(|handler| handler.name == name)
    }

    /// The names that it uses of a capability.
    pub fn uses_of(&self, capability: &str) -> impl Iterator<Item = &str> {
        let of = self.uses.iter().filter(move |need| need.capability == capability);
        of.map(|need| need.name.as_str())
    }

    /// Whether its component imports the interface of this name.
    pub fn imports(&self, interface: &str) -> bool {
        self.imports.contains(interface)
    }
}

fn name(what: &'static str, name: &str) -> Result<(), InvalidManifest> {
    if HandlerName::is_valid_part(name) {
        return Ok(());
    }
    Err(InvalidManifest::Name { what, name: name.to_owned() })
}

fn text(what: &'static str, text: &str) -> Result<(), InvalidManifest> {
    if text.len() <= MAX_TEXT && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(InvalidManifest::Text { what, length: text.len() })
}

fn few(what: &'static str, count: usize) -> Result<(), InvalidManifest> {
    if count <= MAX_NAMES { Ok(()) } else { Err(InvalidManifest::TooMany { what, count }) }
}

fn once<'a>(
    what: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), InvalidManifest> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(InvalidManifest::Twice { what, name: name.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let handler = HandlerInfo {
            name: "record".into(),
            trigger: Trigger::Webhook,
            kinds: vec!["push".into()],
            description: "Records pushes.".into(),
        };
        Manifest {
            name: "github-push".into(),
            version: "0.1.0".into(),
            handlers: vec![handler],
            settings: vec![Setting { name: "branch".into(), required: false }],
            uses: vec![need("kv", "customers"), need("queue", "customers")],
            imports: ["kv".to_owned()].into(),
        }
    }

    fn need(capability: &str, name: &str) -> Need {
        Need { capability: capability.into(), name: name.into() }
    }

    #[test]
    fn an_ordinary_manifest_is_accepted() {
        assert_eq!(manifest().check(), Ok(manifest()));
        let any = Manifest { uses: vec![need("connection", ANY_CONNECTION)], ..manifest() };
        assert_eq!(any.clone().check(), Ok(any));
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        type Change = fn(&mut Manifest);
        let cases: [(&str, Change); 14] = [
            ("the plugin `../x`", |m| m.name = "../x".into()),
            ("the handler `A`", |m| m.handlers[0].name = "A".into()),
            ("handler `record` twice", |m| m.handlers.push(m.handlers[0].clone())),
            ("setting `branch` twice", |m| m.settings.push(m.settings[0].clone())),
            ("the shared namespace `A b`", |m| m.uses = vec![need("kv", "A b")]),
            ("shared namespace `customers` twice", |m| m.uses.push(need("kv", "customers"))),
            ("the topic `A b`", |m| m.uses = vec![need("queue", "A b")]),
            ("the topic `*`", |m| m.uses = vec![need("queue", "*")]),
            ("the capability `teleport`", |m| m.uses = vec![need("teleport", "x")]),
            ("kinds for the handler `record`", |m| m.handlers[0].trigger = Trigger::Consumer),
            ("300 handlers", |m| m.handlers = vec![m.handlers[0].clone(); 300]),
            ("a description of 2 bytes", |m| m.handlers[0].description = "a\n".into()),
            ("a kind of 999 bytes", |m| m.handlers[0].kinds = vec!["k".repeat(999)]),
            ("names no handler", |m| m.handlers.clear()),
        ];
        for (expected, change) in cases {
            let mut manifest = manifest();
            change(&mut manifest);
            let error = manifest.check().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        }
    }
}
