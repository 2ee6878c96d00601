//! Reads `[[route]]` tables, one by one. What concerns several routes is in [`super::conflicts`].

use std::time::Duration;

use hookyard_types::HandlerName;
use hookyard_verify::{Location, Scheme};
use toml::de::DeValue;

use super::diagnostic::{Span, line_of};
use super::keys;
use super::model::{Mode, Respond, Retry, Route, RouteHandler, Verify};
use super::reader::{Entry, Problems, Table, nearest, show};
use super::references::{self, PathParams};
use super::route_keys::{self, KeyPlace};
use super::scheme::{self, one_of};
use super::sections::LARGEST_BODY;

const DAY: Duration = Duration::from_secs(24 * 3600);
const MS: Duration = Duration::from_millis(1);

/// A route as far as it could be read, with the places that later checks point at.
#[derive(Debug)]
pub(super) struct ReadRoute<'a> {
    pub(super) line: usize,
    pub(super) name: RouteName,
    pub(super) path: (&'a str, Span),
    pub(super) host: Option<String>,
    pub(super) methods: Vec<http::Method>,
    /// Of the sender's handshakes alone.
    pub(super) handshake_methods: Vec<http::Method>,
    pub(super) places: Places,
    /// Nothing when something else is wrong with it.
    pub(super) route: Option<Route>,
}

/// Where the parts of a route are that are looked at last.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Of `provider` or `verify`.
    pub(super) verify: Option<Span>,
    /// Of the provider's settings, in their order.
    pub(super) settings: Vec<Span>,
    /// Of [`Route::keys`].
    pub(super) keys: Vec<KeyPlace>,
}

/// What a route is called.
#[derive(Clone, Debug)]
pub(super) struct RouteName {
    pub(super) text: String,
    /// Where it was taken from: its own key, else the path.
    pub(super) span: Span,
    pub(super) from_path: bool,
}

/// What the other tables say that routes need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'c> {
    pub(super) text: &'c str,
    pub(super) body: u64,
    pub(super) public_url: bool,
}

/// Every route that has at least a name and a path.
pub(super) fn routes<'a>(
    root: &Table<'a>,
    context: Context<'_>,
    problems: &mut Problems,
) -> Vec<ReadRoute<'a>> {
    let Some(entry) = root.entry("route") else { return Vec::new() };
    match entry.value {
        DeValue::Array(list) => list
            .iter()
            .filter_map(|value| {
                let table = Table::open(&entry.element(value), &keys::ROUTE, problems)?;
                route(&table, context, problems)
            })
            .collect(),
        DeValue::Table(_) => {
            problems
                .error(entry.span, "routes are a list")
                .label("one bracket too few")
                .help("write `[[route]]`, with two brackets, for each route");
            Vec::new()
        }
        _ => {
            problems.wrong_type(&entry, "a list of tables", "[{ path = \"/hooks/github\" }]");
            Vec::new()
        }
    }
}

fn route<'a>(
    table: &Table<'a>,
    context: Context<'_>,
    problems: &mut Problems,
) -> Option<ReadRoute<'a>> {
    let before = problems.drafts.len();
    let path_entry = table.entry("path");
    if path_entry.is_none() {
        problems
            .error(table.span.clone(), "the route has no `path`")
            .help("for example `path = \"/hooks/github\"`");
    }
    let path = path_entry.as_ref().and_then(|entry| {
        Some((references::path(entry, problems)?, problems.text(entry, "")?, entry.span.clone()))
    });
    let params = path.as_ref().map(|(params, ..)| params.clone());
    let name = name(table, path.as_ref().map(|(_, path, span)| (*path, span.clone())), problems);
    let methods = methods(table, problems);
    let host = table.entry("host").and_then(|entry| references::host(&entry, problems));
    let read = scheme::verify(table, params.as_ref(), problems);
    let mut places = Places::default();
    let verify = read.map(|read| {
        (places.verify, places.settings) = (Some(read.span), read.settings);
        read.verify
    });
    let keys;
    (keys, places.keys) =
        route_keys::keys(table, verify.as_ref(), params.as_ref(), problems).into_iter().unzip();
    let handshake_methods =
        verify.as_ref().map(|verify| verify.handshake_methods(&methods)).unwrap_or_default();
    let mode = mode(table, problems);
    let kinds = kinds(table, problems);
    let what = Handlers { of: "route", keys: &keys::HANDLER, taken: &kinds };
    let handlers = handlers(table, what, problems);
    if let (Mode::Respond(_), Some(entry)) = (&mode, table.entry("handlers"))
        && handlers.len() > 1
    {
        problems
            .error(entry.span, "a respond route has exactly one handler")
            .label(format!("these are {}", handlers.len()))
            .help("its reply is the answer; handlers that only follow belong in a queue route");
    }
    let tenant = table
        .entry("tenant")
        .and_then(|entry| references::tenant(&entry, params.as_ref(), problems));
    let kind = location(table, "kind", params.as_ref(), problems);
    let id = location(table, "id", params.as_ref(), problems);
    let has_id = table.entry("id").is_some()
        || verify.as_ref().and_then(Verify::profile).is_some_and(|p| !p.delivery_id.is_empty());
    let dedupe = dedupe(table, verify.as_ref(), &mode, has_id, problems);
    let stored = !matches!(&mode, Mode::Respond(respond) if !respond.store);
    let store_ignored = store_ignored(table, stored, problems);
    let body = table.size("body", context.body, 1024..=LARGEST_BODY, problems);

    if let (Some(verify), Some(RouteName { text: name, .. })) = (&verify, &name) {
        warn_of_verify(table, verify, context, name, problems);
        if let (Some(id), Some(entry)) = (&id, table.entry("id"))
            && stored
            && matches!(scheme::scheme_of(verify), Scheme::Template(_))
            && !scheme::scheme_of(verify).covers(id).unwrap_or(false)
        {
            problems
                .warning(entry.span, format!("route `{name}`: the signature does not cover the id"))
                .label(format!("{id} can be changed by whoever holds a genuine request"))
                .help("it recognises honest resends and does not protect against replays");
        }
        if !has_id && stored {
            problems
                .warning(
                    table.span.clone(),
                    format!("route `{name}`: no delivery id, so duplicates are not recognised"),
                )
                .help(
                    "say where the sender puts one: `id = \"header:x-request-id\"` or `id = \
                     \"json:/id\"`",
                );
        }
        if !stored {
            let span = table.entry("store").map_or(table.span.clone(), |entry| entry.span);
            problems
                .warning(span, format!("route `{name}`: `store = false` keeps nothing"))
                .label("no durability, dedupe, retry, replay or listing")
                .help("an event that is lost in a crash, or handled twice, leaves no trace");
        }
    }
    let (_, path, path_span) = path?;
    let name = name?;
    let line = line_of(context.text, table.span.start);
    let route = verify.filter(|_| !problems.errors_since(before)).map(|verify| Route {
        name: name.text.clone(),
        line,
        path: path.to_owned(),
        methods: methods.clone(),
        host: host.clone(),
        verify,
        keys,
        mode,
        handlers,
        kinds: kinds.into_iter().map(|(kind, _)| kind.to_owned()).collect(),
        tenant,
        kind,
        id,
        dedupe,
        store_ignored,
        body,
    });
    let path = (path, path_span);
    Some(ReadRoute { line, name, path, host, methods, handshake_methods, places, route })
}

/// What a route or a schedule can be called.
pub(super) const NAME_RULE: &str = "a name is 1 to 64 letters, digits, `-`, `_` and `.`";

pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn name(
    table: &Table<'_>,
    path: Option<(&str, Span)>,
    problems: &mut Problems,
) -> Option<RouteName> {
    if let Some(entry) = table.entry("name") {
        let name = problems.text(&entry, "\"github\"")?;
        if is_name(name) {
            return Some(RouteName { text: name.to_owned(), span: entry.span, from_path: false });
        }
        problems
            .invalid(&entry, format!("{} cannot name a route", show(name)), "\"github\"")
            .help(NAME_RULE);
        return None;
    }
    let (path, span) = path?;
    let name = name_of(path);
    if is_name(&name) {
        return Some(RouteName { text: name, span, from_path: true });
    }
    problems
        .error(span, "no name can be made from this path")
        .help(format!("give the route a `name`; {NAME_RULE}"));
    None
}

/// `/hooks/github` becomes `hooks-github`, `/events/{tenant}` becomes `events-tenant`, `/` `root`.
pub(super) fn name_of(path: &str) -> String {
    let words: Vec<&str> = path
        .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'))
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() { "root".to_owned() } else { words.join("-") }
}

fn methods(table: &Table<'_>, problems: &mut Problems) -> Vec<http::Method> {
    const KNOWN: [&str; 7] = ["POST", "PUT", "PATCH", "GET", "DELETE", "HEAD", "OPTIONS"];
    let entry = match (table.entry("method"), table.entry("methods")) {
        (None, None) => return vec![http::Method::POST],
        (Some(one), Some(many)) => {
            problems
                .error(many.key_span, "a route has `method` or `methods`, not both")
                .also(one.key_span, "the other one");
            return vec![http::Method::POST];
        }
        (Some(entry), None) | (None, Some(entry)) => entry,
    };
    let mut methods = Vec::new();
    for (text, element) in problems.texts(&entry, "\"POST\"") {
        match http::Method::from_bytes(text.as_bytes()) {
            Ok(method) if KNOWN.contains(&text) => methods.push(method),
            _ => {
                let upper = text.to_uppercase();
                let message = format!("{} is not a method", show(text));
                let draft = problems.error(element.span, message);
                if let Some(near) = KNOWN.iter().find(|known| **known == upper) {
                    draft.label(format!("did you mean \"{near}\"?"));
                }
                draft.help(format!("methods are {}", KNOWN.join(", ")));
            }
        }
    }
    if methods.is_empty() && matches!(entry.value, DeValue::Array(list) if list.is_empty()) {
        problems.invalid(&entry, "the list is empty: nothing would match", "[\"POST\"]");
    }
    methods
}

fn mode(table: &Table<'_>, problems: &mut Problems) -> Mode {
    let word = table.entry("mode").map(|entry| one_of(&entry, &["queue", "respond"], problems));
    let deadline = table.duration(
        "deadline",
        Duration::from_secs(10),
        10 * MS..=Duration::from_secs(600),
        problems,
    );
    let fallback = table.entry("fallback");
    let fallback_to_queue =
        fallback.as_ref().is_some_and(|entry| one_of(entry, &["queue"], problems).is_some());
    let store = table.boolean("store", true, problems);
    match word {
        Some(Some("respond")) => {
            if let (Some(entry), false) = (fallback, store) {
                problems
                    .error(entry.span, "`fallback = \"queue\"` needs the event to be stored")
                    .help("remove `store = false` or `fallback`");
            }
            Mode::Respond(Respond { deadline, fallback_to_queue, store })
        }
        // A mode that was not understood says nothing about the other keys.
        Some(None) => Mode::Queue,
        _ => {
            for key in ["deadline", "fallback", "store"] {
                if let Some(entry) = table.entry(key) {
                    problems
                        .error(entry.key_span, format!("`{key}` is for routes that respond"))
                        .help(format!("add `mode = \"respond\"` or remove `{key}`"));
                }
            }
            Mode::Queue
        }
    }
}

fn kinds<'a>(table: &Table<'a>, problems: &mut Problems) -> Vec<(&'a str, Entry<'a>)> {
    let Some(entry) = table.entry("kinds") else { return Vec::new() };
    let mut kinds = problems.texts(&entry, "[\"push\"]");
    if matches!(entry.value, DeValue::Array(list) if list.is_empty()) {
        problems
            .error(entry.span.clone(), "`kinds` is empty: nothing would be taken")
            .help("leave `kinds` out to take every kind");
    }
    kinds.retain(|(kind, element)| {
        let valid =
            (1..=200).contains(&kind.len()) && !kind.chars().any(|c| c.is_control() || c == ' ');
        if !valid {
            let what = "a kind is 1 to 200 characters without spaces";
            problems.invalid(element, what, "[\"push\"]");
        }
        valid
    });
    kinds
}

/// Whose handlers are read.
#[derive(Clone, Copy)]
pub(super) struct Handlers<'h, 'a> {
    /// In one word.
    pub(super) of: &'static str,
    /// Of an entry that is a table.
    pub(super) keys: &'static keys::Keys,
    /// The kinds that come at all; none for all.
    pub(super) taken: &'h [(&'a str, Entry<'a>)],
}

/// Reads `handlers`, and the `retry` that they have unless one says otherwise.
pub(super) fn handlers(
    table: &Table<'_>,
    what: Handlers<'_, '_>,
    problems: &mut Problems,
) -> Vec<RouteHandler> {
    let Handlers { of, keys, taken } = what;
    const EXAMPLE: &str = "[\"github-push/record\"]";
    let built_in = Retry::default();
    let default =
        table.entry("retry").map_or(built_in.clone(), |entry| retry(&entry, &built_in, problems));
    let Some(entry) = table.entry("handlers") else {
        problems
            .error(table.span.clone(), format!("the {of} has no `handlers`"))
            .help(format!("name a plugin and its handler: `handlers = {EXAMPLE}`"));
        return Vec::new();
    };
    let mut handlers: Vec<(RouteHandler, Span)> = Vec::new();
    for element in problems.one_or_many(&entry) {
        let (name, kinds, retry) = match element.value {
            DeValue::String(_) => (element.clone(), Vec::new(), default.clone()),
            DeValue::Table(_) => {
                let Some(table) = Table::open(&element, keys, problems) else { continue };
                let kinds = match keys.contains("kinds") {
                    true => kinds(&table, problems),
                    false => Vec::new(),
                };
                for (kind, element) in &kinds {
                    if taken.is_empty() || taken.iter().any(|(taken, _)| taken == kind) {
                        continue;
                    }
                    let message = format!("the route does not take the kind {}", show(kind));
                    let draft = problems.error(element.span.clone(), message);
                    draft.help("add it to the `kinds` of the route, or remove it here");
                    if let Some(near) = nearest(kind, taken.iter().map(|(kind, _)| *kind)) {
                        draft.label(format!("did you mean {}?", show(near)));
                    }
                }
                let kinds = kinds.iter().map(|(kind, _)| (*kind).to_owned()).collect();
                let retry =
                    table.entry("retry").map_or(default.clone(), |e| retry(&e, &default, problems));
                let Some(name) = table.entry("handler") else {
                    problems
                        .error(element.span, "this entry of `handlers` has no `handler`")
                        .help(format!("for example `{}`", keys.example));
                    continue;
                };
                (name, kinds, retry)
            }
            _ => {
                problems.wrong_type(&element, "a handler's name or a table", EXAMPLE);
                continue;
            }
        };
        let Some(text) = problems.text(&name, "\"github-push/record\"") else { continue };
        let Some(handler) = handler(text, &name, problems) else { continue };
        if let Some((_, first)) = handlers.iter().find(|(seen, _)| seen.name == handler) {
            let first = first.clone();
            problems
                .error(name.span, format!("the {of} lists `{handler}` twice"))
                .also(first, "first here")
                .help(match keys.contains("kinds") {
                    true => "put all its `kinds` into one entry",
                    false => "one entry is enough",
                });
            continue;
        }
        handlers.push((RouteHandler { name: handler, kinds, retry }, name.span));
    }
    if matches!(entry.value, DeValue::Array(list) if list.is_empty()) {
        problems
            .error(entry.span, "`handlers` is empty: nothing would handle the events")
            .help(format!("name a plugin and its handler: `handlers = {EXAMPLE}`"));
    }
    handlers.into_iter().map(|(handler, _)| handler).collect()
}

/// The text of `entry` as a handler's name.
fn handler(text: &str, entry: &Entry<'_>, problems: &mut Problems) -> Option<HandlerName> {
    let handler = text.parse().ok();
    if handler.is_none() {
        problems
            .error(entry.span.clone(), format!("{} is not a handler", show(text)))
            .label("expected `plugin/handler`")
            .help(
                "both are lower-case letters, digits, `-` and `_`, for example \
                 \"github-push/record\"",
            );
    }
    handler
}

/// What `entry` says, and `default` of what it does not say.
fn retry(entry: &Entry<'_>, default: &Retry, problems: &mut Problems) -> Retry {
    let Some(table) = Table::open(entry, &keys::RETRY, problems) else { return default.clone() };
    let max_attempts =
        table.count("max_attempts", default.max_attempts as usize, 1..=1000, problems);
    let first = table.duration("first", default.first, 10 * MS..=DAY, problems);
    let max = table.duration("max", default.max.max(first), 10 * MS..=7 * DAY, problems);
    if max < first {
        let span = table.entry("max").map_or(table.span.clone(), |entry| entry.span);
        problems
            .error(span, "`retry`: `max` must not be less than `first`")
            .help("`first` is the longest wait before the second attempt, `max` before any");
    }
    Retry { max_attempts: u32::try_from(max_attempts).unwrap_or(default.max_attempts), first, max }
}

fn location(
    table: &Table<'_>,
    key: &'static str,
    params: Option<&PathParams>,
    problems: &mut Problems,
) -> Option<Location> {
    let example = if key == "id" { "\"header:x-request-id\"" } else { "\"json:/type\"" };
    let entry = table.entry(key)?;
    let text = problems.text(&entry, example)?;
    match text.parse::<Location>() {
        Ok(location) => {
            if let Location::Param(name) = &location {
                references::check_param(name, params, &entry, problems);
            }
            Some(location)
        }
        Err(error) => {
            problems.invalid(&entry, error, example);
            None
        }
    }
}

fn dedupe(
    table: &Table<'_>,
    verify: Option<&Verify>,
    mode: &Mode,
    has_id: bool,
    problems: &mut Problems,
) -> Duration {
    let retried = match verify {
        Some(Verify::Profile(profile, _)) => profile.retry_span + DAY,
        _ => Duration::ZERO,
    };
    let default = retried.max(7 * DAY);
    let window = table.duration("dedupe", default, Duration::from_secs(1)..=365 * DAY, problems);
    if let Some(entry) = table.entry("dedupe") {
        if matches!(mode, Mode::Respond(respond) if !respond.store) {
            problems
                .error(entry.key_span, "`dedupe` needs the events to be stored")
                .help("remove `store = false` or `dedupe`");
        } else if verify.is_some() && !has_id {
            problems
                .error(entry.key_span, "`dedupe` needs to know where the delivery id is")
                .help("add `id = \"header:x-request-id\"` or `id = \"json:/id\"`");
        }
    }
    window
}

fn store_ignored(table: &Table<'_>, stored: bool, problems: &mut Problems) -> bool {
    let store_ignored = table.boolean("store_ignored", false, problems);
    if let Some(entry) = table.entry("store_ignored")
        && store_ignored
        && !stored
    {
        problems
            .error(entry.key_span, "`store_ignored` on a route that stores nothing")
            .help("remove `store = false` or `store_ignored`");
    }
    store_ignored
}

fn warn_of_verify(
    table: &Table<'_>,
    verify: &Verify,
    context: Context<'_>,
    name: &str,
    problems: &mut Problems,
) {
    if let Scheme::None = scheme::scheme_of(verify) {
        let entry = table.entry("provider").or_else(|| table.entry("verify"));
        let span = entry.map_or(table.span.clone(), |entry| entry.span);
        problems
            .warning(span, format!("route `{name}` takes anything from anyone"))
            .label("nothing is verified")
            .help(match verify.profile() {
                Some(_) => {
                    "whoever knows the URL can make events; give it a path that nobody guesses"
                }
                None => {
                    "whoever knows the URL can make events; use a provider or a secret where you \
                     can"
                }
            });
    }
    if scheme::signs_url(verify) && !context.public_url {
        let span = table
            .entry("provider")
            .or_else(|| table.entry("verify"))
            .map_or(table.span.clone(), |entry| entry.span);
        problems
            .warning(
                span,
                format!(
                    "route `{name}`: the sender signs the URL, and `public_url` \
                 is not set"
                ),
            )
            .help(
                "set `public_url` in [server] to the address that the sender calls, or genuine \
                 requests are refused",
            );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_paths() {
        for (path, name) in [
            ("/hooks/github", "hooks-github"),
            ("/events/{tenant}/{kind}", "events-tenant-kind"),
            ("/v1.2/a_b/", "v1.2-a_b"),
            ("/", "root"),
        ] {
            assert_eq!(name_of(path), name);
        }
    }
}
