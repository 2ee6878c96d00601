//! Secrets that cannot be used. Whoever resolves them says what is wrong with which; here it gets
//! its place in the file.

use super::Build;
use super::diagnostic::Span;
use super::model::Route;
use super::reader::Problems;
use super::route::ReadRoute;

/// Why a secret cannot be used. Nothing of its value is in the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretProblem {
    /// One sentence, without the place.
    pub(crate) message: String,
    /// What stands at the caret.
    pub(crate) label: Option<String>,
    /// What to do about it, a sentence each.
    pub(crate) help: Vec<String>,
}

/// Which part of a route something is wrong with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RoutePart {
    /// The one at this place of its keys.
    Key(usize),
    /// The one at this place of its provider's settings.
    Setting(usize),
    /// How it is verified, as a whole.
    Verify,
}

/// Makes something of every route that has no problem of its own, and notes what is wrong.
pub(super) fn build<B: Build>(
    routes: &[ReadRoute<'_>],
    build: &mut B,
    problems: &mut Problems,
) -> Vec<B::Route> {
    let mut built = Vec::with_capacity(routes.len());
    for read in routes {
        let Some(route) = &read.route else { continue };
        match build.route(route) {
            Ok(of_route) => built.push(of_route),
            Err(found) => {
                for (part, problem) in found {
                    let (key, span) = place(read, route, &part);
                    note(key, span, problem, problems);
                }
            }
        }
    }
    built
}

fn place(read: &ReadRoute<'_>, route: &Route, part: &RoutePart) -> (&'static str, Span) {
    let places = &read.places;
    let whole = || {
        let key = if route.profile().is_some() { "provider" } else { "verify" };
        (key, places.verify.clone().unwrap_or_else(|| read.path.1.clone()))
    };
    match part {
        RoutePart::Key(index) => places.keys.get(*index).cloned().unwrap_or_else(whole),
        RoutePart::Setting(index) => {
            let named = route.verify.settings().get(*index).zip(places.settings.get(*index));
            named.map_or_else(whole, |(setting, span)| (setting.name, span.clone()))
        }
        RoutePart::Verify => whole(),
    }
}

/// Notes what is wrong with the secret that `key` refers to.
pub(super) fn note(key: &str, span: Span, problem: SecretProblem, problems: &mut Problems) {
    let draft = problems.error(span, format!("`{key}`: {}", problem.message));
    if let Some(label) = problem.label {
        draft.label(label);
    }
    for help in problem.help {
        draft.help(help);
    }
}
