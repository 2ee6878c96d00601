//! The documentation of the senders is made from the table of senders, and is up to date.

#![allow(clippy::indexing_slicing, reason = "a panic is the failure that a test reports")]

mod vector;

use std::fmt::Write as _;
use std::path::Path;

use hookyard_verify::handshake::Proof;
use hookyard_verify::{Location, Profile, Setting, Takes, profile, profiles};

use vector::Vector;

/// The part of a configuration that a sender needs.
fn snippet(profile: &Profile) -> String {
    let mut snippet = String::new();
    if profile.scheme.signs_url() {
        snippet.push_str("[server]\npublic_url = \"https://hooks.example.com\"\n\n");
    }
    let name = profile.name;
    let variable = name.to_uppercase().replace('-', "_");
    let required: Vec<&Setting> = profile.settings.iter().filter(|s| s.required).collect();
    let provider = match required.as_slice() {
        [] => format!("\"{name}\""),
        settings => {
            let values = settings.iter().map(|setting| match (setting.only, setting.secret) {
                (Some(only), _) => format!(", {} = {only}", setting.name),
                (None, true) => {
                    let name = setting.name.to_uppercase();
                    format!(", {} = {{ env = \"{variable}_{name}\" }}", setting.name)
                }
                (None, false) => format!(", {} = \"{}\"", setting.name, example(setting.name)),
            });
            format!("{{ name = \"{name}\"{} }}", values.collect::<String>())
        }
    };
    let _ = writeln!(snippet, "[[route]]\npath = \"/hooks/{name}\"\nprovider = {provider}");
    let _ = match profile.scheme.takes().expect(name) {
        Takes::Nothing => Ok(()),
        _ if profile.teaches_secret() => Ok(()),
        Takes::PublicKey => writeln!(snippet, "public_key = {{ env = \"{variable}_PUBLIC_KEY\" }}"),
        Takes::Secret => writeln!(snippet, "secret = {{ env = \"{variable}_SECRET\" }}"),
    };
    snippet.push_str("handlers = [\"orders/record\"]\n");
    snippet
}

/// What a setting looks like.
fn example(setting: &str) -> &'static str {
    match setting {
        "topic_arn" => "arn:aws:sns:us-east-1:123456789012:orders",
        "jwks_url" => "https://keys.example.com/jwks.json",
        "audience" => "https://hooks.example.com/hooks/google-pubsub",
        "email" => "push@project.iam.gserviceaccount.com",
        _ => "the-value",
    }
}

/// What a sender can be told, and what it asks before it sends.
fn particulars(profile: &Profile) -> String {
    let mut lines = String::new();
    for setting in profile.settings {
        let need = match (setting.required, setting.only_with) {
            (true, _) => "required".to_owned(),
            (false, None) => "optional".to_owned(),
            (false, Some((other, value))) => format!("only with `{other} = \"{value}\"`"),
        };
        let kind = if setting.secret { ", a secret" } else { "" };
        let _ = writeln!(lines, "- `{}` ({need}{kind}): {}", setting.name, setting.summary);
    }
    for rule in profile.handshakes {
        let proof = match rule.proof {
            Proof::Signature => "signed as events are",
            Proof::MaybeSigned => "signed or not",
            Proof::Shows(..) => "shows a token",
            Proof::Teaches(_) => "brings the secret, taken while the route is armed",
            Proof::Sealed(..) => "encrypted with the secret",
            Proof::Nothing => "not signed",
        };
        let _ =
            writeln!(lines, "- handshake *{}*, {proof}: answered with {}", rule.name, rule.status);
    }
    if lines.is_empty() { lines } else { format!("\n{lines}") }
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
            "\n### {title}\n\n{}\n{}\n```toml\n{}```",
            profile.summary,
            particulars(profile),
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
fn the_readme_and_the_changelog_count_as_many() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let count = profiles().len();
    let says = |file: &str, words: String| {
        let text = std::fs::read_to_string(root.join(file)).expect(file);
        assert!(text.contains(&words), "{file} does not say: {words}");
    };
    says("README.md", format!("{count} senders are known by name"));
    says("CHANGELOG.md", format!("Verification of {count} senders by name"));
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
