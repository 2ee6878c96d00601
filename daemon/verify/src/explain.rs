//! Why a captured request passes or fails, for the holder of its secret. Never for a sender: what
//! this finds out by trying is just what a forger would want to know.
//!
//! A refusal has one reason, and the reason has a cause: a body that was written anew, another
//! secret, a clock, another URL. Each is tried, as an experiment with the same verifier: what makes
//! the request pass is what went wrong on its way.

mod experiment;
mod json_text;

use crate::keyring::{KeySource, Keyring};
use crate::profile::{Profile, profiles};
use crate::reason::{Reason, Refused};
use crate::request::{Request, UnixTime};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::setup::SetupError;
use crate::verifier::{Received, Verifier};

use experiment::Experiment;

/// One thing that a request has to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked, in a few words.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
}

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It held.
    Passed,
    /// It did not, because.
    Failed(String),
    /// An earlier one failed.
    NotReached,
}

/// Everything that can be said about one request.
#[derive(Debug)]
pub struct Explanation {
    /// What a route of this sender makes of the request.
    pub verdict: Result<Received, Refused>,
    /// The checks in their order. Empty for a handshake that is not signed.
    pub checks: Vec<Check>,
    /// What went wrong, as far as trying could tell; the most certain first.
    pub hints: Vec<String>,
}

/// A request, and what its route has been told.
#[derive(Debug)]
pub struct Case<'c> {
    /// The sender.
    pub profile: &'static Profile,
    /// The route's secrets.
    pub secrets: &'c [Secret],
    /// The sender's settings.
    pub settings: &'c Settings,
    /// The request as captured.
    pub request: &'c Request,
    /// When it was received.
    pub now: UnixTime,
}

/// Judges a request and says why. `fetch` stands in for what a daemon would fetch; it is asked once
/// for each source.
///
/// # Errors
/// The secrets or settings cannot be right.
pub fn explain(
    case: &Case<'_>,
    fetch: impl Fn(&KeySource) -> Option<bytes::Bytes>,
    keyring: Keyring,
) -> Result<Explanation, SetupError> {
    let verifier =
        Verifier::for_profile(case.profile, case.secrets.iter().cloned(), case.settings.clone())?;
    let mut keyring = keyring;
    let mut asked: Vec<KeySource> = Vec::new();
    let verdict = loop {
        let verdict = verifier.receive(case.request.clone(), case.now, &keyring);
        let Err(Refused { reason: Reason::KeyNeeded(source), .. }) = &verdict else {
            break verdict;
        };
        if asked.contains(source) {
            break verdict;
        }
        asked.push(source.clone());
        match fetch(source) {
            Some(document) => keyring = keyring.with(source, document),
            None => break verdict,
        }
    };
    let reason = verdict.as_ref().err().map(|refused| &refused.reason);
    let handshake = matches!(verdict, Ok(Received::Handshake(_)));
    let checks = if handshake { Vec::new() } else { checks(reason) };
    let hints = match reason {
        Some(reason) => Experiment { case, keyring: &keyring }.hints(reason),
        None => Vec::new(),
    };
    Ok(Explanation { verdict, checks, hints })
}

/// The checks in the order in which they are made, up to the one that failed.
fn checks(reason: Option<&Reason>) -> Vec<Check> {
    const NAMES: [&str; 5] = [
        "the sender's headers and fields are there, once and not empty",
        "the signature or credential has the right form",
        "the timestamp is near enough to now",
        "the key is at hand",
        "the signature or credential is right",
    ];
    let failed = reason.map(|reason| (stage(reason), reason));
    let outcome = |index: usize| match failed {
        Some((at, reason)) if at == index => Outcome::Failed(reason.to_string()),
        Some((at, _)) if at < index => Outcome::NotReached,
        _ => Outcome::Passed,
    };
    let named = NAMES.into_iter().enumerate();
    named.map(|(index, name)| Check { name, outcome: outcome(index) }).collect()
}

/// The place of the check that a reason is about.
fn stage(reason: &Reason) -> usize {
    match reason {
        Reason::TokenExpired { .. } => return 2,
        Reason::ForeignKeyUrl | Reason::BadCertificate(_) => return 3,
        _ => {}
    }
    match reason.label() {
        "missing-header" | "empty-header" | "duplicate-header" | "unexpected-header"
        | "unlisted-header" | "unsigned-body" | "bad-handshake" | "no-handshake"
        | "malformed-body" | "missing-value" | "duplicate-value" => 0,
        "malformed-signature"
        | "no-known-version"
        | "malformed-credentials"
        | "malformed-form"
        | "malformed-value"
        | "malformed-token"
        | "malformed-envelope" => 1,
        "malformed-timestamp" | "timestamp-too-old" | "timestamp-in-future" => 2,
        "unknown-key" | "not-answered" | "not-taught" => 3,
        _ => 4,
    }
}

/// The other senders whose signature this request seems to carry.
fn lookalikes(request: &Request, not: &Profile) -> Vec<&'static Profile> {
    let others = profiles().iter().filter(|profile| profile.name != not.name);
    others.filter(|profile| crate::verifier::is_carried(profile.scheme, request)).collect()
}

#[cfg(test)]
mod tests;
