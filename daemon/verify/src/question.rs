//! Questions about one request that only its sender can answer. This crate asks nobody: it says what
//! has to be asked, by a [`Question`] in [`Reason::AnswerNeeded`](crate::Reason::AnswerNeeded), and is
//! asked again with a [`Keyring`](crate::Keyring) that has the answer.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;

/// What has to be asked before a request can be believed: `POST` of JSON, with a token of the
/// application whose credentials are the settings `client_id` and `client_secret`. Host and path are
/// fixed: nothing in a request leads elsewhere. `Debug` does not show the body, which has the
/// request's own in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    pub(crate) host: &'static str,
    pub(crate) path: &'static str,
    pub(crate) token_path: &'static str,
    pub(crate) body: Bytes,
}

/// What the sender says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has sent it.
    Genuine,
    /// It has not.
    Forged,
}

impl Question {
    /// Where the question is posted.
    pub fn url(&self) -> String {
        format!("https://{}{}", self.host, self.path)
    }

    /// Where the token is got, with a grant of client credentials (RFC 6749, 4.4).
    pub fn token_url(&self) -> String {
        format!("https://{}{}", self.host, self.token_path)
    }

    /// The host of both.
    pub fn host(&self) -> &'static str {
        self.host
    }

    /// The question itself.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What an answer with a status of success says; nothing when it is no answer to this.
    ///
    /// ```
    /// use hookyard_verify::{Question, Verdict};
    ///
    /// assert_eq!(Question::read(br#"{"verification_status":"SUCCESS"}"#), Some(Verdict::Genuine));
    /// assert_eq!(Question::read(b"<html>"), None);
    /// ```
    pub fn read(answer: &[u8]) -> Option<Verdict> {
        #[derive(Deserialize)]
        struct Answer {
            verification_status: String,
        }
        let answer: Answer = serde_json::from_slice(answer).ok()?;
        match answer.verification_status.as_str() {
            "SUCCESS" => Some(Verdict::Genuine),
            "FAILURE" => Some(Verdict::Forged),
            _ => None,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer of https://{}{}", self.host, self.path)
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("url", &self.url())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_one_of_two_words() {
        let read = |answer: &str| Question::read(answer.as_bytes());
        assert_eq!(read(r#"{"verification_status":"SUCCESS","x":1}"#), Some(Verdict::Genuine));
        assert_eq!(read(r#"{"verification_status":"FAILURE"}"#), Some(Verdict::Forged));
        for no_answer in [
            "",
            "SUCCESS",
            "{}",
            r#"{"verification_status":"success"}"#,
            r#"{"verification_status":true}"#,
            r#"{"verification_status":"FAILURE","verification_status":"SUCCESS"}"#,
            r#"{"verification_status":"SUCCESS"} {}"#,
        ] {
            assert_eq!(read(no_answer), None, "{no_answer}");
        }
    }
}
