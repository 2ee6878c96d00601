//! Questions about single requests that their sender answers, as PayPal's API does. Nothing is kept
//! of the answers, since no two requests have the same.

use std::time::Duration;

use hookyard_verify::{Question, Settings, Verdict};
use http::StatusCode;
use http::header::AUTHORIZATION;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::account::{self, Account};
use super::fetch::{accepted, failed};
use super::tokens::Tokens;
use super::{Asking, Unobtainable};
use crate::outbound::{Client, Request, Response};

/// Questions at one time, of all routes. Each holds a request and a connection.
const MOST: usize = 32;

/// What a request waits for its answer, for its turn included.
const DEADLINE: Duration = Duration::from_secs(8);

/// Asks senders about requests.
pub(crate) struct Inquiries {
    client: Client,
    tokens: Tokens,
    turns: Turns,
}

impl Inquiries {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, tokens: Tokens::default(), turns: Turns(Semaphore::new(MOST)) }
    }

    /// What the sender says. The budget is that for questions.
    ///
    /// # Errors
    /// It could not be asked, or has to be asked later; never [`Unobtainable::Lacking`].
    pub(crate) async fn ask(
        &self,
        question: &Question,
        asking: Asking<'_>,
    ) -> Result<Verdict, Unobtainable> {
        asking.budget.take(asking.client, Instant::now()).map_err(Unobtainable::Later)?;
        // Apart, because few requests have a question, and every request has room for what it awaits.
        let answer = Box::pin(self.answer(question, asking.settings));
        self.turns.wait(answer).await.map_err(Unobtainable::Failed)
    }

    async fn answer(&self, question: &Question, settings: &Settings) -> Result<Verdict, String> {
        let response = match self.post(question, settings).await? {
            // The token was taken back before its time: another one is tried, where there is one.
            refused if refused.status == StatusCode::UNAUTHORIZED => {
                self.post(question, settings).await?
            }
            response => response,
        };
        let answer = accepted(response)?;
        Question::read(&answer.body)
            .ok_or_else(|| "what came back says neither yes nor no".to_owned())
    }

    async fn post(&self, question: &Question, settings: &Settings) -> Result<Response, String> {
        let account = Account::of(settings).ok_or("there are no credentials")?;
        let mint = async {
            let grant = account::token(&question.token_url(), account::PAYPAL_GRANT, settings)?;
            account::token_shown(&accepted(self.send(grant).await?)?.body)
        };
        let token = self.tokens.get(question.host(), account, mint).await?;
        let request = Request::post_json(&question.url(), question.body().clone())
            .map_err(|error| error.to_string())?
            .header(AUTHORIZATION, token.clone());
        let response = self.send(request).await?;
        if response.status == StatusCode::UNAUTHORIZED {
            self.tokens.refused(question.host(), account, &token).await;
        }
        Ok(response)
    }

    async fn send(&self, request: Request) -> Result<Response, String> {
        self.client.fetch(request).await.map_err(|error| failed(&error))
    }
}

/// How many may ask at one time.
struct Turns(Semaphore);

impl Turns {
    /// What `asked` comes to, once it is its turn and within the deadline.
    async fn wait<T>(&self, asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let in_time = Instant::now() + DEADLINE;
        let late = DEADLINE.as_secs();
        let turn = tokio::time::timeout_at(in_time, self.0.acquire()).await;
        let _turn = turn
            .map_err(|_| format!("no turn within {late} s, with {MOST} questions at one time"))?
            .map_err(|closed| closed.to_string())?;
        let answer = tokio::time::timeout_at(in_time, asked).await;
        answer.unwrap_or_else(|_| Err(format!("no answer within {late} s")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::budget::{Budget, ClientBudgets, SharedBudget};

    #[tokio::test(start_paused = true)]
    async fn so_many_are_asked_at_one_time_and_the_others_wait_for_their_turn() {
        let turns = Arc::new(Turns(Semaphore::new(MOST)));
        let (asking, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let ask = |takes: Duration| {
            let (turns, asking, most) = (turns.clone(), asking.clone(), most.clone());
            tokio::spawn(async move {
                let asked = async {
                    most.fetch_max(asking.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    tokio::time::sleep(takes).await;
                    asking.fetch_sub(1, Ordering::Relaxed);
                    Ok(())
                };
                turns.wait(asked).await
            })
        };
        let all: Vec<_> = (0..3 * MOST).map(|_| ask(Duration::from_secs(1))).collect();
        for asked in all {
            assert_eq!(asked.await.unwrap(), Ok(()));
        }
        assert_eq!(most.load(Ordering::Relaxed), MOST);

        let _others = turns.0.acquire_many(MOST as u32).await.unwrap();
        let why = "no turn within 8 s, with 32 questions at one time".to_owned();
        assert_eq!(ask(Duration::ZERO).await.unwrap(), Err(why));
    }

    /// Without credentials nothing goes out, and it counts.
    #[tokio::test(start_paused = true)]
    async fn a_client_has_so_many_questions_and_then_has_to_wait() {
        let outbound = crate::config::Outbound::default();
        let client = Client::from_config(&outbound, rustls::RootCertStore::empty()).unwrap();
        let inquiries = Inquiries::new(client);
        let question = {
            let settings = Settings::from([
                ("webhook_id", "1"),
                ("verification", "postback"),
                ("client_id", "a"),
                ("client_secret", "b"),
            ]);
            question(settings)
        };
        let every = Duration::from_secs(10);
        let (shares, whole) = (ClientBudgets::new(2, every), Budget::new(3, every));
        let budget = SharedBudget::new(shares, whole);
        let settings = Arc::new(Settings::default());
        let ask = |client: &str| {
            let client = client.parse().unwrap();
            let asking = Asking { settings: &settings, client, budget: &budget };
            inquiries.ask(&question, asking)
        };
        let failed = Err(Unobtainable::Failed("there are no credentials".to_owned()));
        assert_eq!(ask("192.0.2.1").await, failed);
        assert_eq!(ask("192.0.2.1").await, failed);
        assert_eq!(ask("192.0.2.1").await, Err(Unobtainable::Later(every)));
        assert_eq!(ask("192.0.2.2").await, failed, "another client has its own");
        assert_eq!(
            ask("192.0.2.3").await,
            Err(Unobtainable::Later(every)),
            "and the route has no more"
        );
    }

    /// What is asked about an event of PayPal's.
    fn question(settings: Settings) -> Question {
        use hookyard_verify::{Keyring, Reason, Request, UnixTime, Verifier, profile, sign};

        let paypal = profile("paypal").unwrap();
        let request = Request {
            method: http::Method::POST,
            url: String::new(),
            path: String::new(),
            query: None,
            params: Vec::new(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from_static(b"{}"),
        };
        let key = include_str!("../../verify/tests/keys/rsa.pem").into();
        let now = UnixTime::from_secs(1_750_000_000);
        let sent = sign(paypal.scheme, &key, request, now, &settings).unwrap();
        let verifier = Verifier::for_profile(paypal, [], settings).unwrap();
        match verifier.receive(sent, now, &Keyring::new()).unwrap_err().reason {
            Reason::AnswerNeeded(question) => question,
            other => panic!("{other}"),
        }
    }
}
