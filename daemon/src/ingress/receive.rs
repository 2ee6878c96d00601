//! The path of one webhook: match its route, read its body, verify it, store it, answer.
//!
//! A success is answered only with a proof in hand: what the store returned for a durable event,
//! a verified event that nobody wants, a handler's outcome, or a handshake that has proven what it
//! had to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hookyard_runtime::Plugins;
use hookyard_store::{
    Dedupe, DedupeKey, Ingested, NewEvent, NewJob, Store, StoreError, StoredReply, TokenUse,
};
use hookyard_types::{Event, Target, Timestamp};
use hookyard_verify::{Received, Request, SuccessBody, Verified};
use http::StatusCode;

use super::handshake::Came;
use super::prove::no_event;
use super::respond::{self, Problem, Response};
use super::{Answer, Body, Peer, client};
use crate::config::{self, Mode};
use crate::dispatch::{Dispatcher, Ran, Respond, Unavailable};
use crate::event;
use crate::keys::{Inquiries, KeyCache};
use crate::learned::Learned;
use crate::live::{Generation, Live};
use crate::outbound;
use crate::route::{Matched, NoRoute, Route};

/// What a sender is asked to wait after the store had no room.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(10);

/// Takes webhooks in.
pub(crate) struct Receiver {
    pub(crate) live: Arc<Live>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    /// The keys that senders publish.
    pub(crate) keys: Arc<KeyCache>,
    /// What senders are asked about single requests.
    pub(crate) inquiries: Inquiries,
    /// The secrets that senders teach.
    pub(crate) learned: Arc<Learned>,
    /// For confirming handshakes.
    pub(crate) outbound: outbound::Client,
}

impl Answer for Receiver {
    async fn answer(&self, request: http::Request<Body>, peer: Peer) -> Response {
        match self.receive(request, peer).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        }
    }
}

impl Receiver {
    async fn receive(&self, request: http::Request<Body>, peer: Peer) -> Result<Response, Problem> {
        let live = self.live.load();
        let (head, body) = request.into_parts();
        let trusted = &live.config.server.trusted_proxies;
        let client = client::client_address(peer.address.ip(), &head.headers, trusted);
        let Matched { route, params } = find(&live, &head)?;

        let body_timeout = live.config.server.limits.body_timeout;
        let body = body.read(route.config().body, body_timeout).await?;
        let received_at = Timestamp::now();
        let scope = event::scope(&params);
        let takes_events = route.takes_events(&head.method);
        let request = Request {
            url: public_url(&live.config, &head.uri),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            method: head.method,
            params,
            headers: head.headers,
            body,
        };
        match self.prove(&route, request, received_at, client).await? {
            (Received::Event(verified), _) if takes_events => {
                self.take_in(verified, &route, client, received_at).await
            }
            (Received::Event(_), _) => Err(no_event(&route)),
            (Received::Handshake(handshake), checks) => {
                let came =
                    Came { route: &route, checks: &checks, scope: &scope, client, at: received_at };
                self.shake_hands(handshake, came).await
            }
        }
    }

    /// From a verified request to an answer.
    async fn take_in(
        &self,
        verified: Verified,
        route: &Arc<Route>,
        client: IpAddr,
        received_at: Timestamp,
    ) -> Result<Response, Problem> {
        let config = route.config();
        let event::New { event, dedupe } =
            event::from_verified(verified, route, client, received_at);
        let targets = self.targets(config, &event.kind);
        if targets.is_empty() {
            tracing::debug!(event = %event.id, route = config.name, kind = event.kind, "ignored");
            if !config.store_ignored {
                self.spend_tokens(&event, dedupe, config, client).await?;
                return Ok(ignored(config));
            }
            let new = NewEvent { event, dedupe, jobs: Vec::new(), due_at: None };
            return match self.store.ingest(new).await.map_err(store_problem)? {
                Ingested::Stored(_) | Ingested::Duplicate(_) => Ok(ignored(config)),
                Ingested::TokenReused => Err(token_reused(config, client)),
            };
        }
        match &config.mode {
            Mode::Queue => {
                let stored = self.dispatcher.enqueue(event, dedupe, targets).await;
                acknowledge(&stored.map_err(store_problem)?, config, client)
            }
            Mode::Respond(respond) => {
                // Exactly one handler: the configuration made sure.
                let Some(target) = targets.into_iter().next() else {
                    return Ok(ignored(config));
                };
                self.respond(event, dedupe, target, respond, (config, client)).await
            }
        }
    }

    /// Uses up the one-time tokens of an event that is not stored: with them, whoever saw the
    /// request could send any other body.
    async fn spend_tokens(
        &self,
        event: &Event,
        dedupe: Vec<Dedupe>,
        route: &config::Route,
        client: IpAddr,
    ) -> Result<(), Problem> {
        if !dedupe.iter().any(|key| matches!(key.key, DedupeKey::OneTimeToken(_))) {
            return Ok(());
        }
        match self.store.spend(event, dedupe).await.map_err(store_problem)? {
            TokenUse::Allowed => Ok(()),
            TokenUse::Reused => Err(token_reused(route, client)),
        }
    }

    /// The handlers that want an event of this kind. A plugin that is not loaded may want it.
    fn targets(&self, route: &config::Route, kind: &str) -> Vec<Target> {
        let wants =
            |kinds: &[String]| kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind);
        if !wants(&route.kinds) {
            return Vec::new();
        }
        let handlers = route.handlers.iter().filter(|handler| {
            wants(&handler.kinds)
                && self
                    .plugins
                    .plugin(&handler.name.plugin)
                    .and_then(|plugin| {
                        plugin.manifest().handler(&handler.name.handler).map(|h| wants(&h.kinds))
                    })
                    .unwrap_or(true)
        });
        handlers.map(|handler| Target::Handler(handler.name.clone())).collect()
    }

    async fn respond(
        &self,
        event: Event,
        dedupe: Vec<Dedupe>,
        target: Target,
        respond: &config::Respond,
        (route, client): (&config::Route, IpAddr),
    ) -> Result<Response, Problem> {
        if !respond.store {
            self.spend_tokens(&event, dedupe, route, client).await?;
            let Target::Handler(name) = &target;
            let ran = self.dispatcher.respond_unstored(event, name, respond).await;
            return answer(ran.map_err(unavailable)?, route);
        }
        let job = NewJob { target: target.clone(), order_key: None, lease: true };
        let new = NewEvent { event, dedupe, jobs: vec![job], due_at: None };
        match self.dispatcher.respond(new, target, respond.clone()).await.map_err(unavailable)? {
            Respond::Ran(ran) => answer(ran, route),
            Respond::Again(Some(reply)) => Ok(again(&reply)),
            Respond::Again(None) => Ok(done(route)),
            Respond::Queued(durable) => acknowledge(&durable, route, client),
            Respond::TooLate => Err(Problem::HandlerUnavailable),
            Respond::TokenReused => Err(token_reused(route, client)),
        }
    }
}

fn find(live: &Generation, head: &http::request::Parts) -> Result<Matched, Problem> {
    let host = head.uri.host().or_else(|| {
        let host = head.headers.get(http::header::HOST)?.to_str().ok()?;
        // An IPv6 address has colons of its own, inside brackets.
        let name_end = host.rfind(']').map_or(0, |bracket| bracket + 1);
        let port = host.get(name_end..).and_then(|rest| rest.find(':'));
        Some(port.and_then(|colon| host.get(..name_end + colon)).unwrap_or(host))
    });
    live.routes.find(host, &head.method, head.uri.path()).map_err(|error| match error {
        NoRoute::NotFound => Problem::NotFound,
        NoRoute::MethodNotAllowed(allow) => Problem::MethodNotAllowed { allow },
    })
}

/// The URL as the provider calls it: from the configuration, never from what the request claims.
fn public_url(config: &config::Config, uri: &http::Uri) -> String {
    let base = config.server.public_url.as_deref().unwrap_or_default();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{base}{path}")
}

/// The answer to a delivery that the queue has, because the event is durable, or that it was kept
/// from.
fn acknowledge(
    ingested: &Ingested,
    route: &config::Route,
    client: IpAddr,
) -> Result<Response, Problem> {
    let status = route.accepted_status();
    Ok(match (ingested, route.success_body()) {
        (Ingested::TokenReused, _) => return Err(token_reused(route, client)),
        (_, SuccessBody::Text(text)) => respond::text(status, text),
        (_, SuccessBody::Empty) => respond::empty(status),
        (Ingested::Stored(stored), SuccessBody::Any) => respond::accepted(status, stored.id()),
        (Ingested::Duplicate(duplicate), SuccessBody::Any) => {
            respond::duplicate(status, duplicate.id())
        }
    })
}

/// The answer to a genuine event that nobody wants.
fn ignored(route: &config::Route) -> Response {
    settled(route).unwrap_or_else(respond::ignored)
}

/// The answer of a handler that gave none.
fn done(route: &config::Route) -> Response {
    settled(route).unwrap_or_else(|| respond::empty(StatusCode::OK))
}

/// What the sender has to be told of an event that is settled, where it does not take just anything.
fn settled(route: &config::Route) -> Option<Response> {
    let status = route.accepted_status();
    match route.success_body() {
        SuccessBody::Text(text) => Some(respond::text(status, text)),
        SuccessBody::Empty => Some(respond::empty(status)),
        SuccessBody::Any if status == StatusCode::NO_CONTENT => Some(respond::empty(status)),
        SuccessBody::Any => None,
    }
}

/// The signature holds, and is that of another request: answered as if it did not hold.
fn token_reused(route: &config::Route, client: IpAddr) -> Problem {
    tracing::warn!(
        route = route.name,
        %client,
        reason = "replayed-token",
        "verification failed: the one-time token came with another body before"
    );
    super::prove::unauthorized(route)
}

fn answer(ran: Ran, route: &config::Route) -> Result<Response, Problem> {
    match ran {
        Ran::Done(Some(reply)) => {
            let headers =
                reply.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            Ok(respond::reply(reply.status, headers, reply.body.clone().into()))
        }
        Ran::Done(None) => Ok(done(route)),
        Ran::Ignored => Ok(ignored(route)),
        Ran::Rejected => Err(Problem::Rejected { status: StatusCode::UNPROCESSABLE_ENTITY }),
        Ran::Failed | Ran::Unrecorded => Err(Problem::HandlerUnavailable),
    }
}

fn again(reply: &StoredReply) -> Response {
    respond::reply(reply.status, reply.headers.iter(), reply.body.clone())
}

fn unavailable(error: Unavailable) -> Problem {
    match error {
        Unavailable::NoPlugin => {
            tracing::warn!("the plugin of a respond route is not loaded: answering 503");
            Problem::HandlerUnavailable
        }
        Unavailable::Paused(retry_after) => {
            tracing::debug!("the plugin of a respond route is paused: answering 503");
            Problem::HandlerPaused { retry_after }
        }
        Unavailable::NoRoom => {
            tracing::warn!("no attempt could begin before the deadline: answering 503");
            Problem::HandlerUnavailable
        }
        Unavailable::Store(error) => store_problem(error),
    }
}

pub(super) fn store_problem(error: StoreError) -> Problem {
    match &error {
        StoreError::Busy => tracing::warn!("the store has too much waiting: answering 503"),
        other => tracing::error!(error = %other, "the event was not stored: answering 503"),
    }
    Problem::StoreUnavailable { retry_after: STORE_RETRY_AFTER }
}
