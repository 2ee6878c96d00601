//! What an attempt changes, on its way into the store with the attempt's outcome.

use hookyard_runtime::{Attempt, KvEffects, Outcome, Sending};
use hookyard_store::{Effects, NewEvent, NewJob, NewMessage, Refusal};
use hookyard_types::{Event, HandlerName, Target, Timestamp};
use tokio::time::Instant;

use super::Dispatcher;
use super::turns::{Held, Reruns, ends};

/// What follows from a run.
pub(super) enum Run<'a> {
    /// To be committed, with what is passed or held meanwhile.
    Commit(Effects, Option<Held<'a>>),
    /// It used what it does not hold: to be run again, as after a conflict.
    Again,
    /// Somebody else had the turn until the attempt had to end.
    TooLate,
}

impl Dispatcher {
    /// The effects of a run, as soon as nobody stands in the way of their commit. What it sends to a
    /// topic that is gone makes it a failed attempt.
    pub(super) async fn to_commit<'a>(
        &'a self,
        name: &HandlerName,
        event: &Event,
        attempt: &mut Attempt,
        reruns: &Reruns,
        held: Option<Held<'a>>,
        end_at: Option<Instant>,
    ) -> Run<'a> {
        let messages = match self.messages(event, attempt) {
            Ok(messages) => messages,
            Err(failed) => {
                attempt.outcome = failed;
                Vec::new()
            }
        };
        let kv = &attempt.kv;
        let mut effects = Effects {
            reads: kv.reads.clone(),
            writes: if is_good(attempt) { kv.writes.clone() } else { Vec::new() },
            max_bytes: self.live.config().plugin_limits(&name.plugin).kv_bytes,
            at: Timestamp::now(),
            messages,
        };
        if effects.writes.is_empty() {
            return Run::Commit(effects, held);
        }
        if !reruns.may_commit(kv, held.is_some()) {
            return Run::Again;
        }
        let held = match held {
            Some(held) => held,
            None => {
                let pass = self.turns.pass(reruns.to_pass(kv, false));
                match before(end_at, pass).await {
                    Some(passed) => passed,
                    None => return Run::TooLate,
                }
            }
        };
        effects.at = Timestamp::now();
        Run::Commit(effects, Some(held))
    }

    /// What a good attempt sends, as the configuration in force has its topics.
    fn messages(&self, event: &Event, attempt: &Attempt) -> Result<Vec<NewMessage>, Outcome> {
        if attempt.sendings.is_empty() || !is_good(attempt) {
            return Ok(Vec::new());
        }
        let (config, now) = (self.live.config(), Timestamp::now());
        let message = |sending: &Sending| {
            let Some(queue) = config.queues.get(&sending.topic) else {
                return Err(Outcome::Trap(format!(
                    "queue: there is no topic `{topic}` any more: add [queue.{topic}] to {file}, or \
                     send to another",
                    topic = sending.topic,
                    file = config.file.display(),
                )));
            };
            let crate::event::New { event, dedupe } =
                crate::event::from_send(sending, event.id, &event.tenant, now);
            let jobs = queue.handlers.iter().map(|handler| NewJob {
                target: Target::Handler(handler.name.clone()),
                order_key: None,
                lease: false,
            });
            let new = NewEvent { event, dedupe, jobs: jobs.collect(), due_at: sending.not_before };
            Ok(NewMessage { new, max_pending: queue.max_pending })
        };
        attempt.sendings.iter().map(message).collect()
    }

    /// Makes a failed attempt of one whose changes the store refused.
    pub(super) fn refuse(&self, name: &HandlerName, attempt: &mut Attempt, refusal: &Refusal) {
        let HandlerName { plugin, .. } = name;
        attempt.kv.writes.clear();
        attempt.sendings.clear();
        attempt.outcome = match refusal {
            Refusal::NotANumber { namespace, key } => Outcome::Trap(format!(
                "kv: `{}` in `{}` is not a number, so it cannot be incremented",
                shown(key),
                namespace.name
            )),
            Refusal::OutOfRange { namespace, key } => Outcome::Trap(format!(
                "kv: `{}` in `{}` would not fit into 64 bits",
                shown(key),
                namespace.name
            )),
            Refusal::NoRoom => Outcome::Limit(
                "the store has too little room for more to be kept or sent: free space on its disk, \
                 raise `max_size` under `[store]`, or delete keys of `kv`"
                    .to_owned(),
            ),
            Refusal::Flooded { topic } => {
                let config = self.live.config();
                let most = config.queues.get(topic).map_or(0, |queue| queue.max_pending);
                Outcome::Limit(format!(
                    "queue: the topic `{topic}` would have more messages waiting than its \
                     `max_pending` of {most}: send less, handle them faster, or raise `max_pending` \
                     under `[queue.{topic}]`"
                ))
            }
            Refusal::TooLarge { shared, wanted } => {
                let most = self.live.config().plugin_limits(plugin).kv_bytes;
                let whose = match shared {
                    None => "its namespaces".to_owned(),
                    Some(shared) => format!("the shared namespace `{shared}`"),
                };
                Outcome::Limit(format!(
                    "kv: {whose} would have {wanted} bytes, more than its `kv_bytes` of {most}: \
                     delete keys, give them a time to live, or raise `kv_bytes` under \
                     `[plugin.{plugin}]`"
                ))
            }
        };
    }
}

fn is_good(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Done { .. } | Outcome::Ignored(_))
}

/// Makes a failed attempt of one that was stale each time that it was run. One that crossed a limit
/// is a failed one already.
pub(super) fn give_up(attempt: &mut Attempt, reruns: &Reruns) {
    attempt.kv = KvEffects::default();
    attempt.sendings.clear();
    if ends(&attempt.outcome) {
        return;
    }
    attempt.outcome = Outcome::Trap(format!(
        "kv: what it read was changed by others during each of its {} runs",
        reruns.runs()
    ));
}

/// Makes a failed attempt of one that had to end before it could commit.
pub(super) fn end_late(attempt: &mut Attempt) {
    attempt.kv = KvEffects::default();
    attempt.sendings.clear();
    attempt.outcome = Outcome::Timeout(
        "kv: the route's deadline passed while another attempt had the turn".to_owned(),
    );
}

/// Waits for `future`, until `end_at` at most.
pub(super) async fn before<T>(
    end_at: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    match end_at {
        Some(end_at) => tokio::time::timeout_at(end_at, future).await.ok(),
        None => Some(future.await),
    }
}

/// The beginning of a key, for a person.
fn shown(key: &str) -> String {
    key.chars().take(64).collect()
}
