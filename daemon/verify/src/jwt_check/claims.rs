//! What a token has to say, and what one says that is sent.

use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::jwt_scheme::{Claim, JwtScheme};
use crate::mac::Tag;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::Encoding;
use crate::settings::Settings;
use crate::setup::SetupError;

/// How long a token that is sent here is good for, in seconds.
const LIFETIME: i64 = 300;

/// Makes sure that a token, whose signature has held, says what it has to. Comparing takes as long as
/// it takes: nothing that is compared is secret.
pub(super) fn check(
    scheme: &JwtScheme,
    claims: &Map<String, Value>,
    request: &Request,
    now: UnixTime,
    settings: &Settings,
) -> Result<(), Reason> {
    let leeway = scheme.leeway;
    if let Some(expires) = moment(claims, "exp")? {
        let late = now.as_secs().saturating_sub(expires);
        if late >= seconds(leeway) {
            return Err(Reason::TokenExpired { ago: distance(late), leeway });
        }
    }
    let issued_within = scheme.claims.iter().find_map(|claim| match claim {
        Claim::Issued { within } => Some(*within),
        _ => None,
    });
    let ahead = [("nbf", leeway), ("iat", issued_within.unwrap_or(leeway))];
    for (claim, tolerance) in ahead {
        if let Some(from) = moment(claims, claim)? {
            let early = from.saturating_sub(now.as_secs());
            if early > seconds(tolerance) {
                return Err(Reason::TimestampInFuture { ahead: distance(early), tolerance });
            }
        }
    }
    scheme.claims.iter().try_for_each(|claim| says(claim, claims, request, now, settings))
}

fn says(
    claim: &Claim,
    claims: &Map<String, Value>,
    request: &Request,
    now: UnixTime,
    settings: &Settings,
) -> Result<(), Reason> {
    let (name, held) = match claim {
        // Those that are there have been looked at.
        Claim::Expires => ("exp", claims.contains_key("exp")),
        Claim::NotBefore => ("nbf", claims.contains_key("nbf")),
        Claim::Issued { within } => {
            let Some(issued) = moment(claims, "iat")? else { return Err(wrong("iat")) };
            let age = now.as_secs().saturating_sub(issued);
            if age > seconds(*within) {
                return Err(Reason::TimestampTooOld { age: distance(age), tolerance: *within });
            }
            ("iat", true)
        }
        Claim::OneOf { claim, texts } => {
            (*claim, text(claims, claim).is_some_and(|found| texts.contains(&found)))
        }
        Claim::Setting { claim, setting } => {
            let expected = settings.get(setting);
            (*claim, expected.is_some() && text(claims, claim) == expected)
        }
        Claim::SettingOrUrl { claim, setting } => {
            let found = claims.get(*claim);
            let held = match settings.get(setting) {
                Some(expected) => lists(found, expected),
                None => lists(found, &request.url) || lists(found, without_query(&request.url)),
            };
            (*claim, held)
        }
        Claim::True { claim } => (*claim, claims.get(*claim) == Some(&Value::Bool(true))),
        Claim::BodyHash { claim, unless_empty: true, .. } if request.body.is_empty() => {
            (*claim, !claims.contains_key(*claim))
        }
        Claim::BodyHash { claim, encoding, .. } => {
            (*claim, text(claims, claim) == Some(&hash(&request.body, *encoding)))
        }
        Claim::UrlHash { claim, encoding } => {
            (*claim, text(claims, claim) == Some(&hash(request.url.as_bytes(), *encoding)))
        }
        Claim::Once { claim } => {
            (*claim, claims.get(*claim).is_none_or(|found| found.as_str().is_some_and(is_once)))
        }
    };
    if held { Ok(()) } else { Err(wrong(name)) }
}

fn wrong(claim: &'static str) -> Reason {
    Reason::WrongClaim { claim }
}

/// The text that is used once, when there is one.
pub(super) fn once(scheme: &JwtScheme, claims: &Map<String, Value>) -> Option<String> {
    scheme.claims.iter().find_map(|claim| match claim {
        Claim::Once { claim } => {
            text(claims, claim).filter(|text| is_once(text)).map(str::to_owned)
        }
        _ => None,
    })
}

/// Fit to be remembered.
fn is_once(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && !text.contains(char::is_control)
}

/// What the sender would say at `now`.
pub(super) fn write(
    scheme: &JwtScheme,
    request: &Request,
    now: UnixTime,
    settings: &Settings,
) -> Result<Map<String, Value>, SetupError> {
    let now_secs = now.as_secs();
    let mut claims = Map::new();
    for claim in scheme.claims.iter() {
        let (name, value) = match claim {
            Claim::Expires => {
                // As those do that do not say from when a token is good.
                if !scheme.claims.contains(&Claim::NotBefore) {
                    claims.insert("iat".to_owned(), now_secs.into());
                }
                ("exp", now_secs.saturating_add(LIFETIME).into())
            }
            Claim::NotBefore => ("nbf", now_secs.into()),
            Claim::Issued { .. } => ("iat", now_secs.into()),
            Claim::OneOf { claim, texts } => {
                (*claim, texts.first().copied().unwrap_or_default().into())
            }
            Claim::Setting { claim, setting } => {
                let summary = "the token has to say it";
                let missing = SetupError::MissingSetting { name: setting, summary };
                (*claim, settings.get(setting).ok_or(missing)?.into())
            }
            Claim::SettingOrUrl { claim, setting } => {
                (*claim, settings.get(setting).unwrap_or(without_query(&request.url)).into())
            }
            Claim::True { claim } => (*claim, true.into()),
            Claim::BodyHash { unless_empty: true, .. } if request.body.is_empty() => continue,
            Claim::BodyHash { claim, encoding, .. } => {
                (*claim, hash(&request.body, *encoding).into())
            }
            Claim::UrlHash { claim, encoding } => {
                (*claim, hash(request.url.as_bytes(), *encoding).into())
            }
            // Without a source of randomness, something that no other request of this moment has.
            Claim::Once { claim } => {
                let unlike = [&now.as_millis().to_be_bytes()[..], &request.body].concat();
                (*claim, hash(&unlike, Encoding::Hex).into())
            }
        };
        claims.insert(name.to_owned(), value);
    }
    Ok(claims)
}

fn text<'c>(claims: &'c Map<String, Value>, claim: &str) -> Option<&'c str> {
    claims.get(claim)?.as_str()
}

/// Whether a claim is `expected`, or a list of texts with it among them, as an audience may be.
fn lists(found: Option<&Value>, expected: &str) -> bool {
    match found {
        Some(Value::String(found)) => found == expected,
        Some(Value::Array(several)) => {
            several.iter().all(Value::is_string)
                && several.iter().any(|one| one.as_str() == Some(expected))
        }
        _ => false,
    }
}

/// Seconds since the epoch: a whole number, as every known sender writes it.
fn moment(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, Reason> {
    match claims.get(claim) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or(wrong(claim)),
    }
}

fn hash(bytes: &[u8], encoding: Encoding) -> String {
    Tag::from_slice(&Sha256::digest(bytes)).encode(encoding)
}

fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(url, _)| url)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn distance(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}
