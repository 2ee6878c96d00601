//! What a plugin says that it is, and the rules that its words keep.

use hookyard_types::HandlerName;

/// The most handlers or settings that a manifest may name.
const MAX_NAMES: usize = 256;
/// The longest version, description, kind or setting name, in bytes.
const MAX_TEXT: usize = 256;

/// What a plugin says that it is, checked: names are valid, no handler or setting appears twice, no
/// text is longer than 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The plugin's name in config.toml.
    pub name: String,
    pub version: String,
    pub handlers: Vec<HandlerInfo>,
    pub settings: Vec<Setting>,
    /// Whether its component imports `kv`.
    pub kv: bool,
    /// The shared namespaces of `kv` that it names.
    pub shared: Vec<String>,
}

/// A handler, as its plugin describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerInfo {
    /// The part after the slash in `plugin/handler`.
    pub name: String,
    /// The kinds that it wants; empty for all.
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
}

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
        }
        few("setting", self.settings.len())?;
        for setting in &self.settings {
            text("setting", &setting.name)?;
            if setting.name.is_empty() {
                return Err(InvalidManifest::Name { what: "setting", name: String::new() });
            }
        }
        few("shared namespace", self.shared.len())?;
        self.shared.iter().try_for_each(|shared| name("shared namespace", shared))?;
        once("shared namespace", self.shared.iter().map(String::as_str))?;
        once("handler", self.handlers.iter().map(|handler| handler.name.as_str()))?;
        once("setting", self.settings.iter().map(|setting| setting.name.as_str()))?;
        Ok(self)
    }

    /// The handler of this name.
    pub fn handler(&self, name: &str) -> Option<&HandlerInfo> {
        self.handlers.iter().find(|handler| handler.name == name)
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
            kinds: vec!["push".into()],
            description: "Records pushes.".into(),
        };
        Manifest {
            name: "github-push".into(),
            version: "0.1.0".into(),
            handlers: vec![handler],
            settings: vec![Setting { name: "branch".into(), required: false }],
            kv: true,
            shared: vec!["customers".into()],
        }
    }

    #[test]
    fn an_ordinary_manifest_is_accepted() {
        assert_eq!(manifest().check(), Ok(manifest()));
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        type Change = fn(&mut Manifest);
        let cases: [(&str, Change); 10] = [
            ("the plugin `../x`", |m| m.name = "../x".into()),
            ("the handler `A`", |m| m.handlers[0].name = "A".into()),
            ("handler `record` twice", |m| m.handlers.push(m.handlers[0].clone())),
            ("setting `branch` twice", |m| m.settings.push(m.settings[0].clone())),
            ("the shared namespace `A b`", |m| m.shared = vec!["A b".into()]),
            ("shared namespace `customers` twice", |m| m.shared.push("customers".into())),
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
