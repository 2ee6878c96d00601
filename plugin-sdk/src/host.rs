//! What a handler can ask of the daemon.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::guest::bindings::imports::hookyard::plugin::kv::Scope;
use crate::guest::bindings::imports::hookyard::plugin::types;
use crate::log::{self, Level};
use crate::{Connection, Failure, Kv, Queue};

#[cfg(target_arch = "wasm32")]
#[path = "host/guest.rs"]
pub(crate) mod calls;
#[cfg(not(target_arch = "wasm32"))]
#[path = "host/native.rs"]
pub(crate) mod calls;

/// What a handler can ask of the daemon: settings, log, time, randomness, which try this is, what it
/// keeps, what it sends, other services, and secrets.
///
/// The last four need a grant in config.toml. A plugin's import list shows which it uses.
///
/// ```
/// use hookyard_sdk::prelude::*;
///
/// /// Greets in the language of its setting.
/// #[handler]
/// fn greet(_event: Event, host: Host) -> Outcome {
///     let greeting: String = host.setting_or("greeting", "hello".into())?;
///     host.info(format!("attempt {}", host.attempt().number()));
///     reply(200).text(greeting)
/// }
///
/// hookyard_sdk::plugin!(greet, settings(optional greeting));
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Host {
    attempt: Attempt,
    /// The native fake belongs to the thread that runs the handler.
    not_send: PhantomData<*const ()>,
}

/// The try that is being made.
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn careful(_event: Event, host: Host) -> Outcome {
///     if host.attempt().number() > 3 {
///         return reject("three tries are enough");
///     }
///     retry("not yet")
/// }
///
/// let run = testing::host().attempt(4).run(careful, testing::event().build());
/// assert_eq!(run.expect_rejected(), "three tries are enough");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    job_id: String,
    number: u32,
}

impl Attempt {
    /// The job's id: the same on every attempt of it, another for a replay or another handler. Good
    /// as an idempotency key.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// 1 for the first try.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Host {
    pub(crate) fn new(attempt: types::Attempt) -> Self {
        let attempt = Attempt { job_id: attempt.job_id, number: attempt.number };
        Self { attempt, not_send: PhantomData }
    }

    /// The try that is being made.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn tell(_event: Event, host: Host) -> Outcome {
    ///     reply(200).text(format!("{} {}", host.attempt().job_id(), host.attempt().number()))
    /// }
    ///
    /// let run = testing::host().job_id("j-1").run(tell, testing::event().build());
    /// assert_eq!(run.expect_reply().text(), "j-1 1");
    /// ```
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// A namespace of the plugin's own, for what outlives the attempt. Any name of 1 to 64 lower-case
    /// letters, digits, `-` and `_`; needs `kv = true` in the plugin's table of config.toml.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn count(event: Event, host: Host) -> Outcome {
    ///     let count = host.kv("counts").increment_and_get(event.kind(), 1)?;
    ///     done().message(format!("number {count}"))
    /// }
    ///
    /// let run = testing::run(count, testing::event().kind("push").build());
    /// assert_eq!(run.expect_done().message(), Some("number 1"));
    /// ```
    pub fn kv(&self, namespace: &str) -> Kv {
        Kv::new(Scope::Plugin, namespace)
    }

    /// A namespace that plugins share. Each names it in [`plugin!`](crate::plugin), and config.toml
    /// grants it to each: `kv = { shared = ["customers"] }`.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// /// Only for customers that another plugin has written down.
    /// #[handler]
    /// fn greet(event: Event, host: Host) -> Outcome {
    ///     let name = event.param("name").or_reject("nobody to greet")?;
    ///     match host.shared_kv("customers").get(name) {
    ///         Some(_) => reply(200).text(format!("hello {name}")),
    ///         None => ignore("a stranger"),
    ///     }
    /// }
    ///
    /// hookyard_sdk::plugin!(greet, shared(customers));
    ///
    /// # fn main() {
    /// let event = testing::event().param("name", "ada").build();
    /// let run = testing::host().shared_kv("customers", "ada", "").run(greet, event);
    /// assert_eq!(run.expect_reply().text(), "hello ada");
    /// # }
    /// ```
    pub fn shared_kv(&self, namespace: &str) -> Kv {
        Kv::new(Scope::Shared, namespace)
    }

    /// A topic, to send messages to. The plugin names it in [`plugin!`](crate::plugin), and
    /// config.toml grants it: `topics = ["emails"]`.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// /// Leaves the work to a consumer.
    /// #[handler]
    /// fn later(event: Event, host: Host) -> Outcome {
    ///     host.queue("work").send_bytes(event.body());
    ///     done()
    /// }
    ///
    /// hookyard_sdk::plugin!(later, topics(work));
    ///
    /// # fn main() {
    /// let run = testing::run(later, testing::event().text("hello").build());
    /// assert_eq!(run.sent()[0].topic(), "work");
    /// # }
    /// ```
    pub fn queue(&self, topic: &str) -> Queue {
        Queue::new(topic)
    }

    /// Another service's HTTP API, which config.toml describes as `[connection.NAME]` and grants to the
    /// plugin: `connections = ["slack"]`. Without the grant the attempt ends.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn price(_event: Event, host: Host) -> Outcome {
    ///     let rates: Value = host.connection("rates").get("latest").send()?.expect_success()?.json()?;
    ///     done().message(&rates["eur"])
    /// }
    ///
    /// let host = testing::host().answer("rates", testing::response(200).json(&json!({ "eur": 2 })));
    /// assert_eq!(host.run(price, testing::event().build()).expect_done().message(), Some("2"));
    /// ```
    pub fn connection(&self, name: &str) -> Connection {
        Connection::new(name)
    }

    /// A secret, for code that must have one. The plugin names it in [`plugin!`](crate::plugin), and
    /// config.toml grants it: `secrets = { api_key = { env = "API_KEY" } }` in the plugin's table.
    /// What calls an API needs none: a connection brings its credentials itself.
    ///
    /// The value is kept out of log lines, of messages and of what is said of a panic: `[secret]`
    /// stands in its place. Nothing keeps it out of replies and of what the plugin sends or keeps.
    ///
    /// One that is not there is a retry: a plugin is not loaded without a secret that it names, so the
    /// operator has taken it away since.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// /// Lets in what shows the key.
    /// #[handler]
    /// fn guarded(event: Event, host: Host) -> Outcome {
    ///     let key = host.secret("api_key")?;
    ///     if event.header("x-api-key") == Some(key.as_str()) { done() } else { reject("another key") }
    /// }
    ///
    /// hookyard_sdk::plugin!(guarded, secrets(api_key));
    ///
    /// # fn main() {
    /// let event = testing::event().header("x-api-key", "correct horse").build();
    /// testing::host().secret("api_key", "correct horse").run(guarded, event.clone()).expect_done();
    /// testing::run(guarded, event).expect_retry();
    /// # }
    /// ```
    pub fn secret(&self, name: &str) -> Result<String, Failure> {
        calls::secret(name).ok_or_else(|| {
            Failure::retry(format!(
                "the secret `{name}` is not there: name it in `plugin!(…, secrets({name}))`, and grant \
                 it in the plugin's table of config.toml"
            ))
        })
    }

    /// The value of a setting from `settings` in the plugin's table of config.toml.
    ///
    /// A setting that is not there, or is not a `T`, is a reject that says so. Declare settings in
    /// [`plugin!`](crate::plugin) as `required`, and the daemon refuses to load the plugin without them.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn limited(event: Event, host: Host) -> Outcome {
    ///     let limit: usize = host.setting("limit")?;
    ///     if event.body().len() > limit { ignore("too long") } else { done() }
    /// }
    ///
    /// let event = testing::event().text("hello").build();
    /// testing::host().setting("limit", 10).run(limited, event.clone()).expect_done();
    /// let run = testing::run(limited, event);
    /// assert!(run.expect_rejected().starts_with("the setting `limit` is not set"));
    /// ```
    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        self.optional_setting(name)?.ok_or_else(|| {
            Failure::reject(format!(
                "the setting `{name}` is not set: add it to `settings` in the plugin's table of config.toml"
            ))
        })
    }

    /// As [`setting`](Self::setting), and `None` when it is not set.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn branch(_event: Event, host: Host) -> Outcome {
    ///     match host.optional_setting::<String>("branch")? {
    ///         Some(branch) => done().message(format!("only {branch}")),
    ///         None => done().message("every branch"),
    ///     }
    /// }
    ///
    /// let run = testing::run(branch, testing::event().build());
    /// assert_eq!(run.expect_done().message(), Some("every branch"));
    /// ```
    pub fn optional_setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = calls::setting(name) else { return Ok(None) };
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Failure::reject(format!(
                "the setting `{name}` in the plugin's table of config.toml is not what the plugin expects: {error}"
            ))),
        }
    }

    /// As [`setting`](Self::setting), and `default` when it is not set.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn greet(_event: Event, host: Host) -> Outcome {
    ///     reply(200).text(host.setting_or("greeting", String::from("hello"))?)
    /// }
    ///
    /// let event = testing::event().build();
    /// assert_eq!(testing::run(greet, event.clone()).expect_reply().text(), "hello");
    /// let run = testing::host().setting("greeting", "salut").run(greet, event);
    /// assert_eq!(run.expect_reply().text(), "salut");
    /// ```
    pub fn setting_or<T: DeserializeOwned>(&self, name: &str, default: T) -> Result<T, Failure> {
        Ok(self.optional_setting(name)?.unwrap_or(default))
    }

    /// Logs a line at level `debug`. With fields: [`debug!`](crate::debug).
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// fn quiet(event: Event, host: Host) -> Outcome {
    ///     host.debug(format!("headers: {}", event.headers().count()));
    ///     done()
    /// }
    /// # hookyard_sdk::testing::run(quiet, hookyard_sdk::testing::event().build()).expect_done();
    /// ```
    pub fn debug(&self, message: impl fmt::Display) {
        log::write(Level::Debug, message.to_string(), Vec::new());
    }

    /// Logs a line at level `info`. With fields: [`info!`](crate::info).
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn tell(_event: Event, host: Host) -> Outcome {
    ///     host.info("seen");
    ///     done()
    /// }
    ///
    /// let run = testing::run(tell, testing::event().build());
    /// assert_eq!(run.logs()[0].message, "seen");
    /// ```
    pub fn info(&self, message: impl fmt::Display) {
        log::write(Level::Info, message.to_string(), Vec::new());
    }

    /// Logs a line at level `warn`. With fields: [`warn!`](crate::warn).
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// fn picky(event: Event, host: Host) -> Outcome {
    ///     if event.header("user-agent").is_none() {
    ///         host.warn("the sender does not say who it is");
    ///     }
    ///     done()
    /// }
    /// # hookyard_sdk::testing::run(picky, hookyard_sdk::testing::event().build()).expect_done();
    /// ```
    pub fn warn(&self, message: impl fmt::Display) {
        log::write(Level::Warn, message.to_string(), Vec::new());
    }

    /// Logs a line at level `error`. With fields: [`error!`](crate::error).
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// fn strict(event: Event, host: Host) -> Outcome {
    ///     if event.body().is_empty() {
    ///         host.error("nothing to read");
    ///         return reject("the body is empty");
    ///     }
    ///     done()
    /// }
    /// # hookyard_sdk::testing::run(strict, hookyard_sdk::testing::event().build()).expect_rejected();
    /// ```
    pub fn error(&self, message: impl fmt::Display) {
        log::write(Level::Error, message.to_string(), Vec::new());
    }

    /// The time of day, to the millisecond. (`SystemTime::now()` panics on `wasm32-unknown-unknown`.)
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn fresh(event: Event, host: Host) -> Outcome {
    ///     let age = host.now().duration_since(event.received_at()).unwrap_or_default();
    ///     if age > Duration::from_secs(3600) { ignore("an hour old") } else { done() }
    /// }
    ///
    /// testing::run(fresh, testing::event().build()).expect_done();
    /// ```
    pub fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(calls::now())
    }

    /// Time since some fixed moment, to the nanosecond; it never goes back. For measuring.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    ///
    /// fn timed(event: Event, host: Host) -> Outcome {
    ///     let begun = host.monotonic();
    ///     let _: Value = event.json()?;
    ///     host.info(format!("parsed in {:?}", host.monotonic() - begun));
    ///     done()
    /// }
    /// # let event = hookyard_sdk::testing::event().json(&json!({})).build();
    /// # hookyard_sdk::testing::run(timed, event).expect_done();
    /// ```
    pub fn monotonic(&self) -> Duration {
        Duration::from_nanos(calls::monotonic())
    }

    /// `len` random bytes, fit for keys.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn token(_event: Event, host: Host) -> Outcome {
    ///     let hex: String = host.random_bytes(8).iter().map(|byte| format!("{byte:02x}")).collect();
    ///     reply(200).text(hex)
    /// }
    ///
    /// let run = testing::run(token, testing::event().build());
    /// assert_eq!(run.expect_reply().text().len(), 16);
    /// ```
    pub fn random_bytes(&self, len: usize) -> Vec<u8> {
        // The interface gives at most 64 KiB at once.
        const MOST: usize = 64 * 1024;
        let mut bytes = calls::random(len.min(MOST));
        while bytes.len() < len {
            bytes.append(&mut calls::random((len - bytes.len()).min(MOST)));
        }
        bytes
    }
}
