//! Known senders, as data: one table entry each, no code.

mod github;
mod standard_webhooks;

use std::time::Duration;

use crate::location::Location;
use crate::names::UnknownName;
use crate::scheme::Scheme;

/// What is known about a sender.
#[derive(Debug)]
#[non_exhaustive]
pub struct Profile {
    /// Its name in configuration.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How it signs. A route that needs another tolerance clones this and changes it.
    pub scheme: Scheme,
    /// Where the event's type is; the first location that has one counts.
    pub kind: &'static [Location],
    /// Where the delivery's id is; the first location that has one counts.
    pub delivery_id: &'static [Location],
    /// How long after the first try the sender may send the same delivery again: duplicates have to
    /// be recognised for at least as long.
    pub retry_span: Duration,
    /// The status that tells the sender that the event was taken.
    pub success_status: u16,
    /// What a person who sets up a route has to know, in a sentence or two.
    pub summary: &'static str,
}

static PROFILES: &[Profile] =
    &[github::GITHUB, standard_webhooks::STANDARD_WEBHOOKS, standard_webhooks::SVIX];

/// The names of all profiles, in the order of [`profiles`].
static NAMES: &[&str] = &["github", "standard-webhooks", "svix"];

/// Every known sender, ordered by name.
pub fn profiles() -> &'static [Profile] {
    PROFILES
}

/// The sender called `name`, exactly.
///
/// ```
/// use hookyard_verify::profile;
///
/// assert_eq!(profile("github")?.title, "GitHub");
/// assert_eq!(
///     profile("git-hub").unwrap_err().to_string(),
///     "unknown provider `git-hub`; did you mean `github`?; known: github, standard-webhooks, svix"
/// );
/// # Ok::<(), hookyard_verify::UnknownName>(())
/// ```
pub fn profile(name: &str) -> Result<&'static Profile, UnknownName> {
    PROFILES
        .iter()
        .find(|profile| profile.name == name)
        .ok_or_else(|| UnknownName::new("provider", name, NAMES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, Verifier};

    #[test]
    fn the_table_is_sorted_and_its_names_are_listed() {
        let names: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
        assert_eq!(names, NAMES);
        assert!(names.is_sorted());
    }

    #[test]
    fn every_entry_makes_a_verifier_and_prints_its_places() {
        for profile in PROFILES {
            let secret = Secret::from("MDEyMzQ1Njc4OWFiY2RlZg");
            Verifier::for_profile(profile, [secret]).expect(profile.name);
            for location in profile.kind.iter().chain(profile.delivery_id) {
                assert_eq!(location.to_string().parse().as_ref(), Ok(location), "{}", profile.name);
            }
            assert!((200..300).contains(&profile.success_status), "{}", profile.name);
            assert!(!profile.retry_span.is_zero() && !profile.summary.is_empty());
        }
    }
}
