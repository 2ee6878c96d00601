//! The documentation of the senders is made from the table of senders, and is up to date.

#![allow(clippy::indexing_slicing, reason = "a panic is the failure that a test reports")]

mod vector;

use std::fmt::Write as _;
use std::path::Path;

use hookyard_verify::{Location, Profile, Takes, profile, profiles};

use vector::Vector;

/// The part of a configuration that a sender needs.
fn snippet(profile: &Profile) -> String {
    let mut snippet = String::new();
    if profile.scheme.signs_url() {
        snippet.push_str("[server]\npublic_url = \"https://hooks.example.com\"\n\n");
    }
    let name = profile.name;
    let variable = name.to_uppercase().replace('-', "_");
    let _ = writeln!(snippet, "[[route]]\npath = \"/hooks/{name}\"");
    let settings: Vec<String> = profile
        .settings
        .iter()
        .filter(|setting| setting.required)
        .map(|setting| match (setting.name, setting.secret) {
            (name, _) if setting.only.is_some() => {
                format!("{name} = {}", setting.only.unwrap_or_default())
            }
            (name, true) => format!("{name} = {{ env = \"{variable}_{}\" }}", name.to_uppercase()),
            (name, false) => format!("{name} = \"…\""),
        })
        .collect();
    let _ = match settings.as_slice() {
        [] => writeln!(snippet, "provider = \"{name}\""),
        _ => {
            writeln!(snippet, "provider = {{ name = \"{name}\", {} }}", settings.join(", "))
        }
    };
    let _ = match profile.scheme.takes().expect(name) {
        // It is told in a handshake.
        Takes::Secret if profile.teaches_secret() => Ok(()),
        Takes::Secret => writeln!(snippet, "secret = {{ env = \"{variable}_SECRET\" }}"),
        Takes::PublicKey => writeln!(snippet, "public_key = {{ env = \"{variable}_PUBLIC_KEY\" }}"),
        Takes::Nothing => Ok(()),
    };
    snippet.push_str("handlers = [\"orders/record\"]\n");
    snippet
}

/// What can be said besides the secret.
fn settings(profile: &Profile) -> String {
    let mut text = String::new();
    for setting in profile.settings {
        let need = if setting.required { "required" } else { "optional" };
        let _ = write!(text, "\n\n`{}`, {need}: {}.", setting.name, setting.summary);
    }
    text
}

/// The documentation of all senders.
fn documentation() -> String {
    let places = |locations: &[Location]| match locations {
        [] => "none".to_owned(),
        _ => locations.iter().map(|at| format!("`{at}`")).collect::<Vec<_>>().join(", else "),
    };
    let mut table = String::new();
    let mut sections = String::new();
    let (mut passed, mut refused) = (0, 0);
    for profile in profiles() {
        let Profile { name, title, .. } = profile;
        let vectors = Vector::read(name);
        let decided = vectors.iter().filter(|vector| vector.0["ambiguous"] != true);
        let (valid, invalid): (Vec<_>, Vec<_>) = decided.partition(|vector| vector.valid());
        let (valid, invalid) = (valid.len(), invalid.len());
        (passed, refused) = (passed + valid, refused + invalid);
        let _ = writeln!(
            table,
            "| {title} | `{name}` | {} | {valid} | {invalid} | {} | {} |",
            profile.scheme.to_string().replace('|', "\\|"),
            places(profile.kind),
            places(profile.delivery_id)
        );
        let _ = writeln!(
            sections,
            "\n### {title}\n\n{}{}\n\n```toml\n{}```",
            profile.summary,
            settings(profile),
            snippet(profile)
        );
    }
    include_str!("providers.md.in")
        .replace("{count}", &profiles().len().to_string())
        .replace("{passed}", &passed.to_string())
        .replace("{refused}", &refused.to_string())
        .replace("{table}", table.trim_end())
        .replace("{sections}", sections.trim())
}

#[test]
fn the_documentation_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let right = documentation();
    if std::env::var_os("HOOKYARD_WRITE_DOCS").is_some() {
        std::fs::write(&path, &right).expect("docs/providers.md");
    }
    let found = std::fs::read_to_string(&path).expect("docs/providers.md");
    assert!(
        found == right,
        "docs/providers.md is not what the table says: run this test with HOOKYARD_WRITE_DOCS=1"
    );
}

#[test]
fn every_snippet_is_a_configuration_of_its_sender() {
    for block in documentation().split("```toml\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a closed block");
        let parsed: toml::Table = block.parse().expect(block);
        let route = parsed["route"][0].as_table().expect("a route");
        let provider = &route["provider"];
        let name = provider.as_str().or_else(|| provider["name"].as_str()).expect("a name");
        let known = profile(name).expect(name);
        assert_eq!(parsed.contains_key("server"), known.scheme.signs_url(), "{name}");
        assert!(route["path"].is_str(), "{name}");
        let there = |key: &str| route.get(key).is_some_and(|key| key["env"].is_str());
        let takes = known.scheme.takes().expect(name);
        let configured = takes == Takes::Secret && !known.teaches_secret();
        assert_eq!(there("secret"), configured, "{name}");
        assert_eq!(there("public_key"), takes == Takes::PublicKey, "{name}");
        for setting in known.settings.iter().filter(|setting| setting.required) {
            assert!(provider.get(setting.name).is_some(), "{name}: {}", setting.name);
        }
    }
}
