//! Reads how a route checks what it receives: `provider` or `verify`.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use hookyard_verify::{
    Algorithm, Encoding, KeyForm, Layout, Piece, Scheme, SetupError, SignatureAlgorithm, Template,
    TemplateScheme, TimestampFormat, TimestampPlace, TimestampRule, Verifier,
};
use toml::de::DeValue;

use super::diagnostic::Span;
use super::keys::{self, Keys};
use super::model::Verify;
use super::provider;
use super::reader::{Entry, Problems, Table, nearest, show};
use super::references::PathParams;

pub(super) const EXAMPLE: &str = "{ hmac = \"sha256\", header = \"x-signature\" }";

/// How a route is verified, and the places that later checks point at.
#[derive(Debug)]
pub(super) struct ReadVerify {
    pub(super) verify: Verify,
    /// The provider's name, or what stands for it.
    pub(super) span: Span,
    /// Those of [`Verify::settings`].
    pub(super) settings: Vec<Span>,
}

/// Exactly one of `provider` and `verify`; nothing when what is there cannot be used.
pub(super) fn verify(
    route: &Table<'_>,
    params: Option<&PathParams>,
    problems: &mut Problems,
) -> Option<ReadVerify> {
    match (route.entry("provider"), route.entry("verify")) {
        (Some(entry), None) => provider::read(&entry, params, problems),
        (None, Some(entry)) => {
            let verify = written(&entry, problems)?;
            Some(ReadVerify { verify, span: entry.span, settings: Vec::new() })
        }
        (Some(provider), Some(verify)) => {
            problems
                .error(verify.key_span, "a route has `provider` or `verify`, not both")
                .also(provider.key_span, "the provider's way of signing is known")
                .help("remove one of the two");
            None
        }
        (None, None) => {
            problems
                .error(route.span.clone(), "the route does not say how it is verified")
                .label("needs `provider` or `verify`")
                .help(
                    "write `provider = \"github\"`, or a scheme of your own: `verify = { hmac \
                     = \"sha256\", header = \"x-signature\" }`",
                )
                .help("`verify = \"none\"` takes anything from anyone");
            None
        }
    }
}

/// Whether what is signed has the public URL in it.
pub(super) fn signs_url(verify: &Verify) -> bool {
    scheme_of(verify).signs_url()
}

/// What a profile or a written scheme checks.
pub(super) fn scheme_of(verify: &Verify) -> &Scheme {
    match verify {
        Verify::Profile(profile, _) => profile.scheme,
        Verify::Scheme(scheme) => scheme,
        Verify::None => &Scheme::None,
    }
}

fn written(entry: &Entry<'_>, problems: &mut Problems) -> Option<Verify> {
    match entry.value {
        DeValue::String(text) if text == "none" => Some(Verify::None),
        DeValue::String(text) => {
            problems.hide(entry.span.clone());
            let draft = problems.error(entry.span.clone(), "`verify` is \"none\" or a table");
            draft.help(format!("for example `verify = {EXAMPLE}`"));
            if hookyard_verify::profile(text).is_ok() {
                draft.help(format!("for that sender write `provider = {}`", show(text)));
            }
            None
        }
        DeValue::Table(entries) => {
            let kinds: [(&str, &'static Keys); 5] = [
                ("hmac", &keys::HMAC),
                ("key_pair", &keys::KEY_PAIR),
                ("token", &keys::TOKEN),
                ("bearer", &keys::BEARER),
                ("basic", &keys::BASIC),
            ];
            let mut found = kinds.iter().filter(|(word, _)| entries.contains_key(*word));
            let (Some((word, keys)), None) = (found.next(), found.next()) else {
                let near = entries.iter().find_map(|(key, _)| {
                    nearest(key.get_ref(), kinds.iter().map(|(word, _)| *word))
                });
                let what =
                    "`verify` needs exactly one of `hmac`, `key_pair`, `token`, `bearer`, `basic`";
                let draft = problems.error(entry.span.clone(), what);
                match near {
                    Some(near) if !entries.contains_key(near) => {
                        draft.label(format!("did you mean `{near}`?"))
                    }
                    _ => draft.help(format!("for example `verify = {EXAMPLE}`")),
                };
                draft.help(
                    "the others are `{ key_pair = \"ed25519\", header = \"x-signature\" }`, `{ token = \"x-webhook-token\" }`, `{ bearer = true }`, \
                     `{ basic = \"user\" }`",
                );
                // Whatever else is in it may be the secret.
                problems.hide(entry.span.clone());
                return None;
            };
            let table = Table::of(entries, entry.span.clone(), keys, problems);
            let scheme = match *word {
                "hmac" => Scheme::Template(hmac(&table, problems)?),
                "key_pair" => Scheme::Template(key_pair(&table, problems)?),
                "token" => Scheme::Token { header: header(&table, "token", problems)? },
                "bearer" => {
                    let entry = table.entry("bearer")?;
                    if !problems.boolean(&entry)? {
                        problems
                            .error(entry.span, "`bearer` can only be true")
                            .help("a route that takes anything says `verify = \"none\"`");
                        return None;
                    }
                    Scheme::Bearer
                }
                _ => Scheme::Basic { user: user(&table, problems)? },
            };
            Some(Verify::Scheme(scheme))
        }
        _ => {
            problems.wrong_type(entry, "\"none\" or a table", EXAMPLE);
            None
        }
    }
}

fn user(table: &Table<'_>, problems: &mut Problems) -> Option<Cow<'static, str>> {
    let entry = table.entry("basic")?;
    let user = problems.text(&entry, "\"user\"")?;
    if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
        problems.hide(entry.span.clone());
        problems
            .invalid(&entry, "a user name is not empty and has no colon in it", "\"user\"")
            .help("the password goes to `secret`, as a reference");
        return None;
    }
    Some(Cow::Owned(user.to_owned()))
}

fn hmac(table: &Table<'_>, problems: &mut Problems) -> Option<TemplateScheme> {
    let algorithm = word::<Algorithm>(table, "hmac", Algorithm::NAMES, problems);
    let key = key_form(table, problems);
    let scheme = algorithm.map(|algorithm| TemplateScheme::new(algorithm, ""));
    template(table, scheme.map(|scheme| TemplateScheme { key, ..scheme }), problems)
}

fn key_pair(table: &Table<'_>, problems: &mut Problems) -> Option<TemplateScheme> {
    let names = SignatureAlgorithm::NAMES;
    let algorithm = word::<SignatureAlgorithm>(table, "key_pair", names, problems);
    template(table, algorithm.map(|algorithm| TemplateScheme::key_pair(algorithm, "")), problems)
}

/// The scheme with what else the table says of it; nothing when there is none or it makes no sense.
fn template(
    table: &Table<'_>,
    scheme: Option<TemplateScheme>,
    problems: &mut Problems,
) -> Option<TemplateScheme> {
    if table.entry("header").is_none() {
        problems
            .error(table.span.clone(), "`verify` does not say which `header` carries the signature")
            .help("for example `header = \"x-signature\"`");
    }
    let name = header(table, "header", problems);
    let encoding = word::<Encoding>(table, "encoding", Encoding::NAMES, problems);
    let signed = signed(table, problems);
    let layout = layout(table, problems);
    let timestamp = timestamp(table, problems);
    let id_header = header(table, "id_header", problems);
    let prefix = table.entry("prefix").and_then(|entry| problems.text(&entry, "\"sha256=\""));

    let before = problems.drafts.len();
    let pieces = signed.as_ref().map(|template| template.pieces().to_vec()).unwrap_or_default();
    let has_timestamp =
        table.entry("timestamp_header").is_some() || table.entry("timestamp_entry").is_some();
    let signed_span = table.entry("signed").map_or(table.span.clone(), |entry| entry.span);
    if pieces.contains(&Piece::Timestamp) && !has_timestamp {
        problems
            .error(
                signed_span.clone(),
                "`signed` has a {timestamp} and `verify` does not say where it is",
            )
            .help("add `timestamp_header = \"x-timestamp\"`, the header that carries it");
    }
    if has_timestamp && signed.is_some() && !pieces.contains(&Piece::Timestamp) {
        problems
            .error(
                signed_span.clone(),
                "the timestamp is not part of `signed`, so anyone can change it",
            )
            .help("for example `signed = \"{timestamp}.{body}\"`");
    }
    if pieces.contains(&Piece::Id) && table.entry("id_header").is_none() {
        problems
            .error(
                signed_span.clone(),
                "`signed` has an {id} and `verify` does not say where it is",
            )
            .help("add `id_header = \"x-request-id\"`, the header that carries it");
    }
    let covers_body = |piece: &Piece| matches!(piece, Piece::Body | Piece::BodySha256);
    if signed.is_some() && !pieces.iter().any(covers_body) {
        problems.warning(signed_span, "the signature does not cover the body").help(
            "whoever holds one genuine request can send any body with its signature; add \
                 `{body}` if the sender signs it",
        );
    }
    let mut scheme = scheme?;
    scheme.header = name?;
    scheme.encoding = encoding.unwrap_or(scheme.encoding);
    scheme.prefix = prefix.map(|text| Cow::Owned(text.to_owned())).unwrap_or_default();
    scheme.layout = layout;
    scheme.signed = signed?;
    scheme.timestamp = timestamp;
    scheme.id_header = id_header;
    // What only the verifier knows to be impossible. The secrets come later.
    if !problems.errors_since(before)
        && let Err(error) = Verifier::new(Scheme::Template(scheme.clone()), [])
        && error != SetupError::NoSecret
    {
        problems.error(table.span.clone(), format!("`verify`: {error}"));
    }
    Some(scheme)
}

fn signed(table: &Table<'_>, problems: &mut Problems) -> Option<Template> {
    let Some(entry) = table.entry("signed") else { return Some(Template::body()) };
    let example = "\"{timestamp}.{body}\"";
    match problems.text(&entry, example)?.parse() {
        Ok(template) => Some(template),
        Err(error) => {
            problems.invalid(&entry, error, example);
            None
        }
    }
}

fn layout(table: &Table<'_>, problems: &mut Problems) -> Layout {
    let Some(entry) = table.entry("version") else {
        for key in ["between", "joint", "timestamp_entry"] {
            if let Some(entry) = table.entry(key) {
                problems.error(entry.key_span, format!("`{key}` needs `version`")).help(
                    "with `version = \"v1\"` the header is read as entries such as \
                         `t=1700000000,v1=abc`",
                );
            }
        }
        return Layout::Single;
    };
    let version = problems.text(&entry, "\"v1\"").unwrap_or_default();
    if version.is_empty() {
        problems.invalid(&entry, "the entry has no name", "\"v1\"");
    }
    Layout::Entries {
        between: character(table, "between", ',', problems),
        joint: character(table, "joint", '=', problems),
        version: Cow::Owned(version.to_owned()),
    }
}

fn character(table: &Table<'_>, key: &'static str, default: char, problems: &mut Problems) -> char {
    let example = format!("\"{default}\"");
    let Some(entry) = table.entry(key) else { return default };
    let Some(text) = problems.text(&entry, &example) else { return default };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) if char.is_ascii() && !char.is_ascii_control() => char,
        _ => {
            problems.invalid(&entry, "this is one character", &example);
            default
        }
    }
}

fn timestamp(table: &Table<'_>, problems: &mut Problems) -> Option<TimestampRule> {
    const TOLERANCE: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    let at = match (table.entry("timestamp_header"), table.entry("timestamp_entry")) {
        (Some(header), Some(entry)) => {
            problems
                .error(entry.key_span, "the timestamp is in a header or in an entry, not in both")
                .also(header.key_span, "in a header of its own")
                .help("remove one of the two");
            return None;
        }
        (Some(_), None) => TimestampPlace::Header(header(table, "timestamp_header", problems)?),
        (None, Some(entry)) => {
            TimestampPlace::Entry(Cow::Owned(problems.text(&entry, "\"t\"")?.to_owned()))
        }
        (None, None) => {
            for key in ["timestamp_format", "tolerance"] {
                if let Some(entry) = table.entry(key) {
                    problems
                        .error(entry.key_span, format!("`{key}` needs a timestamp"))
                        .help("add `timestamp_header = \"x-timestamp\"`, or remove it");
                }
            }
            return None;
        }
    };
    let format =
        word::<TimestampFormat>(table, "timestamp_format", TimestampFormat::NAMES, problems);
    Some(TimestampRule {
        at,
        format: format.unwrap_or(TimestampFormat::Seconds),
        tolerance: table.duration(
            "tolerance",
            hookyard_verify::DEFAULT_TOLERANCE,
            TOLERANCE,
            problems,
        ),
    })
}

fn key_form(table: &Table<'_>, problems: &mut Problems) -> KeyForm {
    const FORMS: [&str; 3] = ["text", "base64", "hex"];
    let prefix = table.entry("secret_prefix");
    let form = table
        .entry("secret_encoding")
        .and_then(|entry| one_of(&entry, &FORMS, problems))
        .unwrap_or("text");
    if let Some(entry) = &prefix
        && form != "base64"
    {
        problems
            .error(entry.key_span.clone(), "`secret_prefix` needs `secret_encoding = \"base64\"`")
            .help("a secret that is text is used whole, its prefix included");
    }
    match form {
        "base64" => {
            let prefix = prefix.and_then(|entry| problems.text(&entry, "\"whsec_\""));
            KeyForm::Base64 { prefix: Cow::Owned(prefix.unwrap_or_default().to_owned()) }
        }
        "hex" => KeyForm::Hex,
        _ => KeyForm::Text,
    }
}

/// A header's name, in lower case.
fn header(
    table: &Table<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<Cow<'static, str>> {
    let example = match key {
        "token" => "\"x-webhook-token\"",
        "timestamp_header" => "\"x-timestamp\"",
        "id_header" => "\"x-request-id\"",
        _ => "\"x-signature\"",
    };
    let entry = table.entry(key)?;
    let text = problems.text(&entry, example)?;
    match http::HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) => Some(Cow::Owned(name.as_str().to_owned())),
        Err(_) => {
            if key == "token" {
                // The token itself is a likely slip.
                problems.hide(entry.span.clone());
            }
            problems.invalid(&entry, "this is not the name of a header", example);
            None
        }
    }
}

/// A value with a name that `T` knows.
fn word<T: FromStr>(
    table: &Table<'_>,
    key: &'static str,
    names: &'static [&'static str],
    problems: &mut Problems,
) -> Option<T> {
    let entry = table.entry(key)?;
    one_of(&entry, names, problems)?.parse().ok()
}

/// One of a few words.
pub(super) fn one_of<'a>(
    entry: &Entry<'a>,
    names: &[&str],
    problems: &mut Problems,
) -> Option<&'a str> {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let text = problems.text(entry, quoted.first().map_or("", String::as_str))?;
    if names.contains(&text) {
        return Some(text);
    }
    let key = entry.key;
    let draft = problems.error(entry.span.clone(), format!("`{key}` cannot be {}", show(text)));
    if let Some(near) = nearest(text, names.iter().copied()) {
        draft.label(format!("did you mean \"{near}\"?"));
    }
    draft.help(format!("`{key}` is {}", alternatives(&quoted)));
    None
}

fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
