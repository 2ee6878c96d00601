//! What people write in configurations, read: places, templates, keys and secrets.

use hookyard_verify::{Location, Scheme, Secret, Settings, Template, Verifier, profiles};

/// Reads one text as everything that it could be. What is read prints as a text that is read alike.
pub fn exercise_written(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(location) = text.parse::<Location>() {
            assert_eq!(location.to_string().parse().as_ref(), Ok(&location));
        }
        if let Ok(template) = text.parse::<Template>() {
            assert_eq!(template.to_string().parse().as_ref(), Ok(&template));
        }
    }
    // A key that can be read is one that verifiers are made of, and no reading panics.
    for profile in profiles() {
        if matches!(profile.scheme, Scheme::None) {
            continue;
        }
        let secret = Secret::new(data);
        let _ = Verifier::for_profile(profile, [secret], Settings::default());
    }
}
