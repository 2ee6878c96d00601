//! Runs a guest within its time: what it uses of a processor, and what passes on the clock.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Which time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overrun {
    Clock,
    Cpu,
}

/// Drives `guest` until it ends, `deadline` passes or it has used more than `cpu`, whichever is
/// first; and says how much processor time it used.
///
/// The guest gives its thread back at every tick, and only then is it ended, so it can overrun by a
/// tick. Its time is the thread's own processor time during its polls: neither waiting nor being
/// displaced by other threads counts.
pub(crate) async fn metered<T>(
    guest: impl Future<Output = T>,
    cpu: Duration,
    deadline: Instant,
) -> (Result<T, Overrun>, Duration) {
    let mut used = Duration::ZERO;
    let mut guest = pin!(guest);
    let polled = poll_fn(|context| {
        let before = thread_time();
        let poll = guest.as_mut().poll(context);
        used += thread_time().saturating_sub(before);
        match poll {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if used > cpu => Poll::Ready(Err(Overrun::Cpu)),
            Poll::Pending if Instant::now() >= deadline => Poll::Ready(Err(Overrun::Clock)),
            Poll::Pending => Poll::Pending,
        }
    });
    let ended = match tokio::time::timeout_at(deadline.into(), polled).await {
        Ok(ended) => ended,
        Err(_) => Err(Overrun::Clock),
    };
    (ended, used)
}

/// Processor time of this thread. Differs by a poll's cost, also when other threads displace it.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[tokio::test]
    async fn waiting_is_not_processor_time() {
        let nap = tokio::time::sleep(Duration::from_millis(20));
        let (ended, used) = metered(nap, Duration::from_millis(10), soon()).await;
        assert_eq!(ended, Ok(()));
        assert!(used < Duration::from_millis(10), "{used:?}");
    }

    #[tokio::test]
    async fn waiting_ends_at_the_deadline() {
        let (ended, _) = metered(std::future::pending::<()>(), Duration::MAX, soon()).await;
        assert_eq!(ended, Err(Overrun::Clock));
    }

    #[tokio::test]
    async fn work_ends_at_its_processor_time() {
        let busy = async {
            loop {
                std::hint::black_box((0..10_000).sum::<u64>());
                tokio::task::yield_now().await;
            }
        };
        let cpu = Duration::from_millis(20);
        let far = Instant::now() + Duration::from_secs(60);
        let (ended, used) = metered::<()>(busy, cpu, far).await;
        assert_eq!(ended, Err(Overrun::Cpu));
        assert!(used > cpu);
    }
}
