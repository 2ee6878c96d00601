use std::sync::atomic::{AtomicUsize, Ordering};

use super::documents::{FLOOR, MOST, STALE};
use super::*;
use crate::budget::{Budget, ClientBudgets};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Answers in a second, with the number of the fetch, unless it is out of order.
#[derive(Default)]
struct Publisher {
    fetches: AtomicUsize,
    out_of_order: Mutex<Option<Broken>>,
}

#[derive(Clone, Copy)]
enum Broken {
    Down,
    Silent,
    Panicking,
}

impl Publisher {
    fn set(&self, broken: impl Into<Option<Broken>>) {
        *self.out_of_order.lock() = broken.into();
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}

impl Fetch for Publisher {
    fn fetch<'a>(&'a self, _: &'a KeySource, _: &'a Settings) -> Fetching<'a> {
        let number = self.fetches.fetch_add(1, Ordering::Relaxed) + 1;
        let broken = *self.out_of_order.lock();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match broken {
                None => {
                    let document = Bytes::from(number.to_string());
                    Ok(Fetched { document, fresh_for: HOUR })
                }
                Some(Broken::Down) => Err("connection refused".to_owned()),
                Some(Broken::Silent) => std::future::pending().await,
                Some(Broken::Panicking) => panic!("on purpose"),
            }
        })
    }
}

fn source(name: &str) -> KeySource {
    KeySource::Certificates { url: format!("https://keys.test/{name}") }
}

fn cache() -> (Arc<Publisher>, Arc<KeyCache>) {
    let publisher = Arc::new(Publisher::default());
    (Arc::clone(&publisher), KeyCache::new(publisher, Keyring::new()))
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn plenty() -> SharedBudget {
    budget(10_000, Duration::from_millis(1))
}

fn budget(burst: u32, every: Duration) -> SharedBudget {
    SharedBudget::new(ClientBudgets::new(u32::from(u16::MAX), every), Budget::new(burst, every))
}

/// Which fetch the document is of that `at_hand` has, as the serials count fetches.
fn serial(at_hand: &AtHand) -> Option<u64> {
    at_hand.serial("https://keys.test/a")
}

async fn obtain(cache: &Arc<KeyCache>, tried: AtHand) -> Result<AtHand, Unobtainable> {
    obtain_other(cache, "a", tried, &plenty()).await
}

async fn obtain_other(
    cache: &Arc<KeyCache>,
    name: &str,
    tried: AtHand,
    budget: &SharedBudget,
) -> Result<AtHand, Unobtainable> {
    let settings = Arc::new(Settings::default());
    cache.obtain(&source(name), tried, Asking { settings: &settings, client: CLIENT, budget }).await
}

/// As a request does whose key is in every document: with what is at hand, else with what it gets.
async fn ask(cache: &Arc<KeyCache>) -> Result<Option<u64>, Unobtainable> {
    let at_hand = cache.at_hand();
    match serial(&at_hand) {
        Some(serial) => Ok(Some(serial)),
        None => obtain(cache, at_hand).await.map(|obtained| serial(&obtained)),
    }
}

#[tokio::test(start_paused = true)]
async fn one_fetch_serves_all_who_wait_and_all_who_come_later() {
    let (publisher, cache) = cache();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { ask(&cache).await })
        })
        .collect();
    for one in waiting {
        assert_eq!(one.await.unwrap(), Ok(Some(1)));
    }
    assert_eq!(serial(&cache.at_hand()), Some(1));
    assert_eq!(publisher.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_hangs_up_does_not_end_the_fetch() {
    let (publisher, cache) = cache();
    tokio::time::timeout(Duration::from_millis(1), ask(&cache)).await.unwrap_err();
    assert_eq!(ask(&cache).await, Ok(Some(1)));
    assert_eq!(publisher.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_looked_for_once_and_then_not_before_the_floor() {
    let (publisher, cache) = cache();
    let had = obtain(&cache, cache.at_hand()).await.unwrap();
    // Fetched a second ago: whoever names an unknown key now made it up.
    assert_eq!(obtain(&cache, had.clone()).await.err(), Some(Unobtainable::Lacking));
    assert_eq!(publisher.fetches(), 1);

    tokio::time::advance(FLOOR).await;
    let rotated = obtain(&cache, had.clone()).await.unwrap();
    assert_eq!(serial(&rotated), Some(2), "the provider may have a new key by now");
    assert_eq!(obtain(&cache, rotated).await.err(), Some(Unobtainable::Lacking));
    // Whoever was tried with the old document is tried with the new one.
    assert_eq!(serial(&obtain(&cache, had).await.unwrap()), Some(2));
    assert_eq!(publisher.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_document_is_fetched_anew_before_it_is_old_and_nobody_waits() {
    let (publisher, cache) = cache();
    assert_eq!(ask(&cache).await, Ok(Some(1)));
    tokio::time::advance(50 * MINUTE).await;
    let start = Instant::now();
    assert_eq!(ask(&cache).await, Ok(Some(1)));
    assert_eq!(start.elapsed(), Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(serial(&cache.at_hand()), Some(2));
    assert_eq!(publisher.fetches(), 2);

    tokio::time::advance(2 * HOUR).await;
    assert_eq!(ask(&cache).await, Ok(Some(3)), "nobody asked in time: this one waits");
}

#[tokio::test(start_paused = true)]
async fn the_last_good_document_is_kept_while_the_provider_is_down() {
    let (publisher, cache) = cache();
    let had = obtain(&cache, cache.at_hand()).await.unwrap();
    publisher.set(Broken::Down);
    tokio::time::advance(2 * HOUR).await;
    assert_eq!(ask(&cache).await, Ok(Some(1)));
    assert_eq!(publisher.fetches(), 2);
    let start = Instant::now();
    assert_eq!(ask(&cache).await, Ok(Some(1)));
    assert_eq!(start.elapsed(), Duration::ZERO, "it was tried a moment ago");
    // It has other keys, and a newer document may have this one.
    let unknown = obtain(&cache, had.clone()).await.err();
    assert_eq!(unknown, Some(Unobtainable::Failed("connection refused".to_owned())));

    tokio::time::advance(STALE).await;
    assert!(matches!(ask(&cache).await, Err(Unobtainable::Failed(_))), "too old to be believed");
    publisher.set(None);
    tokio::time::advance(FLOOR).await;
    assert!(ask(&cache).await.unwrap() > Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_for_as_long_as_the_floor() {
    for (broken, why) in [
        (Broken::Down, "connection refused"),
        (Broken::Silent, "no answer within 5 s"),
        (Broken::Panicking, "the fetch broke off"),
    ] {
        let (publisher, cache) = cache();
        publisher.set(broken);
        let failed = Err(Unobtainable::Failed(why.to_owned()));
        let start = Instant::now();
        assert_eq!(ask(&cache).await, failed);
        assert!(start.elapsed() <= DEADLINE);
        let start = Instant::now();
        assert_eq!(ask(&cache).await, failed);
        assert_eq!((start.elapsed(), publisher.fetches()), (Duration::ZERO, 1));
        publisher.set(None);
        tokio::time::advance(FLOOR).await;
        assert!(ask(&cache).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_cannot_make_it_fetch_or_keep_without_end() {
    let (publisher, cache) = cache();
    let three = budget(3, MINUTE);
    for name in ["a", "b", "c"] {
        assert!(obtain_other(&cache, name, cache.at_hand(), &three).await.is_ok());
    }
    let later = obtain_other(&cache, "d", cache.at_hand(), &three).await.err();
    assert!(matches!(later, Some(Unobtainable::Later(wait)) if wait <= MINUTE), "{later:?}");
    // What is known is fetched anew all the same.
    tokio::time::advance(FLOOR / 2).await;
    tokio::time::advance(2 * HOUR).await;
    let empty = budget(0, MINUTE);
    assert!(obtain_other(&cache, "a", cache.at_hand(), &empty).await.is_ok());

    publisher.set(Broken::Down);
    for number in 0..2 * MOST {
        let _ = obtain_other(&cache, &format!("x{number}"), cache.at_hand(), &plenty()).await;
    }
    assert_eq!(cache.documents.lock().len(), MOST);
    let start = Instant::now();
    assert_eq!(ask(&cache).await.map(|serial| serial.is_some()), Ok(true));
    assert_eq!(start.elapsed(), Duration::ZERO, "what was good is still there");
}
