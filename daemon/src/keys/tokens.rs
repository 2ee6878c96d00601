//! The tokens of applications with which eBay gives out keys and PayPal answers questions. eBay mints
//! a thousand a day for one application: so one is used for as long as it is good.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::account::Account;
use super::documents::FLOOR;

/// How long before its end a token is used no more.
const MARGIN: Duration = Duration::from_secs(60);

/// Applications whose tokens are kept.
const MOST: usize = 256;

/// By the host that mints them and the account.
#[derive(Default)]
pub(super) struct Tokens(parking_lot::Mutex<HashMap<(String, Account), Arc<Slot>>>);

#[derive(Default)]
struct Slot {
    /// Held while a token is minted: whoever else needs it waits.
    minted: Mutex<Option<Minted>>,
}

struct Minted {
    at: Instant,
    token: Result<(HeaderValue, Duration), String>,
}

impl Tokens {
    /// A token of the account's: the one that is there, or what `mint` gets and for how long it is
    /// good. Within a minute of the last time, what was got then.
    pub(super) async fn get(
        &self,
        host: &str,
        account: Account,
        mint: impl Future<Output = Result<(HeaderValue, Duration), String>>,
    ) -> Result<HeaderValue, String> {
        let slot = self.slot(host, account);
        let mut minted = slot.minted.lock().await;
        let now = Instant::now();
        let usable = |minted: &&Minted| {
            let good_for = minted.token.as_ref().map_or(Duration::ZERO, |(_, good_for)| *good_for);
            now.duration_since(minted.at) < good_for.saturating_sub(MARGIN).max(FLOOR)
        };
        if let Some(minted) = minted.as_ref().filter(usable) {
            return minted.token.clone().map(|(token, _)| token);
        }
        // Stands when this is given up meanwhile.
        let broke_off = Err("the fetch of a token broke off".to_owned());
        *minted = Some(Minted { at: now, token: broke_off });
        let token = mint.await;
        *minted = Some(Minted { at: now, token: token.clone() });
        token.map(|(token, _)| token)
    }

    /// Notes that `token` is not taken any more: the next one is minted in a minute at the latest. One
    /// that was minted meanwhile stays.
    pub(super) async fn refused(&self, host: &str, account: Account, token: &HeaderValue) {
        if let Some(minted) = self.slot(host, account).minted.lock().await.as_mut()
            && minted.token.as_ref().is_ok_and(|(current, _)| current == token)
        {
            minted.token = Err("the last token was refused".to_owned());
        }
    }

    fn slot(&self, host: &str, account: Account) -> Arc<Slot> {
        let mut slots = self.0.lock();
        let key = (host.to_owned(), account);
        if slots.len() >= MOST && !slots.contains_key(&key) {
            let other = slots.keys().next().cloned();
            other.and_then(|other| slots.remove(&other));
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use hookyard_verify::Settings;

    use super::*;

    #[derive(Default)]
    struct Ebay {
        tokens: Tokens,
        minted: AtomicU32,
    }

    impl Ebay {
        async fn get(&self, client_id: &str) -> Result<HeaderValue, String> {
            self.mint(client_id, Ok(Duration::from_secs(7200))).await
        }

        async fn mint(
            &self,
            client_id: &str,
            good_for: Result<Duration, String>,
        ) -> Result<HeaderValue, String> {
            let mint = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let number = self.minted.fetch_add(1, Ordering::Relaxed) + 1;
                good_for.map(|good_for| (HeaderValue::from(number), good_for))
            };
            self.tokens.get("api.ebay.com", account(client_id), mint).await
        }

        fn minted(&self) -> u32 {
            self.minted.load(Ordering::Relaxed)
        }
    }

    fn account(client_id: &str) -> Account {
        let mut settings = Settings::default();
        settings.insert("client_id", client_id);
        Account::of(&settings).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_until_shortly_before_its_end() {
        let ebay = Ebay::default();
        let (one, two) = tokio::join!(ebay.get("a"), ebay.get("a"));
        assert_eq!((one, two), (Ok(1.into()), Ok(1.into())));
        tokio::time::advance(Duration::from_secs(7200 - 70)).await;
        assert_eq!(ebay.get("a").await, Ok(1.into()));
        assert_eq!(ebay.get("b").await, Ok(2.into()), "another application has its own");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(ebay.get("a").await, Ok(3.into()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_is_minted_in_a_minute_at_most() {
        let ebay = Ebay::default();
        for _ in 0..10 {
            assert_eq!(ebay.mint("a", Err("no".to_owned())).await, Err("no".to_owned()));
        }
        assert_eq!(ebay.minted(), 1);
        tokio::time::advance(FLOOR).await;
        assert_eq!(ebay.get("a").await, Ok(2.into()));
        ebay.tokens.refused("api.ebay.com", account("a"), &1.into()).await;
        assert_eq!(ebay.get("a").await, Ok(2.into()), "that was the one before");
        ebay.tokens.refused("api.ebay.com", account("a"), &2.into()).await;
        assert!(ebay.get("a").await.is_err());
        tokio::time::advance(FLOOR).await;
        assert_eq!(ebay.get("a").await, Ok(3.into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_is_given_up_counts() {
        let ebay = Ebay::default();
        tokio::time::timeout(Duration::from_millis(1), ebay.get("a")).await.unwrap_err();
        assert!(ebay.get("a").await.is_err());
        assert_eq!(ebay.minted(), 0);
        tokio::time::advance(FLOOR).await;
        assert_eq!(ebay.get("a").await, Ok(1.into()));
    }
}
