//! One URL, and what comes of asking for it.

use hookyard_sdk::ConnectionError;
use hookyard_sdk::prelude::*;

/// One of the setting `checks`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    connection: String,
    /// Below the connection's base URL; the base itself when it is not given.
    #[serde(default)]
    path: String,
    /// The status that is expected; any of 200 to 299 when it is not given.
    status: Option<u16>,
    /// A text that the answer must have in it.
    contains: Option<String>,
}

/// What a check found, in words for a person.
pub(crate) enum Finding {
    Up(String),
    Failing(String),
    /// Nothing was learned about the URL.
    Unknown(String),
}

impl Check {
    /// What it is called in reports, and the key of its state.
    pub(crate) fn name(&self) -> String {
        match self.path.as_str() {
            "" => self.connection.clone(),
            path => format!("{}/{}", self.connection, path.trim_start_matches('/')),
        }
    }

    /// A URL that does not answer is a finding. What cannot be asked at all is a mistake in the
    /// settings, and a reject.
    pub(crate) fn run(&self, host: &Host, patience: Duration) -> Result<Finding, Failure> {
        let request = host.connection(&self.connection).get(&self.path).timeout(patience);
        let response = match request.send() {
            Ok(response) => response,
            Err(error @ ConnectionError::Invalid(_)) => {
                return reject(format!("the check {} cannot be made: {error}", self.name()));
            }
            Err(error @ ConnectionError::Rate { .. }) => {
                return Ok(Finding::Unknown(error.to_string()));
            }
            Err(error) => return Ok(Finding::Failing(error.to_string())),
        };
        let status = response.status();
        let expected = self.status.map_or(response.is_success(), |expected| expected == status);
        if !expected {
            return Ok(Finding::Failing(format!("it answers {status}")));
        }
        let contains = self
            .contains
            .as_deref()
            .is_none_or(|text| String::from_utf8_lossy(response.body()).contains(text));
        Ok(match contains {
            true => Finding::Up(format!("it answers {status}")),
            false => Finding::Failing(format!("it answers {status} without the text expected")),
        })
    }
}
