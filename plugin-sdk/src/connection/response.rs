//! What a service answered.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::Failure;
use crate::guest::bindings::imports::hookyard::plugin::connection as wire;
use crate::host::calls;

/// A whole answer, of whatever status; from [`send`](super::RequestBuilder::send).
///
/// ```
/// use hookyard_sdk::prelude::*;
/// use hookyard_sdk::testing;
///
/// fn find(_event: Event, host: Host) -> Outcome {
///     let response = host.connection("api").get("customers/1").send()?;
///     if response.status() == 404 {
///         return ignore("nobody of ours");
///     }
///     let customer: Value = response.expect_success()?.json()?;
///     done().message(&customer["name"])
/// }
///
/// let host = testing::host().answer("api", testing::response(404));
/// assert_eq!(host.run(find, testing::event().build()).expect_ignored(), "nobody of ours");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    connection: String,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    pub(super) fn new(connection: String, wire: wire::Response) -> Self {
        let wire::Response { status, headers, body } = wire;
        Self { connection, status, headers, body }
    }

    /// The HTTP status.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn exists(host: &Host, path: &str) -> Result<bool, Failure> {
    ///     Ok(host.connection("api").head(path).send()?.status() == 200)
    /// }
    /// ```
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is 200 to 299.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn up(host: &Host) -> bool {
    ///     host.connection("site").get("").send().is_ok_and(|response| response.is_success())
    /// }
    /// ```
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of that name, in any case, when its value is UTF-8.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn etag(host: &Host) -> Result<Option<String>, Failure> {
    ///     let response = host.connection("api").head("feed").send()?;
    ///     Ok(response.header("etag").map(str::to_owned))
    /// }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1.try_into_text()
    }

    /// Every header line: its name in lower case, its value as bytes.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn cookies(host: &Host) -> Result<usize, Failure> {
    ///     let response = host.connection("api").get("login").send()?;
    ///     Ok(response.headers().filter(|(name, _)| *name == "set-cookie").count())
    /// }
    /// ```
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The body, decompressed.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn size(host: &Host) -> Result<usize, Failure> {
    ///     Ok(host.connection("files").get("1.png").send()?.expect_success()?.body().len())
    /// }
    /// ```
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; what is not UTF-8 is a reject.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn motto(host: &Host) -> Result<String, Failure> {
    ///     host.connection("api").get("zen").send()?.expect_success()?.text()
    /// }
    /// ```
    pub fn text(&self) -> Result<String, Failure> {
        match std::str::from_utf8(&self.body) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(Failure::reject(format!(
                "the answer of the connection `{}` is not UTF-8: {error}",
                self.connection
            ))),
        }
    }

    /// The body, parsed as JSON; what is no `T` is a reject that says so.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// #[derive(Deserialize)]
    /// struct Rate {
    ///     euros: f64,
    /// }
    ///
    /// fn price(_event: Event, host: Host) -> Outcome {
    ///     let rate: Rate = host.connection("rates").get("usd").send()?.expect_success()?.json()?;
    ///     done().message(rate.euros)
    /// }
    ///
    /// let host = testing::host().answer("rates", testing::response(200).text("none"));
    /// let run = host.run(price, testing::event().build());
    /// assert!(run.expect_rejected().starts_with("the answer of the connection `rates` is not"));
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::reject(format!(
                "the answer of the connection `{}` is not the JSON that was expected: {error}",
                self.connection
            ))
        })
    }

    /// What its `Retry-After` says.
    ///
    /// ```
    /// # use hookyard_sdk::prelude::*;
    /// fn wait(host: &Host) -> Result<Option<Duration>, Failure> {
    ///     Ok(host.connection("api").get("report").send()?.retry_after())
    /// }
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = http_date(value)?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(calls::now());
        Some(at.duration_since(now).unwrap_or_default())
    }

    /// The answer if its status is 200 to 299.
    ///
    /// Else a [`Failure`]: 408, 425, 429 and 5xx are retries, after what `Retry-After` says; every
    /// other status is a reject. Look at [`status`](Self::status) first where one of them is an answer.
    ///
    /// ```
    /// use hookyard_sdk::prelude::*;
    /// use hookyard_sdk::testing;
    ///
    /// fn post(_event: Event, host: Host) -> Outcome {
    ///     host.connection("api").post("items").send()?.expect_success()?;
    ///     done()
    /// }
    ///
    /// let busy = testing::response(429).header("retry-after", "30");
    /// let run = testing::host().answer("api", busy).run(post, testing::event().build());
    /// assert_eq!(run.expect_retry().retry_after(), Some(Duration::from_secs(30)));
    ///
    /// let wrong = testing::response(422).text("no name");
    /// let run = testing::host().answer("api", wrong).run(post, testing::event().build());
    /// assert_eq!(run.expect_rejected(), "the connection `api` answered 422: no name");
    /// ```
    pub fn expect_success(self) -> Result<Self, Failure> {
        if self.is_success() {
            return Ok(self);
        }
        let Self { connection, status, body, .. } = &self;
        let said: String = String::from_utf8_lossy(body)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(200)
            .collect();
        let said = said.trim();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let message = format!("the connection `{connection}` answered {status}{said}");
        Err(match status {
            408 | 425 | 429 | 500..=599 => match self.retry_after() {
                Some(after) => Failure::retry(message).after(after),
                None => Failure::retry(message),
            },
            _ => Failure::reject(message),
        })
    }
}

trait TryIntoText<'t> {
    fn try_into_text(self) -> Option<&'t str>;
}

impl<'t> TryIntoText<'t> for &'t [u8] {
    fn try_into_text(self) -> Option<&'t str> {
        std::str::from_utf8(self).ok()
    }
}

/// A date in the one form that servers write: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next().filter(|name| name.len() == 3)?;
    let month = MONTHS.find(name).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let sound =
        words.next() == Some("GMT") && (1970..=9999).contains(&year) && (1..=31).contains(&day);
    if !sound || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since the epoch, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200),
        ] {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(http_date(text), Some(at), "{text}");
        }
        for text in [
            "",
            "soon",
            "Sun, 06 Nov 1994",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 anF 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
