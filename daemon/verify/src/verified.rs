//! What has been proven, and what has not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::location::Location;
use crate::request::Request;

/// A part of a request that a signature may or may not cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The event's type, as the profile or the route locates it.
    Kind,
    /// The delivery id, as the profile or the route locates it.
    DeliveryId,
    /// The request's method.
    Method,
    /// The path as received, without the query.
    Path,
    /// What follows the `?`.
    Query,
    /// The parameters that the path matched.
    Params,
    /// The headers, apart from those that the scheme itself signs.
    Headers,
    /// The raw body.
    Body,
}

impl Part {
    /// Every part, in the order in which they are listed.
    pub const ALL: &'static [Self] = &[
        Self::Kind,
        Self::DeliveryId,
        Self::Method,
        Self::Path,
        Self::Query,
        Self::Params,
        Self::Headers,
        Self::Body,
    ];

    /// A stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::DeliveryId => "delivery-id",
            Self::Method => "method",
            Self::Path => "path",
            Self::Query => "query",
            Self::Params => "params",
            Self::Headers => "headers",
            Self::Body => "body",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What holds for every request of a verifier.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) kind: Vec<Location>,
    pub(crate) delivery_id: Vec<Location>,
    /// What some alternative leaves open.
    pub(crate) unauthenticated: Vec<Part>,
    /// What each alternative leaves open.
    pub(crate) by_alternative: Vec<Vec<Part>>,
    /// The headers in which the secret itself may have been sent.
    pub(crate) credentials: Vec<HeaderName>,
}

/// A request whose signature held. Only [`Verifier::receive`](crate::Verifier::receive) and
/// [`Verifier::verify`](crate::Verifier::verify) make one.
///
/// The body is exactly the bytes that were checked. See [`Verified::unauthenticated`] for what was
/// not.
pub struct Verified {
    request: Request,
    alternative: usize,
    matched_secret: Option<usize>,
    one_time_token: Option<String>,
    repeatable_for: Option<Duration>,
    facts: Arc<Facts>,
}

impl Verified {
    /// `held` is the alternative that held and the place of the secret that matched.
    #[inline]
    pub(crate) fn new(
        request: Request,
        held: (usize, Option<usize>),
        (one_time_token, repeatable_for): (Option<String>, Option<Duration>),
        facts: Arc<Facts>,
    ) -> Self {
        let (alternative, matched_secret) = held;
        Self { request, alternative, matched_secret, one_time_token, repeatable_for, facts }
    }

    /// The request whose signature held.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The request, without the proof that it was checked, for keeping. Where the secret itself was sent ([`Scheme::Token`], bearer,
    /// basic), the header that carried it is gone: whoever reads the request later must not be
    /// able to send others. A secret in the body ([`Scheme::BodySecret`](crate::Scheme::BodySecret))
    /// stays in it, since the body is handed on as it was received.
    ///
    /// [`Scheme::Token`]: crate::Scheme::Token
    pub fn into_request(mut self) -> Request {
        for header in &self.facts.credentials {
            self.request.headers.remove(header);
        }
        self.request
    }

    /// The place, in the verifier's list, of the secret that matched, so that an operator can see
    /// when an old one is no longer in use. Nothing when the scheme is [`None`](crate::Scheme::None),
    /// and when the key was fetched.
    pub fn matched_secret(&self) -> Option<usize> {
        self.matched_secret
    }

    /// A signed text that the sender uses once, where the signature does not cover the body. Someone
    /// who got hold of it could send another body with it: remember it, for at least as long as the
    /// sender retries, together with what came with it, and refuse it with another body.
    pub fn one_time_token(&self) -> Option<&str> {
        self.one_time_token.as_deref()
    }

    /// For how long after it was taken the same signature could pass once more, since its sender
    /// signs a timestamp: what a [token](Self::one_time_token) has to be remembered for at least.
    /// Nothing where no age is too old: then it has to be remembered for good.
    pub fn repeatable_for(&self) -> Option<Duration> {
        self.repeatable_for
    }

    /// The event's type, from the first location that has one. Where it is in the body, the body is
    /// read anew by each call: keep the answer.
    pub fn kind(&self) -> Option<String> {
        first(&self.facts.kind, &self.request)
    }

    /// The sender's id of this delivery, from the first location that has one. As with the kind,
    /// keep the answer.
    pub fn delivery_id(&self) -> Option<String> {
        first(&self.facts.delivery_id, &self.request)
    }

    /// The parts that the signature does not cover, in the order of [`Part::ALL`]: someone who got
    /// hold of one genuine request can change them. Kind and delivery id are listed when one of
    /// their locations is not covered, and left out when they have no location at all.
    pub fn unauthenticated(&self) -> &[Part] {
        let all = &self.facts.unauthenticated;
        self.facts.by_alternative.get(self.alternative).unwrap_or(all)
    }
}

fn first(locations: &[Location], request: &Request) -> Option<String> {
    locations.iter().find_map(|location| location.find(request))
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("request", &self.request)
            .field("matched_secret", &self.matched_secret)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use crate::{Request, Scheme, Secret, Settings, UnixTime, Verifier, sign};

    #[test]
    fn a_secret_that_was_sent_is_not_kept() {
        let token = Scheme::Token { header: "x-token".into() };
        let basic = Scheme::Basic { user: "ada".into() };
        for scheme in [token, Scheme::Bearer, basic] {
            let secret = Secret::from("sesame-open-up");
            let mut request = Request {
                method: Method::POST,
                url: "https://example.com/in".to_owned(),
                path: "/in".to_owned(),
                query: None,
                params: Vec::new(),
                headers: HeaderMap::new(),
                body: bytes::Bytes::from_static(b"{}"),
            };
            let now = UnixTime::from_secs(1_700_000_000);
            request = sign(&scheme, &secret, request, now, &Settings::default()).expect("signable");
            let other = HeaderName::from_static("x-other");
            request.headers.insert(&other, HeaderValue::from_static("kept"));
            let verifier = Verifier::new(scheme, [secret]).expect("a good secret");
            let verified = verifier.verify(request, now).expect("genuine");
            let kept = verified.into_request().headers;
            assert_eq!(kept.keys().collect::<Vec<_>>(), [&other]);
        }
    }
}
