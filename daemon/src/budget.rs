//! How often something may happen: a bucket of tokens that fills with time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// At most `burst` at once, and one more each `every`.
#[derive(Debug)]
pub(crate) struct Budget {
    burst: u32,
    every: Duration,
    /// When the bucket will be full again.
    full_at: Mutex<Instant>,
}

impl Budget {
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: Mutex::new(Instant::now()) }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        take(&mut self.full_at.lock(), self.burst, self.every, now)
    }
}

/// Clients whose budgets are kept.
const MOST_CLIENTS: usize = 1024;

/// A budget of its own for each client. IPv6 senders have whole networks, so a /64 counts as one.
#[derive(Debug)]
pub(crate) struct ClientBudgets {
    burst: u32,
    every: Duration,
    /// When the bucket of each client will be full again that has taken something.
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl ClientBudgets {
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: Mutex::default() }
    }

    /// Takes one token of this client's. With very many clients at a time, the one that has spent
    /// least starts anew.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(crate) fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let client = counted_as(client);
        let mut clients = self.full_at.lock();
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&client) {
            clients.retain(|_, full_at| *full_at > now);
            let least = clients.iter().min_by_key(|(_, full_at)| **full_at);
            let least = least.map(|(client, _)| *client);
            if let Some(least) = least.filter(|_| clients.len() >= MOST_CLIENTS) {
                clients.remove(&least);
            }
        }
        take(clients.entry(client).or_insert(now), self.burst, self.every, now)
    }
}

/// A budget of which no client can take more than its share.
#[derive(Debug)]
pub(crate) struct SharedBudget {
    shares: ClientBudgets,
    whole: Budget,
}

impl SharedBudget {
    pub(crate) fn new(shares: ClientBudgets, whole: Budget) -> Self {
        Self { shares, whole }
    }

    /// Takes one token of the client's and one of all.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(crate) fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        self.shares.take(client, now)?;
        self.whole.take(now)
    }
}

fn take(full_at: &mut Instant, burst: u32, every: Duration, now: Instant) -> Result<(), Duration> {
    let spent = (*full_at).max(now) + every;
    match spent.checked_duration_since(now + every * burst) {
        None | Some(Duration::ZERO) => {
            *full_at = spent;
            Ok(())
        }
        Some(wait) => Err(wait),
    }
}

fn counted_as(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_for_each_period() {
        const EVERY: Duration = Duration::from_millis(100);
        let budget = Budget::new(3, EVERY);
        let take = || budget.take(Instant::now());
        assert_eq!([take(), take(), take()], [Ok(()); 3]);
        assert_eq!(take(), Err(EVERY));
        tokio::time::advance(EVERY / 2).await;
        assert_eq!(take(), Err(EVERY / 2));
        tokio::time::advance(EVERY / 2).await;
        assert_eq!(take(), Ok(()));
        assert!(take().is_err(), "what was refused cost nothing, and what passed did");
        tokio::time::advance(100 * EVERY).await;
        assert_eq!([take(), take(), take()], [Ok(()); 3]);
        assert!(take().is_err(), "it holds no more than a burst");
    }

    const EVERY: Duration = Duration::from_secs(10);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_that_asks_for_much_takes_nothing_from_another() {
        let budget = SharedBudget::new(ClientBudgets::new(2, EVERY), Budget::new(4, EVERY));
        let now = Instant::now();
        let take = |client| budget.take(ip(client), now);
        assert_eq!([take("192.0.2.1"), take("::ffff:192.0.2.1")], [Ok(()); 2]);
        for _ in 0..100 {
            assert_eq!(take("192.0.2.1"), Err(EVERY));
        }
        assert_eq!([take("2001:db8::1"), take("2001:db8::ffff:2")], [Ok(()); 2], "one network");
        assert!(take("2001:db8::3").is_err());
        assert!(take("192.0.2.2").is_err(), "all together have taken what there is");
    }

    #[test]
    fn the_table_of_clients_is_bounded_and_keeps_those_that_have_spent_most() {
        let budgets = ClientBudgets::new(2, EVERY);
        let now = Instant::now();
        let greedy = ip("192.0.2.1");
        while budgets.take(greedy, now).is_ok() {}
        for number in 0..5 * MOST_CLIENTS as u32 {
            assert_eq!(budgets.take(IpAddr::V4(number.into()), now), Ok(()));
        }
        assert_eq!(budgets.full_at.lock().len(), MOST_CLIENTS);
        assert!(budgets.take(greedy, now).is_err());
        assert_eq!(budgets.take(ip("192.0.2.9"), now + 3 * EVERY), Ok(()));
        assert_eq!(budgets.full_at.lock().len(), 1, "full buckets are as good as none");
    }
}
