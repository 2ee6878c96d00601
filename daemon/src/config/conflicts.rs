//! What several routes must not have in common: a name, or requests that match more than one.

use std::collections::BTreeMap;

use super::reader::Problems;
use super::route::ReadRoute;

/// Two routes by their places among all, the earlier one first.
type Pair = (usize, usize);

/// Checks all routes against each other, those with other problems too.
pub(super) fn check(routes: &[ReadRoute<'_>], problems: &mut Problems) {
    let same_requests = paths(routes, problems);
    names(routes, &same_requests, problems);
}

/// Notes routes that are called the same. A name that was made from a path is not wrong where the
/// path itself is taken.
fn names(routes: &[ReadRoute<'_>], same_requests: &[Pair], problems: &mut Problems) {
    let mut called: BTreeMap<&str, Vec<(usize, &ReadRoute<'_>)>> = BTreeMap::new();
    for (at, read) in routes.iter().enumerate() {
        let name = &read.name;
        let earlier = called.entry(name.text.as_str()).or_default();
        let only_follows = earlier.iter().any(|(other_at, other)| {
            name.from_path && other.name.from_path && same_requests.contains(&(*other_at, at))
        });
        if let Some((_, other)) = earlier.first()
            && !only_follows
        {
            let (text, line, other_line) = (&name.text, read.line, other.line);
            let both_made = name.from_path && other.name.from_path;
            let (message, help) = if both_made {
                (
                    format!(
                        "two routes without a `name` get the name `{text}` from their paths: at \
                         line {other_line} and at line {line}"
                    ),
                    "a name is the identity of a route in store and listings; give one of them a \
                     `name`",
                )
            } else {
                (
                    format!(
                        "two routes are called `{text}`: at line {other_line} and at line {line}"
                    ),
                    "a name is the identity of a route in store and listings; give one of them \
                     another `name`",
                )
            };
            problems
                .error(name.span.clone(), message)
                .also(other.name.span.clone(), "the first one")
                .help(help);
        }
        earlier.push((at, read));
    }
}

/// Notes routes that match the same requests, and returns them.
fn paths(routes: &[ReadRoute<'_>], problems: &mut Problems) -> Vec<Pair> {
    // By host and method, as requests are matched.
    let mut matchers: BTreeMap<(Option<&str>, &str), Matcher<'_>> = BTreeMap::new();
    let mut pairs: Vec<Pair> = Vec::new();
    let mut unmatchable: Vec<usize> = Vec::new();
    for (at, read) in routes.iter().enumerate() {
        for method in read.methods.iter().chain(&read.handshake_methods) {
            let matcher = matchers.entry((read.host.as_deref(), method.as_str())).or_default();
            let Err(error) = matcher.router.insert(read.path.0, ()) else {
                matcher.routes.push((at, read));
                continue;
            };
            let Some((other_at, other)) =
                matcher.routes.iter().find(|(_, other)| conflict(other, read))
            else {
                if !unmatchable.contains(&at) {
                    unmatchable.push(at);
                    let message = format!("the path cannot be matched: {error}");
                    problems.error(read.path.1.clone(), message);
                }
                continue;
            };
            let pair = (*other_at, at);
            if !pairs.contains(&pair) {
                pairs.push(pair);
                tell_same_requests(other, read, method, problems);
            }
        }
    }
    pairs
}

fn tell_same_requests(
    first: &ReadRoute<'_>,
    second: &ReadRoute<'_>,
    method: &http::Method,
    problems: &mut Problems,
) {
    let (first_line, line) = (first.line, second.line);
    // One name for both tells nobody which is meant.
    let message = if first.name.text == second.name.text {
        format!(
            "two routes match the same {method} requests: at line {first_line} and at line {line}"
        )
    } else {
        format!(
            "routes `{}` at line {first_line} and `{}` at line {line} match the same {method} \
             requests",
            first.name.text, second.name.text
        )
    };
    // With the path their names stay equal too.
    let help = if first.name.from_path && second.name.from_path && first.path.0 == second.path.0 {
        "give one of them another `path`, or another `host` or `methods` and a `name`, or list \
         both handlers in one route"
    } else {
        "give one of them another `path`, `host` or `methods`, or list both handlers in one route"
    };
    let draft = problems.error(second.path.1.clone(), message);
    draft.also(first.path.1.clone(), "the first one").help(help);
    for read in [first, second] {
        if read.handshake_methods.contains(method) {
            let (line, name) = (read.line, &read.name.text);
            draft.help(format!(
                "the sender of route `{name}` at line {line} tries its URL out with {method}"
            ));
        }
    }
}

#[derive(Default)]
struct Matcher<'r> {
    router: matchit::Router<()>,
    routes: Vec<(usize, &'r ReadRoute<'r>)>,
}

/// Whether the two paths cannot be in one matcher.
fn conflict(a: &ReadRoute<'_>, b: &ReadRoute<'_>) -> bool {
    let mut router = matchit::Router::new();
    router.insert(a.path.0, ()).is_ok() && router.insert(b.path.0, ()).is_err()
}
