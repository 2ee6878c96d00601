//! A plugin that serves: one version of it, with what config.toml gives it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hookyard_types::{Event, JobId, Source, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::Store;

use crate::bindings::{self, types};
use crate::connection::{self, Outgoing};
use crate::failure::{self, Subject};
use crate::kv::{Access, Session};
use crate::meter::{Overrun, metered};
use crate::queue::{Outbox, Topics};
use crate::reply;
use crate::secret::Secrets;
use crate::state::{Given, Settings, State};
use crate::text::clip;
use crate::version::{Input, Version};
use crate::{
    Attempt, Connections, ContentHash, Grant, HandlerInfo, Kv, KvEffects, Limits, Manifest, Outcome,
};

/// The longest message of an outcome, in bytes.
const MAX_MESSAGE: usize = 4096;

/// One version of a plugin with one grant. Cheap to hold; whoever holds it keeps the version.
pub struct Plugin {
    version: Arc<Version>,
    limits: Limits,
    settings: Settings,
    secrets: Arc<Secrets>,
    kv: Option<Arc<Access>>,
    connections: Option<Arc<connection::Access>>,
    topics: Option<Arc<Topics>>,
    /// One permit for each slot of the pool that attempts may use.
    slots: Arc<Semaphore>,
}

impl Plugin {
    pub(crate) fn new(
        version: Arc<Version>,
        mut grant: Grant,
        slots: Arc<Semaphore>,
        kv: Option<Arc<dyn Kv>>,
        carrier: Option<Arc<dyn Connections>>,
    ) -> Self {
        grant.limits.memory = grant.limits.memory.min(version.max_memory);
        let settings =
            grant.settings.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let access = grant.kv.zip(kv).map(|(granted, store)| {
            let manifest = &version.manifest;
            let named = manifest.uses_of("kv").map(str::to_owned).collect();
            Arc::new(Access::new(&manifest.name, store, granted, named, &grant.limits))
        });
        let name = &version.manifest.name;
        let connections = carrier.filter(|_| !grant.connections.is_empty()).map(|carrier| {
            let named = version.manifest.uses_of("connection").map(str::to_owned).collect();
            let granted = grant.connections;
            Arc::new(connection::Access::new(name, carrier, granted, named, &grant.limits))
        });
        let topics = (!grant.topics.is_empty()).then(|| {
            let named = version.manifest.uses_of("queue").map(str::to_owned).collect();
            Arc::new(Topics::new(name, grant.topics, named, &grant.limits))
        });
        Self {
            version,
            limits: grant.limits,
            settings: Arc::new(settings),
            secrets: Arc::new(Secrets::new(grant.secrets)),
            kv: access,
            connections,
            topics,
            slots,
        }
    }

    /// The plugin's name in config.toml.
    pub fn name(&self) -> &str {
        &self.version.manifest.name
    }

    /// What its manifest calls this version.
    pub fn version(&self) -> &str {
        &self.version.manifest.version
    }

    /// The SHA-256 of its file.
    pub fn hash(&self) -> ContentHash {
        self.version.hash
    }

    pub fn manifest(&self) -> &Manifest {
        &self.version.manifest
    }

    pub fn handlers(&self) -> &[HandlerInfo] {
        &self.version.manifest.handlers
    }

    /// The bounds of its attempts.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn loaded(&self) -> &Arc<Version> {
        &self.version
    }

    /// Runs `handler` on `event` in a fresh instance.
    ///
    /// Waits while all instances of the pool are in use: that time counts towards `deadline` and
    /// not towards the plugin's `timeout`. Ends by `deadline` at the latest. Whatever the plugin
    /// does, this returns an attempt; dropping the future ends the guest and frees what it had.
    ///
    /// Must be polled inside a tokio runtime whose time is enabled. A guest that computes holds the
    /// worker thread for some 5 ms at a time, or for one instruction that writes its whole memory
    /// (tens of milliseconds for each 256 MiB).
    pub async fn run(
        &self,
        handler: &str,
        event: &Event,
        job: JobId,
        attempt: u32,
        deadline: Option<Instant>,
    ) -> Attempt {
        let Some(_slot) = self.slot(deadline).await else {
            return self.unstarted(Outcome::Timeout(
                "no instance was free before the deadline: raise `concurrency` under `[runtime]`, \
                 or give slow handlers to a queue route"
                    .into(),
            ));
        };
        if let Err(why) = self.takes(handler, &event.source) {
            return self.unstarted(Outcome::Trap(why));
        }

        let limits = &self.limits;
        let started = Instant::now();
        let mut end = started + limits.timeout;
        let mut cut = false;
        if let Some(deadline) = deadline.filter(|deadline| *deadline < end) {
            (end, cut) = (deadline, true);
        }
        let mut store = self.version.store(Given {
            log_bytes: limits.log_bytes,
            memory: limits.memory,
            copied: limits.reply_bytes.max(self.most_passed()),
            settings: self.settings.clone(),
            secrets: self.secrets.clone(),
            kv: Session::new(self.kv.clone()),
            outbox: Outbox::new(self.topics.clone()),
            outgoing: Outgoing::new(self.connections.clone(), job.to_string(), end),
        });
        let (ended, cpu) =
            metered(self.call(&mut store, handler, event, job, attempt), limits.cpu, end).await;

        store.data_mut().finish_print();
        let subject = Subject { plugin: Some(self.name()), limits };
        let outcome = match ended {
            Ok(Ok(outcome)) => self.outcome(outcome),
            Ok(Err(error)) => self.redacted(failure::outcome(&error, store.data(), &subject)),
            Err(Overrun::Cpu) => Outcome::Timeout(subject.cpu()),
            Err(Overrun::Clock) if cut => Outcome::Timeout(format!(
                "the route's deadline passed {:?} after the attempt began",
                round(started.elapsed())
            )),
            Err(Overrun::Clock) => Outcome::Timeout(subject.timeout()),
        };
        let state = store.into_data();
        Attempt {
            outcome,
            log: state.log,
            log_dropped: state.log_dropped,
            duration: started.elapsed(),
            cpu,
            memory_peak: state.memory.peak,
            kv: state.kv.into_effects(),
            requests: state.outgoing.into_made(&self.secrets),
            sendings: state.outbox.into_sendings(),
            plugin_hash: self.hash(),
        }
    }

    /// Checks that there is such a handler, and that it handles what this source makes.
    fn takes(&self, handler: &str, source: &Source) -> Result<(), String> {
        let (name, version) = (self.name(), self.version());
        let Some(found) = self.version.manifest.handler(handler) else {
            let handler = clip(handler, 64);
            return Err(format!("plugin `{name}` {version} has no handler `{handler}`"));
        };
        let wanted = source.trigger();
        if found.trigger == wanted {
            return Ok(());
        }
        Err(format!(
            "{source} needs a `{wanted}`, and `{name}/{handler}` is a `{}` in version {version} of \
             the plugin",
            found.trigger
        ))
    }

    /// The most bytes that one call of a capability may rightly pass.
    fn most_passed(&self) -> usize {
        let kept = self.kv.as_ref().map_or(0, |access| {
            access.value_bytes.saturating_mul(2).saturating_add(access.key_bytes)
        });
        let sent = self.topics.as_ref().map_or(0, |topics| topics.most_passed());
        let asked = self.connections.as_ref().map_or(0, |access| access.bytes());
        kept.max(sent).max(asked)
    }

    async fn slot(&self, deadline: Option<Instant>) -> Option<SemaphorePermit<'_>> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Some(slot);
        }
        let wait = self.slots.acquire();
        let slot = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), wait).await.ok()?,
            None => wait.await,
        };
        // The semaphore is never closed.
        slot.ok()
    }

    async fn call(
        &self,
        store: &mut Store<State>,
        handler: &str,
        event: &Event,
        job: JobId,
        attempt: u32,
    ) -> wasmtime::Result<types::Outcome> {
        let id = event.id.to_string();
        let job_id = job.to_string();
        let attempt = bindings::Attempt { job_id: &job_id, number: attempt, attributes: &[] };
        match &event.source {
            Source::Route(route) => {
                let params: Vec<bindings::Pair<'_>> = event
                    .params
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                let headers: Vec<(&str, &[u8])> = event.headers.iter().collect();
                let unauthenticated: Vec<&str> =
                    event.unauthenticated.iter().map(String::as_str).collect();
                let event = bindings::Event {
                    id: &id,
                    source: route,
                    kind: &event.kind,
                    delivery_id: event.delivery_id.as_deref(),
                    tenant: &event.tenant,
                    received_at: millis(event.received_at),
                    method: &event.method,
                    path: &event.path,
                    query: event.query.as_deref(),
                    params: &params,
                    headers: &headers,
                    body: &event.body,
                    unauthenticated: &unauthenticated,
                    attributes: &[],
                };
                self.version.handle(store, handler, Input::Webhook(event), attempt).await
            }
            Source::Queue(topic) => {
                let caused_by = event.caused_by.map(|id| id.to_string());
                let message = bindings::Message {
                    id: &id,
                    topic,
                    body: &event.body,
                    sent_at: millis(event.received_at),
                    caused_by: caused_by.as_deref(),
                    attributes: &[],
                };
                self.version.handle(store, handler, Input::Consumer(message), attempt).await
            }
            Source::Schedule(schedule) => {
                let fired = event.firing.as_ref();
                let firing = bindings::Firing {
                    id: &id,
                    schedule,
                    scheduled_at: millis(fired.map_or(event.received_at, |f| f.scheduled_at)),
                    fired_at: millis(event.received_at),
                    reason: fired.map_or("", |fired| &fired.reason),
                    body: &event.body,
                    attributes: &[],
                };
                self.version.handle(store, handler, Input::Schedule(firing), attempt).await
            }
        }
    }

    fn outcome(&self, outcome: types::Outcome) -> Outcome {
        let clip = |text: String| clip(&self.secrets.redact(text), MAX_MESSAGE);
        match outcome {
            types::Outcome::Done(done) => {
                match done.reply.map(|reply| reply::check(reply, self.limits.reply_bytes)) {
                    None => Outcome::Done { reply: None, message: done.message.map(clip) },
                    Some(Ok(reply)) => {
                        Outcome::Done { reply: Some(reply), message: done.message.map(clip) }
                    }
                    Some(Err(error @ reply::BadReply::Large { .. })) => Outcome::Limit(format!(
                        "the reply {error}: answer with less, or raise it under `[plugin.{}]`",
                        self.name()
                    )),
                    // It may quote a header.
                    Some(Err(error)) => Outcome::Trap(clip(format!("the reply {error}"))),
                }
            }
            types::Outcome::Ignored(reason) => Outcome::Ignored(clip(reason)),
            types::Outcome::Retry(retry) => Outcome::Retry {
                after: retry.after_ms.map(Duration::from_millis),
                message: clip(retry.message),
            },
            types::Outcome::Reject(reason) => Outcome::Reject(clip(reason)),
        }
    }

    /// A failure without what the plugin's words brought into it.
    fn redacted(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Trap(why) => Outcome::Trap(self.secrets.redact(why)),
            Outcome::Limit(why) => Outcome::Limit(self.secrets.redact(why)),
            Outcome::Timeout(why) => Outcome::Timeout(self.secrets.redact(why)),
            other => other,
        }
    }

    fn unstarted(&self, outcome: Outcome) -> Attempt {
        Attempt {
            outcome,
            log: Vec::new(),
            log_dropped: 0,
            duration: Duration::ZERO,
            cpu: Duration::ZERO,
            memory_peak: 0,
            kv: KvEffects::default(),
            requests: Vec::new(),
            sendings: Vec::new(),
            plugin_hash: self.hash(),
        }
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name())
            .field("version", &self.version())
            .field("hash", &self.hash())
            .finish_non_exhaustive()
    }
}

/// Since the Unix epoch.
fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0)
}

/// Whole milliseconds: what a person reads.
fn round(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
