//! From a received request to what it has proven to be. Where that takes a key that its sender
//! publishes, or an answer of its sender's, that is got, and the request waits.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hookyard_types::Timestamp;
use hookyard_verify::{Reason, Received, Refused, Request, SuccessBody, UnixTime};
use http::Method;

use super::receive::{Receiver, store_problem};
use super::respond::Problem;
use crate::config;
use crate::keys::{Asking, Unobtainable};
use crate::route::{Checks, NoChecks, Route};

/// Documents that one request may need, one after the other.
const MOST_DOCUMENTS: usize = 4;

/// What a sender is asked to wait when its keys could not be fetched: they are tried again after a
/// minute at the earliest.
const KEYS_RETRY_AFTER: Duration = Duration::from_secs(60);

impl Receiver {
    /// Checks the request. What it is answered when it does not pass is the same for all reasons,
    /// save one: when it is not known whether it would, the sender has to come back.
    pub(super) async fn prove(
        &self,
        route: &Arc<Route>,
        mut request: Request,
        now: Timestamp,
        client: IpAddr,
    ) -> Result<(Received, Arc<Checks>), Problem> {
        let checks = match route.checks(&request.params, &self.learned).await {
            Ok(checks) => checks,
            Err(NoChecks::Store(error)) => return Err(store_problem(error)),
            Err(NoChecks::NoSecret(error)) => {
                let reason = "no-secret";
                let route_name = &route.config().name;
                tracing::warn!(route = route_name, %client, reason, "verification failed: {error}");
                return Err(unauthorized(route.config()));
            }
        };
        let now = UnixTime::from_millis(now.as_millis());
        let mut keys = self.keys.at_hand(&checks.settings);
        for _ in 0..MOST_DOCUMENTS {
            let Refused { reason, request: refused } =
                match checks.verifier.receive(request, now, keys.keyring()) {
                    Ok(received) => return Ok((received, checks)),
                    Err(refused) => refused,
                };
            let settings = &checks.settings;
            let (needed, obtained, crowded): (&dyn fmt::Display, _, _) = match &reason {
                Reason::KeyNeeded(source) => {
                    let asking = Asking { settings, client, budget: &route.key_fetches };
                    let obtained = self.keys.obtain(source, keys, asking).await;
                    (
                        source,
                        obtained,
                        "so many unknown keys were asked for lately that it has to wait",
                    )
                }
                Reason::AnswerNeeded(question) => {
                    let asking = Asking { settings, client, budget: &route.inquiries };
                    let answer = self.inquiries.ask(question, asking).await;
                    let obtained = answer.map(|verdict| keys.answered(question.clone(), verdict));
                    (question, obtained, "so much was asked lately that it has to wait")
                }
                reason => return Err(refuse(route, &refused.method, client, reason)),
            };
            keys = match obtained {
                Ok(keys) => keys,
                Err(Unobtainable::Lacking) => {
                    return Err(refuse(route, &refused.method, client, &reason));
                }
                Err(Unobtainable::Failed(why)) => {
                    return Err(unavailable(route, client, needed, &why, KEYS_RETRY_AFTER));
                }
                Err(Unobtainable::Later(wait)) => {
                    return Err(unavailable(route, client, needed, crowded, wait));
                }
            };
            request = *refused;
        }
        let route = &route.config().name;
        tracing::error!(route, %client, "verification needs more keys than any sender uses");
        Err(Problem::Internal)
    }
}

/// The one answer to a request that did not prove where it is from.
pub(super) fn unauthorized(route: &config::Route) -> Problem {
    let silent = route.success_body() == SuccessBody::Empty;
    Problem::Unauthorized { status: route.refusal_status(), silent }
}

/// The answer to a request that is no event of the route, with a method that events do not have.
pub(super) fn no_event(route: &Route) -> Problem {
    Problem::MethodNotAllowed { allow: route.config().methods.clone() }
}

fn refuse(route: &Route, method: &Method, client: IpAddr, reason: &Reason) -> Problem {
    let name = &route.config().name;
    // Whoever opens the URL in a browser forges nothing.
    let forges = route.takes_events(method) || matches!(reason, Reason::BadHandshake(_));
    if !forges || *reason == Reason::NoHandshake {
        tracing::debug!(route = name, %client, %method, "no handshake: {reason}");
        return no_event(route);
    }
    tracing::warn!(route = name, %client, reason = reason.label(), "verification failed: {reason}");
    unauthorized(route.config())
}

fn unavailable(
    route: &Route,
    client: IpAddr,
    needed: &dyn fmt::Display,
    why: &str,
    retry_after: Duration,
) -> Problem {
    let route = &route.config().name;
    tracing::warn!(
        route,
        %client,
        "answering 503, as the request cannot be verified without {needed}: {why}"
    );
    Problem::KeysUnavailable { retry_after }
}
