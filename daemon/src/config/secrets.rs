//! Secrets that cannot be used. Whoever resolves them says what is wrong with which; here it gets
//! its place in the file.

use super::model::Route;
use super::reader::Problems;
use super::route::ReadRoute;

/// Why one of a route's secrets cannot be used. Nothing of its value is in the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretProblem {
    /// Its place in [`Route::secrets`].
    pub(crate) index: usize,
    /// One sentence, without the place.
    pub(crate) message: String,
    /// What stands at the caret.
    pub(crate) label: Option<String>,
    /// What to do about it, a sentence each.
    pub(crate) help: Vec<String>,
}

/// Calls `build` with every route that has no problem of its own, and notes what it says.
pub(super) fn build<T>(
    routes: &[ReadRoute<'_>],
    mut build: impl FnMut(&Route) -> Result<T, Vec<SecretProblem>>,
    problems: &mut Problems,
) -> Vec<T> {
    let mut built = Vec::with_capacity(routes.len());
    for read in routes {
        let Some(route) = &read.route else { continue };
        match build(route) {
            Ok(of_route) => built.push(of_route),
            Err(found) => found.into_iter().for_each(|problem| note(read, problem, problems)),
        }
    }
    built
}

fn note(read: &ReadRoute<'_>, problem: SecretProblem, problems: &mut Problems) {
    // What concerns no secret in particular concerns the route.
    let span = read.secrets.get(problem.index).unwrap_or(&read.path.1);
    let draft = problems.error(span.clone(), format!("`secret`: {}", problem.message));
    if let Some(label) = problem.label {
        draft.label(label);
    }
    for help in problem.help {
        draft.help(help);
    }
}
