//! Reads `[connection.NAME]`, and the connections that a plugin is granted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use hookyard_types::HandlerName;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use toml::de::DeValue;

use super::Build;
use super::diagnostic::Span;
use super::keys;
use super::model::{Auth, Connection, OAuth2, Outbound, Rate, Tls};
use super::reader::{Entry, Problems, Table, bare, nearest, show};
use super::references;
use super::secrets;
use super::sections;
use crate::outbound::BaseUrl;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
/// The most requests that a `rate` counts: each has its moment in memory.
const MOST_COUNTED: usize = 10_000;
/// The longest time that a `rate` is for.
const LONGEST_RATE: Duration = Duration::from_secs(365 * 86_400);

/// The names of the file's connections, those with mistakes too.
pub(super) fn names<'a>(root: &Table<'a>) -> BTreeSet<&'a str> {
    match root.entry("connection").map(|entry| entry.value) {
        Some(DeValue::Table(tables)) => tables.keys().map(|name| name.get_ref().as_ref()).collect(),
        _ => BTreeSet::new(),
    }
}

/// `connections = ["slack"]` of a plugin.
pub(super) fn granted(
    plugin: &Table<'_>,
    known: &BTreeSet<&str>,
    problems: &mut Problems,
) -> BTreeSet<String> {
    let Some(entry) = plugin.entry("connections") else { return BTreeSet::new() };
    let mut granted = BTreeSet::new();
    for (name, element) in problems.texts(&entry, "[\"slack\"]") {
        if !known.contains(name) {
            let message = format!("`connections`: there is no connection {}", show(name));
            let draft = problems.error(element.span, message);
            match nearest(name, known.iter().copied()) {
                Some(near) => draft.label(format!("did you mean `{near}`?")),
                None => draft
                    .help(format!("add a table `[connection.{}]` with its `base_url`", bare(name))),
            };
        }
        granted.insert(name.to_owned());
    }
    granted
}

pub(super) fn connections(
    root: &Table<'_>,
    base: &Path,
    outbound: &Outbound,
    build: &mut impl Build,
    problems: &mut Problems,
) -> BTreeMap<String, Connection> {
    let mut connections = BTreeMap::new();
    let Some(entry) = root.entry("connection") else { return connections };
    let DeValue::Table(tables) = entry.value else {
        problems
            .error(entry.key_span, "`connection` must be tables by name")
            .help("write a table `[connection.NAME]` for each service");
        return connections;
    };
    for (key, value) in tables {
        let name = key.get_ref();
        let before = problems.drafts.len();
        if !HandlerName::is_valid_part(name) {
            problems
                .error(key.span(), format!("{} cannot name a connection", show(name)))
                .help("a name is 1 to 64 lower-case letters, digits, `-` and `_`");
        }
        let DeValue::Table(entries) = value.get_ref() else {
            problems
                .error(key.span(), format!("`{}` is not the table of a connection", bare(name)))
                .help("write `[connection.NAME]` and its keys under it");
            continue;
        };
        let table = Table::of(entries, value.span(), &keys::CONNECTION, problems);
        let Some((connection, secret)) = connection(&table, base, problems) else { continue };
        if problems.errors_since(before) {
            continue;
        }
        if let Err((part, problem)) = build.connection(name, &connection, outbound) {
            let span = match part {
                "auth" => secret.unwrap_or(table.span.clone()),
                part => table.entry(part).map_or(table.span.clone(), |entry| entry.span),
            };
            secrets::note(part, span, problem, problems);
        }
        connections.insert(name.to_string(), connection);
    }
    connections
}

/// One connection, and the place of its secret.
fn connection(
    table: &Table<'_>,
    base: &Path,
    problems: &mut Problems,
) -> Option<(Connection, Option<Span>)> {
    let base_url = match table.entry("base_url") {
        Some(entry) => url(&entry, BaseUrl::parse, "\"https://api.example.com/\"", problems),
        None => {
            problems
                .error(table.span.clone(), "the connection has no `base_url`")
                .help("for example `base_url = \"https://api.example.com/\"`");
            None
        }
    };
    let (auth, secret) = table.entry("auth").and_then(|entry| auth(&entry, problems)).unzip();
    let allow = table.entry("allow").map(|entry| networks(&entry, problems)).unwrap_or_default();
    let allow_private = table.boolean("allow_private", false, problems);
    let guarded = allow.is_empty() && !allow_private;
    for (what, used) in [("base_url", base_url.as_ref()), ("auth", token_url(auth.as_ref()))] {
        let clear = used.is_some_and(|url| !url.is_https());
        if clear && guarded && auth.is_some() {
            let span = table.entry(what).map_or(table.span.clone(), |entry| entry.span);
            problems
                .error(span, "the credential would cross the internet in the clear")
                .label("http, not https")
                .help(
                    "write `https://`; for a service inside your own network name that network: \
                     `allow = [\"10.0.0.0/8\"]`, or `allow_private = true`",
                );
        }
    }
    let (max_attempts, idempotent) = retry(table, problems);
    let headers = table.entry("headers").map(|entry| headers(&entry, problems));
    let headers = headers.unwrap_or_default();
    if let Some(Auth::Header { name, .. }) = &auth
        && headers.contains_key(name)
        && let Some(entry) = table.entry("headers")
    {
        problems.error(entry.span, format!("`headers` and `auth` both give the header `{name}`"));
    }
    Some((
        Connection {
            timeout: table.duration("timeout", 10 * SECOND, SECOND / 10..=3600 * SECOND, problems),
            max_attempts,
            idempotent,
            rate: table.entry("rate").and_then(|entry| rate(&entry, problems)),
            max_response: sections::bytes(table, "max_response", 1 << 20, KIB..=64 * MIB, problems),
            redirects: u32::try_from(table.count("redirects", 0, 0..=10, problems)).unwrap_or(0),
            headers,
            allow,
            allow_private,
            ca: sections::path(table, "ca", base, problems),
            client: client(table, base, problems),
            auth,
            base_url: base_url?,
        },
        secret,
    ))
}

fn token_url(auth: Option<&Auth>) -> Option<&BaseUrl> {
    match auth {
        Some(Auth::OAuth2(oauth)) => Some(&oauth.token_url),
        _ => None,
    }
}

fn url<E: std::fmt::Display>(
    entry: &Entry<'_>,
    parse: impl FnOnce(&str) -> Result<BaseUrl, E>,
    example: &str,
    problems: &mut Problems,
) -> Option<BaseUrl> {
    let text = problems.text(entry, example)?;
    match parse(text) {
        Ok(url) => Some(url),
        Err(error) => {
            // There may be a password or a token in it.
            problems.hide(entry.span.clone());
            problems.invalid(entry, error, example);
            None
        }
    }
}

fn client(table: &Table<'_>, base: &Path, problems: &mut Problems) -> Option<Tls> {
    let cert = sections::path(table, "client_cert", base, problems);
    let key = sections::path(table, "client_key", base, problems);
    for (has, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
        if let Some(entry) = table.entry(has)
            && table.entry(other).is_none()
        {
            problems
                .error(entry.key_span, format!("`{has}` needs `{other}`"))
                .help("both are PEM files");
        }
    }
    Some(Tls { cert: cert?, key: key? })
}

fn retry(table: &Table<'_>, problems: &mut Problems) -> (u32, bool) {
    const DEFAULT: u32 = 3;
    let Some(entry) = table.entry("retry") else { return (DEFAULT, false) };
    let Some(table) = Table::open(&entry, &keys::CONNECTION_RETRY, problems) else {
        return (DEFAULT, false);
    };
    let attempts = table.count("max_attempts", DEFAULT as usize, 1..=10, problems);
    let idempotent = table.boolean("idempotent", false, problems);
    (u32::try_from(attempts).unwrap_or(DEFAULT), idempotent)
}

/// `"50/min"`.
fn rate(entry: &Entry<'_>, problems: &mut Problems) -> Option<Rate> {
    const EXAMPLE: &str = "\"50/min\"";
    let text = problems.text(entry, EXAMPLE)?;
    let parsed = text.split_once('/').and_then(|(number, unit)| {
        let per = match unit.trim() {
            "s" | "sec" | "second" => SECOND,
            "m" | "min" | "minute" => 60 * SECOND,
            "h" | "hour" => 3600 * SECOND,
            "d" | "day" => 86_400 * SECOND,
            other => humantime::parse_duration(other).ok().filter(|per| !per.is_zero())?,
        };
        Some(Rate { requests: number.trim().parse().ok()?, per })
    });
    match parsed {
        Some(rate) if rate.per > LONGEST_RATE => {
            problems.invalid(entry, "the time of a rate is 365 days at most", EXAMPLE);
            None
        }
        Some(rate) if (1..=MOST_COUNTED).contains(&rate.requests) => Some(rate),
        Some(_) => {
            let what = format!("the number of requests must be between 1 and {MOST_COUNTED}");
            problems.invalid(entry, what, EXAMPLE);
            None
        }
        None => {
            let what = format!("{} is not a number of requests per time", show(text));
            problems
                .invalid(entry, what, EXAMPLE)
                .help("the time is `s`, `min`, `h`, `d`, or a duration such as `10s`");
            None
        }
    }
}

fn networks(entry: &Entry<'_>, problems: &mut Problems) -> Vec<IpNet> {
    const EXAMPLE: &str = "[\"10.0.0.0/8\"]";
    let mut networks = Vec::new();
    for (text, element) in problems.texts(entry, EXAMPLE) {
        let network =
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match network {
            Some(network) => networks.push(network),
            None => {
                let what = format!("{} is not an address or a network", show(text));
                problems.invalid(&element, what, EXAMPLE);
            }
        }
    }
    networks
}

/// Headers that are sent with every request. Their values are no secrets.
fn headers(entry: &Entry<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    const EXAMPLE: &str = "{ accept = \"application/json\" }";
    let mut headers = BTreeMap::new();
    let DeValue::Table(entries) = entry.value else {
        problems.wrong_type(entry, "a table of headers", EXAMPLE);
        return headers;
    };
    for (key, value) in entries {
        let value = Entry {
            key: key.get_ref(),
            key_span: key.span(),
            span: value.span(),
            value: value.get_ref(),
        };
        if keys::sounds_secret(key.get_ref()) {
            problems.hide(value.span.clone());
            problems
                .error(key.span(), format!("`{}` is no header for `headers`", bare(key.get_ref())))
                .label("it sounds like a credential, and this file is no place for one")
                .help(
                    "write `auth = { header = { name = \"x-api-key\", value = { env = \"API_KEY\" \
                     } } }`",
                );
            continue;
        }
        let Some(name) = header_name(key.get_ref(), &key.span(), problems) else { continue };
        let Some(text) = problems.text(&value, "\"application/json\"") else { continue };
        if HeaderValue::from_str(text).is_err() {
            problems.invalid(&value, "a header cannot have this value", "\"application/json\"");
            continue;
        }
        if headers.insert(name.clone(), text.to_owned()).is_some() {
            problems.error(key.span(), format!("`headers` has `{name}` twice"));
        }
    }
    headers
}

/// In lower case.
fn header_name(text: &str, span: &Span, problems: &mut Problems) -> Option<String> {
    match HeaderName::try_from(text) {
        Ok(name) if !crate::connections::is_reserved(&name) => Some(name.as_str().to_owned()),
        Ok(name) => {
            problems.error(span.clone(), format!("the header `{name}` is the daemon's to set"));
            None
        }
        Err(_) => {
            problems.error(span.clone(), format!("{} is not a header's name", show(text)));
            None
        }
    }
}

/// The credential, and the place of its secret.
fn auth(entry: &Entry<'_>, problems: &mut Problems) -> Option<(Auth, Span)> {
    const EXAMPLE: &str = "{ bearer = { env = \"API_TOKEN\" } }";
    if !matches!(entry.value, DeValue::Table(_)) {
        // It may be the credential itself.
        problems.hide(entry.span.clone());
        problems.wrong_type(entry, "a table", EXAMPLE);
        return None;
    }
    let table = Table::open(entry, &keys::AUTH, problems)?;
    let ways: Vec<_> = keys::AUTH.names.iter().filter_map(|key| table.entry(key)).collect();
    let [way] = ways.as_slice() else {
        problems
            .error(
                entry.span.clone(),
                "`auth` is exactly one of `bearer`, `basic`, `header`, `query` and `oauth2`",
            )
            .help(format!("for example `auth = {EXAMPLE}`"));
        return None;
    };
    if way.key == "bearer" {
        let (secret, place) = references::fixed_secret(way, problems)?;
        return Some((Auth::Bearer(secret), place));
    }
    let keys = match way.key {
        "basic" => &keys::AUTH_BASIC,
        "header" => &keys::AUTH_HEADER,
        "query" => &keys::AUTH_QUERY,
        _ => &keys::OAUTH2,
    };
    if !matches!(way.value, DeValue::Table(_)) {
        problems.hide(way.span.clone());
    }
    let table = Table::open(way, keys, problems)?;
    match way.key {
        "basic" => {
            let user = needed_text(&table, "user", "\"me\"", problems);
            let secret = needed_secret(&table, "password", problems);
            let user = user?;
            if user.contains(':') {
                let entry = table.entry("user")?;
                problems.error(entry.span, "`user` cannot have a `:` in it");
                return None;
            }
            let (password, place) = secret?;
            Some((Auth::Basic { user, password }, place))
        }
        "header" => {
            let name = needed_text(&table, "name", "\"x-api-key\"", problems);
            let secret = needed_secret(&table, "value", problems);
            let prefix = match table.entry("prefix") {
                Some(entry) => problems.text(&entry, "\"Token \"")?.to_owned(),
                None => String::new(),
            };
            let place = table.entry("name")?.span;
            let name = header_name(&name?, &place, problems)?;
            let (value, place) = secret?;
            Some((Auth::Header { name, prefix, value }, place))
        }
        "query" => {
            let name = needed_text(&table, "name", "\"key\"", problems);
            let (value, place) = needed_secret(&table, "value", problems)?;
            Some((Auth::Query { name: name?, value }, place))
        }
        _ => oauth2(&table, problems),
    }
}

fn oauth2(table: &Table<'_>, problems: &mut Problems) -> Option<(Auth, Span)> {
    const TOKEN_URL: &str = "\"https://login.example.com/token\"";
    let token_url = match table.entry("token_url") {
        Some(entry) => url(&entry, BaseUrl::exactly, TOKEN_URL, problems),
        None => missing(table, "token_url", TOKEN_URL, problems),
    };
    let client_id = needed_text(table, "client_id", "\"hookyard\"", problems);
    let secret = needed_secret(table, "client_secret", problems);
    let scopes = table.entry("scopes").map(|entry| {
        let texts = problems.texts(&entry, "[\"read\", \"write\"]");
        texts.into_iter().map(|(scope, _)| scope.to_owned()).collect()
    });
    let audience = table
        .entry("audience")
        .and_then(|entry| problems.text(&entry, "\"https://api.example.com/\"").map(str::to_owned));
    let in_body = match table.entry("client_auth") {
        None => false,
        Some(entry) => match problems.text(&entry, "\"basic\"")? {
            "basic" => false,
            "body" => true,
            other => {
                let what = format!("{} is neither `basic` nor `body`", show(other));
                problems.invalid(&entry, what, "\"basic\"");
                return None;
            }
        },
    };
    let (client_secret, place) = secret?;
    let oauth = OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret,
        scopes: scopes.unwrap_or_default(),
        audience,
        in_body,
    };
    Some((Auth::OAuth2(oauth), place))
}

fn needed_text(
    table: &Table<'_>,
    key: &'static str,
    example: &str,
    problems: &mut Problems,
) -> Option<String> {
    let Some(entry) = table.entry(key) else { return missing(table, key, example, problems) };
    let text = problems.text(&entry, example)?;
    if text.is_empty() {
        problems.invalid(&entry, "it is empty", example);
        return None;
    }
    Some(text.to_owned())
}

fn needed_secret(
    table: &Table<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<(super::model::SecretRef, Span)> {
    match table.entry(key) {
        Some(entry) => references::fixed_secret(&entry, problems),
        None => missing(table, key, "{ env = \"API_SECRET\" }", problems),
    }
}

fn missing<T>(
    table: &Table<'_>,
    key: &'static str,
    example: &str,
    problems: &mut Problems,
) -> Option<T> {
    problems
        .error(table.span.clone(), format!("`{key}` is missing"))
        .help(format!("for example `{key} = {example}`"));
    None
}
