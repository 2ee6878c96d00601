//! Reads `provider`: the name of a known sender, or a table with its name and settings.

use hookyard_verify::Profile;
use toml::de::DeValue;

use super::diagnostic::Span;
use super::model::{Setting, SettingValue, Verify};
use super::reader::{Entry, Problems, bare, nearest, show};
use super::references::{self, PathParams};
use super::scheme::{self, ReadVerify};

/// Nothing when no sender is known by that name. What else is wrong is noted.
pub(super) fn read(
    entry: &Entry<'_>,
    params: Option<&PathParams>,
    problems: &mut Problems,
) -> Option<ReadVerify> {
    let DeValue::Table(entries) = entry.value else {
        let DeValue::String(name) = entry.value else {
            let expected = "a provider's name or a table";
            problems.wrong_type(entry, expected, "\"github\"");
            return None;
        };
        let profile = known(name, entry, problems)?;
        missing_settings(profile, &[], &entry.span, problems);
        let verify = Verify::Profile(profile, Vec::new());
        return Some(ReadVerify { verify, span: entry.span.clone(), settings: Vec::new() });
    };
    let members = entries.iter().map(|(key, value)| Entry {
        key: key.get_ref(),
        key_span: key.span(),
        span: value.span(),
        value: value.get_ref(),
    });
    let members: Vec<Entry<'_>> = members.collect();
    let Some(name) = members.iter().find(|member| member.key == "name") else {
        // What the other keys mean depends on it, and one may be meant to be secret.
        problems.hide(entry.span.clone());
        problems
            .error(entry.span.clone(), "`provider` does not say which one: it has no `name`")
            .help("for example `provider = { name = \"aws-sns\", topic_arn = \"arn:…\" }`");
        return None;
    };
    let text = problems.text(name, "\"github\"")?;
    let Some(profile) = known(text, name, problems) else {
        members.iter().filter(|member| member.key != "name").for_each(|member| {
            problems.hide(member.span.clone());
        });
        return None;
    };
    let mut settings: Vec<(Setting, Span)> = Vec::new();
    let mut given: Vec<&str> = Vec::new();
    for member in members.iter().filter(|member| member.key != "name") {
        given.push(member.key);
        settings.extend(setting(profile, member, params, problems));
    }
    missing_settings(profile, &given, &name.span, problems);
    let (settings, places) = settings.into_iter().unzip();
    let verify = Verify::Profile(profile, settings);
    Some(ReadVerify { verify, span: name.span.clone(), settings: places })
}

/// The profile of this name.
fn known(name: &str, entry: &Entry<'_>, problems: &mut Problems) -> Option<&'static Profile> {
    let found = hookyard_verify::profile(name).ok();
    if found.is_none() {
        let known: Vec<&str> = hookyard_verify::profiles().iter().map(|p| p.name).collect();
        let draft =
            problems.error(entry.span.clone(), format!("no provider is called {}", show(name)));
        match nearest(name, known.iter().copied()) {
            Some(near) => draft.label(format!("did you mean \"{near}\"?")),
            None => draft.label("not known").help(format!("known are {}", known.join(", "))),
        };
        draft.help(format!(
            "for other senders describe the signature: `verify = {}`",
            scheme::EXAMPLE
        ));
    }
    found
}

fn setting(
    profile: &'static Profile,
    member: &Entry<'_>,
    params: Option<&PathParams>,
    problems: &mut Problems,
) -> Option<(Setting, Span)> {
    let Some(known) = profile.settings.iter().find(|setting| setting.name == member.key) else {
        // Nobody knows what it is: it may be a secret with a slip in its name.
        problems.hide(member.span.clone());
        let name = bare(member.key);
        let message = format!("{} has no setting `{name}`", profile.title);
        let draft = problems.error(member.key_span.clone(), message);
        let names: Vec<&str> = profile.settings.iter().map(|setting| setting.name).collect();
        if let Some(near) = nearest(member.key, names.iter().copied()) {
            draft.label(format!("did you mean `{near}`?"));
        }
        match names.as_slice() {
            [] => draft.help(format!(
                "it has none: `provider = \"{}\"` is all, and keys of the route go beside it",
                profile.name
            )),
            names => draft.help(format!("its settings are `{}`", names.join("`, `"))),
        };
        return None;
    };
    let (value, place) = if known.secret {
        let (reference, place) = references::secret(member, params, problems)?;
        (SettingValue::Secret(reference), place)
    } else if let Some(only) = known.only {
        agreed(known, only, member, problems)?;
        (SettingValue::Text(only.to_owned()), member.span.clone())
    } else {
        let text = problems.text(member, "\"…\"")?;
        if text.trim().is_empty() {
            problems
                .error(member.span.clone(), format!("`{}` is empty", known.name))
                .help(format!("it is {}", known.summary));
            return None;
        }
        (SettingValue::Text(text.to_owned()), member.span.clone())
    };
    Some((Setting { name: known.name, value }, place))
}

/// Notes when what has to be agreed to is not. As a boolean it reads better, and text is what other
/// settings are.
fn agreed(
    known: &hookyard_verify::Setting,
    only: &str,
    member: &Entry<'_>,
    problems: &mut Problems,
) -> Option<()> {
    let said = match member.value {
        DeValue::Boolean(value) => value.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => String::new(),
    };
    if said == only {
        return Some(());
    }
    problems
        .error(member.span.clone(), format!("`{}` can only be {only}", known.name))
        .help(known.summary);
    None
}

/// `given` are the names that are there, whatever their values are.
fn missing_settings(
    profile: &'static Profile,
    given: &[&str],
    span: &Span,
    problems: &mut Problems,
) {
    let is_missing =
        |setting: &&hookyard_verify::Setting| setting.required && !given.contains(&setting.name);
    let missing = || profile.settings.iter().filter(is_missing);
    let written = missing().map(|setting| {
        let value = match (setting.only, setting.secret) {
            (Some(only), _) => only,
            (None, true) => "{ env = \"…\" }",
            (None, false) => "\"…\"",
        };
        format!(", {} = {value}", setting.name)
    });
    let written = written.collect::<String>();
    for setting in missing() {
        let (title, name) = (profile.title, setting.name);
        problems
            .error(span.clone(), format!("{title} needs the setting `{name}`"))
            .label(format!("needs `{name}`"))
            .help(match setting.only {
                Some(_) => setting.summary.to_owned(),
                None => format!("it is {}", setting.summary),
            })
            .help(format!("write `provider = {{ name = \"{}\"{written} }}`", profile.name));
    }
}
