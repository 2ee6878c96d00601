//! Reads what a route's requests are checked with: `secret` and `public_key`.

use hookyard_verify::{Profile, Scheme, Takes};
use toml::de::DeValue;

use super::diagnostic::Span;
use super::model::{Key, Verify};
use super::reader::{Entry, Problems, Table};
use super::references::{self, PathParams};
use super::scheme::scheme_of;

/// Secrets, or public keys, that a route may have at one time.
const MOST: usize = 10;

/// Longer than any public key as it is written down.
const LONGEST_PUBLIC_KEY: usize = 16 << 10;

const SECRET_EXAMPLE: &str = "{ env = \"WEBHOOK_SECRET\" }";
const PUBLIC_KEY_EXAMPLE: &str = "\"…\"";

/// The key of the route's table under which something was found, and where.
pub(super) type KeyPlace = (&'static str, Span);

/// Everything under both keys of the table, `secret` first. Without `verify`, which is wrong then,
/// nothing is said about what it needs.
pub(super) fn keys(
    table: &Table<'_>,
    verify: Option<&Verify>,
    params: Option<&PathParams>,
    problems: &mut Problems,
) -> Vec<(Key, KeyPlace)> {
    let secret = table.entry("secret");
    let public_key = table.entry("public_key");
    if let Some(verify) = verify {
        fit(table, verify, [secret.as_ref(), public_key.as_ref()], problems);
    }
    let mut keys = Vec::new();
    for entry in secret.iter().chain(&public_key) {
        list(entry, params, &mut keys, problems);
    }
    keys
}

/// Notes what is there and of no use, and what is not there and needed.
fn fit(
    table: &Table<'_>,
    verify: &Verify,
    [secret, public_key]: [Option<&Entry<'_>>; 2],
    problems: &mut Problems,
) {
    let takes = takes(scheme_of(verify));
    let profile = verify.profile();
    let title = profile.map_or("the sender", |profile| profile.title);
    if takes.is_empty() {
        for entry in secret.into_iter().chain(public_key) {
            let key = entry.key;
            let draft = problems.error(
                entry.key_span.clone(),
                format!("the route has a `{key}` and checks nothing with it"),
            );
            draft.help(match profile {
                None => {
                    format!("remove `{key}`, or say how it is used instead of `verify = \"none\"`")
                }
                Some(Profile { scheme: Scheme::None, .. }) => {
                    format!("remove `{key}`: {title} sends nothing that could be checked")
                }
                Some(_) => format!("remove `{key}`: the keys of {title} are fetched from {title}"),
            });
        }
        return;
    }
    let is_public = takes.contains(&Takes::PublicKey);
    if let Some(entry) = public_key
        && !is_public
    {
        problems
            .error(entry.key_span.clone(), format!("{title} does not sign with a key pair"))
            .label("no public key is of use here")
            .help(format!("write the secret that is shared with it: `secret = {SECRET_EXAMPLE}`"));
    }
    let taught = profile.is_some_and(|profile| profile.teaches_secret());
    if secret.is_some() || public_key.is_some() || taught {
        return;
    }
    if is_public {
        problems
            .error(table.span.clone(), "the route has no `public_key` to check signatures with")
            .help(format!(
                "write the public key that {title} shows: `public_key = {PUBLIC_KEY_EXAMPLE}`, or \
                 where it is: `public_key = {{ file = \"/etc/hookyard/webhook.pem\" }}`"
            ));
        return;
    }
    problems.error(table.span.clone(), "the route has no `secret` to check signatures with").help(
        "say where it is: `secret = { env = \"WEBHOOK_SECRET\" }`, `{ file = \
             \"/run/secrets/webhook\" }` or `{ credential = \"webhook\" }` (systemd)",
    );
}

/// What the scheme, or one of its alternatives, has to be given; empty when nothing is.
fn takes(scheme: &Scheme) -> Vec<Takes> {
    let schemes = match scheme {
        Scheme::FirstOf(schemes) => schemes.as_ref(),
        one => std::slice::from_ref(one),
    };
    // One that cannot be set up is reported where it is read.
    let takes = schemes.iter().filter_map(|scheme| scheme.takes().ok());
    takes.filter(|takes| *takes != Takes::Nothing).collect()
}

/// One key or a list of them.
fn list(
    entry: &Entry<'_>,
    params: Option<&PathParams>,
    keys: &mut Vec<(Key, KeyPlace)>,
    problems: &mut Problems,
) {
    let public = entry.key == "public_key";
    let (name, example) = match public {
        true => ("public_key", PUBLIC_KEY_EXAMPLE),
        false => ("secret", SECRET_EXAMPLE),
    };
    for element in problems.one_or_many(entry) {
        let span = element.span.clone();
        let read = match element.value {
            DeValue::String(text) if public => written(text, &element, problems),
            DeValue::Table(_) => references::secret(&element, params, problems)
                .map(|(reference, place)| (Key::At(reference), place)),
            _ if public => {
                problems.wrong_type(&element, "a public key or a reference", PUBLIC_KEY_EXAMPLE);
                None
            }
            // Says what a secret has to be.
            _ => references::secret(&element, params, problems)
                .map(|(reference, place)| (Key::At(reference), place)),
        };
        let Some((key, place)) = read else { continue };
        if keys.iter().any(|(listed, _)| *listed == key) {
            let what = match &key {
                Key::At(reference) => format!("{reference:?}"),
                Key::Public(_) => "this key".to_owned(),
            };
            problems.error(span, format!("`{name}` lists {what} twice"));
        }
        keys.push((key, (name, place)));
    }
    let DeValue::Array(list) = entry.value else { return };
    if list.is_empty() {
        problems
            .error(entry.span.clone(), format!("`{name}` is empty: nothing could match"))
            .help(format!("for example `{name} = {example}`"));
    } else if list.len() > MOST {
        let several = if public { "public keys" } else { "secrets" };
        problems
            .error(entry.span.clone(), format!("a route has at most {MOST} {several}"))
            .help("each is tried in turn; remove those that are no longer in use");
    }
}

/// A public key in the file itself. White space round it is how TOML writes several lines.
fn written(text: &str, element: &Entry<'_>, problems: &mut Problems) -> Option<(Key, Span)> {
    let key = text.trim();
    if key.contains("PRIVATE KEY") || key.starts_with("whsk_") {
        problems.hide(element.span.clone());
        problems
            .error(element.span.clone(), "this is a private key, which nobody but its owner has")
            .label("not shown here")
            .help("the public half of it belongs here")
            .help("if this was a real key, treat it as known and make a new one");
        return None;
    }
    if key.is_empty() || key.len() > LONGEST_PUBLIC_KEY {
        problems.invalid(element, "this cannot be a public key", PUBLIC_KEY_EXAMPLE);
        return None;
    }
    Some((Key::Public(key.to_owned()), element.span.clone()))
}
