//! What several routes must not have in common: a name, or requests that match more than one.

use std::collections::BTreeMap;

use super::reader::Problems;
use super::route::ReadRoute;

/// Checks all routes against each other, those with other problems too.
pub(super) fn check(routes: &[ReadRoute<'_>], problems: &mut Problems) {
    names(routes, problems);
    paths(routes, problems);
}

fn names(routes: &[ReadRoute<'_>], problems: &mut Problems) {
    let mut first: BTreeMap<&str, &ReadRoute<'_>> = BTreeMap::new();
    for read in routes {
        let name = read.name.0.as_str();
        let Some(other) = first.get(name) else {
            first.insert(name, read);
            continue;
        };
        let (line, other_line) = (read.line, other.line);
        problems
            .error(
                read.name.1.clone(),
                format!("two routes are called `{name}`: at line {other_line} and at line {line}"),
            )
            .also(other.name.1.clone(), "the first one")
            .help(
                "a name is the identity of a route in store and listings; give one of them \
                 another `name`",
            );
    }
}

fn paths(routes: &[ReadRoute<'_>], problems: &mut Problems) {
    // By host and method, as requests are matched.
    let mut matchers: BTreeMap<(Option<&str>, &str), Matcher<'_>> = BTreeMap::new();
    let mut told: Vec<(usize, usize)> = Vec::new();
    for read in routes {
        for method in &read.methods {
            let matcher = matchers.entry((read.host.as_deref(), method.as_str())).or_default();
            let Err(error) = matcher.router.insert(read.path.0, ()) else {
                matcher.routes.push(read);
                continue;
            };
            let other = matcher.routes.iter().find(|other| conflict(other, read));
            let (other_line, line) = (other.map_or(0, |other| other.line), read.line);
            if told.contains(&(other_line, line)) {
                continue;
            }
            told.push((other_line, line));
            let Some(other) = other else {
                problems.error(read.path.1.clone(), format!("the path cannot be matched: {error}"));
                continue;
            };
            problems
                .error(
                    read.path.1.clone(),
                    format!(
                        "routes `{}` at line {other_line} and `{}` at line {line} match the same \
                             {method} requests",
                        other.name.0, read.name.0
                    ),
                )
                .also(other.path.1.clone(), "the first one")
                .help(
                    "give one of them another `path`, `host` or `methods`, or list both \
                     handlers in one route",
                );
        }
    }
}

#[derive(Default)]
struct Matcher<'r> {
    router: matchit::Router<()>,
    routes: Vec<&'r ReadRoute<'r>>,
}

/// Whether the two paths cannot be in one matcher.
fn conflict(a: &ReadRoute<'_>, b: &ReadRoute<'_>) -> bool {
    let mut router = matchit::Router::new();
    router.insert(a.path.0, ()).is_ok() && router.insert(b.path.0, ()).is_err()
}
