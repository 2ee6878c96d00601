//! One call: checked, sent as often as it takes and may, and answered.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hookyard_runtime::{Answer, Call, CallError, Called};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Connection;
use super::answer;
use super::credential::{Credential, encoded};
use super::fault::{Fault, Repeats, of_no_answer};
use super::headers::{self, IDEMPOTENCY_KEY, OUR_NAME};
use super::oauth::Token;
use crate::outbound::{Peer, Target, without_values};

/// The methods that a plugin may use.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
/// The longest wait before the second try; doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// No wait that nobody asked for is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 255;

/// What became of a call, and what a person who tries a connection wants to see besides.
pub(crate) struct Done {
    pub(crate) called: Called,
    pub(crate) peer: Option<Peer>,
}

/// A request that can be sent.
struct Prepared {
    method: Method,
    target: Target,
    headers: HeaderMap,
    body: Bytes,
    /// Whether sending it twice does no harm.
    repeats: bool,
    deadline: Instant,
    max_answer: usize,
}

/// What happened so far, also to a call that is cut off.
#[derive(Default)]
struct Progress {
    tries: u32,
    status: Option<u16>,
    received: u64,
    peer: Option<Peer>,
    /// The last try was answered with a redirect to somewhere else to look, as one does that has
    /// carried the request out.
    carried_out: bool,
}

impl Connection {
    /// Carries out a call. Must be polled inside a tokio runtime.
    pub(crate) async fn call(&self, call: Call) -> Done {
        let mut progress = Progress::default();
        let mut url = self.config.base_url.to_string();
        let outcome = match self.prepare(call) {
            Err(what) => Err(CallError::Invalid(what)),
            Ok(prepared) => {
                url = without_values(&prepared.target);
                let begun = Instant::now();
                let all = self.tries(&prepared, &mut progress);
                match timeout_at(prepared.deadline, all).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(CallError::Timeout(format!(
                        "no whole answer in the {:?} that the attempt, or the call's own timeout, \
                         left",
                        rounded(begun.elapsed())
                    ))),
                }
            }
        };
        let Progress { tries, status, received, peer, .. } = progress;
        Done { called: Called { url, tries, status, received, outcome }, peer }
    }

    /// Checks everything that a plugin gave.
    fn prepare(&self, call: Call) -> Result<Prepared, String> {
        let name = &self.name;
        let method = METHODS.into_iter().find(|method| method.as_str() == call.method);
        let method = method.ok_or_else(|| {
            let shown: String = call.method.chars().take(32).collect();
            format!(
                "`{}` is not one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS",
                shown.escape_debug()
            )
        })?;
        let target = self.config.base_url.join(&call.path, &call.query);
        let target = target.map_err(|why| format!("the path {why}"))?;
        if let Some(parameter) = self.resolved.parameter() {
            let query = target.query().unwrap_or_default().as_bytes();
            if form_urlencoded::parse(query).any(|(name, _)| name == parameter) {
                return Err(format!(
                    "the query parameter `{parameter}` is set by [connection.{name}]: leave it out"
                ));
            }
        }
        let credential = self.resolved.header();
        let taken = |name: &header::HeaderName| {
            credential.as_ref() == Some(name) || self.config.headers.contains_key(name.as_str())
        };
        let mut headers = headers::checked(&call.headers, taken, name)?;
        let mut keyed = call.keyed_by_author || self.config.idempotent;
        if headers.contains_key(IDEMPOTENCY_KEY) {
            keyed = true;
        } else if call.keyed_by_author || !method.is_safe() {
            let key = HeaderValue::from_str(&call.idempotency_key).ok();
            let key = key.filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
            let key = key.ok_or_else(|| {
                format!("the idempotency key is not 1 to {LONGEST_KEY} characters of ASCII")
            })?;
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        for (name, value) in &self.config.headers {
            let pair = (header::HeaderName::try_from(name), HeaderValue::from_str(value));
            if let (Ok(name), Ok(value)) = pair {
                headers.insert(name, value);
            }
        }
        headers.entry(header::USER_AGENT).or_insert(OUR_NAME);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        Ok(Prepared {
            repeats: method.is_idempotent() || keyed,
            method,
            target,
            headers,
            body: call.body,
            deadline: call.deadline.into(),
            max_answer: call.max_answer,
        })
    }

    /// Sends the request until it is answered well enough, or cannot be sent again.
    async fn tries(
        &self,
        request: &Prepared,
        progress: &mut Progress,
    ) -> Result<Answer, CallError> {
        let mut refused: Option<Arc<Token>> = None;
        let mut last = None;
        let mut attempt = 1;
        loop {
            if let Err(full) = self.turn(request.deadline).await {
                // What came of the try before says more.
                return last.unwrap_or(Err(full));
            }
            let (outcome, token) = self.once(request, refused.as_ref(), progress).await;
            let again = attempt < self.config.max_attempts;
            let repeats = Repeats {
                carried_out: request.repeats,
                refused: request.repeats || !progress.carried_out,
            };
            let mut renewed = false;
            let wait = match &outcome {
                Ok((answer, _)) if answer.status == StatusCode::UNAUTHORIZED.as_u16() => {
                    // Nothing was carried out; a new token is tried once.
                    renewed = refused.is_none() && token.is_some() && repeats.refused;
                    refused = refused.or(token);
                    renewed.then_some(Duration::ZERO)
                }
                Ok((answer, after)) if again && can_repeat(answer.status, repeats) => {
                    Some(after.unwrap_or_else(|| back_off(attempt)))
                }
                Err(fault) if again && fault.can_repeat(repeats) => Some(back_off(attempt)),
                _ => None,
            };
            let outcome = outcome.map(|(answer, _)| answer).map_err(Fault::into_error);
            let next = wait.and_then(|wait| Instant::now().checked_add(wait));
            let Some(next) = next.filter(|next| *next < request.deadline) else { return outcome };
            last = Some(outcome);
            sleep_until(next).await;
            attempt += u32::from(!renewed);
        }
    }

    /// Waits until the service may be asked.
    async fn turn(&self, deadline: Instant) -> Result<(), CallError> {
        let Some(rate) = &self.rate else { return Ok(()) };
        match rate.take(Instant::now(), deadline) {
            Ok(moment) => {
                sleep_until(moment).await;
                Ok(())
            }
            Err(after) => {
                let config = rate.config();
                let message = format!(
                    "the `rate` of [connection.{}], {} each {:?}, has no room for another {:?}",
                    self.name,
                    config.requests,
                    config.per,
                    rounded(after)
                );
                Err(CallError::Rate { message, after })
            }
        }
    }

    /// One try, and the token that it was made with. With an answer comes what its `Retry-After` says.
    async fn once(
        &self,
        request: &Prepared,
        refused: Option<&Arc<Token>>,
        progress: &mut Progress,
    ) -> (Result<(Answer, Option<Duration>), Fault>, Option<Arc<Token>>) {
        let within = self.config.timeout;
        let end = Instant::now() + within;
        let mut token = None;
        if let Credential::OAuth(oauth) = &self.resolved.credential {
            match timeout_at(end, oauth.token(&self.pool, refused, within / 2)).await {
                Ok(Ok(found)) => token = Some(found),
                Ok(Err(fault)) => return (Err(fault), None),
                Err(_) => {
                    let message =
                        format!("no token within the connection's `timeout` of {within:?}");
                    return (Err(Fault::Credential(message)), None);
                }
            }
        }
        progress.tries += 1;
        let exchange = self.exchange(request, token.as_deref(), progress);
        let outcome = timeout_at(end, exchange).await.unwrap_or(Err(Fault::Timeout(within)));
        let outcome = outcome.map_err(|mut fault| {
            if let Some(text) = fault.text() {
                let mut bytes = std::mem::take(text).into_bytes();
                let raw = token.as_ref().map(|token| token.value.as_bytes());
                self.resolved.scrub(&mut bytes, raw);
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            fault
        });
        (outcome, token)
    }

    /// Sends the request, follows redirects as far as it may, and reads the answer.
    async fn exchange(
        &self,
        request: &Prepared,
        token: Option<&Token>,
        progress: &mut Progress,
    ) -> Result<(Answer, Option<Duration>), Fault> {
        let (mut method, mut body) = (request.method.clone(), request.body.clone());
        let mut target = request.target.clone();
        let mut hops = 0;
        progress.carried_out = false;
        let response = loop {
            let (headers, sent_to) = self.proved(&request.headers, &target, token)?;
            let sent = self.pool.send(method.clone(), &sent_to, headers, body.clone()).await;
            let response = sent.map_err(|no| of_no_answer(&no))?;
            progress.status = Some(response.status().as_u16());
            progress.peer = response.extensions().get::<Peer>().cloned();
            let next = (hops < self.config.redirects)
                .then(|| redirect(&target, response.status(), response.headers()));
            let Some(Some(next)) = next else { break response };
            if target.is_https() && !next.is_https() {
                return Err(Fault::Refused(format!(
                    "it redirects from https to {next}, which is not"
                )));
            }
            // 307 and 308 ask for the same once more, elsewhere.
            progress.carried_out |= !matches!(response.status().as_u16(), 307 | 308);
            if becomes_get(response.status(), &method) {
                (method, body) = (Method::GET, Bytes::new());
            }
            target = next;
            hops += 1;
        };
        let (parts, incoming) = response.into_parts();
        let most = self.config.max_response;
        let gzip = answer::is_gzip(&parts.headers);
        let body = answer::bounded(incoming, most.min(request.max_answer)).await;
        let body = body.map_err(|fault| over(fault, most))?;
        progress.received = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let mut body = match gzip {
            true => answer::decompressed(body, most.min(request.max_answer))
                .await
                .map_err(|fault| over(fault, most))?,
            false => body,
        };
        let raw = token.map(|token| token.value.as_bytes());
        self.resolved.scrub(&mut body, raw);
        let mut lines = answer::lines(&parts.headers, gzip);
        for (_, value) in &mut lines {
            self.resolved.scrub(value, raw);
        }
        let size: usize = lines.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size.saturating_add(body.len()) > request.max_answer {
            return Err(Fault::OverLimit);
        }
        let answer = Answer { status: parts.status.as_u16(), headers: lines, body };
        Ok((answer, retry_after(&parts.headers)))
    }

    /// What goes to `target`: everything and the credential to the connection's own origin, to others
    /// neither.
    fn proved(
        &self,
        headers: &HeaderMap,
        target: &Target,
        token: Option<&Token>,
    ) -> Result<(HeaderMap, Target), Fault> {
        if target.origin() != self.config.base_url.origin() {
            return Ok((headers::elsewhere(headers), target.clone()));
        }
        let mut headers = headers.clone();
        let mut target = target.clone();
        match &self.resolved.credential {
            Credential::None => {}
            Credential::Header { name, value } => {
                headers.insert(name, value.clone());
            }
            Credential::Query { name, value } => {
                target = target.with_parameter(&encoded(name), &encoded(value)).map_err(|_| {
                    Fault::Credential("the query with the credential is no URL".to_owned())
                })?;
            }
            Credential::OAuth(_) => {
                if let Some(token) = token {
                    headers.insert(header::AUTHORIZATION, token.header.clone());
                }
            }
        }
        Ok((headers, target))
    }
}

/// Which limit an answer that is too large has met.
fn over(fault: Fault, max_response: usize) -> Fault {
    match fault {
        Fault::TooLarge(most) if most < max_response => Fault::OverLimit,
        fault => fault,
    }
}

/// Whether an answer of this status is asked for again. A 429 was not carried out.
fn can_repeat(status: u16, repeats: Repeats) -> bool {
    match status {
        429 => repeats.refused,
        501 | 505 => false,
        408 | 425 | 500..=599 => repeats.carried_out,
        _ => false,
    }
}

/// Where an answer leads.
fn redirect(from: &Target, status: StatusCode, headers: &HeaderMap) -> Option<Target> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    from.redirected(headers.get(header::LOCATION)?.to_str().ok()?).ok()
}

fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        303 => *method != Method::HEAD,
        301 | 302 => *method == Method::POST,
        _ => false,
    }
}

fn back_off(attempt: u32) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_WAIT);
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The wait that an answer asks for, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Whole milliseconds: what a person reads.
fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
