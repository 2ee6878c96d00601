//! Who is connected, and how many may be.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How often a full listener looks whether its limit was raised.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The open connections of a listener. Only its accept loop adds to them.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: AtomicUsize,
    /// One is noted whenever a connection ends.
    ended: Notify,
    /// Only the addresses that have a connection open; locked when one opens or ends.
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// The address has as many connections as it may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientBusy;

impl Connections {
    /// Waits until fewer than `limit` connections are open. The limit is asked for again while waiting.
    pub(super) async fn room(&self, limit: impl Fn() -> usize) {
        while self.open.load(Ordering::Acquire) >= limit() {
            // A connection that ends in between has left its note, so this cannot sleep through it.
            let _ = tokio::time::timeout(LOOK_AGAIN, self.ended.notified()).await;
        }
    }

    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.open.load(Ordering::Acquire) >= limit
    }

    /// Counts a connection in, until the guard is dropped. `per_client` is the limit for one address,
    /// `None` where there is none. IPv6 senders have whole networks, so a /64 counts as an address.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
        per_client: Option<usize>,
    ) -> Result<Admitted, ClientBusy> {
        let client = per_client.map(|limit| (counted_as(peer), limit));
        if let Some((address, limit)) = client {
            match self.clients.lock().unwrap_or_else(PoisonError::into_inner).entry(address) {
                Entry::Occupied(count) if *count.get() >= limit => return Err(ClientBusy),
                Entry::Occupied(mut count) => *count.get_mut() += 1,
                Entry::Vacant(_) if limit == 0 => return Err(ClientBusy),
                Entry::Vacant(count) => {
                    count.insert(1);
                }
            }
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        Ok(Admitted { connections: Arc::clone(self), client: client.map(|(address, _)| address) })
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(super) struct Admitted {
    connections: Arc<Connections>,
    client: Option<IpAddr>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(address) = self.client {
            let mut clients =
                self.connections.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if let Entry::Occupied(mut count) = clients.entry(address) {
                if *count.get() > 1 {
                    *count.get_mut() -= 1;
                } else {
                    count.remove();
                }
            }
        }
        self.connections.open.fetch_sub(1, Ordering::AcqRel);
        self.connections.ended.notify_one();
    }
}

fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let connections = Arc::new(Connections::default());
        let first = connections.admit(ip("192.0.2.1"), Some(2)).unwrap();
        let second = connections.admit(ip("::ffff:192.0.2.1"), Some(2)).unwrap();
        assert_eq!(connections.admit(ip("192.0.2.1"), Some(2)).unwrap_err(), ClientBusy);
        let _other = connections.admit(ip("192.0.2.2"), Some(2)).unwrap();
        drop(first);
        let third = connections.admit(ip("192.0.2.1"), Some(2)).unwrap();
        drop((second, third));
        assert_eq!(connections.clients.lock().unwrap().len(), 1);
        assert_eq!(connections.open.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let connections = Arc::new(Connections::default());
        let _first = connections.admit(ip("2001:db8:0:1::1"), Some(1)).unwrap();
        assert!(connections.admit(ip("2001:db8:0:1:ffff::2"), Some(1)).is_err());
        assert!(connections.admit(ip("2001:db8:0:2::1"), Some(1)).is_ok());
    }

    #[test]
    fn without_a_share_only_the_sum_counts() {
        let connections = Arc::new(Connections::default());
        let all: Vec<_> =
            (0..5).map(|_| connections.admit(ip("192.0.2.1"), None).unwrap()).collect();
        assert!(connections.is_full(5));
        drop(all);
        assert!(!connections.is_full(5));
    }

    #[tokio::test]
    async fn room_is_made_by_an_end_or_a_higher_limit() {
        let connections = Arc::new(Connections::default());
        let open = connections.admit(ip("192.0.2.1"), None).unwrap();
        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.room(|| 1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(open);
        waiting.await.unwrap();
        connections.room(|| 1).await;
    }
}
