//! What an attempt changes, on its way into the store with the attempt's outcome.

use hookyard_runtime::{Attempt, KvEffects, Outcome};
use hookyard_store::{Effects, Refusal};
use hookyard_types::{HandlerName, Timestamp};
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
    /// The effects of a run, as soon as nobody stands in the way of their commit.
    pub(super) async fn to_commit<'a>(
        &'a self,
        name: &HandlerName,
        attempt: &Attempt,
        reruns: &Reruns,
        held: Option<Held<'a>>,
        end_at: Option<Instant>,
    ) -> Run<'a> {
        let kv = &attempt.kv;
        let good = matches!(attempt.outcome, Outcome::Done { .. } | Outcome::Ignored(_));
        let mut effects = Effects {
            reads: kv.reads.clone(),
            writes: if good { kv.writes.clone() } else { Vec::new() },
            max_bytes: self.live.config().plugin_limits(&name.plugin).kv_bytes,
            at: Timestamp::now(),
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

    /// Makes a failed attempt of one whose changes the store refused.
    pub(super) fn refuse(&self, name: &HandlerName, attempt: &mut Attempt, refusal: &Refusal) {
        let HandlerName { plugin, .. } = name;
        attempt.kv.writes.clear();
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
                "kv: the store has too little room for more to be kept: free space on its disk, \
                 raise `max_size` under `[store]`, or delete keys"
                    .to_owned(),
            ),
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

/// Makes a failed attempt of one that was stale each time that it was run. One that crossed a limit
/// is a failed one already.
pub(super) fn give_up(attempt: &mut Attempt, reruns: &Reruns) {
    attempt.kv = KvEffects::default();
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
