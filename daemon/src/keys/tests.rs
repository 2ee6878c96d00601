use std::sync::atomic::{AtomicUsize, Ordering};

use hookyard_verify::{Request, UnixTime, Verifier, profile};
use http::{HeaderMap, Method};

use super::documents::{FLOOR, MOST, MOST_EMPTY, STALE};
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
    Ignorant,
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
    fn fetch<'a>(&'a self, _: &'a KeySource, settings: &'a Settings) -> Fetching<'a> {
        let wrong = settings.get("secret") == Some("wrong");
        let number = self.fetches.fetch_add(1, Ordering::Relaxed) + 1;
        let broken = self.out_of_order.lock().or(wrong.then_some(Broken::Down));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match broken {
                None => {
                    let document = Bytes::from(number.to_string());
                    Ok(Fetched::Document { document, fresh_for: HOUR })
                }
                Some(Broken::Down) => Err("connection refused".to_owned()),
                Some(Broken::Ignorant) => Ok(Fetched::NoSuchKey),
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

fn at_hand(cache: &KeyCache) -> AtHand {
    cache.at_hand(&Settings::default())
}

/// Which fetch the document is of that `at_hand` has, as the serials count fetches.
fn serial(at_hand: &AtHand) -> Option<u64> {
    at_hand.serial(&Place { address: "https://keys.test/a".to_owned(), account: None })
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
    let found = at_hand(cache);
    match serial(&found) {
        Some(serial) => Ok(Some(serial)),
        None => obtain(cache, found).await.map(|obtained| serial(&obtained)),
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
    assert_eq!(serial(&at_hand(&cache)), Some(1));
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
    let had = obtain(&cache, at_hand(&cache)).await.unwrap();
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
    assert_eq!(serial(&at_hand(&cache)), Some(2));
    assert_eq!(publisher.fetches(), 2);

    tokio::time::advance(2 * HOUR).await;
    assert_eq!(ask(&cache).await, Ok(Some(3)), "nobody asked in time: this one waits");
}

#[tokio::test(start_paused = true)]
async fn the_last_good_document_is_kept_while_the_provider_is_down() {
    let (publisher, cache) = cache();
    let had = obtain(&cache, at_hand(&cache)).await.unwrap();
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
        assert!(obtain_other(&cache, name, at_hand(&cache), &three).await.is_ok());
    }
    let later = obtain_other(&cache, "d", at_hand(&cache), &three).await.err();
    assert!(matches!(later, Some(Unobtainable::Later(wait)) if wait <= MINUTE), "{later:?}");
    // What is known is fetched anew all the same.
    tokio::time::advance(FLOOR / 2).await;
    tokio::time::advance(2 * HOUR).await;
    let empty = budget(0, MINUTE);
    assert!(obtain_other(&cache, "a", at_hand(&cache), &empty).await.is_ok());

    publisher.set(Broken::Down);
    for number in 0..2 * MOST {
        let _ = obtain_other(&cache, &format!("x{number}"), at_hand(&cache), &plenty()).await;
    }
    assert_eq!(cache.documents.lock().len(), 3 + MOST_EMPTY, "three are good");
    let start = Instant::now();
    assert_eq!(ask(&cache).await.map(|serial| serial.is_some()), Ok(true));
    assert_eq!(start.elapsed(), Duration::ZERO, "what was good is still there");
}

fn plaid(key_id: &str) -> KeySource {
    KeySource::Plaid { url: "https://plaid.test/get".to_owned(), key_id: key_id.to_owned() }
}

/// As a request does that needs this key of Plaid's, on a route with these settings.
async fn ask_plaid(
    cache: &Arc<KeyCache>,
    key_id: &str,
    settings: &Settings,
) -> Result<AtHand, Unobtainable> {
    let found = cache.at_hand(settings);
    let account = Account::of(settings);
    if found.serial(&Place { address: plaid(key_id).address(), account }).is_some() {
        return Ok(found);
    }
    let settings = Arc::new(settings.clone());
    let asking = Asking { settings: &settings, client: CLIENT, budget: &plenty() };
    cache.obtain(&plaid(key_id), found, asking).await
}

#[tokio::test(start_paused = true)]
async fn a_route_with_wrong_credentials_is_in_no_other_routes_way() {
    let (publisher, cache) = cache();
    let right = Settings::from([("client_id", "a"), ("secret", "right")]);
    let wrong = Settings::from([("client_id", "a"), ("secret", "wrong")]);
    assert!(matches!(ask_plaid(&cache, "k1", &wrong).await, Err(Unobtainable::Failed(_))));
    assert!(ask_plaid(&cache, "k1", &right).await.is_ok());
    assert!(matches!(ask_plaid(&cache, "k1", &wrong).await, Err(Unobtainable::Failed(_))));
    assert_eq!(publisher.fetches(), 2);
    assert!(ask_plaid(&cache, "k1", &right).await.is_ok());
    assert_eq!(publisher.fetches(), 2, "each has its own answer");
}

#[tokio::test(start_paused = true)]
async fn no_such_key_is_an_answer_that_replaces_no_key() {
    let (publisher, cache) = cache();
    let settings = Settings::from([("client_id", "a"), ("secret", "right")]);
    ask_plaid(&cache, "k1", &settings).await.unwrap();
    publisher.set(Broken::Ignorant);
    assert_eq!(ask_plaid(&cache, "k2", &settings).await.err(), Some(Unobtainable::Lacking));
    assert_eq!(ask_plaid(&cache, "k2", &settings).await.err(), Some(Unobtainable::Lacking));
    assert_eq!(publisher.fetches(), 2, "it is remembered");

    // Fetched anew in the background, and then while the request waits.
    for age in [50 * MINUTE, HOUR] {
        tokio::time::advance(age).await;
        assert!(ask_plaid(&cache, "k1", &settings).await.is_ok());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(ask_plaid(&cache, "k1", &settings).await.is_ok(), "{age:?}");
    }
    assert_eq!(publisher.fetches(), 4);
    tokio::time::advance(STALE).await;
    assert_eq!(ask_plaid(&cache, "k1", &settings).await.err(), Some(Unobtainable::Lacking));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_takes_no_room_from_what_does() {
    let (publisher, cache) = cache();
    let settings = Settings::from([("client_id", "a"), ("secret", "right")]);
    for number in 0..MOST - MOST_EMPTY {
        obtain_other(&cache, &format!("x{number}"), at_hand(&cache), &plenty()).await.unwrap();
    }
    publisher.set(Broken::Ignorant);
    for number in 0..2 * MOST {
        let _ = ask_plaid(&cache, &format!("k{number}"), &settings).await;
    }
    let found = at_hand(&cache);
    let good = (0..MOST - MOST_EMPTY).filter(|number| {
        let address = source(&format!("x{number}")).address();
        found.serial(&Place { address, account: None }).is_some()
    });
    assert_eq!(good.count(), MOST - MOST_EMPTY);
    assert_eq!(cache.documents.lock().len(), MOST);
}

#[tokio::test(start_paused = true)]
async fn what_the_budget_refuses_makes_nothing_forgotten() {
    let (publisher, cache) = cache();
    publisher.set(Broken::Down);
    for number in 0..MOST_EMPTY {
        let _ = obtain_other(&cache, &format!("x{number}"), at_hand(&cache), &plenty()).await;
    }
    let empty = budget(0, MINUTE);
    for number in 0..MOST {
        let later = obtain_other(&cache, &format!("y{number}"), at_hand(&cache), &empty).await;
        assert!(matches!(later, Err(Unobtainable::Later(_))));
    }
    let again = obtain_other(&cache, "x0", at_hand(&cache), &plenty()).await;
    assert!(matches!(again, Err(Unobtainable::Failed(_))));
    assert_eq!(publisher.fetches(), MOST_EMPTY, "x0 was tried a moment ago");
}

/// Looks for a key in the document at `url`, as the verification of a request does.
fn look_in(url: &str, found: &AtHand) {
    let neon = profile("neon").unwrap();
    let settings = Settings::from([("jwks_url", url)]);
    let verifier = Verifier::for_profile(neon, Vec::new(), settings).unwrap();
    let mut headers = HeaderMap::new();
    let header = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"EdDSA","kid":"k1"}"#);
    let signature = data_encoding::BASE64URL_NOPAD.encode(&[0; 64]);
    headers.insert("x-neon-signature", format!("{header}..{signature}").parse().unwrap());
    headers.insert("x-neon-signature-kid", "k1".parse().unwrap());
    headers.insert("x-neon-timestamp", "1700000000000".parse().unwrap());
    let request = Request {
        method: Method::POST,
        url: url.to_owned(),
        path: "/".to_owned(),
        query: None,
        params: Vec::new(),
        headers,
        body: Bytes::from_static(b"{}"),
    };
    let now = UnixTime::from_millis(1_700_000_000_000);
    let refused = verifier.receive(request, now, found.keyring()).unwrap_err();
    assert_ne!(refused.reason.label(), "malformed", "{}", refused.reason);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_used_is_not_the_first_to_be_forgotten() {
    let (_, cache) = cache();
    obtain_other(&cache, "hot", at_hand(&cache), &plenty()).await.unwrap();
    for number in 1..MOST {
        obtain_other(&cache, &format!("x{number}"), at_hand(&cache), &plenty()).await.unwrap();
    }
    look_in("https://keys.test/hot", &at_hand(&cache));
    obtain_other(&cache, "new", at_hand(&cache), &plenty()).await.unwrap();
    let found = at_hand(&cache);
    let has = |name: &str| {
        found.serial(&Place { address: source(name).address(), account: None }).is_some()
    };
    assert!(has("hot") && has("new") && has("x2") && !has("x1"));
}
