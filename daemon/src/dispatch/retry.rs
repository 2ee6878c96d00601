//! When a job is tried again: a pure decision.

use std::time::Duration;

use hookyard_runtime::{Outcome, Reply};
use hookyard_store::{AttemptOutcome, Next, StoredReply};
use hookyard_types::Timestamp;

use crate::config::Retry;

/// What an attempt's outcome means for its job.
///
/// `spread` is the jitter: a number in `0.0..1.0`, by which the wait before the next attempt is
/// multiplied (full jitter).
pub(crate) fn decide(
    outcome: &Outcome,
    attempt: u32,
    retry: &Retry,
    now: Timestamp,
    spread: f64,
) -> Next {
    match outcome {
        Outcome::Done { reply, .. } => Next::Succeeded { reply: reply.as_ref().map(stored_reply) },
        Outcome::Ignored(_) => Next::Ignored,
        Outcome::Reject(_) => Next::DeadLetter,
        _ if attempt >= retry.max_attempts => Next::DeadLetter,
        Outcome::Retry { after: Some(after), .. } => {
            Next::RetryAt(now.saturating_add((*after).min(retry.max)))
        }
        Outcome::Retry { after: None, .. }
        | Outcome::Trap(_)
        | Outcome::Timeout(_)
        | Outcome::Limit(_) => Next::RetryAt(now.saturating_add(back_off(attempt, retry, spread))),
    }
}

/// The word under which an attempt is recorded.
pub(crate) fn recorded(outcome: &Outcome) -> AttemptOutcome {
    match outcome {
        Outcome::Done { .. } => AttemptOutcome::Done,
        Outcome::Ignored(_) => AttemptOutcome::Ignored,
        Outcome::Retry { .. } => AttemptOutcome::Retry,
        Outcome::Reject(_) => AttemptOutcome::Reject,
        Outcome::Trap(_) => AttemptOutcome::Trap,
        Outcome::Timeout(_) => AttemptOutcome::Timeout,
        Outcome::Limit(_) => AttemptOutcome::Limit,
    }
}

/// Full jitter: anywhere between no wait and `first` doubled for each attempt made, at most `max`.
fn back_off(attempt: u32, retry: &Retry, spread: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let ceiling = retry.first.saturating_mul(1 << doublings).min(retry.max);
    ceiling.mul_f64(spread.clamp(0.0, 1.0))
}

/// The stored form of a handler's answer.
fn stored_reply(reply: &Reply) -> StoredReply {
    StoredReply {
        status: reply.status,
        headers: reply.headers.iter().cloned().collect(),
        body: reply.body.clone().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry =
        Retry { max_attempts: 4, first: Duration::from_secs(2), max: Duration::from_secs(60) };
    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn wait(outcome: &Outcome, attempt: u32, spread: f64) -> Option<Duration> {
        match decide(outcome, attempt, &RETRY, NOW, spread) {
            Next::RetryAt(at) => Some(at.saturating_since(NOW)),
            _ => None,
        }
    }

    #[test]
    fn the_wait_doubles_and_is_capped() {
        let trap = Outcome::Trap("unreachable".to_owned());
        assert_eq!(wait(&trap, 1, 1.0), Some(Duration::from_secs(2)));
        assert_eq!(wait(&trap, 2, 1.0), Some(Duration::from_secs(4)));
        assert_eq!(wait(&trap, 3, 1.0), Some(Duration::from_secs(8)));
        assert_eq!(wait(&trap, 3, 0.25), Some(Duration::from_secs(2)));
        let patient = Retry { max_attempts: 100, ..RETRY };
        assert_eq!(back_off(90, &patient, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn the_last_attempt_ends_in_the_dead_letters() {
        let timeout = Outcome::Timeout("5s".to_owned());
        assert_eq!(decide(&timeout, 4, &RETRY, NOW, 1.0), Next::DeadLetter);
        let asked = Outcome::Retry { after: Some(Duration::from_secs(1)), message: String::new() };
        assert_eq!(decide(&asked, 4, &RETRY, NOW, 1.0), Next::DeadLetter);
    }

    #[test]
    fn a_handler_may_ask_for_a_time_up_to_the_cap() {
        let asked = |secs| Outcome::Retry {
            after: Some(Duration::from_secs(secs)),
            message: String::new(),
        };
        assert_eq!(wait(&asked(30), 1, 0.0), Some(Duration::from_secs(30)));
        assert_eq!(wait(&asked(3_000), 1, 0.0), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_reject_is_final_and_an_ignored_event_is_done() {
        let reject = Outcome::Reject("no such customer".to_owned());
        assert_eq!(decide(&reject, 1, &RETRY, NOW, 1.0), Next::DeadLetter);
        let ignored = Outcome::Ignored("not main".to_owned());
        assert_eq!(decide(&ignored, 1, &RETRY, NOW, 1.0), Next::Ignored);
    }
}
