//! The ways of signing, as the fuzzer's targets divide them.

use hookyard_verify::{Construction, Profile, Scheme};

/// A target and the senders that it is about.
pub struct Family {
    pub name: &'static str,
    pub of: fn(&Profile) -> bool,
}

/// Every family of schemes, and the handshakes.
pub const FAMILIES: &[Family] = &[
    Family { name: "hmac", of: |profile| any(profile, is_hmac) },
    Family { name: "key_pair", of: |profile| any(profile, is_key_pair) },
    Family { name: "credential", of: |profile| any(profile, is_credential) },
    Family { name: "token", of: |profile| any(profile, |scheme| matches!(scheme, Scheme::Jwt(_))) },
    Family { name: "certificate", of: |profile| any(profile, is_certificate) },
    Family { name: "form", of: |profile| any(profile, is_form) },
    Family { name: "body", of: |profile| any(profile, is_in_body) },
    Family { name: "handshake", of: |profile| !profile.handshakes.is_empty() },
];

/// The family called `name`.
///
/// # Panics
/// When there is none.
pub fn family(name: &str) -> &'static Family {
    FAMILIES.iter().find(|family| family.name == name).expect("a family's name")
}

/// Whether one of the profile's ways is of a kind.
fn any(profile: &Profile, is: fn(&Scheme) -> bool) -> bool {
    match profile.scheme {
        Scheme::FirstOf(ways) => ways.iter().any(is),
        one => is(one),
    }
}

fn is_hmac(scheme: &Scheme) -> bool {
    let Scheme::Template(template) = scheme else { return false };
    matches!(template.construction, Construction::Hmac(_) | Construction::Digest(_))
}

fn is_key_pair(scheme: &Scheme) -> bool {
    match scheme {
        Scheme::Template(template) => matches!(template.construction, Construction::KeyPair(_)),
        other => matches!(other, Scheme::Ebay),
    }
}

fn is_credential(scheme: &Scheme) -> bool {
    matches!(
        scheme,
        Scheme::Token { .. } | Scheme::Bearer | Scheme::Basic { .. } | Scheme::BasicPair
    )
}

fn is_certificate(scheme: &Scheme) -> bool {
    matches!(scheme, Scheme::Sns | Scheme::Paypal)
}

fn is_form(scheme: &Scheme) -> bool {
    matches!(scheme, Scheme::Twilio | Scheme::Mandrill)
}

/// What is left: signatures and secrets in the body or the query.
fn is_in_body(scheme: &Scheme) -> bool {
    let elsewhere = [is_hmac, is_key_pair, is_credential, is_certificate, is_form];
    let other = matches!(scheme, Scheme::Jwt(_) | Scheme::None | Scheme::FirstOf(_));
    !other && !elsewhere.iter().any(|is| is(scheme))
}
