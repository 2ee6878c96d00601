//! Answers the requests with which senders try a URL out. They are never events: nothing of them is
//! stored, but for the secret that some bring while an operator waits for it.

use std::net::IpAddr;
use std::sync::Arc;

use hookyard_store::{Learning, Teaching};
use hookyard_types::Timestamp;
use hookyard_verify::{Handshake, Secret};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::prove::unauthorized;
use super::receive::{Receiver, store_problem};
use super::respond::{self, Problem, Response};
use crate::learned::{show, teacher};
use crate::outbound;
use crate::route::{Checks, Route};

/// Where a handshake came in.
pub(super) struct Came<'r> {
    pub(super) route: &'r Arc<Route>,
    pub(super) checks: &'r Checks,
    /// What the path's parameters matched.
    pub(super) scope: &'r str,
    pub(super) client: IpAddr,
    pub(super) at: Timestamp,
}

impl Receiver {
    /// Does what the handshake asks for and answers exactly as its sender wants it.
    pub(super) async fn shake_hands(
        &self,
        handshake: Handshake,
        came: Came<'_>,
    ) -> Result<Response, Problem> {
        let (route, client) = (&came.route.config().name, came.client);
        let name = handshake.name;
        let now = Instant::now();
        let room = if handshake.confirm.is_some() || handshake.teaches.is_some() {
            came.route.handshakes.take(now)
        } else {
            came.route.client_handshakes.take(client, now)
        };
        if let Err(retry_after) = room {
            tracing::warn!(route, %client, handshake = name, "answering 429: too many handshakes");
            return Err(Problem::TooManyHandshakes { retry_after });
        }
        if let Some(url) = &handshake.confirm {
            self.confirm(url).await.map_err(|error| {
                tracing::warn!(
                    route,
                    handshake = name,
                    "answering 503: failed to confirm the handshake: {error}"
                );
                Problem::Unconfirmed
            })?;
        }
        if let Some(secret) = &handshake.teaches {
            self.learn(name, secret, &came).await?;
        }
        tracing::info!(route, %client, handshake = name, "answered a handshake");
        Ok(respond::handshake(handshake.reply))
    }

    async fn confirm(&self, url: &str) -> Result<(), String> {
        let request = outbound::Request::get(url).map_err(|error| error.to_string())?;
        let fetched = self.outbound.fetch(request).await;
        let fetched = fetched.and_then(outbound::Response::expect_success);
        fetched.map(drop).map_err(|error| format!("failed to {error}"))
    }

    /// Keeps the secret that the handshake brings, if somebody waits for one.
    async fn learn(&self, name: &str, secret: &Secret, came: &Came<'_>) -> Result<(), Problem> {
        let (route, client) = (&came.route.config().name, came.client);
        if let Err(error) = came.checks.takes(secret) {
            tracing::warn!(
                route,
                %client,
                handshake = name,
                reason = "bad-handshake",
                "the handshake is refused: what it brings is no secret: {error}"
            );
            return Err(unauthorized(came.route.config()));
        }
        let value = Zeroizing::new(secret.expose().to_vec());
        let what = Teaching {
            route: route.clone(),
            provider: teacher(came.route.config()).unwrap_or_default().to_owned(),
            scope: came.scope.to_owned(),
        };
        let scope = show(came.scope);
        match self.learned.learn(&what, value, came.at).await.map_err(store_problem)? {
            Learning::Learned => {
                tracing::info!(
                    route,
                    scope,
                    %client,
                    handshake = name,
                    "learned the sender's secret"
                );
                Ok(())
            }
            Learning::Full => {
                tracing::warn!(
                    route,
                    scope,
                    %client,
                    handshake = name,
                    reason = "too-many-secrets",
                    "the handshake is refused: as many secrets were learned as are kept; none is \
                     dropped, since it may be in use: run `hookyard routes forget {route}`, and \
                     make the webhooks anew"
                );
                Err(unauthorized(came.route.config()))
            }
            Learning::NotArmed => {
                tracing::warn!(
                    route,
                    scope,
                    %client,
                    handshake = name,
                    reason = "not-armed",
                    "the handshake is refused: it would set the secret, and anyone can send it; \
                     when it is expected, run `hookyard routes arm {route}` first"
                );
                Err(unauthorized(came.route.config()))
            }
        }
    }
}
