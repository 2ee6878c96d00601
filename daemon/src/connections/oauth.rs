//! OAuth 2 client credentials: a token that is fetched once for all who need it, and again before it
//! expires or when it is refused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::answer;
use super::credential::{encoded, sensitive};
use super::fault::{Fault, of_no_answer};
use super::headers::OUR_NAME;
use crate::config::OAuth2;
use crate::outbound::Pool;
use crate::secret::SecretValue;

/// A token endpoint's answer is no larger, in bytes.
const MOST_BYTES: usize = 64 << 10;
/// A token is fetched again this much before its end, or a tenth of its life, whichever is less.
const AHEAD: Duration = Duration::from_secs(60);
/// When that failed, it is tried again after so much.
const AGAIN: Duration = Duration::from_secs(5);
/// The error codes of RFC 6749, which are all that is shown of a refusal.
const CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// A connection's token, and how to get the next one.
pub(super) struct OAuth {
    config: OAuth2,
    secret: SecretValue,
    now: Mutex<Option<Arc<Token>>>,
    /// Held by the one who fetches.
    turn: tokio::sync::Mutex<()>,
}

/// A token in use.
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// The token alone.
    pub(super) value: Zeroizing<String>,
    /// From here on the next one is fetched.
    refresh_at: Mutex<Option<Instant>>,
    /// From here on this one is not used.
    expires_at: Option<Instant>,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl OAuth {
    pub(super) fn new(config: OAuth2, secret: SecretValue) -> Self {
        Self { config, secret, now: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// A token that is not `refused`. Whoever finds that one is due fetches it; the others go on with
    /// the one that still holds, or wait. While one holds, no more than `patience` is spent on the next.
    pub(super) async fn token(
        &self,
        pool: &Pool,
        refused: Option<&Arc<Token>>,
        patience: Duration,
    ) -> Result<Arc<Token>, Fault> {
        let known = self.known(refused);
        let _turn = match &known {
            Some(token) if !token.is_due(Instant::now()) => return Ok(Arc::clone(token)),
            Some(token) => match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(Arc::clone(token)),
            },
            None => self.turn.lock().await,
        };
        // Another may have fetched it in the meantime.
        if let Some(token) = self.known(refused).filter(|token| !token.is_due(Instant::now())) {
            return Ok(token);
        }
        let fetched = match known {
            None => self.fetch(pool).await?,
            Some(known) => match tokio::time::timeout(patience, self.fetch(pool)).await {
                Ok(Ok(token)) => token,
                _ => {
                    *known.refresh_at.lock() = Instant::now().checked_add(AGAIN);
                    return Ok(known);
                }
            },
        };
        let token = Arc::new(fetched);
        *self.now.lock() = Some(Arc::clone(&token));
        Ok(token)
    }

    /// The token that can be used now.
    fn known(&self, refused: Option<&Arc<Token>>) -> Option<Arc<Token>> {
        let known = self.now.lock().clone()?;
        let over = known.expires_at.is_some_and(|at| at <= Instant::now());
        let refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, &known));
        (!over && !refused).then_some(known)
    }

    async fn fetch(&self, pool: &Pool) -> Result<Token, Fault> {
        let url = &self.config.token_url;
        let failed = |why: &str| Fault::Credential(format!("no token from {url}: {why}"));
        let (headers, form) = self.request();
        let target = url.itself();
        let response = pool.send(Method::POST, &target, headers, form).await;
        let response = response.map_err(|no| failed(&of_no_answer(&no).message()))?;
        let status = response.status();
        let body = answer::bounded(response.into_body(), MOST_BYTES).await;
        let body = body.map_err(|fault| match fault {
            Fault::TooLarge(most) => failed(&format!("its answer is more than {most} bytes")),
            fault => failed(&fault.message()),
        });
        let body = Zeroizing::new(body?);
        if status != StatusCode::OK {
            let refused: Option<Refused> = serde_json::from_slice(&body).ok();
            let code =
                refused.and_then(|Refused { error }| CODES.into_iter().find(|code| *code == error));
            let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
            return Err(failed(&format!("it answered {status}{code}")));
        }
        let given: Given = serde_json::from_slice(&body)
            .map_err(|_| failed("its answer is not JSON with an `access_token`"))?;
        let value = Zeroizing::new(given.access_token);
        if !matches!(given.token_type.to_ascii_lowercase().as_str(), "" | "bearer") {
            return Err(failed("its token is not of the type `Bearer`"));
        }
        let header = sensitive("Bearer ", &value);
        let header = header.ok_or_else(|| failed("its token cannot be a header's value"))?;
        let now = Instant::now();
        // Some write the number as text.
        let life = given.expires_in.and_then(|life| match life {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        let life = life.map(Duration::from_secs);
        let expires_at = life.and_then(|life| now.checked_add(life));
        let refresh_at = life.and_then(|life| now.checked_add(life - AHEAD.min(life / 10)));
        Ok(Token { header, value, refresh_at: Mutex::new(refresh_at), expires_at })
    }

    fn request(&self) -> (HeaderMap, Bytes) {
        let OAuth2 { client_id, scopes, audience, in_body, .. } = &self.config;
        let secret = Zeroizing::new(String::from_utf8_lossy(&self.secret).into_owned());
        let mut form = String::from("grant_type=client_credentials");
        let mut add = |name: &str, value: &str| {
            form.push('&');
            form.push_str(name);
            form.push('=');
            form.push_str(&encoded(value));
        };
        if !scopes.is_empty() {
            add("scope", &scopes.join(" "));
        }
        if let Some(audience) = audience {
            add("audience", audience);
        }
        let mut headers = HeaderMap::new();
        if *in_body {
            add("client_id", client_id);
            add("client_secret", &secret);
        } else {
            // Both are encoded as in a form first, as RFC 6749 has it.
            let both = Zeroizing::new(format!("{}:{}", *encoded(client_id), *encoded(&secret)));
            let value = Zeroizing::new(BASE64.encode(both.as_bytes()));
            if let Some(value) = sensitive("Basic ", &value) {
                headers.insert(header::AUTHORIZATION, value);
            }
        }
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form_type);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, OUR_NAME);
        (headers, form.into())
    }
}

impl Token {
    fn is_due(&self, now: Instant) -> bool {
        self.refresh_at.lock().is_some_and(|at| at <= now)
    }
}
